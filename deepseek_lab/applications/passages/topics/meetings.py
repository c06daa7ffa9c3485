"""Meetings and courses: day, hours, room, speaker and fee, and why they were called off."""

from deepseek_lab.applications.passages.base import kind

MEETING = kind(
    "meeting",
    "schedules",
    "meeting",
    {
        "day": "weekday",
        "hours": "hours",
        "room": "room",
        "speaker": "person",
        "subject": "pair plan_a plan_b",
        "guests": "number 3 400 people,participants / 人,名参加者",
        "fee": "money 3 400",
        "contact": "person",
        "cancelled": "pair weather_a weather_b",
    },
    en="""
    they: it
    - $s {takes place|is held|is} on <day>{| in <room>}.
    - {Next|This} <day>, there is $o{| in <room>}.
    - $s {lasts from|is scheduled from|goes from} <hours>.
    - On <day>, from <hours>, $s will be held.
    - {Please come to <room> for $s|The room for $s is <room>}.
    - $s {will be in|has been moved to|meets in} <room>{|, and <speaker> will speak}.
    - The {speaker|main speaker} at $s is <speaker>.
    - <speaker> {speaks|will give a talk|gives a talk} at $s{| about <subject>}.
    - $s is {about|devoted to} <subject>.
    - The topic of $s is <subject>{|, and <guests> are expected}.
    - {So far|Up to now}, <guests> have signed up for $s.
    - There is room for <guests> at $s{|, which costs <fee>}.
    - The fee for $s is <fee>{|, to be paid to <contact>}.
    - $s costs <fee> {a head|per person}.
    - For questions about $s, {write to|ask|call} <contact>.
    - <contact> {organises|answers questions about} $o.
    - $s {was cancelled|had to be called off} because <cancelled>.
    - Because <cancelled>, $s {was|had to be} {called off|cancelled}.
    - The {hours|times} of $s are <hours>.
    - $s {could not take place|did not take place}, because <cancelled>.
    -* Keep your <day> free, for $s is coming.
    -* Be there for $s: <hours>, not later.
    -* A sign on <room> shows the way to $s.
    -* On the stage of $s stands <speaker>.
    -* Those who come to $s will hear of <subject>.
    -* The list for $s has <guests> on it.
    -* Have <fee> ready when you come to $s.
    -* Whoever cannot come to $s should let <contact> know.
    -* People went home from $s at once, as <cancelled>.
    ~ Coffee will be served at $s.
    ~ Guests of $s are asked to be on time.
    day = Day
    ? {When|On which day|On what day} {is|does} {$s|$s take place}?
    ? On which day of the week is $s?
    ? {What|Which} day is $s{| held}?
    ? When will $s be held?
    ? On which day does $s take place?
    ?* Which day should one keep free for $s?
    < What is {on|held on} $v?
    <* What is coming on $v?
    hours = Time
    ? At what time is $s?
    ? {From when to when|What time|During which hours} is $s?
    ? What are the {hours|times} of $s?
    ? When does $s begin and end?
    ? What time is $s scheduled for?
    ?* When must one be there for $s?
    room = +Room
    ? Where {is $s|does $s take place|will $s be}?
    ? In {which|what} room is $s{| held}?
    ? {Which|What} room {is for $s|is $s in}?
    ? Where should one go for $s?
    ? What is the room of $s?
    ?* On what door is the sign for $s?
    < What {takes place|is held} in $v?
    <* What does one find behind the door of $v?
    speaker = +Speaker
    ? Who {speaks|is the speaker|will speak|gives a talk} at $s?
    ? Who is the speaker {at|of} $s?
    ? By whom is the talk at $s?
    ? What is the name of the speaker at $s?
    ? Whose talk can one hear at $s?
    ?* Who stands on the stage of $s?
    < {Where|At what} does $v {speak|give a talk}?
    <* What can one go to in order to hear $v?
    subject = +Topic
    ? What is $s about?
    ? What is the {topic|subject} of $s?
    ? To what is $s devoted?
    ? {What|Which topic} will be discussed at $s?
    ? What will $s deal with?
    ?* Of what will people hear at $s?
    guests = Participants
    ? How many {people|participants} {have signed up for|are expected at|will be at|come to} $s?
    ? For how many is there room at $s?
    ? What is the number of participants of $s?
    ? How many take part in $s?
    ? How large is $s?
    ?* How many are on the list for $s?
    fee = +Fee
    ? How much {does $s cost|is $s|is the fee for $s}?
    ? What {does $s cost|is the fee for $s}?
    ? How high is the fee for $s?
    ? What must one pay for $s?
    ? How much money does one need for $s?
    ?* How much should one have ready for $s?
    contact = +Contact
    ? Who {organises|answers questions about} $s?
    ? Who is the contact {for|of} $s?
    ? {Whom|Who} should one {ask|call|write to} about $s?
    ? To whom should questions about $s be sent?
    ? Who knows more about $s?
    ?* Whom should those tell who cannot come to $s?
    cancelled = Reason for cancelling
    ? Why was $s {cancelled|called off}?
    ? What was the reason for cancelling $s?
    ? Why did $s not take place?
    ? For what reason was $s cancelled?
    ? How come $s was called off?
    ?* Why did people go home from $s?
    """,
    zh="""
    they: 它, 这次活动, 活动
    - $s{定在|安排在}<day>{|，地点是<room>}{举行|}。
    - {本周|下}<day>{将举行|有}$s。
    - $s的时间是<hours>。
    - <day><hours>，$s照常举行。
    - $s{在|改在|设在}<room>{举行|进行}{|，主讲人是<speaker>}。
    - 参加$s的请到<room>{集合|报到}。
    - $s的{主讲人|发言人}是<speaker>。
    - <speaker>将在$s上{发言|作报告}{|，谈谈<subject>}。
    - $s的{主题|议题}是<subject>。
    - $s{讨论|将讨论}<subject>{|，预计有<guests>参加}。
    - {目前|至今}已有<guests>报名参加$s。
    - $s最多可容纳<guests>{|，每人收费<fee>}。
    - 参加$s{每人|}要交<fee>。
    - $s的{费用|报名费}是<fee>，{请交给|联系人是}<contact>。
    - $s由<contact>{负责|组织}。
    - 有关$s的问题请{联系|找}<contact>。
    - 由于<cancelled>，$s{取消了|没有办成}。
    - $s取消了，因为<cancelled>。
    -* 请把<day>空出来，有$s。
    -* 来$s不要迟到：<hours>。
    -* <room>门上贴着$s的牌子。
    -* 站在$s讲台上的是<speaker>。
    -* 来$s的人会听到<subject>的事。
    -* $s的名单上有<guests>。
    -* 来$s时请带好<fee>。
    -* 不能来$s的请告诉<contact>。
    -* <cancelled>，来$s的人当场就回家了。
    ~ $s提供茶水。
    ~ 请参加$s的人准时到场。
    day = +日期
    ? $s{在哪天|是哪天|在星期几|是周几}{举行|}？
    ? $s{安排在|定在}{哪天|星期几|什么时候}？
    ? {哪天|星期几}{有|举行}$s？
    ? $s的日子是哪天？
    ? $s什么时候举行？
    ?* 为了$s要空出哪天？
    < $v有什么{活动|安排|}？
    <* 把$v空出来是为了什么？
    hours = +时间
    ? $s{几点开始几点结束|几点到几点|是几点}？
    ? $s的时间是{几点|什么时候|几点到几点}？
    ? $s在几点举行？
    ? $s从几点到几点？
    ? $s具体是什么时间？
    ?* 来$s几点不算迟到？
    room = +地点
    ? $s{在哪里|在哪个房间|在什么地方}{举行|进行}？
    ? $s的地点{在哪|是哪里}？
    ? 参加$s要去哪{里|个房间}？
    ? $s在何处举行？
    ? 请问$s在哪儿？
    ?* 哪里的门上贴着$s的牌子？
    < $v{有|举行}什么活动？
    <* $v门上的牌子写着什么？
    speaker = +主讲人
    ? $s的{主讲人|发言人}是谁？
    ? 谁{将|}在$s上{发言|作报告|讲话}？
    ? 在$s上发言的是谁？
    ? $s由谁主讲？
    ? $s的主讲人叫什么？
    ?* 谁站在$s的讲台上？
    < $v在{哪里|什么活动上}{发言|作报告}？
    <* 想听$v讲话要去哪个活动？
    subject = +主题
    ? $s的{主题|议题}是什么？
    ? $s{讨论|谈}什么？
    ? $s要讨论{什么问题|哪个议题}？
    ? $s是关于什么的？
    ? $s谈的内容是什么？
    ?* 在$s上会听到什么事？
    guests = +参加人数
    ? {多少人|有多少人|几个人}{报名参加|参加}$s？
    ? $s{有|可容纳}多少人？
    ? $s的参加人数是多少？
    ? $s有多少名参加者？
    ? $s报名的有几个人？
    ?* $s的名单上有多少人？
    fee = +费用
    ? $s{收费多少|多少钱|要交多少钱}？
    ? $s的{费用|报名费}是多少？
    ? 参加$s要{多少钱|交多少}？
    ? $s每人收多少？
    ? $s的收费标准是多少？
    ?* 来$s要带好多少钱？
    contact = +联系人
    ? $s的{联系人|负责人|组织者}是谁？
    ? $s由谁{负责|组织}？
    ? 有关$s的问题{找谁|联系谁}？
    ? 谁负责$s？
    ? 想了解$s该问谁？
    ?* 不能来$s要告诉谁？
    cancelled = +取消原因
    ? $s为什么取消{了|}？
    ? $s取消的原因是什么？
    ? $s为何{取消|没有办成}？
    ? 是什么让$s取消了？
    ? $s因为什么没有举行？
    ?* 来$s的人怎么当场就回家了？
    """,
)
KINDS = (MEETING,)
