"""Races and festivals: when and where they were held, who won, who paid, and why they were put off."""

from deepseek_lab.applications.passages.base import kind

RACE = kind(
    "race",
    "events",
    "race",
    {
        "date": "date 1950 2025",
        "place": "city",
        "winner": "person",
        "second": "person",
        "time": "number 12 420 minutes,min / 分钟",
        "crowd": "number 90 90000 spectators,visitors / 名观众,人",
        "sponsor": "company",
        "prize": "money 50 90000",
        "delay": "pair weather_a weather_b",
    },
    en="""
    they: it, the event
    - $s {took place|was held} in <place>{| on <date>}.
    - On <date>, <place> {hosted|was the scene of} $o.
    - $s was held on <date>{| and drew <crowd>}.
    - $s was won by <winner>{|, while <second> came second}.
    - <winner> won $o {in|after} <time>.
    - The {winner|champion} of $s was <winner>{|, who had trained for years}.
    - {Second place in|Second place at} $s went to <second>.
    - At $s, <second> had to be content with second place.
    - The winner needed <time> for $s.
    - $s was over after <time>.
    - {About|Around|More than} <crowd> {came to|watched} $s.
    - $s {attracted|drew} <crowd>{|, and <sponsor> paid for everything}.
    - The sponsor of $s was <sponsor>.
    - <sponsor> {sponsored|paid for} $o.
    - The prize money for $s was <prize>{|, given by <sponsor>}.
    - The best at $s {received|took home} <prize>.
    - $s {started late|was postponed|was put off} because <delay>.
    - Because <delay>, $s {began an hour late|had to be postponed}.
    - The {venue|scene} of $s was <place>.
    - <second> {came second|finished second|took silver} at $s.
    - $s {did not begin on time|was delayed} {because|since} <delay>.
    -* All eyes were on <place> when $s began.
    -* The calendar showed <date> when $s was opened.
    -* Nobody could beat <winner> at $s; <second> was closest.
    -* From start to finish, $s took <time>.
    -* The stands were full at $s: <crowd> had bought tickets.
    -* The name of <sponsor> was on all the banners at $s.
    -* To be first at $s was worth <prize>.
    -* As <delay>, everyone at $s had to wait.
    ~ $s {was shown on television|takes place every year|ended with a concert}.
    date = +Date
    ? When {was $s held|did $s take place|was $s}?
    ? On {what|which} {date|day} {was $s held|did $s take place}?
    ? What was the date of $s?
    ? On what date was $s?
    ? When did they hold $s?
    ?* What did the calendar show when $s was opened?
    < {What|Which event} {took place|was held} on $v?
    <* Which race was on the calendar for $v?
    place = Venue, Place
    ? Where {was $s held|did $s take place|was $s}?
    ? In {which|what} {town|city|place} was $s held?
    ? {Which|What} {town|city} hosted $s?
    ? What was the venue of $s?
    ? Where did they hold $s?
    ?* To which place did everyone look for $s?
    < {What|Which event} {took place|was held} in $v?
    <* What could one watch in $v?
    winner = +Winner
    ? Who {won|was the winner of|was first at} $s?
    ? By whom was $s won?
    ? Who was the {winner|champion} of $s?
    ? Which person won $s?
    ? What is the name of the winner of $s?
    ?* Whom could nobody beat at $s?
    < {What|Which event} {did $v win|was won by $v}?
    <* Where was $v the best of all?
    second = Second place
    ? Who {came|was|finished} second {at|in} $s?
    ? To whom did second place {in|at} $s go?
    ? Who got second place at $s?
    ? Who had to be content with second place at $s?
    ? Who took the silver medal at $s?
    ?* Who was closest to the winner at $s?
    time = +Duration, +Winning time
    ? How long did {the winner of $s need|$s last|$s take}?
    ? What was the {winning time|duration} of $s?
    ? In what time was $s won?
    ? How many minutes did $s last?
    ? After what time was $s over?
    ?* How much time went by from start to finish of $s?
    crowd = Spectators
    ? How many {spectators|people|visitors} {came to|were at|watched} $s?
    ? How large was the crowd at $s?
    ? How many people did $s {draw|attract}?
    ? What was the number of spectators at $s?
    ? How many saw $s?
    ?* How many had bought tickets for $s?
    sponsor = +Sponsor
    ? Who {sponsored|paid for} $s?
    ? Who was the sponsor of $s?
    ? {Which|What} company {sponsored|paid for} $s?
    ? By whom was $s sponsored?
    ? Whose money paid for $s?
    ?* Whose name was on the banners at $s?
    < {What|Which event} {did $v sponsor|was sponsored by $v}?
    <* What did $v give its money for?
    prize = +Prize money
    ? How much {prize money was there at $s|did the winner of $s get}?
    ? What was the prize money {of|for|at} $s?
    ? How high was the prize money {of|for} $s?
    ? What did the best at $s {receive|take home}?
    ? How much money could one win at $s?
    ?* How much was it worth to be first at $s?
    delay = Reason for the delay
    ? Why {was $s postponed|did $s start late|was $s put off|did $s begin late}?
    ? What was the reason for the delay of $s?
    ? For what reason was $s {put off|postponed}?
    ? How come $s began late?
    ? What delayed $s?
    ?* Why did everyone at $s have to wait?
    """,
    zh="""
    they: 它, 这项赛事, 该活动
    - $s{在|于}<place>举行{|，时间是<date>}。
    - <date>，$s在<place>{开幕|举行}。
    - $s于<date>{举行|开幕}{|，吸引了<crowd>}。
    - $s的{冠军|第一名}是<winner>{|，亚军是<second>}。
    - <winner>{赢得|夺得}$s的冠军{|，用时<time>}。
    - <winner>在$s中{获胜|夺冠}。
    - $s的{亚军|第二名}{是|为}<second>。
    - <second>在$s中{获得第二名|名列第二}。
    - $s{历时|持续了}<time>。
    - $s{吸引了|共有}<crowd>{到场|}。
    - 到场观看$s的有<crowd>，{历时|前后持续}<time>。
    - $s由<sponsor>{赞助|出资}{|，奖金<prize>}。
    - <sponsor>{赞助|资助}了$s。
    - $s的{奖金|冠军奖金}{为|是}<prize>。
    - 由于<delay>，$s{推迟了|延期了}。
    - $s之所以{推迟|延期}，是因为<delay>。
    -* $s开始时，人人都望着<place>。
    -* $s拉开帷幕那天是<date>。
    -* 在$s上谁也赢不了<winner>，最接近的是<second>。
    -* $s从头到尾用了<time>。
    -* $s的看台坐满了：买票的有<crowd>。
    -* $s的横幅上写着<sponsor>的名字。
    -* 在$s拿第一可得<prize>。
    -* <delay>，参加$s的人只好等着。
    ~ $s{由电视台转播|每年都办|以一场音乐会结束}。
    date = +日期, +举办时间
    ? $s{什么时候|何时|哪天}{举行|开幕|举办}{的|}？
    ? $s的{日期|时间|举办时间}是{哪天|什么时候}？
    ? $s是{哪一天|什么时候}{举行|开幕}的？
    ? $s在哪天举行？
    ? $s是何年何月何日举行的？
    ?* $s拉开帷幕是哪天？
    < {什么活动|什么比赛}{在|于}$v{举行|开幕}？
    <* $v那天有什么活动？
    place = +地点, +举办地
    ? $s{在哪里|在哪座城市|在什么地方}{举行|举办|开幕}{的|}？
    ? $s的{地点|举办地}是哪里？
    ? {哪里|哪座城市}{举办|举行}了$s？
    ? $s的举办城市是哪座？
    ? $s在何地举行？
    ?* $s开始时人们望着哪里？
    < {什么活动|什么比赛}在$v{举行|举办}？
    <* 在$v可以观看什么？
    winner = +冠军
    ? $s的{冠军|第一名|获胜者}是谁？
    ? 谁{赢得|夺得|拿下}了$s{的冠军|}？
    ? 谁在$s{中|}{获胜|夺冠}？
    ? $s是谁赢的？
    ? $s的冠军叫什么？
    ?* 在$s上谁也赢不了的是谁？
    < $v{赢得|夺得}了{什么比赛|哪项赛事}？
    <* $v在哪里拿了第一？
    second = +亚军, +第二名
    ? $s的{亚军|第二名}是谁？
    ? 谁{获得|拿到}了$s的{第二名|亚军}？
    ? 谁在$s中{名列第二|得了第二}？
    ? $s第二名叫什么？
    ? 谁是$s的亚军？
    ?* 在$s上离冠军最近的是谁？
    time = +用时, +时长
    ? $s{持续了多久|历时多久|用了多长时间}？
    ? $s的{时长|用时}是多少？
    ? $s有多少分钟？
    ? $s历时多少分钟？
    ? $s持续多长时间？
    ?* $s从头到尾要多久？
    crowd = +观众人数
    ? $s{有多少观众|吸引了多少人|有多少人观看}？
    ? $s的观众{人数|}{是多少|有多少}？
    ? 多少人{观看了|到场观看}$s？
    ? $s到场的有多少人？
    ? 有几名观众看了$s？
    ?* 买票看$s的有多少？
    sponsor = +赞助商
    ? {谁|哪家公司}{赞助|资助}了$s？
    ? $s{由谁|由哪家公司|是谁}{赞助|出资}{的|}？
    ? $s的赞助商是{谁|哪家}？
    ? $s由哪家公司资助？
    ? 给$s出钱的是谁？
    ?* $s的横幅上是谁的名字？
    < $v{赞助|资助}了什么活动？
    <* $v把钱花在哪项赛事上？
    prize = +奖金
    ? $s的{奖金|冠军奖金}{是多少|有多少}？
    ? $s{奖金多少|有多少奖金}？
    ? 赢得$s能得多少{钱|奖金}？
    ? $s的冠军可以拿多少钱？
    ? $s奖金有多高？
    ?* 在$s拿第一值多少？
    delay = +推迟原因
    ? $s为什么{推迟|延期}？
    ? $s{推迟|延期}的原因是什么？
    ? $s为何{推迟|延期}？
    ? 是什么让$s{推迟|延期}？
    ? $s因为什么延期？
    ?* 参加$s的人为什么要等？
    """,
)
KINDS = (RACE,)
