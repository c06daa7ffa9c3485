"""Bands: members, albums, style, and why they parted."""

from deepseek_lab.applications.passages.base import kind

BAND = kind(
    "band",
    "music",
    "band",
    {
        "singer": "person",
        "drummer": "person",
        "founded": "year 1955 2023",
        "album": "title",
        "city": "city",
        "sold": "large 0.2 60 records / 张唱片",
        "style": "pick style",
        "split": "pair gave_up job",
    },
    en="""
    they: the band, the group
    - $s {is|was} a <style> band from <city>{|, founded in <founded>}.
    - $s {formed|came together|got together} in <founded>{| in <city>}.
    - The {singer|voice|lead singer} of $s {is|was} <singer>{|, and <drummer> plays the drums}.
    - <singer> {sings for|is the voice of} $s.
    - <drummer> {plays the drums for|is the drummer of} $s.
    - With <singer> singing and <drummer> on the drums, $s {recorded|released} <album>.
    - The {best-known|most successful|first} album of $s is <album>.
    - <album>, an album by $s, was played on every radio.
    - $s sold <sold>{| of <album>}.
    - {So far|Altogether}, $s {has|had} sold <sold>.
    - $s plays <style>{|, and the singer is <singer>}.
    - $s {split up|broke up} because <split>.
    - Because <split>, $s gave the last concert.
    - {Critics call|People call} the music of $s <style>.
    - $s {comes|came} from <city>.
    - {Fans bought|People bought} <sold> of $s.
    - $s {stopped playing|parted} {because|since} <split>.
    -* Behind the microphone of $s stands <singer>, behind the drums <drummer>.
    -* The first rehearsal of $s was in <founded>, in a garage in <city>.
    -* Fans of $s know every word of <album>.
    -* Shops passed on <sold> by $s.
    -* Those who like <style> will like $s.
    -* As <split>, $s {exists|plays} no more.
    ~ $p concerts are {loud|always sold out}.
    ~ A film about $s is planned.
    singer = +Singer, +Lead singer
    ? Who {sings for|is the singer of|is the voice of|sings in} $s?
    ? Who is the {lead singer|voice|singer} of $s?
    ? Whose voice does one hear in $s?
    ? What is the name of the singer of $s?
    ? Who is the vocalist of $s?
    ?* Who stands behind the microphone of $s?
    < For which band does $v sing?
    < In which {band|group} is $v the singer?
    <* Which group has $v behind the microphone?
    drummer = +Drummer
    ? Who {plays the drums for|is the drummer of|plays the drums in} $s?
    ? Who is the drummer of $s?
    ? What is the name of the drummer of $s?
    ? By whom are the drums of $s played?
    ? Who is on the drums in $s?
    ?* Who sits behind the drums of $s?
    < In which {band|group} is $v the drummer?
    <* Which group has $v behind the drums?
    founded = Founded, +Year of foundation
    ? When {did $s form|was $s founded|did $s come together}?
    ? In {what|which} year {did $s form|was $s founded|did $s get together}?
    ? What is the founding year of $s?
    ? Since when has there been a band called $s?
    ? What year did $s start?
    ?* When was the first rehearsal of $s?
    < Which {band|group} {formed|was founded} in $v?
    <* Which band rehearsed first in $v?
    album = +Album
    ? What is the {best-known |first |most successful |}album of $s{| called}?
    ? {Which|What} album {did $s record|did $s release|is by $s}?
    ? What is the {name|title} of the album by $s?
    ? What did $s {record|release}?
    ? Which record made $s known?
    ?* Of what do the fans of $s know every word?
    < {Which band|Who} {recorded|released} $v?
    <* Whose fans know $v by heart?
    city = From
    ? Where {does $s come from|is $s from}?
    ? {Which|What} {city|town} {is $s from|does $s come from}?
    ? From {which|what} {town|city} is $s?
    ? Where did $s {form|get together}?
    ? In which town was $s founded?
    ?* In what place was the garage of $s?
    < Which {band|group} {is|comes} from $v?
    <* Which band began in a garage in $v?
    sold = Records sold
    ? How many records {did $s sell|has $s sold|were sold by $s}?
    ? How many records by $s have been sold?
    ? What number of records did $s sell?
    ? How much did $s sell?
    ? How many records does $s stand for?
    ?* How many by $s did shops pass on?
    style = +Style, +Genre
    ? What {style|kind|sort} of music does $s play?
    ? What does $s play?
    ? What is the {style|genre} of $s?
    ? How do critics call the music of $s?
    ? Which genre does $s belong to?
    ?* What must one like in order to like $s?
    < Which {band|group} plays $v?
    <* Whom does one listen to for $v?
    split = Reason for the split
    ? Why did $s {split up|break up}?
    ? What was the reason for the end of $s?
    ? Why did $s give the last concert?
    ? For what reason did $s {split|break} up?
    ? How come $s broke up?
    ?* Why does $s {exist|play} no more?
    """,
    zh="""
    they: 他们, 该乐队, 这支乐队
    - $s是来自<city>的<style>乐队{|，成立于<founded>}。
    - $s{于|}<founded>{在<city>成立|成立|组建}。
    - $s的{主唱|歌手}是<singer>{|，鼓手是<drummer>}。
    - <singer>是$s的{主唱|歌手}。
    - <drummer>{担任|是}$s的鼓手。
    - $s由<singer>主唱、<drummer>打鼓，{录制|发行}了<album>。
    - $s{最有名的|第一张}专辑是<album>。
    - <album>是$s的专辑，{各家电台都播过|很多人听过}。
    - $s{一共|总共}{卖出|售出}<sold>。
    - $s的唱片销量达<sold>{|，代表专辑是<album>}。
    - $s演奏<style>{|，主唱为<singer>}。
    - 由于<split>，$s{解散了|散伙了}。
    - $s之所以解散，是因为<split>。
    - 评论界把$s的音乐归为<style>。
    - $s{来自|的成员都来自}<city>。
    -* 站在$s麦克风后面的是<singer>，坐在鼓后面的是<drummer>。
    -* <founded>，$s在<city>的一间车库里第一次排练。
    -* $s的歌迷背得出<album>的每一句。
    -* 唱片店卖掉了$s<sold>。
    -* 喜欢<style>的人会喜欢$s。
    -* <split>，从此没有了$s。
    ~ $s的演唱会{很吵|场场爆满}。
    ~ 有人想拍一部关于$s的电影。
    singer = +主唱, +歌手
    ? $s的{主唱|歌手}是谁？
    ? 谁是$s的{主唱|歌手}？
    ? 谁在$s{里|}{唱歌|主唱}？
    ? $s由谁主唱？
    ? $s的主唱叫什么？
    ?* 谁站在$s的麦克风后面？
    < $v是哪{支|个}乐队的{主唱|歌手}？
    <* 哪支乐队的麦克风后面是$v？
    drummer = +鼓手
    ? $s的鼓手是谁？
    ? 谁{担任|是}$s的鼓手？
    ? 谁在$s{里|}打鼓？
    ? $s由谁打鼓？
    ? $s的鼓手叫什么名字？
    ?* 谁坐在$s的鼓后面？
    < $v是哪{支|个}乐队的鼓手？
    <* 哪支乐队的鼓后面坐着$v？
    founded = +成立时间
    ? $s{什么时候|哪一年|何时}{成立|组建}{的|}？
    ? $s是{哪年|哪一年|什么时候}{成立|组建}的？
    ? $s的成立时间是{哪年|什么时候}？
    ? {哪一年|哪年}成立了$s？
    ? $s成立于何年？
    ?* $s哪年第一次排练？
    < 哪支乐队{成立于|组建于}$v？
    <* $v第一次排练的是哪支乐队？
    album = +专辑, +代表专辑
    ? $s{最有名的|第一张|的}专辑{是什么|叫什么}？
    ? $s{录制|发行}了什么专辑？
    ? $s有{什么|哪张}专辑？
    ? {哪张|什么}专辑是$s的？
    ? $s的代表专辑是哪张？
    ?* $s的歌迷背得出哪张唱片？
    < $v是{谁|哪支乐队}的专辑？
    <* 哪支乐队的歌迷背得出$v？
    city = 来自
    ? $s{来自|是}{哪里|哪座城市}{的|}？
    ? $s在{哪里|哪座城市|什么地方}成立{的|}？
    ? {哪里|哪座城市}是$s的家乡？
    ? $s是哪个城市的乐队？
    ? $s来自什么地方？
    ?* $s最早的车库在哪里？
    < 哪支乐队来自$v？
    <* 哪支乐队始于$v的车库？
    sold = +唱片销量
    ? $s{卖了多少唱片|售出多少唱片|卖出多少张唱片}？
    ? $s的{唱片|}销量是多少？
    ? $s{一共|总共}卖出多少？
    ? $s的唱片卖了多少张？
    ? $s唱片销量达到多少？
    ?* 唱片店卖掉了多少$s？
    style = +风格, +音乐风格
    ? $s{演奏|玩|唱}什么{风格的|}音乐？
    ? $s{是什么风格|是什么乐队|的风格是什么}？
    ? $s的音乐{属于什么|是什么|归为什么}？
    ? $s演奏什么？
    ? $s属于哪种音乐风格？
    ?* 喜欢什么的人会喜欢$s？
    < 哪支乐队演奏$v？
    <* 听$v要听谁的？
    split = +解散原因
    ? $s为什么{解散|散伙}？
    ? $s解散的原因是什么？
    ? $s为何{解散|散伙}？
    ? 是什么让$s解散？
    ? $s因为什么散伙？
    ?* 为什么从此没有了$s？
    """,
)
KINDS = (BAND,)
