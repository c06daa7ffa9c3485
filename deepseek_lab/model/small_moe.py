"""A small mixture-of-experts model for the course's experiments on routing."""

from deepseek_lab.attention import MultiHeadAttention
from deepseek_lab.model.small import SmallDecoder
from deepseek_lab.moe.layer import DeepSeekMoE
from deepseek_lab.moe.router import TopKRouter

HIDDEN, LAYERS, HEADS = 128, 2, 8


def small_moe(
    n_routed_experts: int = 16,
    num_experts_per_tok: int = 2,
    expert_width: int = 128,
    n_shared_experts: int = 1,
    routed_scaling_factor: float = 1.0,
) -> SmallDecoder:
    """Two layers, byte-level, width 128, routed as in V3 without groups: sigmoid, bias, normalised weights."""
    attentions = [MultiHeadAttention(HIDDEN, HEADS, HEADS, HIDDEN // HEADS) for _ in range(LAYERS)]
    scale = {"routed_scaling_factor": routed_scaling_factor}
    routers = [TopKRouter(HIDDEN, n_routed_experts, num_experts_per_tok, **scale) for _ in range(LAYERS)]
    layers = [DeepSeekMoE(router, expert_width, n_shared_experts) for router in routers]
    return SmallDecoder(attentions, HIDDEN, feed_forwards=layers)
