"""Every way that a checkpoint can be wrong: one error that names the file and the tensor, and says what to do."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from helpers.checkpoints import ONLY, edit_json, model_of, rewrite, stored, tiny
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepseek_lab import load_pretrained, save_pretrained
from deepseek_lab.model.checkpoint_files import CheckpointError
from deepseek_lab.model.checkpoint_names import copied_tensors, official_tensors, shape_in_words, stacked_tensors

INDEX = "model.safetensors.index.json"
Q = "model.layers.1.self_attn.q_b_proj.weight"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A sound checkpoint in one file, with a prediction module."""
    folder = tmp_path_factory.mktemp("whole")
    save_pretrained(model_of(tiny(), mtp=True), folder)
    return folder


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    """A sound checkpoint in shards."""
    folder = tmp_path_factory.mktemp("sharded")
    save_pretrained(model_of(tiny()), folder, max_shard_bytes=30_000)
    return folder


@pytest.fixture
def one(whole, tmp_path):
    """A copy of it to spoil."""
    return Path(shutil.copytree(whole, tmp_path / "one"))


@pytest.fixture
def many(sharded, tmp_path):
    """A copy of the shards to spoil."""
    return Path(shutil.copytree(sharded, tmp_path / "many"))


def refused(folder, *words, **options) -> str:
    """The message with which a checkpoint is refused; it has all these words, and says what to do."""
    with pytest.raises(CheckpointError) as caught:
        load_pretrained(folder, **options)
    message = str(caught.value)
    for word in words:
        assert str(word) in message, f"{word!r} is not in: {message}"
    advice = ["download", "check", "give", "take", "convert", "save", "correct", "load", "set", "don't"]
    assert any(word in message.lower() for word in advice), message
    return message


# The folder and its files


def test_no_folder(tmp_path):
    refused(tmp_path / "none", tmp_path / "none", "found nothing, expected a folder")
    refused("no such thing", "found nothing, expected a folder")
    refused("../above/the/rest", "found nothing")


def test_a_file_instead_of_a_folder(one):
    refused(one / ONLY, one / ONLY, "found a file, expected a folder")


@pytest.mark.parametrize("what", [None, 3, b"bytes", ["a"]])
def test_no_path_at_all(what):
    with pytest.raises(CheckpointError, match="takes a folder or a hub id"):
        load_pretrained(what)


def test_config_missing_or_damaged(one):
    config = one / "config.json"
    for content in ('{"model_type": "deepse', "", "[1]", "\x00"):
        config.write_text(content)
        refused(one, config, "JSON")
    config.write_bytes(b"\xff\xfe{}")
    refused(one, config, "no valid JSON")
    config.unlink()
    refused(one, config, "there is no such file")
    config.mkdir()
    refused(one, config)


def test_config_of_another_model(one):
    edit_json(one, model_type="llama")
    refused(one, "config.json", "model_type: got 'llama', but it takes deepseek_v2 or deepseek_v3")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(
    field=st.sampled_from([*tiny().to_hf(), "quantization_config"]),
    value=st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-3, 300), st.floats(), st.text(max_size=5)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
        max_leaves=5,
    ),
)
def test_any_value_in_the_config_loads_or_is_refused(whole, tmp_path_factory, field, value):
    folder = tmp_path_factory.mktemp("config")
    (folder / ONLY).symlink_to(whole / ONLY)
    raw = json.loads((whole / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**raw, field: value}))
    try:
        load_pretrained(folder)
    except CheckpointError as error:
        assert "config.json" in str(error)


def test_no_weights(one):
    (one / ONLY).unlink()
    refused(one, one, "found no weights at all, expected model.safetensors or model.safetensors.index.json")
    (one / "model-00001-of-00002.safetensors").touch()
    refused(one, "found model-00001-of-00002.safetensors, expected")


def test_pickles_are_not_opened(one):
    (one / ONLY).unlink()
    (one / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch opened'\ntR.")
    refused(one, "pytorch_model.bin", "not opened; convert them to safetensors")


@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 100, b"cos\nsystem\n(S'touch opened'\ntR." * 9])
def test_files_that_are_no_safetensors(one, content):
    (one / ONLY).write_bytes(content)
    refused(one, one / ONLY, "not a whole safetensors file", f"found {len(content)} bytes")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_truncated(one, share):
    size = (one / ONLY).stat().st_size
    os.truncate(one / ONLY, int(size * share))
    message = refused(one, one / ONLY, "not a whole safetensors file", f"found {int(size * share)} bytes")
    assert share < 0.5 or f"expected {size}" in message


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.integers(0, 9000), st.integers(0, 255), min_size=1, max_size=4))
def test_any_bytes_in_the_header_load_or_are_refused(one, whole, changes):
    content = bytearray((whole / ONLY).read_bytes())
    for place, byte in changes.items():
        content[place] = byte
    (one / ONLY).write_bytes(content)
    try:
        load_pretrained(one)
    except CheckpointError as error:
        assert str(one) in str(error)


def test_a_folder_instead_of_a_file(one):
    (one / ONLY).unlink()
    (one / ONLY).mkdir()
    refused(one, one / ONLY, "there is no such file")


def test_shards_missing_truncated_or_swapped(many):
    first, second = sorted(many.glob("*.safetensors"))[:2]
    content = first.read_bytes()
    first.write_bytes(content[:-1])
    refused(many, first, "not a whole safetensors file", f"expected {len(content)}")
    first.unlink()
    refused(many, first, "there is no such file")
    first.write_bytes(second.read_bytes())
    refused(many, second.name, "found in", first.name, "expected once")


def test_a_tensor_in_two_shards(many):
    first, second = sorted(many.glob("*.safetensors"))[:2]
    name = next(iter(stored(many)))
    tensors = stored(many)
    rewrite(many, lambda files: files.update({name: tensors[name]}), second.name)
    refused(many, f"{second}: {name}: found in {first.name} too, expected once")


def spoil_index(folder, change) -> None:
    index = json.loads((folder / INDEX).read_text())
    change(index["weight_map"])
    (folder / INDEX).write_text(json.dumps(index))


def test_an_index_that_is_wrong(many):
    good = (many / INDEX).read_text()
    first, second = sorted(path.name for path in many.glob("*.safetensors"))[:2]
    spoil_index(many, lambda where: where.update({"model.ghost": first}))
    refused(many, many / INDEX, "model.ghost", f"expected in {first}")
    (many / INDEX).write_text(good)
    spoil_index(many, lambda where: where.update({"model.embed_tokens.weight": second}))
    refused(many, many / INDEX, "model.embed_tokens.weight", f"expected in {second}")
    for content in ("", "{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": ["a"]}'):
        (many / INDEX).write_text(content)
        refused(many, many / INDEX)


@pytest.mark.parametrize(
    "file",
    ["../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "..\\x.safetensors", "C:x.safetensors", "", "..",
     ".safetensors/../../x.safetensors", "pytorch_model.bin", None, 3, ["x.safetensors"], "x\0.safetensors"],
)  # fmt: skip
def test_an_index_stays_in_its_folder(many, file):
    shutil.copy(next(many.glob("*.safetensors")), many.parent / "x.safetensors")  # which it must not reach
    spoil_index(many, lambda where: where.update({"model.embed_tokens.weight": file}))
    refused(many, many / INDEX, "model.embed_tokens.weight", repr(file), "plain name")


# Tensors that don't fit


def test_every_tensor_has_its_shape_in_words():
    """Each shape, put together from the fields that the table names."""
    for config in (tiny(attention_bias=True), tiny(q_lora_rank=None), tiny(model_type="deepseek_v2")):
        model = model_of(config, mtp=True)
        for name, tensor in {**official_tensors(model), **stacked_tensors(model), **copied_tensors(model)}.items():
            shape = eval(shape_in_words(name), {}, vars(config))
            assert (shape if isinstance(shape, tuple) else (shape,)) == tuple(tensor.shape), name


@pytest.mark.parametrize(
    "change, words",
    [
        ({"hidden_size": 64}, ["model.embed_tokens.weight", "(50, 32)", "(50, 64)", "hidden_size"]),
        ({"vocab_size": 51}, ["model.embed_tokens.weight", "(50, 32)", "(51, 32)", "vocab_size"]),
        ({"n_routed_experts": 4, "n_group": 1}, ["(8, 32)", "(4, 32)", "n_routed_experts"]),
        ({"n_routed_experts": 10}, ["(8, 32)", "(10, 32)", "n_routed_experts"]),
        ({"kv_lora_rank": 8}, ["kv_a_proj_with_mqa", "kv_lora_rank + qk_rope_head_dim"]),
        ({"moe_intermediate_size": 10}, ["experts.0.", "(20, 32)", "(10, 32)", "moe_intermediate_size"]),
        ({"v_head_dim": 6}, ["v_head_dim"]),
        ({"num_attention_heads": 4, "num_key_value_heads": 4}, ["q_b_proj", "num_attention_heads"]),
        ({"num_hidden_layers": 2, "num_nextn_predict_layers": 0}, ["model.layers.2.", "num_hidden_layers 2"]),
        ({"num_hidden_layers": 5}, ["no model.layers.4.", "num_hidden_layers 5"]),
        ({"num_nextn_predict_layers": 0}, ["model.layers.3.", "num_nextn_predict_layers 0", "no place"]),
        ({"first_k_dense_replace": 2}, ["no model.layers.1.mlp", "first_k_dense_replace 2"]),
        ({"first_k_dense_replace": 0}, ["no model.layers.0.mlp", "first_k_dense_replace 0"]),
        ({"q_lora_rank": None}, ["q_proj.weight", "q_a_proj", "q_lora_rank None"]),
        ({"attention_bias": True}, ["q_a_proj.bias", "attention_bias True"]),
        ({"n_shared_experts": 0}, ["shared_experts", "n_shared_experts 0"]),
        ({"tie_word_embeddings": True}, ["lm_head.weight", "tie_word_embeddings"]),
    ],
    ids=str,
)
def test_config_against_weights(one, change, words):
    edit_json(one, **change)
    refused(one, one, "config.json", *words)


def test_a_wrong_shape(one):
    rewrite(one, lambda files: files.update({Q: torch.ones(5, 12)}))
    refused(one, one / ONLY, Q, "found shape (5, 12), expected (24, 12)", "num_attention_heads * ")
    rewrite(one, lambda files: files.update({Q: torch.ones(0, 12)}))
    refused(one, Q, "found shape (0, 12)")
    rewrite(one, lambda files: files.update({Q: torch.ones(())}))
    refused(one, Q, "found shape ()")


@pytest.mark.parametrize("copy", ["embed_tokens", "shared_head.head"])
def test_copies_beside_a_prediction_module_fit_too(one, copy):
    name = f"model.layers.3.{copy}.weight"
    rewrite(one, lambda files: files.update({name: torch.ones(4, 32)}))
    load_pretrained(one)
    refused(one, name, "found shape (4, 32), expected (50, 32)", mtp=True)


def test_a_missing_tensor(one):
    rewrite(one, lambda files: files.pop(Q))
    refused(one, one, f"no {Q}")
    rewrite(one, lambda files: [files.pop(name) for name in list(files) if "self_attn" in name])
    refused(one, "model.layers.0.self_attn", "more", "in all")


def test_prediction_modules_asked_for_but_not_there(sharded):
    refused(sharded, "no model.layers.3.", "mtp=False", "num_nextn_predict_layers 1", mtp=True)


def test_a_further_layer_is_not_taken_for_a_prediction_module(one):
    """It has no eh_proj. Left out without a word, a model would lose its last layer."""
    rewrite(one, lambda files: [files.pop(name) for name in list(files) if name.startswith("model.layers.3.")])
    edit_json(one, num_hidden_layers=2)
    refused(one, "model.layers.2.", "no place", "num_hidden_layers 2")


def test_an_extra_tensor(one):
    rewrite(one, lambda files: files.update({f"model.extra.{i}": torch.ones(1) for i in range(9)}))
    refused(one, "model.extra.0, model.extra.1, model.extra.2 and 6 more (9 in all)", "no place for")


@pytest.mark.parametrize("key", ["gate_proj", "up_proj", "down_proj"])
def test_an_expert_missing_from_a_stack(one, key):
    name = f"model.layers.2.mlp.experts.5.{key}.weight"
    rewrite(one, lambda files: files.pop(name))
    refused(one, f"no {name}", "n_routed_experts 8")


def test_a_stack_and_its_experts(one):
    stack = stacked_tensors(load_pretrained(one))["model.layers.1.mlp.experts.down_proj"]
    rewrite(one, lambda files: files.update({"model.layers.1.mlp.experts.down_proj": stack}))
    refused(one, "model.layers.1.mlp.experts.", "as well")


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", [Q, "model.norm.weight", "model.layers.1.mlp.experts.3.up_proj.weight"])
def test_numbers_that_are_not_finite(one, name, value):
    def change(files):
        files[name].view(-1)[7] = value
        files[name].view(-1)[-1] = value

    rewrite(one, change)
    width = stored(one)[name].shape[-1]
    place = [7] if name == "model.norm.weight" else [7 // width, 7 % width]
    message = refused(one, one / ONLY, name, "found 2 numbers that are NaN or infinite", f"the first at {place}")
    assert "float16" not in message


def test_opposite_infinities_and_large_numbers(one):
    rewrite(one, lambda files: files[Q].view(-1)[:2].copy_(torch.tensor([torch.inf, -torch.inf])))
    refused(one, Q, "found 2 numbers")
    rewrite(one, lambda files: files[Q].fill_(3e38))
    load_pretrained(one)  # the sum is not finite, but each number is
    refused(one, Q, f"found {24 * 12} numbers", "too large for torch.float16", dtype=torch.float16)


def test_nan_in_the_routers_bias(one):
    name = "model.layers.1.mlp.gate.e_score_correction_bias"
    rewrite(one, lambda files: files[name][3:5].copy_(torch.tensor([torch.nan, -torch.inf])))
    refused(one, name, "found 1 numbers", "first at [3]")


def test_fp8_without_scale(one):
    rewrite(one, lambda files: files.update({Q: files[Q].to(torch.float8_e4m3fn)}))
    refused(one, one / ONLY, Q, "no scales", Q + "_scale_inv")


@pytest.mark.parametrize("scale", [torch.ones(2, 1), torch.ones(1), torch.ones(1, 1).bfloat16(), torch.ones(())])
def test_wrong_scales(one, scale):
    rewrite(one, lambda files: files.update({Q: files[Q].to(torch.float8_e4m3fn), Q + "_scale_inv": scale}))
    refused(one, Q + "_scale_inv", f"of shape {tuple(scale.shape)}, expected F32 of shape (1, 1)", "128 x 128")


def test_scales_of_another_block_size(one):
    rewrite(one, lambda f: f.update({Q: f[Q].to(torch.float8_e4m3fn), Q + "_scale_inv": torch.ones(1, 1)}))
    load_pretrained(one)
    edit_json(one, quantization_config={"quant_method": "fp8", "weight_block_size": [16, 16]})
    refused(one, Q + "_scale_inv", "expected F32 of shape (2, 1)", "16 x 16", "weight_block_size")


def test_scales_that_are_not_finite(one):
    scale = torch.full((1, 1), torch.nan)
    rewrite(one, lambda files: files.update({Q: files[Q].to(torch.float8_e4m3fn), Q + "_scale_inv": scale}))
    refused(one, Q + "_scale_inv", "NaN")


def test_scales_without_fp8(one):
    rewrite(one, lambda files: files.update({Q + "_scale_inv": torch.ones(1, 1)}))
    refused(one, Q + "_scale_inv", "but the weight is F32")
    rewrite(one, lambda files: files.pop(Q))
    refused(one, Q + "_scale_inv", f"no {Q}")


@pytest.mark.parametrize(
    "settings", [{"quant_method": "gptq"}, {"weight_block_size": None}, "fp8", {"weight_block_size": [0, 1]}]
)
def test_other_quantisations(one, settings):
    edit_json(one, quantization_config=settings)
    refused(one, "config.json", "quantization_config")


@pytest.mark.parametrize(
    "dtype", ["float8_e5m2", "float8_e8m0fnu", "int8", "uint8", "int64", "bool", "float4_e2m1fn_x2"]
)
def test_dtypes_that_are_not_supported(one, dtype):
    if not hasattr(torch, dtype):
        pytest.skip(f"this PyTorch has no {dtype}")
    kind = getattr(torch, dtype)
    packed = torch.zeros(24, 6, dtype=torch.uint8).view(kind) if "float4" in dtype else torch.zeros(24, 12).to(kind)
    rewrite(one, lambda files: files.update({Q: packed}))
    refused(one, one / ONLY, Q, "found dtype", "F8_E4M3 with scales")


def test_stacks_in_fp8(one):
    name = "model.layers.1.mlp.experts.down_proj"
    stack = stacked_tensors(load_pretrained(one))[name].to(torch.float8_e4m3fn)
    rewrite(one, lambda files: files.update({name: stack, name + "_scale_inv": torch.ones(8, 1, 1)}))
    refused(one, name, "expected a matrix")


@pytest.mark.parametrize("dtype", [torch.int64, torch.float8_e4m3fn, torch.complex64, "float32", None])
def test_dtypes_and_devices_that_no_model_has(whole, dtype):
    with pytest.raises(ValueError, match=r"dtype: got .*, but it takes torch\.float64"):
        load_pretrained(whole, dtype=dtype)
    with pytest.raises(ValueError, match="device: got 'meta', but it takes one with memory"):
        load_pretrained(whole, device="meta")
