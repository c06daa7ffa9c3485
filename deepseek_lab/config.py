"""One configuration for every DeepSeek model, with the field names of the official `config.json`.

A frozen dataclass: a model is described once and never changes under your feet. Make a variation with
`config.replace(num_hidden_layers=2)`.
"""

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SUPPORTED_MODEL_TYPES = ("deepseek_v2", "deepseek_v3")


def require(condition: bool, field: str, got: object, takes: str) -> None:
    """Raise a `ValueError` that names the field, what it got and what it takes, unless `condition` holds."""
    if not condition:
        raise ValueError(f"{field}: got {got!r}, but it takes {takes}")


def is_number(value: object) -> bool:
    """Whether `value` is a finite number (True and False are not)."""
    if isinstance(value, int):
        return not isinstance(value, bool)
    return isinstance(value, float) and math.isfinite(value)


def is_whole(value: object) -> bool:
    """Whether `value` is a whole number (True and False are not)."""
    return isinstance(value, int) and not isinstance(value, bool)


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


@dataclass(frozen=True)
class DeepSeekConfig:
    """Shape of a DeepSeek-V2 or -V3 model. The defaults are DeepSeek-V3's.

    Widths count numbers (elements), not bytes. `q_lora_rank=None` means that queries are not compressed, as in
    V2-Lite. `rope_scaling=None` means plain RoPE. Raises `ValueError` naming the field, what it got and what it
    takes.
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

    # Attention: multi-head latent attention (MLA)
    num_attention_heads: int = 128
    q_lora_rank: int | None = 1536
    kv_lora_rank: int = 512
    qk_nope_head_dim: int = 128
    qk_rope_head_dim: int = 64
    v_head_dim: int = 128
    attention_bias: bool = False
    rope_theta: float = 10000.0
    rope_interleave: bool = True
    rope_scaling: YarnScaling | None = YarnScaling()

    # Feed-forward: the first layers dense, then mixture of experts
    intermediate_size: int = 18432
    moe_intermediate_size: int = 2048
    first_k_dense_replace: int = 3
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

    def __post_init__(self):
        types = " or ".join(SUPPORTED_MODEL_TYPES)
        require(self.model_type in SUPPORTED_MODEL_TYPES, "model_type", self.model_type, types)
        positive = (
            "vocab_size hidden_size num_hidden_layers max_position_embeddings num_attention_heads kv_lora_rank "
            "qk_nope_head_dim qk_rope_head_dim v_head_dim intermediate_size moe_intermediate_size "
            "n_routed_experts num_experts_per_tok n_group topk_group"
        )
        for field in positive.split():
            value = getattr(self, field)
            require(is_whole(value) and value >= 1, field, value, "a whole number of at least 1")
        for field in ("n_shared_experts", "first_k_dense_replace", "num_nextn_predict_layers"):
            value = getattr(self, field)
            require(is_whole(value) and value >= 0, field, value, "a whole number of at least 0")
        rank = self.q_lora_rank
        require(rank is None or (is_whole(rank) and rank >= 1), "q_lora_rank", rank, "None or at least 1")
        rope_width = self.qk_rope_head_dim
        require(rope_width % 2 == 0, "qk_rope_head_dim", rope_width, "an even number (RoPE turns pairs)")
        for field, least in (
            ("rope_theta", 1),
            ("rms_norm_eps", 0),
            ("initializer_range", 0),
            ("routed_scaling_factor", 0),
        ):
            value = getattr(self, field)
            require(is_number(value) and value > least, field, value, f"a number above {least}")
        for field in ("tie_word_embeddings", "attention_bias", "rope_interleave", "norm_topk_prob"):
            require(isinstance(getattr(self, field), bool), field, getattr(self, field), "true or false")
        scaling = self.rope_scaling
        require(scaling is None or isinstance(scaling, YarnScaling), "rope_scaling", scaling, "None or a YarnScaling")

    @property
    def qk_head_dim(self) -> int:
        """Width of one head's query and key: the part without position, then the rotated part."""
        return self.qk_nope_head_dim + self.qk_rope_head_dim

    def replace(self, **changes) -> "DeepSeekConfig":
        """A copy with some fields changed."""
        known = {field.name for field in dataclasses.fields(self)}
        for name in changes:
            require(name in known, "field", name, f"one of {', '.join(sorted(known))}")
        return dataclasses.replace(self, **changes)

    @classmethod
    def preset(cls, name: str) -> "DeepSeekConfig":
        """The shape called `name`: "v2-lite", "v2" and "v3" as in the official `config.json` files, and the "lab"'s."""
        require(name in PRESETS, "preset", name, f"one of {', '.join(PRESETS)}")
        return cls(**PRESETS[name])

    @classmethod
    def from_hf(cls, source) -> "DeepSeekConfig":
        """Read an official `config.json`: a dict, a transformers config, or a directory that holds the file.

        Understands both spellings of RoPE: `rope_theta` + `rope_scaling` (official files) and
        `rope_parameters` (transformers 5). Raises `ValueError` for anything this package would get wrong.
        """
        raw = _as_dict(source)
        model_type = raw.get("model_type")
        types = " or ".join(SUPPORTED_MODEL_TYPES)
        require(model_type in SUPPORTED_MODEL_TYPES, "model_type", model_type, types)
        require(raw.get("hidden_act", "silu") == "silu", "hidden_act", raw.get("hidden_act"), "silu")
        heads, kv_heads = raw.get("num_attention_heads"), raw.get("num_key_value_heads")
        same = kv_heads is None or heads is None or kv_heads == heads
        require(same, "num_key_value_heads", kv_heads, f"{heads}, the number of heads: MLA has no groups")
        for field, only in UNSUPPORTED_OTHERWISE.items():
            value = raw.get(field)
            require(value is None or value == only, field, value, f"{only!r}, the only value supported")
        require(
            raw.get("n_routed_experts", 1) is not None, "n_routed_experts", None, "a number: dense is not supported"
        )
        if model_type == "deepseek_v2":
            raw.pop("rope_interleave", None)  # V2's code always interleaves, whatever a file says
        known = {field.name for field in dataclasses.fields(cls)}
        fields = dict(HF_DEFAULTS[model_type])
        # `null` in a config.json means "as the model type has it", except where None itself has a meaning.
        optional = {"q_lora_rank", "bos_token_id", "eos_token_id"}
        fields |= {k: v for k, v in raw.items() if k in known and (v is not None or k in optional)}
        if "num_mtp_layers" in raw:  # the name that transformers 5 gives to the official field
            fields["num_nextn_predict_layers"] = raw["num_mtp_layers"]
        fields["rope_theta"], fields["rope_scaling"] = _read_rope(raw)
        return cls(**fields)

    def to_hf(self) -> dict:
        """The official `config.json` of this model: `from_hf` makes the same config of it, and so does transformers."""
        never_read = self.model_type == "deepseek_v2" and not self.rope_interleave
        require(not never_read, "rope_interleave", False, "true in deepseek_v2: its official code always interleaves")
        raw = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if self.rope_scaling is not None:
            given = {name: value for name, value in vars(self.rope_scaling).items() if value is not None}
            raw["rope_scaling"] = {"type": "yarn", **given}
        architecture = {"deepseek_v2": "DeepseekV2ForCausalLM", "deepseek_v3": "DeepseekV3ForCausalLM"}
        return {
            "architectures": [architecture[self.model_type]],
            **raw,
            "num_key_value_heads": self.num_attention_heads,
            "hidden_act": "silu",
            "moe_layer_freq": 1,
        }


def _as_dict(source) -> dict:
    if isinstance(source, Mapping):
        return dict(source)
    if hasattr(source, "to_dict"):
        return source.to_dict()
    require(isinstance(source, (str, os.PathLike)), "config", source, "a dict, a config or a folder with config.json")
    path = Path(source)
    path = path / "config.json" if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f"config: got {str(source)!r}, but it takes a dict, a config or a folder with config.json")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"config: {path} is not valid JSON ({error})") from error
    require(isinstance(raw, dict), "config", raw, f"a JSON object in {path}")
    return raw


def _read_rope(raw: Mapping) -> tuple[float, YarnScaling | None]:
    """(theta, YaRN or None) from either spelling of the rotary settings."""
    for name in ("rope_scaling", "rope_parameters"):
        require(isinstance(raw.get(name) or {}, Mapping), name, raw.get(name), "an object or null")
    rope = raw.get("rope_scaling") or raw.get("rope_parameters") or {}  # transformers prefers them in this order
    theta = next(t for t in (rope.get("rope_theta"), raw.get("rope_theta"), 10000.0) if t is not None)
    share = rope.get("partial_rotary_factor")
    require(share in (None, 1), "partial_rotary_factor", share, "1: all of qk_rope_head_dim is rotated")
    require(rope.get("truncate", True) is True, "rope_scaling.truncate", rope.get("truncate"), "true")
    kind = rope.get("rope_type", rope.get("type", "default"))
    require(kind in ("default", "yarn"), "rope_scaling.type", kind, "default or yarn")
    if kind == "default":
        return theta, None
    for name in ("factor", "original_max_position_embeddings"):
        require(rope.get(name) is not None, f"rope_scaling.{name}", rope.get(name), "a number when type is yarn")
    names = [field.name for field in dataclasses.fields(YarnScaling)]
    given = {name: rope[name] for name in names if rope.get(name) is not None}
    # Absent, both mean "not given", as in transformers: not the same as DeepSeek's own 1.0.
    return theta, YarnScaling(**{"mscale": 0.0, "mscale_all_dim": 0.0, **given})


_V2 = dict(
    model_type="deepseek_v2", vocab_size=102400, bos_token_id=100000, eos_token_id=100001,
    n_shared_experts=2, num_experts_per_tok=6, scoring_func="softmax", norm_topk_prob=False,
    first_k_dense_replace=1, num_nextn_predict_layers=0,
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
    # The course's own model, data/checkpoints/lab: V3's shape at a width of 160.
    "lab": dict(
        vocab_size=2048, hidden_size=160, num_hidden_layers=4, num_attention_heads=5, q_lora_rank=80, kv_lora_rank=48,
        qk_nope_head_dim=32, qk_rope_head_dim=16, v_head_dim=32, intermediate_size=448, moe_intermediate_size=48,
        first_k_dense_replace=1, n_routed_experts=24, num_experts_per_tok=4, n_group=1, topk_group=1,
        initializer_range=0.04, max_position_embeddings=1024, rope_scaling=None,
    ),
}  # fmt: skip

# Fields whose other values would change the model in ways that this package does not implement.
UNSUPPORTED_OTHERWISE = {"moe_layer_freq": 1, "mlp_bias": False, "partial_rotary_factor": 1}

# What an absent field means in a config.json of each type: transformers' defaults, where they differ from ours.
HF_DEFAULTS: dict[str, dict] = {
    "deepseek_v3": dict(max_position_embeddings=4096),
    "deepseek_v2": dict(
        model_type="deepseek_v2", vocab_size=102400, hidden_size=4096, intermediate_size=11008,
        num_hidden_layers=32, num_attention_heads=32, max_position_embeddings=2048, bos_token_id=1,
        eos_token_id=2, first_k_dense_replace=0, n_group=1, topk_group=1, n_routed_experts=64,
        n_shared_experts=2, routed_scaling_factor=1.0, topk_method="greedy", scoring_func="softmax",
        norm_topk_prob=False, moe_intermediate_size=1407, num_nextn_predict_layers=0,
    ),
}  # fmt: skip
