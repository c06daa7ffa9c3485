"""People: where and when they were born, what they do, studied, like, and whom they married."""

from deepseek_lab.applications.passages.base import kind

PERSON = kind(
    "person",
    "people",
    "person",
    {
        "born": "date 1850 2004",
        "birthplace": "city",
        "trade": "pick trade",
        "studied": "pick field",
        "university": "school",
        "home": "city",
        "spouse": "person",
        "employer": "company",
        "hobby": "pick hobby",
        "instrument": "pick instrument",
        "height": "number 148 206 cm,centimetres / 厘米",
        "children": "number 2 9",
        "quit": "pair gave_up job",
        "prize": "race",
    },
    en="""
    they: she/he
    - $s was born {in|near} <birthplace> {on|in} <born>.
    - {On|In} <born>, $s was born in <birthplace>.
    - $s, born {on|in} <born>, {works as|is|became} a <trade>.
    - $s is a <trade>{| by profession} and {lives in|has a flat in|has settled in} <home>.
    - $s grew up far away, but now lives in <home> and works as a <trade>.
    - Born in <birthplace>, $s {studied|read|took a degree in} <studied> at <university>.
    - $s {studied|graduated in} <studied> {at|from} <university>{| before looking for a job}.
    - {After school|Later|As a young adult}, $s {went to|attended} <university>.
    - $s {has been married to|is the spouse of|married} <spouse>{| for many years}.
    - Together with <spouse>, whom $s {married|wedded} late, there are <children> children to raise.
    - $s {works for|is employed by|has a job at} <employer>.
    - $s {joined|was hired by} <employer> as a <trade>.
    - $p {favourite pastime|hobby|great passion} is <hobby>.
    - In the evenings, $s {enjoys|relaxes with|likes} <hobby> and {plays|practises} the <instrument>.
    - $s {plays|learned to play|is good at playing} the <instrument>.
    - At <height>, $s is {taller|shorter} than most colleagues.
    - $s is <height> tall and has <children> children.
    - $p family is large: <children> children{| and two dogs}.
    - $s {gave up the old job|left the office|stopped working} because <quit>.
    - Because <quit>, $s {resigned|quit}.
    - $s {won|received|was awarded} <prize>.
    - For a lifetime of work $s was {given|honoured with} <prize>.
    - $s {no longer works|gave notice} {because|since} <quit>.
    -* {It was in|It was on} <born> that $s {came into the world|was born}, and <birthplace> was the place.
    -* It was <birthplace> where $s first saw the light of day.
    -* $s earns a living as a <trade> and has made a home in <home>.
    -* {In the lecture halls of|At} <university>, $s learned all about <studied>.
    -* $p {partner in marriage|better half} is <spouse>; they have <children> children.
    -* On weekdays $s can be found at <employer>, at weekends busy with <hobby>.
    -* Few people play the <instrument> as well as $s does.
    -* Someone measured $o: <height>.
    -* $s {walked away from|handed in notice at} work, as <quit>.
    -* Among the things on $p shelf is <prize>, won long ago.
    ~ $s is {well liked|known to everyone in the neighbourhood|a person of few words}.
    born = Born, +Date of birth
    ? When was $s born?
    ? {On what|What} date was $s born?
    ? What is $p {date of birth|birthday|birth date}?
    ? Since when has $s been alive?
    ? $s was born when?
    ? When did $s come into the world?
    ?* When is $p birthday, with the year if it is given?
    ?* What was the day or year of $p birth?
    < Who was born {on|in} $v?
    < Whose date of birth is $v?
    <* Which person came into the world {on|in} $v?
    birthplace = +Place of birth, +Birthplace
    ? Where was $s born?
    ? In {which|what} {town|city|place} was $s born?
    ? What is $p {birthplace|place of birth}?
    ? $s was born in which place?
    ? Which {town|city} does $s come from by birth?
    ? Where did $s come into the world?
    ?* What {town|city} is the birthplace of $o?
    ?* Name the place where $s was born.
    < Who was born in $v?
    < Whose birthplace is $v?
    <* Which person comes from $v by birth?
    trade = +Profession, +Occupation
    ? What is $p {profession|occupation|job|trade}?
    ? What does $s do for a living?
    ? What does $s work as?
    ? What kind of {work|job} does $s {do|have}?
    ? How does $s earn money?
    ? What is $s by {profession|trade}?
    ?* As what does $s make a living?
    ?* What line of work is $s in?
    < Who {works as|is} a $v?
    < Which person is a $v by profession?
    <* Whose job is that of a $v?
    studied = +Field of study, Studied
    ? What did $s study?
    ? What {subject|field} did $s study{| at university}?
    ? What was $p {major|field of study|subject}?
    ? In what did $s take a degree?
    ? Which {subject|discipline} did $s {graduate in|read}?
    ? What did $s learn at university?
    ?* What is $p degree in?
    ?* Which academic field did $s choose?
    < Who studied $v?
    <* Who has a degree in $v?
    university = +University, +Alma mater
    ? Where did $s study?
    ? Which {university|school|college} did $s {attend|go to}?
    ? At {which|what} {university|institution} did $s study?
    ? What is $p alma mater?
    ? Where did $s get a degree?
    ? From which university did $s graduate?
    ?* Which place of higher learning did $s go to?
    ?* Where was $s a student?
    < Who {attended|studied at|went to} $v?
    <* Who was a student at $v?
    home = Lives in, +Residence
    ? Where does $s live{| now|nowadays}?
    ? In {which|what} {town|city} does $s live?
    ? What is $p {place of residence|home town today|current home}?
    ? Where is $p home?
    ? Where has $s settled?
    ? In which place does $s reside?
    ?* Where would one find $p flat?
    ?* Which town is $s living in?
    < Who lives in $v?
    < Who has settled in $v?
    <* Who resides in $v?
    spouse = Married to, +Spouse
    ? {Who|Whom} {is $s married to|did $s marry}?
    ? Who is $p {spouse|husband or wife|partner}?
    ? To whom is $s married?
    ? What is the name of $p {spouse|husband or wife}?
    ? With whom did $s tie the knot?
    ? $s is married to whom?
    ?* Who did $s exchange rings with?
    ?* Whom did $s wed?
    < Who {married|is married to} $v?
    <* Whose spouse is $v?
    employer = +Employer, Works for
    ? {Who|Which company} does $s work for?
    ? Who is $p employer?
    ? Where does $s {work|have a job}?
    ? By which company is $s employed?
    ? Which {firm|company} {employs|hired} $s?
    ? What company did $s join?
    ?* At which firm is $s on the payroll?
    ?* What is the name of the company where $s works?
    < Who {works for|is employed by|works at} $v?
    <* Who is on the payroll of $v?
    hobby = +Hobby, Hobbies
    ? What is $p {hobby|favourite pastime|pastime}?
    ? What does $s {like|enjoy} doing{| in the evenings| in the free hours}?
    ? Which hobby does $s have?
    ? How does $s spend spare time?
    ? What is $s passionate about?
    ? What does $s do for fun?
    ?* What does $s do when not at work?
    ?* Which activity fills $p leisure?
    < Whose hobby is $v?
    <* Who spends the evenings with $v?
    instrument = +Instrument
    ? {What|Which} instrument does $s play?
    ? What does $s play?
    ? What musical instrument is $s good at?
    ? Which instrument did $s learn?
    ? What can $s play?
    ? On which instrument does $s make music?
    ?* What is $p musical instrument?
    ?* Which instrument is in $p hands when there is music?
    < Who {plays|can play} the $v?
    <* Which person knows how to play the $v?
    height = +Height
    ? How tall is $s?
    ? What is $p {height|body height}?
    ? How {high|tall} does $s stand?
    ? What height does $s have?
    ? How many {centimetres|cm} tall is $s?
    ? What does $s measure from head to toe?
    ?* To what height did $s grow?
    ?* What is the body height of $o?
    children = Children
    ? How many children {does $s have|are in $p family}?
    ? What is the number of $p children?
    ? How many kids does $s have?
    ? How large is $p family in children?
    ? $s has how many children?
    ? How many sons and daughters does $s have?
    ?* How many children call $s a parent?
    ?* To how many children is $s a parent?
    quit = Reason for leaving
    ? Why did $s {resign|quit|stop working|leave the office}?
    ? Why did $s give up the {old |}job?
    ? What was the reason for $p resignation?
    ? For what reason did $s {leave|quit}?
    ? How come $s stopped working?
    ? What made $s {quit|resign}?
    ?* What led $s to leave the job?
    ?* Why is $s no longer at work?
    prize = +Award, +Prize
    ? {What|Which} {prize|award} did $s {win|receive}?
    ? What was $s {awarded|honoured with}?
    ? What did $s win?
    ? Which award {went to|was given to} $s?
    ? What honour did $s receive?
    ? With what was $p work honoured?
    ?* Which trophy does $s own?
    ?* What is the award that $s got?
    < Who {won|received|was awarded} $v?
    <* To whom did $v go?
    """,
    zh="""
    they: 她/他, 她/他
    - $s{于|}<born>{出生于|出生在|生于}<birthplace>。
    - <born>，$s在<birthplace>出生。
    - $s{是|是一名|是一位}<trade>，现{居|住在}<home>。
    - $s{定居|居住|生活}在<home>，{职业是|从事的工作是}<trade>。
    - $s生于<born>，{后来成为|长大后当了}<trade>。
    - $s{毕业于|曾就读于}<university>，{专业是|主修}<studied>。
    - {年轻时|后来|中学毕业后}，$s{考入|进入}<university>{学习|攻读}<studied>。
    - 出生于<birthplace>的$s{大学时学的是|学过}<studied>。
    - $s与<spouse>{结了婚|结为夫妻|是夫妻}，{有|育有}<children>个孩子。
    - $s的{配偶|爱人}是<spouse>。
    - $s在<employer>{工作|任职|上班}。
    - 多年来，$s{受雇于|就职于}<employer>，{闲暇时喜欢|业余爱好是}<hobby>。
    - $s{最大的爱好是|平时喜欢|热爱}<hobby>。
    - $s会{弹奏|演奏}<instrument>，身高<height>。
    - $s身高<height>，是家里最高的人。
    - $s家里有<children>个孩子。
    - 因为<quit>，$s{辞职了|离职了|放弃了原来的工作}。
    - $s之所以{辞职|离开岗位}，是因为<quit>。
    - $s{获得了|荣获|拿下了}<prize>的{大奖|金奖}。
    - 凭借多年的努力，$s在<prize>上{获奖|得奖}。
    - $s和家人一起{抚养|照顾}<children>个孩子。
    - $s{不再上班|不干了}，{因为|是因为}<quit>。
    -* $s{的生日是|出生的日子是}<born>，{出生地是|老家在}<birthplace>。
    -* $s{以当|靠当}<trade>为生，家安在<home>。
    -* 在<university>，$s读的是<studied>。
    -* 和$s{步入婚姻的人|一起生活的伴侣}是<spouse>，两人养育着<children>个孩子。
    -* 给$s发薪水的是<employer>。
    -* 一有空，$s就沉浸在<hobby>里，偶尔也玩玩<instrument>。
    -* 量一量就知道，$s有<height>高。
    -* $s递交了辞呈，原因是<quit>。
    -* <prize>的奖杯至今摆在$s的书架上。
    ~ $s{为人低调|待人热情|很少接受采访}。
    born = +出生日期, 生日, 出生
    ? $s{是什么时候出生的|什么时候出生|何时出生}？
    ? $s{出生于|生于}{哪一年|什么时候|何时}？
    ? $s的{出生日期|生日}是{什么|哪天|什么时候}？
    ? $s是{哪年|哪一年}出生的？
    ? 请问$s的出生时间是什么？
    ? $s生于何年何月？
    ?* $s{诞生|来到这个世界}是在什么时候？
    ?* $s哪年生的？
    < 谁{出生于|生于}$v？
    < 谁的{出生日期|生日}是$v？
    <* $v出生的人是谁？
    birthplace = +出生地, +籍贯
    ? $s{出生在|生于}{哪里|什么地方|哪座城市}？
    ? $s的{出生地|籍贯}是{哪里|什么地方}？
    ? $s是{在哪里|在什么地方}出生的？
    ? $s是哪里人？
    ? $s出生于何地？
    ? {哪里|哪个地方|哪座城市}是$s的出生地？
    ?* $s的老家在哪儿？
    ?* $s来自什么地方？
    < 谁{出生在|生于}$v？
    < 谁的出生地是$v？
    <* $v是谁的出生地？
    trade = +职业
    ? $s的{职业|工作}是什么？
    ? $s是做什么{工作|}的？
    ? $s{从事|做}什么{工作|职业}？
    ? $s是干什么的？
    ? $s的身份是什么职业？
    ? $s以什么为职业？
    ?* $s靠什么谋生？
    ?* $s在社会上担任什么工作？
    < 谁{是|是一名|的职业是}$v？
    <* 哪个人以$v为职业？
    studied = +专业, +所学专业
    ? $s{学的是|学了|学的}什么{专业|}？
    ? $s的{专业|大学专业|所学专业}是什么？
    ? $s{主修|攻读}{的是|}什么？
    ? $s在大学里学什么？
    ? $s大学时学习了哪门学科？
    ? $s是哪个专业毕业的？
    ?* $s读书时选择了哪个学科？
    ?* $s拿的是什么专业的学位？
    < 谁{学的是|主修|学过}$v？
    <* $v专业毕业的是谁？
    university = +毕业院校, +母校
    ? $s{毕业于|就读于}哪所{大学|学校}？
    ? $s的{母校|毕业院校}是{哪所|哪里|什么学校}？
    ? $s{在哪里|在哪所学校}{上大学|读书|求学}？
    ? $s上的是什么大学？
    ? $s考入了哪所大学？
    ? $s是哪所学校毕业的？
    ?* 哪所高校是$s的母校？
    ?* $s在什么学校念过书？
    < 谁{毕业于|就读于|考入了}$v？
    <* 谁的母校是$v？
    home = +现居地, +住址
    ? $s{住在|居住在|生活在}{哪里|哪座城市|什么地方}？
    ? $s{现在|如今}住在哪？
    ? $s定居在{哪里|什么地方}？
    ? $s的{家|住处}在{哪里|哪座城市}？
    ? $s现居何处？
    ? $s的现居地是哪里？
    ?* $s的家安在什么城市？
    ?* 要去哪里才能找到$s的家？
    < 谁{住在|定居在|生活在}$v？
    <* 家在$v的人是谁？
    spouse = +配偶
    ? $s{和谁结婚|和谁结了婚|跟谁结婚了|与谁结为夫妻}？
    ? $s的{配偶|爱人|另一半}是谁？
    ? 谁是$s的{配偶|爱人}？
    ? $s的{丈夫或妻子|伴侣}叫什么名字？
    ? 与$s结婚的人是谁？
    ? $s的婚姻对象是谁？
    ?* $s同谁成了家？
    ?* $s嫁给或娶了谁？
    < 谁{和$v结了婚|的配偶是$v|的爱人是$v}？
    <* $v的另一半是谁？
    employer = +工作单位, +雇主
    ? $s在哪{家公司|里}{工作|上班|任职}？
    ? $s{就职于|受雇于}{哪家公司|什么公司}？
    ? $s的{雇主|工作单位|公司}是{哪家|哪家公司|什么}？
    ? $s为哪家公司工作？
    ? 哪家公司雇用了$s？
    ? $s任职的公司叫什么？
    ?* $s是哪家企业的员工？
    ?* 给$s发工资的是哪家公司？
    < 谁在$v{工作|上班|任职}？
    <* $v的员工是谁？
    hobby = +爱好, +兴趣
    ? $s的{爱好|兴趣|业余爱好}是什么？
    ? $s{喜欢|爱好}{做什么|什么}？
    ? $s{闲暇时|平时|空闲时}喜欢干什么？
    ? $s有什么{爱好|兴趣}？
    ? $s热爱什么活动？
    ? $s业余时间做什么？
    ?* $s用什么打发时间？
    ?* 工作之外，$s把时间花在什么上？
    < 谁{喜欢|爱好|的爱好是}$v？
    <* 热衷于$v的人是谁？
    instrument = +乐器, +擅长乐器
    ? $s会{什么|哪种}乐器？
    ? $s{演奏|弹奏|学习}{什么|哪种乐器}？
    ? $s从小学什么乐器？
    ? $s擅长的乐器是什么？
    ? $s会弹什么？
    ? $s学的是哪种乐器？
    ?* $s玩的是什么乐器？
    ?* 哪种乐器是$s拿手的？
    < 谁会{演奏|弹}$v？
    <* $v是谁的乐器？
    height = +身高
    ? $s{有多高|多高|身高多少}？
    ? $s的身高是{多少|多少厘米}？
    ? $s个子有多高？
    ? $s身高是多少？
    ? $s有多少厘米高？
    ? 请问$s的身高？
    ?* $s长到了多高？
    ?* $s的个头是多少？
    children = 子女数, 孩子
    ? $s有{几个|多少个}孩子？
    ? $s{育有|养育了}几个{孩子|子女}？
    ? $s的孩子有几个？
    ? $s家里有多少孩子？
    ? $s的子女数是多少？
    ? $s一共有几个孩子？
    ?* $s是几个孩子的家长？
    ?* 管$s叫爸爸或妈妈的有几个？
    quit = 辞职原因
    ? $s为什么{辞职|离职|放弃原来的工作}？
    ? $s{辞职|离职}的原因是什么？
    ? $s为何{辞职|离职}？
    ? 是什么让$s{辞职|离开岗位}？
    ? $s因为什么{辞职|离职}？
    ? 为什么$s不干了？
    ?* $s离开工作岗位是出于什么缘故？
    ?* $s怎么就不上班了？
    prize = 获奖, +奖项
    ? $s{获得了|得过|荣获}什么{奖|奖项}？
    ? $s在{什么比赛|哪里|哪项活动}上获奖？
    ? $s拿下了什么奖？
    ? $s获得的是哪个奖？
    ? $s得的奖叫什么？
    ? 哪个奖项颁给了$s？
    ?* $s的奖杯来自哪里？
    ?* 是哪项荣誉给了$s？
    < 谁{获得了|荣获|拿下了}$v的{大奖|奖}？
    <* $v的获奖者是谁？
    """,
)
KINDS = (PERSON,)
