"""Space probes: when they were launched, where to, what they found, and how they were lost."""

from deepseek_lab.applications.passages.base import kind

PROBE = kind(
    "probe",
    "space",
    "brand",
    {
        "launched": "date 1960 2025",
        "goal": "pick heaven",
        "builder": "company",
        "weight": "number 30 9000 kg,kilograms / 公斤,千克",
        "cost": "large 3 900 dollars,euros / 美元,元",
        "found": "pick discovery",
        "flight": "number 3 4000 days / 天",
        "site": "city",
        "lost": "pair part_c2 part_d2",
    },
    en="""
    they: it, the probe, the spacecraft
    - $s was launched {on|in the night of} <launched>{| from <site>}.
    - On <launched>, a rocket {carried|took} $o into space.
    - $s {flew|was sent|travelled} to <goal>{| and weighs <weight>}.
    - The {goal|target} of $s {is|was} <goal>{|, reached after <flight>}.
    - $s was {built|constructed} by <builder>{| for <cost>}.
    - <builder> built $o.
    - $s {weighs|weighed} <weight>{| with full tanks}.
    - The mission of $s cost <cost>.
    - $s {discovered|found} <found>{| on <goal>}.
    - The {greatest success|discovery} of $s was <found>.
    - After a flight of <flight>, $s {arrived|reached its goal}.
    - The flight of $s took <flight>.
    - $s {started|lifted off|was launched} from <site>.
    - Contact with $s was lost because <lost>.
    - Because <lost>, $s {fell silent|was given up}.
    - $s {stopped sending|was lost} {because|since} <lost>.
    -* The engines of $s were lit on <launched> near <site>.
    -* The instruments of $s are directed at <goal>.
    -* In a hall of <builder>, $s was put together.
    -* The rocket had to lift <weight>, for that is the mass of $s.
    -* Taxpayers gave <cost> for $s.
    -* Thanks to $s we know of <found>.
    -* It was <flight> before $s got there.
    -* As <lost>, nothing was heard of $s again.
    ~ $s {carries a camera|is named after a bird|was tested for years}.
    launched = Launched, +Launch date
    ? When {was $s launched|did $s start|was the launch of $s}?
    ? On {what|which} {date|day} was $s launched?
    ? What {is|was} the launch date of $s?
    ? When was $s sent into space?
    ? When did $s lift off?
    ?* When were the engines of $s lit?
    < {What|Which probe} was launched on $v?
    <* What was sent up on $v?
    goal = +Target, +Goal
    ? Where {did $s fly|was $s sent|did $s fly to|did $s go}?
    ? What {is|was} the {goal|target} of $s?
    ? To {what|which body} was $s sent?
    ? What did $s visit?
    ? Where did $s travel to?
    ?* At what are the instruments of $s directed?
    < {What|Which probe} {flew|was sent} to $v?
    <* What looks at $v?
    builder = Built by, +Builder
    ? Who {built|constructed} $s?
    ? By whom was $s {built|constructed}?
    ? {Which|What} company built $s?
    ? Who is the builder of $s?
    ? Which firm made $s?
    ?* In whose hall was $s put together?
    < {What|Which probe} {was built by $v|did $v build}?
    <* What left the hall of $v for space?
    weight = +Weight, +Mass
    ? How {much does $s weigh|heavy is $s}?
    ? What is the {weight|mass} of $s?
    ? What does $s weigh?
    ? How many kilograms does $s weigh?
    ? How much did $s weigh?
    ?* What did the rocket of $s have to lift?
    cost = +Cost
    ? How much did {$s|the mission of $s} cost?
    ? What did $s cost?
    ? What was the cost of $s?
    ? How expensive was $s?
    ? How much was paid for $s?
    ?* How much did taxpayers give for $s?
    found = +Discovery
    ? What did $s {discover|find}?
    ? What was the {discovery|greatest success} of $s?
    ? What was {found|discovered} by $s?
    ? Which discovery did $s make?
    ? What did scientists find with $s?
    ?* Of what do we know thanks to $s?
    < {What|Which probe} {discovered|found} $v?
    <* Thanks to what do we know of $v?
    flight = +Flight time
    ? How long did {the flight of $s take|$s fly|$s need}?
    ? How many days {did $s fly|did the flight of $s take}?
    ? What was the flight time of $s?
    ? After how many days did $s arrive?
    ? For how long did $s travel?
    ?* How long was it before $s got there?
    site = +Launch site
    ? {Where|From where} was $s launched?
    ? From {which|what} {site|place|town} did $s {start|lift off}?
    ? What was the launch site of $s?
    ? Where did $s {start|lift off}?
    ? Where is the launch site of $s?
    ?* Near what town were the engines of $s lit?
    lost = Reason for the loss
    ? Why was {contact with $s lost|$s given up|$s lost}?
    ? Why did $s fall silent?
    ? What was the reason for the loss of $s?
    ? For what reason was $s given up?
    ? How come $s fell silent?
    ?* Why was nothing heard of $s again?
    """,
    zh="""
    they: 它, 该探测器, 这个探测器
    - $s于<launched>{发射|升空}{|，发射地点是<site>}。
    - <launched>，火箭把$s送入太空。
    - $s{飞往|前往}<goal>{|，重<weight>}。
    - $s的{目标|探测目标}是<goal>{|，飞了<flight>}。
    - $s由<builder>{建造|研制}{|，花费<cost>}。
    - <builder>{建造|研制}了$s。
    - $s重<weight>{|，燃料已加满}。
    - $s的{质量|重量}{是|为}<weight>。
    - $s{耗资|花费}<cost>。
    - $s{发现了|找到了}<found>。
    - $s{最大的成果|重大发现}是<found>{|，地点在<goal>}。
    - 经过<flight>的飞行，$s到达目标。
    - $s{飞行了|飞了}<flight>。
    - $s{从|在}<site>{发射|升空}。
    - 由于<lost>，$s{失去了联系|失联了}。
    - $s之所以失联，是因为<lost>。
    -* <launched>，$s的发动机在<site>附近点火。
    -* $s的仪器对准<goal>。
    -* $s是在<builder>的厂房里装好的。
    -* 火箭要托起<weight>，那就是$s的分量。
    -* 纳税人为$s拿出了<cost>。
    -* 有了$s，我们才知道<found>。
    -* 过了<flight>，$s才到。
    -* <lost>，此后再没有$s的消息。
    ~ $s{带有一台相机|以一种鸟命名|测试了好几年}。
    launched = +发射时间, +发射日期
    ? $s{什么时候|何时|哪天}{发射|升空}{的|}？
    ? $s是{哪一年|哪天|什么时候}{发射|升空}的？
    ? $s的发射{时间|日期}是{哪天|什么时候}？
    ? {哪天|什么时候}发射了$s？
    ? $s发射于何时？
    ?* $s的发动机哪天点火？
    < {什么|哪个探测器}{在|于}$v{发射|升空}？
    <* $v飞上天的是什么？
    goal = +目标, +探测目标
    ? $s{飞往|前往|飞到}{哪里|何处|什么地方}？
    ? $s的{目标|探测目标|目的地}是{哪里|什么}？
    ? $s{探测|考察}的是什么？
    ? $s要去哪里？
    ? $s被送往哪里？
    ?* $s的仪器对准什么？
    < {什么|哪个探测器}{飞往|前往}$v？
    <* 对准$v的是什么？
    builder = +建造者, +研制者
    ? {谁|哪家公司}{建造|研制}了$s？
    ? $s{是谁|由谁|由哪家公司}{建造|研制}的？
    ? $s的{建造者|研制者}是谁？
    ? 研制$s的是哪家公司？
    ? $s是哪家公司造的？
    ?* $s在谁的厂房里装好？
    < $v{建造|研制}了什么？
    <* 从$v的厂房飞向太空的是什么？
    weight = +重量, +质量
    ? $s{有多重|多重|重多少}？
    ? $s的{重量|质量}是多少？
    ? $s重多少公斤？
    ? $s有多少千克？
    ? $s的质量有多大？
    ?* $s的火箭要托起多少？
    cost = +费用, +成本
    ? $s{花了多少钱|耗资多少|花费多少}？
    ? $s的{费用|成本}是多少？
    ? 造$s用了多少{钱|}？
    ? $s的花费有多大？
    ? $s耗资有多少？
    ?* 纳税人为$s拿出了多少？
    found = +发现
    ? $s{发现|找到}了什么？
    ? $s的{发现|重大发现|最大的成果}是什么？
    ? {科学家|人们}用$s发现了什么？
    ? $s有什么发现？
    ? $s取得的成果是什么？
    ?* 有了$s我们才知道什么？
    < {什么|哪个探测器}{发现|找到}了$v？
    <* 因为什么我们才知道$v？
    flight = +飞行时间
    ? $s飞{行|}了{多久|多少天|几天}？
    ? $s的飞行时间是{多久|多少天}？
    ? $s用了多长时间到达？
    ? $s到达目标要{多久|多少天}？
    ? $s在路上多少天？
    ?* 过了多久$s才到？
    site = +发射地点
    ? $s{在哪里|从哪里|在什么地方}{发射|升空}？
    ? $s的发射地点{在哪|是哪里}？
    ? {哪里|什么地方}发射了$s？
    ? $s是在哪儿发射的？
    ? $s从何处升空？
    ?* $s的发动机在哪里附近点火？
    lost = +失联原因
    ? $s为什么{失联|失去联系|失去了联系}？
    ? $s失联的原因是什么？
    ? $s为何失联？
    ? 是什么让$s失去联系？
    ? $s因为什么失联？
    ?* 为什么再没有$s的消息？
    """,
)
KINDS = (PROBE,)
