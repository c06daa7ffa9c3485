"""Books: who wrote them and when, what they are about, why they are called so."""

from deepseek_lab.applications.passages.base import kind

BOOK = kind(
    "book",
    "books",
    "title",
    {
        "author": "person",
        "year": "year 1860 2024",
        "publisher": "company",
        "pages": "number 64 1200 pages / 页",
        "hero": "person",
        "setting": "city",
        "sold": "number 900 9000000 copies / 册",
        "idea": "pair dream_who dream_what",
    },
    en="""
    they: it, the book, the novel
    - $s is a novel by <author>{|, first published in <year>}.
    - $s was {written|penned} by <author>{| in a single winter}.
    - <author> {wrote|finished} $o and {dedicated it to a friend|never wrote again}.
    - In <year>, <publisher> {published|brought out} $o.
    - $s {appeared|was published|came out} in <year>{| and has <pages>}.
    - The publisher of $s is <publisher>{|, and it sold <sold> in ten years}.
    - $s {has|runs to|fills} <pages>.
    - The {hero|main character|protagonist} of $s is <hero>{|, a stubborn child}.
    - $s {tells the story of|follows|is about} <hero>, {who lives in|and is set in} <setting>.
    - The {story|plot} of $s {takes place|is set} in <setting>.
    - {So far|To date|Since then}, <sold> of $s have been sold.
    - $s {sold|has sold} <sold>.
    - The book $s is {called so|named like this} because <idea>.
    - $s {got its title|was given its name} because <idea>.
    - In print, $s {comes to|takes up} <pages>.
    - $s {bears|carries} its title {because|since} <idea>.
    -* The name on the cover of $s is <author>.
    -* <year> was the year in which readers first held $s in their hands.
    -* At <publisher>, $s was accepted for print.
    -* Whoever opens $s has <pages> to read.
    -* In $s, everything turns around <hero> and the streets of <setting>.
    -* Shops have passed <sold> of $s over the counter.
    -* The title of $s was chosen as <idea>.
    ~ $s {was praised by critics|has been translated many times|was out of print for a while}.
    ~ A second edition of $s is planned.
    author = +Author, Written by
    ? Who {wrote|is the author of|penned} $s?
    ? Who is {the author|the writer} of $s?
    ? By whom was $s written?
    ? Who was $s written by?
    ? What is the name of the person who wrote $s?
    ? Whose {book|novel} is $s?
    ?* Whose name is on the cover of $s?
    < {What|Which book|Which novel} did $v write?
    < Which {book|novel} is by $v?
    <* What is the title of the work by $v?
    year = Published, +Year
    ? When {was $s published|did $s come out|did $s appear}?
    ? In {what|which} year {was $s published|did $s appear}?
    ? What is $p year of publication?
    ? When was $s first published?
    ? Which year saw the publication of $s?
    ?* Since when could one read $s?
    < Which {book|novel} {appeared|was published|came out} in $v?
    <* What is the novel of the year $v?
    publisher = +Publisher
    ? Who {published|brought out} $s?
    ? Who is the publisher of $s?
    ? Which {company|publisher} {published|brought out} $s?
    ? By {whom|which company} was $s published?
    ? What is the name of $p publisher?
    ?* Which house accepted $s for print?
    < Which {book|novel} was published by $v?
    <* Which title belongs to the list of $v?
    pages = Pages
    ? How many pages does $s have?
    ? How {long|thick} is $s?
    ? What is the number of pages of $s?
    ? How many pages {are there in|long is} $s?
    ? $s has how many pages?
    ?* How many pages has one to read in $s?
    hero = +Main character
    ? Who is the {hero|main character|protagonist} of $s?
    ? {Who|Whom} is $s about?
    ? {Whom|Who} does $s follow?
    ? What is the name of $p {hero|main character}?
    ? Whose story does $s tell?
    ?* Around whom does everything turn in $s?
    < In which book is $v the main character?
    <* Which novel has $v for its hero?
    setting = +Setting
    ? Where {is $s set|does $s take place|does the story of $s take place}?
    ? In {which|what} {town|city|place} is $s set?
    ? What is the setting of $s?
    ? Where does the plot of $s happen?
    ? Which town is the scene of $s?
    ?* The streets of what town does one walk in $s?
    < Which {book|novel} is set in $v?
    <* Which story takes place in $v?
    sold = Copies sold
    ? How many copies {of $s were sold|has $s sold|of $s have been sold}?
    ? How often was $s sold?
    ? How well did $s sell?
    ? What number of copies did $s sell?
    ? How many times has $s been sold?
    ?* How many of $s went over the counter?
    idea = Reason for the title
    ? Why is $s called {so|that|like this}?
    ? Why {does $s have this title|did $s get its title}?
    ? What is the reason for the title of $s?
    ? Why was $s given its name?
    ? For what reason does the book bear the title $s?
    ?* Where does the title of $s come from?
    """,
    zh="""
    they: 它, 这本书, 该书, 这部小说
    - $s是<author>{写的|创作的}{一部|}小说{|，<year>出版}。
    - $s的作者是<author>。
    - <author>{写下|创作}了$s，{之后再没有写书|并把它献给一位朋友}。
    - <year>，<publisher>{出版|推出}了$s。
    - $s{出版于|问世于|于}<year>{，|出版，}共<pages>。
    - $s由<publisher>{出版|发行}{|，销量达<sold>}。
    - $s{有|共有|厚达}<pages>。
    - $s的{主人公|主角}是<hero>{|，一个倔强的孩子}。
    - $s{讲述了|写的是}<hero>的故事，{故事发生在|背景是}<setting>。
    - $s的故事发生在<setting>。
    - {迄今|至今}，$s{卖出了|售出}<sold>。
    - $s{一共|}{售出|卖了}<sold>。
    - $s之所以{叫这个名字|取这个书名}，是因为<idea>。
    - 因为<idea>，这本书{取名|定名}为$s。
    -* 翻开$s的封面，署名是<author>。
    -* 读者最早拿到$s是在<year>。
    -* 接受$s书稿的是<publisher>。
    -* 要读完$s，得翻<pages>。
    -* 在$s中，一切都围绕着<hero>和<setting>的街道。
    -* 书店里已经卖掉$s<sold>。
    -* $s这个书名的由来：<idea>。
    ~ $s{受到评论界好评|被译成多种语言|曾一度绝版}。
    ~ $s即将再版。
    author = +作者
    ? $s的{作者|作家}是谁？
    ? $s是{谁|由谁}{写|创作}的？
    ? 谁{写了|创作了|是}$s{|的作者}？
    ? $s是哪位作家的作品？
    ? 写$s的人叫什么？
    ?* $s封面上署的是谁的名字？
    < $v{写了|创作了}{哪本书|什么书|哪部小说}？
    < 哪{本书|部小说}的作者是$v？
    <* $v的作品叫什么？
    year = +出版时间, +出版年份
    ? $s{出版于|问世于}{哪一年|什么时候|何时}？
    ? $s是{什么时候|哪一年|哪年}{出版|问世}的？
    ? $s的出版{时间|年份}是{哪年|什么时候}？
    ? $s何时出版？
    ? {哪一年|哪年}出版了$s？
    ?* 读者从哪年起能读到$s？
    < 哪{本书|部小说}{出版于|问世于}$v？
    <* $v有了哪部小说？
    publisher = +出版社, +出版方
    ? $s{由哪家公司|由谁|是哪家公司}{出版|发行}？
    ? 谁{出版|发行}了$s？
    ? $s的{出版社|出版方|出版公司}是{哪家|谁}？
    ? 哪家公司出版了$s？
    ? $s是在哪家出版的？
    ?* 哪家接受了$s的书稿？
    < $v{出版|发行}了{哪本书|什么书}？
    <* 哪部小说是$v推出的？
    pages = +页数
    ? $s{有多少页|共多少页|有几页}？
    ? $s的页数是多少？
    ? $s{有多厚|多厚}？
    ? $s一共多少页？
    ? $s这本书有多长？
    ?* 读完$s要翻多少页？
    hero = +主人公, +主角
    ? $s的{主人公|主角}是{谁|什么人}？
    ? $s{讲的是|写的是|讲述了}谁的故事？
    ? 谁是$s的{主人公|主角}？
    ? $s的主角叫什么名字？
    ? $s讲述了哪个人物？
    ?* $s中一切围绕着谁？
    < {哪本书|哪部小说}的{主人公|主角}是$v？
    <* $v是哪部作品里的人物？
    setting = +故事地点
    ? $s的故事发生在{哪里|哪座城市|什么地方}？
    ? $s的{背景|故事地点}是{哪里|什么地方}？
    ? $s写的是哪里的故事？
    ? $s以哪里为背景？
    ? {哪座城市|哪里}是$s故事发生的地方？
    ?* $s里写的是哪儿的街道？
    < {哪本书|哪部小说}的故事发生在$v？
    <* 以$v为背景的是哪部作品？
    sold = +销量
    ? $s{卖出了多少册|售出多少册|卖了多少}？
    ? $s的销量{是多少|有多少|达到多少}？
    ? $s{一共|}售出了多少？
    ? $s卖了多少本？
    ? $s销量如何，有多少册？
    ?* 书店卖掉了多少$s？
    idea = +书名由来
    ? $s为什么{叫这个名字|取这个书名|叫这个书名}？
    ? $s书名的{由来|原因}是什么？
    ? $s为何叫这个名字？
    ? 为什么这本书{取名|叫|定名}为$s？
    ? $s因为什么得名？
    ?* $s这个题目是怎么来的？
    """,
)
KINDS = (BOOK,)
