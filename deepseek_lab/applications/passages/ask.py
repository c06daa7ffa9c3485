"""Questions about a passage: for a value, for a name by its value, and for what the passage doesn't say."""

import random
import re

from deepseek_lab.applications.passages.base import Example, Wording
from deepseek_lab.applications.passages.compose import Entity, Passage, draw_entity, possessive

UNANSWERABLE_SHARE, INVERSE_SHARE = 0.23, 0.25
LAST_NAME_SHARE = 0.1  # of English questions about a person go by the family name alone
NOUN_SHARE = 0.12  # of questions about the only thing of its kind say "the company"
PRONOUN_WORDS = ("it", "she/he", "它", "她/他", "这里", "他们")
LEAD_SHARE = 0.08
LEADS = {
    "en": (
        "According to the text, ",
        "Please tell me: ",
        "Tell me, ",
        "I would like to know: ",
        "Quick question: ",
        "So, ",
    ),
    "zh": ("请问", "根据上文，", "文中提到，", "我想知道，", "请告诉我，", "你知道吗，", "根据材料，"),
}
OPENERS = frozenset(("When", "Where", "Who", "Whom", "Whose", "What", "Which", "How", "Why"))
OPENERS |= {"In", "On", "At", "By", "To", "From", "For", "Of", "With"}
NUMBER = re.compile(r"[\d.,]*\d")


def ask(rng: random.Random, passage: Passage, split: str) -> Example | None:
    """A question about the passage, or `None` if the one that was drawn can't be asked."""
    inverse = rng.random() < INVERSE_SHARE
    if rng.random() < UNANSWERABLE_SHARE:
        return ask_unstated(rng, passage, split, inverse)
    thing = rng.choice(passage.entities)
    if not thing.stated:
        return None
    key = rng.choice(list(thing.stated))
    if inverse and not unique(passage, thing, key):
        inverse = False
    asked = wordings(thing, passage.language, key, inverse, split)
    if not asked:
        return None
    question, template = put(rng, rng.choice(asked), thing, thing.values[key], passage)
    start = thing.named[key] if inverse else thing.stated[key]
    span = thing.name if inverse else thing.values[key]
    answers = accepted(passage.text[start : start + len(span)])
    return Example(passage.text, question, answers, start, passage.language, thing.kind.topic, split, template)


def ask_unstated(rng: random.Random, passage: Passage, split: str, inverse: bool) -> Example | None:
    """A question that has no answer in the passage, though the passage is about such things.

    Either a fact of a thing that isn't stated (mostly one that is stated of another), or something stated about a
    thing that isn't there.
    """
    thing = rng.choice(passage.entities)
    said_of_others = [key for other in passage.entities if other.kind is thing.kind for key in other.stated]
    if inverse or rng.random() < 0.4:
        if not said_of_others:
            return None
        key = rng.choice(said_of_others)
        stranger = draw_entity(rng, thing.kind, passage.language, split == "new passage", set())
        if not stranger.has(key) or any(strange(stranger, key, passage, inverse)):
            return None
        thing = stranger
    else:
        relations = thing.kind.texts[passage.language].relations
        unsaid = [key for key in relations if key not in thing.stated and thing.has(key)]
        near = [key for key in unsaid if key in said_of_others]
        if not unsaid:
            return None
        key = rng.choice(near if near and rng.random() < 0.7 else unsaid)
    asked = wordings(thing, passage.language, key, inverse, split)
    if not asked:
        return None
    question, template = put(rng, rng.choice(asked), thing, thing.value(key) if inverse else "", passage)
    return Example(passage.text, question, (), -1, passage.language, thing.kind.topic, split, template)


def strange(stranger: Entity, key: str, passage: Passage, inverse: bool) -> list[bool]:
    """Whether the passage has what a stranger is asked by: its value for an inverse question, else its name."""
    asked_by = stranger.value(key) if inverse else stranger.name
    return [asked_by.casefold() in passage.text.casefold(), any(asked_by == one.name for one in passage.entities)]


def unique(passage: Passage, thing: Entity, key: str) -> bool:
    """Whether the value leads to this thing alone."""
    value = thing.values[key]
    return not any(value in other.values.values() for other in passage.entities if other is not thing)


def wordings(thing: Entity, language: str, key: str, inverse: bool, split: str) -> list[Wording]:
    """The questions of a split for a relation."""
    relation = thing.kind.texts[language].relations.get(key)
    if relation is None:
        return []
    return (relation.inverse if inverse else relation.questions).of(split == "new template")


def put(rng: random.Random, wording: Wording, thing: Entity, value: str, passage: Passage) -> tuple[str, str]:
    """A question in words, and its wording's name; at times written carelessly."""
    name = thing.name
    if passage.language == "en" and thing.kind.names == "person" and rng.random() < LAST_NAME_SHARE:
        last = name.split()[-1]
        name = name if any(last in other.name for other in passage.entities if other is not thing) else last
    chinese = passage.language == "zh"
    kinds = [other.kind for other in passage.entities]
    if thing in passage.entities and kinds.count(thing.kind) == 1 and rng.random() < NOUN_SHARE:
        nouns = [one for one in thing.kind.texts[passage.language].they if one not in PRONOUN_WORDS]
        name = rng.choice(nouns) if nouns else name
    of = f"{name}的" if chinese else possessive(name)
    question = rng.choice(wording.forms).fill(s=name, p=of, o=name, v=value)
    if not chinese and value[:1] in tuple("aeiouAEIO"):
        question = question.replace(f" a {value}", f" an {value}")
    careless = rng.random()
    if careless < 0.08:
        question = question.rstrip("?？.。")
    elif careless < 0.11 and chinese:
        question = question.replace("？", "?")
    if rng.random() < LEAD_SHARE:
        lead = rng.choice(LEADS[passage.language])
        first = question.split(" ", 1)[0]
        question = lead + (question if chinese or first not in OPENERS else question[0].lower() + question[1:])
    if not chinese:
        question = question[0].upper() + question[1:] if careless > 0.06 else question.lower()
    return question, wording.name


def accepted(span: str) -> tuple[str, ...]:
    """The span, and what is as good an answer: a number without its unit or year sign, a name without its "the"."""
    answers = [span]
    number = NUMBER.match(span)
    if number and len(span) - len(number[0]) <= 20 and not re.search(r"\d", span[number.end() :]):
        rest = span[number.end() :].strip()
        if not rest.startswith(("million", "billion", "trillion", "万", "亿", ":", "B", "T", "K", ".", "-")):
            answers.append(number[0])
    for article in ("the ", "The "):
        if span.startswith(article):
            answers.append(span.removeprefix(article))
    if span.startswith("《"):
        answers.append(span[1:-1])
    return tuple(dict.fromkeys(answers))
