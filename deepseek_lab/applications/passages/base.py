"""What a kind of thing is (a company, a river, ...), and the notation that its sentences and questions are written in.

A kind's text in one language is read line by line:

    they: it, the company            what stands for the name later on ("he/she" goes by the entity)
    - $s was founded in <founded>.   a sentence; `-*` is held out; `~` says nothing that is asked for
    founded = Founded, +Year         a relation and its labels in lists; nouns (+) make sentences too
    ? When was $s founded?           a question for it; `?*` is held out
    < What was founded in $v?        the inverse: the answer is the name; `<*` is held out

`$s` stands for the name (or for what stands for it), `$p` for its possessive, `$o` for its object form, `$v` for the
value, `<founded>` for the value of a relation, and `{set up|founded}` for either of the two.
"""

import re
from dataclasses import dataclass, field

ALTERNATIVES = re.compile(r"\{([^{}]*)\}")
SLOT = re.compile(r"\$([spov])|<(\w+)>")
LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Example:
    """One question about one passage. Where the passage doesn't say, `answers` is empty and `start` is -1."""

    context: str
    question: str
    answers: tuple[str, ...]  # all that are accepted; the first is context[start : start + len]
    start: int  # in characters
    language: str  # "en" or "zh"
    topic: str
    split: str
    template: str  # the question's wording: the same one in all its spellings


@dataclass(frozen=True, slots=True)
class Form:
    """One spelling of a wording: text and slots by turns, starting and ending with text."""

    texts: tuple[str, ...]
    slots: tuple[str, ...]  # "$s", "$p", "$o", "$v", or the name of a relation
    relations: frozenset[str]
    by_name: bool  # a pronoun would be wrong: "the length of it"

    def fill(self, **values: str) -> str:
        """The text with a value for each slot: s, p, o, v."""
        filled = [self.texts[0]]
        for slot, text in zip(self.slots, self.texts[1:], strict=True):
            filled += (values[slot[1:]], text)
        return "".join(filled)


@dataclass(frozen=True, slots=True)
class Wording:
    """A sentence or question in all its spellings."""

    name: str
    forms: tuple[Form, ...]


@dataclass(slots=True)
class Wordings:
    """Those that are trained on, and those that aren't."""

    train: list[Wording] = field(default_factory=list)
    held: list[Wording] = field(default_factory=list)

    def of(self, held: bool) -> list[Wording]:
        """Either of the two."""
        return self.held if held else self.train


@dataclass(slots=True)
class Relation:
    """What can be asked about a kind in one language."""

    labels: list[str]
    nouns: list[str] = field(default_factory=list)  # those of them that sentences can be made with
    questions: Wordings = field(default_factory=Wordings)
    inverse: Wordings = field(default_factory=Wordings)


@dataclass(slots=True)
class Texts:
    """A kind in one language."""

    they: list[str] = field(default_factory=list)
    sentences: Wordings = field(default_factory=Wordings)
    plain: list[Wording] = field(default_factory=list)  # sentences made with nouns, for training only
    fillers: list[Wording] = field(default_factory=list)
    relations: dict[str, Relation] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """A kind of thing: how it is named, what is known of it, and how that is said in each language.

    `names` and the `values` are specs for `values.maker`. `known` are real ones: a name (the same in both languages,
    or one for each) with the values that are stated of it, in English and Chinese; what isn't there is never stated.
    """

    name: str
    topic: str
    names: str
    values: dict[str, str]
    texts: dict[str, Texts]
    known: tuple[dict[str, tuple[str, str]], ...] = ()
    known_share: float = 0.0  # of these things in training passages are known ones


def kind(name: str, topic: str, names: str, values: dict[str, str], en: str, zh: str, **options) -> Kind:
    """A kind, read from the notation. Raises `ValueError` where a text names a relation that has no values."""
    texts = {"en": parse(en, f"{name}.en", values), "zh": parse(zh, f"{name}.zh", values)}
    return Kind(name, topic, names, values, texts, **options)


def parse(notation: str, name: str, values: dict[str, str]) -> Texts:
    """One language's text of a kind. Raises `ValueError` with the line that can't be read."""
    texts, relation = Texts(), None
    for number, line in enumerate(filter(None, map(str.strip, notation.strip().splitlines()))):
        mark, _, rest = line.partition(" ")
        held = mark.endswith("*")
        if mark == "they:":
            texts.they = [part.strip() for part in rest.split(",")]
        elif mark in ("-", "-*"):
            texts.sentences.of(held).append(wording(f"{name}.{number}", rest, values))
        elif mark == "~":
            texts.fillers.append(wording(f"{name}.{number}", rest, values))
        elif mark in ("?", "?*", "<", "<*"):
            if relation is None:
                raise ValueError(f"{name}: a question before any relation: {line}")
            asked = relation.questions if mark[0] == "?" else relation.inverse
            asked.of(held).append(wording(f"{name}.{number}", rest, values))
        elif rest.startswith("= ") and mark in values:
            labels = [part.strip() for part in rest[2:].split(",")]
            relation = texts.relations[mark] = Relation([label.removeprefix("+") for label in labels])
            relation.nouns = [label[1:] for label in labels if label[0] == "+"]
        else:
            raise ValueError(f"{name}: can't read the line {line!r}")
    texts.plain = plain_sentences(texts, name, values)
    return texts


def plain_sentences(texts: Texts, name: str, values: dict[str, str]) -> list[Wording]:
    """Plain sentences made with the relations' nouns: one noun a sentence, or one and the next relation's."""
    one, two = ("$s的{%s}{是|为}<%s>。", "$s的{%s}{是|为}<%s>，{%s}{是|为}<%s>。")
    if name.endswith("en"):
        one, two = "{The {%s} of $s|$p {%s}} is <%s>.", "The {%s} of $s is <%s>, and the {%s} is <%s>."
    named = [(key, "|".join(map(lowered, found.nouns))) for key, found in texts.relations.items() if found.nouns]
    made = []
    for (key, nouns), (other, others) in zip(named, named[1:] + named[:1], strict=True):
        filled = one % ((nouns, nouns, key) if name.endswith("en") else (nouns, key))
        both = two % (nouns, key, others, other)
        made += [wording(f"{name}.{key}", filled, values)]
        made += [wording(f"{name}.{key}.{other}", both, values)] * (key != other)
    return made


def lowered(label: str) -> str:
    """A label as it stands within a sentence."""
    return label[0].lower() + label[1:]


def wording(name: str, text: str, values: dict[str, str]) -> Wording:
    """A wording with all of its spellings. Raises `ValueError` for a slot that isn't one."""
    forms = []
    for spelling in spellings(text):
        pieces = SLOT.split(spelling)  # text, short slot, relation, text, ...
        slots = tuple(f"${short}" if short else long for short, long in zip(pieces[1::3], pieces[2::3], strict=True))
        relations = frozenset(slot for slot in slots if slot[0] != "$")
        if not relations <= set(values):
            raise ValueError(f"{name}: there are no values for {sorted(relations - set(values))}: {text}")
        by_name = any(slot == "$s" and text.endswith(" of ") for text, slot in zip(pieces[::3], slots, strict=False))
        forms.append(Form(tuple(pieces[::3]), slots, relations, by_name))
    return Wording(name, tuple(forms))


def spellings(text: str) -> list[str]:
    """All the sentences that a wording stands for; alternatives may hold alternatives."""
    found = ALTERNATIVES.search(text)  # an innermost one
    if found is None:
        return [text]
    before, after = text[: found.start()], text[found.end() :]
    return list(dict.fromkeys(one for part in found[1].split("|") for one in spellings(before + part + after)))
