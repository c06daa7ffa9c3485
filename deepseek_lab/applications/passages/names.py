"""Names that nobody has met before: composed from syllables and parts, with real ones among them.

A part of a name is trained on or held out by its own hash, so a passage of the "new passage" split has no name, and
no part of a name but a family name's character or an ending such as "-burg" or 科技, that training has shown.
"""

import random
import re
import zlib
from collections.abc import Callable
from functools import cache

HELD_OUT = 5  # one part in five
TRIPLE = re.compile(r"(.)\1{2,}")

ONSETS = "B Br C Cal D Dr E F Fl G Gr H I J K L M N O P Qu R S St T Th Tr U V W Y Z Ch Sh Kl Pr Al An Or El Mar Ser"
NUCLEI = "a e i o u ai ea ei ia io ou an en in on ar er or al el il am im"
MIDDLES = "b d f g k l m n p r s t v z nd rt lm st nt ll rr ss v th sk rk mb"
PERSON_ENDS = "a e o us ia in en an el is ine ard ric wen mir las ton na ra"
SURNAME_ENDS = "er man son sen sky ski ov ova ley ton well berg stein ini etti ard ez aga ura oto akis ides mont ford"
PLACE_ENDS = "ville burg ton ford stad haven field mouth bridge berg grad holm wick dale port ria ona era ino ava heim"
BRAND_ENDS = "ex ix on ora ia io um is yx ova eon ando etta ify ics ar"

FIRST = {
    "f": "Anna Maria Clara Emma Olivia Sophie Julia Helen Ingrid Fatima Aisha Mei Yuki Priya Lucia Elena Nina Ruth "
    "Grace Alice Marta Carmen Leila Zofia Astrid Chloe Hannah Laura Sarah Katherine Amara Noor Irene Paula Rosa Vera",
    "m": "James Peter Thomas Daniel David Oliver Lucas Henry Hans Erik Pablo Marco Ivan Ahmed Omar Kenji Ravi Samuel "
    "Victor Oscar Felix Martin Paul Robert George William Carlos Diego Anton Stefan Nikolai Joseph Arthur Leon Hugo",
}
LAST = (
    "Smith Johnson Brown Miller Davis Garcia Martinez Wilson Anderson Taylor Moore Jackson Lee Clark Lewis Walker "
    "Hall Young King Wright Hill Green Baker Nelson Carter Mitchell Roberts Turner Phillips Campbell Parker Evans "
    "Novak Kowalski Rossi Ferrari Schmidt Fischer Weber Dubois Laurent Silva Santos Costa Tanaka Sato Suzuki Kim Park "
    "Nguyen Singh Patel Khan Hansen Larsen Nilsson Lindberg Ivanov Popov Yilmaz Okafor Mensah Haddad Cohen Levi"
)
CITIES = (
    "London Paris Berlin Madrid Rome Vienna Prague Warsaw Lisbon Dublin Oslo Stockholm Helsinki Athens Cairo Lagos "
    "Nairobi Mumbai Delhi Bangkok Hanoi Seoul Tokyo Kyoto Osaka Beijing Shanghai Hangzhou Shenzhen Chengdu Sydney "
    "Melbourne Toronto Montreal Boston Chicago Denver Seattle Austin Lima Bogota Santiago Munich Hamburg Lyon Milan "
    "Geneva Zurich Krakow Porto Seville Glasgow Bristol Leeds Antwerp Bergen"
)
SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟"
    "汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
SURNAMES_LONG = "欧阳 司马 上官 诸葛 慕容"
GIVEN = (
    "伟芳娜秀敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英华玉萍红娥玲芬燕彩春菊凤洁梅琳素云莲真环雪荣爱妹香月莺媛瑞凡佳嘉"
    "琼勤珍贞莉建国志文学海山仁波宁贵福生龙元全胜祥才发武新利清飞彬富顺信子昌成康星光天达安岩中茂进有坚和彪博诚先敬震"
    "振壮会思群豪心邦承乐宇轩浩然梓涵欣怡雨晨诗晓峰俊凯若曦翰墨书瑶婷慧颖岚川舟远航知行一鸣岳衡"
)
SOUNDS = (
    "马克 艾伦 莉娜 索菲 托马 罗伯 卡尔 维拉 奥斯 贝克 安德 玛丽 尼古 保罗 海伦 埃里 弗兰 汉斯 露西 丹尼 "
    "莫里 科尔 斯特 哈里 克拉 伊莎 雷纳 伯特 维克 杜邦 桑托 米勒 伦德 沃克 格林"
)
SOUND_ENDS = "斯 特 尔 娜 森 克 亚 恩 德 姆 莎 夫 曼 顿 诺 拉 "
PLACE_HEADS = (
    "青云南北东西江海山石清白金银龙凤安平永长临新古红花松竹柳桃桂河湖溪泉沙岭阳月星宁和丰泰昌兴武文嘉慈铜铁玉乌"
)
PLACE_TAILS = "川州城阳安江原山港湾溪宁岭关口林泉台陵门泽塘屿浦坪谷"
CITIES_ZH = (
    "北京 上海 广州 深圳 杭州 南京 成都 武汉 西安 重庆 天津 苏州 青岛 厦门 长沙 昆明 大连 哈尔滨 沈阳 "
    "济南 郑州 合肥 福州 贵阳 兰州 拉萨 香港 澳门 台北 东京 京都 首尔 曼谷 新加坡 伦敦 巴黎 柏林 罗马 "
    "马德里 维也纳 莫斯科 纽约 波士顿 芝加哥 西雅图 悉尼 墨尔本 多伦多 开罗"
)
BRAND_HEADS = "华星云天海金龙飞腾瑞恒远创智慧博科信达安联盛鼎宏光明新益康乐美佳蓝绿青红白鹏翔凌锐思元启开极"
BRAND_TAILS = (
    "科技 集团 电子 软件 智能 制药 食品 汽车 能源 航空 网络 机械 生物 重工 服饰 公司 实业 信息 半导体 "
    "乳业 家具 钢铁 出版社 物流"
)


def is_held_out(part: str) -> bool:
    """Whether a part belongs to the "new passage" split."""
    return zlib.crc32(part.encode()) % HELD_OUT == 0


def pick(rng: random.Random, held: bool, make: Callable[[random.Random], str]) -> str:
    """A part of the split that is wanted: made anew until it is one."""
    while True:
        part = make(rng)
        if is_held_out(part) == held:
            return part


@cache
def halves(words: str, held: bool) -> tuple[str, ...]:
    """Those of the words, parted by blanks or (if there is a bar) by bars, that belong to the split that is wanted."""
    every = [word.strip() for word in (words.split("|") if "|" in words else words.split())]
    return tuple(word for word in every if is_held_out(word) == held)


@cache
def cut(words: str) -> tuple[str, ...]:
    """A list of parts."""
    return tuple(words.split(" "))


def choose(rng: random.Random, held: bool, words: str) -> str:
    """One word of the split that is wanted."""
    return rng.choice(halves(words, held))


def syllables(rng: random.Random, ends: str) -> str:
    """A word such as Brelomir: one or two syllables and an ending."""
    word = rng.choice(cut(ONSETS)) + rng.choice(cut(NUCLEI))
    if rng.random() < 0.6:
        word += rng.choice(cut(MIDDLES)) + (rng.choice(cut(NUCLEI)) if rng.random() < 0.3 else "")
        word += rng.choice(("", "", "", "l", "n", "r", "d"))
    return TRIPLE.sub(r"\1\1", word + rng.choice(cut(ends)))


def invented(rng: random.Random, held: bool, ends: str) -> str:
    """A word made of syllables."""
    return pick(rng, held, lambda rng: syllables(rng, ends))


def person(rng: random.Random, held: bool, language: str, gender: str = "") -> str:
    """A person's name. In Chinese: Chinese, at times a foreign one written in characters or in Latin letters."""
    style = rng.random()
    if language == "zh" and style < 0.75:
        surname = rng.choice(SURNAMES) if rng.random() < 0.95 else rng.choice(cut(SURNAMES_LONG))
        return surname + pick(rng, held, lambda rng: "".join(rng.choices(GIVEN, k=rng.choice((1, 2, 2, 2)))))
    if language == "zh" and style < 0.9:
        return f"{pick(rng, held, sounds)}·{pick(rng, held, sounds)}"
    real_first, real_last = rng.random() < 0.55, rng.random() < 0.4
    given = FIRST[gender or rng.choice("fm")]
    first = choose(rng, held, given) if real_first else invented(rng, held, PERSON_ENDS)
    last = choose(rng, held, LAST) if real_last else invented(rng, held, SURNAME_ENDS)
    middle = f" {rng.choice('ABCDEFGHJKLMNPRSTW')}." if rng.random() < 0.05 else ""
    return f"{first}{middle} {last}"


def sounds(rng: random.Random) -> str:
    """A foreign name in characters, such as 维拉森."""
    return rng.choice(cut(SOUNDS)) + rng.choice(cut(SOUND_ENDS))


def city(rng: random.Random, held: bool, language: str) -> str:
    """A town's name, real or invented."""
    if language == "zh":
        if rng.random() < 0.3:
            return choose(rng, held, CITIES_ZH)
        name = pick(rng, held, lambda rng: rng.choice(PLACE_HEADS) + rng.choice(PLACE_TAILS))
        return name + rng.choice(("", "", "市", "县", "镇"))
    if rng.random() < 0.3:
        return choose(rng, held, CITIES)
    before = rng.choice(("New ", "Port ", "San ", "Upper ", "East ", "Saint ")) if rng.random() < 0.12 else ""
    return before + invented(rng, held, PLACE_ENDS)


def company(rng: random.Random, held: bool, language: str) -> str:
    """A company's name."""
    if language == "zh" and rng.random() < 0.85:
        name = pick(rng, held, lambda rng: "".join(rng.choices(BRAND_HEADS, k=rng.choice((2, 2, 3)))))
        return name + rng.choice(cut(BRAND_TAILS))
    ends = (
        "",
        "",
        " Systems",
        " Labs",
        " Group",
        " Motors",
        " Foods",
        " Energy",
        " AG",
        " Inc.",
        " & Sons",
        " Software",
    )
    ends += (" Instruments", " Airlines", " Textiles", " AI", " Robotics", " Pharma", " Works", " Partners", "Tech")
    if rng.random() < 0.15:
        return f"{invented(rng, held, SURNAME_ENDS)} & {invented(rng, held, SURNAME_ENDS)}"
    return invented(rng, held, BRAND_ENDS) + rng.choice(ends)


def brand(rng: random.Random, held: bool, language: str) -> str:
    """The name of a product, in Latin letters in both languages."""
    name = invented(rng, held, BRAND_ENDS)
    style = rng.random()
    if style < 0.35:
        return name
    if style < 0.6:
        return f"{name}-{rng.choice('VRXMS')}{rng.randint(1, 9)}"
    if style < 0.8:
        return f"{name} {rng.randint(1, 12)}" + rng.choice(("", "", ".5", " Pro", " Lite"))
    return f"{name}-{rng.choice((1, 3, 7, 8, 13, 14, 30, 32, 70, 72))}B"
