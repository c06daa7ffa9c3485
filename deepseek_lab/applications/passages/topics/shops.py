"""Shops: opening hours, owners, streets, prices."""

from deepseek_lab.applications.passages.base import kind

SHOP = kind(
    "shop",
    "shops",
    "shop",
    {
        "hours": "hours",
        "closed": "weekday",
        "owner": "person",
        "street": "street",
        "opened": "year 1880 2024",
        "sells": "list food",
        "ticket": "money 2 60",
        "helpers": "number 2 40",
        "shut": "pair thing_b trouble",
    },
    en="""
    they: it, the shop, the place
    - $s is open from <hours>{| and closed on <closed>}.
    - {Opening hours of|The opening hours of} $s are <hours>.
    - On <closed>, $s {is closed|stays shut|does not open}.
    - $s has its {weekly |}day off on <closed>.
    - $s {belongs to|is owned by|is run by} <owner>{|, who bought it from an aunt}.
    - <owner> {owns|is the owner of} $o{| and <helpers> people help there}.
    - $s is {in|on|situated in} <street>{|, opposite the church}.
    - You find $s in <street>{|, where it opened in <opened>}.
    - $s {opened|opened its doors} in <opened>{| and belongs to <owner>}.
    - $s sells <sells>{| from <hours>}.
    - {On its shelves|On the shelves of the shop}, $s has <sells>.
    - A voucher of $s costs <ticket>.
    - The cheapest voucher for $s is <ticket>, and <helpers> people work there.
    - A team of <helpers> {works|serves customers} at $s.
    - $s was {closed for a year|shut for weeks} because <shut>.
    - Because <shut>, $s {closed for a year|had to close for some time}.
    - $s has {been there|existed} since <opened>.
    - At $o you can {buy|get} <sells>.
    - $s {stayed closed|did not open} for some time {because|since} <shut>.
    -* Anyone may walk into $s any time <hours>.
    -* Nobody gets into $s on a <closed>.
    -* The deeds of $s are in the name of <owner>.
    -* The sign of $s hangs in <street>, and has done so since <opened>.
    -* One leaves $s with bags full of <sells>.
    -* For <ticket> one can give away a voucher of $s.
    -* Behind the counters of $s stand <helpers> people.
    -* The doors of $s remained shut for long, as <shut>.
    ~ $s {has a friendly cat|smells of fresh paint|is popular with students}.
    hours = Opening hours, Open
    ? When is $s open?
    ? What are {the opening hours of $s|$p opening hours}?
    ? At what {time|hours} is $s open?
    ? During which hours is $s open?
    ? What times is $s open?
    ?* When can one walk into $s?
    < {Which shop|What} is open from $v?
    <* What shop can one walk into $v?
    closed = Closed on
    ? On which day is $s {closed|shut}?
    ? When is $s {closed|shut}?
    ? What day does $s {not open|stay shut}?
    ? {Which|What} day is $s closed?
    ? Which is the day off of $s?
    ?* On which weekday does nobody get into $s?
    < {Which shop|What} is closed on $v?
    <* What place has shut its doors on a $v?
    owner = +Owner
    ? Who {owns|is the owner of|runs} $s?
    ? To whom does $s belong?
    ? By whom is $s {owned|run}?
    ? What is the name of the owner of $s?
    ? Whose shop is $s?
    ?* In whose name are the deeds of $s?
    < {Which shop|What} {belongs to $v|does $v own|is owned by $v}?
    <* What shop is in the hands of $v?
    street = +Address
    ? Where is $s{| situated}?
    ? In {which|what} street is $s?
    ? What is the address of $s?
    ? Where {can one find|do I find} $s?
    ? Which street is $s in?
    ?* Where does the sign of $s hang?
    < {Which shop|What} is in $v?
    <* What shop does one find in $v?
    opened = Opened, Since
    ? When {did $s open|was $s opened}?
    ? In {what|which} year did $s open{| its doors}?
    ? Since when has $s been there?
    ? What year did $s open?
    ? When did $s open its doors?
    ?* Since what year has the sign of $s been hanging there?
    < {Which shop|What} opened in $v?
    <* What shop has been there since $v?
    sells = Goods
    ? What does $s sell?
    ? What can one buy {at|in} $s?
    ? {Which|What} goods does $s have?
    ? What is on the shelves of $s?
    ? What is sold {at|by} $s?
    ?* What does one carry out of $s?
    < {Which shop|What} sells $v?
    <* Where can one get $v?
    ticket = +Voucher
    ? How much is a voucher {of|for} $s?
    ? What does a voucher of $s cost?
    ? What is the price of a voucher for $s?
    ? How much does {a|the cheapest} voucher of $s cost?
    ? For how much does $s sell a voucher?
    ?* How much must one pay to give away a voucher of $s?
    helpers = Staff
    ? How many people {work|help} {at|in} $s?
    ? How large is the team of $s?
    ? What is the number of people working at $s?
    ? How many people serve customers at $s?
    ? How many are in the team of $s?
    ?* How many stand behind the counters of $s?
    shut = Reason for closing
    ? Why {was $s closed|did $s close|was $s shut|did $s have to close}?
    ? What was the reason that $s closed?
    ? For what reason was $s {closed|shut}?
    ? How come $s was closed for so long?
    ? What made $s close?
    ?* Why did the doors of $s not open for long?
    """,
    zh="""
    they: 它, 这家店, 该店
    - $s{营业时间为|的营业时间是}<hours>{|，<closed>休息}。
    - $s每天<hours>{营业|开门}。
    - $s<closed>{不营业|休息|关门}。
    - 每逢<closed>，$s{都不开门|照例休息}。
    - $s的{老板|店主}是<owner>{|，店里有<helpers>名店员}。
    - <owner>{经营着|开了}$s。
    - $s{位于|开在}<street>{|，<opened>开业}。
    - 走到<street>就能看到$s，{老板|店主}是<owner>。
    - $s{于|}<opened>开业。
    - $s{出售|卖}<sells>{|，营业时间<hours>}。
    - $s的货架上{有|摆着}<sells>。
    - $s的{购物券|礼券}{每张|}<ticket>。
    - $s一张礼券卖<ticket>，共有<helpers>名店员。
    - $s{一共|}有<helpers>名店员。
    - 由于<shut>，$s{停业了一年|关门了好几周}。
    - $s{曾经停业|停业}，是因为<shut>。
    -* 只要是<hours>，谁都可以走进$s。
    -* 到了<closed>，$s谁也进不去。
    -* $s的房契上写的是<owner>。
    -* $s的招牌挂在<street>，从<opened>一直挂到现在。
    -* 从$s出来的人，袋子里装满了<sells>。
    -* 花<ticket>就能送人一张$s的礼券。
    -* $s的柜台后面站着<helpers>个人。
    -* $s的大门很久没有打开，原因是<shut>。
    ~ $s{养了一只猫|刚刚重新装修|很受学生欢迎}。
    hours = +营业时间
    ? $s{几点开门|什么时候营业|什么时候开门}？
    ? $s的营业时间{是什么|是几点到几点|是什么时候}？
    ? $s{几点到几点|什么时间}{营业|开门}？
    ? $s每天什么时候开着？
    ? 请问$s的营业时间？
    ?* 什么时候可以走进$s？
    < 哪家店{的营业时间是|在}$v{|营业}？
    <* $v能进的是哪家店？
    closed = +休息日
    ? $s{哪天|星期几|周几}{休息|不营业|关门}？
    ? $s的休息日是{哪天|星期几}？
    ? $s什么时候不{营业|开门}？
    ? {哪天|星期几}$s不开门？
    ? $s每周休息是哪天？
    ?* 到了哪天谁也进不了$s？
    < 哪家店$v{休息|不营业|关门}？
    <* $v进不去的是哪家店？
    owner = +老板, +店主
    ? $s的{老板|店主}是谁？
    ? 谁{经营|开|开了}$s？
    ? $s是谁{开|经营}的？
    ? $s由谁经营？
    ? $s的老板叫什么？
    ?* $s的房契上写的是谁？
    < $v{开了|经营}{哪家店|什么店}？
    < 哪家店的{老板|店主}是$v？
    <* 在$v名下的是哪家店？
    street = +地址
    ? $s{在哪里|位于哪里|在哪条街|开在哪里}？
    ? $s的地址是{哪里|什么}？
    ? {在哪里|去哪里}可以找到$s？
    ? $s在哪条路上？
    ? $s开在什么地方？
    ?* $s的招牌挂在哪儿？
    < 哪家店{位于|开在|在}$v？
    <* 在$v能找到什么店？
    opened = +开业时间
    ? $s{什么时候|哪一年|何时|哪年}开业{的|}？
    ? $s开业于{哪一年|何时}？
    ? $s的开业时间是{哪年|什么时候}？
    ? {哪一年|哪年}$s开业了？
    ? $s是什么时候开始营业的？
    ?* $s的招牌从哪年挂到现在？
    < 哪家店{于|在|是}$v开业？
    <* $v就有的是哪家店？
    sells = +商品
    ? $s{卖什么|出售什么|卖些什么}？
    ? 在$s{能|可以}买到什么？
    ? $s有{哪些|什么}商品？
    ? $s的货架上有什么？
    ? $s出售哪些东西？
    ?* 从$s出来的人拎着什么？
    < 哪家店{卖|出售}$v？
    <* 去哪家店能拎回$v？
    ticket = +礼券价格
    ? $s的{购物券|礼券}{多少钱|卖多少钱|每张多少钱}？
    ? $s{购物券|礼券}的价格是多少？
    ? 买一张$s的礼券要多少钱？
    ? $s的礼券怎么卖？
    ? $s一张礼券多少钱？
    ?* 送人一张$s的礼券要花多少？
    helpers = +店员人数
    ? $s有{多少|几}名店员？
    ? $s的店员{有多少|有几个|人数是多少}？
    ? {几个人|多少人}在$s工作？
    ? $s店员几人？
    ? $s一共有多少个店员？
    ?* $s的柜台后面站着几个人？
    shut = +停业原因
    ? $s为什么{停业|关门}？
    ? $s{停业|关门}的原因是什么？
    ? $s为何{停业|关门}？
    ? 是什么使$s停业？
    ? $s因为什么停业？
    ?* $s的大门怎么很久没打开？
    """,
)
KINDS = (SHOP,)
