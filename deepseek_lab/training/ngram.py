"""A model that only counts: interpolated Kneser-Ney over the last few tokens. What a neural model has to beat.

Source: Kneser and Ney 1995; Chen and Goodman, "An Empirical Study of Smoothing Techniques" (1999), section 2.7.
"""

import math

import numpy as np
from torch import Tensor

from deepseek_lab.config import is_number, is_whole, require


class NGram:
    """P(token | the `order` - 1 before it), from counts in a text of token ids.

    A frequent continuation counts less a `discount`; what is taken away is spread as the next shorter context says.
    Shorter contexts count in how many *different* contexts a token was seen, not how often.
    """

    def __init__(self, tokens: Tensor, vocab_size: int, order: int = 5, discount: float = 0.75):
        require(is_whole(order) and order >= 1, "order", order, "a whole number of at least 1")
        require(is_number(discount) and 0 < discount < 1, "discount", discount, "a number between 0 and 1")
        require(len(tokens) >= order, "tokens", len(tokens), f"at least {order}")
        self.vocab_size, self.order, self.discount = vocab_size, order, discount
        self.bits = max(1, (vocab_size - 1).bit_length())  # of one token: an n-gram is one integer
        require(self.bits * order <= 63, "order", order, f"at most {63 // self.bits} with this vocabulary")
        self.tables = {}
        grams, counts = np.unique(self._grams(tokens, order), return_counts=True)
        for length in range(order, 0, -1):
            self.tables[length] = _Table(grams, counts, self.bits)
            shorter = grams & ((1 << self.bits * (length - 1)) - 1)  # without its first token
            grams, counts = np.unique(shorter, return_counts=True)  # in how many contexts it was seen

    def _grams(self, tokens: Tensor, length: int) -> np.ndarray:
        """Every run of `length` tokens as one integer, the last token in the lowest bits."""
        ids = tokens.numpy().astype(np.int64)
        count = len(ids) - length + 1
        grams = np.zeros(count, np.int64)
        for offset in range(length):
            grams = (grams << self.bits) | ids[offset : offset + count]
        return grams

    def loss(self, tokens: Tensor) -> float:
        """Mean of -ln P, in nats per token, over all tokens that have a whole context before them."""
        grams = self._grams(tokens, self.order)
        probability = np.full(len(grams), 1 / self.vocab_size)
        for length in range(1, self.order + 1):
            gram = grams & ((1 << self.bits * length) - 1)
            count, total, different = self.tables[length].look_up(gram)
            # P = (count - D) / total + D * different / total * P of the shorter context
            kept = np.maximum(count - self.discount, 0)
            mixed = (kept + self.discount * different * probability) / np.maximum(total, 1)
            probability = np.where(total > 0, mixed, probability)
        return float(-np.log(probability).mean())


class _Table:
    """n-grams of one length with their counts, and for each context the sum and the number of its continuations."""

    def __init__(self, grams: np.ndarray, counts: np.ndarray, bits: int):
        self.grams, self.counts, self.bits = grams, counts, bits
        self.contexts, first, self.different = np.unique(grams >> bits, return_index=True, return_counts=True)
        self.totals = np.add.reduceat(counts, first)

    def look_up(self, grams: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(count of the n-gram, of its context, different continuations of its context), 0 where never seen."""
        place, found = _find(self.grams, grams)
        context, known = _find(self.contexts, grams >> self.bits)
        return self.counts[place] * found, self.totals[context] * known, self.different[context] * known


def _find(sorted_values: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    place = np.searchsorted(sorted_values, wanted).clip(max=len(sorted_values) - 1)
    return place, sorted_values[place] == wanted


def bits_per_byte(nats_per_token: float, tokens: int, text_bytes: int) -> float:
    """A loss in a unit that doesn't depend on how text is cut into tokens. Raises `ValueError` for no bytes."""
    require(text_bytes >= 1, "text_bytes", text_bytes, "at least 1")
    return nats_per_token * tokens / text_bytes / math.log(2)
