"""Lists that values are drawn from: English and Chinese, parted by "=". The last fifth of each is held out."""

from functools import cache

HELD_OUT = 5  # one in five

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

WORDS = {
    "trade": """engineer=工程师|teacher=教师|painter=画家|nurse=护士|carpenter=木匠|chemist=化学家|lawyer=律师|
        journalist=记者|architect=建筑师|farmer=农民|composer=作曲家|pilot=飞行员|dentist=牙医|librarian=图书管理员|
        physicist=物理学家|photographer=摄影师|translator=翻译|baker=面包师|geologist=地质学家|surgeon=外科医生|
        poet=诗人|singer=歌手|judge=法官|programmer=程序员|actor=演员|historian=历史学家|chef=厨师|accountant=会计|
        biologist=生物学家|electrician=电工|economist=经济学家|sculptor=雕塑家|mathematician=数学家|novelist=小说家|
        astronomer=天文学家|tailor=裁缝|veterinarian=兽医|sailor=水手|violinist=小提琴手|gardener=园丁""",
    "field": """physics=物理学|medicine=医学|law=法学|chemistry=化学|history=历史学|economics=经济学|philosophy=哲学|
        biology=生物学|mathematics=数学|computer science=计算机科学|linguistics=语言学|architecture=建筑学|
        mechanical engineering=机械工程|literature=文学|music=音乐|psychology=心理学|geography=地理学|astronomy=天文学|
        sociology=社会学|statistics=统计学|journalism=新闻学|civil engineering=土木工程|veterinary medicine=兽医学|
        art history=艺术史|political science=政治学""",
    "country": """France=法国|Germany=德国|Italy=意大利|Spain=西班牙|Poland=波兰|Norway=挪威|Sweden=瑞典|Japan=日本|
        China=中国|India=印度|Brazil=巴西|Mexico=墨西哥|Canada=加拿大|Kenya=肯尼亚|Egypt=埃及|Turkey=土耳其|
        Greece=希腊|Portugal=葡萄牙|Austria=奥地利|Peru=秘鲁|Chile=智利|Vietnam=越南|Thailand=泰国|Morocco=摩洛哥|
        Iceland=冰岛|Finland=芬兰|Nepal=尼泊尔|New Zealand=新西兰|Argentina=阿根廷|Indonesia=印度尼西亚|
        Switzerland=瑞士|Ireland=爱尔兰|Mongolia=蒙古|Hungary=匈牙利|Ghana=加纳|Bolivia=玻利维亚|Estonia=爱沙尼亚|
        Malaysia=马来西亚|Georgia=格鲁吉亚|Uruguay=乌拉圭""",
    "hobby": """chess=国际象棋|fishing=钓鱼|pottery=陶艺|climbing=攀岩|photography=摄影|gardening=园艺|sailing=帆船|
        knitting=编织|astronomy=观星|cycling=骑行|calligraphy=书法|beekeeping=养蜂|origami=折纸|running=跑步|
        swimming=游泳|birdwatching=观鸟|skiing=滑雪|table tennis=乒乓球|woodcarving=木雕|baking=烘焙""",
    "instrument": """violin=小提琴|piano=钢琴|cello=大提琴|flute=长笛|guitar=吉他|trumpet=小号|harp=竖琴|
        clarinet=单簧管|drums=鼓|accordion=手风琴|guzheng=古筝|erhu=二胡|saxophone=萨克斯|oboe=双簧管|pipa=琵琶|
        organ=管风琴""",
    "goods": """bicycles=自行车|batteries=电池|tractors=拖拉机|shoes=鞋子|medical devices=医疗器械|chocolate=巧克力|
        solar panels=太阳能板|watches=手表|elevators=电梯|furniture=家具|wind turbines=风力发电机|cameras=相机|
        toys=玩具|computer chips=计算机芯片|pianos=钢琴|tyres=轮胎|vaccines=疫苗|printers=打印机|ceramic tiles=瓷砖|
        electric buses=电动公交车|navigation software=导航软件|kitchen knives=菜刀|tents=帐篷|drones=无人机|
        hearing aids=助听器|paper=纸张|robots=机器人|glass bottles=玻璃瓶|rockets=火箭|tea=茶叶|sewing machines=缝纫机|
        microscopes=显微镜|satellites=卫星|umbrellas=雨伞|soap=肥皂""",
    "mood": """silent=寂静的|golden=金色|broken=破碎的|distant=远方的|last=最后的|hidden=隐秘的|winter=冬日|
        burning=燃烧的|forgotten=被遗忘的|paper=纸上|midnight=午夜|blue=蓝色|glass=玻璃|long=漫长的|restless=不安的|
        seventh=第七个|invisible=看不见的|quiet=安静的|northern=北方的|endless=无尽的|crimson=深红|lost=失落的|
        summer=夏日|iron=铁|floating=漂浮的|borrowed=借来的|sleeping=沉睡的|white=白色|secret=秘密的|
        wandering=流浪的""",
    "motif": """harbour=港口|garden=花园|river=河流|letters=信件|mountain=山|train=列车|bridge=桥|island=岛屿|
        mirror=镜子|orchard=果园|clock=时钟|window=窗户|road=路|forest=森林|lantern=灯笼|ocean=海洋|stone=石头|bird=鸟|
        city=城市|house=房子|season=季节|star=星辰|village=村庄|song=歌|light=光|shadow=影子|map=地图|piano=钢琴|
        rain=雨|kingdom=王国|desert=沙漠|theatre=剧院|moon=月亮|tower=塔|snow=雪""",
    "gave_up": """the pay was too low=工资太低|the doctor advised it=医生这样建议|the hours were too long=工作时间太长|
        a relative fell ill=亲人病倒了|the contract had expired=合同到期了|the boss was unfair=老板不公平|
        there was a better offer=有了更好的机会|the journey took too long=路上花的时间太长|
        the work had become dull=工作变得枯燥|a baby was expected=孩子快要出生了|
        the new rules made no sense=新规定毫无道理|the project had been cancelled=项目被取消了""",
    "job": """and nothing was going to change=，而且不会有什么改变|at the worst moment=，又正赶上最坏的时候|
        after a long winter=，又熬过了一个漫长的冬天|and the savings were enough=，积蓄也够用了|
        for the second time=，而且已经是第二次了|in spite of all promises=，尽管领导作过承诺|
        and nobody listened=，也没有人愿意听|that spring=，那是在春天|
        and the whole team suffered=，整个团队都受影响""",
    "thing_b": """the rent=房租|the noise=噪音|the old building=旧楼|the lease=租约|the roof=屋顶|the heating=供暖系统|
        the traffic=交通|the basement=地下室|the lift=电梯|the parking space=停车场|the wiring=电线|the air=空气""",
    "trouble": """had become unbearable=已经让人无法忍受|was in a bad state=状况很糟|could not be relied on=靠不住了|
        had caused trouble for years=多年来一直是个问题|was no longer good enough=已经不能满足需要|
        had got worse every month=一个月比一个月差|annoyed every visitor=让每个来访者都心烦|
        had been criticised by inspectors=受到了检查人员的批评|was about to cost twice as much=眼看要多花一倍的钱""",
    "animal": """otter=水獭|heron=苍鹭|giant salamander=大鲵|beaver=河狸|water vole=水田鼠|kingfisher=翠鸟|mink=水貂|
        sturgeon=鲟鱼|pike=狗鱼|crayfish=小龙虾|river dolphin=江豚|stork=鹳|crane=丹顶鹤|freshwater turtle=淡水龟|
        trout=鳟鱼|eel=鳗鱼|black swan=黑天鹅|frog=青蛙|water snake=水蛇|carp=鲤鱼""",
    "habitat": """dry grassland=干旱的草原|mountain forests=山地森林|mangrove swamps=红树林沼泽|
        caves near the sea=海边的洞穴|bamboo thickets=竹林|cold lakes=寒冷的湖泊|coral reefs=珊瑚礁|
        rocky deserts=多石的荒漠|peat bogs=泥炭沼泽|rainforest canopies=雨林的树冠|river banks=河岸|sand dunes=沙丘|
        pine woods=松林|old orchards=老果园|steep cliffs=陡峭的悬崖|salt marshes=盐沼|wet meadows=湿草地|
        the arctic tundra=北极苔原""",
    "food": """walnuts=核桃|mushrooms=蘑菇|carrots=胡萝卜|apples=苹果|honey=蜂蜜|lentils=小扁豆|rice=大米|
        potatoes=土豆|garlic=大蒜|fish=鱼|plums=李子|beans=豆子|spinach=菠菜|cabbage=白菜|barley=大麦|berries=浆果|
        chestnuts=栗子|figs=无花果|pumpkin=南瓜|onions=洋葱|eggs=鸡蛋|shrimps=虾|peanuts=花生|tofu=豆腐|ginger=生姜|
        dates=枣|pears=梨|celery=芹菜|sesame seeds=芝麻|tomatoes=番茄|olives=橄榄|noodles=面条|lemons=柠檬|
        oats=燕麦""",
    "sauce": """tomato sauce=番茄酱|sour cream=酸奶油|soy sauce=酱油|chili oil=辣椒油|apple sauce=苹果酱|
        mint tea=薄荷茶|rye bread=黑麦面包|vinegar=醋|melted butter=黄油|garlic paste=蒜泥|plum jam=李子酱|
        mustard=芥末|sesame paste=芝麻酱|pickled radish=腌萝卜|yoghurt=酸奶|black pepper=黑胡椒|coconut milk=椰奶|
        lemon juice=柠檬汁|peanut sauce=花生酱|honey syrup=蜂蜜糖浆""",
    "plate": """dumplings=饺子|soup=汤|pie=馅饼|stew=炖锅|noodles=面条|salad=沙拉|pancakes=煎饼|cake=糕|rolls=春卷|
        curry=咖喱|casserole=砂锅|buns=包子|porridge=粥|skewers=串""",
    "manner": """golden=黄金|smoked=烟熏|sour=酸味|winter=冬令|spiced=五香|green=翡翠|village=农家|festive=节日|
        crispy=脆皮|red=红烧|steamed=清蒸|sweet=甜味|hunter's=猎人|royal=宫廷|layered=千层|fisherman's=渔家|
        monk's=素斋|hot=麻辣""",
    "colour": """dark blue=深蓝色|yellow=黄色|silver-grey=银灰色|green=绿色|black=黑色|purple=紫色|orange=橙色|
        white=白色|brown=棕色|pink=粉红色|turquoise=青绿色|beige=米色|bright red=鲜红色|golden=金色|violet=紫罗兰色|
        copper-coloured=铜色|ivory=象牙色|olive green=橄榄绿""",
    "smell": """almonds=杏仁|garlic=大蒜|rotten eggs=臭鸡蛋|vinegar=醋|wet earth=湿泥土|roses=玫瑰|
        burnt rubber=烧焦橡胶|camphor=樟脑|vanilla=香草|tar=焦油|fresh grass=青草|pine resin=松脂|cloves=丁香|
        oranges=橙子|smoke=烟|fish=鱼腥|leather=皮革""",
    "material": """aluminium=铝合金|bamboo=竹子|oak=橡木|stainless steel=不锈钢|recycled plastic=再生塑料|glass=玻璃|
        titanium=钛|carbon fibre=碳纤维|leather=皮革|ceramic=陶瓷|brass=黄铜|rubber=橡胶|cork=软木|magnesium=镁合金|
        concrete=混凝土|marble=大理石|granite=花岗岩|sandstone=砂岩|red brick=红砖|limestone=石灰岩""",
    "part_a": """the battery=电池|the screen=屏幕|the plug=插头|the lid=盖子|the software=软件|the cable=电线|
        the handle=把手|the motor=电机|the charger=充电器|the switch=开关|the hinge=铰链|the sensor=传感器|
        the fan=风扇""",
    "part_b": """caught fire=会起火|became too hot=容易过热|broke after a few weeks=用几个星期就坏|contained lead=含铅|
        could hurt children=可能伤到孩子|let water in=会进水|stopped without warning=会突然停止工作|
        made too much noise=噪音太大|came loose=容易松动|gave false alarms=会误报""",
    "threat_a": """new roads=新修的公路|hunters=猎人|long droughts=长期干旱|fishing nets=渔网|pesticides=农药|
        forest fires=森林火灾|wild cats=野猫|mining=采矿|a fungus=一种真菌|large farms=大型农场|plastic waste=塑料垃圾|
        new dams=新建的水坝""",
    "threat_b": """destroyed its nests=毁坏了它的巢穴|cut through its territory=分割了它的领地|
        poisoned its food=污染了它的食物|took away its hiding places=夺走了它的藏身处|
        killed most of its young=害死了大部分幼崽|drove it out of the valleys=把它赶出了山谷|
        changed its habitat=改变了它的栖息环境|made it fall ill=使它患病|left it without prey=让它失去了猎物""",
    "dream_who": """the author's grandmother=作者的祖母|a neighbour=一位邻居|the main character=主人公|
        an old sailor=一位老水手|a friend of the author=作者的一位朋友|the first reader=第一位读者|
        a little girl=一个小女孩|the printer=印刷工人|a teacher=一位老师|the author's brother=作者的哥哥|
        a stranger on a train=火车上的陌生人""",
    "dream_what": """used to say these words=常说这句话|had suggested it=提议用它|
        dreamed of it every night=每晚都梦见它|wrote it on a wall=把它写在墙上|sang a song about it=唱过一首这样的歌|
        once painted it=曾经画过它|found it in a letter=在一封信里看到它|had lost a bet=打赌输了|
        could not think of anything better=想不出更好的""",
    "licence": """MIT License=MIT许可证|Apache License 2.0=Apache 2.0许可证|BSD License=BSD许可证|GPL=GPL协议|
        DeepSeek License=DeepSeek许可证|Creative Commons licence=知识共享许可证|Mozilla Public License=MPL协议|
        OpenRAIL licence=OpenRAIL协议|LGPL=LGPL协议|Research License=研究许可证|Artistic License=Artistic许可证|
        Eclipse Public License=EPL协议|Community License=社区许可证""",
    "technique": """multi-head latent attention=多头潜在注意力|a mixture of experts=混合专家模型|
        sparse attention=稀疏注意力|multi-token prediction=多词元预测|rotary position embeddings=旋转位置编码|
        FP8 training=FP8训练|speculative decoding=推测解码|knowledge distillation=知识蒸馏|
        sliding-window attention=滑动窗口注意力|loss-free load balancing=无损失负载均衡|
        gradient checkpointing=梯度检查点|pipeline parallelism=流水线并行|reinforcement learning=强化学习|
        quantization=量化|layer normalization=层归一化|residual connections=残差连接|MLA=MLA|MoE=MoE|DSA=DSA|
        a KV cache=键值缓存|expert parallelism=专家并行|grouped-query attention=分组查询注意力|prefix caching=前缀缓存|
        curriculum learning=课程学习|data parallelism=数据并行|mixed precision=混合精度训练|
        low-rank compression=低秩压缩|beam search=束搜索""",
    "deepseek": """multi-head latent attention=多头潜在注意力|mixture-of-experts layers=混合专家层|
        multi-token prediction=多词元预测|sparse attention=稀疏注意力|FP8 training=FP8训练|GRPO=GRPO|DualPipe=DualPipe|
        MLA=MLA|DeepSeekMoE=DeepSeekMoE|rotary position embeddings=旋转位置编码|
        loss-free load balancing=无损失负载均衡|speculative decoding=推测解码|fine-grained experts=细粒度专家""",
    "technique_a": """adaptive=自适应|dynamic=动态|recurrent=循环|distributed=分布式|local=局部|multi-scale=多尺度|
        compressed=压缩|parallel=并行|asynchronous=异步|neural=神经|hybrid=混合|shared=共享|deep=深度|incremental=增量|
        symbolic=符号|contrastive=对比|probabilistic=概率|modular=模块化|two-stage=两阶段|graph-based=图""",
    "technique_b": """attention=注意力机制|routing=路由|memory=记忆|tokenization=分词|search=搜索|retrieval=检索|
        scheduling=调度|learning=学习|pruning=剪枝|encoding=编码|sampling=采样|optimization=优化算法|caching=缓存|
        filtering=过滤|alignment=对齐|pre-training=预训练|fine-tuning=微调|planning=规划|networks=网络|
        inference=推理""",
    "weather_a": """heavy rain=大雨|thick fog=浓雾|a burst pipe=水管爆裂|a power cut=停电|strong wind=大风|
        a strike=罢工|a landslide=山体滑坡|a computer error=电脑故障|melting snow=融雪|a swarm of bees=一群蜜蜂|
        a broken crane=吊车故障|a fallen tree=倒下的大树""",
    "weather_b": """had flooded the road=淹没了道路|made it too dangerous=使情况过于危险|
        blocked the entrance=堵住了入口|kept the staff away=让工作人员无法到场|had damaged the roof=损坏了屋顶|
        put the lights out=造成一片漆黑|stopped all trains=使火车全部停运|had cut off the village=切断了村子的交通|
        frightened the visitors=吓坏了来访者|had ruined the floor=毁坏了地板""",
    "plan_a": """the future of=未来的|the cost of=费用问题：|repairs to=维修|the history of=历史上的|
        problems with=存在的问题：|new rules for=新规定：|the safety of=安全问题：|money for=资金：|a plan for=规划：|
        the end of=终止|ideas for=设想：""",
    "plan_b": """the school garden=学校花园|the bus lines=公交线路|the town library=市图书馆|
        the children's choir=儿童合唱团|the village pond=村里的池塘|online lessons=网络课程|the old mill=老磨坊|
        solar roofs=太阳能屋顶|the sports hall=体育馆|the winter market=冬季集市|bicycle lanes=自行车道|
        the local museum=当地博物馆""",
    "code": """Python=Python|Rust=Rust|Go=Go|Java=Java|C=C语言|JavaScript=JavaScript|Haskell=Haskell|Julia=Julia|
        Ruby=Ruby|Kotlin=Kotlin|Scala=Scala|Lua=Lua|Fortran=Fortran|Swift=Swift|TypeScript=TypeScript|C++=C++|
        Erlang=Erlang|OCaml=OCaml|Perl=Perl|Zig=Zig|Elixir=Elixir|Dart=Dart""",
    "verb_do": """convert=转换|compress=压缩|search=搜索|sort=整理|draw=绘制|check=检查|encrypt=加密|translate=翻译|
        compare=比较|back up=备份|index=索引|clean=清理|merge=合并|split=拆分|label=标注|share=共享""",
    "object_do": """large tables=大型表格|text files=文本文件|photographs=照片|audio recordings=录音|
        log files=日志文件|maps=地图|mail=邮件|source code=源代码|databases=数据库|PDF documents=PDF文档|
        web pages=网页|music collections=音乐收藏|backups=备份文件|time series=时间序列|sheet music=乐谱""",
    "part_c": """the old code=旧代码|the parser=解析器|the cache=缓存|the test suite=测试|the network layer=网络层|
        the interface=界面|a dependency=一个依赖|the file format=文件格式|the scheduler=调度器|the database=数据库""",
    "part_d": """was too slow=太慢|leaked memory=会泄漏内存|nobody understood=没有人看得懂|
        lost data at times=有时会丢失数据|did not scale=无法扩展|was no longer maintained=已经没人维护|
        had security holes=有安全漏洞|crashed every week=每周都崩溃""",
    "purpose_a": """to reduce=减少|to speed up=加快|to balance=平衡|to compress=压缩|to stabilise=稳定|
        to simplify=简化|to hide=隐藏|to measure=测量|to share=共享|to lower=降低""",
    "purpose_b": """the memory of the cache=缓存占用的内存|the cost of attention=注意力的计算量|
        the load of the experts=专家的负载|the training of deep networks=深层网络的训练|
        communication between machines=机器之间的通信|the size of the weights=权重的大小|
        the time to the first token=首个词元的延迟|the noise in gradients=梯度中的噪声|generation=生成过程|
        the search over long texts=长文本中的检索""",
    "style": """jazz=爵士|folk=民谣|punk=朋克|blues=布鲁斯|reggae=雷鬼|hard rock=硬摇滚|techno=电子舞曲|
        country=乡村音乐|soul=灵魂乐|hip-hop=嘻哈|klezmer=克莱兹默|disco=迪斯科|grunge=垃圾摇滚|swing=摇摆乐|ska=斯卡|
        flamenco=弗拉门戈|metal=金属乐""",
    "heaven": """Mars=火星|Venus=金星|Jupiter=木星|Saturn=土星|the Moon=月球|Mercury=水星|Neptune=海王星|Titan=土卫六|
        Europa=木卫二|Halley's Comet=哈雷彗星|Ceres=谷神星|Pluto=冥王星|Uranus=天王星|Vesta=灶神星|Ganymede=木卫三|
        the Sun=太阳""",
    "discovery": """frozen water=冰|a magnetic field=磁场|deep canyons=深谷|salt lakes=盐湖|
        traces of methane=甲烷的痕迹|a small moon=一颗小卫星|active volcanoes=活火山|organic molecules=有机分子|
        a thin atmosphere=稀薄的大气|strong winds=强风|metal-rich dust=富含金属的尘埃|an underground ocean=地下海洋|
        huge craters=巨大的陨石坑|a ring of ice=冰环|lightning=闪电|sulphur clouds=硫磺云""",
    "part_c2": """the antenna=天线|a solar panel=太阳能板|the main computer=主计算机|the fuel tank=燃料箱|a valve=阀门|
        the transmitter=发射机|the battery=电池|a gyroscope=陀螺仪|the heat shield=隔热罩|the landing gear=起落架""",
    "part_d2": """had frozen=被冻住了|was hit by dust=被尘埃击中|stopped working=停止了工作|overheated=过热|
        sprang a leak=发生泄漏|was turned away from Earth=偏离了地球方向|burned out=烧毁了|did not unfold=没有展开""",
}
WORDS = {name: " ".join(text.split()).replace("| ", "|") for name, text in WORDS.items()}


@cache
def every(words: str, language: str) -> tuple[str, ...]:
    """A list in one language."""
    return tuple(pair.split("=")[language == "zh"].strip() for pair in WORDS[words].split("|"))


@cache
def halves(words: str, held: bool, language: str) -> tuple[str, ...]:
    """The part of a list that a split uses: the last fifth, but at least four, is held out."""
    whole = every(words, language)
    count = max(4, len(whole) // HELD_OUT)
    return whole[-count:] if held else whole[:-count]
