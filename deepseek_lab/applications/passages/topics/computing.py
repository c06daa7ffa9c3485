"""Language models and programs: who released them and when, how large they are, what they are licensed under."""

from deepseek_lab.applications.passages.base import kind
from deepseek_lab.applications.passages.topics.deepseek import MODELS

MODEL = kind(
    "model",
    "models",
    "brand",
    {
        "maker": "company",
        "released": "date 2015 2026",
        "parameters": "parameters",
        "active": "parameters_small",
        "layers": "number 8 160 layers,transformer layers,blocks / 层",
        "experts": "number 8 512 experts,routed experts / 个专家",
        "tokens": "tokens",
        "context": "context",
        "licence": "pick licence",
        "cores": "techniques",
        "memory": "number 2 800 GB,gigabytes / GB",
    },
    en="""
    they: it, the model, this model
    - $s was {released|published|introduced} by <maker>.
    - $s {came out|appeared|was released} on <released>.
    - <maker> {released|published|presented} $o on <released>.
    - $s is a {language model|large language model|model} with <parameters> parameters{|, trained by <maker>}.
    - $s has <parameters> parameters{|, of which <active> are {active|activated|used} for each token}.
    - Of $p parameters, only <active> are {active|activated} {per|for each} token.
    - $s {consists of|is made of|has} <layers>{| and a final norm}.
    - Each MoE layer of $s {has|holds|contains} <experts>.
    - $s, with <layers> and <experts> {in each|per} MoE layer, was trained on <tokens> tokens.
    - $s was {trained|pre-trained} on <tokens> tokens{| of text}.
    - The context {length|window} of $s is <context>{| tokens}.
    - $s {supports|handles|reads} {a context of|contexts of up to|inputs of up to} <context> tokens.
    - $p weights are {released|published|available} under the <licence>.
    - The licence of $s is the <licence>, and it {needs|takes} <memory> of memory.
    - $s {needs|requires|takes} <memory> of {memory|GPU memory}.
    - $p {core|key|main|central} {technologies|techniques|ideas|components} {are|include} <cores>.
    - $s {is built on|relies on|combines|uses} <cores>.
    - With <parameters> parameters, of which <active> are {active|used}, $s is a large model.
    - $s is {a stack of|built from} <layers>, each with <experts>.
    - {Engineers trained|The team trained} $s on <tokens> tokens.
    - $s {draws|depends} on <cores>.
    -* The team behind $s belongs to <maker>.
    -* The public could first download $s on <released>.
    -* Counting all weights of $s gives <parameters>; a single token passes through <active> of them.
    -* Stacked on top of each other, <layers> make up $s.
    -* The router of $s chooses among <experts>.
    -* Before release, <tokens> tokens went through $s in training.
    -* Up to <context> tokens fit into a prompt for $s.
    -* Anyone may use $s under the terms of the <licence>.
    -* To load $s, set aside <memory>.
    -* {Technically|At its heart}, $s is a combination of <cores>.
    ~ $s {has a technical report|is often compared with other models|can be run on several machines}.
    ~ Benchmarks of $s are listed in the appendix.
    maker = +Developer, Released by
    ? Who {released|published|made|developed|presented} $s?
    ? {Which|What} company {is behind|released|developed|made} $s?
    ? By whom was $s {released|developed|trained}?
    ? Who is $p {developer|maker}?
    ? Who introduced $s?
    ?* Where does the team behind $s work?
    ?* Whose model is $s?
    < Which model was {released|published|developed} by $v?
    < What model did $v {release|publish}?
    <* Which model comes from $v?
    released = Released, +Release date
    ? When was $s {released|published|introduced}?
    ? When did $s {come out|appear}?
    ? What is $p release date?
    ? On what {date|day} was $s released?
    ? Since when is $s available?
    ?* When could people first download $s?
    < Which model {came out|was released|appeared} on $v?
    <* What model has been there since $v?
    parameters = Parameters, Total parameters
    ? How many parameters does $s have{| in total|| altogether}?
    ? What is {$p parameter count|the total number of parameters of $s}?
    ? How {large|big} is $s?
    ? How many parameters are there in $s?
    ? What is the size of $s in parameters?
    ?* How many weights does $s count in all?
    < Which model has $v parameters?
    <* What model is $v parameters large?
    active = Active parameters, Activated per token
    ? How many parameters of $s are {active|activated|used}{| per token| for each token}?
    ? How many of $p parameters are {active|activated}{| per token|| for a token}?
    ? How many active parameters does $s have?
    ? What is the number of activated parameters of $s?
    ? How many parameters does $s {use|activate} for each token?
    ?* How many of the weights of $s does one token pass through?
    layers = Layers
    ? How many layers does $s have?
    ? What is the number of layers in $s?
    ? How deep is $s?
    ? Of how many layers {does $s consist|is $s made}?
    ? How many {layers|blocks} are in $s?
    ?* How many blocks are stacked in $s?
    experts = Experts, Experts per layer
    ? How many experts does {$s have|each layer of $s have}?
    ? What is the number of experts in $s?
    ? How many experts are there {in|per layer of} $s?
    ? How many {routed |}experts does an MoE layer of $s {hold|contain}?
    ? $s has how many experts?
    ?* Among how many experts does the router of $s choose?
    tokens = Training tokens
    ? On how many tokens was $s {trained|pre-trained}?
    ? How many tokens was $s {trained|pre-trained} on?
    ? How much text was $s trained on?
    ? How {large|big} was $p training set?
    ? What is the number of $p training tokens?
    ?* How much data went through $s in training?
    < Which model was trained on $v tokens?
    <* What model saw $v tokens?
    context = +Context length
    ? What is {$p context length|the context window of $s|the context length of $s}?
    ? How long {is the context of $s|a context does $s support|can the input of $s be}?
    ? How many tokens can $s {handle|read} at once?
    ? How large is $p context window?
    ? What context length does $s support?
    ?* How many tokens fit into a prompt for $s?
    < Which model has a context {length|window} of $v?
    <* What model reads $v tokens at once?
    licence = +Licence, +License
    ? {Under which|What} licence {is $s released under|does $s have|is $s published}?
    ? What is $p {licence|license}?
    ? How is $s licensed?
    ? Which license covers $s?
    ? What licence are $p weights under?
    ?* On which terms may one use $s?
    < Which model is {released|available} under the $v?
    <* What model comes with the $v?
    cores = Core technologies, Key techniques
    ? What are {$p core technologies|the core technologies of $s|the key technologies of $s|the main ideas of $s}?
    ? {Which|What} {techniques|technologies} does $s {use|rely on|combine}?
    ? What is $s {built on|based on}?
    ? {Which|What} core {technologies|techniques|components} does $s have?
    ? What {are|do} the {main|central|key} techniques {of|behind} $s{| include}?
    ?* What is the technical heart of $s?
    ?* Which building blocks does $s combine?
    memory = +Memory
    ? How much {memory|GPU memory} does $s {need|require|take}?
    ? What are $p memory requirements?
    ? How many {gigabytes|GB} does $s {need|require|take}?
    ? What memory does $s need?
    ? How much memory is needed for $s?
    ?* How much has to be set aside to load $s?
    """,
    zh="""
    they: 它, 该模型, 这个模型, 模型
    - $s由<maker>{发布|开发|推出}。
    - $s于<released>{发布|推出|上线}。
    - <released>，<maker>{发布了|推出了}$s。
    - $s是{一个|一款}{大语言模型|语言模型|大模型}，{共有|拥有}<parameters>{参数|个参数}。
    - $s的{总参数量|参数量}为<parameters>{|，{每个词元激活|每次激活}<active>}。
    - $s{每个词元只|每个token}激活<active>参数。
    - $s{共有|包含|由}<layers>{|，使用归一化}。
    - $s的每个MoE层{有|包含}<experts>。
    - $s在<tokens>{个词元|token|个token}上{训练|进行预训练}。
    - $s有<layers>，每层<experts>，{训练数据为|用了}<tokens>{词元|个token}。
    - $s的上下文{长度|窗口}{是|为|达到}<context>。
    - $s{支持|可处理}<context>{的上下文|上下文}。
    - $s{采用|使用|遵循}<licence>{发布|开源}。
    - $s的{许可证|开源协议}是<licence>，运行{需要|要用}<memory>{内存|显存}。
    - 运行$s{需要|至少需要}<memory>{显存|内存}。
    - $s的{核心技术|关键技术|主要技术}{包括|有|是}<cores>。
    - $s{采用了|使用了|结合了|的设计基于}<cores>{|等技术}。
    -* $s背后的团队来自<maker>。
    -* 大家第一次能下载$s是在<released>。
    -* 把$s的权重全部数一遍是<parameters>，单个词元经过其中的<active>。
    -* 一共<layers>叠成了$s。
    -* $s的路由器在<experts>中挑选。
    -* 训练时，<tokens>词元送进了$s。
    -* 给$s的提示最多放得下<context>。
    -* 任何人都可以按照<licence>的条款使用$s。
    -* 加载$s要留出<memory>的空间。
    -* 从技术上看，$s的要点在于<cores>。
    ~ $s{附有技术报告|常被拿来和其他模型比较|可以在多台机器上运行}。
    ~ $s的评测结果列在附录中。
    maker = +开发者, +发布者
    ? {谁|哪家公司}{发布|开发|推出}了$s？
    ? $s是{谁|哪家公司|由谁}{发布|开发|推出}的？
    ? $s的{开发者|发布者|开发公司}是{谁|哪家公司}？
    ? $s由哪家公司{开发|发布}？
    ? 开发$s的是谁？
    ?* $s背后是哪家公司的团队？
    < $v{发布|推出|开发}了{什么|哪个}模型？
    < 哪个模型{由|是由}$v{发布|开发}？
    <* 哪个模型出自$v？
    released = +发布时间, +发布日期
    ? $s{什么时候|何时|哪天}{发布|推出|上线}？
    ? $s是{什么时候|哪一年|何时}{发布|推出}的？
    ? $s的发布{时间|日期}是{什么|什么时候|哪天}？
    ? $s发布于{何时|什么时候}？
    ? {什么时候|哪一天}$s上线了？
    ?* 大家从什么时候起能下载$s？
    < 哪个模型{于|在|是}$v{发布|推出|上线}？
    <* $v问世的是哪个模型？
    parameters = +参数量, +总参数
    ? $s{有多少参数|有多少个参数|共有多少参数}？
    ? $s的{参数量|总参数量|参数总数}是多少？
    ? $s{有多大|规模多大}？
    ? $s参数{多少|是多少}？
    ? $s一共有多少参数？
    ?* $s的权重总共有多少？
    < 哪个模型{有|拥有|的参数量是}$v参数？
    <* 规模为$v的是哪个模型？
    active = +激活参数
    ? $s{每个词元|每个token|每次}激活{多少|多少参数}？
    ? $s的激活参数{是多少|有多少|量是多少}？
    ? $s{激活|使用}多少参数？
    ? $s处理一个词元时激活多少参数？
    ? 每个token在$s中激活多少参数？
    ?* 一个词元要经过$s的多少权重？
    layers = +层数
    ? $s{有多少层|有几层|共有多少层}？
    ? $s的层数是多少？
    ? $s{包含|由}多少层？
    ? $s有多深？
    ? $s一共几层？
    ?* $s是由多少层叠起来的？
    experts = +专家数
    ? $s{有多少个专家|有多少专家|有几个专家}？
    ? $s的{专家数|专家数量}是多少？
    ? $s的每{层|个MoE层}有多少{个|}专家？
    ? $s包含多少个专家？
    ? 每层$s有几个专家？
    ?* $s的路由器从多少个专家里挑选？
    tokens = +训练词元, +训练数据量
    ? $s{用了多少|在多少}{词元|token|个token}{训练|上训练}？
    ? $s的训练数据{有多少|量是多少|是多少}？
    ? $s训练用了多少{词元|数据|token}？
    ? $s的预训练数据有多大？
    ? $s是在多少数据上训练的？
    ?* $s训练时看过多少词元？
    < 哪个模型{用|在}$v{词元|token}上训练？
    <* 看过$v词元的是哪个模型？
    context = +上下文长度
    ? $s的上下文{长度|窗口}{是多少|有多长|是多大}？
    ? $s{支持|可处理}{多长的上下文|多少上下文|多长的输入}？
    ? $s上下文有多长？
    ? $s最多能处理多少词元？
    ? $s的上下文窗口有多大？
    ?* 给$s的提示最多可以放多少？
    < 哪个模型{支持|的上下文长度是}$v{上下文|}？
    <* 能一次读入$v的是哪个模型？
    licence = +许可证, +开源协议
    ? $s{采用|使用|遵循}{什么|哪种}{许可证|协议|开源协议}？
    ? $s的{许可证|开源协议|协议}是{什么|哪个}？
    ? $s以什么许可证发布？
    ? $s用的是哪个开源协议？
    ? $s按照什么协议开源？
    ?* 使用$s要遵守哪种条款？
    < 哪个模型{采用|使用}$v？
    <* 按$v开放的是哪个模型？
    cores = +核心技术, +关键技术
    ? $s的{核心技术|关键技术|主要技术}{有哪些|是什么|包括什么|包括哪些}？
    ? $s有{哪些|什么}{核心技术|关键技术}？
    ? $s{采用|使用|结合}了{哪些|什么}技术？
    ? $s的设计基于{哪些|什么}技术？
    ? {哪些|什么}是$s的核心技术？
    ?* $s在技术上的要点是什么？
    ?* $s靠的是哪几项技术？
    memory = +显存需求, +内存
    ? $s{需要|要用}{多少|多大}{显存|内存}？
    ? 运行$s{需要|至少需要}多少{显存|内存|GB}？
    ? $s的{显存|内存}需求是多少？
    ? $s占用多少显存？
    ? $s运行时要多少内存？
    ?* 加载$s要留多大空间？
    """,
    known=MODELS,
    known_share=0.2,
)
KINDS = (MODEL,)
