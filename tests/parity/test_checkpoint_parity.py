"""Checkpoints to and from transformers: what either writes, the other opens, with the same logits."""

import json
import subprocess
import sys

import pytest
import torch
from helpers.checkpoints import (
    assert_same_weights,
    assume_experts_are_matrices,
    edit_json,
    filled,
    ids,
    model_of,
    stored,
    tiny,
)
from helpers.compare import note, relative_error
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import DeepseekV2Config, DeepseekV2ForCausalLM, DeepseekV3Config, DeepseekV3ForCausalLM

from deepseek_lab import DeepSeekConfig, load_pretrained, save_pretrained
from deepseek_lab.config import YarnScaling

CLASSES = {
    "v2": (DeepseekV2Config, DeepseekV2ForCausalLM, "DeepseekV2ForCausalLM"),
    "v3": (DeepseekV3Config, DeepseekV3ForCausalLM, "DeepseekV3ForCausalLM"),
}
YARN = dict(
    type="yarn", factor=4.0, original_max_position_embeddings=1024, mscale=0.707, mscale_all_dim=0.707,
    beta_fast=32, beta_slow=1,
)  # fmt: skip


@st.composite
def official_configs(draw, kind: str):
    """A random small config as transformers has it."""
    heads, groups = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2]))
    allowed, per_group = draw(st.integers(1, groups)), draw(st.integers(2, 4))
    fields = dict(
        vocab_size=draw(st.integers(2, 40)),
        hidden_size=heads * draw(st.integers(1, 12)),
        num_attention_heads=heads,
        num_key_value_heads=heads,
        num_hidden_layers=draw(st.integers(1, 3)),
        first_k_dense_replace=draw(st.integers(0, 3)),
        q_lora_rank=draw(st.sampled_from([None, 7])),
        kv_lora_rank=2 * draw(st.integers(1, 6)),  # even: their V2 turns pairs as complex numbers
        qk_nope_head_dim=2 * draw(st.integers(1, 3)),
        qk_rope_head_dim=draw(st.sampled_from([2, 4])),
        v_head_dim=draw(st.integers(1, 6)),
        intermediate_size=draw(st.integers(1, 20)),
        moe_intermediate_size=draw(st.integers(1, 12)),
        n_routed_experts=groups * per_group,
        num_experts_per_tok=draw(st.integers(1, allowed * per_group)),
        n_shared_experts=draw(st.integers(1, 2)),
        n_group=groups,
        topk_group=allowed,
        norm_topk_prob=False,
        tie_word_embeddings=draw(st.booleans()),
        attention_bias=draw(st.booleans()),
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
        rope_scaling=draw(st.sampled_from([None, YARN])),
    )
    if kind == "v2":
        fields["topk_method"] = draw(st.sampled_from(["greedy", "group_limited_greedy"]))
    return CLASSES[kind][0](**fields)


@pytest.mark.parametrize("kind", CLASSES)
@settings(phases=[Phase.generate])
@given(data=st.data())
def test_what_transformers_writes_loads_here(device, kind, tmp_path_factory, data):
    config = data.draw(official_configs(kind))
    folder = tmp_path_factory.mktemp("theirs")
    theirs = filled(CLASSES[kind][1](config), data.draw(st.integers(0, 10**6)))
    theirs.set_experts_implementation("eager")  # the others want widths that are multiples of 16 bytes
    theirs.save_pretrained(folder, max_shard_size=data.draw(st.sampled_from(["5GB", "4KB"])))
    assume_experts_are_matrices(folder)
    ours = load_pretrained(folder, device=device)
    with torch.no_grad():
        expected, output = theirs(ids(config)).logits, ours(ids(config).to(device))
        assert note(f"{kind} written by transformers", relative_error(output, expected)) <= 1e-5
    save_pretrained(ours, folder, max_shard_bytes=data.draw(st.sampled_from([10**9, 4000])))
    again, info = CLASSES[kind][1].from_pretrained(folder, output_loading_info=True)
    assert not any(info.values()), info
    assert_same_weights(theirs, again)


@pytest.mark.parametrize("kind", CLASSES)
def test_transformers_layout_in_memory_loads_too(kind, tmp_path):
    """Stacks of experts instead of a file for each: what a plain `state_dict` of transformers has."""
    config = CLASSES[kind][0](**tiny_fields(kind))
    theirs = filled(CLASSES[kind][1](config))
    config.save_pretrained(tmp_path)
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    assert any(name.endswith("experts.gate_up_proj") for name in stored(tmp_path))
    with torch.no_grad():
        assert relative_error(load_pretrained(tmp_path)(ids(config)), theirs(ids(config)).logits) <= 1e-5


def tiny_fields(kind: str) -> dict:
    return tiny(model_type=f"deepseek_{kind}").to_hf()


def test_bf16_from_transformers(tmp_path):
    config = DeepseekV3Config(**tiny_fields("v3"))
    filled(DeepseekV3ForCausalLM(config)).bfloat16().save_pretrained(tmp_path)
    assert stored(tmp_path)["lm_head.weight"].dtype == torch.bfloat16
    ours, theirs = load_pretrained(tmp_path), DeepseekV3ForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    with torch.no_grad():
        assert note("bf16 file", relative_error(ours(ids(config)), theirs(ids(config)).logits)) <= 1e-5


@settings(max_examples=50)
@given(
    config=st.builds(
        lambda kind, heads, width, **fields: tiny(
            model_type=kind, num_attention_heads=heads, hidden_size=heads * width, **fields
        ),
        kind=st.sampled_from(["deepseek_v2", "deepseek_v3"]),
        heads=st.integers(1, 8),
        width=st.integers(1, 64),
        q_lora_rank=st.sampled_from([None, 5]),
        bos_token_id=st.sampled_from([None, 0, 3]),
        eos_token_id=st.sampled_from([None, 1]),
        rope_theta=st.sampled_from([10000.0, 5e5]),
        tie_word_embeddings=st.booleans(),
        attention_bias=st.booleans(),
        num_nextn_predict_layers=st.integers(0, 2),
        rope_scaling=st.one_of(
            st.none(),
            st.builds(
                YarnScaling,
                factor=st.sampled_from([1.0, 2.0, 40.0]),
                mscale=st.sampled_from([0.0, 0.707, 1.0]),
                mscale_all_dim=st.sampled_from([0.0, 0.707, 1.0]),
                attention_factor=st.sampled_from([None, 1.5]),
            ),
        ),
    )
)
def test_config_survives_transformers(config):
    raw = json.loads(json.dumps(config.to_hf()))
    assert DeepSeekConfig.from_hf(raw) == config
    theirs = CLASSES[config.model_type.removeprefix("deepseek_")][0](**raw)
    assert DeepSeekConfig.from_hf(theirs) == config
    assert DeepSeekConfig.from_hf(json.loads(theirs.to_json_string())) == config


OPEN = """
import sys, torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
torch.set_num_threads(1)
for folder in sys.argv[1:]:
    model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    for kind in ("missing_keys", "mismatched_keys", "error_msgs"):
        assert not info[kind], (folder, kind, info[kind])
    prediction = ("model.layers.3.", "model.layers.4.")
    assert all(name.startswith(prediction) for name in info["unexpected_keys"]), info["unexpected_keys"]
    ids = load_file(folder + "/ids.st")["ids"]
    with torch.no_grad():
        logits = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(ids).logits
    save_file({"logits": logits, "head": model.lm_head.weight}, folder + "/logits.st")
assert "deepseek_lab" not in sys.modules
"""


def test_transformers_alone_opens_what_we_write(tmp_path):
    """In a process of its own that never imports deepseek_lab."""
    cases = {
        "v3": (tiny(), {}, {}),
        "v2": (tiny(model_type="deepseek_v2"), {}, {}),
        "v2-lite": (tiny(model_type="deepseek_v2", q_lora_rank=None, topk_method="greedy"), {}, {}),
        "tied": (tiny(tie_word_embeddings=True), {}, {}),
        "dense layers, no YaRN": (tiny(first_k_dense_replace=2, rope_scaling=None), {}, {}),
        "prediction modules": (tiny(num_nextn_predict_layers=2), dict(mtp=True), {}),
        "in shards": (tiny(), {}, dict(max_shard_bytes=20_000)),
        "bf16": (tiny(), dict(dtype=torch.bfloat16), {}),
    }
    expected = {}
    for name, (config, made, saved) in cases.items():
        model = model_of(config, **made)
        save_pretrained(model, tmp_path / name, **saved)
        save_file({"ids": ids(config)}, tmp_path / name / "ids.st")
        with torch.no_grad():
            expected[name] = model.float()(ids(config))
    folders = [str(tmp_path / name) for name in cases]
    opened = subprocess.run([sys.executable, "-c", OPEN, *folders], cwd=tmp_path, capture_output=True, text=True)
    assert opened.returncode == 0, opened.stderr[-3000:]
    for name in cases:
        theirs = load_file(tmp_path / name / "logits.st")
        assert note("written by us", relative_error(theirs["logits"], expected[name])) <= 1e-5, name
        assert theirs["head"].dtype == cases[name][1].get("dtype", torch.float32)  # as config.json says


def test_config_json_says_what_official_ones_say(tmp_path):
    for kind, (_, _, architecture) in CLASSES.items():
        save_pretrained(model_of(tiny(model_type=f"deepseek_{kind}"), dtype=torch.bfloat16), tmp_path)
        raw = json.loads((tmp_path / "config.json").read_text())
        assert raw["architectures"] == [architecture]
        assert raw["torch_dtype"] == "bfloat16"
        assert raw["rope_scaling"]["type"] == "yarn" and raw["rope_theta"] == 10000.0
        assert raw["num_key_value_heads"] == raw["num_attention_heads"] and raw["hidden_act"] == "silu"


def test_prediction_modules_are_named_as_in_official_files(tmp_path):
    """Against the names that transformers' own `MtpLayer` asks for, and the two copies that V3's files have."""
    model = model_of(tiny(), mtp=True)
    save_pretrained(model, tmp_path)
    names = {name.removeprefix("model.layers.3.") for name in stored(tmp_path) if name.startswith("model.layers.3.")}
    outer = {name for name in names if not name.startswith(("self_attn.", "mlp."))}
    assert outer == {
        "enorm.weight", "hnorm.weight", "eh_proj.weight", "shared_head.norm.weight", "shared_head.head.weight",
        "embed_tokens.weight", "input_layernorm.weight", "post_attention_layernorm.weight",
    }  # fmt: skip
    inner = {name.removeprefix("model.layers.2.") for name in stored(tmp_path) if name.startswith("model.layers.2.")}
    assert names - outer == inner - {"input_layernorm.weight", "post_attention_layernorm.weight"}
    assert torch.equal(stored(tmp_path)["model.layers.3.embed_tokens.weight"], model.model.embed_tokens.weight)
    assert torch.equal(stored(tmp_path)["model.layers.3.shared_head.head.weight"], model.lm_head.weight)


def test_tied_but_different_is_refused(tmp_path):
    """transformers unties such weights without a word in config.json; here it is an error."""
    save_pretrained(model_of(tiny()), tmp_path)
    edit_json(tmp_path, tie_word_embeddings=True)
    with pytest.raises(ValueError, match=r"lm_head\.weight: found other numbers than in model\.embed_tokens"):
        load_pretrained(tmp_path)
