"""The configuration: presets, both spellings of official files, and what is refused."""

import json

import pytest
from transformers import DeepseekV2Config, DeepseekV3Config, LlamaConfig

from deepseek_lab import DeepSeekConfig
from deepseek_lab.config import YarnScaling

OFFICIAL_V3 = {  # the fields of the official config.json that describe the shape
    "model_type": "deepseek_v3", "vocab_size": 129280, "hidden_size": 7168, "intermediate_size": 18432,
    "moe_intermediate_size": 2048, "num_hidden_layers": 61, "num_attention_heads": 128,
    "num_key_value_heads": 128, "n_shared_experts": 1, "n_routed_experts": 256, "routed_scaling_factor": 2.5,
    "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64, "v_head_dim": 128, "qk_nope_head_dim": 128,
    "topk_method": "noaux_tc", "n_group": 8, "topk_group": 4, "num_experts_per_tok": 8, "first_k_dense_replace": 3,
    "norm_topk_prob": True, "scoring_func": "sigmoid", "hidden_act": "silu", "max_position_embeddings": 163840,
    "initializer_range": 0.02, "rms_norm_eps": 1e-06, "tie_word_embeddings": False, "rope_theta": 10000,
    "num_nextn_predict_layers": 1, "attention_bias": False, "bos_token_id": 0, "eos_token_id": 1,
    "rope_scaling": {
        "beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 1.0, "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 4096, "type": "yarn",
    },
}  # fmt: skip


def test_official_file_is_the_preset(tmp_path):
    assert DeepSeekConfig.from_hf(OFFICIAL_V3) == DeepSeekConfig.preset("v3") == DeepSeekConfig()
    (tmp_path / "config.json").write_text(json.dumps(OFFICIAL_V3))
    assert DeepSeekConfig.from_hf(tmp_path) == DeepSeekConfig.preset("v3")
    assert DeepSeekConfig.from_hf(str(tmp_path / "config.json")) == DeepSeekConfig.preset("v3")


def test_what_transformers_makes_of_the_official_file_is_the_preset(tmp_path):
    official = DeepseekV3Config(**OFFICIAL_V3)
    assert DeepSeekConfig.from_hf(official) == DeepSeekConfig.preset("v3")
    official.save_pretrained(tmp_path)  # transformers' own spelling: rope_parameters
    assert DeepSeekConfig.from_hf(tmp_path) == DeepSeekConfig.preset("v3")


@pytest.mark.parametrize("official", [DeepseekV2Config(), DeepseekV3Config()])
def test_transformers_defaults_are_read_as_they_are(official):
    config, given = DeepSeekConfig.from_hf(official), official.to_dict()
    for field in (
        "hidden_size",
        "num_hidden_layers",
        "kv_lora_rank",
        "q_lora_rank",
        "max_position_embeddings",
    ):
        assert getattr(config, field) == given[field], field
    assert config.rope_scaling is None  # their defaults have no YaRN
    # A file that leaves every default out means the same. (transformers 5.15 had the vocabulary of another model.)
    left_out = {"model_type": official.model_type, "vocab_size": official.vocab_size}
    assert DeepSeekConfig.from_hf(left_out) == config
    own = {"deepseek_v2": 102_400, "deepseek_v3": 129_280}[official.model_type]
    assert DeepSeekConfig.from_hf({"model_type": official.model_type}) == config.replace(vocab_size=own)


def test_v2_lite_does_not_compress_queries():
    assert DeepSeekConfig.preset("v2-lite").q_lora_rank is None
    assert DeepSeekConfig.from_hf({"model_type": "deepseek_v2", "q_lora_rank": None}).q_lora_rank is None


@pytest.mark.parametrize(
    "change, words",
    [
        ({"qk_rope_head_dim": 63}, "qk_rope_head_dim: got 63, but it takes an even number"),
        ({"num_attention_heads": 0}, "num_attention_heads: got 0, but it takes a whole number of at least 1"),
        ({"kv_lora_rank": -4}, "kv_lora_rank: got -4"),
        ({"kv_lora_rank": 1.5}, "kv_lora_rank: got 1.5"),
        ({"hidden_size": True}, "hidden_size: got True"),
        ({"q_lora_rank": 0}, "q_lora_rank: got 0, but it takes None or at least 1"),
        ({"rope_theta": 0}, "rope_theta: got 0"),
        ({"rms_norm_eps": 0}, "rms_norm_eps: got 0"),
        ({"rope_theta": "10000"}, "rope_theta: got '10000', but it takes a number above 1"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps: got nan"),
        ({"attention_bias": "false"}, "attention_bias: got 'false', but it takes true or false"),
        ({"rope_scaling": {"factor": 2}}, "rope_scaling: got {'factor': 2}, but it takes None or a YarnScaling"),
        ({"kv_lora": 4}, "field: got 'kv_lora', but it takes one of attention_bias"),
        ({"model_type": "llama"}, "model_type: got 'llama', but it takes deepseek_v2 or deepseek_v3"),
    ],
)
def test_wrong_fields_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        DeepSeekConfig().replace(**change)


@pytest.mark.parametrize(
    "source, words",
    [
        (LlamaConfig(), "model_type: got 'llama'"),
        ({}, "model_type: got None"),
        (
            {"model_type": "deepseek_v3", "rope_scaling": {"type": "linear", "factor": 2}},
            "rope_scaling.type: got 'linear'",
        ),
        ({"model_type": "deepseek_v3", "rope_scaling": {"type": "yarn"}}, "rope_scaling.factor: got None"),
        ({"model_type": "deepseek_v3", "hidden_act": "gelu"}, "hidden_act: got 'gelu'"),
        (
            {"model_type": "deepseek_v3", "num_attention_heads": 8, "num_key_value_heads": 2},
            "num_key_value_heads: got 2, but it takes 8",
        ),
        ({"model_type": "deepseek_v3", "rope_scaling": "yarn"}, "rope_scaling: got 'yarn', but it takes an object"),
        (
            {
                "model_type": "deepseek_v3",
                "rope_scaling": {"type": "yarn", "factor": "40", "original_max_position_embeddings": 4096},
            },
            "rope_scaling.factor: got '40', but it takes a finite number",
        ),
        ({"model_type": "deepseek_v3", "rope_scaling": {"type": "default", "truncate": False}}, "truncate: got False"),
        ({"model_type": "deepseek_v3", "partial_rotary_factor": 0.5}, "partial_rotary_factor: got 0.5"),
        ({"model_type": "deepseek_v3", "n_routed_experts": None}, "n_routed_experts: got None"),
        ({"model_type": "deepseek_v2", "moe_layer_freq": 2}, "moe_layer_freq: got 2"),
        (None, "config: got None, but it takes a dict"),
        ([], "config: got"),
        ("/no/such/folder", "config: got '/no/such/folder'"),
    ],
)
def test_what_cannot_be_read_is_refused(source, words):
    with pytest.raises(ValueError, match=words):
        DeepSeekConfig.from_hf(source)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "deepse')
    with pytest.raises(ValueError, match=r"config\.json is not valid JSON"):
        DeepSeekConfig.from_hf(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="a JSON object"):
        DeepSeekConfig.from_hf(tmp_path)


def test_null_means_what_the_model_type_has():
    config = DeepSeekConfig.from_hf({"model_type": "deepseek_v3", "rope_theta": None, "rope_scaling": None})
    assert (config.rope_theta, config.rope_scaling, config.hidden_size) == (10000.0, None, 7168)


def test_v2_always_interleaves():
    assert DeepSeekConfig.from_hf({"model_type": "deepseek_v2", "rope_interleave": False}).rope_interleave


def test_unknown_preset_lists_the_known_ones():
    with pytest.raises(ValueError, match="preset: got 'v9', but it takes one of v2-lite, v2, v3"):
        DeepSeekConfig.preset("v9")


def test_yarn_checks_its_numbers():
    with pytest.raises(ValueError, match=r"rope_scaling\.factor: got 0\.5"):
        YarnScaling(factor=0.5)
    with pytest.raises(ValueError, match="beta_fast, beta_slow"):
        YarnScaling(beta_fast=1, beta_slow=2)
