"""Animals and plants: where they live, what they eat, how old and heavy they get."""

from deepseek_lab.applications.passages.base import kind

ANIMAL = kind(
    "animal",
    "animals",
    "species",
    {
        "habitat": "pick habitat",
        "food": "list food",
        "age": "number 2 120 years / 年",
        "weight": "decimal 0.2 95 kg,kilograms / 公斤,千克",
        "young": "number 2 14",
        "described": "person",
        "region": "pick country",
        "threat": "pair threat_a threat_b",
        "speed": "number 8 110 km/h,kilometres per hour / 公里每小时",
    },
    en="""
    they: it, the animal, this species
    - $s {lives|makes its home|is found} in <habitat>{| and is active at night}.
    - {Found only in|A native of} <region>, $s {prefers|likes} <habitat>.
    - $s {is native to|occurs in|comes from} <region>.
    - $s {eats|feeds on|lives on} <food>.
    - The {diet|food} of $s {consists of|is} <food>{|, and an adult weighs <weight>}.
    - An adult of $s {weighs|reaches} <weight>.
    - $s {weighs up to|has a weight of} <weight> and {lives for|can live} <age>.
    - $s {lives for|reaches an age of|can get as old as} <age>.
    - A female of $s {has|gives birth to|raises} <young> young {a year|each spring}.
    - $s has <young> young at a time{| and lives for <age>}.
    - $s was {first described|discovered} by <described>{|, who lived there for years}.
    - <described> {described|discovered} $o during a journey to <region>.
    - $s has become rare because <threat>.
    - Because <threat>, $s is {endangered|threatened}.
    - $s {runs|moves} at up to <speed>.
    - With a {top speed|speed} of <speed>, $s {escapes from|outruns} most enemies.
    - The {favourite foods|usual foods} of $s are <food>.
    - Each year, <young> young are born to $o.
    - The {discoverer of|first to describe} $s was <described>.
    - $s {is disappearing|has become scarce} {because|since} <threat>.
    -* Whoever looks for $s should go to <habitat>.
    -* On the menu of $s are <food>.
    -* No individual of $s has outlived <age>.
    -* Put on the scales, $s shows <weight>.
    -* A litter of $s counts <young>.
    -* Science owes the knowledge of $s to <described>.
    -* The home country of $s is <region>.
    -* The numbers of $s are falling as <threat>.
    -* Chased by a dog, $s was clocked at <speed>.
    ~ $s {is shy|sleeps most of the day|can be seen in some zoos}.
    ~ Children love $o.
    habitat = +Habitat
    ? Where does $s {live|make its home}?
    ? What is the habitat of $s?
    ? In what {surroundings|kind of place|habitat} {does $s live|is $s found}?
    ? What habitat does $s prefer?
    ? Where can $s be found in nature?
    ?* Where should one look for $s?
    < {Which animal|What} lives in $v?
    <* Which creature is at home in $v?
    food = Diet, Food
    ? What does $s {eat|feed on|live on}?
    ? What is the {diet|food} of $s?
    ? What does the {diet|food} of $s consist of?
    ? On what does $s feed?
    ? Which food does $s like?
    ?* What is on the menu of $s?
    < {Which animal|What} {eats|feeds on|lives on} $v?
    <* Which creature has $v on its menu?
    age = +Lifespan
    ? How {long does $s live|old does $s get|old can $s get}?
    ? What is the {lifespan|life expectancy|maximum age} of $s?
    ? What age does $s reach?
    ? How many years {does $s live|can $s live}?
    ? To what age does $s live?
    ?* For how long does $s stay alive?
    weight = +Weight
    ? How {much does $s weigh|heavy is $s|heavy does $s get}?
    ? What {does $s weigh|is the weight of $s}?
    ? What weight does $s {reach|have}?
    ? How many kilograms does $s weigh?
    ? How much does an adult of $s weigh?
    ?* What do the scales show for $s?
    young = Young per year
    ? How many young does $s {have|raise|give birth to}?
    ? What is the number of young of $s?
    ? How many young {are there in a litter of $s|does a female of $s have}?
    ? How many offspring does $s have?
    ? How many young are born to $s at a time?
    ?* How many does a litter of $s count?
    described = Described by
    ? Who {discovered|described|first described} $s?
    ? By whom was $s {discovered|first described|described}?
    ? Who was the discoverer of $s?
    ? Which person {discovered|first described} $s?
    ? What is the name of the discoverer of $s?
    ?* To whom does science owe the knowledge of $s?
    < {Which animal|What|Which species} {was discovered by $v|did $v discover|did $v describe}?
    <* Which creature do we know thanks to $v?
    region = Native to
    ? {In which country|Where} {does $s occur|is $s native}?
    ? {Which country does $s come from|What country is $s native to}?
    ? Where does $s come from?
    ? To which country is $s native?
    ? In what country is $s found?
    ?* What is the home country of $s?
    < {Which animal|Which species} {comes from|is native to|occurs in} $v?
    <* Which creature has its home in the country of $v?
    threat = Threat
    ? Why {has $s become rare|is $s endangered|is $s threatened}?
    ? What is the reason that $s is rare?
    ? For what reason is $s {threatened|endangered}?
    ? How come $s is so rare?
    ? Why are there few left of $s?
    ?* Why are the numbers of $s falling?
    speed = +Top speed
    ? How fast {is $s|can $s run|does $s move}?
    ? What is the {top speed|speed} of $s?
    ? What speed does $s reach?
    ? At what speed does $s {run|move}?
    ? How many km/h does $s reach?
    ?* At what was $s clocked?
    """,
    zh="""
    they: 它, 这种动物, 该物种
    - $s{生活在|栖息于|栖息在}<habitat>{|，夜间活动}。
    - $s{原产于|分布于|只见于}<region>，{喜欢|多生活在}<habitat>。
    - $s{产于|分布在}<region>。
    - $s{以|主要以}<food>为食。
    - $s{爱吃|主要吃|吃}<food>{|，成年后重<weight>}。
    - $s{体重|成年体重}{约|可达|为}<weight>。
    - $s重<weight>，{寿命|寿命约}<age>。
    - $s{能活|可以活|寿命为}<age>。
    - $s{每胎|一胎|每年}产<young>只幼崽{|，寿命<age>}。
    - 雌性$s每年{生下|抚养}<young>只幼崽。
    - $s{最早由|由}<described>{发现|描述}。
    - <described>在<region>考察时{发现|首次描述}了$s。
    - 由于<threat>，$s{变得稀少|濒临灭绝|受到威胁}。
    - $s之所以{稀少|濒危}，是因为<threat>。
    - $s{奔跑|移动}速度{可达|为}<speed>。
    - $s的{最高时速|速度}达到<speed>，大多数天敌追不上。
    -* 想找$s，应当去<habitat>。
    -* $s的食谱上有<food>。
    -* 还没有哪只$s活过<age>。
    -* 放到秤上，$s有<weight>。
    -* $s一窝有<young>只。
    -* 科学界知道$s，要归功于<described>。
    -* $s的老家在<region>。
    -* $s的数量正在减少，原因是<threat>。
    -* 被狗追赶时，$s跑出了<speed>。
    ~ $s{很怕人|白天大多在睡觉|在一些动物园里能看到}。
    ~ 孩子们很喜欢$s。
    habitat = +栖息地
    ? $s{生活在|栖息在|住在}{哪里|什么地方|什么环境中}？
    ? $s的{栖息地|生活环境}是{哪里|什么}？
    ? {在哪里|在什么地方}可以找到$s？
    ? $s喜欢什么环境？
    ? $s栖息于何处？
    ?* 想找$s该去哪儿？
    < 什么动物{生活在|栖息在}$v？
    <* 哪种生物在$v安家？
    food = +食物
    ? $s{吃什么|以什么为食|主要吃什么|爱吃什么}？
    ? $s的{食物|主食}是什么？
    ? $s{靠什么为生|吃哪些东西}？
    ? $s喜欢吃什么？
    ? $s主要以哪些东西为食？
    ?* $s的食谱上有什么？
    < 什么动物{以$v为食|吃$v|爱吃$v}？
    <* 哪种生物的食谱上有$v？
    age = +寿命
    ? $s{能活多久|能活多少年|寿命多长}？
    ? $s的寿命{是多少|有多长|是多少年}？
    ? $s可以活{多少年|多久}？
    ? $s能活到几岁？
    ? $s寿命是多少年？
    ?* $s最多活过多久？
    weight = +体重
    ? $s{有多重|多重|体重多少}？
    ? $s的体重{是多少|有多少|可达多少}？
    ? $s重多少{公斤|千克|}？
    ? 成年$s有多重？
    ? $s体重是多少公斤？
    ?* $s放到秤上是多少？
    young = +每胎幼崽数
    ? $s{每胎|一胎|每年}{产|生}{几只|多少只}{幼崽|}？
    ? $s生几只幼崽？
    ? $s的幼崽有多少只？
    ? 雌性$s每年抚养几只幼崽？
    ? $s一次生多少只？
    ?* $s一窝有几只？
    described = +发现者
    ? 谁{发现|首次描述|最早发现}了$s？
    ? $s{是由谁|是谁|由谁}{发现|描述}的？
    ? $s的发现者是谁？
    ? 最早发现$s的人是谁？
    ? {谁|哪个人}是$s的发现者？
    ?* 科学界知道$s要归功于谁？
    < $v{发现|描述}了{什么动物|哪种动物}？
    <* 因为$v我们才知道哪种生物？
    region = +产地, 分布
    ? $s{产于|分布在|原产于}{哪里|哪个国家}？
    ? $s{来自|生活在}哪个国家？
    ? $s的产地是哪里？
    ? {哪个国家|哪国}有$s？
    ? $s分布于何处？
    ?* $s的老家是哪国？
    < 什么动物{产于|分布在|原产于}$v？
    <* 老家在$v的是哪种生物？
    threat = +濒危原因
    ? $s为什么{稀少|濒危|变得稀少|受到威胁}？
    ? $s{濒危|稀少}的原因是什么？
    ? $s为何{濒临灭绝|稀少}？
    ? 是什么使$s变得稀少？
    ? $s因为什么受到威胁？
    ?* $s怎么越来越少了？
    speed = +速度
    ? $s{跑多快|有多快|能跑多快}？
    ? $s的{速度|最高时速}是多少？
    ? $s{奔跑|移动}速度是多少？
    ? $s时速可达多少？
    ? $s跑起来有多快？
    ?* 被追赶时$s跑出了多少？
    """,
)
KINDS = (ANIMAL,)
