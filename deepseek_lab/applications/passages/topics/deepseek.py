"""DeepSeek's models and techniques, with what is true of them, and invented techniques of the same kind.

Sources: the READMEs and reports of DeepSeek-V2, -V3, -R1 and -V3.2, and the configurations beside their weights.
"""

from deepseek_lab.applications.passages.base import kind

COMPANIES = (
    {
        "name": ("DeepSeek", "DeepSeek"),
        "founded": ("2023", "2023年"),
        "founder": ("Liang Wenfeng", "梁文锋"),
        "seat": ("Hangzhou", "杭州"),
        "goods": ("language models", "大语言模型"),
        "cores": ("=list deepseek", "=list deepseek"),
    },
)
MODELS = (
    {
        "name": ("DeepSeek-V2", "DeepSeek-V2"),
        "maker": ("DeepSeek", "DeepSeek"),
        "parameters": ("236B", "236B"),
        "active": ("21B", "21B"),
        "layers": ("60 layers", "60层"),
        "experts": ("160 routed experts", "160个路由专家"),
        "tokens": ("8.1T", "8.1T"),
        "context": ("128K", "128K"),
        "cores": ("multi-head latent attention and DeepSeekMoE", "多头潜在注意力和DeepSeekMoE"),
    },
    {
        "name": ("DeepSeek-V2-Lite", "DeepSeek-V2-Lite"),
        "maker": ("DeepSeek", "DeepSeek"),
        "parameters": ("15.7B", "157亿"),
        "active": ("2.4B", "24亿"),
        "layers": ("27 layers", "27层"),
        "experts": ("64 routed experts", "64个路由专家"),
    },
    {
        "name": ("DeepSeek-V3", "DeepSeek-V3"),
        "maker": ("DeepSeek", "DeepSeek"),
        "parameters": ("671B", "6710亿"),
        "active": ("37B", "370亿"),
        "layers": ("61 layers", "61层"),
        "experts": ("256 routed experts", "256个路由专家"),
        "tokens": ("14.8 trillion", "14.8万亿"),
        "context": ("128K", "128K"),
        "cores": ("MLA, DeepSeekMoE and multi-token prediction", "MLA、DeepSeekMoE和多词元预测"),
    },
    {
        "name": ("DeepSeek-R1", "DeepSeek-R1"),
        "maker": ("DeepSeek", "DeepSeek"),
        "parameters": ("671B", "671B"),
        "active": ("37B", "37B"),
        "context": ("128K", "128K"),
        "licence": ("MIT License", "MIT许可证"),
    },
    {
        "name": ("DeepSeek-V3.2", "DeepSeek-V3.2"),
        "maker": ("DeepSeek", "DeepSeek"),
        "layers": ("61 layers", "61层"),
        "experts": ("256 routed experts", "256个路由专家"),
        "cores": ("=list deepseek", "=list deepseek"),
    },
)
TECHNIQUES = (
    {
        "name": ("MLA", "MLA"),
        "full": ("multi-head latent attention", "多头潜在注意力"),
        "model": ("DeepSeek-V2", "DeepSeek-V2"),
        "maker": ("DeepSeek", "DeepSeek"),
        "purpose": ("to compress the KV cache", "压缩KV缓存"),
        "stored": ("576 numbers", "576个数"),
        "saving": ("93.3%", "93.3%"),
    },
    {
        "name": ("DSA", "DSA"),
        "full": ("DeepSeek Sparse Attention", "DeepSeek稀疏注意力"),
        "model": ("DeepSeek-V3.2", "DeepSeek-V3.2"),
        "maker": ("DeepSeek", "DeepSeek"),
        "purpose": ("to attend to 2048 chosen tokens only", "只关注选出的2048个词元"),
    },
    {
        "name": ("MTP", "MTP"),
        "full": ("multi-token prediction", "多词元预测"),
        "model": ("DeepSeek-V3", "DeepSeek-V3"),
        "purpose": ("to predict more than one token at a time", "一次预测不止一个词元"),
    },
    {
        "name": ("GRPO", "GRPO"),
        "full": ("group relative policy optimization", "群组相对策略优化"),
        "maker": ("DeepSeek", "DeepSeek"),
        "purpose": ("to do without a critic model", "省去评论家模型"),
    },
    {
        "name": ("MoE", "MoE"),
        "full": ("mixture of experts", "混合专家模型"),
        "purpose": ("to use only a few experts for each token", "每个词元只使用少数专家"),
    },
    {
        "name": ("DualPipe", "DualPipe"),
        "model": ("DeepSeek-V3", "DeepSeek-V3"),
        "maker": ("DeepSeek", "DeepSeek"),
        "purpose": ("to hide communication behind computation", "用计算掩盖通信"),
    },
)

TECHNIQUE = kind(
    "technique",
    "deepseek",
    "acronym",
    {
        "full": "technique",
        "model": "brand",
        "maker": "company",
        "purpose": "pair purpose_a purpose_b",
        "stored": "number 16 9000 numbers,values / 个数,个数值",
        "saving": "percent",
        "inventor": "person",
        "year": "year 2012 2026",
    },
    en="""
    they: it, the technique, this method
    - $s {stands for|is short for|means} <full>.
    - $s, {short for|that is} <full>, {was introduced with|first appeared in} <model>.
    - {With|In} <model>, <maker> introduced $o.
    - $s was {first used|introduced} in <model>{| by <maker>}.
    - <model> was the first model {with|to use} $o.
    - $s was {developed|proposed|introduced} by <maker>{| in <year>}.
    - <inventor> {invented|came up with|proposed} $o{| in <year>}.
    - $s was {invented|thought up} by <inventor>{|, who works at <maker>}.
    - In <year>, a paper {described|presented} $o.
    - $s is used <purpose>.
    - The {purpose|aim} of $s is <purpose>{|, and it was proposed by <maker>}.
    - $s {stores|caches|keeps} <stored> {per|for each} token{| and layer}.
    - {For each token|Per token}, $s {stores|caches} <stored>{|, which saves <saving> of the memory}.
    - $s {reduces|cuts|shrinks} the {cache|KV cache|memory} by <saving>.
    - Thanks to $o, the cache {is|became} <saving> smaller.
    - With $o, {only |}<stored> are {kept|stored} per token.
    -* The letters $s are to be read as <full>.
    -* Before <model>, no model had $s.
    -* It is <maker> that we owe $s to.
    -* $s is the brainchild of <inventor> and dates from <year>.
    -* Engineers turn to $s <purpose>.
    -* In memory, $s leaves <stored> behind for every token.
    -* With $s, <saving> of the cache is no longer needed.
    ~ $s {is described in a technical report|is easy to implement|is now widely used}.
    full = +Full name, Stands for
    ? What does $s {stand for|mean}?
    ? What is $s short for?
    ? What is the {full name|long form} of $s?
    ? What do the letters {of |}$s stand for?
    ? What is $s, written out?
    ?* How are the letters $s to be read?
    < What is {the abbreviation for $v|short for $v}?
    <* How does one abbreviate $v?
    model = +First model, Introduced with
    ? {Which|What} model {first used|introduced|was the first with} $s?
    ? With which model was $s introduced?
    ? In {which|what} model {did $s first appear|was $s first used}?
    ? Where was $s first used?
    ? Which model was the first with $s?
    ?* Since which model has there been $s?
    < What was {introduced with|first used in} $v?
    <* What did no model have before $v?
    maker = +Developer, Developed by
    ? {Who|Which company} {developed|introduced|proposed} $s?
    ? By whom was $s {developed|introduced|proposed}?
    ? Which {company|firm} is behind $s?
    ? Where was $s developed?
    ? Who is the developer of $s?
    ?* To whom do we owe $s?
    < What was {developed|proposed} by $v?
    <* What do we have from $v?
    purpose = +Purpose, +Aim
    ? What is {$s used for|the purpose of $s|the aim of $s|$s for}?
    ? Why is $s used?
    ? What does one use $s for?
    ? For what purpose is $s used?
    ? What does $s aim at?
    ?* Why do engineers turn to $s?
    stored = Stored per token, Cached per token
    ? How many {numbers|values} does $s {store|cache|keep}{| per token| for each token}?
    ? How {much|many numbers} does $s {store|cache} per token?
    ? What does $s {store|cache} for each token?
    ? How much is kept per token with $s?
    ? How large is the cache of $s per token?
    ?* What does $s leave in memory for every token?
    saving = +Saving, +Cache reduction
    ? {By how much|By how many percent} does $s {reduce|shrink|cut} the {cache|KV cache|memory}?
    ? How much {memory|of the cache} does $s save?
    ? How much smaller is the cache {with|thanks to} $s?
    ? What is the saving {of|through} $s?
    ? What share of the memory does $s save?
    ?* How much of the cache is not needed with $s?
    inventor = +Inventor, Invented by
    ? Who {invented|came up with|thought up} $s?
    ? Who is the inventor of $s?
    ? By whom was $s invented?
    ? Whose idea is $s?
    ? What is the name of the inventor of $s?
    ?* Whose brainchild is $s?
    < What {did $v invent|was invented by $v|did $v come up with}?
    <* What is the brainchild of $v?
    year = +Year, +Year of publication
    ? When was $s {introduced|invented|proposed|published}?
    ? In {what|which} year was $s {proposed|described|introduced}?
    ? What is the year of $s?
    ? Since when {is there|has there been} $s?
    ? What year does $s come from?
    ?* From when does $s date?
    < What was {introduced|proposed} in $v?
    <* What dates from $v?
    """,
    zh="""
    they: 它, 该技术, 这种方法
    - $s{是|即}<full>{的缩写|的简称}。
    - $s全称{是|为}<full>{|，最早用于<model>}。
    - $s（<full>）{由<maker>提出|首次出现在<model>中}。
    - $s{首次|最早}{应用于|出现在|用于}<model>。
    - <model>{率先|首次}采用了$s。
    - $s由<maker>{提出|开发}{|，时间是<year>}。
    - <maker>在<model>中{引入|提出}了$s。
    - <inventor>{发明|提出}了$s。
    - $s是<inventor>在<year>{提出|发明}的。
    - <year>的一篇论文{介绍|描述}了$s。
    - $s用于<purpose>。
    - $s的{作用|目的}是<purpose>{|，由<maker>开发}。
    - $s每个词元{只|}{存储|缓存|保存}<stored>。
    - $s为每个词元存<stored>，{节省|减少}了<saving>的{显存|缓存}。
    - $s{将|把}{KV缓存|缓存}{减少了|降低了|压缩了}<saving>。
    - 有了$s，{缓存|显存}{减少|节省}<saving>。
    - 用上$s以后，每个词元{只需保存|只占}<stored>。
    -* $s这几个字母读作<full>。
    -* 在<model>之前，没有哪个模型有$s。
    -* 我们有$s，要感谢<maker>。
    -* $s出自<inventor>之手，始于<year>。
    -* 工程师找来$s，为的是<purpose>。
    -* 每来一个词元，$s就在内存里留下<stored>。
    -* 用上$s，<saving>的缓存就不再需要。
    ~ $s{在技术报告中有介绍|实现起来很容易|现已广泛使用}。
    full = +全称
    ? $s{的全称是什么|全称是什么|代表什么}？
    ? $s是{什么的缩写|什么的简称|什么意思}？
    ? $s{即什么|指的是什么}？
    ? $s的完整名称是什么？
    ? $s是哪个词的缩写？
    ?* $s这几个字母怎么读？
    < $v的{缩写|简称}是什么？
    <* $v可以缩写成什么？
    model = +首用模型
    ? $s{首次|最早}{用于|应用于|出现在}{哪个模型|什么模型}{|中}？
    ? {哪个模型|什么模型}{率先|首次|最早}{采用|使用}了$s？
    ? $s是{在|}哪个模型{中|}提出的？
    ? $s最先在哪里使用？
    ? 第一个采用$s的模型是哪个？
    ?* 从哪个模型起有了$s？
    < $v{率先|首次}采用了什么{技术|}？
    <* 在$v之前没有什么技术？
    maker = +开发者, +提出者
    ? {谁|哪家公司}{提出|开发|引入}了$s？
    ? $s{是谁|由谁|由哪家公司|是哪家公司}{提出|开发}{的|}？
    ? $s的{开发者|提出者}是{谁|哪家}？
    ? 开发$s的是谁？
    ? $s来自哪家公司？
    ?* 有了$s我们要感谢谁？
    < $v{提出|开发}了什么{技术|}？
    <* 哪项技术要感谢$v？
    purpose = +用途, +作用, +目的
    ? $s{有什么用|用来做什么|用于什么}？
    ? $s的{作用|目的|用途}是什么？
    ? 为什么要用$s？
    ? $s是干什么用的？
    ? $s能做什么？
    ?* 工程师找来$s为的是什么？
    stored = 每词元存储量
    ? $s{每个词元|每个token|为每个词元}{存储|缓存|保存}{多少|多少个数|几个数}？
    ? $s{存|缓存}多少{个数|数}？
    ? $s每词元的存储量是多少？
    ? $s的缓存里每个词元有多少个数？
    ? 用$s时每个词元要存多少？
    ?* 每来一个词元$s留下多少？
    saving = +节省比例
    ? $s{将|把}{KV缓存|缓存}{减少|降低|压缩}了多少？
    ? $s{节省|减少|省}了多少{显存|缓存|内存}？
    ? $s的节省比例是多少？
    ? 用了$s，缓存能减少多少？
    ? $s能省下百分之多少的缓存？
    ?* 用上$s多少缓存不再需要？
    inventor = +发明人
    ? 谁发明了$s？
    ? $s{是谁|由谁}发明的？
    ? $s的{发明人|发明者}是谁？
    ? 发明$s的人叫什么？
    ? 哪个人想出了$s？
    ?* $s出自谁之手？
    < $v发明了什么{技术|}？
    <* 哪项技术出自$v之手？
    year = +提出时间, +年份
    ? $s{什么时候|哪一年|何时}{提出|发明}{的|}？
    ? $s是{哪年|哪一年|什么时候}{提出|发明|发表}的？
    ? $s的提出时间是{哪年|什么时候}？
    ? {哪一年|哪年}有了$s？
    ? 介绍$s的论文是哪年的？
    ?* $s始于哪年？
    < $v提出了什么{技术|}？
    <* 始于$v的是什么技术？
    """,
    known=TECHNIQUES,
    known_share=0.35,
)
KINDS = (TECHNIQUE,)
