"""What may stand in a fact: years, numbers with units, names, things from lists, reasons; from a short spec.

| spec | makes |
|---|---|
| `year 1850 2020`, `date 1900 2020`, `month`, `weekday`, `hours` | 1987; 12 March 1987; March; Friday; 9:00 to 17:30 |
| `number 10 900 m,metres / 米` | a whole number and a unit; also `decimal`, `large` (millions), `money` |
| `person`, `city`, `company`, `brand`, `title`, `place`, ... | a name (`names.py`, and `NAMES` below) |
| `pick trade` | one of a list in `words.py`; `list trade` two to four of them; `pair a b` one of each, joined |
"""

import random
from collections.abc import Callable
from functools import cache, partial

from deepseek_lab.applications.passages import compound, names
from deepseek_lab.applications.passages.words import MONTHS, WEEKDAYS, every, halves

SPELLED_SHARE = {"en": 0.35, "zh": 0.15}  # of small numbers are written in words
NUMERALS = "零一二三四五六七八九"
NUMERALS_EN = names.cut("zero one two three four five six seven eight nine ten eleven twelve")
Maker = Callable[[random.Random, bool, str], str]  # of a generator, whether held out, and the language


@cache
def maker(spec: str) -> Maker:
    """A function that draws values. Raises `ValueError` for a spec that isn't one."""
    word, _, rest = spec.partition(" ")
    if word in NAMES:
        return NAMES[word]
    if word in ("number", "decimal", "large"):
        low, high, *units = rest.split(" ", 2)
        english, _, chinese = (units or [""])[0].partition(" / ")
        return partial(NUMBERS[word], float(low), float(high), units=_units(english, chinese))
    if word in ("year", "date", "money"):
        low, high = map(int, rest.split())
        return partial(NUMBERS[word], low, high)
    if word == "pick":
        return partial(_pick, rest)
    if word == "list":
        return partial(_list, rest)
    if word == "pair":
        return partial(compound.pair, *rest.split())
    raise ValueError(f"can't read the spec {spec!r}")


def _units(english: str, chinese: str) -> dict[str, list[str]]:
    """The spellings of a unit in each language; English ones stand off, unless they start with "_"."""
    spelled = [f" {unit.strip()}" if unit.strip() else "" for unit in english.split(",")]
    return {
        "en": [unit.replace(" _", "") for unit in spelled],
        "zh": [unit.strip() for unit in chinese.split(",")],
    }


def _whole(rng: random.Random, held: bool, low: float, high: float) -> int:
    """A whole number, round at times; held out by its own hash where there are enough of them."""
    while True:
        even = high <= 50 * low  # else small numbers are as frequent as large ones
        number = rng.randint(int(low), int(high)) if even else int(low * (high / low) ** rng.random())
        if number > 2000 and rng.random() < 0.6:
            number -= number % 10 ** (len(str(number)) - 2)
        if high - low < 20 or names.is_held_out(str(number)) == held:
            return number


def _year(low: int, high: int, rng: random.Random, held: bool, language: str) -> str:
    year = names.pick(rng, held, lambda rng: str(rng.randint(low, high)))
    return year if language == "en" else year + rng.choice(("年", "年", "年", "年", " 年"))


def _date(low: int, high: int, rng: random.Random, held: bool, language: str) -> str:
    year = names.pick(rng, held, lambda rng: str(rng.randint(low, high)))
    month, day = rng.randint(1, 12), rng.randint(1, 28)
    if language == "zh":
        return f"{year}年{month}月{day}日" if rng.random() < 0.8 else f"{year}年{month}月"
    name = MONTHS[month - 1]
    return rng.choice((f"{day} {name} {year}", f"{name} {day}, {year}"))


def _number(low: float, high: float, rng: random.Random, held: bool, language: str, *, units: dict) -> str:
    number, unit = _whole(rng, held, low, high), rng.choice(units[language])
    if number < 100 and rng.random() < SPELLED_SHARE[language]:
        spelled = spell(number, language)
        if spelled:
            return spelled + unit
    if language == "zh":
        if unit and number >= 20000 and number % 1000 == 0 and rng.random() < 0.6:
            return f"{number / 10000:g}万{unit}"
        return (f"{number} " if rng.random() < 0.1 and unit else f"{number}") + unit
    return (f"{number:,}" if number > 9999 or rng.random() < 0.6 else f"{number}") + unit


def spell(number: int, language: str) -> str:
    """A number below 100 in words; in English only up to twelve, else nothing."""
    if language == "en":
        return NUMERALS_EN[number] if number < len(NUMERALS_EN) else ""
    tens, ones = divmod(number, 10)
    if number == 2:
        return "两"
    return ("" if tens == 0 else "十" if tens == 1 else f"{NUMERALS[tens]}十") + (NUMERALS[ones] if ones else "")


def _decimal(low: float, high: float, rng: random.Random, held: bool, language: str, *, units: dict) -> str:
    number = names.pick(rng, held, lambda rng: f"{rng.uniform(low, high):.{rng.choice((1, 1, 2))}f}")
    return number + rng.choice(units[language])


def _large(low: float, high: float, rng: random.Random, held: bool, language: str, *, units: dict) -> str:
    """Millions: 3.5 million, 350万."""
    number = names.pick(rng, held, lambda rng: f"{rng.uniform(low, high):.1f}".removesuffix(".0"))
    unit = rng.choice(units[language])
    if language == "zh":
        tens = float(number) * 100
        return (f"{tens:.0f}万" if tens < 10000 else f"{tens / 10000:g}亿") + unit
    return f"{number} million{unit}"


def _money(low: int, high: int, rng: random.Random, held: bool, language: str) -> str:
    number = _whole(rng, held, low, high)
    if language == "zh":
        return f"{number}{rng.choice(('元', '元', '美元', '欧元'))}"
    return rng.choice((f"${number:,}", f"{number:,} euros", f"{number:,} dollars", f"£{number:,}", f"€{number:,}"))


def _pick(words: str, rng: random.Random, held: bool, language: str) -> str:
    return rng.choice(halves(words, held, language))


def _list(words: str, rng: random.Random, held: bool, language: str) -> str:
    """Two to four things in a row."""
    return compound.join(rng, rng.sample(halves(words, held, language), rng.choice((2, 3, 3, 4))), language)


def _month(rng: random.Random, held: bool, language: str) -> str:
    number = rng.randrange(12)
    return MONTHS[number] if language == "en" else f"{number + 1}月"


def _weekday(rng: random.Random, held: bool, language: str) -> str:
    number = rng.randrange(7)
    return WEEKDAYS[number] if language == "en" else rng.choice(("周", "星期")) + "一二三四五六日"[number]


def _hours(rng: random.Random, held: bool, language: str) -> str:
    """Opening hours."""
    opens, closes = rng.randint(6, 11), rng.randint(15, 23)
    half, late = rng.choice(("00", "30", "00", "15")), rng.choice(("00", "30", "00", "45"))
    if language == "zh":
        if rng.random() < 0.5:
            return f"上午{opens}点到{'下午' if closes < 19 else '晚上'}{closes - 12}点"
        return f"{opens}:{half}{rng.choice('至到-')}{closes}:{late}"
    if rng.random() < 0.4:
        return f"{opens} a.m. to {closes - 12} p.m."
    return f"{opens}:{half} {rng.choice(('to', '–'))} {closes}:{late}"


def _title(rng: random.Random, held: bool, language: str) -> str:
    """The title of a book, film or song."""
    if language == "zh":
        inside = names.pick(rng, held, lambda rng: rng.choice(every("mood", "zh")) + rng.choice(every("motif", "zh")))
        return f"《{inside}》"

    def two(rng: random.Random) -> str:
        return f"{rng.choice(every('mood', 'en'))} {rng.choice(every('motif', 'en'))}".title()

    name = names.pick(rng, held, two)
    return rng.choice(("The ", "The ", "", "A ")) + name


def _place(ends: dict[str, str]) -> Maker:
    """Names of rivers, mountains, ...: an invented word and what it is."""

    def make(rng: random.Random, held: bool, language: str) -> str:
        if language == "zh":
            heads = names.PLACE_HEADS
            name = names.pick(rng, held, lambda rng: "".join(rng.choices(heads, k=rng.choice((2, 2, 2, 3)))))
            return name + rng.choice(ends["zh"].split())
        name = names.invented(rng, held, names.PLACE_ENDS)
        return rng.choice(ends["en"].split("|")).replace("*", name)

    return make


NUMBERS = {"number": _number, "decimal": _decimal, "large": _large, "year": _year, "date": _date, "money": _money}
NAMES: dict[str, Maker] = {
    "person": names.person,
    "city": names.city,
    "company": names.company,
    "brand": names.brand,
    "title": _title,
    "month": _month,
    "weekday": _weekday,
    "hours": _hours,
    "river": _place({"en": "the *|the River *|the * River", "zh": "江 河 溪"}),
    "mountain": _place({"en": "Mount *|* Peak|Mount *|*horn", "zh": "山 峰 岭"}),
    "lake": _place({"en": "Lake *|Lake *|* Lake|the * Reservoir", "zh": "湖 水库 潭 泊"}),
    "island": _place({"en": "* Island|the Isle of *|*", "zh": "岛 屿"}),
    "school": _place(
        {"en": "the University of *|* University|* College|the * Institute", "zh": "大学 学院 师范大学 理工大学"}
    ),
    "bridge": _place(
        {"en": "the * Bridge|* Tower|the * Tunnel|* Castle|* Cathedral", "zh": "大桥 塔 大厦 体育馆 古城"}
    ),
    "museum": _place({"en": "the * Museum|the * Gallery|* Library", "zh": "博物馆 美术馆 图书馆"}),
    "team": _place({"en": "* United|the * Tigers|* FC|the * Bears|* Rovers", "zh": "雄鹰队 猛虎队 飞龙队 联队 勇士队"}),
    "species": compound.species,
    "substance": compound.substance,
    "dish": compound.dish,
    "techniques": compound.techniques,
    "technique": compound.technique,
    "ruler": compound.ruler,
    "band": compound.band,
    "train": compound.train,
    "clock": compound.clock,
    "version": compound.version,
    "filename": compound.filename,
    "command": compound.command,
    "meeting": compound.meeting,
    "room": compound.room,
    "percent": compound.percent,
    "acronym": compound.acronym,
    "tokens": compound.tokens,
    "context": compound.context,
    "parameters": partial(compound.billions, 0.5, 1900),
    "parameters_small": partial(compound.billions, 0.2, 60),
    "race": _place(
        {"en": "the * Cup|the * Marathon|the * Open|the * Prize|the * Festival", "zh": "马拉松 杯 公开赛 艺术节 电影节"}
    ),
    "street": _place({"en": "* Street|* Road|* Avenue|* Lane", "zh": "路 街 大道 巷"}),
    "shop": _place({"en": "Café *|the * Bakery|* Books|the * Market|* Pharmacy", "zh": "书店 咖啡馆 面包房 药店 超市"}),
}
