"""V4's compression: every m tokens become one entry, a mean weighted by gates that the tokens bring themselves.

Each token makes a value and a gate, number by number. Of a complete window of m tokens, the gates go through a softmax
over the window and weigh the values; the result, normed and rotated to the position of the window's first token, is
the entry that later tokens can read. An entry exists only when its window is complete, so nothing is seen too early.

With `overlap` (compressed sparse attention) windows overlap: each token makes two values and two gates, (a) for the
window after its own and (b) for its own, so that an entry stands for 2 m tokens, but one is made every m. Sources:
transformers' `DeepseekV4CSACompressor` and `DeepseekV4HCACompressor`, which cite sections 2.3.1 and 2.3.2 of
DeepSeek-V4's report, and to which this is equal (`tests/parity/test_compressed_parity.py`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deepseek_lab.attention.cache import Slot
from deepseek_lab.attention.norm import RMSNorm
from deepseek_lab.attention.rope import apply_rope, rope_amplitude, rope_cos_sin, rope_frequencies
from deepseek_lab.config import DeepSeekConfig
from deepseek_lab.linear import Linear


@dataclass
class OpenWindow:
    """What a compressor has to remember between calls: the tokens of the window that isn't complete yet."""

    kv: Tensor  # (B, n, O), n < m; O is the entries' width, twice that with overlap
    gate: Tensor  # (B, n, O)
    before_kv: Tensor  # (B, m, D) with overlap: what the last complete window leaves for the next; else (B, 0, D)
    before_gate: Tensor

    def add(self, kv: Tensor, gate: Tensor) -> "OpenWindow":
        """With new tokens' values and gates, each (B, T, O), behind its own. Windows that they complete stay in."""
        kv, gate = torch.cat([self.kv, kv], dim=1), torch.cat([self.gate, gate], dim=1)
        return OpenWindow(kv, gate, self.before_kv, self.before_gate)

    def drop(self, count: int) -> "OpenWindow":
        """Without the newest `count` tokens."""
        kv, gate = (x[:, : x.shape[1] - count] for x in (self.kv, self.gate))
        return OpenWindow(kv, gate, self.before_kv, self.before_gate)

    def rest(self, ratio: int) -> "OpenWindow":
        """What is left when the complete windows, of `ratio` tokens each, are taken out."""
        end = self.kv.shape[1] // ratio * ratio
        before_kv, before_gate = self.before_kv, self.before_gate
        if end and before_kv.shape[1]:
            width = before_kv.shape[2]
            before_kv, before_gate = (x[:, end - ratio : end, :width] for x in (self.kv, self.gate))
        return OpenWindow(self.kv[:, end:], self.gate[:, end:], before_kv, before_gate)


class Compressor(nn.Module):
    """(B, T, M) -> one entry (B, D) for every `ratio` tokens. Names are those of the official checkpoints."""

    def __init__(self, config: DeepSeekConfig, width: int, ratio: int, overlap: bool):
        super().__init__()
        self.config, self.width, self.ratio, self.overlap = config, width, ratio, overlap
        columns = 2 * width if overlap else width
        self.wkv = Linear(config.hidden_size, columns, bias=False)
        self.wgate = Linear(config.hidden_size, columns, bias=False)
        self.ape = nn.Parameter(torch.zeros(ratio, columns))  # "absolute position embedding": by place in the window
        self.norm = RMSNorm(width, eps=config.rms_norm_eps)

    def forward(self, hidden_states: Tensor, start: int, before: OpenWindow) -> tuple[Tensor, OpenWindow]:
        """Tokens (B, T, M) from position `start` on -> the entries that they complete (B, n, D), and what is left."""
        positions = torch.arange(start, start + hidden_states.shape[1], device=hidden_states.device)
        opened = before.add(*self.project(hidden_states, positions))
        return self.entries(opened, start), opened.rest(self.ratio)

    def project(self, hidden_states: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """What each token brings: (B, T, M) at positions (T,) -> its value and its gate, each (B, T, O)."""
        return self.wkv(hidden_states), self.wgate(hidden_states) + self.ape[positions % self.ratio]

    def entries(self, opened: OpenWindow, start: int) -> Tensor:
        """One entry for each complete window in `opened`, (B, n, D); the first new token stood at `start`."""
        windows = opened.kv.shape[1] // self.ratio
        if not windows:
            return opened.kv.new_zeros(len(opened.kv), 0, self.width)
        complete = (x[:, : windows * self.ratio] for x in (opened.kv, opened.gate))
        kv, gate = (x.unflatten(1, (windows, self.ratio)) for x in complete)  # (B, n, m, O)
        if self.overlap:
            kv, gate = self._lap(kv, opened.before_kv), self._lap(gate, opened.before_gate)
        # entry = sum over the window of softmax(gate) * value, each of the D numbers by itself
        weights = gate.softmax(dim=2, dtype=torch.promote_types(gate.dtype, torch.float32)).to(kv.dtype)
        entries = self.norm((weights * kv).sum(dim=2))  # (B, n, D)
        first = start // self.ratio
        return turn(entries, self.rotary(torch.arange(first, first + windows, device=kv.device) * self.ratio))

    def _lap(self, x: Tensor, before: Tensor) -> Tensor:
        """(B, n, m, 2 D) -> (B, n, 2 m, D): each window's own half, after what the window before left for it."""
        for_next, own = x.split(self.width, dim=-1)
        left = torch.cat([before[:, None], for_next[:, :-1]], dim=1)
        return torch.cat([left, own], dim=2)

    def nothing_yet(self, batch_size: int) -> OpenWindow:
        """Before the first token. The gates of a window that never was are minus infinity: weight 0."""
        columns, left = self.wkv.out_features, self.ratio if self.overlap else 0
        empty, before = self.ape.new_zeros(batch_size, 0, columns), self.ape.new_zeros(batch_size, left, self.width)
        return OpenWindow(empty, empty, before, torch.full_like(before, float("-inf")))

    def slots(self) -> dict[str, Slot]:
        """What a cache has to keep of one sequence: its entries, and the open window by `OpenWindow`'s names."""
        opened = Slot((self.ratio - 1, self.wkv.out_features), tokens=0)
        left = Slot((self.ratio if self.overlap else 0, self.width), tokens=0)
        entries = Slot((self.width,), tokens=self.ratio)
        nothing = left._replace(fill=float("-inf"))  # the gates of a window that never was: weight 0
        return {"entries": entries, "kv": opened, "gate": opened, "before_kv": left, "before_gate": nothing}

    def rotary(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """cos and sin at these positions, as all layers with compressed entries use them."""
        return compressed_rotary(self.config, positions)


def compressed_rotary(config: DeepSeekConfig, positions: Tensor) -> tuple[Tensor, Tensor]:
    """V4's second rotation, slower than that of plain windows: `compress_rope_theta`, and YaRN. Two of (T, R/2)."""
    scaling = config.rope_scaling
    frequencies = rope_frequencies(config.qk_rope_head_dim, config.compress_rope_theta, scaling)
    return rope_cos_sin(positions, frequencies, rope_amplitude(scaling))


def turn(x: Tensor, rotary: tuple[Tensor, Tensor], back: bool = False) -> Tensor:
    """Rotate the last R numbers of (…, T, D), or turn them `back`. V4 rotates the end of a vector, not its start."""
    cos, sin = rotary
    plain, turned = x.split([x.shape[-1] - 2 * cos.shape[-1], 2 * cos.shape[-1]], dim=-1)
    return torch.cat([plain, apply_rope(turned, cos, -sin if back else sin)], dim=-1)
