"""Checkpoints in and out: what is saved comes back to the bit, in every layout that official files have."""

import json
import os
import subprocess
import sys

import pytest
import torch
from helpers.checkpoints import (
    ONLY,
    assert_same_weights,
    edit_json,
    filled,
    ids,
    model_of,
    rewrite,
    snapshot,
    stored,
    tiny,
)
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from deepseek_lab import DeepSeekConfig, DeepSeekForCausalLM, load_pretrained, save_pretrained
from deepseek_lab.model import checkpoint_read
from deepseek_lab.model.checkpoint_write import split_into_shards
from deepseek_lab.model.fp8 import dequantise, scale_shape

INDEX = "model.safetensors.index.json"


@pytest.mark.parametrize("shard", [10**9, 30_000, 1], ids=["one file", "shards", "a file for each tensor"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("mtp", [False, True], ids=["", "mtp"])
@pytest.mark.parametrize("tied", [False, True], ids=["", "tied"])
def test_what_is_saved_comes_back(tmp_path, tied, mtp, dtype, shard):
    config = tiny(tie_word_embeddings=tied, num_nextn_predict_layers=2)
    model = model_of(config, mtp, dtype)
    save_pretrained(model, tmp_path, max_shard_bytes=shard)
    assert (tmp_path / INDEX).exists() == (shard < 10**9)
    assert ("lm_head.weight" in stored(tmp_path)) != tied
    loaded = load_pretrained(tmp_path, dtype=dtype, mtp=mtp)
    assert_same_weights(loaded, model)
    assert loaded.config == config
    assert (loaded.lm_head.weight is loaded.model.embed_tokens.weight) == tied
    assert len(loaded.mtp_modules) == (2 if mtp else 0)


@given(
    config=st.builds(
        tiny,
        model_type=st.sampled_from(["deepseek_v2", "deepseek_v3"]),
        q_lora_rank=st.sampled_from([None, 5]),
        first_k_dense_replace=st.integers(0, 3),
        n_shared_experts=st.integers(0, 2),
        attention_bias=st.booleans(),
        tie_word_embeddings=st.booleans(),
    ),
    shard=st.integers(20_000, 200_000),
)
def test_any_config_comes_back(tmp_path_factory, config, shard):
    folder, model = tmp_path_factory.mktemp("checkpoint"), model_of(config)
    save_pretrained(model, folder, max_shard_bytes=shard)
    assert_same_weights(load_pretrained(folder), model)
    assert DeepSeekConfig.from_hf(folder) == config


def test_the_loaded_model_is_ready(tmp_path, device):
    save_pretrained(model_of(tiny()).train(), tmp_path)
    before = torch.get_rng_state()
    model = load_pretrained(str(tmp_path), device=device)
    assert torch.equal(torch.get_rng_state(), before)
    assert not model.training
    assert all(p.requires_grad and p.is_leaf and p.device.type == device for p in model.parameters())
    model(ids(model.config).to(device)).sum().backward()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_the_routers_bias_stays_in_fp32(tmp_path, dtype):
    save_pretrained(model_of(tiny()), tmp_path)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # which nothing here may follow
    try:
        model = load_pretrained(tmp_path, dtype=dtype)
    finally:
        torch.set_default_dtype(default)
    bias = model.model.layers[1].mlp.gate.e_score_correction_bias
    assert torch.equal(bias, stored(tmp_path)["model.layers.1.mlp.gate.e_score_correction_bias"])
    assert bias.dtype == torch.float32
    assert {p.dtype for p in model.parameters()} == {dtype}


def test_minus_infinity_in_the_bias_comes_back(tmp_path):
    """It takes an expert out of the choice."""
    model = model_of(tiny())
    model.model.layers[1].mlp.gate.e_score_correction_bias[2] = -torch.inf
    save_pretrained(model, tmp_path)
    assert_same_weights(load_pretrained(tmp_path), model)


def test_experts_are_files_of_one_matrix_each(tmp_path):
    """gate above up in our stack, as in transformers'."""
    model = model_of(tiny())
    save_pretrained(model, tmp_path)
    stack, files = model.model.layers[2].mlp.experts, stored(tmp_path)
    for e in range(8):
        gate, up, down = (files[f"model.layers.2.mlp.experts.{e}.{key}_proj.weight"] for key in ("gate", "up", "down"))
        assert torch.equal(torch.cat([gate, up]), stack.gate_up_proj[e])
        assert torch.equal(down, stack.down_proj[e])
    assert not any(name.endswith("gate_up_proj") for name in files)
    assert load_file(tmp_path / ONLY).keys() == files.keys()


def test_prediction_modules_are_left_out_unless_asked_for(tmp_path):
    model = model_of(tiny(), mtp=True)
    save_pretrained(model, tmp_path)
    without = load_pretrained(tmp_path)
    assert without.mtp_modules == []
    assert torch.equal(without(ids(model.config)), model(ids(model.config)))
    rewrite(tmp_path, lambda files: [files.pop(f"model.layers.3.{copy}.weight") for copy in COPIES])
    assert_same_weights(load_pretrained(tmp_path, mtp=True), model)  # the copies are not needed


COPIES = ("embed_tokens", "shared_head.head")


def test_an_index_is_used_where_there_is_one(tmp_path):
    model = model_of(tiny())
    save_pretrained(model, tmp_path, max_shard_bytes=30_000)
    save_file({"other": torch.ones(1)}, tmp_path / ONLY)
    save_file({"other": torch.ones(1)}, tmp_path / "unrelated.safetensors")
    assert_same_weights(load_pretrained(tmp_path), model)


def test_tables_of_old_files_are_ignored(tmp_path):
    model = model_of(tiny())
    save_pretrained(model, tmp_path)
    rewrite(tmp_path, lambda files: files.update({"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(2)}))
    assert_same_weights(load_pretrained(tmp_path), model)


def test_a_tied_head_may_be_in_the_file(tmp_path):
    model = model_of(tiny(tie_word_embeddings=True))
    save_pretrained(model, tmp_path)
    rewrite(tmp_path, lambda files: files.update({"lm_head.weight": model.lm_head.weight.detach().clone()}))
    assert_same_weights(load_pretrained(tmp_path), model)


def test_tensors_larger_than_a_piece(tmp_path, monkeypatch):
    """Pieces and mappings so small that every tensor takes several."""
    monkeypatch.setattr(checkpoint_read, "PIECE", 70)
    monkeypatch.setattr(checkpoint_read, "MAPPED", 100)
    model = model_of(tiny(), mtp=True)
    save_pretrained(model, tmp_path, max_shard_bytes=30_000)
    assert_same_weights(load_pretrained(tmp_path, mtp=True), model)


def test_saving_again_leaves_nothing_of_the_first(tmp_path):
    first, second = model_of(tiny()), filled(DeepSeekForCausalLM(tiny(num_hidden_layers=2)), seed=1)
    (tmp_path / "notes.txt").write_text("mine")
    for model, shard in ((first, 20_000), (second, 40_000), (first, 10**9), (second, 20_000), (second, 20_000)):
        save_pretrained(model, tmp_path, max_shard_bytes=shard)
        assert_same_weights(load_pretrained(tmp_path), model)
        shards = sorted(tmp_path.glob("*.safetensors"))
        counted = 1 if shards[0].name == ONLY else int(shards[0].stem[-5:])
        assert len(shards) == counted
        assert (tmp_path / INDEX).exists() == (counted > 1)
        if counted > 1:
            where = json.loads((tmp_path / INDEX).read_text())["weight_map"]
            assert set(where.values()) == {shard.name for shard in shards}
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_saving_changes_nothing_in_the_model(tmp_path):
    model = model_of(tiny(), mtp=True).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_pretrained(model, tmp_path)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_weights_shared_between_layers_are_saved_twice(tmp_path):
    model = model_of(tiny())
    model.model.layers[2].self_attn.o_proj.weight = model.model.layers[1].self_attn.o_proj.weight
    save_pretrained(model, tmp_path)
    assert_same_weights(load_pretrained(tmp_path), model)


def test_a_tokenizer_is_saved_beside(tmp_path):
    from tokenizers import Tokenizer, models
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    words = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a")))
    save_pretrained(model_of(tiny()), tmp_path, tokenizer=words)
    assert AutoTokenizer.from_pretrained(tmp_path)("b")["input_ids"] == [1]
    before = (tmp_path / "tokenizer.json").read_bytes()
    save_pretrained(model_of(tiny()), tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_files_are_as_readable_as_any(tmp_path):
    """safetensors' own are for their owner only."""
    save_pretrained(model_of(tiny()), tmp_path / "model", max_shard_bytes=30_000)
    (tmp_path / "any").touch()
    usual = (tmp_path / "any").stat().st_mode
    assert {path.stat().st_mode for path in (tmp_path / "model").iterdir()} == {usual}


@pytest.mark.parametrize("name", ["ünï cödé 模型", "with space/and/parents", "trailing.", ".hidden"])
def test_any_folder_name(tmp_path, name):
    model = model_of(tiny())
    save_pretrained(model, tmp_path / name)
    assert_same_weights(load_pretrained(tmp_path / name), model)


def test_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = model_of(tiny())
    save_pretrained(model, ".")
    assert_same_weights(load_pretrained("."), model)


@given(sizes=st.lists(st.integers(1, 50), min_size=1), limit=st.integers(1, 100))
def test_shards_are_within_their_limit(sizes, limit):
    tensors = {str(i): torch.empty(size, dtype=torch.uint8) for i, size in enumerate(sizes)}
    shards = split_into_shards(tensors, limit)
    assert [name for shard in shards for name in shard] == list(tensors)
    for i, shard in enumerate(shards):
        used = sum(tensors[name].nbytes for name in shard)
        assert used <= limit or len(shard) == 1
        if i + 1 < len(shards):
            assert used + tensors[shards[i + 1][0]].nbytes > limit  # it would not have fitted


# FP8


def dequantised_plainly(weight, scale, block):
    """To read: one number after the other."""
    rows, scales = weight.float().tolist(), scale.tolist()
    numbers = [[q * scales[i // block[0]][j // block[1]] for j, q in enumerate(row)] for i, row in enumerate(rows)]
    return torch.tensor(numbers, dtype=torch.float64).float()  # each product rounded once, as in fp32


def quantised(weight, block):
    """e4m3 numbers and the scale of each block, so that a block's largest number is 448."""
    scale = torch.empty(scale_shape(weight.shape, block))
    result = torch.empty(weight.shape, dtype=torch.float8_e4m3fn)
    for i in range(scale.shape[0]):
        for j in range(scale.shape[1]):
            rows = slice(i * block[0], (i + 1) * block[0])
            columns = slice(j * block[1], (j + 1) * block[1])
            scale[i, j] = weight[rows, columns].abs().max() / 448
            result[rows, columns] = (weight[rows, columns] / scale[i, j]).to(torch.float8_e4m3fn)
    return result, scale


@given(rows=st.integers(1, 40), columns=st.integers(1, 40), block=st.tuples(st.integers(1, 16), st.integers(1, 50)))
def test_dequantise_is_the_plain_loop(rows, columns, block):
    weight, scale = quantised(torch.randn(rows, columns, generator=torch.Generator().manual_seed(rows)), block)
    assert torch.equal(dequantise(weight, scale, block), dequantised_plainly(weight, scale, block))


def to_fp8(folder, block):
    """Quantise what DeepSeek quantises, and hand back what should come out."""
    expected = {}

    def change(files):
        for name, tensor in list(files.items()):
            if "proj" in name:
                files[name], files[name + "_scale_inv"] = quantised(tensor, block)
                expected[name] = dequantised_plainly(files[name], files[name + "_scale_inv"], block)
            else:
                expected[name] = tensor

    rewrite(folder, change)
    return expected


@pytest.mark.parametrize("block", [None, (16, 8), (7, 128)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_fp8_files(tmp_path, block, dtype, monkeypatch):
    monkeypatch.setattr(checkpoint_read, "PIECE", 200)
    save_pretrained(model_of(tiny(hidden_size=150, intermediate_size=260), mtp=True), tmp_path)
    expected = to_fp8(tmp_path, block or (128, 128))
    if block:
        edit_json(tmp_path, quantization_config={"quant_method": "fp8", "weight_block_size": list(block)})
    model = load_pretrained(tmp_path, dtype=dtype, mtp=True)
    save_pretrained(model, tmp_path / "again")
    again = stored(tmp_path / "again")
    assert again.keys() == expected.keys()
    for name, tensor in expected.items():
        wanted = tensor if name.endswith("bias") else tensor.to(dtype)
        assert torch.equal(again[name], wanted), name


def test_scales_may_lie_in_another_shard(tmp_path):
    save_pretrained(model_of(tiny()), tmp_path)
    expected = to_fp8(tmp_path, (128, 128))
    files = stored(tmp_path)
    (tmp_path / ONLY).unlink()
    shards = {"a.safetensors": {}, "b.safetensors": {}}
    for name, tensor in files.items():
        shards["b.safetensors" if name.endswith("scale_inv") else "a.safetensors"][name] = tensor
    for file, tensors in shards.items():
        save_file(tensors, tmp_path / file)
    where = {name: file for file, tensors in shards.items() for name in tensors}
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": where}))
    state = load_pretrained(tmp_path).state_dict()
    name = "model.layers.0.self_attn.o_proj.weight"
    assert torch.equal(state[name], expected[name])


# From the hub


def put_in_cache(home, model, repository="some-one/some-model"):
    """Lay a model out as huggingface_hub does: files by content, and links to them for each revision."""
    root = home / "hub" / f"models--{repository.replace('/', '--')}"
    save_pretrained(model, root / "blobs", max_shard_bytes=30_000)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("0123456789abcdef0123456789abcdef01234567")
    revision = root / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    revision.mkdir(parents=True)
    for i, path in enumerate(sorted((root / "blobs").iterdir())):
        path.rename(root / "blobs" / str(i))
        (revision / path.name).symlink_to(f"../../blobs/{i}")


FROM_HUB = """
import sys, deepseek_lab
assert "huggingface_hub" not in sys.modules and "transformers" not in sys.modules
model = deepseek_lab.load_pretrained(sys.argv[1])
assert "transformers" not in sys.modules
print(sum(p.numel() for p in model.parameters()))
"""


def run_from_hub(home, hub_id):
    settings = {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    environment = {**{k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGINGFACE"))}, **settings}
    return subprocess.run(
        [sys.executable, "-c", FROM_HUB, hub_id], env=environment, capture_output=True, text=True, cwd=home
    )


def test_a_hub_id_is_found_in_the_cache(tmp_path):
    model = model_of(tiny())
    put_in_cache(tmp_path, model)
    found = run_from_hub(tmp_path, "some-one/some-model")
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) == sum(p.numel() for p in model.parameters())
    other = run_from_hub(tmp_path, "some-one/other-model")
    last = other.stderr.strip().splitlines()[-1]
    assert "CheckpointError: some-one/other-model: no such folder here" in last
    assert "hf download some-one/other-model" in last


def test_a_folder_comes_before_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = model_of(tiny())
    save_pretrained(model, "some-one/some-model")
    assert_same_weights(load_pretrained("some-one/some-model"), model)


def test_only_json_and_safetensors_are_fetched(tmp_path, monkeypatch):
    import huggingface_hub

    model, asked = model_of(tiny()), {}
    save_pretrained(model, tmp_path / "cache")

    def snapshot_download(repository, **options):
        asked.update(options, repository=repository)
        return str(tmp_path / "cache")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert_same_weights(load_pretrained("some-one/some-model"), model)
    assert asked == {"repository": "some-one/some-model", "allow_patterns": ["*.json", "*.safetensors"]}


def test_saving_and_loading_leave_the_files_alone(tmp_path):
    save_pretrained(model_of(tiny()), tmp_path)
    before = snapshot(tmp_path)
    load_pretrained(tmp_path)
    assert snapshot(tmp_path) == before
