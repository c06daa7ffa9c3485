"""Programs drawn from the families, for training and for two kinds of measuring, and texts to fine-tune a model on."""

import itertools
import random
from collections.abc import Iterator

from deepseek_lab.applications.programs import (
    classes,
    containers,
    dictionaries,
    lists,
    numbers,
    recursion,
    searching,
    sorting,
    strings,
)
from deepseek_lab.applications.programs.base import Family, Program, fill, spell
from deepseek_lab.applications.programs.vary import varied
from deepseek_lab.config import require, require_whole

SPLITS = ("train", "new wording", "new family")
MODULES = (sorting, searching, strings, numbers, lists, dictionaries, recursion, containers, classes)
FAMILIES: tuple[Family, ...] = tuple(family for module in MODULES for family in module.FAMILIES)

# Never trained on. Those of the first line are one word away from a family that is trained on; of the others the model
# has seen the pieces at best.
NEAR = ("sort_by_absolute", "index_of_min", "filter_odd", "product_of_digits", "group_by_first_letter", "MinStack")
FAR = (
    "majority_element",
    "is_pangram",
    "run_length_encode",
    "collatz_steps",
    "longest_increasing_run",
    "combinations",
    "RunningAverage",
)
HELD_OUT_FAMILIES = frozenset(NEAR + FAR)

# How a task is put, and how often: the wording below the head on one line or on three, above the head, or left out.
STYLES = {"docstring": 5, "block": 1, "comment": 2, "bare": 2}
VAGUE_SHARE = 0.1  # of worded programs have a name that says nothing
CHAINED_SHARE, TESTED_SHARE = 0.3, 0.1  # of texts hold several programs; of programs in texts have their tests below
VARIED_SHARE = 0.4  # of programs in texts have other names and words
BOLDLY_VARIED_SHARE, BOLD_SHARE = 0.7, 0.7  # the same of bold texts; and of these variations are bold


def families(split: str) -> list[Family]:
    """The families that a split draws from: "train" and "new wording" from the same, "new family" from the others."""
    require(split in SPLITS, "split", split, f"one of {', '.join(SPLITS)}")
    return [family for family in FAMILIES if (family.name in HELD_OUT_FAMILIES) == (split == "new family")]


def draw(seed: int, count: int, split: str) -> list[Program]:
    """`count` programs of a split, each family as often as the others, in random order; the same for the same seed.

    Fewer programs of a seed are the first of more. "train" has all wordings but each family's last two, and heads
    without a wording where the name says it all; "new wording" has the last two of the same families; "new family"
    has families, all wordings of them and bare heads, of which no other split has anything. Raises `ValueError` for a
    split that isn't there and for a count below 0.
    """
    require_whole(0, count=count)
    stream = programs(seed, split)
    return [next(stream) for _ in range(count)]


def programs(seed: int, split: str) -> Iterator[Program]:
    """Programs of a split without end: every family once, in random order, then every family again."""
    chosen = families(split)
    rng = random.Random(f"{seed} {split}")
    while True:
        rng.shuffle(chosen)
        for family in chosen:
            yield one_program(family, split, rng)


def one_program(family: Family, split: str, rng: random.Random) -> Program:
    """One program: its name, arguments, style, wording, body and tests drawn independently."""
    name, signature = rng.choice(family.names.split()), rng.choice(family.signatures)
    styles = [style for style in STYLES if style != "bare" or (family.telling and split != "new wording")]
    style = rng.choices(styles, [STYLES[style] for style in styles])[0]
    if style != "bare" and rng.random() < VAGUE_SHARE:
        name = rng.choice(family.vague_names)
    lines = family.wording_lines(held_out=split == "new wording")
    if split == "new family":
        lines += family.wording_lines(held_out=True)
    wording = fill(spell(rng.choice(lines), rng), name, signature)
    return Program(
        family=family.name,
        topic=family.topic,
        split=split,
        prompt=prompt(family.head(name, signature), wording, style),
        body=family.body(rng.choice(family.bodies), name, signature),
        entry_point=name,
        tests=family.tests(rng, name),
    )


def prompt(head: str, wording: str, style: str) -> str:
    """A head with its wording, in one of `STYLES`. It ends with a line end."""
    if style == "docstring":
        return f'{head}    """{wording}"""\n'
    if style == "block":
        return f'{head}    """\n    {wording}\n    """\n'
    if style == "comment":
        return f"# {wording.removesuffix('.')}\n{head}"
    return head


def fine_tuning_texts(seed: int, count: int, bold: bool = False) -> list[str]:
    """`count` texts of programs of the "train" split: mostly one, at times two or three, a few with their tests below.

    Some have other names and words than the split has (`vary`), so that a model reads prompts instead of knowing them;
    `bold` texts have more of that. Two blank lines stand between functions, as in a file.
    """
    require_whole(0, count=count)
    rng, stream = random.Random(f"{seed} texts"), programs(seed, "train")
    by_name = {family.name: family for family in FAMILIES}
    texts = []
    for _ in range(count):
        several, parts = rng.randint(2, 3) if rng.random() < CHAINED_SHARE else 1, []
        for program in itertools.islice(stream, several):
            if rng.random() < (BOLDLY_VARIED_SHARE if bold else VARIED_SHARE):
                program = varied(by_name[program.family], rng, bold and rng.random() < BOLD_SHARE)
            parts.append(with_tests(program, rng) if rng.random() < TESTED_SHARE else program.source)
        texts.append("\n\n".join(parts))
    return texts


def with_tests(program: Program, rng: random.Random) -> str:
    """A program and three of its tests. What stands in one line for a class is as many lines as statements."""
    tests = rng.sample(program.tests, min(3, len(program.tests)))
    if program.topic == "classes":
        tests = [line for test in tests[:2] for line in test.split("; ")]
    return f"{program.source}\n\n" + "".join(f"{test}\n" for test in tests)
