"""Exercises of notebook 08: the best span, the overlap of two answers, and a verdict over several windows."""

from collections import Counter

import torch
from torch import Tensor

from deepseek_lab.course.exercises import Exercise, Mistake
from deepseek_lab.exercises.overview import report


def _integer(generator: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


# --- 1. The best span ---


def _best_span(start: Tensor, end: Tensor, longest: int) -> tuple[int, int]:
    products = (start[:, None] * end[None, :]).triu().tril(longest - 1)
    first, last = divmod(int(products.argmax()), len(end))
    return first, last


def _best_span_cases(generator: torch.Generator):
    yield torch.tensor([0.02, 0.38, 0.1, 0.1, 0.4]), torch.tensor([0.4, 0.05, 0.1, 0.35, 0.1]), 2
    yield torch.tensor([0.1, 0.2, 0.7]), torch.tensor([0.6, 0.3, 0.1]), 3  # the likeliest end is before the start
    yield torch.tensor([0.8, 0.1, 0.05, 0.05]), torch.tensor([0.05, 0.1, 0.15, 0.7]), 2  # and here it's too far away
    yield torch.tensor([1.0]), torch.tensor([1.0]), 5
    yield torch.tensor([0.55, 0.35, 0.1]), torch.tensor([0.02, 0.35, 0.63]), 1  # the largest sum is another span's
    for _ in range(8):
        count = _integer(generator, 3, 12)
        start, end = torch.randn(2, count, generator=generator).mul(1.5).softmax(dim=-1)
        yield start, end, _integer(generator, 1, count)


def _by_sum(start: Tensor, end: Tensor, longest: int) -> tuple[int, int]:
    pairs = [(i, j) for i in range(len(start)) for j in range(i, min(i + longest, len(end)))]
    return max(pairs, key=lambda pair: start[pair[0]] + end[pair[1]])


def _unlimited(start: Tensor, end: Tensor, longest: int) -> tuple[int, int]:
    return _best_span(start, end, len(start))


def _start_first(start: Tensor, end: Tensor, longest: int) -> tuple[int, int]:
    first = int(start.argmax())
    return first, first + int(end[first : first + longest].argmax())


best_span = Exercise(
    name="best_span",
    cases=_best_span_cases,
    reference=_best_span,
    mistakes=[
        Mistake(
            lambda start, end, longest: (int(start.argmax()), int(end.argmax())),
            "The likeliest start and the likeliest end needn't belong together: the end may stand before the start.",
        ),
        Mistake(
            _start_first,
            "Don't settle on the start alone: a span with a slightly worse start and a far better end may win.",
        ),
        Mistake(_by_sum, "Probabilities that both have to hold are multiplied. It is logits that are added."),
        Mistake(_unlimited, "An answer has at most `longest` tokens, the first and the last included."),
    ],
    hints=[
        "Two loops will do: i over all tokens, j from i to i + longest - 1, but not beyond the last token.",
        "Keep the pair with the largest start[i] * end[j].",
        "max(pairs, key=lambda pair: start[pair[0]] * end[pair[1]])",
    ],
    solution_code=(
        "def best_span(start, end, longest):\n"
        "    pairs = [(i, j) for i in range(len(start))\n"
        "             for j in range(i, min(i + longest, len(end)))]\n"
        "    return max(pairs, key=lambda pair: start[pair[0]] * end[pair[1]])"
    ),
)


# --- 2. The overlap of two answers ---


def _overlap(predicted: list[str], expected: list[str]) -> float:
    if not predicted or not expected:
        return float(predicted == expected)
    shared = (Counter(predicted) & Counter(expected)).total()
    return 2 * shared / (len(predicted) + len(expected))


def _overlap_cases(generator: torch.Generator):
    yield ["the", "red", "red", "old", "bridge"], ["red", "bridge"]
    yield ["red", "red"], ["red", "red", "bridge"]
    yield [], []
    yield [], ["1987"]
    words = ["in", "the", "year", "1987", "of", "red", "bridge"]
    for _ in range(8):
        drawn = torch.randint(0, len(words), (_integer(generator, 1, 10),), generator=generator).tolist()
        cut = _integer(generator, 0, len(drawn))
        yield [words[i] for i in drawn[:cut]], [words[i] for i in drawn[cut:]]


def _of_kinds(predicted: list[str], expected: list[str]) -> float:
    if not predicted or not expected:
        return float(predicted == expected)
    return 2 * len({*predicted} & {*expected}) / (len(predicted) + len(expected))


def _recall(predicted: list[str], expected: list[str]) -> float:
    if not predicted or not expected:
        return float(predicted == expected)
    return (Counter(predicted) & Counter(expected)).total() / len(expected)


overlap = Exercise(
    name="overlap",
    cases=_overlap_cases,
    reference=_overlap,
    mistakes=[
        Mistake(_of_kinds, "A token that stands twice in both counts twice: a set forgets how often."),
        Mistake(_recall, "That is recall alone. A whole page holds every answer: precision has to count as well."),
        Mistake(
            lambda predicted, expected: _recall(expected, predicted),
            "That is precision alone. The first word of an answer would have all of it: recall has to count as well.",
        ),
        Mistake(
            lambda predicted, expected: _overlap(predicted, expected) if predicted and expected else 0.0,
            "If both are empty, the model said rightly that there is no answer: that is 1.",
        ),
    ],
    hints=[
        "Counter(predicted) & Counter(expected) keeps of each token the smaller count; .total() adds them up.",
        "precision = shared / len(predicted), recall = shared / len(expected); F1 is 2 p r / (p + r).",
        "That is 2 * shared / (len(predicted) + len(expected)). Without tokens on one side: 1.0 if both have none.",
    ],
    solution_code=(
        "def overlap(predicted, expected):\n"
        "    from collections import Counter\n"
        "    if not predicted or not expected:\n"
        "        return float(predicted == expected)\n"
        "    shared = (Counter(predicted) & Counter(expected)).total()\n"
        "    return 2 * shared / (len(predicted) + len(expected))"
    ),
)


# --- 3. A verdict over several windows ---


def _verdict(best: Tensor, nowhere: Tensor, threshold: float) -> int:
    window = int(best.argmax())
    return window if best[window] - nowhere.min() > threshold else -1


def _verdict_cases(generator: torch.Generator):
    yield torch.tensor([2.0, 9.0, 1.0]), torch.tensor([9.5, 3.0, 7.0]), 0.0
    yield torch.tensor([6.0, 9.0]), torch.tensor([3.0, 2.0]), 0.0
    yield torch.tensor([2.0, 5.0]), torch.tensor([8.0, 6.0]), 0.0
    yield torch.tensor([4.0, 5.0]), torch.tensor([3.5, 4.75]), 0.3
    yield torch.tensor([4.0, 5.0]), torch.tensor([3.5, 4.75]), 2.0
    yield torch.tensor([2.0, 3.0]), torch.tensor([5.0, 4.0]), -2.0
    for _ in range(9):
        count = _integer(generator, 2, 5)
        best, nowhere = torch.randn(2, count, generator=generator) * 3
        yield best, nowhere, _integer(generator, -2, 2) + 0.5


def _first_that_dares(best: Tensor, nowhere: Tensor, threshold: float) -> int:
    daring = [window for window in range(len(best)) if best[window] - nowhere[window] > threshold]
    return daring[0] if daring else -1


def _alone(best: Tensor, nowhere: Tensor, threshold: float) -> int:
    window = int(best.argmax())
    return window if best[window] - nowhere[window] > threshold else -1


def _unanimous(best: Tensor, nowhere: Tensor, threshold: float) -> int:
    window = int(best.argmax())
    return window if best[window] - nowhere.max() > threshold else -1


verdict = Exercise(
    name="verdict",
    cases=_verdict_cases,
    reference=_verdict,
    mistakes=[
        Mistake(
            _first_that_dares,
            "The first window that finds something needn't be the best: compare the best spans of all windows.",
        ),
        Mistake(
            _alone,
            'That is "not in the context" of the same window. The least sure one may be another: take the smallest.',
        ),
        Mistake(
            _unanimous,
            "Most windows don't hold the answer and say so rightly. Only the least sure of them counts: the minimum.",
        ),
        Mistake(
            lambda best, nowhere, threshold: _verdict(best, nowhere, 0.0),
            "The best span has to be better by more than `threshold`, which can also be below 0.",
        ),
        Mistake(
            lambda best, nowhere, threshold: int(best.argmax()),
            'There is always a best span. Compare it with "not in the context".',
        ),
    ],
    hints=[
        "Which window has the highest `best`? That is the only candidate.",
        '"Not in the context" must hold for every window: take the smallest of `nowhere`.',
        "i = best.argmax(); i if best[i] - nowhere.min() > threshold, else -1.",
    ],
    solution_code=(
        "def verdict(best, nowhere, threshold):\n"
        "    i = int(best.argmax())\n"
        "    return i if best[i] - nowhere.min() > threshold else -1"
    ),
)


NOTEBOOK = "8 · Question answering"
ALL = [best_span, overlap, verdict]


def progress() -> None:
    """Print which of this notebook's exercises are solved, and how many of the course."""
    report(NOTEBOOK)
