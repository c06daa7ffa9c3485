"""Configs of V3.2 and V4: presets, both spellings, and what is refused."""

import pytest
from transformers import DeepseekV4Config, DeepseekV32Config

from deepseek_lab import DeepSeekConfig
from deepseek_lab.config_fields import HEAVY, SLIDING, SPARSE

FLASH = dict(  # DeepSeek's own spelling: ratios, and a count of hashed layers
    model_type="deepseek_v4", hidden_size=4096, num_hidden_layers=43, num_attention_heads=64, num_key_value_heads=1,
    head_dim=512, qk_rope_head_dim=64, q_lora_rank=1024, o_groups=8, o_lora_rank=1024, n_routed_experts=256,
    num_experts_per_tok=6, moe_intermediate_size=2048, routed_scaling_factor=1.5, index_topk=512, num_hash_layers=3,
    compress_ratios=[0, 0] + [4, 128] * 20 + [4, 0], rope_theta=10000, compress_rope_theta=160000,
    rope_scaling=dict(type="yarn", factor=16, original_max_position_embeddings=65536, beta_fast=32, beta_slow=1),
)  # fmt: skip


@pytest.mark.parametrize("name", ["v3.2", "v4-flash", "v4-pro"])
def test_there_and_back(name):
    """Our file, read by us and by transformers, is the same config; so is what transformers makes of it."""
    config = DeepSeekConfig.preset(name)
    kind = DeepseekV32Config if name == "v3.2" else DeepseekV4Config
    assert DeepSeekConfig.from_hf(config.to_hf()) == config
    assert DeepSeekConfig.from_hf(kind(**config.to_hf())) == config


def test_deepseeks_spelling():
    """A ratio more than there are layers is the prediction module's."""
    assert DeepSeekConfig.from_hf(FLASH) == DeepSeekConfig.preset("v4-flash")
    assert DeepSeekConfig.from_hf(DeepseekV4Config(**FLASH)) == DeepSeekConfig.preset("v4-flash")


def test_transformers_default_is_read_as_it_is():
    config = DeepSeekConfig.from_hf(DeepseekV4Config())
    assert config.layer_types[:4] == (HEAVY, HEAVY, HEAVY, SPARSE) != DeepSeekConfig.preset("v4-flash").layer_types[:4]
    assert config.rope_scaling is None


def test_yarn_with_another_amplitude_survives():
    """transformers puts 1.0 in place of an amplitude that isn't given, unless it is told in its own spelling."""
    nested = DeepSeekConfig.preset("v4-flash").to_hf()
    nested["rope_parameters"] = {
        "main": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.125},
        "compress": {"rope_type": "yarn", "rope_theta": 160000.0, "partial_rotary_factor": 0.125, "factor": 16.0,
                     "original_max_position_embeddings": 65536},
    }  # fmt: skip
    del nested["rope_scaling"]
    config = DeepSeekConfig.from_hf(nested)
    assert config.rope_scaling.attention_factor is None
    assert DeepSeekConfig.from_hf(config.to_hf()) == config
    assert DeepSeekConfig.from_hf(DeepseekV4Config(**config.to_hf())) == config


def test_v32_in_transformers_spelling():
    raw = {**DeepSeekConfig.preset("v3.2").to_hf(), "mlp_layer_types": ["dense"] * 5 + ["sparse"] * 56}
    assert DeepSeekConfig.from_hf(raw).first_k_dense_replace == 5


V4_WRONG = [
    dict(num_hidden_layers="3"), dict(layer_types="x"), dict(layer_types=[SLIDING]), dict(compress_rates=[4]),
    dict(head_dim="a"), dict(head_dim=0), dict(rope_parameters=3, rope_scaling=None), dict(compress_rate_csa=0),
    dict(mlp_layer_types=5), dict(mlp_layer_types=["dense"] * 43), dict(index_topk="many"),
    dict(partial_rotary_factor="q"), dict(hc_mult=0), dict(o_groups=7), dict(n_shared_experts=2),
    dict(norm_topk_prob=False), dict(num_key_value_heads=2), dict(q_lora_rank=None), dict(swiglu_limit=-1.0),
    dict(compress_rates={"other": 3}), dict(compress_rate_csa=None, compress_rates={SPARSE: 0}), dict(model_type=[]),
    dict(layer_types=[[]] * 43), dict(mlp_layer_types=[{}] * 43), dict(num_hidden_layers=1.5),
    dict(rope_parameters={"compress": {"rope_type": "yarn"}}, rope_scaling=None), dict(qk_rope_head_dim=32),
    dict(compress_rope_theta=0.5), dict(hidden_act="gelu"), dict(attention_bias=True),
]  # fmt: skip


@pytest.mark.parametrize("wrong", V4_WRONG, ids=str)
def test_what_v4_refuses(wrong):
    """By the name of the field."""
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))}"):
        DeepSeekConfig.from_hf({**DeepSeekConfig.preset("v4-flash").to_hf(), **wrong})


def test_a_schedule_is_not_made_up():
    raw = DeepSeekConfig.preset("v4-flash").to_hf()
    del raw["layer_types"], raw["compress_ratios"]
    with pytest.raises(ValueError, match="layer_types: got None"):
        DeepSeekConfig.from_hf(raw)
    with pytest.raises(ValueError, match=r"compress_ratios.*0, 4 or 128"):
        DeepSeekConfig.from_hf({**raw, "compress_ratios": [8] * 43})


@pytest.mark.parametrize("wrong", [
    dict(mlp_layer_types=["dense", "sparse", "dense"]), dict(mlp_layer_types=7), dict(index_topk=0),
    dict(q_lora_rank=None), dict(index_head_dim=32), dict(partial_rotary_factor=0.5),
], ids=str)  # fmt: skip
def test_what_v32_refuses(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DeepSeekConfig.from_hf({**DeepSeekConfig.preset("v3.2").to_hf(), **wrong})


def test_fields_of_other_models():
    """A V3 has no window, and a V4 no latent: what isn't there, is None."""
    with pytest.raises(ValueError, match="sliding_window"):
        DeepSeekConfig(sliding_window=128)
    assert DeepSeekConfig.preset("v4-pro").kv_lora_rank is None
    with pytest.raises(ValueError, match="kv_lora_rank"):
        DeepSeekConfig.preset("v4-pro").replace(kv_lora_rank=64)
