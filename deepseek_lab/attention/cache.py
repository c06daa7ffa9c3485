"""What attention keeps of the tokens it has seen: preallocated tensors, filled from the left."""

from typing import NamedTuple

import torch
from torch import Tensor

from deepseek_lab.config import is_whole, require


class Slot(NamedTuple):
    """What a layer keeps under one name: an entry of this shape for every `tokens` tokens, or once if that is 0."""

    shape: tuple[int, ...]
    tokens: int = 1
    fill: float = 0.0  # what stands there at first

    def sizes(self, max_length: int) -> tuple[int, ...]:
        """The shape that room for `max_length` tokens of one sequence has."""
        return (max_length // self.tokens, *self.shape) if self.tokens else self.shape


class AttentionCache:
    """The cache of one attention layer: named slots, each (B, max_length, ...), filled token by token.

    An attention module says which slots it needs (`new_cache`): keys and values for multi-head attention, one latent
    and one rotated key for MLA. The tensors are allocated once: growing them by concatenation would copy the whole
    past at every step. For inference: a call with a cache gives no gradient to keys and values, not even the new ones.
    """

    def __init__(self, batch_size: int, max_length: int, slots: dict[str, Slot], dtype, device):
        """`slots`: what is kept under which name, as {"c_kv": Slot((512,)), "k_pe": Slot((64,))}."""
        for field, value in (("batch_size", batch_size), ("max_length", max_length)):
            require(is_whole(value) and value >= 1, field, value, "a whole number of at least 1")
        self.batch_size, self.max_length, self.length = batch_size, max_length, 0
        # Not an inference tensor even when made under torch.inference_mode(): those refuse later writes outside it.
        with torch.inference_mode(False):
            self.slots = {
                name: filled((batch_size, *slot.sizes(max_length)), slot.fill, dtype, device)
                for name, slot in slots.items()
            }

    @classmethod
    def like(cls, weight: Tensor, batch_size: int, max_length: int, slots: dict[str, Slot]):
        """A cache for what a layer with this weight computes: its device, and its dtype or that of autocast."""
        return cls(batch_size, max_length, slots, computed_dtype(weight), weight.device)

    def append(self, **entries: Tensor) -> tuple[Tensor, ...]:
        """Store new tokens' entries, each (B, T, ...), and return every slot's tokens so far, each (B, S, ...).

        Everything is checked before anything is written, so a refused call leaves the cache as it was. Raises
        `ValueError` when the tokens don't fit or an entry has the wrong shape, dtype or device.
        """
        new_tokens = check_entries(entries, self.slots, self.batch_size)
        self.check_room(new_tokens)
        end = self.length + new_tokens
        for name, entry in entries.items():
            self.slots[name][:, self.length : end] = entry.detach()
        self.length = end
        return tuple(self.slots[name][:, :end] for name in entries)

    def parts(self) -> list[tuple[slice, "AttentionCache"]]:
        """Whose tokens are where, in (B, T, ...): all are of one cache here; a paged batch has a part per sequence."""
        return [(slice(None), self)]

    def positions(self, new_tokens: int, device) -> Tensor:
        """Where the next tokens stand in their sequences: (T,)."""
        return torch.arange(self.length, self.length + new_tokens, device=device)

    def check_step(self, batch: int, new_tokens: int) -> None:
        """Raise `ValueError` unless `new_tokens` more tokens of each of `batch` sequences can come."""
        require(batch == self.batch_size, "batch", batch, f"{self.batch_size}, as the cache")
        self.check_room(new_tokens)

    def rewind(self, count: int) -> None:
        """Forget the newest `count` tokens of every sequence. Raises `ValueError` if it holds fewer."""
        fits = is_whole(count) and 0 <= count <= self.length
        require(fits, "count", count, f"a whole number from 0 to the {self.length} tokens that the cache holds")
        self.length -= count

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


def filled(shape: tuple[int, ...], fill: float, dtype: torch.dtype, device) -> Tensor:
    """A tensor of one number. Zeros cost no memory until they are written over; other numbers do."""
    if fill == 0:
        return torch.zeros(shape, dtype=dtype, device=device)
    return torch.full(shape, fill, dtype=dtype, device=device)


def check_entries(entries: dict[str, Tensor], slots: dict[str, Tensor], batch_size: int) -> int:
    """The number of new tokens, if entries (B, T, ...) fit slots (..., ..., ...); else `ValueError`."""
    require(set(entries) == set(slots), "cache entries", sorted(entries), f"{sorted(slots)}")
    for name, entry in entries.items():
        takes = f"{slots[name].dim()} dimensions: batch, tokens, ..."
        require(entry.dim() == slots[name].dim(), f"cache entry {name}", tuple(entry.shape), takes)
    new_tokens = next(iter(entries.values())).shape[1]
    for name, entry in entries.items():
        slot = slots[name]
        expected = (batch_size, new_tokens, *slot.shape[2:])
        require(tuple(entry.shape) == expected, f"cache entry {name}", tuple(entry.shape), f"shape {expected}")
        kind, slot_kind = (entry.dtype, entry.device), (slot.dtype, slot.device)
        require(kind == slot_kind, f"cache entry {name}", kind, f"{slot_kind}, which the cache was made for")
    return new_tokens


def computed_dtype(weight: Tensor) -> torch.dtype:
    """What a layer with this weight computes: its dtype, or that of autocast."""
    kind = weight.device.type
    cast = kind != "meta" and torch.is_autocast_enabled(kind)
    return torch.get_autocast_dtype(kind) if cast else weight.dtype


def parts_of(cache: AttentionCache | None) -> list[tuple[slice, AttentionCache | None]]:
    """`cache.parts()`; without a cache, all tokens and None."""
    return [(slice(None), None)] if cache is None else cache.parts()


def positions_of(cache: AttentionCache | None, new_tokens: int, device) -> Tensor:
    """`cache.positions(...)`; without a cache, from 0 on."""
    return torch.arange(new_tokens, device=device) if cache is None else cache.positions(new_tokens, device)
