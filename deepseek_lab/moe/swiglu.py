"""SwiGLU, the feed-forward layer of Llama and DeepSeek. Source: https://arxiv.org/abs/2002.05202."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepseek_lab.config import is_number, is_whole, require
from deepseek_lab.linear import Linear


def swiglu(gate: Tensor, up: Tensor, limit: float | None = None) -> Tensor:
    """silu(gate) * up, elementwise. With a `limit` (V4's `swiglu_limit`, 10) both are kept in bounds first.

    The gate is clamped from above only: from below, silu bounds it already. Source: transformers, DeepseekV4MLP.
    """
    if limit is not None:
        gate, up = gate.clamp(max=limit), up.clamp(min=-limit, max=limit)
    return F.silu(gate) * up


def swiglu_gradient(gate_up: Tensor, grad: Tensor, limit: float | None = None) -> tuple[Tensor, Tensor]:
    """`swiglu`'s way back. (n, 2F) gate beside up, and d loss / d swiglu (n, F) -> (swiglu (n, F), d loss / d both)."""
    gate, up = gate_up.chunk(2, dim=-1)
    if limit is not None:
        gate, up = gate.clamp(max=limit), up.clamp(min=-limit, max=limit)
    silu = F.silu(gate)
    grads = torch.empty_like(gate_up)
    grad_gate, grad_up = grads.chunk(2, dim=-1)
    torch.mul(grad, silu, out=grad_up)
    grad_gate.copy_(torch.ops.aten.silu_backward(grad * up, gate))
    if limit is not None:  # what was clamped has no gradient
        unclamped_gate, unclamped_up = gate_up.chunk(2, dim=-1)
        grad_gate.masked_fill_(unclamped_gate > limit, 0)
        grad_up.masked_fill_(unclamped_up.abs() > limit, 0)
    return silu.mul_(up), grads


def check_swiglu(hidden_size: int, intermediate_size: int, limit: float | None) -> None:
    """Raise `ValueError` naming the field, unless these describe a SwiGLU."""
    for field, value in (("hidden_size", hidden_size), ("intermediate_size", intermediate_size)):
        require(is_whole(value) and value >= 1, field, value, "a whole number of at least 1")
    fits = limit is None or (is_number(limit) and limit > 0)
    require(fits, "swiglu_limit", limit, "None or a number above 0")


class SwiGLU(nn.Module):
    """down(silu(gate x) * up x), for every token: (…, M) -> (…, M). The dense layers and the shared experts."""

    def __init__(self, hidden_size: int, intermediate_size: int, limit: float | None = None):
        super().__init__()
        check_swiglu(hidden_size, intermediate_size, limit)
        self.limit = limit
        self.gate_proj = Linear(hidden_size, intermediate_size, bias=False)
        self.up_proj = Linear(hidden_size, intermediate_size, bias=False)
        self.down_proj = Linear(intermediate_size, hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(…, M) -> (…, M)."""
        return self.down_proj(swiglu(self.gate_proj(x), self.up_proj(x), self.limit))
