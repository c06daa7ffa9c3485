"""DeepSeekMoE: shared experts for every token, and K of E routed ones. Source: https://arxiv.org/abs/2401.06066."""

from torch import Tensor, nn

from deepseek_lab.config import DeepSeekConfig, is_whole, require
from deepseek_lab.moe.experts import Experts
from deepseek_lab.moe.router import HashRouter, TopKRouter
from deepseek_lab.moe.swiglu import SwiGLU


class DeepSeekMoE(nn.Module):
    """shared(x) + sum over the chosen experts e of weight_e * expert_e(x). (…, M) -> (…, M).

    `gate` is a `TopKRouter` or a `HashRouter`; with the latter, `input_ids` (…) must be given. The shared experts are
    one SwiGLU `n_shared_experts` times as wide, which is the same thing. Equal to transformers' `DeepseekV2Moe`,
    `DeepseekV3MoE` and `DeepseekV4SparseMoeBlock`, with their parameter names.
    """

    def __init__(
        self, gate: nn.Module, moe_intermediate_size: int, n_shared_experts: int = 1, swiglu_limit: float | None = None
    ):
        super().__init__()
        for field, value, least in (
            ("moe_intermediate_size", moe_intermediate_size, 1),
            ("n_shared_experts", n_shared_experts, 0),
        ):
            require(is_whole(value) and value >= least, field, value, f"a whole number of at least {least}")
        require(isinstance(gate, (TopKRouter, HashRouter)), "gate", type(gate).__name__, "a TopKRouter or a HashRouter")
        self.gate = gate
        self.experts = Experts(gate.n_routed_experts, gate.hidden_size, moe_intermediate_size, swiglu_limit)
        self.shared_experts = None
        if n_shared_experts:
            self.shared_experts = SwiGLU(gate.hidden_size, moe_intermediate_size * n_shared_experts, swiglu_limit)

    @classmethod
    def from_config(cls, config: DeepSeekConfig, layer: int = 0) -> "DeepSeekMoE":
        """The mixture-of-experts layer of a DeepSeek model. In V4 it depends on the `layer` who chooses."""
        hashed = config.mlp_layer_types is not None and config.mlp_layer_types[layer] == "hash_moe"
        router = (HashRouter if hashed else TopKRouter).from_config(config)
        return cls(router, config.moe_intermediate_size, config.n_shared_experts, config.swiglu_limit)

    def forward(self, x: Tensor, input_ids: Tensor | None = None) -> Tensor:
        """(B, T, M) -> (B, T, M). `input_ids` (B, T) are for hash routers, which choose by them."""
        routing = self.gate(x, input_ids)
        routed = self.experts(x.reshape(-1, x.shape[-1]), routing.experts, routing.weights).view_as(x)
        return routed if self.shared_experts is None else routed + self.shared_experts(x)
