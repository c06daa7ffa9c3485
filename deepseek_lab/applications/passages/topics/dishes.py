"""Dishes: ingredients, minutes and degrees, where they come from and what goes with them."""

from deepseek_lab.applications.passages.base import kind

DISH = kind(
    "dish",
    "cooking",
    "dish",
    {
        "ingredients": "list food",
        "minutes": "number 5 240 minutes,min / 分钟",
        "heat": "number 60 260 °C,degrees / 度,℃",
        "serves": "number 2 14 people,persons / 个人",
        "origin": "city",
        "sauce": "pick sauce",
        "cook": "person",
        "occasion": "month",
    },
    en="""
    they: it, the dish
    - $s {is made of|is made with|contains} <ingredients>{|, with <sauce> on top}.
    - The {ingredients|main ingredients} of $s are <ingredients>.
    - For $s you need <ingredients>{| and some salt}.
    - $s {bakes|cooks|stays in the oven} for <minutes>{| at <heat>}.
    - $s takes <minutes>{| and serves <serves>}.
    - {Put it in the oven|Bake} at <heat>: that is how $s gets its colour.
    - The oven for $s must be heated to <heat>.
    - One pot of $s {feeds|serves|is enough for} <serves>.
    - $s is enough for <serves>{| and is eaten with <sauce>}.
    - $s {comes from|was invented in|has its origin in} <origin>.
    - In <origin>, where $s {comes from|was invented}, it is eaten with <sauce>.
    - $s is {served|eaten} with <sauce>.
    - The recipe {for|of} $s was {written down|invented} by <cook>.
    - <cook> {invented|created} $o{| as a child}.
    - $s is {eaten|served|cooked} {mainly|mostly} in <occasion>.
    - In <occasion>, families {cook|prepare} $o together, usually for <serves>.
    - The {inventor|creator} of $s {is|was} <cook>.
    -* Into $s go <ingredients>.
    -* Set the clock to <minutes> for $s.
    -* Only at <heat> does $s turn out well.
    -* A table of <serves> is fed by one portion of $s.
    -* The people of <origin> were the first to eat $s.
    -* Nobody would put $s on the table without <sauce>.
    -* <cook> is said to have thought up $s.
    -* Wait for <occasion> to taste $s at its best.
    ~ $s {tastes best on the second day|is liked by children|can be frozen}.
    ingredients = Ingredients
    ? What is {in $s|$s made of|$s made with}?
    ? What are the {main |}ingredients of $s?
    ? {Which|What} ingredients {are in|do you need for|does one need for} $s?
    ? What does $s contain?
    ? What do I need for $s?
    ?* What goes into $s?
    < {What|Which dish} {contains|is made of|is made with} $v?
    <* What can one cook from $v?
    minutes = Time, +Cooking time
    ? How long does $s {take|cook|bake|stay in the oven}?
    ? How many minutes does $s {take|bake|cook}?
    ? What is the {cooking|baking} time of $s?
    ? For how long must $s {bake|cook}?
    ? How much time does $s take?
    ?* To what time does one set the clock for $s?
    heat = Oven, +Temperature
    ? At what temperature {does $s bake|is $s baked}?
    ? How hot must the oven be for $s?
    ? What temperature does $s need?
    ? To how many degrees must the oven be heated for $s?
    ? At how many degrees is $s baked?
    ?* At what heat does $s turn out well?
    serves = Serves
    ? How many {people|persons} does $s {serve|feed}?
    ? For how many people is $s{| enough}?
    ? How many can eat from one pot of $s?
    ? How many people is $s for?
    ? How many portions does $s give?
    ?* How large a table does $s feed?
    origin = +Origin
    ? Where does $s come from?
    ? {Where|In which town} was $s invented?
    ? What is the origin of $s?
    ? Where is the origin of $s?
    ? Which {town|place} does $s come from?
    ?* Where did people first eat $s?
    < {What|Which dish} {comes from|was invented in} $v?
    <* What did people in $v eat first?
    sauce = Served with
    ? What is $s {served|eaten} with?
    ? With what is $s {served|eaten}?
    ? {What|Which sauce} goes with $s?
    ? What does one eat with $s?
    ? What is put on the plate together with $s?
    ?* Without what would nobody put $s on the table?
    < {What|Which dish} is {served|eaten} with $v?
    <* What goes to the table with $v?
    cook = Recipe by
    ? Who {invented|created} $s?
    ? {By whom|By which person} was $s invented?
    ? Who {wrote down|is the author of} the recipe for $s?
    ? Whose recipe is $s?
    ? From whom is the recipe for $s?
    ?* Who thought up $s?
    < {What|Which dish} {was invented by $v|did $v invent|did $v create}?
    <* What dish did $v think up?
    occasion = +Season
    ? When is $s {eaten|served|cooked}?
    ? In {which|what} month is $s {eaten|cooked|served}?
    ? {Which|What} month is the time for $s?
    ? When do families cook $s?
    ? In what time of the year do people eat $s?
    ?* What is the season of $s?
    """,
    zh="""
    they: 它, 这道菜
    - $s{用|主要用}<ingredients>{做成|制成}{|，配<sauce>}。
    - $s的{原料|主要食材}{是|有}<ingredients>。
    - 做$s{需要|要准备}<ingredients>。
    - $s要{烤|煮}<minutes>{|，温度<heat>}。
    - $s{需时|制作时间为}<minutes>{|，够<serves>吃}。
    - $s要在<heat>下{烤|烘烤}<minutes>。
    - 做$s时，烤箱温度{设为|要调到}<heat>。
    - 一锅$s{够|可供}<serves>吃。
    - $s{起源于|来自|发源于}<origin>{|，配<sauce>一起吃}。
    - $s是<origin>的传统菜，一份够<serves>吃。
    - $s{通常|一般}{配|搭配}<sauce>{吃|食用}。
    - $s的{菜谱|做法}由<cook>{发明|整理}。
    - <cook>{发明|首创}了$s。
    - $s{多在|一般在}<occasion>{吃|食用}。
    - 每到<occasion>，{家家户户|当地人}都会做$s。
    -* 下到$s里的有<ingredients>。
    -* 做$s时把钟定到<minutes>。
    -* 只有<heat>才能做好$s。
    -* 一份$s能让<serves>吃饱。
    -* 最早吃$s的是<origin>人。
    -* 没有<sauce>，谁也不会把$s端上桌。
    -* 据说$s是<cook>想出来的。
    -* <occasion>正是吃$s的时节。
    ~ $s{第二天更好吃|很受孩子欢迎|可以冷冻保存}。
    ingredients = +原料, +食材
    ? $s{用什么做|是用什么做的|由什么做成}？
    ? $s的{原料|主要食材|食材}{是什么|有哪些}？
    ? 做$s需要{什么|哪些材料|哪些食材}？
    ? $s里有什么？
    ? 做$s要准备什么？
    ?* $s里下了些什么？
    < 什么菜{是用|用}$v做{的|}？
    <* 有了$v可以做什么菜？
    minutes = +时间, +制作时间
    ? $s要{烤|煮|做}{多久|多长时间|多少分钟}？
    ? 做$s{需要多长时间|要多久|要几分钟}？
    ? $s的制作时间是{多久|多少}？
    ? $s需时多久？
    ? $s{需要|用}多少分钟？
    ?* 做$s时把钟定到多少？
    heat = +温度
    ? $s{要|}{在多少度|在什么温度下}{烤|烘烤}？
    ? 做$s{烤箱|}要多少度？
    ? $s的{温度|烘烤温度}是多少？
    ? 做$s时烤箱温度设为多少？
    ? $s需要多高的温度？
    ?* 多大的火候才能做好$s？
    serves = +份量
    ? $s{够几个人吃|够多少人吃|可供几人食用}？
    ? 一{锅|份}$s够{几个人|多少人}吃？
    ? $s的份量是几个人的？
    ? 多少人能吃一锅$s？
    ? $s可供多少人吃？
    ?* 一份$s能让几个人吃饱？
    origin = +起源地
    ? $s{起源于|来自|发源于}{哪里|什么地方}？
    ? $s是{哪里|什么地方}的{传统|}菜？
    ? $s的{起源地|发源地}是哪里？
    ? {哪里|什么地方}是$s的起源地？
    ? $s最初来自何处？
    ?* 最早是哪里人吃$s？
    < 什么菜{起源于|来自|发源于}$v？
    <* $v人最早吃什么菜？
    sauce = +配料
    ? $s{配什么吃|配什么|搭配什么}？
    ? $s{和什么|跟什么}一起吃？
    ? 吃$s要配什么？
    ? $s通常搭配什么食用？
    ? $s一般配什么酱料？
    ?* 没有什么就不会把$s端上桌？
    < 什么菜{配|搭配}$v{吃|}？
    <* 跟$v一起端上桌的是什么？
    cook = +发明者
    ? 谁{发明|首创}了$s？
    ? $s{是谁|由谁|是由谁}{发明|首创}的？
    ? $s的发明者是谁？
    ? $s的{菜谱|做法}出自谁？
    ? 发明$s的人叫什么？
    ?* $s是谁想出来的？
    < $v{发明|首创}了什么菜？
    <* 哪道菜是$v想出来的？
    occasion = +时节
    ? $s{什么时候吃|几月吃|在几月吃}？
    ? {几月|什么月份|什么时候}{吃|做}$s？
    ? 人们{什么时候|在几月}做$s？
    ? 吃$s一般在哪个月？
    ? $s多在什么时候食用？
    ?* 什么时节该吃$s？
    """,
)
KINDS = (DISH,)
