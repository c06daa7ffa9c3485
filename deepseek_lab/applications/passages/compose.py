"""A passage: things of one or more kinds, facts about them, and the text that states them, with each fact's place."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from deepseek_lab.applications.passages.asides import ASIDES
from deepseek_lab.applications.passages.base import Form, Kind, Texts
from deepseek_lab.applications.passages.values import maker

ENTITIES = {1: 0.25, 2: 0.4, 3: 0.25, 4: 0.1}
FORMS = {"prose": 0.76, "interleaved": 0.08, "list": 0.05, "readme": 0.05, "dialogue": 0.06}
SAME_KIND_SHARE = 0.65  # of further things are of the first one's kind
PRONOUN_SHARE, FILLER_SHARE = 0.6, 0.25
JOINED_SHARE = 0.25  # of sentences that can go on in the last one do
PLAIN_SHARE = 0.2  # of sentences are "the length of it is ..."
LINKED_SHARE = 0.7  # of people beside a thing belong to it
ASIDE_SHARE = 0.2  # of passages have a sentence about something else
LISTED_SHARE = 0.2  # of things in a README have their facts in a list
TRIES = 6
PRONOUNS = {
    "she": ("she", "her", "her"),
    "he": ("he", "his", "him"),
    "it": ("it", "its", "it"),
    "they": ("they", "their", "them"),
}
REPLIES = {
    "en": ("Really?", "I didn't know that.", "Interesting.", "Go on.", "Are you sure?", "Tell me more.", "I see."),
    "zh": ("真的吗？", "这我倒不知道。", "有意思。", "你确定吗？", "然后呢？", "原来如此。", "再说说。"),
}
SPEAKERS = {
    "en": ("Ann", "Ben", "Mia", "Tom", "Guide", "Visitor", "Host", "Guest", "Q", "A"),
    "zh": ("小李", "小王", "老师", "学生", "记者", "导游", "甲", "乙"),
}


@dataclass(slots=True, eq=False)
class Entity:
    """One thing: its name, the values of its relations, and the spans at which the text states them."""

    kind: Kind
    name: str
    pronoun: str  # "she" or "he", for kinds that go by either
    draw: Callable[[str], str] | None  # a value for a spec; `None` for real things, of which all is known
    values: dict[str, str] = field(default_factory=dict)
    stated: dict[str, int] = field(default_factory=dict)  # relation: where its value starts
    named: dict[str, int] = field(default_factory=dict)  # relation: where the name stands that goes with it
    mention: int = -1  # where the name stands last

    def has(self, relation: str) -> bool:
        """Whether there is something to say about a relation."""
        return relation in self.values or (self.draw is not None and relation in self.kind.values)

    def value(self, relation: str) -> str:
        """What is to be said about a relation: drawn when it is first needed."""
        if relation not in self.values:
            self.values[relation] = self.draw(self.kind.values[relation])
        return self.values[relation]


@dataclass(slots=True, eq=False)
class Passage:
    """A text and what it says."""

    text: str
    entities: list[Entity]
    language: str


class Writer:
    """Puts a text together and notes where facts and names stand in it."""

    def __init__(self, language: str, rng: random.Random) -> None:
        self.language, self.rng = language, rng
        self.pieces: list[str] = []
        self.length = 0
        self.last: Entity | None = None  # what the last sentence was about

    def put(self, piece: str) -> None:
        """Add to the text."""
        self.pieces.append(piece)
        self.length += len(piece)

    def text(self) -> str:
        """What was written, without blanks at its end."""
        return "".join(self.pieces).rstrip()

    def say(self, form: Form, entity: Entity, joined: bool = False) -> None:
        """A sentence about a thing, by its name or, right after another about it, by what stands for it."""
        by_name = form.by_name or self.last is not entity or self.rng.random() > PRONOUN_SHARE
        subject, possessive, target = self.names(entity, by_name and not joined)
        if joined and self.language == "zh":  # a Chinese clause that goes on needs no subject
            subject = "其" if form.texts[1].startswith("的") else ""
            form = replace(form, texts=("", form.texts[1].removeprefix("的"), *form.texts[2:]))
        begins = len(self.pieces)
        self.put(form.texts[0])
        places = {}
        for slot, text in zip(form.slots, form.texts[1:], strict=True):
            if slot[0] == "$":
                if by_name and not joined:
                    entity.mention = self.length
                self.put({"$s": subject, "$p": possessive, "$o": target}[slot])
            else:
                value = entity.value(slot)
                if self.pieces[-1].endswith((" a ", "A ")) and value[0] in "aeiouAEIO":
                    self.pieces[-1] = self.pieces[-1][:-1] + "n "
                    self.length += 1
                places[slot] = self.length
                self.put(value)
            self.put(text[1:] if text.startswith(".") and self.pieces[-1].endswith(".") else text)
        for slot, place in places.items():
            entity.stated[slot], entity.named[slot] = place, entity.mention
        if self.language == "en" and not joined:
            self.capitalise(begins)
        self.last = entity

    def reopen(self, form: Form, entity: Entity) -> bool:
        """Turn the end of the last sentence into a comma, if the next one, about the same thing, can go on from it."""
        if self.last is not entity or form.by_name or form.texts[0] or form.slots[0] not in ("$s", "$p"):
            return False
        if self.language == "zh":
            if form.slots[0] != "$s" or not self.pieces[-2].endswith("。"):
                return False
            self.pieces[-2] = self.pieces[-2][:-1] + "，"
            return True
        if not self.pieces[-2].endswith("."):
            return False
        self.pieces[-2:] = self.pieces[-2][:-1], self.rng.choice((", and ", ", and ", "; "))
        self.length = sum(map(len, self.pieces))
        return True

    def capitalise(self, begins: int) -> None:
        """Start the sentence that begins at a piece with a capital."""
        while not self.pieces[begins]:
            begins += 1
        piece = self.pieces[begins]
        self.pieces[begins] = piece[0].upper() + piece[1:]

    def names(self, entity: Entity, by_name: bool) -> tuple[str, str, str]:
        """Subject, possessive and object."""
        if self.language == "zh":
            they = entity.name if by_name else self.rng.choice(entity.kind.texts["zh"].they)
            they = {"她/他": "她" if entity.pronoun == "she" else "他"}.get(they, they)
            return they, f"{they}的", they
        if by_name:
            return entity.name, possessive(entity.name), entity.name
        they = self.rng.choice(entity.kind.texts["en"].they)
        they = entity.pronoun if they == "she/he" else they
        return PRONOUNS.get(they) or (they, possessive(they), they)


def possessive(name: str) -> str:
    """The English genitive."""
    return f"{name}'" if name.endswith("s") else f"{name}'s"


def compose(
    rng: random.Random, kinds: list[Kind], language: str, held_names: bool, held_wordings: bool, entities: int | None
) -> Passage:
    """A passage about some things. Raises nothing: where drawn facts clash, it draws again."""
    count = rng.choices(list(ENTITIES), list(ENTITIES.values()))[0]
    things = draw_entities(rng, kinds, language, held_names, min(count, entities or count))
    writer = Writer(language, rng)
    form = rng.choices(list(FORMS), list(FORMS.values()))[0]
    if form == "list" and not held_wordings:  # labels are no sentences
        for thing in things:
            write_list(writer, thing, heading=True)
    else:
        write_sentences(writer, things, held_wordings, form)
    return Passage(writer.text(), things, language)


def draw_entities(rng: random.Random, kinds: list[Kind], language: str, held: bool, count: int) -> list[Entity]:
    """Things with different names and different values. At times a person among them is a value of the first."""
    first = rng.choice(kinds)
    things: list[Entity] = []
    taken: set[str] = set()
    while len(things) < count:
        kind = first if not things or rng.random() < SAME_KIND_SHARE else rng.choice(kinds)
        thing = draw_entity(rng, kind, language, held, taken)
        if kind.names == "person" and things and rng.random() < LINKED_SHARE:
            link(rng, things[0], thing)
        if not any(clash(thing, other) for other in things):
            things.append(thing)
    return things


def link(rng: random.Random, thing: Entity, person: Entity) -> None:
    """Make a person somebody who belongs to a thing: its founder, its author, ..."""
    keys = [key for key, spec in thing.kind.values.items() if spec == "person" and thing.draw is not None]
    if keys and thing.kind is not person.kind:
        thing.values[rng.choice(keys)] = person.name


def draw_entity(rng: random.Random, kind: Kind, language: str, held: bool, taken: set[str]) -> Entity:
    """A thing of a kind, real or invented. No value that is drawn for it is one of those `taken`, if that can be."""
    pronoun = rng.choice(("she", "he"))
    if not held and rng.random() < kind.known_share:
        values = {key: pair[language == "zh"] for key, pair in rng.choice(kind.known).items()}
        for key, value in values.items():
            if value.startswith("="):
                values[key] = maker(value[1:])(rng, held, language)
        return Entity(kind, values.pop("name"), pronoun, None, values)
    if kind.names == "person" and language == "en":
        name = maker("person")(rng, held, "en", "f" if pronoun == "she" else "m")
    else:
        name = maker(kind.names)(rng, held, language)

    def draw(spec: str) -> str:
        make = maker(spec)
        for _ in range(TRIES):
            value = make(rng, held, language)
            if value not in taken:
                break
        taken.add(value)
        return value

    return Entity(kind, name, pronoun, draw)


def clash(one: Entity, other: Entity) -> bool:
    """Whether two things can't be in one passage: one's name is in the other's, or both are real and share values."""
    if one.name.casefold() in other.name.casefold() or other.name.casefold() in one.name.casefold():
        return True
    return one.draw is None and other.draw is None and one.kind is not other.kind


def choose_forms(rng: random.Random, thing: Entity, texts: Texts, held: bool) -> list[Form]:
    """One to three sentences that state different facts."""
    wordings, chosen, said = texts.sentences.of(held), [], set()
    wanted = rng.choice((1, 1, 2, 2, 3))
    for _ in range(3 * wanted):
        plain = texts.plain and not held and rng.random() < PLAIN_SHARE
        form = rng.choice(rng.choice(texts.plain if plain else wordings).forms)
        if all(map(thing.has, form.relations)) and not form.relations & said:
            chosen.append(form)
            said |= form.relations
            if len(chosen) == wanted:
                break
    return chosen


def write_sentences(writer: Writer, things: list[Entity], held: bool, style: str) -> None:
    """Sentences, thing by thing or interleaved, plainly, as a dialogue, or as a README with headings and lists."""
    rng, turns = writer.rng, []
    for thing in things:
        texts = thing.kind.texts[writer.language]
        forms = choose_forms(rng, thing, texts, held)
        if thing.draw is not None and rng.random() < FILLER_SHARE:
            forms.insert(rng.randint(0, len(forms)), rng.choice(rng.choice(texts.fillers).forms))
        turns += [(form, thing) for form in forms]
    if rng.random() < ASIDE_SHARE:
        turns.insert(rng.randint(0, len(turns)), (rng.choice(ASIDES[writer.language]), None))
    if style == "interleaved":
        rng.shuffle(turns)
    speakers = rng.sample(SPEAKERS[writer.language], 2)
    gap = " " if writer.language == "en" else ""
    for number, (form, thing) in enumerate(turns):
        if style == "dialogue":
            writer.put(f"{speakers[number % 2]}{': ' if gap else '：'}")
        if thing is None:
            writer.put(form + ("\n" if style == "dialogue" else gap))
            writer.last = None
            continue
        if style == "readme" and thing is not writer.last:
            writer.put("\n" * bool(number) + f"{'#' * rng.randint(1, 3)} ")
            thing.mention = writer.length
            writer.put(f"{thing.name}\n\n")
            if rng.random() < LISTED_SHARE:
                write_list(writer, thing, heading=False)
        if style == "readme" and thing.stated.keys() & form.relations:
            continue
        joined = style in ("prose", "interleaved") and rng.random() < JOINED_SHARE and writer.reopen(form, thing)
        writer.say(form, thing, joined)
        reply = style == "dialogue" and rng.random() < 0.3
        writer.put(
            (gap + rng.choice(REPLIES[writer.language]) if reply else "") + ("\n" if style == "dialogue" else gap)
        )


def write_list(writer: Writer, thing: Entity, heading: bool) -> None:
    """Facts as a list: a label and a value a line, or all in a line."""
    rng, chinese = writer.rng, writer.language == "zh"
    relations = thing.kind.texts[writer.language].relations
    asked = [key for key in relations if thing.has(key)]
    rng.shuffle(asked)
    between, bullet = rng.choice((("\n", ""), ("\n", "- "), ("\n", "* "), ("；" if chinese else "; ", "")))
    if heading:
        thing.mention = writer.length
        writer.put(thing.name + ("：" if chinese else ":") * (between != "\n" or rng.random() < 0.5))
        writer.put("\n" if between == "\n" else " " * (not chinese))
    for number, key in enumerate(asked[: rng.randint(2, 5)]):
        writer.put((between if number else "") + bullet + rng.choice(relations[key].labels))
        writer.put("：" if chinese else ": ")
        thing.stated[key], thing.named[key] = writer.length, thing.mention
        writer.put(thing.value(key))
    writer.put("\n" if between == "\n" else ("。" if chinese else ". "))
    writer.last = None
