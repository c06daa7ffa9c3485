"""Schools and sports clubs: when and by whom they were founded, how many belong to them, where they play, who leads."""

from deepseek_lab.applications.passages.base import kind

SCHOOL = kind(
    "school",
    "schools",
    "school",
    {
        "founded": "year 1400 2015",
        "founder": "person",
        "city": "city",
        "students": "number 200 60000 students / 名学生",
        "head": "person",
        "strong": "pick field",
        "fee": "money 300 40000",
        "books": "large 0.2 14 books,volumes / 册图书,册",
        "alumnus": "person",
    },
    en="""
    they: it, the school, the institution
    - $s was {founded|established|set up} in <founded>{| by <founder>}.
    - <founder> {founded|established|started} $o{| in <founded>}.
    - {The roots of $s go back to|The first classes at $s were held in} <founded>.
    - $s is {located|situated|found} in <city>{| and has <students>}.
    - In <city>, on a hill, {stands|lies} $s.
    - {Today|At present}, <students> {study at|are enrolled at|attend} $s.
    - $s, with <students>, is {headed|led} by <head>.
    - The {head|president|rector} of $s is <head>.
    - <head> has been {rector|president} of $s {for five years|since last autumn}.
    - $s is {known|respected|famous} for <strong>.
    - The strongest department of $s is that of <strong>{|, which <alumnus> attended}.
    - Students pay <fee> a year at $s.
    - The {yearly fee|tuition fee} of $s is <fee>, and its library holds <books>.
    - The library of $s {has|holds|contains} <books>.
    - {The best-known graduate|The most famous former student} of $s is <alumnus>.
    - <alumnus> {graduated from|is a former student of} $s.
    - $s has a {strong|famous} department of <strong>.
    - {Studying|A year} at $s costs <fee>.
    - $s {owns|has collected} <books>.
    -* $s owes its beginnings in <founded> to <founder>.
    -* To visit $s one has to travel to <city>.
    -* The registers of $s list <students>.
    -* All important papers of $s are signed by <head>.
    -* Those who love <strong> choose $s.
    -* A year at $s costs a family <fee>.
    -* On the shelves of $s stand <books>.
    -* On the wall of $s hangs a portrait of <alumnus>, who once sat in its classrooms.
    ~ $s {has a large garden|takes part in exchange programmes|was renovated recently}.
    founded = Founded
    ? When was $s {founded|established|set up|started}?
    ? In {what|which} year was $s {founded|established}?
    ? How old is $s, that is, from which year?
    ? What year was $s set up?
    ? To what year do the roots of $s go back?
    ?* In what year are the beginnings of $s?
    < Which school was {founded|established} in $v?
    <* What place of learning has been there since $v?
    founder = +Founder
    ? Who {founded|established|started|set up} $s?
    ? Who {is|was} the founder of $s?
    ? By whom was $s {founded|established}?
    ? What is the name of the founder of $s?
    ? Which person founded $s?
    ?* To whom does $s owe its beginnings?
    < Which {school|university} did $v {found|establish}?
    <* What place of learning goes back to $v?
    city = +City, +Location
    ? Where is $s{| located}?
    ? In {which|what} {town|city} is $s?
    ? {Which|What} city is $s in?
    ? What is the location of $s?
    ? Where does one find $s?
    ?* Where must one travel to see $s?
    < Which {school|university} is in $v?
    <* What place of learning does $v have?
    students = Students
    ? How many students {are there at|study at|attend} $s?
    ? How many students does $s have?
    ? What is the number of students {at|of} $s?
    ? How many {people|students} are enrolled at $s?
    ? How large is $s in students?
    ?* How many are listed in the registers of $s?
    head = +Head, +Rector
    ? Who {heads|leads|is the head of|runs} $s?
    ? Who is the {rector|president|head} of $s?
    ? By whom is $s {led|headed}?
    ? What is the name of the {rector|president} of $s?
    ? Who is in charge of $s?
    ?* Who signs the papers of $s?
    < Which {school|university} is {headed|led} by $v?
    <* What place does $v direct?
    strong = Known for
    ? For {what|which subject} is $s {known|famous|respected}?
    ? What is $s {known|famous} for?
    ? Which department of $s is the strongest?
    ? In which {subject|field} is $s strong?
    ? {What|Which} is the best subject at $s?
    ?* What do those love who choose $s?
    < Which {school|university} is {known|famous} for $v?
    <* Where does one go for $v?
    fee = Fees
    ? How {much do students pay at $s|high are the fees of $s}?
    ? What {is the fee of $s|are the fees at $s|does $s cost a year}?
    ? How much is a year at $s?
    ? What must one pay a year at $s?
    ? How much is the tuition fee of $s?
    ?* What does a year at $s cost a family?
    books = Library
    ? How many {books|volumes} does {the library of $s|$s} {have|hold|contain}?
    ? How many books are {there |}in the library of $s?
    ? How large is the library of $s?
    ? What is the number of books at $s?
    ? What does the library of $s hold?
    ?* How many volumes stand on the shelves of $s?
    alumnus = +Graduate
    ? Who is {the best-known graduate|the most famous former student} of $s?
    ? Who {graduated from|attended|studied at} $s?
    ? Which {famous |}person {graduated from|went to} $s?
    ? Who is a former student of $s?
    ? What is the name of the graduate of $s?
    ?* Whose portrait hangs at $s?
    < {Where did $v study|From which school did $v graduate}?
    <* In whose classrooms did $v sit?
    """,
    zh="""
    they: 它, 该校, 这所学校, 学校
    - $s{创办于|成立于|创建于|始建于}<founded>{|，创办人是<founder>}。
    - <founded>，<founder>{创办|创立}了$s。
    - $s由<founder>{创办|创立}。
    - $s{位于|坐落在}<city>{|，有<students>}。
    - $s的校园在<city>。
    - {目前|现在}，<students>就读于$s。
    - $s{现有|共有}<students>{|，校长是<head>}。
    - $s的{校长|负责人}是<head>。
    - <head>{担任|现任}$s的校长{|，学校图书馆藏书<books>}。
    - $s以<strong>{闻名|见长}{|，<alumnus>就毕业于此}。
    - $s{最强的学科|王牌专业}是<strong>。
    - $s{一年的学费|每年的学费}是<fee>。
    - $s每年收学费<fee>，图书馆有<books>。
    - $s图书馆{藏有|收藏}<books>。
    - $s{最有名的|最著名的}毕业生是<alumnus>。
    - <alumnus>是$s的{校友|毕业生}。
    -* $s的开端在<founded>，要归功于<founder>。
    -* 想看看$s，就得去<city>。
    -* $s的名册上登记着<students>。
    -* $s的重要文件都由<head>签字。
    -* 喜欢<strong>的人都选$s。
    -* 在$s读一年要花掉<fee>。
    -* $s的书架上摆着<books>。
    -* $s的墙上挂着<alumnus>的画像，这人当年在这里读过书。
    ~ $s{有一个大花园|与国外学校有交流|最近翻修过}。
    founded = +创办时间, +成立时间
    ? $s{创办于|成立于|始建于}{哪一年|何时|什么时候}？
    ? $s是{哪一年|什么时候|何时}{创办|成立|建立}的？
    ? $s的{创办时间|成立时间}是{哪年|什么时候}？
    ? {哪一年|哪年}创办了$s？
    ? $s有多少年历史，从哪年算起？
    ?* $s的开端在哪年？
    < 哪所{学校|大学}{创办于|成立于}$v？
    <* $v起就有的是哪所学校？
    founder = +创办人
    ? 谁{创办|创立|建立}了$s？
    ? $s的{创办人|创始人}是谁？
    ? $s{是谁|由谁|是由谁}{创办|创立}的？
    ? 创办$s的人叫什么？
    ? $s由哪个人创立？
    ?* $s的开端要归功于谁？
    < $v{创办|创立}了哪所{学校|大学}？
    <* 哪所学校的历史始于$v？
    city = +所在城市, +地点
    ? $s{在哪里|位于哪里|在哪座城市|坐落在哪}？
    ? $s的{校园|校址}在{哪里|哪座城市}？
    ? $s是哪个城市的{学校|}？
    ? {哪座城市|哪里}有$s？
    ? $s所在的城市是哪座？
    ?* 想看看$s得去哪里？
    < {哪所学校|哪所大学}{位于|在}$v？
    <* $v有哪所学校？
    students = +学生人数
    ? $s有{多少|几名}学生？
    ? $s的学生{人数|}是多少？
    ? {多少人|多少学生}{就读于|在读于}$s？
    ? $s在校生有多少？
    ? $s共有学生多少名？
    ?* $s名册上登记着多少人？
    head = +校长
    ? $s的{校长|负责人}是谁？
    ? 谁{担任|现任|是}$s的校长？
    ? $s由谁{领导|管理}？
    ? $s校长叫什么名字？
    ? 谁负责$s？
    ?* $s的文件由谁签字？
    < $v{是|担任|现任}哪所{学校|大学}的校长？
    <* $v管着哪所学校？
    strong = +优势学科
    ? $s{以什么|以什么学科}{闻名|见长}？
    ? $s{最强的学科|王牌专业}是什么？
    ? $s的什么{专业|学科}{最好|最强|有名}？
    ? $s的优势学科是哪个？
    ? $s擅长哪门学科？
    ?* 喜欢什么的人会选$s？
    < 哪所{学校|大学}以$v{闻名|见长}？
    <* 想学$v该去哪所学校？
    fee = +学费
    ? $s{学费多少|一年学费多少|每年收多少学费}？
    ? $s的学费是多少？
    ? 上$s{一年|每年}要{多少钱|交多少}？
    ? $s每年要交多少？
    ? $s的学费有多贵？
    ?* 在$s读一年要花掉多少？
    books = +藏书量
    ? $s{图书馆|}有{多少书|多少册图书|多少藏书}？
    ? $s的藏书{量|}是多少？
    ? $s图书馆{藏有|收藏}多少{书|册}？
    ? $s的图书馆有多大？
    ? $s藏书多少册？
    ?* $s书架上摆着多少？
    alumnus = +著名校友
    ? $s{最有名|最著名}的{毕业生|校友}是谁？
    ? 谁{毕业于|就读过|曾就读于}$s？
    ? $s的{校友|毕业生}有谁？
    ? 哪位名人是从$s毕业的？
    ? $s的著名校友叫什么？
    ?* $s的墙上挂着谁的画像？
    < $v{毕业于|就读于}哪所{学校|大学}？
    <* $v当年在哪里读过书？
    """,
)
KINDS = (SCHOOL,)
