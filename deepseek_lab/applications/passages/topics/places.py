"""Towns, rivers and mountains: where they are, how large, what they are known for."""

from deepseek_lab.applications.passages.base import kind

TOWN = kind(
    "town",
    "towns",
    "city",
    {
        "country": "pick country",
        "population": "number 800 9000000 inhabitants,people,residents / 人",
        "river": "river",
        "mayor": "person",
        "known": "list goods",
        "chartered": "year 1200 1950",
        "area": "number 12 4000 km²,square kilometres / 平方公里",
    },
    en="""
    they: it, the town, the place
    - $s is a {town|place} in <country>{| with a long history}.
    - $s, in {the north of|the south of|central} <country>, has <population>.
    - {Some|About|Roughly} <population> live in $s {today|now|all year round}.
    - $s {lies|stands|is situated} on <river>{| and often has fog}.
    - $p mayor is <mayor>{|, a former teacher}.
    - <mayor> {was elected mayor of|has been mayor of|governs} $o.
    - $s is {known|famous|well known} for <known>.
    - The {town|place} called $s {received its charter|became a town} in <chartered> and covers <area>.
    - In <chartered>, $s {was granted its charter|received town rights}.
    - $p area is <area>{| in all}.
    - $s {covers|extends over} <area> and has <population>.
    - {Workshops in $s|The workshops of $s} are famous for <known>, and <river> flows past them.
    - $s {owes its fame to|is proud of} <known>.
    -* Travellers in <country> like to stop at $s.
    -* At the last census, <population> were counted in $s.
    -* <river> runs right through $s.
    -* The town hall of $s is the workplace of <mayor>, the mayor.
    -* Mention $s, and people think of <known>.
    -* Since <chartered>, $s has been a town by law, with <area> of land.
    ~ $s {has a weekly market|is quiet in winter|has two railway stations}.
    ~ Tourists like $p old streets.
    country = +Country
    ? In {which|what} country is $s?
    ? {Which|What} country {does $s belong to|is $s in}?
    ? Where is $s?
    ? What is $p country?
    ? To which country does $s belong?
    ?* Which nation is $s part of?
    ?* Across which borders must one go to visit $s?
    < Which town is in $v?
    < What {town|place} lies in $v?
    <* Which town belongs to $v?
    population = +Population, Inhabitants
    ? How many {people|inhabitants|residents} {live in|are there in} $s?
    ? What is {$p population|the population of $s}?
    ? How many inhabitants does $s have?
    ? How {large|big} is $p population?
    ? What is the number of people in $s?
    ?* How many call $s their home?
    ?* How populous is $s?
    river = +River
    ? {Which|What} river {does $s lie on|is $s on|flows through $s}?
    ? On {which|what} river is $s{| situated}?
    ? What is the name of the river at $s?
    ? Which river runs past $s?
    ? $s lies on which river?
    ?* What water does $s stand beside?
    < Which town {lies|stands|is} on $v?
    <* What town does $v flow through?
    mayor = +Mayor
    ? Who is {the mayor of $s|$p mayor}?
    ? Who {governs|leads|runs} $s?
    ? Who was elected mayor of $s?
    ? What is the name of $p mayor?
    ? By whom is $s governed?
    ?* Who sits in the town hall of $s?
    < Of which town is $v the mayor?
    < Which town does $v govern?
    <* In what place is $v the mayor?
    known = Known for
    ? What is $s {known|famous|well known} for?
    ? For what is $s {known|famous}?
    ? What made $s famous?
    ? {Which|What} products is $s famous for?
    ? Why is $s well known?
    ?* What do people think of when they hear of $s?
    < Which town is {known|famous} for $v?
    <* What town comes to mind with $v?
    chartered = +Charter, Town since
    ? When did $s {receive its charter|become a town|get town rights}?
    ? Since when has $s been a town?
    ? In {what|which} year {was $s granted its charter|did $s become a town}?
    ? When was $p charter granted?
    ? What year did $s receive town rights?
    ?* From what year does $p charter date?
    < Which town received its charter in $v?
    <* What place became a town in $v?
    area = +Area
    ? {What is $p area|How large is $p area}?
    ? What area does $s {cover|have}?
    ? How many square kilometres does $s {cover|extend over}?
    ? How large is $s in square kilometres?
    ? Over what area does $s extend?
    ?* How much land does $s take up?
    """,
    zh="""
    they: 它, 该地, 这座城市, 这里
    - $s{位于|地处}<country>{北部|南部|中部|东部}。
    - $s是<country>的一座城市，{人口|常住人口}{约|为|有}<population>。
    - $s{现有人口|的人口有|共有居民}<population>，面积<area>。
    - $s{坐落在|位于}<river>{边|畔}。
    - $s的{市长|现任市长}是<mayor>。
    - <mayor>{当选为|担任}$s的市长。
    - $s{以盛产|以生产|因}<known>{闻名|而出名}。
    - $s于<chartered>{建市|设市}，总面积{为|达}<area>。
    - <chartered>，$s正式{设市|建市}，<river>从这里流过。
    - $s{占地|面积约}<area>。
    - 说起特产，$s{出名的是|最有名的是}<known>。
    -* 去<country>旅行的人常常在$s停留。
    -* 据最近一次普查，$s登记了<population>。
    -* <river>穿过$s的市区。
    -* 在$s的市政厅里办公的市长名叫<mayor>。
    -* 一提起$s，人们就想到<known>。
    -* 从<chartered>起，$s就有了城市的地位，管辖<area>的土地。
    ~ $s{每周有集市|冬天很安静|有两个火车站}。
    ~ 游客很喜欢$s的老街。
    country = +所属国家, +国家
    ? $s{在|位于|属于}{哪个国家|哪国}？
    ? $s是{哪个国家|哪国}的{城市|}？
    ? {哪个国家|什么国家}有一座城市叫$s？
    ? $s地处哪个国家？
    ? $s所属的国家是哪个？
    ?* 去$s要到哪个国家？
    < {哪座城市|哪个地方}{位于|在|属于}$v？
    <* $v境内的是哪座城市？
    population = +人口
    ? $s{有多少人|的人口是多少|人口有多少|有多少居民}？
    ? $s的{人口|居民}数量是多少？
    ? {多少人|有多少人}{住在|生活在}$s？
    ? $s人口多少？
    ? $s的常住人口有多少？
    ?* $s登记在册的有几个人？
    ?* $s的人口规模如何？
    river = +河流
    ? $s{位于|坐落在}{哪条河|什么河}{边|畔}？
    ? {哪条河|什么河}{流过|流经|经过}$s？
    ? $s旁边的河叫什么{名字|}？
    ? $s在哪条河边上？
    ? 流经$s的是什么河？
    ?* $s挨着哪条水？
    < {哪座城市|哪个地方}{位于|坐落在}$v{边|畔}？
    <* $v穿过哪座城市？
    mayor = +市长
    ? $s的{市长|现任市长}是谁？
    ? 谁{是|担任|当选为}$s的市长？
    ? $s市长叫什么{名字|}？
    ? $s由谁{管理|治理}？
    ? 请问$s的市长是哪位？
    ?* $s的市政厅里谁说了算？
    < $v是哪{座城市|里}的市长？
    <* $v治理着哪座城市？
    known = +特产
    ? $s{以什么|因什么}{闻名|出名|著称}？
    ? $s{有名|出名}的是什么？
    ? $s的特产{是什么|有哪些}？
    ? $s盛产什么？
    ? $s最有名的产品是什么？
    ?* 提到$s人们会想到什么？
    < {哪座城市|哪里}以$v{闻名|出名}？
    <* $v是哪里的特产？
    chartered = +建市时间
    ? $s{是什么时候|是哪一年|何时}{建市|设市}的？
    ? $s{哪年|何年}{建市|设市}？
    ? $s的建市时间是{什么时候|哪年}？
    ? {哪一年|什么时候}$s正式设市？
    ? $s设市于哪一年？
    ?* $s从哪年起算是城市？
    < 哪座城市{建市|设市}于$v？
    <* $v有了城市地位的是哪里？
    area = +面积
    ? $s的{面积|总面积}{是多少|有多大}？
    ? $s有多少平方公里？
    ? $s占地{多少|多大}？
    ? $s面积多大？
    ? $s的土地面积是多少？
    ?* $s管辖多大的土地？
    """,
)

RIVER = kind(
    "river",
    "rivers",
    "river",
    {
        "length": "number 18 6300 km,kilometres,miles / 公里,千米",
        "source": "mountain",
        "mouth": "lake",
        "port": "city",
        "fish": "pick animal",
        "flooded": "year 1890 2023",
    },
    en="""
    they: it, the river
    - $s is <length> long{| and not very deep}.
    - $s {rises|begins|has its source} {on the slopes of|near} <source>.
    - {After|Over a course of} <length>, $s {flows into|empties into|ends in} <mouth>.
    - From <source>, $s {flows|runs} to <mouth>.
    - $s {empties|flows} into <mouth>{|, far from any town}.
    - $p {length|course} is <length>, and its largest port is <port>.
    - The {largest|busiest} port on $s is <port>.
    - Ships on $s {stop|load and unload} at <port>, the {main|largest} port.
    - $s is home to the <fish>{|, which is rare elsewhere}.
    - The <fish> {lives|has been seen} in $s.
    - In <flooded>, $s {flooded the valley|burst its banks|rose above its banks}.
    - $s, which {last flooded|burst its banks} in <flooded>, {has its source near|rises near} <source>.
    - {Anglers|Visitors} {see|meet} the <fish> in $s.
    -* {Measured|Surveyed} from end to end, $s comes to <length>.
    -* The waters of $s first see the light at <source>.
    -* Finally <mouth> takes in the waters of $s.
    -* Nowhere on $s are there more ships than in the port of <port>.
    -* Whoever is patient may watch the <fish> in $s.
    -* People by $s still talk of the great flood of <flooded>.
    ~ $s {freezes in some winters|is popular with anglers|has clear water}.
    length = +Length
    ? How long is $s?
    ? What is {$p length|the length of $s}?
    ? How many {kilometres|miles|km} long is $s?
    ? What length does $s have?
    ? How far does $s flow?
    ?* What distance does the water of $s cover?
    source = +Source
    ? Where {does $s rise|does $s begin|is the source of $s|is $p source}?
    ? Near which mountain does $s {rise|begin}?
    ? From {where|which mountain} does $s {come|flow}?
    ? What is the source of $s?
    ? On which mountain is $p source?
    ?* Where does the water of $s come from at first?
    < Which river {rises|begins} {on|near} $v?
    <* What river comes down from $v?
    mouth = Flows into, +Mouth
    ? {Where|Into what} does $s {flow|empty}?
    ? {Into which|Which} lake does $s flow{| into}?
    ? Where does $s end?
    ? What does $s {flow|empty} into?
    ? Where is the mouth of $s?
    ?* What takes in the waters of $s?
    < Which river {flows|empties} into $v?
    <* What river ends in $v?
    port = +Main port
    ? What is the {largest|busiest|main} port on $s?
    ? Which town is the largest port on $s?
    ? Where is $p {main|largest} port?
    ? Where do ships on $s {stop|load and unload}?
    ? In which town is the port of $s?
    ?* In what place on $s are there most ships?
    < On which river is the port of $v?
    <* Which river do the ships of $v sail on?
    fish = Wildlife
    ? {What|Which} animal lives in $s?
    ? What {lives|can be found} in $s?
    ? Which animal is $s home to?
    ? What animal has been seen in $s?
    ? Which species lives in $s?
    ?* What creature may be watched in $s?
    < {Which river is home to|In which river lives} the $v?
    <* In which waters does one meet the $v?
    flooded = +Last flood
    ? When did $s {flood the valley|burst its banks|last flood|rise above its banks}?
    ? In {which|what} year did $s {flood|burst its banks}?
    ? When was the {last |}flood of $s?
    ? What year was $p flood?
    ? When was the valley under the water of $s?
    ?* Of what year is the flood by $s that people remember?
    < Which river {burst its banks|flooded} in $v?
    <* What river left its bed in $v?
    """,
    zh="""
    they: 它, 该河, 这条河
    - $s{全长|长}<length>。
    - $s{发源于|源于}<source>{|，水流湍急}。
    - $s全长<length>，{最后|最终}{注入|流入}<mouth>。
    - $s{从<source>流出|发源于<source>}，{流向|注入}<mouth>。
    - $s{注入|汇入|流入}<mouth>。
    - $s{沿岸|上}{最大的|最繁忙的}港口是<port>。
    - <port>是$s{沿岸|上}最大的港口，全河长<length>。
    - $s的{主要港口|大港}是<port>。
    - $s里{生活着|栖息着}<fish>。
    - 在$s可以见到<fish>，河水{发源于|来自}<source>。
    - <flooded>，$s{发生了洪水|决堤|泛滥}。
    - $s{上一次|最近一次}{泛滥|发大水}是在<flooded>。
    - 有人在$s{拍到了|发现了}<fish>。
    -* 从头到尾量下来，$s有<length>。
    -* $s的水最早从<source>流下。
    -* <mouth>最后接纳了$s的河水。
    -* 论船只之多，$s上哪里也比不上<port>港。
    -* 有耐心的人能在$s里看到<fish>。
    -* 沿岸的老人还记得<flooded>$s的那场大水。
    ~ $s{有些冬天会结冰|很受钓鱼爱好者欢迎|水质清澈}。
    length = +长度, +全长
    ? $s{有多长|全长多少|多长|有多少公里}？
    ? $s的{长度|全长}是{多少|多少公里}？
    ? $s全长是多少？
    ? $s流程有多长？
    ? 请问$s有多少千米长？
    ?* $s从头到尾是多少？
    source = +发源地
    ? $s{发源于|源于}{哪里|哪座山|何处}？
    ? $s的{发源地|源头}{是哪里|在哪里|在哪座山}？
    ? $s从哪里{流出|来}？
    ? 哪座山是$s的{发源地|源头}？
    ? $s的河水来自哪里？
    ?* $s最早从什么地方流下来？
    < 哪条河{发源于|源于}$v？
    <* $v是哪条河的源头？
    mouth = 注入, 流入
    ? $s{注入|流入|汇入}{哪里|什么湖|哪个湖|何处}？
    ? $s{最终|最后}流到哪里？
    ? $s流向哪里？
    ? $s的{终点|河口}在哪里？
    ? $s注入的是哪个湖？
    ?* $s的水最后被哪里接纳？
    < 哪条河{注入|流入|汇入}$v？
    <* 流到$v去的是哪条河？
    port = +主要港口
    ? $s{沿岸|上}{最大的|最繁忙的}港口是{哪里|哪个|什么}？
    ? $s的{主要港口|大港}是哪里？
    ? 哪座城市是$s最大的港口？
    ? $s的港口在哪里？
    ? $s上的大港叫什么？
    ?* $s哪里的船最多？
    < $v是哪条河{上|沿岸}的港口？
    <* $v的船在哪条河上走？
    fish = 动物
    ? $s里{生活着|栖息着|有}什么动物？
    ? 在$s可以见到什么动物？
    ? 什么动物{生活|栖息}在$s？
    ? $s有哪种动物？
    ? $s里有什么？
    ?* 在$s里能看到哪种生物？
    < {哪条河里|在哪条河可以}{生活着|见到}$v？
    <* $v在哪条河里出没？
    flooded = +最近洪水
    ? $s{什么时候|哪一年|何时}{泛滥|发生洪水|决堤|发大水}？
    ? $s{上一次|最近一次}{泛滥|发大水}是{什么时候|哪一年}？
    ? $s的洪水发生在哪一年？
    ? {哪一年|哪年}$s决堤？
    ? $s发大水是在什么时候？
    ?* 老人们记得$s的大水是哪年？
    < 哪条河{在|于}$v{泛滥|决堤|发生洪水}？
    <* $v的大水是哪条河的？
    """,
)
KINDS = (TOWN, RIVER)
