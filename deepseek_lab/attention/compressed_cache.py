"""What V4's attention keeps of the past: the newest tokens, an entry for every m older ones, and the open window."""

import torch
from torch import Tensor

from deepseek_lab.attention.cache import AttentionCache
from deepseek_lab.attention.compressor import Compressor, OpenWindow


def layer_signature(window: tuple[int, int], compressors: dict[str, Compressor]) -> str:
    """What a layer's cache depends on, in words: two layers with the same words can use each other's caches."""
    entries = [f"{name}: {c.ratio} tokens an entry, width {c.width}" for name, c in compressors.items()]
    return "; ".join([f"{window[0]} keys of width {window[1]}", *entries])


class CompressedCache(AttentionCache):
    """The cache of one V4 layer, made by `CompressedAttention.new_cache`.

    Slots: `window` (B, W - 1, D), the newest tokens' keys, which a new token reads beside its own; and for each
    compressor its `entries` (B, max_length / m, D) and its open window. Only the entries grow with the context.
    """

    def __init__(self, batch_size: int, max_length: int, window: tuple[int, int], compressors: dict[str, Compressor],
                 dtype: torch.dtype, device: torch.device):  # fmt: skip
        super().__init__(batch_size, max_length, {}, dtype, device)
        self.made_for = layer_signature(window, compressors)
        self.ratios = {name: compressor.ratio for name, compressor in compressors.items()}
        shapes = {"window": window}
        for name, compressor in compressors.items():
            shapes[f"{name}.entries"] = (max_length // compressor.ratio, compressor.width)
            shapes |= {f"{name}.{slot}": shape for slot, shape in compressor.slots().items()}
        with torch.inference_mode(False):
            self.slots = {n: torch.zeros(batch_size, *s, dtype=dtype, device=device) for n, s in shapes.items()}
        for name in compressors:
            self.slots[f"{name}.before_gate"].fill_(float("-inf"))

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
        """After a step: the new tokens' keys (B, T, D) push the window on; each compressor's open window is kept."""
        slot = self.slots["window"]
        if slot.shape[1]:
            slot.copy_(torch.cat([slot, keys.detach()], dim=1)[:, -slot.shape[1] :])
        for name, state in opened.items():
            count = state.kv.shape[1]
            self.slots[f"{name}.kv"][:, :count] = state.kv.detach()
            self.slots[f"{name}.gate"][:, :count] = state.gate.detach()
            self.slots[f"{name}.before_kv"].copy_(state.before_kv.detach())
            self.slots[f"{name}.before_gate"].copy_(state.before_gate.detach())
        self.length += keys.shape[1]

    def append(self, **entries: Tensor) -> tuple[Tensor, ...]:
        """Not for this cache: a token isn't kept as one entry. See `add_entries` and `advance`."""
        raise NotImplementedError("CompressedCache is filled by CompressedAttention, not by append")

    @property
    def elements_per_token(self) -> float:
        """Numbers kept for each further token, in the long run: what windows hold doesn't grow."""
        return sum(self.slots[f"{name}.entries"].shape[-1] / ratio for name, ratio in self.ratios.items())
