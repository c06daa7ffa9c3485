"""Exercises of notebook 02: seeing entries in time, compressing, blind spots, what a cache holds."""

import torch
from torch import Tensor

from deepseek_lab.attention.window import sees_entries
from deepseek_lab.config import DeepSeekConfig
from deepseek_lab.config_fields import HEAVY, SPARSE
from deepseek_lab.course.exercises import Exercise, Mistake
from deepseek_lab.exercises.overview import report
from deepseek_lab.model.accounting import anatomy


def _integers(generator: torch.Generator, *ranges: tuple[int, int]) -> list[int]:
    return [int(torch.randint(low, high + 1, (), generator=generator)) for low, high in ranges]


# --- 1. Which entries a token may see ---


def _entries_seen(T: int, m: int) -> Tensor:
    return sees_entries(0, T, T // m, m)


def _entries_seen_cases(generator: torch.Generator):
    yield 8, 4
    for _ in range(5):
        m = _integers(generator, (2, 6))[0]
        yield _integers(generator, (2 * m, 6 * m))[0], m


def _by_start(T: int, m: int) -> Tensor:
    return torch.arange(T)[:, None] >= torch.arange(T // m) * m


entries_seen = Exercise(
    name="entries_seen",
    cases=_entries_seen_cases,
    reference=_entries_seen,
    mistakes=[
        Mistake(_by_start, "An entry is made of all its m tokens: whoever sees it at its first, sees the future."),
        Mistake(
            lambda T, m: torch.arange(T)[:, None] >= (torch.arange(T // m) + 1) * m,
            "One token too late: the token that completes an entry may already see it.",
        ),
        Mistake(
            lambda T, m: torch.arange(T)[:, None] // m > torch.arange(T // m),
            "One token too late: the token that completes an entry may already see it.",
        ),
        Mistake(lambda T, m: ~_entries_seen(T, m), "It is the other way round: True where a token may look."),
    ],
    hints=[
        "Entry e is made of the tokens e * m to (e + 1) * m - 1. When is it complete?",
        "Token t has t + 1 tokens behind it, itself included: (t + 1) // m entries are complete.",
        "Compare torch.arange(T)[:, None] with torch.arange(T // m): the result has shape (T, T // m).",
    ],
    solution_code=(
        "def entries_seen(T, m):\n"
        "    complete = (torch.arange(T)[:, None] + 1) // m\n"
        "    return torch.arange(T // m) < complete"
    ),
)


# --- 2. Compression ---


def _windows(x: Tensor, m: int) -> Tensor:
    return x[: len(x) // m * m].unflatten(0, (-1, m))


def _compress(value: Tensor, gate: Tensor, m: int) -> Tensor:
    return (_windows(gate, m).softmax(dim=1) * _windows(value, m)).sum(dim=1)


def _rest(value: Tensor, gate: Tensor, m: int) -> Tensor:
    return _compress(value[-(len(value) % m) :], gate[-(len(gate) % m) :], len(value) % m)


def _compress_cases(generator: torch.Generator):
    for _ in range(5):
        m, width, count = _integers(generator, (2, 5), (2, 6), (1, 4))
        tokens = count * m + _integers(generator, (1, m - 1))[0]  # the last window is not complete
        yield torch.randn(tokens, width, generator=generator), torch.randn(tokens, width, generator=generator), m


compress = Exercise(
    name="compress",
    cases=_compress_cases,
    reference=_compress,
    mistakes=[
        Mistake(
            lambda value, gate, m: (_windows(gate, m).softmax(dim=2) * _windows(value, m)).sum(dim=1),
            "Your softmax runs over the D numbers of a token. Each number has its own softmax over the m tokens.",
        ),
        Mistake(
            lambda value, gate, m: _windows(value, m).mean(dim=1), "That is a plain mean. The gates say who counts."
        ),
        Mistake(
            lambda value, gate, m: (_windows(gate.softmax(dim=0), m) * _windows(value, m)).sum(dim=1),
            "Your softmax runs over all tokens. Each window has its own, so its weights sum to 1.",
        ),
        Mistake(
            lambda value, gate, m: (_windows(gate, m).sigmoid() * _windows(value, m)).sum(dim=1),
            "These weights don't sum to 1 over a window. A softmax's do.",
        ),
        Mistake(
            lambda value, gate, m: _compress(value[len(value) % m :], gate[len(gate) % m :], m),
            "You left out the first tokens. Windows begin at token 0; the last one is the one that may be incomplete.",
        ),
        Mistake(
            lambda value, gate, m: torch.cat([_compress(value, gate, m), _rest(value, gate, m)]),
            "The last tokens don't fill a window: they make no entry yet.",
        ),
    ],
    hints=[
        "Leave out the last tokens that don't fill a window: T // m windows are complete.",
        "x[: n * m].unflatten(0, (n, m)) has shape (n, m, D): windows, tokens of a window, numbers.",
        "Softmax over dim=1, the tokens of a window; multiply with the values; sum over dim=1.",
    ],
    solution_code=(
        "def compress(value, gate, m):\n"
        "    n = len(value) // m\n"
        "    value, gate = (x[: n * m].unflatten(0, (n, m)) for x in (value, gate))\n"
        "    return (gate.softmax(dim=1) * value).sum(dim=1)"
    ),
)


# --- 3. Blind spots ---


def _blind_queries(W: int, m: int) -> int:
    return max(0, m - 1 - W)


def _blind_queries_cases(generator: torch.Generator):
    yield 128, 128
    yield 6, 10
    for _ in range(5):
        yield tuple(_integers(generator, (1, 20), (2, 40)))


blind_queries = Exercise(
    name="blind_queries",
    cases=_blind_queries_cases,
    reference=_blind_queries,
    mistakes=[
        Mistake(
            lambda W, m: max(0, m - W),
            "One too many: the query at place m - 1 completes the entry, and may already read it.",
        ),
        Mistake(lambda W, m: m - 1 - W, "It can't be less than none: a window may be longer than an entry."),
        Mistake(lambda W, m: max(0, m - W - 2), "One too few. The window covers W tokens, the query's own among them."),
    ],
    hints=[
        "Take the token at place 0. Which queries have it in their window of W tokens? Those at places 0 to W - 1.",
        "Its entry is complete at place m - 1, and from there on every query can read it.",
        "Between the two lie the places W to m - 2. How many are these, and what if there are none?",
    ],
    solution_code="def blind_queries(W, m):\n    return max(0, m - 1 - W)",
)


# --- 4. What a cache holds ---


def _cached_numbers(csa: int, hca: int, width: int, index_width: int) -> float:
    config = DeepSeekConfig.preset("v4-pro")
    config = config.replace(
        num_hidden_layers=csa + hca, layer_types=(SPARSE,) * csa + (HEAVY,) * hca,
        mlp_layer_types=("moe",) * (csa + hca), head_dim=width, index_head_dim=index_width,
    )  # fmt: skip
    return sum(block.cached for block in anatomy(config))


def _cached_numbers_cases(generator: torch.Generator):
    yield 30, 31, 512, 128  # V4-Pro
    yield 21, 20, 512, 128  # V4-Flash
    for _ in range(4):
        csa, hca, width, index = _integers(generator, (1, 40), (1, 40), (1, 6), (1, 3))
        yield csa, hca, 128 * width, 64 * index
    yield 1, 1, 130, 65  # no whole number comes out


cached_numbers = Exercise(
    name="cached_numbers",
    cases=_cached_numbers_cases,
    reference=_cached_numbers,
    mistakes=[
        Mistake(
            lambda csa, hca, width, index: csa * width / 4 + hca * width / 128,
            "The indexer is missing: in CSA it keeps keys of its own, index_width numbers for every 4 tokens.",
        ),
        Mistake(
            lambda csa, hca, width, index: csa * (width + index) / 128 + hca * width / 4,
            "The rates are swapped: CSA makes an entry of 4 tokens and then chooses, HCA one of 128.",
        ),
        Mistake(
            lambda csa, hca, width, index: csa * (2 * width + index) / 4 + hca * 2 * width / 128,
            "You counted a key and a value. In V4 they are the same numbers.",
        ),
        Mistake(
            lambda csa, hca, width, index: csa * (width / 4 + index) + hca * width / 128,
            "The indexer's keys are compressed, too: one for every 4 tokens.",
        ),
        Mistake(
            lambda csa, hca, width, index: csa * (width + index) / 4 + hca * (width + index) / 128,
            "HCA has no indexer: it reads all its entries.",
        ),
        Mistake(
            lambda csa, hca, width, index: csa * (width + index) / 8 + hca * width / 128,
            "CSA's windows overlap: an entry is made of 8 tokens, but there is one for every 4.",
        ),
        Mistake(
            lambda csa, hca, width, index: csa * (width + index) // 4 + hca * width // 128,
            "// rounds down. What is kept for one token, on average, can be a fraction: divide with /.",
        ),
    ],
    hints=[
        "Per token and layer: an entry's numbers, divided by how many tokens it stands for.",
        "A CSA layer keeps two kinds of entries for every 4 tokens: its own, and the indexer's keys.",
        "csa * (width + index_width) / 4 is the first part. What does an HCA layer keep?",
    ],
    solution_code=(
        "def cached_numbers(csa, hca, width, index_width):\n"
        "    return csa * (width + index_width) / 4 + hca * width / 128"
    ),
)

NOTEBOOK = "2 · Hierarchical attention"
ALL = [entries_seen, compress, blind_queries, cached_numbers]


def progress() -> None:
    """Print which of this notebook's exercises are solved, and how many of the course."""
    report(NOTEBOOK)
