"""The cache of a whole model: one `AttentionCache` for each layer."""

import weakref
from collections.abc import Sequence
from contextlib import suppress

from torch import Tensor, nn

from deepseek_lab.attention import AttentionCache
from deepseek_lab.config import require


class ModelCache:
    """What a model keeps of the tokens it has seen. Made by `model.new_cache`, filled by `model(ids, cache=cache)`.

    What another model has kept would be read without complaint if the shapes fit, and the answers would be nonsense:
    so a cache knows its `owner`, and no other model takes it.
    """

    def __init__(self, layers: Sequence[AttentionCache], owner: nn.Module | None = None):
        self.layers = list(layers)
        self._owner = None if owner is None else weakref.ref(owner)

    def check_owner(self, model: nn.Module) -> None:
        """Raise `ValueError` if this cache was made by another model."""
        mine = self._owner is None or self._owner() is model
        require(mine, "cache", "one that another model has made", "one made by this model's new_cache")

    def check_step(self, batch: int, new_tokens: int) -> None:
        """Raise `ValueError` unless `new_tokens` more tokens of each of `batch` sequences can come."""
        held = {layer.length for layer in self.layers}
        require(len(held) == 1, "cache", f"layers that hold {sorted(held)} tokens: a call failed half-way",
                "one whose layers agree: make a new one")  # fmt: skip
        self.layers[0].check_step(batch, new_tokens)

    def after_error(self, length: int) -> None:
        """A call failed: back to `length` tokens. V4 can't after more than `UNDO` tokens; `check_step` refuses then."""
        for layer in self.layers:
            with suppress(ValueError):
                layer.rewind(layer.length - length)

    def positions(self, new_tokens: int, device) -> Tensor:
        """Where the next tokens stand in their sequences: (T,)."""
        return self.layers[0].positions(new_tokens, device)

    def rewind(self, count: int) -> None:
        """Forget the newest `count` tokens of every sequence. V4: as far as the last step goes (`CompressedCache`)."""
        for layer in self.layers:
            layer.rewind(count)

    @property
    def length(self) -> int:
        """Tokens held."""
        return self.layers[0].length

    @property
    def batch_size(self) -> int:
        """Sequences."""
        return self.layers[0].batch_size

    @property
    def max_length(self) -> int:
        """Tokens there is room for."""
        return self.layers[0].max_length

    @property
    def elements_per_token(self) -> int:
        """Numbers kept for one token of one sequence, in all layers."""
        return sum(layer.elements_per_token for layer in self.layers)

    @property
    def nbytes(self) -> int:
        """Bytes held in all layers, the unused part included."""
        return sum(layer.nbytes for layer in self.layers)
