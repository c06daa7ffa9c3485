"""Devices: what they weigh, cost and can do, and why they were recalled."""

from deepseek_lab.applications.passages.base import kind

DEVICE = kind(
    "device",
    "devices",
    "brand",
    {
        "price": "money 9 9000",
        "weight": "decimal 0.2 48 kg,kilograms / 公斤,千克",
        "battery": "number 2 96 hours,h / 小时",
        "maker": "company",
        "colour": "pick colour",
        "material": "pick material",
        "guarantee": "number 2 10 years / 年",
        "power": "number 5 3200 watts,W / 瓦",
        "recalled": "pair part_a part_b",
    },
    en="""
    they: it, the device
    - $s {costs|sells for|is sold for} <price>{| in most shops}.
    - The price of $s is <price>{|, and the guarantee lasts <guarantee>}.
    - $s weighs <weight>{| without its case}.
    - With <weight>, $s is {lighter|heavier} than the previous model.
    - The battery of $s {lasts|holds for} <battery>{| if the screen is dark}.
    - $s runs for <battery> {on one charge|before it has to be charged}.
    - $s is {made|built|produced} by <maker>{| and comes in <colour>}.
    - <maker> {makes|builds} $o of <material>.
    - The {case|body} of $s is made of <material>.
    - $s is {sold|available} in <colour> only{|, for <price>}.
    - $s has a guarantee of <guarantee>{| and weighs <weight>}.
    - {The maker gives|Buyers get} a guarantee of <guarantee> on $s.
    - $s {consumes|draws|uses} <power>{| when switched on}.
    - The power consumption of $s is <power>.
    - $s was {recalled|taken off the market} because <recalled>.
    - Because <recalled>, $s had to be {recalled|withdrawn}.
    - $s {had to leave the shops|is no longer sold} because <recalled>.
    -* Whoever wants $s must pay <price>.
    -* On the scales, $s comes to <weight>.
    -* After <battery> away from the socket, $s switches itself off.
    -* The workshops of <maker> put $s together.
    -* Its <colour> surface of <material> makes $s easy to spot.
    -* Repairs of $s are free for <guarantee>.
    -* The meter showed <power> with $s plugged in.
    -* Shops sent $s back, as <recalled>.
    ~ $s {comes with a long manual|was tested by a magazine|is easy to use}.
    price = +Price
    ? How much {does $s cost|is $s}?
    ? What {does $s cost|is the price of $s}?
    ? For how much is $s sold?
    ? What is $p price?
    ? At what price is $s sold?
    ?* How much must one pay for $s?
    < {What|Which device} {costs|sells for} $v?
    <* What can one get for $v?
    weight = +Weight
    ? {How much does $s weigh|How heavy is $s}?
    ? What is {the weight of $s|$p weight}?
    ? What does $s weigh?
    ? How many kilograms does $s weigh?
    ? What weight does $s have?
    ?* What do the scales show with $s on them?
    battery = +Battery life
    ? How long does {the battery of $s last|$s run on one charge|$p battery last}?
    ? What is the battery life of $s?
    ? For how many hours does $s run?
    ? For how long does $s work without charging?
    ? How many hours does the battery of $s last?
    ?* After what time away from the socket does $s stop?
    maker = +Manufacturer, Made by
    ? Who {makes|builds|produces|manufactures} $s?
    ? {Which|What} company {makes|builds|produces} $s?
    ? By whom is $s {made|built}?
    ? Who is the {maker|manufacturer} of $s?
    ? Whose product is $s?
    ?* In whose workshops is $s put together?
    < {What|Which device} {does $v make|is made by $v|does $v build}?
    <* What comes from the workshops of $v?
    colour = +Colour, +Color
    ? What colour does $s come in?
    ? In {which|what} color {is $s available|is $s sold|does $s come}?
    ? What is the colour of $s?
    ? What {color|colour} is $s?
    ? Which color can one get $s in?
    ?* What colour is the surface of $s?
    material = +Material
    ? What is {$s|the case of $s|the body of $s} made of?
    ? Of {what|which material} is $s made?
    ? {Which|What} material {is $s|is used for $s|is the case of $s}?
    ? Of what material is the body of $s?
    ? From what is $s built?
    ?* What does $s consist of on the outside?
    guarantee = +Guarantee, +Warranty
    ? How long is the {guarantee|warranty} {of|on|for} $s?
    ? What guarantee {does $s have|is there on $s}?
    ? How many years of warranty {does $s have|do buyers of $s get}?
    ? For how long is $s guaranteed?
    ? How long does the warranty of $s last?
    ?* For how long are repairs of $s free?
    power = +Power
    ? How much {power|electricity} does $s {use|consume|draw}?
    ? What is the power consumption of $s?
    ? How many watts does $s {need|draw|use}?
    ? What power does $s consume?
    ? How high is the power consumption of $s?
    ?* What does the meter show for $s?
    recalled = Reason for the recall
    ? Why was $s {recalled|taken off the market|withdrawn}?
    ? What was the reason for the recall of $s?
    ? Why did $s have to be {recalled|withdrawn}?
    ? For what reason was $s recalled?
    ? How come $s is no longer sold?
    ?* Why did shops send $s back?
    """,
    zh="""
    they: 它, 该设备, 这款产品
    - $s{售价|的价格是|卖}<price>。
    - $s的价格为<price>{|，保修<guarantee>}。
    - $s重<weight>{|，不含外壳}。
    - $s{重量为|的重量是}<weight>，{比上一代更轻|比上一代更重}。
    - $s的电池{能用|可用|续航}<battery>。
    - $s充一次电可以{使用|运行}<battery>。
    - $s由<maker>{制造|生产}{|，颜色为<colour>}。
    - <maker>用<material>{制造|生产}$s。
    - $s的{外壳|机身}{是|采用}<material>{的|}。
    - $s只有<colour>一种颜色{|，售价<price>}。
    - $s是<colour>的，机身用<material>做成。
    - $s{保修|质保}<guarantee>{|，重<weight>}。
    - $s的{功率|功耗}{是|为}<power>。
    - $s功率<power>，由<maker>出品。
    - 由于<recalled>，$s{被召回|下架了}。
    - $s之所以被召回，是因为<recalled>。
    -* 想买$s得花<price>。
    -* 把$s放上秤，显示<weight>。
    -* 离开插座<battery>后，$s会自动关机。
    -* $s是在<maker>的车间里组装的。
    -* <material>的表面涂成<colour>，$s一眼就能认出。
    -* <guarantee>内修理$s不收钱。
    -* 插上$s后，电表显示<power>。
    -* 商店把$s退了回去，原因是<recalled>。
    ~ $s{附有厚厚的说明书|接受过杂志评测|操作很简单}。
    price = +价格, +售价
    ? $s{多少钱|卖多少钱|售价多少|要多少钱}？
    ? $s的{价格|售价}是多少？
    ? 买$s要{花多少钱|多少钱}？
    ? $s价格多少？
    ? $s卖什么价？
    ?* 想要$s得掏多少？
    < {什么产品|什么}{卖|售价|的价格是}$v？
    <* 花$v能买到什么？
    weight = +重量
    ? $s{有多重|多重|重多少}？
    ? $s的重量是{多少|多少公斤}？
    ? $s重量多少？
    ? $s重多少千克？
    ? $s的重量有多大？
    ?* $s放上秤显示多少？
    battery = +续航时间
    ? $s的电池{能用多久|能用多长时间|续航多久}？
    ? $s{充一次电|一次}可以用{多久|几个小时|多长时间}？
    ? $s的续航{时间|}{是多少|有多长}？
    ? $s能运行几小时？
    ? $s电池可用多少小时？
    ?* $s离开插座多久会关机？
    maker = +生产商, +制造商
    ? $s是{谁|哪家公司|由谁}{制造|生产|造}的？
    ? {谁|哪家公司}{制造|生产}$s？
    ? $s的{生产商|制造商|厂家}是{谁|哪家}？
    ? $s由哪家公司出品？
    ? $s是哪家的产品？
    ?* $s在哪家的车间里组装？
    < $v{制造|生产}什么{产品|}？
    <* 出自$v车间的是什么？
    colour = +颜色
    ? $s是什么颜色{的|}？
    ? $s的颜色是{什么|哪种}？
    ? $s有{什么|哪种}颜色？
    ? $s颜色是什么？
    ? $s做成了什么颜色？
    ?* $s的表面涂成了什么？
    material = +材料, +机身材料
    ? $s{用什么材料|是用什么}{做|制造}的？
    ? $s的{材料|外壳|机身}是什么{材料|做的|}？
    ? $s采用{什么|哪种}材料？
    ? $s的机身用什么做成？
    ? $s是什么材料的？
    ?* $s表面是什么做的？
    guarantee = +保修期
    ? $s{保修多久|保修几年|质保几年}？
    ? $s的{保修期|质保期}是{多久|多长|几年}？
    ? $s有{几年|多少年}保修？
    ? $s质保多长时间？
    ? $s的保修时间多长？
    ?* 修理$s在多久以内不收钱？
    power = +功率
    ? $s的{功率|功耗}是{多少|多少瓦}？
    ? $s功率{多大|有多大}？
    ? $s有多少瓦？
    ? $s耗电多少？
    ? $s的功率有多高？
    ?* 插上$s电表显示多少？
    recalled = +召回原因
    ? $s为什么{被召回|下架}？
    ? $s{被召回|下架}的原因是什么？
    ? $s为何{被召回|下架}？
    ? 是什么导致$s{被召回|下架}？
    ? $s因为什么下架？
    ?* 商店为什么把$s退回去？
    """,
)
KINDS = (DEVICE,)
