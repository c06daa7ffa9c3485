"""V3.2 and V4 whole: checkpoints that transformers saved load here and give equal logits, in one pass and in pieces.

Where a choice (of tokens, entries or experts) is nearly a tie, rounding may turn it; such draws are left out, and a
test counts that they are the fewer. A score is exactly 0 where ReLU shuts all index heads: hence sixteen of them.
"""

import json

import pytest
import torch
from helpers.checkpoints import assume_experts_are_matrices, edit_json, filled, stored
from helpers.compare import note, relative_error
from helpers.v4 import V4, clear, official_attention_name
from helpers.v32 import V32
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch.overrides import TorchFunctionMode
from transformers import (
    DeepseekV4Config,
    DeepseekV4ForCausalLM,
    DeepseekV32Config,
    DeepseekV32ForCausalLM,
    DynamicCache,
)
from transformers import logging as transformers_logging

from deepseek_lab import DeepSeekConfig, DeepSeekForCausalLM, generate, load_pretrained, save_pretrained
from deepseek_lab.config_fields import HEAVY, LAYER_TYPES, MLP_LAYER_TYPES, SLIDING, SPARSE

transformers_logging.set_verbosity_error()
KINDS = {"v3.2": DeepseekV32ForCausalLM, "v4": DeepseekV4ForCausalLM}
CLEAR = {kind: [] for kind in KINDS}  # for each draw, whether all choices were
kinds = pytest.mark.parametrize("kind", KINDS)


class Choices(TorchFunctionMode):
    """Whether every top-k that was taken is clear: tokens and entries by a method, experts by a function."""

    clear = True

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in (torch.Tensor.topk, torch.topk):
            self.clear &= clear(args[0].detach(), args[1] if len(args) > 1 else kwargs["k"])
        return function(*args, **(kwargs or {}))


@st.composite
def official_configs(draw, kind: str):
    """A random small config of transformers."""
    if kind == "v3.2":
        return V32(draw)
    layers = draw(st.integers(1, 3))
    return V4(
        draw, layer_types=[draw(st.sampled_from(LAYER_TYPES)) for _ in range(layers)],
        mlp_layer_types=[draw(st.sampled_from(MLP_LAYER_TYPES)) for _ in range(layers)],
        vocab_size=draw(st.integers(5, 40)), moe_intermediate_size=draw(st.integers(1, 12)),
        n_routed_experts=draw(st.integers(4, 8)), num_experts_per_tok=draw(st.integers(1, 4)),
        hc_mult=draw(st.integers(1, 4)), hc_sinkhorn_iters=draw(st.integers(1, 20)),
        swiglu_limit=draw(st.sampled_from([10.0, 0.5])), tie_word_embeddings=draw(st.booleans()),
        routed_scaling_factor=draw(st.sampled_from([1.0, 1.5])), bos_token_id=None, eos_token_id=None,
    )  # fmt: skip


def official(kind: str, config, seed: int):
    """Their model with random weights, and tables of experts in the hashed layers."""
    model = filled(KINDS[kind](config), seed)
    model.set_experts_implementation("eager")  # the others want widths that are multiples of 16 bytes
    for name, table in model.named_buffers():
        if name.endswith("tid2eid"):
            order = torch.rand(len(table), config.n_routed_experts).argsort(dim=-1)
            table.copy_(order[:, : table.shape[1]])
    return model


@kinds
@settings(phases=[Phase.generate])
@given(data=st.data())
def test_saved_by_transformers_loads_and_agrees(device, kind, tmp_path_factory, data):
    """Prefill, and then the same tokens in random pieces, ours and theirs each with its own cache. And back again."""
    torch.manual_seed(0)  # hypothesis doesn't know of torch's numbers, and a failure has to come back when repeated
    config = data.draw(official_configs(kind))
    folder = tmp_path_factory.mktemp("theirs")
    theirs = official(kind, config, data.draw(st.integers(0, 10**6)))
    theirs.save_pretrained(folder, max_shard_size=data.draw(st.sampled_from(["5GB", "4KB"])))
    assume_experts_are_matrices(folder)
    theirs.to(device)
    ours, tokens = load_pretrained(folder, device=device), data.draw(st.integers(1, 40))
    ids = torch.randint(config.vocab_size, (2, tokens)).to(device)
    with torch.no_grad():
        with Choices() as choices:
            expected = theirs(ids).logits
        CLEAR[kind].append(choices.clear)
        if choices.clear:
            assert note(f"{kind} logits", relative_error(ours(ids), expected)) < 1e-5
        their_cache, cache, start = DynamicCache(config=theirs.config), ours.new_cache(2, tokens), 0
        while start < tokens:
            end = data.draw(st.integers(start + 1, tokens))
            piece = theirs(ids[:, start:end], past_key_values=their_cache).logits
            output = ours(ids[:, start:end], cache)
            if choices.clear:
                assert note(f"{kind} in pieces", relative_error(output, piece)) < 1e-5
                assert note(f"{kind} pieces against one pass", relative_error(output, expected[:, start:end])) < 1e-5
            start = end
    save_pretrained(ours, folder, max_shard_bytes=data.draw(st.sampled_from([10**9, 4000])))
    again, info = KINDS[kind].from_pretrained(folder, output_loading_info=True)
    assert not any(info.values()), info
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, theirs.state_dict()[name].cpu()), name


@kinds
def test_ties_are_rare(kind):
    """Else the test above, which ran before, would say little."""
    if not CLEAR[kind]:
        pytest.skip("the test that draws configs did not run")
    assert sum(CLEAR[kind]) >= 0.5 * len(CLEAR[kind])


@kinds
@given(data=st.data())
def test_gradients(device, kind, data):
    """Of the loss, for every parameter that theirs gives one; the indexers have none."""
    torch.manual_seed(0)
    config = data.draw(official_configs(kind))
    theirs = official(kind, config, 0).to(device)
    ours = DeepSeekForCausalLM(DeepSeekConfig.from_hf(config)).to(device)
    names = copy_weights(theirs, ours)
    ids = torch.randint(config.vocab_size, (2, 17)).to(device)
    with Choices() as choices:
        logits = theirs(ids).logits
    if not choices.clear:
        return
    direction = torch.randn_like(logits)
    (logits * direction).sum().backward()
    (ours(ids) * direction).sum().backward()
    wanted = {name: p.grad for name, p in theirs.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    largest = max(grad.abs().max().item() for grad in wanted.values())
    found = dict(ours.named_parameters())
    for name, grad in wanted.items():
        error = (found[names[name]].grad - grad).abs().max().item() / max(grad.abs().max().item(), 0.1 * largest)
        # Not 1e-5: a scale's gradient is a sum over all tokens, nearly cancelling, and both sides' rounding shows.
        assert note(f"{kind} gradients", error) < 3e-5, name


def copy_weights(theirs, ours) -> dict[str, str]:
    """Their weights into ours, by name in memory. Returns their name -> our name."""
    names = {name: our_name(name) if ours.config.model_type == "deepseek_v4" else name for name in theirs.state_dict()}
    ours.load_state_dict({names[name]: tensor for name, tensor in theirs.state_dict().items()})
    return names


def our_name(name: str) -> str:
    """V4's attention has official names here, transformers' own there."""
    before, attention, after = name.rpartition(".self_attn.")
    return before + attention + official_attention_name(after) if attention else name


def test_padding_in_v32(device):
    """Left and right, as transformers has it: what comes out at tokens is the same."""
    torch.manual_seed(0)
    config = DeepseekV32Config(
        vocab_size=30, hidden_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
        q_lora_rank=12, kv_lora_rank=10,
        qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=6, intermediate_size=20, moe_intermediate_size=12,
        n_routed_experts=8, num_experts_per_tok=2, n_group=1, topk_group=1, index_topk=4, index_n_heads=16,
        index_head_dim=8, first_k_dense_replace=1,
    )  # fmt: skip
    config._attn_implementation = "eager"
    theirs = official("v3.2", config, 0)
    ours = DeepSeekForCausalLM(DeepSeekConfig.from_hf(config))
    ours.load_state_dict(theirs.state_dict())
    theirs, ours = theirs.to(device), ours.to(device)
    ids, mask = torch.randint(30, (3, 15)).to(device), torch.ones(3, 15, dtype=torch.long, device=device)
    mask[1, :6] = 0
    mask[2, 9:] = 0
    positions = torch.arange(15, device=device)[None].expand(3, -1)
    with torch.no_grad():
        expected = theirs(ids, attention_mask=mask, position_ids=positions).logits
        output = ours(ids, attention_mask=mask)
    real = mask.bool()
    assert note("v3.2 padding", relative_error(output[real], expected[real])) < 1e-5


def small_v4(**changes) -> DeepSeekConfig:
    fields = dict(
        vocab_size=30, hidden_size=24, num_hidden_layers=3, num_attention_heads=2, head_dim=12, qk_rope_head_dim=4,
        q_lora_rank=10, o_groups=2, o_lora_rank=6, index_topk=2, index_n_heads=16, index_head_dim=8, sliding_window=5,
        moe_intermediate_size=8, n_routed_experts=4, num_experts_per_tok=2, compress_rate_csa=2, compress_rate_hca=5,
        layer_types=(SLIDING, SPARSE, HEAVY), mlp_layer_types=("hash_moe", "moe", "moe"),
    )  # fmt: skip
    return DeepSeekConfig.preset("v4-flash").replace(**{**fields, **changes})


def test_official_names_of_v4(tmp_path):
    """What is written has DeepSeek's own names; transformers reads them, and we read what transformers makes of it."""
    ours = filled(DeepSeekForCausalLM(small_v4()))
    save_pretrained(ours, tmp_path)
    names = set(stored(tmp_path))
    assert {
        "embed.weight", "head.weight", "norm.weight", "hc_head_fn", "layers.0.attn.kv_norm.weight",
        "layers.0.hc_attn_fn", "layers.0.attn_norm.weight", "layers.0.ffn.gate.tid2eid", "layers.1.ffn.gate.bias",
        "layers.1.attn.indexer.compressor.ape", "layers.1.attn.indexer.wq_b.weight", "layers.2.attn.attn_sink",
        "layers.2.attn.compressor.wgate.weight", "layers.2.ffn.experts.3.w2.weight",
        "layers.2.ffn.shared_experts.w1.weight",
    } <= names  # fmt: skip
    assert not any(name.startswith("model.") for name in names)
    assert "compress_ratios" in json.loads((tmp_path / "config.json").read_text())
    theirs, ids = DeepseekV4ForCausalLM.from_pretrained(tmp_path), torch.randint(30, (2, 23))
    with torch.no_grad():
        assert relative_error(ours(ids), theirs(ids).logits) < 1e-5
    save_file({**load_file(tmp_path / "model.safetensors"), "mtp.0.norm.weight": torch.ones(3)},
              tmp_path / "model.safetensors")  # fmt: skip
    load_pretrained(tmp_path)  # V4's prediction modules are passed over


def test_greedy_text_is_the_same(device):
    for kind, config in (("v4", small_v4()), ("v3.2", None)):
        if config is None:
            fields = small_v4().to_hf()
            config = DeepSeekConfig.preset("v3.2").replace(
                **{name: fields[name] for name in ("vocab_size", "hidden_size", "q_lora_rank", "qk_rope_head_dim")},
                num_hidden_layers=2, num_attention_heads=2, kv_lora_rank=8, qk_nope_head_dim=6, v_head_dim=6,
                intermediate_size=20, moe_intermediate_size=8, n_routed_experts=4, num_experts_per_tok=2, n_group=1,
                topk_group=1, index_topk=4, index_n_heads=16, index_head_dim=8, rope_scaling=None,
                first_k_dense_replace=1,
            )  # fmt: skip
        classes = {"v4": DeepseekV4Config, "v3.2": DeepseekV32Config}
        theirs = official(kind, classes[kind](**config.to_hf()), 3).to(device)
        ours = DeepSeekForCausalLM(config).eval().to(device)
        copy_weights(theirs, ours)
        ids = torch.randint(30, (1, 7)).to(device)
        expected = theirs.generate(ids, max_new_tokens=20, do_sample=False, eos_token_id=None, pad_token_id=0)
        assert torch.equal(generate(ours, ids, max_new_tokens=20), expected)


@pytest.mark.parametrize(("change", "says"), [
    (dict(index_topk=0), "index_topk"), (dict(layer_types=["full_attention"] * 3), "layer_types"),
    (dict(compress_rates={"compressed_sparse_attention": 3}), r"compressor\.ape.*compress"),
    (dict(num_hidden_layers=2), "layers.2"), (dict(head_dim=16, partial_rotary_factor=0.25), "head_dim"),
    (dict(n_routed_experts=5), "gate"), (dict(mlp_layer_types=["moe"] * 3), "mlp_layer_types"),
    (dict(num_key_value_heads=2), "num_key_value_heads"), (dict(hc_mult=3), "hc"),
])  # fmt: skip
def test_a_config_that_does_not_fit_the_weights(tmp_path, change, says):
    save_pretrained(filled(DeepSeekForCausalLM(small_v4())), tmp_path)
    edit_json(tmp_path, **change)
    with pytest.raises(ValueError, match=says):
        load_pretrained(tmp_path)


def test_a_table_of_experts_must_be_whole_numbers(tmp_path):
    save_pretrained(filled(DeepSeekForCausalLM(small_v4())), tmp_path)
    file = tmp_path / "model.safetensors"
    name = "layers.0.ffn.gate.tid2eid"
    tensors = load_file(file)
    save_file({**tensors, name: tensors[name].float()}, file)
    with pytest.raises(ValueError, match=r"tid2eid: found dtype F32, expected I64 or I32"):
        load_pretrained(tmp_path)
    save_file({**tensors, "model.layers.0.attn.norm.weight": torch.ones(12)}, file)
    with pytest.raises(ValueError, match=r"kv_norm.*once"):
        load_pretrained(tmp_path)


def test_what_v4_does_not_have():
    with pytest.raises(ValueError, match="mtp"):
        DeepSeekForCausalLM(small_v4(), mtp=True)
    with pytest.raises(ValueError, match="attention_mask"):
        DeepSeekForCausalLM(small_v4())(torch.ones(1, 4, dtype=torch.long), attention_mask=torch.ones(1, 4))
