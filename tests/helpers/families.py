"""A very small model of each family, with weights large enough that logits differ clearly."""

import torch

from deepseek_lab import DeepSeekConfig
from deepseek_lab.config_fields import HEAVY, SLIDING, SPARSE
from deepseek_lab.model.decoder import DeepSeekForCausalLM

SHARED = dict(
    vocab_size=61, hidden_size=24, num_hidden_layers=3, num_attention_heads=2, q_lora_rank=12, qk_rope_head_dim=4,
    moe_intermediate_size=10, n_routed_experts=4, num_experts_per_tok=2, n_group=1, topk_group=1, rope_scaling=None,
    initializer_range=0.3,
)  # fmt: skip
LATENT = dict(kv_lora_rank=8, qk_nope_head_dim=6, v_head_dim=6, intermediate_size=20, first_k_dense_replace=1)
INDEX = dict(index_n_heads=16, index_head_dim=6)
CONFIGS = {
    "v2": DeepSeekConfig.preset("v2").replace(**SHARED, **LATENT),
    "v3": DeepSeekConfig.preset("v3").replace(**SHARED, **LATENT),
    "v32": DeepSeekConfig.preset("v3.2").replace(**SHARED, **LATENT, **INDEX, index_topk=7),
    "v4": DeepSeekConfig.preset("v4-flash").replace(
        **{n: v for n, v in SHARED.items() if n not in ("n_group", "topk_group")}, **INDEX, index_topk=2, head_dim=8,
        layer_types=(SLIDING, SPARSE, HEAVY), mlp_layer_types=("hash_moe", "moe", "moe"), sliding_window=5,
        compress_rate_csa=2, compress_rate_hca=4, o_groups=2, o_lora_rank=4, hc_mult=2,
    ),
}  # fmt: skip


def model(family: str, seed: int = 0, **fields) -> DeepSeekForCausalLM:
    """Always the same weights for the same seed. `mtp=True` for one with a prediction module (not V4)."""
    torch.manual_seed(seed)
    mtp = fields.pop("mtp", False)
    made = DeepSeekForCausalLM(CONFIGS[family].replace(**fields), mtp=mtp).eval()
    for module in made.modules():  # an untrained router's bias and V4's tables are zeros; they shouldn't be
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_floating_point() and name.endswith("bias"):
                buffer.normal_(std=0.1)
    return made
