"""Films: who made them and when, with whom, where and for how much."""

from deepseek_lab.applications.passages.base import kind

FILM = kind(
    "film",
    "films",
    "title",
    {
        "director": "person",
        "star": "person",
        "year": "year 1925 2025",
        "length": "number 62 240 minutes,min / 分钟",
        "budget": "large 1 300 dollars,euros / 元,美元",
        "music": "person",
        "award": "race",
        "shot": "pick country",
    },
    en="""
    they: it, the film, the movie
    - $s is a film {directed|made} by <director>{| in <year>}.
    - <director> {directed|shot} $o with <star> in the {leading role|main part}.
    - $s was directed by <director> and {runs|lasts} <length>.
    - <star> {plays the leading role|stars|has the main part} in $s.
    - The {leading role|main part} in $s {is played by|went to} <star>.
    - $s {premiered|came to the cinemas|was first shown} in <year>.
    - {Released in <year>|First shown in <year>}, $s {was shot|was filmed} in <shot>.
    - $s {runs|lasts} <length>{|, and its music is by <music>}.
    - $s has a running time of <length>.
    - The {music|score} for $s was {written|composed} by <music>.
    - <music> {composed|wrote} the {music|score} for $s.
    - $s {cost|had a budget of} <budget>.
    - With a budget of <budget>, $s was {filmed|shot} in <shot>.
    - $s {won|received} the main prize at <award>.
    - At <award>, $s {won a prize|was honoured}.
    - Most scenes of $s were {shot|filmed} in <shot>.
    -* Behind the camera of $s stood <director>, in front of it <star>.
    -* Audiences have known $s since <year>.
    -* One has to sit still for <length> to see $s.
    -* Producers spent <budget> on $s.
    -* The tunes of $s come from <music>.
    -* The jury of <award> liked $s best.
    -* For $s, the crew travelled to <shot>.
    ~ $s {was shown in few cinemas|has a surprising end|is loved by critics}.
    director = +Director, Directed by
    ? Who {directed|made|is the director of|shot} $s?
    ? Who is {the director of $s|$p director}?
    ? By whom was $s directed?
    ? Who was $s directed by?
    ? What is the name of $p director?
    ?* Who stood behind the camera of $s?
    < Which {film|movie} {was directed by $v|did $v direct}?
    <* What is $v a director of?
    star = Starring, +Leading role
    ? Who {stars|plays the leading role|has the main part} in $s?
    ? Who plays the main {character|part} in $s?
    ? To whom did the leading role in $s go?
    ? Who is the star of $s?
    ? Which actor has the main part in $s?
    ?* Who stood in front of the camera of $s?
    < In which {film|movie} does $v {star|play the leading role}?
    <* What film is $v seen in?
    year = Released, +Year
    ? When {was $s released|did $s premiere|was $s first shown|did $s come out}?
    ? In {what|which} year {did $s come to the cinemas|was $s released}?
    ? What year {is $s from|was $s first shown}?
    ? When could one first see $s?
    ? From which year is $s?
    ?* Since when do audiences know $s?
    < Which {film|movie} {premiered|was first shown|came out} in $v?
    <* What film is from $v?
    length = +Running time
    ? How long {is $s|does $s last|does $s run}?
    ? What is {$p running time|the running time of $s}?
    ? How many minutes {does $s last|long is $s}?
    ? What is the length of $s?
    ? How long is the film $s?
    ?* How long has one to sit still to see $s?
    budget = +Budget
    ? How much did $s cost?
    ? What {was|is} {$p budget|the budget of $s}?
    ? How {large|high} was $p budget?
    ? How much money was available for $s?
    ? What did $s cost?
    ?* How much did the producers spend on $s?
    music = Music
    ? Who {composed|wrote} the {music|score} {for|of} $s?
    ? Who is {the composer of $s|$p composer}?
    ? By whom is the music {of|for} $s?
    ? Who made the music for $s?
    ? Whose music is heard in $s?
    ?* From whom do the tunes of $s come?
    < For which {film|movie} did $v {compose|write} the {music|score}?
    <* In what film is the music of $v heard?
    award = +Prize
    ? {Where|At which event} {did $s win a prize|was $s honoured|did $s win}?
    ? What did $s win?
    ? At which festival did $s get a prize?
    ? Where did $s receive {a|its} prize?
    ? Where was $s given a prize?
    ?* Which jury liked $s best?
    < Which {film|movie} {won|was honoured} at $v?
    <* What film did the jury of $v like?
    shot = Filmed in
    ? Where was $s {shot|filmed}?
    ? In {which|what} country was $s {shot|filmed}?
    ? Where were the scenes of $s filmed?
    ? {Which|What} country was $s shot in?
    ? Where was the filming of $s done?
    ?* To which country did the crew of $s travel?
    < Which {film|movie} was {shot|filmed} in $v?
    <* For what film did the crew go to $v?
    """,
    zh="""
    they: 它, 该片, 这部电影, 影片
    - $s是由<director>{执导|导演}的电影{|，<year>上映}。
    - $s的导演是<director>，{主演|主角}是<star>。
    - <director>{执导了|拍摄了}$s，片长<length>。
    - <star>在$s中{担任主演|饰演主角}。
    - $s由<star>主演{|，配乐出自<music>}。
    - $s{于|在}<year>{上映|首映}。
    - <year>，$s{上映|首次公映}，{拍摄地在|取景于}<shot>。
    - $s{片长|全长}<length>。
    - $s的{音乐|配乐}由<music>{创作|谱写}。
    - <music>为$s{谱曲|配乐}。
    - $s的{制作成本|预算|投资}{为|达}<budget>。
    - $s耗资<budget>，主要在<shot>拍摄。
    - $s在<award>上{获奖|夺得大奖}。
    - 在<award>上，$s{得了奖|受到表彰}，片长<length>。
    - $s的大部分场景在<shot>{拍摄|取景}。
    - $s{获得了|拿到了}<award>的{大奖|最佳影片奖}。
    -* $s的镜头背后是<director>，镜头前面是<star>。
    -* 观众认识$s是从<year>开始的。
    -* 看完$s要坐上<length>。
    -* 制片方在$s上花了<budget>。
    -* $s里的旋律来自<music>。
    -* <award>的评委最喜欢$s。
    -* 为了$s，剧组去了<shot>。
    ~ $s{只在少数影院放映|结局出人意料|深受影评人喜爱}。
    director = +导演
    ? $s的导演是谁？
    ? 谁{执导|导演|拍摄}了$s？
    ? $s是{谁|由谁}{执导|导演|拍}的？
    ? $s由谁{执导|导演}？
    ? $s的导演叫什么？
    ?* $s的镜头背后站着谁？
    < $v{执导|导演|拍摄}了{哪部电影|什么电影}？
    <* 哪部影片出自$v？
    star = +主演
    ? $s的{主演|主角}是谁？
    ? 谁{主演|主演了|出演了}$s？
    ? $s由谁主演？
    ? 谁在$s中饰演主角？
    ? 谁担任$s的主演？
    ?* $s镜头前面的是谁？
    < $v{主演|出演}了{哪部电影|什么电影}？
    <* 在哪部影片里能看到$v？
    year = +上映时间, 上映
    ? $s{什么时候|哪一年|何时}{上映|首映}？
    ? $s是{哪年|哪一年|什么时候}上映的？
    ? $s的上映时间是{哪年|什么时候}？
    ? $s上映于{何年|哪一年}？
    ? $s首次公映是哪一年？
    ?* 观众从哪年起认识$s？
    < 哪部电影{于|在}$v{上映|首映}？
    <* $v的影片叫什么？
    length = +片长
    ? $s{有多长|片长多少|多少分钟}？
    ? $s的{片长|时长}是{多少|多少分钟}？
    ? $s片长{是多少|多长}？
    ? $s放多少分钟？
    ? $s全长多少分钟？
    ?* 看完$s要坐多久？
    budget = +预算, +成本
    ? $s的{预算|成本|制作成本|投资}是多少？
    ? $s{花了|耗资}多少{钱|}？
    ? 拍$s{花了|用了}多少钱？
    ? $s投资有多大？
    ? $s的成本有多高？
    ?* 制片方为$s掏了多少？
    music = +配乐, +音乐
    ? $s的{音乐|配乐}{是谁|由谁}{创作|谱写}的？
    ? 谁为$s{配乐|谱曲}？
    ? 谁{创作|谱写}了$s的音乐？
    ? $s的作曲者是谁？
    ? $s的配乐出自谁？
    ?* $s里的旋律是谁的？
    < $v为哪部电影{配乐|谱曲}？
    <* 哪部影片的旋律来自$v？
    award = 获奖
    ? $s在{哪里|哪个活动|什么活动上}{获奖|得奖}？
    ? $s{获得了什么奖|得过什么奖}？
    ? $s在什么上夺得大奖？
    ? $s是在哪里得的奖？
    ? $s在哪个活动上受到表彰？
    ?* 哪里的评委最喜欢$s？
    < 哪部电影在$v{上获奖|得了奖}？
    <* $v的评委看中了哪部影片？
    shot = +拍摄地
    ? $s{在哪里|在哪个国家|在什么地方}{拍摄|取景}？
    ? $s的拍摄地{是|在}哪里？
    ? $s是在哪{个国家|里}拍的？
    ? $s取景于{何处|哪里}？
    ? 哪个国家是$s的拍摄地？
    ?* $s的剧组去了哪国？
    < 哪部电影在$v{拍摄|取景}？
    <* 去$v拍的是哪部影片？
    """,
)
KINDS = (FILM,)
