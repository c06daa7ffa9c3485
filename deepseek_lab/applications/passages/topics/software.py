"""Programs and libraries, as a README or a manual tells of them: language, version, licence, command, limits."""

from deepseek_lab.applications.passages.base import kind

PROGRAM = kind(
    "program",
    "software",
    "brand",
    {
        "language": "pick code",
        "version": "version",
        "author": "person",
        "licence": "pick licence",
        "command": "command",
        "purpose": "pair verb_do object_do",
        "file": "filename",
        "port": "number 1024 65000",
        "speed": "number 20 90000 requests per second,lines per second / 个请求每秒,行每秒",
        "limit": "number 2 900 MB,GB / MB,GB",
        "dropped": "pair part_c part_d",
    },
    en="""
    they: it, the program, the library, this tool
    - $s is {written|implemented|programmed} in <language>{|, by <author>}.
    - $s is a {small|free} <language> {program|library|tool} by <author>.
    - The {author|maintainer} of $s is <author>{|, who answers questions by mail}.
    - <author> {wrote|maintains|develops} $o{| in <language>}.
    - The {latest|current|newest} version of $s is <version>.
    - Version <version> of $s {is out|was released last week}{|, under the <licence>}.
    - $s <version> needs at least <limit> of memory.
    - $s is {released|distributed|licensed} under the <licence>.
    - The licence of $s is the <licence>{|, and its source is in <language>}.
    - To {start|run|launch} $o, type `<command>`.
    - $s is {started|installed} with `<command>`{| and listens on port <port>}.
    - $s {is used to|can|helps to|is a tool to} <purpose>.
    - {With|Using} $o you can <purpose>.
    - $s {reads|keeps} its settings {from|in} `<file>`{| and its default port is <port>}.
    - The {settings|options} of $s are in `<file>`.
    - By default, $s {listens on|uses} port <port>.
    - $s {handles|processes} <speed>{| on one core}.
    - On a laptop, $s reached <speed>{| with <limit> of memory}.
    - $s {needs|uses} <limit> of memory{| at most}.
    - {Support for Windows was dropped from $s|$s was rewritten} because <dropped>.
    - Because <dropped>, $s had to be rewritten.
    - {Typing|Entering} `<command>` {starts|installs} $o.
    - $s got a new code base {because|since} <dropped>.
    -* All source files of $s are <language>.
    -* Users of $s should upgrade to <version>.
    -* Every commit to $s is signed by <author>.
    -* One may copy $s under the terms of the <licence>.
    -* Enter `<command>` in a shell, and $s comes up.
    -* People turn to $s when they want to <purpose>.
    -* Edit `<file>` to change how $s behaves.
    -* A browser finds $s at port <port>.
    -* In the benchmark, $s got through <speed>.
    -* Give $s <limit> or it will crash.
    -* As <dropped>, $s was written anew.
    ~ $s {has no dependencies|is tested on every commit|has good documentation}.
    ~ Bug reports for $s are welcome.
    language = +Language, Written in
    ? {In what|In which} language is $s {written|implemented}?
    ? What is $s {written|implemented} in?
    ? {Which|What} programming language {is $s written in|does $s use}?
    ? What is the programming language of $s?
    ? {What|Which} language is $s programmed in?
    ?* Of what language are the source files of $s?
    < {What|Which program} is written in $v?
    <* What has its sources in $v?
    version = +Version, +Latest version
    ? What is the {latest|current|newest} version of $s?
    ? {Which|What} version of $s is {out|current|the newest}?
    ? What version is $s at?
    ? What is the version number of $s?
    ? Which version does $s have?
    ?* To what should users of $s upgrade?
    author = +Author, +Maintainer
    ? Who {wrote|maintains|develops|is the author of} $s?
    ? Who is the {author|maintainer|developer} of $s?
    ? By whom {was $s written|is $s maintained}?
    ? Whose program is $s?
    ? What is the name of the {author|maintainer} of $s?
    ?* Who signs the commits to $s?
    < {What|Which program|Which library} {did $v write|does $v maintain|was written by $v}?
    <* What do we owe to the commits of $v?
    licence = +License, +Licence
    ? {Under which|Under what|What} {licence|license} is $s{| released| distributed}?
    ? What is the {licence|license} of $s?
    ? {Which|What} license does $s have?
    ? How is $s licensed?
    ? What are the terms of the license for $s?
    ?* Under what terms may one copy $s?
    < {What|Which program} is {released|distributed} under the $v?
    <* What may one copy under the $v?
    command = Command, Install
    ? {How|With which command|With what command} is $s {started|run|launched|installed}?
    ? What is the command {for|to start} $s?
    ? How {do I|does one|can I} {start|run|launch} $s?
    ? What must one type to {start|run} $s?
    ? {Which|What} command {starts|runs} $s?
    ?* What does one enter for $s to come up?
    purpose = +Purpose
    ? {What is $s for|What can one do with $s|What is $s used for}?
    ? What does $s help to do?
    ? What can $s do?
    ? What is the purpose of $s?
    ? {For what|To do what} is $s used?
    ?* What do people want who turn to $s?
    file = +Configuration file, Settings
    ? Where are the {settings|options} of $s{| kept}?
    ? {Which|What} file {does $s read|has the settings of $s}?
    ? From {what|which} file does $s read its settings?
    ? In {which|what} file are the options of $s?
    ? Where does $s keep its settings?
    ?* What must one edit to change $s?
    port = +Port, +Default port
    ? {On which|On what} port does $s {listen|run}?
    ? {What|Which} port does $s {use|listen on}?
    ? What is the default port of $s?
    ? Which port is $s on?
    ? What is the port number of $s?
    ?* At which port does a browser find $s?
    speed = +Throughput
    ? How fast is $s?
    ? What {is the throughput of $s|speed does $s reach}?
    ? How many {requests|lines} {can $s handle|does $s process}?
    ? How much does $s process per second?
    ? What did $s reach on a laptop?
    ?* What did $s get through in the benchmark?
    limit = +Memory
    ? How much memory does $s {need|use|require}?
    ? What {are|is} the memory {requirements|use} of $s?
    ? How much RAM {does $s need|is needed for $s}?
    ? What amount of memory does $s need?
    ? How many MB does $s use?
    ?* How much must one give $s lest it crash?
    dropped = Reason for the rewrite
    ? Why was {$s rewritten|support for Windows dropped from $s}?
    ? What was the reason for rewriting $s?
    ? Why did $s have to be rewritten?
    ? For what reason was $s rewritten?
    ? How come $s was rewritten?
    ?* Why was $s written anew?
    """,
    zh="""
    they: 它, 该程序, 这个工具, 该库
    - $s{用|使用|是用}<language>{编写|开发}{|，作者是<author>}。
    - $s是一个{小型|免费的}<language>{程序|工具}，由<author>开发。
    - $s的{作者|维护者}是<author>。
    - <author>{编写|开发|维护}了$s。
    - $s的{最新版本|当前版本}{是|为}<version>。
    - $s <version>已经发布{|，采用<licence>}。
    - $s目前更新到<version>，至少需要<limit>内存。
    - $s{采用|遵循|使用}<licence>{发布|}。
    - $s的{许可证|开源协议}是<licence>{|，源码用<language>写成}。
    - 运行`<command>`{即可启动|就能启动}$s。
    - $s用`<command>`{启动|安装}{|，监听<port>端口}。
    - $s{可以|用来|能够}<purpose>。
    - 借助$s，{用户|你}可以<purpose>。
    - $s从`<file>`读取{设置|配置}{|，默认端口是<port>}。
    - $s的配置{写在|保存在}`<file>`{中|里}。
    - $s默认{使用|监听}<port>端口。
    - $s{每秒能处理|的处理速度为}<speed>。
    - 在笔记本电脑上，$s达到了<speed>，占用<limit>内存。
    - $s{需要|占用}<limit>内存。
    - 因为<dropped>，$s{被重写|重写了一遍}。
    - $s之所以重写，是因为<dropped>。
    -* $s的源文件全是<language>。
    -* 建议$s的用户升级到<version>。
    -* 提交到$s的每次改动都由<author>签名。
    -* 可以按照<licence>的条款复制$s。
    -* 在终端敲入`<command>`，$s就会出来。
    -* 人们找到$s，是想<purpose>。
    -* 想改变$s的行为，就编辑`<file>`。
    -* 浏览器在<port>端口能找到$s。
    -* 在测试中，$s跑出了<speed>。
    -* 不给$s<limit>，它就会崩溃。
    -* <dropped>，于是$s从头写了一遍。
    ~ $s{没有任何依赖|每次提交都会测试|文档很完善}。
    ~ 欢迎报告$s的问题。
    language = +编程语言, +语言
    ? $s{是用什么|用什么|用哪种}{语言|编程语言}{编写|写|开发}的？
    ? $s的编程语言是{什么|哪种}？
    ? $s{使用|采用}{什么|哪种}编程语言？
    ? $s是什么语言写成的？
    ? {什么|哪种}语言写的$s？
    ?* $s的源文件是什么语言？
    < {哪个程序|什么}是用$v{编写|写|开发}的？
    <* 源文件是$v的是哪个程序？
    version = +版本, +最新版本
    ? $s的{最新版本|当前版本|版本号}是{多少|什么}？
    ? $s{最新|现在}是{哪个|什么}版本？
    ? $s更新到{哪个版本|多少}了？
    ? $s是哪个版本？
    ? $s版本号是多少？
    ?* 建议$s的用户升级到哪版？
    author = +作者, +维护者
    ? $s的{作者|维护者|开发者}是谁？
    ? 谁{编写|开发|维护}了$s？
    ? $s是谁{写|开发|编写}的？
    ? $s由谁{维护|开发}？
    ? 写$s的人叫什么？
    ?* $s的提交由谁签名？
    < $v{编写|开发|维护}了{什么程序|哪个程序|什么}？
    <* 哪个程序的提交由$v签名？
    licence = +许可证
    ? $s{采用|遵循|使用}{什么|哪种|哪个}{许可证|协议}？
    ? $s的{许可证|协议|开源协议}是{什么|哪种}？
    ? $s用什么许可证发布？
    ? $s是什么协议的？
    ? $s按哪种许可发布？
    ?* 复制$s要按什么条款？
    < {哪个程序|什么}{采用|使用}$v？
    <* 按$v可以复制的是什么？
    command = +启动命令
    ? {怎么|如何|怎样}{启动|安装|运行}$s？
    ? {启动|运行}$s{要用|用}什么命令？
    ? $s的启动命令是什么？
    ? $s用什么命令启动？
    ? 哪条命令可以运行$s？
    ?* 敲入什么$s就会出来？
    purpose = +用途
    ? $s{有什么用|可以做什么|能做什么|用来做什么}？
    ? $s的{用途|功能}是什么？
    ? 用$s{能|可以}干什么？
    ? $s是干什么用的？
    ? 借助$s可以做什么？
    ?* 人们找$s是想做什么？
    file = +配置文件
    ? $s的{配置|设置}{在哪个文件|保存在哪里|写在哪里}？
    ? $s从{哪个文件|哪里}读取{配置|设置}？
    ? $s的配置文件{是什么|叫什么}？
    ? $s的设置在什么文件里？
    ? 哪个文件里有$s的配置？
    ?* 想改变$s的行为要编辑什么？
    port = +端口, +默认端口
    ? $s{监听|使用|用}{哪个|什么}端口？
    ? $s的{端口|默认端口|端口号}是多少？
    ? $s默认用哪个端口？
    ? $s在哪个端口上？
    ? $s端口是多少？
    ?* 浏览器在哪里能找到$s？
    speed = +处理速度
    ? $s{有多快|每秒能处理多少|速度多快}？
    ? $s的{速度|处理速度|吞吐量}是多少？
    ? $s一秒处理多少？
    ? $s的处理能力有多大？
    ? $s达到了什么速度？
    ?* 在测试中$s跑出了多少？
    limit = +内存
    ? $s{需要|占用|要}{多少|多大}内存？
    ? $s的内存{需求|占用}是多少？
    ? 运行$s要多少内存？
    ? $s占多少内存？
    ? $s用掉多少内存？
    ?* 要给$s多少它才不崩溃？
    dropped = +重写原因
    ? $s为什么{重写|被重写|要重写}？
    ? $s重写的原因是什么？
    ? $s为何重写？
    ? 是什么使$s重写了一遍？
    ? $s因为什么重写？
    ?* $s怎么从头写了一遍？
    """,
)
KINDS = (PROGRAM,)
