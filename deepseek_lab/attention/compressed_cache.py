"""What V4's attention keeps of the past: the newest tokens, an entry for every m older ones, and the open window."""

import torch
from torch import Tensor

from deepseek_lab.attention.cache import AttentionCache, Slot
from deepseek_lab.attention.compressor import OpenWindow
from deepseek_lab.config import is_whole, require

UNDO = 64  # tokens: a longer step can't be taken back, so that a prompt isn't kept twice


def layer_signature(slots: dict[str, Slot]) -> str:
    """What a layer's cache depends on, in words: two layers with the same words can use each other's caches."""
    (keys, width), words = slots["window"].shape, []
    for name, slot in slots.items():
        if slot.tokens:
            words.append(f"{name.removesuffix('.entries')}: {slot.tokens} tokens an entry, width {slot.shape[0]}")
    return "; ".join([f"{keys} keys of width {width}", *words])


class CompressedCache(AttentionCache):
    """The cache of one V4 layer, made by `CompressedAttention.new_cache`.

    Slots: `window` (B, W - 1, D), the newest tokens' keys, which a new token reads beside its own; and for each
    compressor its `entries` (B, max_length / m, D) and its open window. Only the entries grow with the context.
    """

    def __init__(self, batch_size: int, max_length: int, slots: dict[str, Slot], dtype, device):
        super().__init__(batch_size, max_length, slots, dtype, device)
        self.describe(slots)

    def describe(self, slots: dict[str, Slot]) -> None:
        """Remember what the slots are for."""
        self.made_for = layer_signature(slots)
        self.ratios = {name.removesuffix(".entries"): slot.tokens for name, slot in slots.items() if slot.tokens}
        self._undo = None

    @property
    def dtype(self) -> torch.dtype:
        """Of the numbers kept."""
        return self.slots["window"].dtype

    def window(self) -> Tensor:
        """The cached tokens that the next token may still see: (B, n, D), oldest first."""
        slot = self.slots["window"]
        return slot[:, slot.shape[1] - min(self.length, slot.shape[1]) :]

    def open_window(self, name: str) -> OpenWindow:
        """Where this compressor stopped."""
        count = self.length % self.ratios[name]
        kv, gate = (self.slots[f"{name}.{slot}"][:, :count] for slot in ("kv", "gate"))
        return OpenWindow(kv, gate, self.slots[f"{name}.before_kv"], self.slots[f"{name}.before_gate"])

    def add_entries(self, name: str, entries: Tensor) -> Tensor:
        """Write new entries behind the complete ones, and return all: (B, E, D). They count once `advance` is called.

        Until then a second write goes to the same place, so a call that fails half-way has done no harm.
        """
        slot, first = self.slots[f"{name}.entries"], self.length // self.ratios[name]
        slot[:, first : first + entries.shape[1]] = entries.detach()
        return slot[:, : first + entries.shape[1]]

    def advance(self, keys: Tensor, opened: dict[str, OpenWindow]) -> None:
        """After a step: the new tokens' keys (B, T, D) push the window on.

        `opened`: each compressor's window with the new tokens in it, the complete ones not yet taken out.
        """
        count = keys.shape[1]
        keys = torch.cat([self.slots["window"], keys.detach()], dim=1)
        self._undo = None
        if count <= UNDO:
            # What the compressors saw is new memory already; what a window leaves for the next is overwritten below.
            kept = {n: OpenWindow(o.kv, o.gate, o.before_kv.clone(), o.before_gate.clone()) for n, o in opened.items()}
            self._undo = self.length, keys, kept
        self._keep(keys, opened)
        self.length += count

    def rewind(self, count: int) -> None:
        """Forget the newest `count` tokens, all of which must have come in the last step, of at most `UNDO` tokens.

        Raises `ValueError` otherwise.
        """
        if count == 0:
            return
        before, keys, opened = self._undo or (self.length, None, None)
        takes = f"a whole number from 0 to {self.length - before}, the tokens of the last step (if it had <= {UNDO})"
        require(is_whole(count) and 0 <= count <= self.length - before, "count", count, takes)
        keys, opened = keys[:, : keys.shape[1] - count], {name: window.drop(count) for name, window in opened.items()}
        self._undo = before, keys, opened
        self._keep(keys, opened)
        self.length -= count

    def _keep(self, keys: Tensor, opened: dict[str, OpenWindow]) -> None:
        slot = self.slots["window"]
        if slot.shape[1]:
            slot.copy_(keys[:, -slot.shape[1] :])
        for name, window in opened.items():
            rest = window.rest(self.ratios[name])
            count = rest.kv.shape[1]
            self.slots[f"{name}.kv"][:, :count] = rest.kv.detach()
            self.slots[f"{name}.gate"][:, :count] = rest.gate.detach()
            self.slots[f"{name}.before_kv"].copy_(rest.before_kv.detach())
            self.slots[f"{name}.before_gate"].copy_(rest.before_gate.detach())

    def append(self, **entries: Tensor) -> tuple[Tensor, ...]:
        """Not for this cache: a token isn't kept as one entry. See `add_entries` and `advance`."""
        raise NotImplementedError("CompressedCache is filled by CompressedAttention, not by append")

    @property
    def elements_per_token(self) -> float:
        """Numbers kept for each further token, in the long run: what windows hold doesn't grow."""
        return sum(self.slots[f"{name}.entries"].shape[-1] / ratio for name, ratio in self.ratios.items())
