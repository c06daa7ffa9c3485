"""One configuration for every DeepSeek model, with the field names of the official `config.json`.

A frozen dataclass: a model is described once and never changes under your feet. Make a variation with
`config.replace(num_hidden_layers=2)`.
"""

import dataclasses
from dataclasses import dataclass

from deepseek_lab.checks import is_number, is_whole, require, require_whole
from deepseek_lab.config_fields import (
    FIELDS,
    HEAVY,
    LAYER_TYPES,
    MLP_LAYER_TYPES,
    PRESETS,
    SLIDING,
    SPARSE,
    V3_YARN,
    YarnScaling,
)
from deepseek_lab.config_files import read_config, write_config

__all__ = ["DeepSeekConfig", "YarnScaling", "is_number", "is_whole", "require", "require_whole"]


@dataclass(frozen=True)
class DeepSeekConfig:
    """Shape of a DeepSeek model, V2 to V4. The defaults are DeepSeek-V3's.

    Widths count numbers (elements), not bytes. `q_lora_rank=None` means that queries are not compressed, as in
    V2-Lite. `rope_scaling=None` means plain RoPE. A field that a kind of model doesn't have is None. Raises
    `ValueError` naming the field, what it got and what it takes.
    """

    model_type: str = "deepseek_v3"
    vocab_size: int = 129280
    hidden_size: int = 7168
    num_hidden_layers: int = 61
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = False
    initializer_range: float = 0.02
    max_position_embeddings: int = 163840
    bos_token_id: int | None = 0
    eos_token_id: int | None = 1

    # Attention: in all models
    num_attention_heads: int = 128
    q_lora_rank: int | None = 1536
    qk_rope_head_dim: int = 64
    attention_bias: bool = False
    rope_theta: float = 10000.0
    rope_scaling: YarnScaling | None = V3_YARN  # in V4: of the layers with compressed entries

    # Multi-head latent attention (MLA): V2, V3, V3.2
    kv_lora_rank: int | None = 512
    qk_nope_head_dim: int | None = 128
    v_head_dim: int | None = 128
    rope_interleave: bool | None = True

    # The lightning indexer: V3.2, and V4's compressed sparse attention
    index_topk: int | None = None  # tokens (V3.2) or compressed entries (V4) that each query reads
    index_n_heads: int | None = None
    index_head_dim: int | None = None

    # Compressed attention: V4
    head_dim: int | None = None  # of the one key, which is the value too; its last qk_rope_head_dim numbers turn
    sliding_window: int | None = None  # tokens, the query's own among them
    layer_types: tuple[str, ...] | None = None  # one for each layer
    compress_rate_csa: int | None = None  # tokens for each entry of compressed sparse attention
    compress_rate_hca: int | None = None  # and of heavily compressed attention
    compress_rope_theta: float | None = None
    o_groups: int | None = None
    o_lora_rank: int | None = None

    # Feed-forward: mixture of experts, in V2 to V3.2 after some dense layers
    intermediate_size: int | None = 18432
    first_k_dense_replace: int | None = 3
    moe_intermediate_size: int = 2048
    n_routed_experts: int = 256
    n_shared_experts: int = 1
    num_experts_per_tok: int = 8
    n_group: int = 8
    topk_group: int = 4
    topk_method: str = "noaux_tc"
    scoring_func: str = "sigmoid"
    norm_topk_prob: bool = True
    routed_scaling_factor: float = 2.5
    num_nextn_predict_layers: int = 1
    mlp_layer_types: tuple[str, ...] | None = None  # V4: one for each layer
    swiglu_limit: float | None = None  # V4

    # Residual streams (hyper-connections): V4
    hc_mult: int | None = None
    hc_sinkhorn_iters: int | None = None
    hc_eps: float | None = None

    def __post_init__(self):
        require(self.model_type in FIELDS, "model_type", self.model_type, " or ".join(FIELDS))
        own = FIELDS[self.model_type]
        for field in sorted({field.name for field in dataclasses.fields(self)} - own):
            value = getattr(self, field)
            require(
                value is None or value == _DEFAULTS[field], field, value, f"None: {self.model_type} has no such field"
            )
        positive = (
            "vocab_size hidden_size num_hidden_layers max_position_embeddings num_attention_heads kv_lora_rank "
            "qk_nope_head_dim qk_rope_head_dim v_head_dim intermediate_size moe_intermediate_size "
            "n_routed_experts num_experts_per_tok n_group topk_group index_topk index_n_heads index_head_dim head_dim "
            "sliding_window compress_rate_csa compress_rate_hca o_groups o_lora_rank hc_mult hc_sinkhorn_iters"
        )
        require_whole(1, **{field: getattr(self, field) for field in positive.split() if field in own})
        from_zero = "n_shared_experts first_k_dense_replace num_nextn_predict_layers"
        require_whole(0, **{field: getattr(self, field) for field in from_zero.split() if field in own})
        rank = self.q_lora_rank
        require(rank is None or (is_whole(rank) and rank >= 1), "q_lora_rank", rank, "None or at least 1")
        rope_width = self.qk_rope_head_dim
        require(rope_width % 2 == 0, "qk_rope_head_dim", rope_width, "an even number (RoPE turns pairs)")
        lower = dict(
            rope_theta=1, compress_rope_theta=1, rms_norm_eps=0, initializer_range=0, routed_scaling_factor=0,
            swiglu_limit=0, hc_eps=0,
        )  # fmt: skip
        for field, least in lower.items():
            value = getattr(self, field)
            fits = field not in own or (is_number(value) and value > least)
            require(fits, field, value, f"a number above {least}")
        for field in ("tie_word_embeddings", "attention_bias", "rope_interleave", "norm_topk_prob"):
            value = getattr(self, field)
            require(field not in own or isinstance(value, bool), field, value, "true or false")
        scaling = self.rope_scaling
        require(scaling is None or isinstance(scaling, YarnScaling), "rope_scaling", scaling, "None or a YarnScaling")
        if self.model_type in ("deepseek_v32", "deepseek_v4"):
            self._check_indexed()
        if self.model_type == "deepseek_v4":
            self._check_compressed()

    def _check_indexed(self) -> None:
        require(self.q_lora_rank is not None, "q_lora_rank", None, "a width: the indexer reads the query's latent")
        fits = self.index_head_dim >= self.qk_rope_head_dim
        require(fits, "index_head_dim", self.index_head_dim, f"at least qk_rope_head_dim, {self.qk_rope_head_dim}")

    def _check_compressed(self) -> None:
        for field, kinds in (("layer_types", LAYER_TYPES), ("mlp_layer_types", MLP_LAYER_TYPES)):
            value = getattr(self, field)
            fits = isinstance(value, tuple) and len(value) == self.num_hidden_layers and set(value) <= set(kinds)
            require(fits, field, value, f"one of {', '.join(kinds)} for each of the {self.num_hidden_layers} layers")
        width, heads = self.head_dim, self.num_attention_heads
        require(self.qk_rope_head_dim <= width, "qk_rope_head_dim", self.qk_rope_head_dim, f"at most head_dim, {width}")
        require(heads * width % self.o_groups == 0, "o_groups", self.o_groups, f"a divisor of {heads} x {width}")
        require(self.n_shared_experts == 1, "n_shared_experts", self.n_shared_experts, "1 in deepseek_v4")
        require(self.norm_topk_prob, "norm_topk_prob", self.norm_topk_prob, "true in deepseek_v4")

    @property
    def qk_head_dim(self) -> int:
        """Width of one head's query and key in MLA: the part without position, then the rotated part."""
        return self.qk_nope_head_dim + self.qk_rope_head_dim

    def compress_ratio(self, layer: int) -> int:
        """V4: how many tokens one compressed entry of this layer stands for, 0 where there are none."""
        return {SLIDING: 0, SPARSE: self.compress_rate_csa, HEAVY: self.compress_rate_hca}[self.layer_types[layer]]

    def replace(self, **changes) -> "DeepSeekConfig":
        """A copy with some fields changed.

        Raises `ValueError` for a field that there isn't, or what doesn't fit together.
        """
        known = {field.name for field in dataclasses.fields(self)}
        for name in changes:
            require(name in known, "field", name, f"one of {', '.join(sorted(known))}")
        return dataclasses.replace(self, **changes)

    @classmethod
    def preset(cls, name: str) -> "DeepSeekConfig":
        """A released shape: "v2-lite", "v2", "v3", "v3.2", "v4-flash" or "v4-pro"; or "lab", the course's own model.

        Raises `ValueError` for another name.
        """
        require(name in PRESETS, "preset", name, f"one of {', '.join(PRESETS)}")
        return cls(**PRESETS[name])

    @classmethod
    def from_hf(cls, source) -> "DeepSeekConfig":
        """Read an official `config.json`: a dict, a transformers config, or a directory that holds the file.

        Understands both spellings of RoPE: `rope_theta` + `rope_scaling` (official files) and
        `rope_parameters` (transformers 5). Raises `ValueError` for anything this package would get wrong.
        """
        return cls(**read_config(source))

    def to_hf(self) -> dict:
        """The official `config.json` of this model: `from_hf` makes the same config of it, and so does transformers."""
        return write_config(self)


_DEFAULTS = {field.name: field.default for field in dataclasses.fields(DeepSeekConfig)}
