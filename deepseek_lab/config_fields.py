"""Which fields of `config.json` each kind of model has, what an absent one means, and the released shapes."""

import dataclasses
from dataclasses import dataclass

from deepseek_lab.checks import is_number, require


@dataclass(frozen=True)
class YarnScaling:
    """How YaRN stretches rotary positions from a trained context to a longer one (`rope_scaling`).

    Source: https://arxiv.org/abs/2309.00071; DeepSeek's `inference/model.py`, `precompute_freqs_cis`.
    """

    factor: float = 40.0  # stretched context / trained context
    original_max_position_embeddings: int = 4096  # tokens, the trained context
    beta_fast: float = 32.0  # pairs that turn more often than this in the trained context stay as they are
    beta_slow: float = 1.0  # pairs that turn less often than this are slowed down by `factor`
    mscale: float = 1.0
    mscale_all_dim: float = 1.0  # 0 leaves the softmax scale alone
    attention_factor: float | None = None  # None: what mscale and mscale_all_dim say

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            fine = is_number(value) or (value is None and field.name == "attention_factor")
            require(fine, f"rope_scaling.{field.name}", value, "a finite number")
        require(self.factor >= 1, "rope_scaling.factor", self.factor, "a number of at least 1")
        length = self.original_max_position_embeddings
        require(length >= 1, "rope_scaling.original_max_position_embeddings", length, "at least 1 token")
        betas = (self.beta_fast, self.beta_slow)
        require(betas[0] >= betas[1] > 0, "rope_scaling.beta_fast, beta_slow", betas, "fast >= slow > 0")


V3_YARN = YarnScaling()

# The three kinds of attention in V4: a window alone, or with entries that stand for a few tokens or for many.
SLIDING, SPARSE, HEAVY = "sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention"
LAYER_TYPES = (SLIDING, SPARSE, HEAVY)
MLP_LAYER_TYPES = ("hash_moe", "moe")

_EVERYWHERE = """
    model_type vocab_size hidden_size num_hidden_layers rms_norm_eps tie_word_embeddings initializer_range
    max_position_embeddings bos_token_id eos_token_id num_attention_heads q_lora_rank qk_rope_head_dim attention_bias
    rope_theta rope_scaling moe_intermediate_size n_routed_experts n_shared_experts num_experts_per_tok topk_method
    scoring_func norm_topk_prob routed_scaling_factor num_nextn_predict_layers n_group topk_group
"""
_LATENT = "kv_lora_rank qk_nope_head_dim v_head_dim rope_interleave intermediate_size first_k_dense_replace"
_INDEXED = "index_topk index_n_heads index_head_dim"
_COMPRESSED = """
    head_dim sliding_window layer_types compress_rate_csa compress_rate_hca compress_rope_theta o_groups o_lora_rank
    mlp_layer_types swiglu_limit hc_mult hc_sinkhorn_iters hc_eps
"""
FIELDS: dict[str, frozenset[str]] = {
    "deepseek_v2": frozenset(f"{_EVERYWHERE} {_LATENT}".split()),
    "deepseek_v3": frozenset(f"{_EVERYWHERE} {_LATENT}".split()),
    "deepseek_v32": frozenset(f"{_EVERYWHERE} {_LATENT} {_INDEXED}".split()),
    "deepseek_v4": frozenset(f"{_EVERYWHERE} {_INDEXED} {_COMPRESSED}".split()),
}
ARCHITECTURES = {
    "deepseek_v2": "DeepseekV2ForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
    "deepseek_v32": "DeepseekV32ForCausalLM",
    "deepseek_v4": "DeepseekV4ForCausalLM",
}

_V2 = dict(
    model_type="deepseek_v2", vocab_size=102400, bos_token_id=100000, eos_token_id=100001,
    n_shared_experts=2, num_experts_per_tok=6, scoring_func="softmax", norm_topk_prob=False,
    first_k_dense_replace=1, num_nextn_predict_layers=0,
)  # fmt: skip

_V4 = dict(
    model_type="deepseek_v4", max_position_embeddings=1048576, kv_lora_rank=None, qk_nope_head_dim=None,
    v_head_dim=None, rope_interleave=None, intermediate_size=None, first_k_dense_replace=None,
    rope_scaling=YarnScaling(16.0, 65536, mscale=0.0, mscale_all_dim=0.0, attention_factor=1.0),
    num_experts_per_tok=6, n_group=1, topk_group=1, scoring_func="sqrtsoftplus",
    index_n_heads=64, index_head_dim=128, head_dim=512, sliding_window=128, compress_rate_csa=4,
    compress_rate_hca=128, compress_rope_theta=160000.0, o_lora_rank=1024, swiglu_limit=10.0, hc_mult=4,
    hc_sinkhorn_iters=20, hc_eps=1e-6,
)  # fmt: skip

PRESETS: dict[str, dict] = {
    "v2-lite": dict(
        _V2, hidden_size=2048, num_hidden_layers=27, num_attention_heads=16, q_lora_rank=None,
        intermediate_size=10944, moe_intermediate_size=1408, n_routed_experts=64, n_group=1, topk_group=1,
        topk_method="greedy", routed_scaling_factor=1.0,
        rope_scaling=YarnScaling(mscale=0.707, mscale_all_dim=0.707),
    ),
    "v2": dict(
        _V2, hidden_size=5120, num_hidden_layers=60, num_attention_heads=128, q_lora_rank=1536,
        intermediate_size=12288, moe_intermediate_size=1536, n_routed_experts=160, n_group=8, topk_group=3,
        topk_method="group_limited_greedy", routed_scaling_factor=16.0,
        rope_scaling=YarnScaling(mscale=0.707, mscale_all_dim=0.707),
    ),
    "v3": {},
    "v3.2": dict(model_type="deepseek_v32", index_topk=2048, index_n_heads=64, index_head_dim=128),
    # What transformers' DeepseekV4Config takes by default is neither: it starts the alternation with the other kind.
    "v4-flash": dict(
        _V4, hidden_size=4096, num_hidden_layers=43, num_attention_heads=64, q_lora_rank=1024, o_groups=8,
        index_topk=512, n_routed_experts=256, moe_intermediate_size=2048, routed_scaling_factor=1.5,
        layer_types=(SLIDING, SLIDING) + (SPARSE, HEAVY) * 20 + (SPARSE,),
        mlp_layer_types=("hash_moe",) * 3 + ("moe",) * 40,
    ),
    "v4-pro": dict(
        _V4, hidden_size=7168, num_hidden_layers=61, num_attention_heads=128, q_lora_rank=1536, o_groups=16,
        index_topk=1024, n_routed_experts=384, moe_intermediate_size=3072, routed_scaling_factor=2.5,
        layer_types=(HEAVY, HEAVY) + (SPARSE, HEAVY) * 29 + (SPARSE,),
        mlp_layer_types=("hash_moe",) * 3 + ("moe",) * 58,
    ),
    # The course's own model, data/checkpoints/lab: V3's shape at a width of 160.
    "lab": dict(
        vocab_size=2048, hidden_size=160, num_hidden_layers=4, num_attention_heads=5, q_lora_rank=80, kv_lora_rank=48,
        qk_nope_head_dim=32, qk_rope_head_dim=16, v_head_dim=32, intermediate_size=448, moe_intermediate_size=48,
        first_k_dense_replace=1, n_routed_experts=24, num_experts_per_tok=4, n_group=1, topk_group=1,
        initializer_range=0.04, max_position_embeddings=1024, rope_scaling=None,
    ),
}  # fmt: skip

# What an absent field means in a config.json of each type: transformers' defaults, where they differ from ours.
_V4_DEFAULTS = {
    name: value for name, value in PRESETS["v4-flash"].items() if name not in ("layer_types", "mlp_layer_types")
}
HF_DEFAULTS: dict[str, dict] = {
    "deepseek_v3": dict(max_position_embeddings=4096),
    "deepseek_v32": PRESETS["v3.2"],
    "deepseek_v4": _V4_DEFAULTS,
    "deepseek_v2": dict(
        model_type="deepseek_v2", vocab_size=102400, hidden_size=4096, intermediate_size=11008,
        num_hidden_layers=32, num_attention_heads=32, max_position_embeddings=2048, bos_token_id=1,
        eos_token_id=2, first_k_dense_replace=0, n_group=1, topk_group=1, n_routed_experts=64,
        n_shared_experts=2, routed_scaling_factor=1.0, topk_method="greedy", scoring_func="softmax",
        norm_topk_prob=False, moe_intermediate_size=1407, num_nextn_predict_layers=0,
    ),
}  # fmt: skip
