"""SwiGLU, the feed-forward layer of Llama and DeepSeek. Source: https://arxiv.org/abs/2002.05202."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepseek_lab.moe.thin import thin_linear


def swiglu(gate: Tensor, up: Tensor, limit: float | None = None) -> Tensor:
    """silu(gate) * up, elementwise. With a `limit` (V4's `swiglu_limit`, 10) both are kept in bounds first.

    The gate is clamped from above only: from below, silu bounds it already. Source: transformers, DeepseekV4MLP.
    """
    if limit is not None:
        gate, up = gate.clamp(max=limit), up.clamp(min=-limit, max=limit)
    return F.silu(gate) * up


class SwiGLU(nn.Module):
    """down(silu(gate x) * up x), for every token: (…, M) -> (…, M). The dense layers and the shared experts."""

    def __init__(self, hidden_size: int, intermediate_size: int, limit: float | None = None):
        super().__init__()
        self.limit = limit
        self.gate_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.up_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.down_proj = nn.Linear(intermediate_size, hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return self.down_proj(swiglu(self.gate_proj(x), self.up_proj(x), self.limit))
        rows = x.flatten(0, -2)
        gate, up = thin_linear(rows, self.gate_proj.weight), thin_linear(rows, self.up_proj.weight)
        return thin_linear(swiglu(gate, up, self.limit), self.down_proj.weight).view_as(x)
