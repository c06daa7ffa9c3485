"""What attention keeps of the tokens it has seen: preallocated tensors, filled from the left."""

import torch
from torch import Tensor

from deepseek_lab.config import is_whole, require


class AttentionCache:
    """The cache of one attention layer: named slots, each (B, max_length, ...), filled token by token.

    An attention module says which slots it needs (`new_cache`): keys and values for multi-head attention, one latent
    and one rotated key for MLA. The tensors are allocated once: growing them by concatenation would copy the whole
    past at every step. For inference: a call with a cache gives no gradient to keys and values, not even the new ones.
    """

    def __init__(self, batch_size: int, max_length: int, slots: dict[str, tuple[int, ...]], dtype, device):
        """`slots`: name -> shape of one token's entry, as {"c_kv": (512,), "k_pe": (64,)}."""
        for field, value in (("batch_size", batch_size), ("max_length", max_length)):
            require(is_whole(value) and value >= 1, field, value, "a whole number of at least 1")
        self.batch_size, self.max_length, self.length = batch_size, max_length, 0
        # Not an inference tensor even when made under torch.inference_mode(): those refuse later writes outside it.
        with torch.inference_mode(False):
            self.slots = {
                name: torch.zeros(batch_size, max_length, *shape, dtype=dtype, device=device)
                for name, shape in slots.items()
            }

    @classmethod
    def like(cls, weight: Tensor, batch_size: int, max_length: int, slots: dict[str, tuple[int, ...]]):
        """A cache for what a layer with this weight computes: its device, and its dtype or that of autocast."""
        kind = weight.device.type
        cast = kind != "meta" and torch.is_autocast_enabled(kind)
        dtype = torch.get_autocast_dtype(kind) if cast else weight.dtype
        return cls(batch_size, max_length, slots, dtype, weight.device)

    def append(self, **entries: Tensor) -> tuple[Tensor, ...]:
        """Store new tokens' entries, each (B, T, ...), and return every slot's tokens so far, each (B, S, ...).

        Everything is checked before anything is written, so a refused call leaves the cache as it was. Raises
        `ValueError` when the tokens don't fit or an entry has the wrong shape, dtype or device.
        """
        require(set(entries) == set(self.slots), "cache entries", sorted(entries), f"{sorted(self.slots)}")
        for name, entry in entries.items():
            takes = f"{self.slots[name].dim()} dimensions: batch, tokens, ..."
            require(entry.dim() == self.slots[name].dim(), f"cache entry {name}", tuple(entry.shape), takes)
        new_tokens = next(iter(entries.values())).shape[1]
        for name, entry in entries.items():
            slot = self.slots[name]
            expected = (self.batch_size, new_tokens, *slot.shape[2:])
            require(tuple(entry.shape) == expected, f"cache entry {name}", tuple(entry.shape), f"shape {expected}")
            kind, slot_kind = (entry.dtype, entry.device), (slot.dtype, slot.device)
            require(kind == slot_kind, f"cache entry {name}", kind, f"{slot_kind}, which the cache was made for")
        self.check_room(new_tokens)
        end = self.length + new_tokens
        for name, entry in entries.items():
            self.slots[name][:, self.length : end] = entry.detach()
        self.length = end
        return tuple(self.slots[name][:, :end] for name in entries)

    def check_room(self, new_tokens: int) -> None:
        """Raise `ValueError` unless `new_tokens` more tokens fit."""
        needed = self.length + new_tokens
        takes = f"at least {needed}: {self.length} tokens are cached and {new_tokens} more don't fit"
        require(needed <= self.max_length, "max_length of the cache", self.max_length, takes)

    @property
    def elements_per_token(self) -> int:
        """Numbers kept for one token of one sequence."""
        return sum(slot[0, 0].numel() for slot in self.slots.values())

    @property
    def nbytes(self) -> int:
        """Bytes held, the unused part included."""
        return sum(slot.nbytes for slot in self.slots.values())
