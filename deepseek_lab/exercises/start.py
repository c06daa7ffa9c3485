"""Exercise of notebook 00, for a taste: from scores to probabilities, colder or warmer."""

import torch
from torch import Tensor

from deepseek_lab.course.exercises import Exercise, Mistake
from deepseek_lab.exercises.overview import report


def _warmed(logits: Tensor, temperature: float) -> Tensor:
    return (logits / temperature).softmax(dim=-1)


def _warmed_cases(generator: torch.Generator):
    yield torch.tensor([2.0, 1.0, 0.0]), 0.5
    for _ in range(8):
        tokens = int(torch.randint(2, 12, (), generator=generator))
        temperature = int(torch.randint(2, 9, (), generator=generator)) / 10 + 0.05  # never 1: it would change nothing
        yield 2 * torch.randn(tokens, generator=generator), temperature


warmed = Exercise(
    name="warmed",
    cases=_warmed_cases,
    reference=_warmed,
    mistakes=[
        Mistake(
            lambda logits, temperature: (logits * temperature).softmax(dim=-1),
            "These get more even as it gets colder. Cold means: differences between scores grow.",
        ),
        Mistake(
            lambda logits, temperature: logits.softmax(dim=-1) / temperature,
            "These don't sum to 1. The temperature acts on the scores, before they become probabilities.",
        ),
        Mistake(
            lambda logits, temperature: (logits / temperature).exp(),
            "These don't sum to 1. Divide each by the sum of them all.",
        ),
        Mistake(
            lambda logits, temperature: (logits / temperature).log_softmax(dim=-1),
            "These are logarithms of probabilities: log_softmax makes them, softmax doesn't.",
        ),
        Mistake(
            lambda logits, temperature: logits.softmax(dim=-1),
            "That is temperature 1, whatever was asked for. (Adding a number to all scores changes nothing, either.)",
        ),
        Mistake(lambda logits, temperature: logits / temperature, "These are scores still: they can be negative."),
    ],
    hints=[
        "Two steps: scale the scores, then turn them into probabilities.",
        "Divided by a small temperature, differences between scores grow, and the likeliest token takes nearly all.",
        "x.softmax(dim=-1) makes probabilities of a tensor x of scores.",
    ],
    solution_code="def warmed(logits, temperature):\n    return (logits / temperature).softmax(dim=-1)",
)

NOTEBOOK = "0 · Start here"
ALL = [warmed]


def progress() -> None:
    """Print which of this notebook's exercises are solved, and how many of the course."""
    report(NOTEBOOK)
