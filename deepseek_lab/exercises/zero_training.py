"""Exercises of notebook 05: whose numbers, how many bytes, and one step of ZeRO 1."""

import torch
from torch import Tensor

from deepseek_lab.course.exercises import Exercise, Mistake
from deepseek_lab.exercises.overview import report
from deepseek_lab.training.zero.memory import model_state_bytes


def _integer(generator: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


# --- 1. Whose numbers ---


def _shard(numbers: int, N: int, rank: int) -> tuple[int, int]:
    size = -(-numbers // N)
    return min(rank * size, numbers), min((rank + 1) * size, numbers)


def _even(numbers: int, N: int, rank: int) -> tuple[int, int]:
    size, longer = divmod(numbers, N)
    begin = rank * size + min(rank, longer)
    return begin, begin + size + (rank < longer)


def _shard_cases(generator: torch.Generator):
    yield 12, 4, 1
    yield 10, 4, 3
    yield 9, 4, 3  # the last rank has nothing
    yield 10, 8, 6  # and here its slice would begin behind the end
    for _ in range(6):
        N = _integer(generator, 1, 8)
        yield _integer(generator, N, 100), N, _integer(generator, 0, N - 1)


shard = Exercise(
    name="shard",
    cases=_shard_cases,
    reference=_shard,
    mistakes=[
        Mistake(
            lambda numbers, N, rank: (rank * (numbers // N), (rank + 1) * (numbers // N)),
            "Rounded down, the slices don't reach the end: the last numbers would never be updated.",
        ),
        Mistake(
            lambda numbers, N, rank: (rank * -(-numbers // N), (rank + 1) * -(-numbers // N)),
            "The last slice reaches over the end: there are only so many numbers.",
        ),
        Mistake(
            lambda numbers, N, rank: (rank * -(-numbers // N), min((rank + 1) * -(-numbers // N), numbers)),
            "An empty slice begins at `numbers`, too, and not behind it.",
        ),
        Mistake(
            lambda numbers, N, rank: (_shard(numbers, N, rank)[0], _shard(numbers, N, rank)[1] - 1),
            "The end is exclusive, as in a Python slice: the number after the last one.",
        ),
        Mistake(
            _even, "That spreads what is left over evenly. Here all slices have the same length, but for the last ones."
        ),
    ],
    hints=[
        "All slices have the same length, rounded up, so that N of them reach the end.",
        "-(-a // b) is a / b rounded up. The slice of a rank begins at rank times that.",
        "Neither end may lie behind the last number: min(..., numbers).",
    ],
    solution_code=(
        "def shard(numbers, N, rank):\n"
        "    size = -(-numbers // N)\n"
        "    return min(rank * size, numbers), min((rank + 1) * size, numbers)"
    ),
)


# --- 2. How many ranks ---


def _ranks_needed(parameters: int, stage: int, card: int) -> int:
    N = 1
    while sum(model_state_bytes(parameters, N, stage).values()) > card:
        N *= 2
        if N > 2**20:
            return 0
    return N


def _any_number(parameters: int, stage: int, card: int) -> int:
    whole = {1: 4, 2: 2, 3: 0}[stage]
    left = card - parameters * whole
    return -(-parameters * (16 - whole) // left) if left > 0 else 0


def _ranks_needed_cases(generator: torch.Generator):
    yield 7_500_000_000, 3, 80_000_000_000
    yield 7_500_000_000, 1, 24_000_000_000
    yield 7_500_000_000, 1, 80_000_000_000
    yield 4_000_000_000, 3, 80_000_000_000  # one rank is enough
    yield 20_000_000_000, 3, 40_000_000_000  # 8 ranks, exactly
    for _ in range(6):
        yield (
            _integer(generator, 1, 40) * 1_000_000_000,
            _integer(generator, 1, 3),
            _integer(generator, 20, 160) * 10**9,
        )


ranks_needed = Exercise(
    name="ranks_needed",
    cases=_ranks_needed_cases,
    reference=_ranks_needed,
    mistakes=[
        Mistake(
            lambda parameters, stage, card: _ranks_needed(parameters, 3, card),
            "That is right for stage 3, in which everything is sharded. What stays whole in this stage?",
        ),
        Mistake(_any_number, "So many do fit, but they are not always a power of two."),
        Mistake(
            lambda parameters, stage, card: _ranks_needed(parameters, stage, card - 1), "Exactly `card` bytes do fit."
        ),
    ],
    hints=[
        "Per parameter, on N ranks: 4 + 12 / N bytes in stage 1, 2 + 14 / N in stage 2, 16 / N in stage 3.",
        "As N grows, stages 1 and 2 come down to 4 and 2 bytes per parameter, and no further.",
        "If parameters * 4 (stage 1) or * 2 (stage 2) is no less than the card, the answer is 0. Else double N until "
        "it fits.",
    ],
    solution_code=(
        "def ranks_needed(parameters, stage, card):\n"
        "    whole = {1: 4, 2: 2, 3: 0}[stage]\n"
        "    if parameters * whole >= card:\n"
        "        return 0\n"
        "    N = 1\n"
        "    while parameters * (whole + (16 - whole) / N) > card:\n"
        "        N *= 2\n"
        "    return N"
    ),
)


# --- 3. One step of ZeRO 1 ---


def _sharded_step(weights: Tensor, gradients: Tensor, lr: float) -> Tensor:
    N = len(gradients)
    return torch.stack([w - lr * g for w, g in zip(weights.chunk(N), gradients.mean(dim=0).chunk(N), strict=True)])


def _sharded_step_cases(generator: torch.Generator):
    for _ in range(5):
        N, size = _integer(generator, 2, 4), _integer(generator, 2, 5)
        weights = torch.randn(N * size, generator=generator)
        yield weights, torch.randn(N, N * size, generator=generator), _integer(generator, 1, 9) / 10


def _own_gradient(weights: Tensor, gradients: Tensor, lr: float) -> Tensor:
    N = len(gradients)
    return torch.stack([weights.chunk(N)[r] - lr * gradients[r].chunk(N)[r] for r in range(N)])


sharded_step = Exercise(
    name="sharded_step",
    cases=_sharded_step_cases,
    reference=_sharded_step,
    mistakes=[
        Mistake(
            _own_gradient, "Each rank has used its own gradient. It needs its slice of everybody's: a reduce-scatter."
        ),
        Mistake(
            lambda weights, gradients, lr: _sharded_step(weights, gradients * len(gradients), lr),
            "The gradients were added up. The loss is a mean over the ranks, and so is its gradient.",
        ),
        Mistake(
            lambda weights, gradients, lr: weights - lr * gradients.mean(dim=0),
            "The numbers are right, but whole: return one row for each rank, before the all-gather.",
        ),
    ],
    hints=[
        "Row r of gradients is what rank r computed, for all weights. Rank r updates slice r of the weights only.",
        "What it needs for that is slice r of the mean over all rows.",
        "weights.view(N, -1) has slice r in row r; gradients.mean(dim=0).view(N, -1) too.",
    ],
    solution_code=(
        "def sharded_step(weights, gradients, lr):\n"
        "    N = len(gradients)\n"
        "    return weights.view(N, -1) - lr * gradients.mean(dim=0).view(N, -1)"
    ),
)


NOTEBOOK = "5 · ZeRO"
ALL = [shard, ranks_needed, sharded_step]


def progress() -> None:
    """Print which of this notebook's exercises are solved, and how many of the course."""
    report(NOTEBOOK)
