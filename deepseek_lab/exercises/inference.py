"""Exercises of notebook 06: where a token stands, what drafts are worth, and when a draft may stay."""

import torch
from torch import Tensor

from deepseek_lab.course.exercises import Exercise, Mistake
from deepseek_lab.exercises.overview import report


def _integer(generator: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


# --- 1. Where a token stands ---


def _places(table: list[int], size: int, start: int, count: int) -> Tensor:
    return torch.tensor([table[t // size] * size + t % size for t in range(start, start + count)])


def _places_cases(generator: torch.Generator):
    yield [7, 2, 5], 4, 3, 3
    yield [3], 8, 0, 8
    for _ in range(6):
        size, blocks = _integer(generator, 1, 6), _integer(generator, 2, 5)
        table = torch.randperm(20, generator=generator)[:blocks].tolist()
        start = _integer(generator, 0, size * blocks - 2)
        yield table, size, start, _integer(generator, 1, size * blocks - start)


def _unbroken(table: list[int], size: int, start: int, count: int) -> Tensor:
    first = table[start // size] * size + start % size
    return torch.arange(first, first + count)


places = Exercise(
    name="places",
    cases=_places_cases,
    reference=_places,
    mistakes=[
        Mistake(_unbroken, "Right for the first block. But the next block isn't the next in memory: ask the table."),
        Mistake(
            lambda table, size, start, count: torch.arange(start, start + count),
            "These are the positions in the text. Where do they stand in memory?",
        ),
        Mistake(
            lambda table, size, start, count: _places(table, size, 0, count),
            "The new tokens follow the `start` tokens that are there already.",
        ),
    ],
    hints=[
        "Token t of the text stands in block table[t // size].",
        "Block b begins at place b * size, and token t is number t % size in its block.",
        "torch.tensor(table)[t // size] works for a whole tensor t = torch.arange(start, start + count).",
    ],
    solution_code=(
        "def places(table, size, start, count):\n"
        "    t = torch.arange(start, start + count)\n"
        "    return torch.tensor(table)[t // size] * size + t % size"
    ),
)


# --- 2. What drafts are worth ---


def _tokens_per_pass(a: float, k: int) -> float:
    return sum(a**i for i in range(k + 1))


def _tokens_per_pass_cases(generator: torch.Generator):
    yield 0.85, 1
    yield 0.0, 3
    yield 1.0, 4
    for _ in range(6):
        yield _integer(generator, 1, 19) / 20, _integer(generator, 2, 6)


tokens_per_pass = Exercise(
    name="tokens_per_pass",
    cases=_tokens_per_pass_cases,
    reference=_tokens_per_pass,
    mistakes=[
        Mistake(
            lambda a, k: 1 + a * k,
            "The second draft counts only if the first was accepted, too: after a rejection the rest is thrown away.",
        ),
        Mistake(
            lambda a, k: sum(a**i for i in range(1, k + 1)),
            "The pass itself yields a token, whatever becomes of the drafts.",
        ),
        Mistake(
            lambda a, k: sum(a**i for i in range(k)),
            "With k drafts and the pass's own, up to k + 1 tokens come out.",
        ),
    ],
    hints=[
        "The first draft stays with probability a, the second with a * a.",
        "The pass yields one token of its own, and each draft that stays.",
        "1 + a + a**2 + ... + a**k",
    ],
    solution_code=(
        "def tokens_per_pass(a, k):\n    return sum(a**i for i in range(k + 1))\n\n\n"
        "# a = 0.85: 1.85 tokens with k = 1, 3.71 with k = 4. If a drafted token costs a tenth of a pass, that is\n"
        "# 1.85 / 1.1 = 1.68 and 3.71 / 1.4 = 2.65 tokens for the time of a pass: worth it. If it costs half a pass,\n"
        "# 1.85 / 1.5 = 1.23 and 3.71 / 3 = 1.24: no gain."
    ),
)


# --- 3. Keep or replace ---


def _next_token(p: Tensor, q: Tensor, drafted: int, u: float) -> tuple[bool, Tensor]:
    if u * q[drafted] <= p[drafted]:
        return True, p
    left = (p - q).clamp_min(0)
    return False, left / left.sum()


def _next_token_cases(generator: torch.Generator):
    yield torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6]), 2, 0.9
    yield torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6]), 0, 0.99
    for _ in range(10):
        p, q = torch.randn(2, 6, generator=generator).mul(1.5).softmax(dim=-1)
        u = float(torch.rand((), generator=generator))
        yield p, q, int(torch.multinomial(q, 1, generator=generator)), u


def _keep_if(chance: Tensor, p: Tensor, q: Tensor, u: float) -> tuple[bool, Tensor]:
    left = (p - q).clamp_min(0)
    return (True, p) if u <= chance else (False, left / left.sum())


def _from_the_model(p: Tensor, q: Tensor, drafted: int, u: float) -> tuple[bool, Tensor]:
    return _next_token(p, q, drafted, u)[0], p


next_token = Exercise(
    name="next_token",
    cases=_next_token_cases,
    reference=_next_token,
    mistakes=[
        Mistake(_from_the_model, "Drawing from p after a rejection gives what was drafted too often a second chance."),
        Mistake(
            lambda p, q, drafted, u: _keep_if(p[drafted], p, q, u),
            "With p alone as the chance to stay, far too much is thrown away. What was drafted with q may stay with "
            "p / q.",
        ),
        Mistake(
            lambda p, q, drafted, u: _keep_if(q[drafted] / p[drafted], p, q, u),
            "The ratio is upside down: what q drafts too often, for its p, has to go more often.",
        ),
        Mistake(
            lambda p, q, drafted, u: _keep_if((p[drafted] >= q[drafted]).float(), p, q, u),
            "Where p is less than q, the draft isn't always thrown away: it stays with p / q, and `u` decides.",
        ),
        Mistake(
            lambda p, q, drafted, u: (
                _next_token(p, q, drafted, u)[0],
                p if _next_token(p, q, drafted, u)[0] else (p - q).clamp_min(0),
            ),
            "The rest has the right shape, but a distribution sums to 1.",
        ),
    ],
    hints=[
        "The draft stays with probability min(1, p / q) of that token: if u <= p[drafted] / q[drafted].",
        "After a rejection, draw from what p has and q had too little of: p - q where that is positive.",
        "left = (p - q).clamp_min(0); left / left.sum()",
    ],
    solution_code=(
        "def next_token(p, q, drafted, u):\n"
        "    if u <= p[drafted] / q[drafted]:\n"
        "        return True, p\n"
        "    left = (p - q).clamp_min(0)\n"
        "    return False, left / left.sum()"
    ),
)


NOTEBOOK = "6 · Cached inference"
ALL = [places, tokens_per_pass, next_token]


def progress() -> None:
    """Print which of this notebook's exercises are solved, and how many of the course."""
    report(NOTEBOOK)
