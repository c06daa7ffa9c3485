"""From logits to the next token: what is made less likely, what is left out, and what is drawn.

In the order in which transformers does it too:

    repetition penalty r   positive logits of tokens that came before are divided by r, negative ones multiplied
    temperature t          logits / t
    top-k                  the k most likely tokens stay
    top-p                  the fewest most likely tokens that have the probability p together stay
    min-p                  tokens at least p times as likely as the most likely one stay

Sources: CTRL (https://arxiv.org/abs/1909.05858) for the penalty, https://arxiv.org/abs/1904.09751 for top-p,
https://arxiv.org/abs/2407.01082 for min-p.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from deepseek_lab.config import is_number, is_whole, require

LEAST = 1e-8


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. Temperature 0 takes the most likely one that the penalty leaves, every time."""

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0

    def __post_init__(self):
        t, k, penalty = self.temperature, self.top_k, self.repetition_penalty
        # Smaller than LEAST, logits divided by it leave fp32.
        require(is_number(t) and (t == 0 or t >= LEAST), "temperature", t, f"0, or a number of at least {LEAST}")
        require(k is None or (is_whole(k) and k >= 1), "top_k", k, "None or a whole number of at least 1")
        for name in ("top_p", "min_p"):
            value = getattr(self, name)
            good = value is None or (is_number(value) and 0 < value <= 1)
            require(good, name, value, "None or a number above 0 and at most 1")
        good = is_number(penalty) and LEAST <= penalty <= 1 / LEAST
        require(good, "repetition_penalty", penalty, f"a number from {LEAST} to {1 / LEAST:.0f}")

    def scores(self, logits: Tensor, before: Tensor) -> Tensor:
        """(B, V) logits and (B, T) tokens so far -> (B, V): what is drawn from is their softmax; -inf is left out."""
        scores = logits.float()
        if self.repetition_penalty != 1:
            seen = scores.gather(1, before)
            less = torch.where(seen > 0, seen / self.repetition_penalty, seen * self.repetition_penalty)
            scores = scores.scatter(1, before, less)
        if self.temperature == 0:
            return scores
        scores = scores / self.temperature
        if self.top_k is not None:
            least = scores.topk(min(self.top_k, scores.shape[-1])).values[:, -1:]
            scores = scores.masked_fill(scores < least, -torch.inf)
        if self.top_p is not None and self.top_p < 1:
            scores = _keep_probable(scores, self.top_p)
        if self.min_p is not None:
            likely = scores.softmax(dim=-1)
            scores = scores.masked_fill(likely < self.min_p * likely.amax(dim=-1, keepdim=True), -torch.inf)
        return scores

    def choose(self, logits: Tensor, before: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(B, V) logits and (B, T) tokens so far -> the chosen tokens (B, 1)."""
        scores = self.scores(logits, before)
        if self.temperature == 0:
            return scores.argmax(dim=-1, keepdim=True)
        return torch.multinomial(scores.softmax(dim=-1), 1, generator=generator)


def _keep_probable(scores: Tensor, p: float) -> Tensor:
    """Leave out, from the least likely one on, as many tokens as have at most 1 - p together; never the best one."""
    ascending, order = scores.sort(dim=-1)
    out = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1 - p
    out[:, -1] = False
    return scores.masked_fill(out.scatter(1, order, out), -torch.inf)
