"""Mixture of experts as DeepSeek uses it. Shapes: N tokens, M model width (`hidden_size`), E routed experts, K experts
per token, F expert width (`moe_intermediate_size`), S = N * K rows: one for each token and each of its experts."""

from deepseek_lab.moe.experts import Experts, experts_looped
from deepseek_lab.moe.layer import DeepSeekMoE
from deepseek_lab.moe.router import HashRouter, Routing, TopKRouter, record_routing
from deepseek_lab.moe.swiglu import SwiGLU

__all__ = [
    "DeepSeekMoE",
    "Experts",
    "HashRouter",
    "Routing",
    "SwiGLU",
    "TopKRouter",
    "experts_looped",
    "record_routing",
]
