"""Exercises of notebook 07: tries without bias, where a function ends, and a vote where there are no tests."""

import math
from collections import Counter

import torch

from deepseek_lab.course.exercises import Exercise, Mistake
from deepseek_lab.exercises.overview import report


def _integer(generator: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


# --- 1. Tries without bias ---


def _tries(n: int, c: int, k: int) -> float:
    return 1 - math.comb(n - c, k) / math.comb(n, k)


def _tries_cases(generator: torch.Generator):
    yield 10, 3, 1
    yield 10, 0, 5
    yield 5, 4, 2
    yield 20, 3, 4
    for _ in range(6):
        n = _integer(generator, 2, 30)
        yield n, _integer(generator, 0, n), _integer(generator, 1, n)


tries = Exercise(
    name="tries",
    cases=_tries_cases,
    reference=_tries,
    mistakes=[
        Mistake(
            lambda n, c, k: 1 - (1 - c / n) ** k,
            "This puts each program back before the next is drawn. The k programs are different ones of the n.",
        ),
        Mistake(
            lambda n, c, k: min(1.0, k * c / n),
            "k tries are not k times as good as one: two of them may work at once.",
        ),
        Mistake(
            lambda n, c, k: math.comb(n - c, k) / math.comb(n, k),
            "That is the chance that none of the k works.",
        ),
        Mistake(
            lambda n, c, k: math.comb(c, k) / math.comb(n, k),
            "That is the chance that all of the k work. One is enough.",
        ),
    ],
    hints=[
        "Count choices: in how many ways can k programs be taken out of n?",
        "And in how many of these ways does none of them work? They are all taken from the n - c others.",
        "math.comb(n, k) counts the ways; it is 0 where k is larger than n.",
    ],
    solution_code=("def tries(n, c, k):\n    from math import comb\n    return 1 - comb(n - c, k) / comb(n, k)"),
)


# --- 2. Where a function ends ---

_LINES = ("    return x\n", "    y = 1\n", "        y += 1\n", "\n", "    # done\n", "print(f(2))\n", "def g(x):\n")


def _body(text: str) -> str:
    kept = []
    for line in text.splitlines(keepends=True):
        if line.strip() and not line[0].isspace():
            break
        kept.append(line)
    return "".join(kept)


def _body_cases(generator: torch.Generator):
    yield ("    y = x\n\n    return y\n\nprint(f(2))\nprint(f(3))\n",)
    yield ("    y = x\n\n    return y\n\n\ndef g(x):\n    return x\n",)
    yield ("    return x\nassert f(1) == 1\n",)
    for _ in range(8):
        yield ("".join(_LINES[_integer(generator, 0, len(_LINES) - 1)] for _ in range(_integer(generator, 1, 8))),)


def _until_blank(text: str) -> str:
    kept = []
    for line in text.splitlines(keepends=True):
        if not line[0].isspace() or not line.strip():
            break
        kept.append(line)
    return "".join(kept)


def _until_def(text: str) -> str:
    return text.split("\ndef ")[0]


def _only_indented(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if line[0].isspace())


body = Exercise(
    name="body",
    cases=_body_cases,
    reference=_body,
    mistakes=[
        Mistake(_until_blank, "A blank line doesn't end a function: people put them between steps, and they stay."),
        Mistake(_until_def, "Not every function is followed by another one. What else can stand at the margin?"),
        Mistake(_only_indented, "Lines behind the end are another function's, even if they are indented."),
    ],
    hints=[
        "Go through the lines, and stop at the first that can't belong to the body.",
        "A line belongs to the body if it is blank, or begins with a blank.",
        "text.splitlines(keepends=True) gives the lines with their ends; line.strip() is '' for a blank one.",
    ],
    solution_code=(
        "def body(text):\n"
        "    kept = []\n"
        "    for line in text.splitlines(keepends=True):\n"
        "        if line.strip() and not line[0].isspace():\n"
        "            break\n"
        "        kept.append(line)\n"
        "    return ''.join(kept)"
    ),
)


# --- 3. A vote ---


def _elect(outputs: list[tuple]) -> int:
    most, _ = Counter(outputs).most_common(1)[0]
    return outputs.index(most)


def _elect_cases(generator: torch.Generator):
    yield ([(1, 2), (3, 4), (5, 6), (3, 4), (3, 4)],)
    yield ([(0, 0)],)
    yield ([(7, 2, 3), (1, 2, 3), (1, 5, 3), (4, 5, 6), (4, 5, 6), (1, 2, 6)],)
    for _ in range(6):
        inputs = _integer(generator, 2, 4)
        behaviours = [tuple(_integer(generator, 0, 2) for _ in range(inputs)) for _ in range(3)]
        # an odd one out of the first, and the second one a clear winner
        votes = [behaviours[0], *[behaviours[1]] * _integer(generator, 4, 6), behaviours[2], behaviours[0]]
        order = torch.randperm(len(votes), generator=generator).tolist()
        yield ([votes[place] for place in order],)


def _each_output(outputs: list[tuple]) -> int:
    columns = [Counter(column) for column in zip(*outputs, strict=True)]
    votes = [sum(columns[i][value] for i, value in enumerate(row)) for row in outputs]
    return votes.index(max(votes))


def _last_elected(outputs: list[tuple]) -> int:
    return len(outputs) - 1 - outputs[::-1].index(outputs[_elect(outputs)])


elect = Exercise(
    name="elect",
    cases=_elect_cases,
    reference=_elect,
    mistakes=[
        Mistake(_each_output, "Programs agree if they agree on all inputs. Count whole rows, not single outputs."),
        Mistake(lambda outputs: 0, "The first isn't always in the majority."),
        Mistake(lambda outputs: _elect(outputs) + 1, "Right program. Python counts from 0."),
        Mistake(
            lambda outputs: outputs.count(outputs[_elect(outputs)]),
            "That is how many programs voted for it. At which place does the first of them stand?",
        ),
        Mistake(_last_elected, "Right behaviour. Of equal ones, take the first."),
    ],
    hints=[
        "Two programs vote for the same thing if their rows of outputs are equal.",
        "Which row is there most often? And at which place does it stand first?",
        "collections.Counter(outputs).most_common(1)[0][0] is that row; outputs.index finds its first place.",
    ],
    solution_code=(
        "def elect(outputs):\n"
        "    from collections import Counter\n"
        "    row, votes = Counter(outputs).most_common(1)[0]\n"
        "    return outputs.index(row)"
    ),
)


NOTEBOOK = "7 · Code generation"
ALL = [tries, body, elect]


def progress() -> None:
    """Print which of this notebook's exercises are solved, and how many of the course."""
    report(NOTEBOOK)
