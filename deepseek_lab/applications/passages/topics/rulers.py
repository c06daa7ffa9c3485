"""Kings and queens: reigns and capitals, successors, wars and tombs."""

from deepseek_lab.applications.passages.base import kind

RULER = kind(
    "ruler",
    "history",
    "ruler",
    {
        "reign": "number 2 61 years / 年",
        "crowned": "year 900 1890",
        "capital": "city",
        "successor": "ruler",
        "enemy": "ruler",
        "horse": "pick colour",
        "buried": "city",
        "sons": "number 2 19",
        "built": "bridge",
        "fell": "pair weather_a weather_b",
    },
    en="""
    they: the ruler
    - $s {reigned|ruled} for <reign>{| from <capital>}.
    - $s {was crowned|came to the throne|came to power} in <crowned>{|, against the will of <enemy>}.
    - In <crowned>, $s {ascended the throne|was crowned} and {made <capital> the capital|moved to <capital>}.
    - The {capital|seat} of $s was <capital>.
    - $s was {succeeded|followed} by <successor>{| after <reign>}.
    - <successor> {succeeded|followed} $o on the throne.
    - $s {fought|went to war} against <enemy>{| and lost}.
    - The {greatest|worst} enemy of $s was <enemy>.
    - $s {rode|owned} a horse that was <horse>.
    - $s {is|was} buried in <buried>{|, far from <capital>}.
    - The {tomb|grave} of $s is in <buried>.
    - $s had <sons> sons{|, and <successor> came next on the throne}.
    - $s {had <built> built|ordered the building of <built>}.
    - <built> was {built|put up} {under|by order of} $o.
    - $s lost the {last battle|war} because <fell>.
    - Because <fell>, the army of $s {turned back|was beaten}.
    - $s had <sons> sons and no daughters.
    - {In all|By the end}, <sons> sons {were born to|grew up under} $s.
    - $s {put up|erected} <built>.
    - $s {was defeated|suffered defeat} {because|since} <fell>.
    -* For <reign> the crown sat on the head of $s.
    -* The year <crowned> saw the beginning of the rule of $s.
    -* Laws under $s were made in <capital>.
    -* After $s it was the turn of <successor>.
    -* The armies of $s and those of <enemy> met many times.
    -* Paintings show $s on a <horse> horse.
    -* The bones of $s lie in <buried>.
    -* $s was the father or mother of <sons> boys.
    -* Without $s, nobody could now look at <built>.
    -* As <fell>, $s could not win.
    ~ Chronicles {praise|blame} $o.
    ~ Little of the treasure of $s has been found.
    reign = +Length of the reign, Reigned for
    ? How long did $s {reign|rule}?
    ? For how {long|many years} {did $s rule|did $s reign|was $s on the throne}?
    ? How many years did $s reign?
    ? What was the length of the reign of $s?
    ? How long was the reign of $s?
    ?* How long did $s wear the crown?
    crowned = Crowned, +Year of the coronation
    ? When {was $s crowned|did $s come to power|did $s come to the throne}?
    ? In {what|which} year {was $s crowned|did $s ascend the throne}?
    ? What is the year of the coronation of $s?
    ? When was the coronation of $s?
    ? Since when did $s rule?
    ?* Which year saw the beginning of the rule of $s?
    < Who {was crowned|came to the throne|came to power} in $v?
    <* Whose rule began in $v?
    capital = +Capital, +Seat
    ? What was the {capital|seat} of $s?
    ? {From|In} which {city|town} did $s {rule|reign}?
    ? {Where|From where} did $s rule?
    ? Which {city|town} was the capital of $s?
    ? Which town did $s make the capital?
    ?* Where were the laws of $s made?
    < Whose {capital|seat} was $v?
    <* Who made laws in $v?
    successor = +Successor
    ? Who {succeeded|followed|came after} $s?
    ? By whom was $s {succeeded|followed}?
    ? Who was the successor of $s?
    ? Who was next on the throne after $s?
    ? What is the name of the successor of $s?
    ?* Whose turn was it after $s?
    < {Whom|Who} did $v {succeed|follow}?
    <* After whom was it the turn of $v?
    enemy = +Enemy
    ? Who was the {greatest |worst |}enemy of $s?
    ? Against whom did $s {fight|go to war}?
    ? {Whom|Who} did $s fight{| against}?
    ? With whom was $s at war?
    ? What was the name of the enemy of $s?
    ?* Whose armies did those of $s meet?
    horse = +Colour of the horse
    ? {What|Which} colour was the horse of $s?
    ? What was the color of the horse of $s?
    ? Of what colour was the horse that $s rode?
    ? How did the horse of $s look?
    ? What kind of colour had the horse of $s?
    ?* What colour is the horse in paintings of $s?
    buried = Buried in, +Burial place
    ? Where {is|was} $s buried?
    ? In {which|what} {town|place} {is|was} $s buried?
    ? Where is the {tomb|grave} of $s?
    ? What is the burial place of $s?
    ? Which town has the grave of $s?
    ?* Where do the bones of $s lie?
    < Who {is|was} buried in $v?
    <* Whose bones lie in $v?
    sons = Sons
    ? How many sons did $s have?
    ? What was the number of sons of $s?
    ? How many sons {were born to|are known of} $s?
    ? $s had how many sons?
    ? How many male children did $s have?
    ?* Of how many boys was $s a parent?
    built = Built
    ? What did $s {build|have built}?
    ? {Which|What} building {did $s have built|was built under $s}?
    ? What was {built|put up} {under|by order of} $s?
    ? Of what did $s order the building?
    ? What building do we owe to $s?
    ?* At what could nobody look without $s?
    < Under whom was $v built?
    < Who had $v built?
    <* Thanks to whom can we look at $v?
    fell = Reason for the defeat
    ? Why did $s lose the {war|last battle}?
    ? Why {was the army of $s beaten|did the army of $s turn back}?
    ? What was the reason for the defeat of $s?
    ? For what reason did $s lose?
    ? How come $s lost?
    ?* Why could $s not win?
    """,
    zh="""
    they: 这位君主
    - $s在位<reign>{|，定都<capital>}。
    - $s于<crowned>{即位|登基}{|，在位<reign>}。
    - <crowned>，$s{登基|即位}，{定都|迁都}<capital>。
    - $s的{都城|首都}是<capital>。
    - $s{死后|退位后}由<successor>{继位|继承王位}。
    - <successor>{继承了|接替了}$s的王位。
    - $s曾与<enemy>{交战|开战}{|，最后战败}。
    - $s{最大的敌人|一生的对手}是<enemy>。
    - $s{常骑|喜欢骑}一匹<horse>的马。
    - $s{死后葬于|葬在}<buried>{|，有<sons>个儿子}。
    - $s的{陵墓|坟墓}在<buried>。
    - $s有<sons>个儿子。
    - $s{下令修建|主持修建}了<built>。
    - <built>是$s{在位时|下令}修建的。
    - 由于<fell>，$s{打了败仗|输掉了最后一战}。
    - $s之所以战败，是因为<fell>。
    - $s共有<sons>个儿子，{没有女儿|女儿人数不详}。
    - $s{建造了|主持建造了}<built>。
    -* 王冠在$s头上戴了<reign>。
    -* $s的统治从<crowned>开始。
    -* $s的法令都出自<capital>。
    -* $s之后轮到<successor>。
    -* $s的军队多次遇上<enemy>的人马。
    -* 画上的$s骑着<horse>的马。
    -* $s的遗骨埋在<buried>。
    -* 管$s叫父王或母后的男孩有<sons>个。
    -* 没有$s，今天就看不到<built>。
    -* <fell>，$s没能取胜。
    ~ 史书对$s{评价很高|多有批评}。
    ~ $s的宝藏大多下落不明。
    reign = +在位时间
    ? $s在位{多久|多少年|几年}？
    ? $s{统治了|当了}多少年{国王|}？
    ? $s的在位时间{是多久|有多长}？
    ? $s在位有几年？
    ? $s做君主做了多久？
    ?* 王冠在$s头上戴了多久？
    crowned = +即位时间, +登基年份
    ? $s{什么时候|哪一年|何时}{即位|登基}{的|}？
    ? $s是{哪年|哪一年}{即位|登基}的？
    ? $s的{即位时间|登基年份}是{哪年|什么时候}？
    ? {哪一年|哪年}$s登上王位？
    ? $s即位于何年？
    ?* $s的统治从哪年开始？
    < 谁{在|于}$v{即位|登基}？
    <* 谁的统治始于$v？
    capital = +都城, +首都
    ? $s的{都城|首都}{是哪里|在哪里}？
    ? $s{定都|迁都}{哪里|何处|到哪里}？
    ? $s把都城{定在|设在}哪里？
    ? {哪里|哪座城市}是$s的都城？
    ? $s的首都是哪座城市？
    ?* $s的法令出自哪里？
    < 谁{定都|迁都}$v？
    <* 谁的法令出自$v？
    successor = +继承人
    ? {谁继承了|谁接替了}$s{的王位|}？
    ? $s{死后|退位后}{谁|由谁}继位？
    ? $s的继承人是谁？
    ? 接替$s的是谁？
    ? $s的王位传给了谁？
    ?* $s之后轮到谁？
    < $v{继承了|接替了}谁的王位？
    <* 谁之后轮到$v？
    enemy = +敌人
    ? $s{最大的敌人|一生的对手|的敌人}是谁？
    ? $s{与谁|和谁}{交战|开战|打仗}？
    ? 谁和$s{打过仗|交战}？
    ? $s的对手叫什么？
    ? 与$s开战的是谁？
    ?* $s的军队遇上了谁的人马？
    horse = +马的颜色
    ? $s的马是什么颜色{的|}？
    ? $s骑{什么颜色|怎样}的马？
    ? $s骑的马是{什么颜色|哪种颜色}？
    ? $s那匹马的颜色是什么？
    ? $s喜欢骑什么颜色的马？
    ?* 画上$s的马是什么样的？
    buried = +安葬地, +陵墓所在地
    ? $s{葬在|葬于|安葬在}{哪里|何处|什么地方}？
    ? $s的{陵墓|坟墓}在{哪里|什么地方}？
    ? $s的安葬地是哪里？
    ? {哪里|什么地方}有$s的陵墓？
    ? $s死后埋在哪里？
    ?* $s的遗骨在哪儿？
    < 谁{葬在|葬于}$v？
    <* 谁的遗骨在$v？
    sons = 儿子数
    ? $s有{几个|多少个}儿子？
    ? $s的儿子{有几个|有多少}？
    ? $s生了几个儿子？
    ? $s有多少儿子？
    ? $s一共有几个儿子？
    ?* 管$s叫父王或母后的男孩有几个？
    built = 修建
    ? $s{修建|下令修建|建造}了什么？
    ? {什么建筑|哪座建筑}是$s修建的？
    ? $s主持修建的是什么？
    ? $s在位时修建了哪座建筑？
    ? $s下令建了什么？
    ?* 没有$s今天就看不到什么？
    < {谁|哪位君主}{下令|主持}修建了$v？
    <* 因为谁今天才看得到$v？
    fell = +战败原因
    ? $s为什么{战败|打了败仗|输掉了最后一战}？
    ? $s战败的原因是什么？
    ? $s为何{战败|打败仗}？
    ? 是什么让$s{战败|输掉了}？
    ? $s因为什么输了？
    ?* $s怎么没能取胜？
    """,
)
KINDS = (RULER,)
