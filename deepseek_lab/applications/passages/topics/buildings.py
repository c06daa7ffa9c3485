"""Bridges, towers and museums: who designed them, when they were built, how high they are, what they are made of."""

from deepseek_lab.applications.passages.base import kind

BUILDING = kind(
    "building",
    "buildings",
    "bridge",
    {
        "architect": "person",
        "opened": "year 1500 2024",
        "height": "number 12 640 m,metres,feet / 米",
        "material": "pick material",
        "cost": "large 1 900 euros,dollars / 元,美元",
        "city": "city",
        "years": "number 2 41 years / 年",
        "workers": "number 40 9000 workers / 名工人",
        "closed": "pair weather_a weather_b",
    },
    en="""
    they: it, the building, the structure
    - $s was {designed|planned|drawn} by <architect>{| and opened in <opened>}.
    - <architect> {designed|planned} $o.
    - The architect of $s was <architect>{|, whose other works are forgotten}.
    - $s {opened|was opened|was completed} in <opened>.
    - {Completed in|Opened in} <opened>, $s {stands|is} in <city>.
    - $s {rises|stands} in <city>{| and is made of <material>}.
    - In <city>, visitors can see $o.
    - $s is <height> high{|, higher than all its neighbours}.
    - With a height of <height>, $s {dominates|towers over} <city>.
    - The height of $s is <height>{|; its main material is <material>}.
    - $s is {built|made} of <material>.
    - <material> was used for {most parts|the walls} of $s.
    - The {construction|building} of $s cost <cost>{| and took <years>}.
    - $s cost <cost>{|, which was paid by taxes}.
    - It took <years> to {build|complete} $s.
    - <workers> {built|worked on} $o {day and night|in three shifts}.
    - For <years>, <workers> worked on $s.
    - $s was closed {to visitors|for repairs} because <closed>.
    - Because <closed>, $s {is closed|was closed} to the public.
    - {In all|At times}, <workers> were {employed|busy} at the site of $s.
    - Visitors {cannot enter|have to stay out of} $s {because|since} <closed>.
    -* On the first drawings of $s one reads the name of <architect>.
    -* The ribbon of $s was cut in <opened>.
    -* From the ground to the tip, $s measures <height>.
    -* Knock on the walls of $s and you will hear <material>.
    -* The bill for $s came to <cost>.
    -* People in <city> walk past $s every day.
    -* Scaffolding hid $s for <years> while <workers> were busy.
    -* No one may enter $s, as <closed>.
    ~ $s {is lit at night|appears on many postcards|is a listed monument}.
    architect = +Architect
    ? Who {designed|planned|was the architect of} $s?
    ? By whom was $s {designed|planned}?
    ? Who is the architect of $s?
    ? Whose design is $s?
    ? What is the name of the {architect|designer} of $s?
    ?* Whose name is on the drawings of $s?
    < {What|Which building} {did $v design|was designed by $v|did $v plan}?
    <* What stands today thanks to the drawings of $v?
    opened = Opened, Completed
    ? When {was $s opened|did $s open|was $s completed|was $s finished}?
    ? In {what|which} year {did $s open|was $s completed}?
    ? What is the year in which $s was opened?
    ? Since when {is|has} $s {open|been open}?
    ? What year was $s completed?
    ?* When was the ribbon of $s cut?
    < {What|Which building} {opened|was completed} in $v?
    <* What was first entered in $v?
    height = +Height
    ? How {high|tall} is $s?
    ? What is the height of $s?
    ? How many {metres|feet} high is $s?
    ? What height does $s {have|reach}?
    ? How high does $s rise?
    ?* What does $s measure from the ground to the tip?
    < {What|Which building} is $v {high|tall}?
    <* What rises $v into the air?
    material = +Material
    ? What is $s {made|built} of?
    ? Of {what|which} material is $s {made|built}?
    ? {Which|What} material was used for $s?
    ? What is the main material of $s?
    ? From what was $s built?
    ?* Of what are the walls of $s?
    < {What|Which building} is {made|built} of $v?
    <* What has walls of $v?
    cost = +Cost
    ? How much did {$s|the construction of $s} cost?
    ? What did $s cost?
    ? What {was|were} the {cost|costs} of $s?
    ? How high was the cost of $s?
    ? How much money was spent on $s?
    ?* To what did the bill for $s come?
    city = +City
    ? Where is $s?
    ? In {which|what} {city|town} {is $s|does $s stand}?
    ? {Which|What} {city|town} is $s in?
    ? Where can one see $s?
    ? What town has $s?
    ?* Where does one walk past $s?
    < {What|Which building} {stands|is} in $v?
    <* What can visitors see in $v?
    years = +Construction time
    ? How long did {it take to build $s|the construction of $s take}?
    ? How many years did it take to build $s?
    ? What was the construction time of $s?
    ? For how long was $s under construction?
    ? How much time was needed for $s?
    ?* How long did scaffolding hide $s?
    workers = Workers
    ? How many {people|workers} {built|worked on} $s?
    ? What was the number of workers {at|on} $s?
    ? How many workers were needed for $s?
    ? By how many workers was $s built?
    ? How many were employed in building $s?
    ?* How many were busy at $s?
    closed = Closed because
    ? Why {is|was} $s closed?
    ? What is the reason that $s is closed?
    ? For what reason was $s closed?
    ? How come $s is closed{| to the public}?
    ? What led to the closing of $s?
    ?* Why may no one enter $s?
    """,
    zh="""
    they: 它, 这座建筑, 该建筑
    - $s由<architect>设计{|，<opened>建成|，<opened>落成}。
    - <architect>{设计了|主持设计了}$s。
    - $s的{设计师|设计者}是<architect>。
    - $s于<opened>{建成|落成|启用}。
    - $s{位于|坐落在}<city>{|，<opened>建成}。
    - 在<city>可以看到$s，{它|那里}用<material>建成。
    - $s{高|高度为|高达}<height>{|，造价<cost>}。
    - $s的高度是<height>。
    - 高<height>的$s是<city>的{地标|标志}。
    - $s{主要用|用}<material>{建造|建成}。
    - $s的墙体{采用|使用}<material>。
    - $s{造价|耗资}<cost>{|，建了<years>}。
    - 建造$s{花了|用了}<cost>。
    - $s的工期{为|长达}<years>。
    - <workers>参加了$s的{建设|建造}。
    - 为了建$s，<workers>{干了|苦干了}<years>。
    - 由于<closed>，$s{暂时关闭|不对外开放}。
    - $s{关闭|暂停开放}，是因为<closed>。
    -* $s最早的图纸上写着<architect>的名字。
    -* $s剪彩是在<opened>。
    -* 从地面到顶端，$s有<height>。
    -* 敲敲$s的墙，就知道是<material>。
    -* 建$s的账单是<cost>。
    -* <city>人每天从$s旁边走过。
    -* $s被脚手架围了<years>，里面忙着<workers>。
    -* 谁也不能进$s，原因是<closed>。
    ~ $s{夜里会亮灯|常出现在明信片上|是文物保护单位}。
    architect = +设计师, +设计者
    ? $s的{设计师|设计者|建筑师}是谁？
    ? 谁设计了$s？
    ? $s{是谁|由谁|是由谁}设计的？
    ? $s是哪位建筑师的作品？
    ? $s的设计师叫什么？
    ?* $s的图纸上写着谁的名字？
    < $v设计了{什么|哪座建筑}？
    <* 看图纸，哪座建筑出自$v？
    opened = +建成时间, 落成
    ? $s{什么时候|哪一年|何时|哪年}{建成|落成|启用}{的|}？
    ? $s{建成|落成}于{哪一年|何时}？
    ? $s的建成时间是{哪年|什么时候}？
    ? $s是在哪一年完工的？
    ? {哪一年|哪年}$s落成？
    ?* $s哪年剪的彩？
    < {哪座建筑|什么}{建成|落成}于$v？
    <* $v剪彩的是哪座建筑？
    height = +高度
    ? $s{有多高|多高|高多少米}？
    ? $s的高度是{多少|多少米}？
    ? $s高多少？
    ? $s有多少米高？
    ? $s高达多少？
    ?* 从地面到顶端$s有多少？
    < {哪座建筑|什么}高$v？
    <* 有$v那么高的是什么？
    material = +材料
    ? $s{是用什么|用什么|用什么材料}{建造|建|建成}的？
    ? $s的{材料|建筑材料}是什么？
    ? $s{采用|使用}什么材料？
    ? 建$s用了什么材料？
    ? $s的墙体是什么做的？
    ?* 敲敲$s的墙知道是什么？
    < {哪座建筑|什么}是用$v{建造|建}的？
    <* 墙是$v的是哪座建筑？
    cost = +造价
    ? $s{造价多少|花了多少钱|耗资多少}？
    ? $s的{造价|建造费用}是多少？
    ? 建$s{花了|用了}多少{钱|}？
    ? $s的成本有多高？
    ? $s耗资有多少？
    ?* 建$s的账单是多少？
    city = +所在城市
    ? $s{在哪里|位于哪里|在哪座城市|坐落在哪}？
    ? $s是{哪里|哪座城市}的{建筑|地标}？
    ? {在哪里|去哪里}可以看到$s？
    ? $s所在的城市是哪座？
    ? $s位于什么地方？
    ?* 哪里的人每天走过$s？
    < {哪座建筑|什么建筑}{位于|在}$v？
    <* 在$v能看到哪座建筑？
    years = +工期
    ? $s{建了多久|建了多少年|建了几年}？
    ? $s的工期{是多久|有多长|是多少}？
    ? 建$s{用了|花了}{多长时间|多少年|几年}？
    ? $s多少年才建成？
    ? $s的建设持续了几年？
    ?* $s被脚手架围了多久？
    workers = +工人数
    ? {多少工人|多少人|多少名工人}{建造了|建了}$s？
    ? 建$s有多少{人|工人}？
    ? $s的建设有多少人参加？
    ? $s的工人数是多少？
    ? 建$s用了几名工人？
    ?* 在$s里面忙着的有多少人？
    closed = +关闭原因
    ? $s为什么{关闭|不开放|暂停开放}？
    ? $s{关闭|不开放}的原因是什么？
    ? $s为何{关闭|不开放}？
    ? 是什么使$s关闭？
    ? $s因为什么暂停开放？
    ?* 为什么谁也不能进$s？
    """,
)
KINDS = (BUILDING,)
