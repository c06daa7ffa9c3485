"""Companies: when, where and by whom they were founded, what they make, how many work there, and who leads them."""

from deepseek_lab.applications.passages.base import kind
from deepseek_lab.applications.passages.topics.deepseek import COMPANIES

COMPANY = kind(
    "company",
    "companies",
    "company",
    {
        "founded": "year 1850 2023",
        "founder": "person",
        "seat": "city",
        "staff": "number 12 90000 employees,people,workers / 名员工,人",
        "goods": "list goods",
        "revenue": "large 2 900 euros,dollars,pounds / 元,美元,欧元",
        "head": "person",
        "moved": "pair thing_b trouble",
        "rival": "company",
        "cores": "techniques",
    },
    en="""
    they: it, the company, the firm, the business
    - $s was {founded|established|set up|started} in <founded>{| by <founder>}.
    - {In|Back in} <founded>, <founder> {founded|set up|started|launched} $o.
    - <founder> is the {person|one} who {founded|created|started} $o.
    - Founded in <founded>, $s {has its headquarters|is based|has its head office} in <seat>.
    - $s is {based|headquartered} in <seat> and {employs|has} <staff>.
    - $p {headquarters are|head office is} in <seat>.
    - $s {makes|manufactures|produces|sells} <goods>.
    - $s, which {makes|produces|sells} <goods>, {has a workforce of|employs} <staff>.
    - {About|More than|Nearly} <staff> work {at|for} $o.
    - Last year, $s {had revenue of|took in|had sales of} <revenue>.
    - $p {annual |}{revenue|turnover} is <revenue>, and <head> is {its|the} {chief executive|director|boss}.
    - $s is {led|run|headed|managed} by <head>.
    - <head> {became chief executive of|has been running|took charge of} $o{| after a long search}.
    - $p {main|greatest|fiercest} {competitor|rival} is <rival>.
    - $s {moved|changed its offices|gave up its old office} because <moved>.
    - Because <moved>, $s had to move to a new office.
    - $p {core|key|main} {technologies|techniques} {are|include} <cores>.
    - $s {relies on|works with|combines} <cores>{|, and <rival> is its main rival}.
    - The {core|key} technologies of $s {are|include} <cores>.
    - $p {main |}products are <goods>.
    - $s {left|gave up} its old office {because|since} <moved>.
    -* What sets $s apart technically are <cores>.
    -* $p history {goes|reaches} back to <founded> and to a plan by <founder>.
    -* The {main office|home} of $s is to be found in <seat>.
    -* From $p factories come <goods>.
    -* A total of <staff> {are on the payroll of|earn their living at} $s.
    -* The books of $s showed {sales|takings} of <revenue>, to the joy of <head>, who is at the top.
    -* Nobody competes with $s as hard as <rival> does.
    -* As <moved>, $s packed up and went elsewhere.
    ~ $s {is rarely in the news|has won several awards|plans to grow further|publishes a yearly report}.
    ~ Many people in the region know $o.
    ~ Customers praise $p service.
    founded = Founded, +Year of foundation, Established
    ? When was $s {founded|established|set up|started}?
    ? In {what|which} year was $s {founded|established|set up}?
    ? What year was $s {founded|created}?
    ? In what year did $s {start|begin}?
    ? $s was founded in what year?
    ? Since when does $s exist?
    ? When did $s come into being?
    ?* How far back does $p history go?
    ?* What is $p founding year?
    < Which company was {founded|established|set up} in $v?
    < What company dates from $v?
    <* Which firm came into being in $v?
    founder = +Founder, Founded by
    ? Who {founded|established|set up|started|created} $s?
    ? By whom was $s {founded|set up}?
    ? Who was $p founder?
    ? Who is the founder of $s?
    ? Which person {founded|started} $s?
    ? What is the name of $p founder?
    ?* Who {brought $s into being|got $s going}?
    ?* Whose idea was it to start $s?
    < Which company was {founded|started|set up} by $v?
    < Which {firm|company} did $v {found|start|create}?
    < What did $v found?
    <* What company owes its existence to $v?
    seat = +Headquarters, +Head office
    ? Where {is $s based|are $p headquarters|is $s headquartered}?
    ? In {which|what} {city|town} is $s {based|headquartered}?
    ? What is $p seat?
    ? Where is $p {head|main} office?
    ? Where does $s have its {headquarters|head office}?
    ? Which {city|town} is $s based in?
    ?* From where is $s run?
    ?* What city is home to $s?
    < Which company is {based|headquartered} in $v?
    < What company has its {head office|headquarters} in $v?
    <* Which firm is at home in $v?
    staff = Employees, Staff
    ? How many {people|employees} {work at|work for|are there at} $s?
    ? How many {people|workers} does $s employ?
    ? What is $p number of employees?
    ? How large is $p {workforce|staff}?
    ? How many employees does $s have?
    ? How big is $s in terms of employees?
    ?* How many get their pay from $s?
    ?* What size is $p staff?
    goods = Products, Makes
    ? What does $s {make|produce|manufacture|sell}?
    ? What are $p products?
    ? {Which|What} products does $s {make|offer|sell}?
    ? What kind of goods does $s {produce|sell}?
    ? What is $s a maker of?
    ? What does $s earn its money with?
    ?* What comes out of $p factories?
    ?* What can one buy from $s?
    < Which company {makes|produces|sells} $v?
    <* Which firm's products are $v?
    revenue = +Revenue, +Turnover
    ? What {is|was} $p {revenue|turnover|annual revenue}?
    ? How much {revenue|money} did $s {make|take in|have}{| last year}?
    ? How high {is|was} $p {revenue|turnover}?
    ? How large were $p sales?
    ? What revenue did $s {report|have}?
    ? How much did $s take in?
    ?* How much money came into $p books?
    ?* What were the takings of $s?
    head = +Chief executive, +Director
    ? Who {runs|leads|heads|manages} $s?
    ? Who is {the chief executive|the boss|the head|the CEO} of $s?
    ? Who is $p {chief executive|director|CEO}?
    ? By whom is $s {run|led|managed}?
    ? Who is in charge of $s?
    ? What is the name of $p {boss|chief executive}?
    ?* Who is at the top of $s?
    ?* Who calls the shots at $s?
    < Which company is {run|led|headed} by $v?
    < Of which company is $v the {boss|chief executive}?
    <* Where is $v in charge?
    moved = Reason for moving
    ? Why did $s {move|change its offices|have to move}?
    ? Why did $s {give up|leave} its old office?
    ? What was the reason for $p move?
    ? For what reason did $s move?
    ? How come $s has a new office?
    ? What made $s move?
    ?* What drove $s out of the old place?
    ?* Why is $s not where it used to be?
    rival = +Main competitor
    ? {Who|Which company} is $p {main|greatest|fiercest} {competitor|rival}?
    ? Which company competes with $s?
    ? Who competes with $s?
    ? What is the name of $p {rival|competitor}?
    ? Which firm is a rival of $s?
    ? With whom does $s compete?
    ?* Whom does $s have to fear on the market?
    ?* Which company fights $s for customers?
    cores = Core technologies, Key technologies
    ? What are {$p core technologies|the core technologies of $s|the key technologies of $s}?
    ? {Which|What} {core |key |}technologies does $s {have|use|rely on}?
    ? What do the {core|key|main} technologies of $s include?
    ? {Which|What} techniques does $s {combine|work with}?
    ? What is the technical basis of $s?
    ?* What sets $s apart technically?
    < Which company's core technologies are $v?
    """,
    zh="""
    they: 该公司, 它, 这家公司, 公司
    - $s{成立于|创立于|创办于|创建于}<founded>{|，创始人是<founder>}。
    - <founded>，<founder>{创立|创办|创建|成立}了$s。
    - $s由<founder>{于<founded>|}{创立|创办|一手创建}。
    - $s{成立于|始建于}<founded>，{总部位于|总部设在}<seat>。
    - $s的总部{在|位于}<seat>，{现有|拥有|共有}<staff>。
    - 总部设在<seat>的$s{主要生产|生产}<goods>。
    - $s{生产|制造|销售|主营}<goods>。
    - $s目前{有|拥有}<staff>，{主要产品是|产品包括}<goods>。
    - 去年，$s的{营业收入|营收|年收入}{达到|为|是}<revenue>。
    - $s{年营收|的年营业额}为<revenue>，现任{总裁|首席执行官|董事长}是<head>。
    - <head>{担任|出任|现任}$s的{首席执行官|总经理|总裁}。
    - $s的{掌门人|负责人|总经理}是<head>。
    - $s最大的{竞争对手|对手}是<rival>。
    - 由于<moved>，$s{搬迁了|迁了新址}。
    - $s之所以{搬家|搬迁}，是因为<moved>。
    - $s的{核心技术|关键技术|主要技术}{包括|有|是}<cores>。
    - $s{采用了|掌握了|结合了}<cores>{|等技术|等核心技术}。
    - $s{拥有|具备}<cores>等{核心|关键}技术{|，对手是<rival>}。
    -* 在技术上，$s的看家本领是<cores>。
    -* $s的历史可以追溯到<founded>，{当年|那时}是<founder>牵的头。
    -* <seat>是$s{总部所在地|的大本营}。
    -* 从$s的车间里{出来|运出}的是<goods>。
    -* 在$s{上班|领工资}的{一共|总共}有<staff>。
    -* $s的账面收入为<revenue>，掌舵的是<head>。
    -* 与$s争夺市场的主要是<rival>。
    -* 鉴于<moved>，$s换了地方办公。
    ~ $s{在业内口碑不错|每年发布一次年报|计划继续扩大规模|很少做广告}。
    ~ 当地许多人都知道$s。
    ~ 顾客对$s的服务评价很高。
    founded = +成立时间, 成立, +创立年份
    ? $s{成立于|创立于|创办于}{哪一年|什么时候|何时}？
    ? $s是{什么时候|哪一年|哪年}{成立|创立|创办|建立}的？
    ? $s的{成立时间|创立年份}是{什么|哪年|什么时候}？
    ? $s何时{成立|创立}？
    ? {哪一年|哪年}$s{成立|创立|创办}了？
    ? $s创建于何年？
    ?* $s的历史从哪年开始？
    ?* $s是哪年诞生的？
    < 哪家公司{成立于|创立于|创办于}$v？
    < $v成立的是哪家公司？
    <* 哪家企业诞生于$v？
    founder = +创始人, +创办人
    ? 谁{创立|创办|创建|成立}了$s？
    ? $s的{创始人|创办人}是谁？
    ? $s是{谁|由谁}{创立|创办|创建|建立}的？
    ? {谁|哪个人}是$s的创始人？
    ? $s的创始人叫什么{名字|}？
    ? $s由谁一手创建？
    ?* 当初是谁把$s办起来的？
    ?* $s出自谁之手？
    < $v{创立|创办|创建}了哪家公司？
    < 哪家公司{是由|由|是}$v{创立|创办}的？
    < 哪家公司的创始人是$v？
    <* $v当年办起来的是哪家企业？
    seat = +总部, +总部所在地
    ? $s的总部{在哪里|位于哪里|设在哪里|在哪座城市}？
    ? $s总部{所在地|}是{哪里|哪座城市|什么地方}？
    ? $s的总部设在{哪个城市|什么地方}？
    ? {哪座城市|哪里}是$s的总部所在地？
    ? $s位于哪座城市？
    ? 请问$s的总部在哪？
    ?* $s的大本营在什么地方？
    ?* $s把总部安在了哪儿？
    < 哪家公司的总部{在|位于|设在}$v？
    <* 总部落在$v的是哪家企业？
    staff = +员工人数, 员工
    ? $s有多少{员工|人|名员工}？
    ? $s的员工{人数|总数}是多少？
    ? {多少人|有多少人}在$s工作？
    ? $s{雇用|拥有}了多少{人|员工}？
    ? $s的规模有多大，有多少员工？
    ? $s共有多少名职工？
    ?* $s的队伍有多少人？
    ?* 靠$s发工资的有多少人？
    goods = +产品, +主要产品
    ? $s{生产|制造|销售}{什么|哪些产品}？
    ? $s的{主要产品|产品}{是什么|有哪些|包括什么}？
    ? $s{主营|主要生产}什么？
    ? $s是{做|生产}什么的？
    ? $s卖的是什么？
    ? $s主要制造哪些东西？
    ?* $s靠什么产品赚钱？
    ?* 从$s能买到什么？
    < 哪家公司{生产|制造|销售}$v？
    <* $v是哪家企业的产品？
    revenue = +营业收入, +年营收
    ? $s的{营业收入|营收|年收入|年营业额}是多少？
    ? $s{去年|一年}的{营收|收入}{是多少|有多少|达到多少}？
    ? $s{去年|}收入多少？
    ? $s的营业额有多{高|大}？
    ? $s一年能挣多少？
    ? $s的年营收达到了多少？
    ?* $s进账多少？
    ?* $s的账面收入是多少？
    head = +首席执行官, 总裁
    ? $s的{首席执行官|总裁|负责人|总经理|董事长}是谁？
    ? 谁{领导|管理|掌管}$s？
    ? 谁{担任|现任}$s的{总裁|负责人|首席执行官}？
    ? $s由谁{领导|管理|负责}？
    ? $s的掌门人是谁？
    ? 谁是$s的老板？
    ?* $s由谁掌舵？
    ?* $s的一把手是谁？
    < $v{领导|管理|负责}哪家公司？
    < 哪家公司的{首席执行官|总裁|负责人}是$v？
    <* $v是哪家企业的一把手？
    moved = +搬迁原因
    ? $s为什么{搬迁|搬家|迁址|迁了新址}？
    ? $s{搬迁|搬家}的原因是什么？
    ? $s为何{搬迁|迁址}？
    ? 是什么{导致|使得}$s搬迁？
    ? $s因为什么搬家？
    ? 为什么$s要搬走？
    ?* $s换地方办公是出于什么考虑？
    ?* $s怎么不在老地方了？
    rival = +竞争对手, +主要对手
    ? $s{最大的|主要的}{竞争对手|对手}是{谁|哪家公司}？
    ? 哪家公司是$s的{竞争对手|对手}？
    ? $s和{谁|哪家公司}竞争？
    ? $s的竞争对手叫什么？
    ? 谁在和$s竞争？
    ? 请问$s的对手是哪家？
    ?* 哪家企业与$s争夺市场？
    ?* $s在市场上最怕谁？
    cores = +核心技术, +关键技术
    ? $s的{核心技术|关键技术|主要技术}{有哪些|是什么|包括什么|包括哪些|都有什么}？
    ? $s有{哪些|什么}{核心技术|关键技术|主要技术}？
    ? $s{采用|使用|掌握|拥有}{了|}{哪些|什么}技术？
    ? {哪些|什么}是$s的{核心|关键}技术？
    ? $s在技术上靠什么？
    ?* $s的看家本领是什么？
    ?* 说说$s的技术要点有哪几项？
    < 哪家公司的核心技术{包括|是}$v？
    """,
    known=COMPANIES,
    known_share=0.06,
)
KINDS = (COMPANY,)
