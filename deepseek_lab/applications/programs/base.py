"""What a family of programs is, and how one program of it is made: names, wording, body and unit tests.

A family is one task that can be asked for in many ways. In its texts `$f` stands for the name of the function or
class, `$a`, `$b`, `$c` for its arguments, and `{largest|biggest}` for either of the two.
"""

import copy
import itertools
import random
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from string import Template
from typing import Any

HELD_OUT_WORDINGS = 2  # of each family: its last lines, never trained on
RANDOM_TESTS = 5  # of each program, besides the family's edge cases
VAGUE_NAMES = ("solve", "compute", "process", "func", "f", "task")  # they say nothing: the wording has to
VAGUE_CLASS_NAMES = ("Thing", "Model", "Solution")
ALTERNATIVES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Program:
    """One task as it is put to a model, an answer that is right, and the tests that an answer has to pass.

    The prompt ends with a line end and the body starts with four blanks, so that a tokenizer that cuts at line ends
    reads the prompt alone as it reads it in the whole source.
    """

    family: str
    topic: str
    split: str
    prompt: str  # a head (`def f(x):`), with a docstring below it, a comment above it, or neither
    body: str
    entry_point: str  # the name of the function or class
    tests: tuple[str, ...]  # a line each, which asserts something; none needs another

    @property
    def source(self) -> str:
        """Prompt and body: a whole function or class."""
        return self.prompt + self.body


@dataclass(frozen=True, kw_only=True, eq=False)
class Family:
    """A small function, in many spellings. `inputs` draws the arguments of one call."""

    topic: str
    names: str  # parted by blanks; the first is the family's name too
    signatures: tuple[str, ...]  # the arguments' names: "arr, target"
    wordings: str  # one a line, at least six, of which the last two are held out
    bodies: tuple[str, ...]  # each is right, and at most 12 lines long
    inputs: Callable[[random.Random], tuple]
    reference: Callable  # what the function has to return, by other means than the bodies where there are any
    edges: tuple[tuple, ...] = ()  # arguments that are always tested
    telling: bool = True  # a head alone says what is wanted

    @property
    def name(self) -> str:
        """The first of its names."""
        return self.names.split()[0]

    @property
    def vague_names(self) -> tuple[str, ...]:
        """Names that say nothing."""
        return VAGUE_NAMES

    def wording_lines(self, held_out: bool) -> list[str]:
        """The wordings, alternatives and all, that are trained on or that are held out."""
        lines = [line.strip() for line in self.wordings.strip().splitlines()]
        return lines[-HELD_OUT_WORDINGS:] if held_out else lines[:-HELD_OUT_WORDINGS]

    def head(self, name: str, signature: str) -> str:
        """The line that the body stands under."""
        return f"def {name}({signature}):\n"

    def body(self, variant: str, name: str, signature: str) -> str:
        """One of the bodies with its names filled in, four blanks from the margin."""
        text = textwrap.dedent(variant).strip("\n") + "\n"
        return textwrap.indent(fill(text, name, signature), "    ")

    def tests(self, rng: random.Random, name: str) -> tuple[str, ...]:
        """Lines that assert what calls return: edge cases first, then random ones; none twice."""
        cases = [*self.edges, *(self.inputs(rng) for _ in range(RANDOM_TESTS))]
        return tuple(dict.fromkeys(self.test(name, case) for case in cases))

    def test(self, name: str, case: tuple) -> str:
        """One line that asserts what the reference returns."""
        return assertion(call(name, case), self.reference(*copy.deepcopy(case)))


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassFamily(Family):
    """A small class. `inputs` draws the constructor's arguments and then calls, each a method and its arguments.

    `reference` is a class with the same methods. In a test line the calls are parted by "; ", and each that returns
    something is asserted.
    """

    signatures: tuple[str, ...] = ("",)

    @property
    def vague_names(self) -> tuple[str, ...]:
        """Names that say nothing."""
        return VAGUE_CLASS_NAMES

    def head(self, name: str, signature: str) -> str:
        """The line that the body stands under; the constructor's arguments are the body's."""
        return f"class {name}:\n"

    def test(self, name: str, case: tuple) -> str:
        """One line that makes an object, calls its methods and asserts what they return."""
        arguments, *calls = case
        expected, steps = self.reference(*arguments), [f"x = {call(name, arguments)}"]
        for method, *given in calls:
            result = getattr(expected, method)(*copy.deepcopy(given))
            step = call(f"x.{method}", given)
            steps.append(step if result is None else assertion(step, result))
        return "; ".join(steps)


def call(name: str, arguments: tuple | list) -> str:
    """The text of a call."""
    return f"{name}({', '.join(map(repr, arguments))})"


def assertion(expression: str, expected: Any) -> str:
    """The text of an assert: exact, but for floats, which may differ by rounding."""
    if expected is None or isinstance(expected, bool):
        return f"assert {expression} is {expected}"
    if isinstance(expected, float):
        return f"assert abs({expression} - {expected!r}) < 1e-9"
    return f"assert {expression} == {expected!r}"


def fill(text: str, name: str, signature: str) -> str:
    """A text with the names in place of `$f`, `$a`, `$b`, `$c`."""
    arguments = dict(zip("abc", signature.split(", "), strict=False))
    return Template(text).substitute(f=name, **arguments)


def spell(wording: str, rng: random.Random) -> str:
    """A wording with one of each alternatives chosen."""
    return ALTERNATIVES.sub(lambda found: rng.choice(found[1].split("|")), wording)


def spellings(wording: str) -> Iterator[str]:
    """All the sentences that a wording stands for."""
    parts = ALTERNATIVES.split(wording)  # text and alternatives by turns
    choices = [part.split("|") if number % 2 else [part] for number, part in enumerate(parts)]
    return map("".join, itertools.product(*choices))
