"""Trains: from where to where, when, from which platform, and why they were late."""

from deepseek_lab.applications.passages.base import kind

TRAIN = kind(
    "train",
    "travel",
    "train",
    {
        "start": "city",
        "goal": "city",
        "leaves": "clock",
        "arrives": "clock",
        "platform": "number 2 40",
        "fare": "money 3 400",
        "stops": "number 2 60",
        "trip": "number 15 900 minutes,min / 分钟",
        "driver": "person",
        "late": "pair weather_a weather_b",
    },
    en="""
    they: it, the train
    - $s {leaves|departs from|starts from} <start> at <leaves>.
    - $s {runs|goes|travels} from <start> to <goal>{| and stops <stops> times}.
    - At <leaves>, $s {leaves|departs} from platform <platform>.
    - $s {arrives in|reaches|gets to} <goal> at <arrives>.
    - {Passengers of $s|Those who take $s} arrive at <arrives>{| after <trip>}.
    - $s {leaves|departs} from platform <platform>{|, and a ticket costs <fare>}.
    - A ticket for $s costs <fare>.
    - $s stops <stops> times {on its way|before it arrives}{| in <goal>}.
    - There are <stops> stops on the way of $s.
    - The {ride|trip|journey} with $s takes <trip>{| and costs <fare>}.
    - $s {takes|needs} <trip> {for the whole line|in all}.
    - The driver of $s is <driver>{|, who likes to whistle}.
    - <driver> {drives|is in the cab of} $s.
    - $s was late because <late>.
    - Because <late>, $s {was delayed|came too late}.
    - The platform {for|of} $s is number <platform>.
    - $s {arrived late|had a delay} {because|since} <late>.
    -* Doors of $s close in <start> at <leaves>.
    -* When the clock shows <arrives>, $s rolls into <goal>.
    -* People wait for $s on track or platform <platform>.
    -* With <fare> in your pocket you may board $s.
    -* The doors of $s open <stops> times along the line.
    -* Have a book for <trip> if you take $s.
    -* In the cab of $s sits <driver>.
    -* As <late>, people had to wait for $s.
    ~ $s {has a dining car|is often full|was painted last year}.
    start = From, +Starting point
    ? Where does $s {start|leave from|depart from|come from}?
    ? From {where|which town} does $s {leave|depart|start}?
    ? {What|Which town} is the starting point of $s?
    ? In which town does $s start?
    ? Which town does $s leave from?
    ?* Where do the doors of $s close first?
    < Which train {leaves|starts} from $v?
    <* What train begins its way in $v?
    goal = To, +Destination
    ? Where does $s {go|go to|arrive|end}?
    ? {To|In} which town does $s {go|arrive}?
    ? What is the destination of $s?
    ? {Which|What} town does $s {reach|go to}?
    ? Where does one get to with $s?
    ?* Into what station does $s roll in the end?
    < Which train {goes|runs} to $v?
    <* What train rolls into $v?
    leaves = Departure, +Time of departure
    ? {When|At what time} does $s {leave|depart|start}?
    ? What is the {departure time|time of departure} of $s?
    ? When is the departure of $s?
    ? What time does $s {leave|depart}?
    ? By when must one be there for $s?
    ?* At what time do the doors of $s close?
    < Which train {leaves|departs} at $v?
    <* What closes its doors at $v?
    arrives = Arrival, +Time of arrival
    ? {When|At what time} does $s arrive?
    ? What is the {arrival time|time of arrival} of $s?
    ? What time does $s {arrive|get there}?
    ? When do passengers of $s arrive?
    ? When does $s reach its destination?
    ?* What does the clock show when $s rolls in?
    < Which train arrives at $v?
    <* What rolls in at $v?
    platform = Platform
    ? From {which|what} platform does $s {leave|depart}?
    ? What is the platform of $s?
    ? What platform should one go to for $s?
    ? Which platform does $s depart from?
    ? At which platform is $s?
    ?* On which track do people wait for $s?
    fare = +Fare, +Price
    ? How much {is a ticket for $s|does a ticket for $s cost|does $s cost}?
    ? What is the {fare|price} {of|for} $s?
    ? What does {a ticket for $s|the trip with $s} cost?
    ? How high is the fare of $s?
    ? How much must one pay for $s?
    ?* With how much in the pocket may one board $s?
    stops = Stops
    ? How {often|many times} does $s stop?
    ? How many stops does $s make{| on the way}?
    ? What is the number of stops of $s?
    ? How many stops does $s have?
    ? At how many stations does $s stop?
    ?* How many times do the doors of $s open?
    trip = +Duration
    ? How long does {$s take|the trip with $s take|the ride with $s take}?
    ? How long is {the ride|the trip|the journey} with $s?
    ? What is the duration of the trip with $s?
    ? How many minutes does $s {take|need}?
    ? How much time does $s need?
    ?* For how long should one have a book in $s?
    driver = +Driver
    ? Who {drives|is the driver of} $s?
    ? Who is the driver of $s?
    ? By whom is $s driven?
    ? What is the name of the driver of $s?
    ? Who is at the controls of $s?
    ?* Who sits in the cab of $s?
    < Which train {does $v drive|is driven by $v}?
    <* In which cab does $v sit?
    late = Reason for the delay
    ? Why was $s {late|delayed}?
    ? Why did $s come {too |}late?
    ? What was the reason for the delay of $s?
    ? For what reason was $s late?
    ? What delayed $s?
    ?* Why did people have to wait for $s?
    """,
    zh="""
    they: 它, 该次列车, 这趟车
    - $s<leaves>从<start>{出发|开出}。
    - $s由<start>{开往|驶往}<goal>{|，途中停<stops>站}。
    - $s从<start>出发，<arrives>{到达|抵达}<goal>。
    - $s<leaves>从<platform>号站台{发车|开出}。
    - $s于<arrives>{到达|抵达}终点。
    - 乘坐$s的旅客<arrives>到达{|，全程<trip>}。
    - $s停靠在<platform>号站台{|，票价<fare>}。
    - $s的{票价|车票}{是|为}<fare>。
    - $s{途中|一路}停<stops>站{|，终点是<goal>}。
    - $s沿途有<stops>个车站。
    - $s全程{需要|要走}<trip>{|，票价<fare>}。
    - 坐$s要{花|用}<trip>。
    - $s的司机是<driver>。
    - <driver>{驾驶|开}$s。
    - 由于<late>，$s{晚点了|误点了}。
    - $s之所以晚点，是因为<late>。
    - $s{在|改在}<platform>号站台上车。
    -* <leaves>一到，$s在<start>关上车门。
    -* 钟指着<arrives>，$s驶进<goal>。
    -* 大家在<platform>号站台等$s。
    -* 口袋里有<fare>就能坐上$s。
    -* $s沿线要开<stops>次门。
    -* 坐$s最好带本书，能看<trip>。
    -* 坐在$s驾驶室里的是<driver>。
    -* <late>，人们只好等着$s。
    ~ $s{设有餐车|常常满员|去年刷了新漆}。
    start = +始发站, +出发地
    ? $s从{哪里|什么地方|哪座城市}{出发|开出|发车}？
    ? $s的{始发站|出发地}是{哪里|哪座城市}？
    ? {哪里|哪座城市}是$s的始发站？
    ? $s是从哪儿开来的？
    ? $s由哪里开出？
    ?* $s最先在哪里关上车门？
    < {哪趟车|哪次列车}从$v{出发|开出}？
    <* 始于$v的是哪趟车？
    goal = +终点站, +目的地
    ? $s{开往|驶往|到}{哪里|什么地方|哪座城市}？
    ? $s的{终点|终点站|目的地}是哪里？
    ? 坐$s可以到哪里？
    ? {哪里|哪座城市}是$s的终点？
    ? $s抵达何处？
    ?* $s最后驶进哪里？
    < {哪趟车|哪次列车}{开往|到}$v？
    <* 驶进$v的是哪趟车？
    leaves = +出发时间, +发车时间
    ? $s{几点|什么时候|何时}{出发|发车|开}？
    ? $s的{出发时间|发车时间}是{几点|什么时候}？
    ? {几点|什么时候}开$s？
    ? $s在几点开出？
    ? $s什么时间发车？
    ?* $s几点关上车门？
    < {哪趟车|哪次列车}{在|}$v{出发|发车|开出}？
    <* $v关门的是哪趟车？
    arrives = +到达时间
    ? $s{几点|什么时候|何时}{到|到达|抵达}？
    ? $s的到达时间是{几点|什么时候}？
    ? 坐$s几点能到？
    ? $s在几点到站？
    ? $s什么时间抵达终点？
    ?* $s驶进车站时钟指着几点？
    < {哪趟车|哪次列车}{在|}$v{到达|抵达}？
    <* $v驶进车站的是哪趟车？
    platform = 站台
    ? $s{在|从|停在}{几号|哪个}站台{|发车|开出}？
    ? $s的站台是几号？
    ? $s停靠{几号|哪个}站台？
    ? 坐$s去几号站台？
    ? $s是几号站台？
    ?* 大家在几号站台等$s？
    fare = +票价
    ? $s{票价多少|多少钱|的票价是多少}？
    ? 坐$s{要多少钱|多少钱}？
    ? $s的车票{多少钱|要多少}？
    ? $s一张票多少钱？
    ? $s票价是多少？
    ?* 口袋里有多少才能坐上$s？
    stops = 停靠站数
    ? $s{停几站|停多少站|要停几次}？
    ? $s{途中|沿途|一路}有{几个|多少个}{车站|站}？
    ? $s的停靠站数是多少？
    ? $s一共停几站？
    ? $s途中停多少站？
    ?* $s沿线开几次门？
    trip = +全程时间
    ? $s{要走多久|要多长时间|要多久}？
    ? $s全程{多久|多少分钟|要多长时间}？
    ? 坐$s要{多久|多长时间}？
    ? $s的全程时间是多少？
    ? $s需要几分钟？
    ?* 在$s上能看多久的书？
    driver = +司机
    ? $s的司机是谁？
    ? 谁{开|驾驶}$s？
    ? $s由谁{驾驶|开}？
    ? $s是谁开的？
    ? $s的司机叫什么？
    ?* 谁坐在$s的驾驶室里？
    < $v{开|驾驶}哪趟车？
    <* $v坐在哪趟车的驾驶室里？
    late = +晚点原因
    ? $s为什么{晚点|误点}？
    ? $s{晚点|误点}的原因是什么？
    ? $s为何{晚点|误点}？
    ? 是什么让$s晚点？
    ? $s因为什么误点？
    ?* 人们为什么要等$s？
    """,
)
KINDS = (TRAIN,)
