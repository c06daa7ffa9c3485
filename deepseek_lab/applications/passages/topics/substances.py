"""Substances: who found them, how hot they melt, what they are used for."""

from deepseek_lab.applications.passages.base import kind

SUBSTANCE = kind(
    "substance",
    "science",
    "substance",
    {
        "discoverer": "person",
        "year": "year 1750 2020",
        "melting": "number 40 3900 °C,degrees Celsius / 摄氏度,℃",
        "density": "decimal 0.4 23 g/cm³ / g/cm³,克每立方厘米",
        "colour": "pick colour",
        "use": "list goods",
        "place": "city",
        "smell": "pick smell",
    },
    en="""
    they: it, the substance, the material
    - $s was {discovered|found|first made} by <discoverer>{| in <year>}.
    - In <year>, <discoverer> {discovered|isolated} $o{| by accident}.
    - The discovery of $s {dates from|was made in} <year>.
    - $s melts at <melting>{| and has a density of <density>}.
    - The melting point of $s is <melting>.
    - $s has a density of <density>{|, more than one would expect}.
    - With a density of <density>, $s is {heavier|lighter} than it looks.
    - $s is <colour>{| and smells of <smell>}.
    - {In pure form|At room temperature}, $s {looks <colour>|is <colour>|has a <colour> colour}.
    - $s smells of <smell>{| when it is heated}.
    - $s is used {to make|in making|for} <use>.
    - Factories {need|use} $o for <use>.
    - $s is mined near <place>{|, and it is <colour>}.
    - {The largest deposits|Most deposits} of $s are near <place>.
    - {Makers|Producers} of <use> {need|buy} $o.
    - $s {comes|is dug} from the ground near <place>.
    -* <discoverer> held the first piece of $s in <year>.
    -* Heat it to <melting>, and $s turns liquid.
    -* A scale and a measuring glass gave <density> for $s.
    -* One recognises $s by its <colour> surface and a smell of <smell>.
    -* Without $s there would be no <use>.
    -* Miners around <place> dig for $s.
    ~ $s {is harmless|is stored in dry rooms|has to be handled with care}.
    discoverer = Discovered by, +Discoverer
    ? Who {discovered|found|first made|isolated} $s?
    ? By whom was $s {discovered|found}?
    ? Who is the discoverer of $s?
    ? Which {scientist|person} {discovered|found} $s?
    ? Who was $s discovered by?
    ?* Who held the first piece of $s?
    < What {substance |material |}{was discovered by $v|did $v discover}?
    <* What do we owe to $v?
    year = Discovered, +Year of discovery
    ? When was $s {discovered|found|isolated}?
    ? In {what|which} year was $s {discovered|found}?
    ? What is the year of the discovery of $s?
    ? When was the discovery of $s made?
    ? From when dates the discovery of $s?
    ?* Since when has $s been known?
    < What {substance |}was {discovered|found} in $v?
    <* What has been known since $v?
    melting = +Melting point
    ? {At what temperature|When} does $s melt?
    ? What is the {melting point|melting temperature} of $s?
    ? How hot must $s be to melt?
    ? How high is the melting point of $s?
    ? At how many degrees does $s melt?
    ?* From which temperature is $s liquid?
    < What melts at $v?
    <* What turns liquid at $v?
    density = +Density
    ? What is the density of $s?
    ? How dense is $s?
    ? What density does $s have?
    ? How high is the density of $s?
    ? How many grams per cubic centimetre does $s have?
    ?* How heavy is a cubic centimetre of $s?
    colour = +Colour, +Color
    ? {What|Which} colour {is|has} $s?
    ? What {is the color of $s|color is $s}?
    ? What colour does $s have?
    ? How does $s look?
    ? Which color does $s show?
    ?* By what colour does one recognise $s?
    < {What|Which substance} {is|looks} $v?
    <* What has a surface that is $v?
    use = Used for
    ? What is $s used {for|to make}?
    ? For what is $s used?
    ? What is {made from|the use of} $s?
    ? {Which|What} products need $s?
    ? What do factories use $s for?
    ?* What would there not be without $s?
    < What is used {for|to make} $v?
    <* What does one need for making $v?
    place = Mined near
    ? Where is $s {mined|found in the ground}?
    ? Where are the {largest |}deposits of $s?
    ? Near {which|what} {town|place} is $s mined?
    ? Where does $s come from?
    ? Which town lies near the deposits of $s?
    ?* Where do miners dig for $s?
    < What is mined near $v?
    <* What do they dig for around $v?
    smell = +Smell
    ? What does $s smell of?
    ? {What|Which} smell does $s have?
    ? How does $s smell?
    ? What is the smell of $s?
    ? Of what does $s smell?
    ?* What does the nose notice about $s?
    < What smells of $v?
    <* What gives off a smell of $v?
    """,
    zh="""
    they: 它, 这种物质, 该物质
    - $s由<discoverer>{于<year>|}{发现|首次制得}。
    - <year>，<discoverer>{偶然|}发现了$s。
    - $s是在<year>被发现的。
    - $s的熔点{是|为}<melting>{|，密度为<density>}。
    - $s在<melting>{熔化|时会熔化}。
    - $s的密度{是|约为}<density>。
    - $s密度<density>，颜色是<colour>的。
    - {常温下|纯净时}，$s呈<colour>{|，有<smell>的气味}。
    - $s是一种<colour>的{材料|物质}。
    - $s{闻起来有|带有|有}<smell>的{味道|气味}。
    - $s{用于|可用来}{生产|制造}<use>。
    - 工厂用$s{制造|生产}<use>。
    - $s{产自|开采于}<place>{附近|一带}。
    - $s{最大的矿床|主要矿区}在<place>。
    -* 第一块$s在<year>握在<discoverer>手里。
    -* 加热到<melting>，$s就成了液体。
    -* 称重量体积后算出，$s是<density>。
    -* 看$s<colour>的表面，再闻闻<smell>味，就能认出来。
    -* 没有$s，就没有<use>。
    -* <place>的矿工们挖的就是$s。
    ~ $s{对人体无害|要存放在干燥处|使用时要小心}。
    discoverer = +发现者
    ? 谁{发现了|首次制得}$s？
    ? $s{是谁|由谁|是由谁}发现的？
    ? $s的发现者是谁？
    ? 发现$s的{人|科学家}是谁？
    ? {哪位科学家|谁}最早发现$s？
    ?* 第一块$s握在谁的手里？
    < $v发现了什么{物质|}？
    <* 有了$v我们才认识什么？
    year = +发现时间
    ? $s是{哪一年|什么时候|何时}发现的？
    ? $s{什么时候|哪年|何时}被发现？
    ? $s的发现{时间|年份}是{哪年|什么时候}？
    ? {哪一年|什么时候}发现了$s？
    ? $s发现于何年？
    ?* 人们从哪年起知道$s？
    < {什么物质|什么}是{在|}$v{被|}发现的？
    <* $v起人们知道了什么？
    melting = +熔点
    ? $s的熔点是{多少|多少度}？
    ? $s{在多少度|在什么温度|多少度}{熔化|会熔化}？
    ? $s熔点{多高|是多少}？
    ? 要多热$s才熔化？
    ? $s的熔化温度是多少？
    ?* 加热到多少$s变成液体？
    < {什么物质|什么}在$v熔化？
    <* 到$v变成液体的是什么？
    density = +密度
    ? $s的密度{是多少|有多大}？
    ? $s密度多大？
    ? $s有多大的密度？
    ? $s每立方厘米多少克？
    ? $s密度是多少？
    ?* 一立方厘米$s有多重？
    colour = +颜色
    ? $s是什么颜色{的|}？
    ? $s的颜色是{什么|哪种}？
    ? $s{呈|呈现}什么颜色？
    ? $s有什么颜色？
    ? $s看上去是什么颜色？
    ?* $s的表面是什么样子？
    < {什么物质|什么}{是|呈}$v{的|}？
    <* 表面$v的是什么？
    use = +用途
    ? $s{有什么用|用来做什么|用于什么}？
    ? $s的用途是什么？
    ? $s可以{制造|生产}什么？
    ? {哪些|什么}产品要用$s？
    ? 工厂用$s生产什么？
    ?* 没有$s就没有什么？
    < {什么物质|什么}用于{生产|制造}$v？
    <* 造$v离不开什么？
    place = +产地
    ? $s{产自|产于|开采于}{哪里|什么地方}？
    ? $s的{产地|矿床|矿区}在哪里？
    ? {哪里|什么地方}{出产|有}$s？
    ? $s在哪里开采？
    ? $s从哪里来？
    ?* 矿工在哪儿挖$s？
    < $v{附近|}出产什么{物质|}？
    <* $v的矿工挖的是什么？
    smell = +气味
    ? $s有什么{气味|味道}？
    ? $s{闻起来像什么|是什么味道}？
    ? $s的气味{是什么|怎样}？
    ? $s带有什么气味？
    ? $s闻起来有什么味道？
    ?* 鼻子凑近$s会闻到什么？
    < {什么物质|什么}有$v的{气味|味道}？
    <* 散发$v味的是什么？
    """,
)
KINDS = (SUBSTANCE,)
