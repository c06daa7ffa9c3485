"""Timing that can be believed: alternatives take turns in one process, and medians are compared."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch


def synchronize() -> None:
    """Wait until the GPU, if there is one, has done what it was asked: its calls return before the work is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    elif torch.backends.mps.is_available():
        torch.mps.synchronize()


def interleaved_medians(
    alternatives: Mapping[str, Callable[[], object]], rounds: int = 7, warmup: int = 2
) -> dict[str, float]:
    """Median seconds of a call of each alternative, measured by `interleaved_seconds`."""
    measured = interleaved_seconds(alternatives, rounds, warmup)
    return {name: statistics.median(seconds) for name, seconds in measured.items()}


def interleaved_seconds(
    alternatives: Mapping[str, Callable[[], object]], rounds: int = 7, warmup: int = 2
) -> dict[str, list[float]]:
    """Seconds of every call of each alternative, over `rounds` rounds after `warmup` unmeasured ones.

    The alternatives run in turns (a, b, a, b, ...), so that whatever else the machine does hits all of them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in alternatives}
    for round_number in range(warmup + rounds):
        for name, call in alternatives.items():
            synchronize()
            start = time.perf_counter()
            call()
            synchronize()
            if round_number >= warmup:
                seconds[name].append(time.perf_counter() - start)
    return seconds
