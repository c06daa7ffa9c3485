"""Names and values that are put together from parts: animals, dishes, techniques, file names, rooms, trains, ..."""

import random

from deepseek_lab.applications.passages import names
from deepseek_lab.applications.passages.words import every, halves

SUFFIXED_SHARE = 0.12  # of Chinese techniques say what they are: 推测解码技术
BEASTS = "marten lizard owl antelope beetle deer toad falcon hare squirrel monkey gecko wolf parrot goose bat fox"
BEASTS_ZH = "鼬 蜥 鸮 羚 鹿 蟾 隼 兔 松鼠 猴 壁虎 狼 鹦鹉 雁 蝠 狐 獾 貂 鹤 龟"
COLOURS = "grey white black red golden silver long short great spotted"
PARTS = "tailed eared backed bellied horned clawed necked winged crested footed nosed"
STEMS = "config settings options default main local user server cache data app rules model index log env"
EXTENSIONS = ".toml .yaml .json .ini .cfg .xml .conf .txt"
VERBS = "run serve start build watch check sync open train"
INSTALLERS = ("pip install", "npm install", "cargo install", "apt install", "brew install", "conda install", "make")
MEETINGS = "meeting workshop course tour lecture seminar evening conference committee training"
MEETINGS_ZH = "会议 研讨会 讲座 培训班 座谈会 参观活动 论坛 晚会 说明会 委员会"
TITLES_ZH = "文武昭宣桓庄景惠成康穆怀明安仁孝圣德"
SUBSTANCE_ENDS = "ium ite ane ol ide ene ine ium"


def species(rng: random.Random, held: bool, language: str) -> str:
    """An animal's name: something it has, and what it is like."""
    cut, choice = names.cut, rng.choice
    if language == "zh":
        word = names.pick(
            rng,
            held,
            lambda _: choice("灰白黑红金银长短大小花斑青黄") + choice("背尾耳腹角爪颈翅冠") + choice(cut(BEASTS_ZH)),
        )
        return (choice(names.PLACE_HEADS) + choice("山岭江原")) * (rng.random() < 0.2) + word
    if rng.random() < 0.5:
        return f"the {names.invented(rng, held, names.BRAND_ENDS).lower()}"
    word = names.pick(rng, held, lambda _: f"{choice(cut(COLOURS))}-{choice(cut(PARTS))} {choice(cut(BEASTS))}")
    return f"the {word}"


def substance(rng: random.Random, held: bool, language: str) -> str:
    """A metal or mineral."""
    if language == "zh":
        heads = "钠锰钴镓锶钇铌钼铟锑铪钨铼铱硒蓝红黑白玄青紫赤"
        word = names.pick(rng, held, lambda rng: "".join(rng.choices(heads, k=2)))
        return word + rng.choice(("石", "合金", "矿", "酸盐", "晶"))
    return names.invented(rng, held, SUBSTANCE_ENDS).lower()


def dish(rng: random.Random, held: bool, language: str) -> str:
    """A dish: how it is made or where it comes from, of what, and what it is."""
    gap = "" if language == "zh" else " "

    def make(rng: random.Random) -> str:
        return gap.join(rng.choice(every(key, language)) for key in ("manner", "food", "plate"))

    if rng.random() < 0.3:
        return names.city(rng, held, language).rstrip("市县镇") + gap + rng.choice(every("plate", language))
    return names.pick(rng, held, make)


def techniques(rng: random.Random, held: bool, language: str) -> str:
    """A list of two to four techniques, known ones and composed ones."""
    things: dict[str, None] = {}
    wanted = rng.choice((2, 3, 3, 4))
    while len(things) < wanted:
        known = rng.random() < 0.6
        one = rng.choice(halves("technique", held, language)) if known else technique(rng, held, language)
        if language == "zh" and one.isascii() is False and rng.random() < SUFFIXED_SHARE:
            one += rng.choice(("技术", "机制", "架构", "算法", "方法"))
        things[one] = None
    return join(rng, list(things), language)


def technique(rng: random.Random, held: bool, language: str) -> str:
    """A composed technique."""
    return pair("technique_a", "technique_b", rng, held, language)


def pair(first: str, second: str, rng: random.Random, held: bool, language: str) -> str:
    """Something from each of two lists; the whole is what is held out."""
    gap = " " if language == "en" else ""
    return names.pick(
        rng, held, lambda rng: rng.choice(every(first, language)) + gap + rng.choice(every(second, language))
    )


def join(rng: random.Random, things: list[str], language: str) -> str:
    """Things in a row: A, B and C."""
    *most, last = things
    if language == "zh":
        return "、".join(most) + rng.choice(("和", "和", "以及", "与", "、")) + last
    comma = "," if len(most) > 1 and rng.random() < 0.3 else ""
    return ", ".join(most) + f"{comma} and {last}"


def billions(low: float, high: float, rng: random.Random, held: bool, language: str) -> str:
    """A number of parameters or tokens: 671B, 67.1亿."""

    def make(rng: random.Random) -> str:
        number = low * (high / low) ** rng.random()
        return f"{number:.0f}" if number >= 20 else f"{number:.1f}".removesuffix(".0")

    number = names.pick(rng, held, make)
    if language == "zh" and rng.random() < 0.5:
        return f"{float(number) * 10:g}亿"
    return number + rng.choice(("B", "B", " billion") if language == "en" else ("B",))


def tokens(rng: random.Random, held: bool, language: str) -> str:
    """A size of a training set."""
    if rng.random() < 0.3:
        return billions(10, 900, rng, held, language)
    number = names.pick(rng, held, lambda rng: f"{rng.uniform(1, 40):.1f}".removesuffix(".0"))
    return number + rng.choice(("T", " trillion") if language == "en" else ("T", "万亿"))


def context(rng: random.Random, held: bool, language: str) -> str:
    """A context length: 128K, 4096."""
    if rng.random() < 0.3:
        return names.pick(rng, held, lambda rng: str(rng.choice((512, 256, 1000)) * rng.randint(1, 64)))
    return names.pick(rng, held, lambda rng: f"{rng.choice((4, 8, 16, 32, 48, 64, 96, 100, 128, 160, 200, 256, 512))}K")


def version(rng: random.Random, held: bool, language: str) -> str:
    """A version number: 3.12.1."""
    return names.pick(rng, held, lambda rng: ".".join(str(rng.randint(0, 24)) for _ in range(rng.choice((2, 3, 3)))))


def filename(rng: random.Random, held: bool, language: str) -> str:
    """A file's name: config.toml."""
    stem = names.invented(rng, held, names.BRAND_ENDS).lower() if rng.random() < 0.4 else rng.choice(STEMS.split())
    return names.pick(
        rng,
        held,
        lambda rng: stem + rng.choice("-_. ").strip() + rng.choice(STEMS.split()) + rng.choice(EXTENSIONS.split()),
    )


def command(rng: random.Random, held: bool, language: str) -> str:
    """A command: pip install brelo, brelo serve --fast."""
    name = names.invented(rng, held, names.BRAND_ENDS).lower()
    if rng.random() < 0.4:
        return f"{rng.choice(INSTALLERS)} {name}"
    option = f" --{rng.choice(STEMS.split())}" if rng.random() < 0.5 else ""
    return f"{name} {rng.choice(VERBS.split())}{option}"


def meeting(rng: random.Random, held: bool, language: str) -> str:
    """A meeting, a course or a tour, by its subject."""
    if language == "zh":
        return choose_pair(rng, held, every("plan_b", "zh"), MEETINGS_ZH.split(" "), "")
    subjects = [subject.removeprefix("the ") for subject in every("plan_b", "en")]
    return f"the {choose_pair(rng, held, subjects, MEETINGS.split(' '), ' ')}"


def room(rng: random.Random, held: bool, language: str) -> str:
    """A room: Room 214, the Marolen Hall."""
    number = names.pick(rng, held, lambda rng: str(rng.randint(2, 999)))
    if language == "zh":
        return (
            number + rng.choice(("教室", "室", "会议室"))
            if rng.random() < 0.6
            else rng.choice(names.PLACE_HEADS) + rng.choice(names.PLACE_HEADS) + rng.choice(("厅", "楼", "礼堂"))
        )
    if rng.random() < 0.6:
        return f"{rng.choice(('Room', 'Hall', 'Studio', 'Lab'))} {number}"
    return f"the {names.invented(rng, held, names.PLACE_ENDS)} {rng.choice(('Hall', 'Room', 'Annex'))}"


def choose_pair(rng: random.Random, held: bool, first: list[str], second: list[str], gap: str) -> str:
    """A word of each list; the whole is what is held out."""
    return names.pick(rng, held, lambda rng: rng.choice(first) + gap + rng.choice(second))


def percent(rng: random.Random, held: bool, language: str) -> str:
    """A share: 57.6 %."""
    number = names.pick(rng, held, lambda rng: f"{rng.uniform(2, 99):.1f}".removesuffix(".0"))
    return number + (rng.choice(("%", "%", " %", " percent")) if language == "en" else "%")


def acronym(rng: random.Random, held: bool, language: str) -> str:
    """A technique's short name: QLSA, Brelom-Attention."""
    if rng.random() < 0.7:
        return names.pick(rng, held, lambda rng: "".join(rng.choices("ABCDEFGHKLMNPQRSTVX", k=rng.choice((3, 3, 4)))))
    return names.invented(rng, held, names.BRAND_ENDS) + rng.choice(("", "-Attention", "Router", "-Cache", "Norm"))


def ruler(rng: random.Random, held: bool, language: str) -> str:
    """A king or queen of long ago."""
    if language == "zh":
        return names.pick(rng, held, lambda rng: rng.choice(TITLES_ZH) + rng.choice(names.GIVEN)) + rng.choice(
            "王帝宗祖"
        )
    name = names.invented(rng, held, names.PERSON_ENDS)
    return f"{rng.choice(('King', 'Queen', 'Emperor', 'Duke', 'Prince'))} {name}" + rng.choice(
        ("", " I", " II", " III", " IV")
    )


def band(rng: random.Random, held: bool, language: str) -> str:
    """A music group."""
    gap = " " if language == "en" else ""
    name = names.pick(
        rng, held, lambda rng: rng.choice(every("mood", language)) + gap + rng.choice(every("motif", language))
    )
    if language == "zh":
        return name + rng.choice(("乐队", "乐队", "合唱团"))
    return rng.choice(
        (f"the {name.title()} Band", f"{name.title()} Project", f"the {names.invented(rng, held, names.BRAND_ENDS)}s")
    )


def train(rng: random.Random, held: bool, language: str) -> str:
    """A train: IC 214, the Marolen Express, G1023次列车."""
    if rng.random() < 0.3:
        word = (
            names.invented(rng, held, names.PLACE_ENDS)
            if language == "en"
            else names.city(rng, held, "zh").rstrip("市县镇")
        )
        return f"the {word} Express" if language == "en" else f"{word}号"
    number = names.pick(rng, held, lambda rng: str(rng.randint(11, 9999)))
    return (
        f"{rng.choice(('IC', 'train', 'EC', 'RE'))} {number}"
        if language == "en"
        else f"{rng.choice('GDKTZ')}{number}次列车"
    )


def clock(rng: random.Random, held: bool, language: str) -> str:
    """A time of day."""
    hour, minute = rng.randint(1, 12), rng.randint(0, 59)
    if language == "zh":
        return (
            f"{rng.choice(('上午', '下午'))}{hour}点" + (f"{minute}分" if minute > 9 else "")
            if rng.random() < 0.5
            else f"{hour}:{minute:02d}"
        )
    return f"{hour}:{minute:02d}" + rng.choice(("", "", " a.m.", " p.m."))
