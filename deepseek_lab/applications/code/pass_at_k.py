"""How often a model's programs work: pass@k without bias, and an interval that knows what was drawn.

Source: "Evaluating Large Language Models Trained on Code" (https://arxiv.org/abs/2107.03374), section 2.1.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deepseek_lab.config import require, require_whole

RESAMPLES = 2_000


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """The chance that at least one of `k` programs works, from `samples` of which `passed` did. Without bias.

    It is the share of all choices of k among the samples that hold one which works. 1 - (1 - passed / samples) ** k,
    which looks like it, is too low: it draws the same sample twice.

    Raises `ValueError` if there are fewer samples than k, or more passed than samples.
    """
    require_whole(1, samples=samples, k=k)
    require_whole(0, passed=passed)
    require(passed <= samples, "passed", passed, f"at most {samples}, as many as samples")
    require(k <= samples, "k", k, f"at most {samples}, as many as samples")
    # 1 - C(samples - passed, k) / C(samples, k), factor by factor: binomials of 200 have sixty digits
    none = 1.0
    for failed in range(samples - passed - k + 1, samples - passed + 1):
        none *= max(0, failed) / (failed + passed)
    return 1.0 - none


@dataclass(frozen=True)
class Estimate:
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.value:.0f} % ({100 * self.low:.0f} to {100 * self.high:.0f})"


def estimate(groups: Mapping[str, Sequence[float]], seed: int = 0) -> Estimate:
    """The mean over all values, with a 95 % interval by drawing whole groups again (bootstrap).

    Values of a group are alike (programs of one family): drawing them one by one would make the interval too narrow.
    Every value counts the same. With a single group the interval is as wide as can be: nothing is known of others.
    Where all values are 0, or all 1, drawing again would find no spread; the interval is then the exact one for so many
    groups (Clopper and Pearson): three families without a success don't show that there is none. Raises `ValueError`
    for no groups.
    """
    pools = [list(values) for values in groups.values() if len(values)]
    require(len(pools) > 0, "groups", "no values", "at least one")
    mean = _mean(pools)
    if len(pools) == 1:
        return Estimate(mean, 0.0, 1.0)
    if mean in (0.0, 1.0):
        far = 1 - 0.025 ** (1 / len(pools))
        return Estimate(mean, 0.0, far) if mean == 0 else Estimate(mean, 1 - far, 1.0)
    rng = random.Random(seed)
    means = sorted(_mean(rng.choices(pools, k=len(pools))) for _ in range(RESAMPLES))
    return Estimate(mean, means[round(0.025 * RESAMPLES)], means[round(0.975 * RESAMPLES) - 1])


def _mean(pools: Sequence[Sequence[float]]) -> float:
    return sum(map(sum, pools)) / sum(map(len, pools))
