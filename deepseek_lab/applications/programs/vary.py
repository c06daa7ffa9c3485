"""Programs asked for as people might, too: other names, type hints, examples, untidy words. To train on, no more.

A model that has seen a few names for each argument copies no others, and one that has seen a few sentences for each
task is lost in any other. So names are drawn from a pool that has nothing to do with the family, or, in bold
variations, made up; and where a function's name says what it does, bold variations put words into the sentence that say
nothing.
"""

import builtins
import functools
import keyword
import random
import re
from typing import Any

from deepseek_lab.applications.programs.base import ClassFamily, Family, Program, fill, spell, spellings

ARGUMENTS = """
    lst my_list array sequence seq vals input_list elements things entries collection series stuff ls l p q r s
    t u v w z x1 x2 n1 n2 num val value number integer arg obj thing element line phrase message content
    input_text string_value source my_string chars words_list word_list names sentence tokens dictionary d
    mapping_a counts table_a lookup scores prices ages grid table board limit_value bound size_a width_a
    amount_a key_a start_a stop_a step_a first_a second_a one two other another given given_values user_input
    param parameter foo bar baz collection_a readings samples points_a measurements temperatures students
    products letters digits numbers_a my_array my_numbers my_dict my_text ints floats
"""
FUNCTIONS = """
    foo bar baz my_function my_func helper answer calculate run g h do_it handle work transform convert evaluate
    operation apply_rule get_result find_answer main_step step_one function_a exercise puzzle challenge question
    kata routine perform execute determine produce generate make obtain fn func1 task_two problem solution
"""
CLASSES = """
    MyClass Helper Something Widget Container Device Item2 Object1 Tool Unit Component Example Exercise
"""
BEFORE = ("Please ", "Task: ", "TODO: ", "Goal: ", "Write code: ", "Exercise: ", "Note: ", "We want to ", "Help: ")
SYNONYMS = {
    "return": "give compute find get output produce yield calculate",
    "give": "return compute produce",
    "check": "test determine decide",
    "test": "check determine",
    "list": "array sequence",
    "items": "elements entries values members",
    "item": "element entry value",
    "elements": "items entries values",
    "element": "item entry",
    "number": "value integer",
    "numbers": "values integers",
    "largest": "biggest greatest maximum highest maximal",
    "biggest": "largest greatest maximum highest",
    "smallest": "lowest least minimum minimal",
    "string": "text",
    "text": "string",
    "letters": "characters chars",
    "characters": "letters chars",
    "remove": "delete drop discard",
    "sum": "total",
    "ascending": "increasing rising",
    "increasing": "ascending rising",
    "descending": "decreasing falling",
    "contains": "has includes",
    "whether": "if",
    "sort": "order arrange",
    "every": "each",
    "each": "every",
    "all": "the",
    "build": "make create construct",
    "make": "build create construct",
    "without": "excluding omitting",
    "using": "with by",
    "with": "using",
    "equal": "identical same",
    "position": "place index",
    "index": "position place",
    "keep": "retain leave",
    "dictionary": "dict mapping map",
    "count": "tally",
    "reverse": "flip invert",
    "greater": "bigger larger",
    "larger": "bigger greater",
}
SWAPPED, DROPPED, PREFIXED = 0.35, 0.15, 0.1  # shares: of words with synonyms, of wordings without one of their words
HINTED, SHOWN, RENAMED = 0.3, 0.25, 0.4  # of functions with type hints, with examples, with another name
LONGEST_EXAMPLE = 50  # characters
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
STARTS, MIDDLES, ENDS = (
    "b c d f g h j k l m n p r s t v w z br cl dr fl gr pl st tr",
    "a e i o u ai ea ou",
    "n r s t l m k",
)
NOISE, LOST = 0.35, 0.15  # of the words of a bold variation that say nothing, and that are missing


def varied(family: Family, rng: random.Random, bold: bool = False) -> Program:
    """One program of a family with a wording that is trained on, its head and words varied at random.

    `bold` variations have made-up names, or the family's own name and a wording that is half noise. No text is one of
    the wordings that are held out.
    """
    variant = rng.choice(family.bodies)
    taken = set(IDENTIFIER.findall(variant))
    name, signature = _names(family, taken, rng, bold)
    noisy = bold and family.telling and name in family.names.split()
    wording = _wording(family, name, signature, rng, noisy)
    head = family.head(name, signature)
    examples: list[str] = []
    if not isinstance(family, ClassFamily):
        case = family.inputs(rng)
        result = family.reference(*case)
        head = hinted(name, signature, case, result) if rng.random() < HINTED else head
        examples = _examples(family, name, rng) if rng.random() < SHOWN else []
    return Program(
        family=family.name,
        topic=family.topic,
        split="train",
        prompt=_prompt(head, wording, examples, rng),
        body=family.body(variant, name, signature),
        entry_point=name,
        tests=family.tests(rng, name),
    )


def _names(family: Family, taken: set[str], rng: random.Random, bold: bool) -> tuple[str, str]:
    """A name for the function or class, and for its arguments: none that the body uses for something else."""
    pool = CLASSES if isinstance(family, ClassFamily) else FUNCTIONS
    if rng.random() >= RENAMED:
        name = rng.choice(family.names.split())
    elif bold and not isinstance(family, ClassFamily):
        name = made_up(rng, taken)
    else:
        name = rng.choice(pool.split())
    signature = rng.choice(family.signatures)
    arguments = signature.split(", ")
    if isinstance(family, ClassFamily) or taken & set(arguments):  # a body that names its arguments by itself
        return name, signature
    if bold:
        chosen: list[str] = []
        while len(chosen) < len(arguments):
            chosen.append(made_up(rng, taken | {name, *chosen}))
        return name, ", ".join(chosen)
    free = [word for word in ARGUMENTS.split() if word not in taken and word != name]
    return name, ", ".join(rng.sample(free, len(arguments)))


def made_up(rng: random.Random, taken: set[str]) -> str:
    """A name of one or two parts, of syllables or of words that are names elsewhere; none that is taken or Python's."""
    while True:
        parts = [
            rng.choice(ARGUMENTS.split()) if rng.random() < 0.4 else syllables(rng)
            for _ in range(rng.choice((1, 1, 2)))
        ]
        name = rng.choice(("_", "")).join(parts) + (str(rng.randint(1, 9)) if rng.random() < 0.1 else "")
        if name not in taken and not keyword.iskeyword(name) and not hasattr(builtins, name):
            return name


def syllables(rng: random.Random) -> str:
    """A word of one to three syllables that means nothing."""
    word = "".join(rng.choice(STARTS.split()) + rng.choice(MIDDLES.split()) for _ in range(rng.choice((1, 2, 2, 3))))
    return word + (rng.choice(ENDS.split()) if rng.random() < 0.5 else "")


def _noisy(words: list[str], rng: random.Random) -> list[str]:
    """The same with many words missing, or exchanged for others that say nothing here. Arguments stay."""
    found = []
    for word in words:
        chance = rng.random()
        if "$" in word or chance > NOISE + LOST:
            found.append(word)
        elif chance < NOISE:
            found.append(syllables(rng) if rng.random() < 0.5 else rng.choice(ARGUMENTS.split()).replace("_", " "))
    return found or words


def _wording(family: Family, name: str, signature: str, rng: random.Random, noisy: bool) -> str:
    """A wording that is trained on, with some words exchanged, and perhaps one left out; or with noise."""
    line = rng.choice(family.wording_lines(held_out=False))
    while True:
        words = [_exchanged(word, rng) for word in spell(line, rng).split(" ")]
        words = _noisy(words, rng) if noisy else words
        if len(words) > 4 and rng.random() < DROPPED:
            del words[rng.randrange(len(words))]
        text = fill(" ".join(words), name, signature)
        text = text[:1].upper() + text[1:] if rng.random() < 0.8 else text[:1].lower() + text[1:]
        text = text.removesuffix(".") if rng.random() < 0.3 else text
        if rng.random() < PREFIXED and not isinstance(family, ClassFamily):
            text = rng.choice(BEFORE) + text[:1].lower() + text[1:]
        if not any(text.removesuffix(".") == fill(each, name, signature) for each in held_out(family)):
            return text


@functools.cache
def held_out(family: Family) -> tuple[str, ...]:
    """All sentences of a family that are never trained on, without their full stops."""
    lines = family.wording_lines(held_out=True)
    return tuple(sentence.removesuffix(".") for line in lines for sentence in spellings(line))


def _exchanged(word: str, rng: random.Random) -> str:
    bare = word.strip(".,:;").lower()
    if bare not in SYNONYMS or rng.random() > SWAPPED:
        return word
    return word.lower().replace(bare, rng.choice(SYNONYMS[bare].split()))


def hinted(name: str, signature: str, case: tuple, result: Any) -> str:
    """A head with type hints, taken from one call's arguments and what it returns."""
    arguments = signature.split(", ") if signature else []
    parts = [f"{argument}: {hint(value)}" for argument, value in zip(arguments, case, strict=True)]
    return f"def {name}({', '.join(parts)}) -> {hint(result)}:\n"


def hint(value: Any) -> str:
    """The type of a value as one writes it: `list[int]`, `dict`, `str`."""
    kind = type(value).__name__
    if value is None:
        return "None"
    inner = {type(item) for item in value} if isinstance(value, list) else set()
    simple = inner in ({int}, {str})
    return f"list[{inner.pop().__name__}]" if simple else kind


def _examples(family: Family, name: str, rng: random.Random) -> list[str]:
    """One or two calls with what they return, as doctest writes them; none where they are too long."""
    found = []
    for _ in range(rng.randint(1, 2)):
        case = family.inputs(rng)
        call = f"{name}({', '.join(map(repr, case))})"
        shown = repr(family.reference(*case))
        if max(len(call), len(shown)) <= LONGEST_EXAMPLE:
            found += [f">>> {call}", shown]
    return found


def _prompt(head: str, wording: str, examples: list[str], rng: random.Random) -> str:
    """The wording in one of several places, examples below it."""
    if examples:
        lines = "".join(f"    {line}\n" for line in examples)
        gap = "\n" if rng.random() < 0.5 else ""
        start = '    """' if rng.random() < 0.5 else '    """\n    '
        return f'{head}{start}{wording}\n{gap}{lines}    """\n'
    place = rng.random()
    if place < 0.55:
        return f'{head}    """{wording}"""\n'
    if place < 0.65:
        return f'{head}    """\n    {wording}\n    """\n'
    if place < 0.85:
        return f"# {wording.removesuffix('.')}\n{head}"
    return f"{head}    # {wording.removesuffix('.')}\n"
