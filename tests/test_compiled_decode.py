"""The compiled decoding step: the uncompiled one's numbers, on the same cache, for every length, compiled once."""

import tempfile

import pytest
import torch
import torch._inductor.config
from helpers import tiny
from helpers.compare import relative_error

from deepseek_lab import DeepSeekConfig
from deepseek_lab.inference import compiled
from deepseek_lab.inference.compiled import compile_decode
from deepseek_lab.model.decoder import DeepSeekForCausalLM, next_token_logits

pytestmark = pytest.mark.slow  # a compiler runs

BATCH = 2
V2 = DeepSeekConfig.preset("v2-lite").replace(
    vocab_size=50, hidden_size=24, num_hidden_layers=2, num_attention_heads=2, kv_lora_rank=12, qk_nope_head_dim=6,
    qk_rope_head_dim=4, v_head_dim=6, intermediate_size=32, moe_intermediate_size=10, n_routed_experts=4,
    num_experts_per_tok=2, attention_bias=True, initializer_range=0.3,
)  # fmt: skip


def has_compiler() -> bool:
    try:
        compiled._require_compiler()
    except RuntimeError:
        return False
    return True


needs_compiler = pytest.mark.skipif(not has_compiler(), reason="no C++ compiler on this machine")


@pytest.fixture(scope="module")
def model() -> DeepSeekForCausalLM:
    made = tiny.model()
    for block in made.blocks[1:]:
        block.mlp.gate.e_score_correction_bias.uniform_(-0.2, 0.2)
    return made


@pytest.fixture(scope="module")
def step(model):
    return compile_decode(model, BATCH)


def ids(*shape: int) -> torch.Tensor:
    return torch.randint(tiny.TINY.vocab_size, shape)


@needs_compiler
@torch.inference_mode()
def test_uncompiled_and_compiled_steps_take_turns_on_one_cache(model, step):
    """At any length and in any room, from an empty cache on: each compiled step against one pass over all tokens."""
    torch.manual_seed(0)
    for prompt, room, steps in ((0, 9, 9), (1, 30, 12), (70, 100, 4), (4500, 5000, 2)):
        tokens = ids(BATCH, prompt + steps)
        cache = model.new_cache(BATCH, room)
        if prompt:
            model(tokens[:, :prompt], cache)
        for i in range(prompt, prompt + steps):
            new = tokens[:, i : i + 1]
            logits = next_token_logits(model, new, cache) if i % 3 == 2 else step(new, cache)
            assert cache.length == i + 1 and {layer.length for layer in cache.layers} == {i + 1}
            if i < 200 or i % 3 != 2:
                assert relative_error(logits, next_token_logits(model, tokens[:, : i + 1])) < 1e-5


@needs_compiler
@torch.inference_mode()
def test_it_is_compiled_once(model, step, monkeypatch):
    """What compiles, Python's side of it or the C++ compiler, isn't called again, whatever the lengths."""

    def compiles(*args, **kwargs):
        raise AssertionError("compiled again")

    monkeypatch.setattr("torch._inductor.compile_fx.compile_fx_inner", compiles)
    monkeypatch.setattr("torch._dynamo.convert_frame.ConvertFrame.__call__", compiles)
    for prompt in (3, 17, 64, 200):
        cache = model.new_cache(BATCH, prompt + 5)
        model(ids(BATCH, prompt), cache)
        for _ in range(5):
            step(ids(BATCH, 1), cache)


@needs_compiler
@torch.inference_mode()
def test_weights_are_the_models_own(model, step):
    new, results = ids(BATCH, 1), []
    for change in (1.0, 1.5):
        model.lm_head.weight.mul_(change)
        cache = model.new_cache(BATCH, 4)
        model(ids(BATCH, 2) * 0 + 7, cache)
        results.append(step(new, cache).clone())
    model.lm_head.weight.div_(1.5)
    assert relative_error(results[0] * 1.5, results[1]) < 1e-5


@needs_compiler
def test_v2_for_one_sequence():
    """Without a query latent, with softmax scores and biases, and one sequence: the other paths of the step."""
    torch.manual_seed(1)
    model = DeepSeekForCausalLM(V2)
    for parameter in model.parameters():
        if parameter.dim() == 1:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    step, cache, tokens = compile_decode(model), model.new_cache(1, 12), torch.randint(50, (1, 12))
    with torch.no_grad():
        for i in range(12):
            logits = step(tokens[:, i : i + 1], cache)
            assert relative_error(logits, next_token_logits(model, tokens[:, : i + 1])) < 1e-5


@needs_compiler
@torch.inference_mode()
def test_what_does_not_fit_is_refused_and_the_cache_unharmed(model, step):
    cache = model.new_cache(BATCH, 4)
    model(ids(BATCH, 4), cache)
    before = [slot.clone() for layer in cache.layers for slot in layer.slots.values()]
    with pytest.raises(ValueError, match="max_length of the cache: got 4"):
        step(ids(BATCH, 1), cache)
    room = model.new_cache(BATCH, 9)
    for new, words in (
        (ids(BATCH, 2), r"input_ids: got \(2, 2\)"),
        (ids(3, 1), r"input_ids: got \(3, 1\)"),
        (ids(BATCH, 1).int(), "input_ids dtype"),
        (ids(BATCH, 1) * 0 + 300, r"ids from 0 to 299"),
        (ids(BATCH, 1) * 0 - 1, r"ids from 0 to 299"),
        ([[1], [2]], "input_ids: got 'list'"),
    ):
        with pytest.raises(ValueError, match=words):
            step(new, room)
    for other, words in (
        (model.new_cache(3, 9), "cache: got"),
        (tiny.model(config=tiny.TINY.replace(kv_lora_rank=12)).new_cache(BATCH, 9), "cache: got"),
        (tiny.model(config=tiny.TINY.replace(num_hidden_layers=3)).new_cache(BATCH, 9), "cache: got '3 layers'"),
        (room.layers, "cache: got 'list'"),
    ):
        with pytest.raises(ValueError, match=words):
            step(ids(BATCH, 1), other)
    after = [slot for layer in cache.layers for slot in layer.slots.values()]
    assert cache.length == 4 and room.length == 0 and all(map(torch.equal, before, after))


@needs_compiler
@torch.inference_mode()
def test_another_models_cache_and_weights_put_elsewhere_are_refused(model, step):
    new, other = ids(BATCH, 1), tiny.model(seed=1)
    with pytest.raises(ValueError, match="one that another model has made"):
        step(new, other.new_cache(BATCH, 4))
    cache, weight = model.new_cache(BATCH, 4), model.blocks[0].self_attn.o_proj.weight
    model(new, cache)
    before = weight.data
    weight.data = before * 2
    with pytest.raises(ValueError, match="weights that lie elsewhere by now"):
        step(new, cache)
    weight.data = before
    step(new, cache)
    assert cache.length == 2


@needs_compiler
@torch.inference_mode()
def test_numbers_that_are_none_are_noticed(model, step):
    cache = model.new_cache(BATCH, 9)
    model(ids(BATCH, 3), cache)
    kept = model.model.norm.weight[0].item()
    model.model.norm.weight[0] = float("nan")
    with pytest.raises(ValueError, match="logits: got 'NaN or infinity'"):
        step(ids(BATCH, 1), cache)
    model.model.norm.weight[0] = kept
    assert cache.length == 3


def test_without_a_compiler_it_says_so(model):
    without = torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)})
    with without, pytest.raises(RuntimeError, match="no C\\+\\+ compiler was found"):
        compile_decode(model)


@needs_compiler
def test_a_compiler_that_fails_is_reported(model, tmp_path):
    """It says its version and compiles nothing."""
    broken, says = tmp_path / "broken", "a.cpp:1: fatal error: omp.h: No such file"
    script = f'#!/bin/sh\n[ "$1" = --version ] && echo "g++ 13.0.0" && exit 0\necho "{says}" >&2\nexit 1\n'
    broken.write_text(script, encoding="utf-8")
    broken.chmod(0o755)
    failing = torch._inductor.config.patch({"cpp.cxx": (str(broken),)})
    with failing, pytest.raises(RuntimeError, match=f"could not compile the step here \\({says}\\); the step that is"):
        compile_decode(model, 3)


@needs_compiler
def test_no_place_for_temporary_files_is_reported(model, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(RuntimeError, match=r"could not compile the step here .*No such file"):
        compile_decode(model, 3)


def test_other_models_are_refused(model):
    for other, words in (
        (tiny.model(config=V32), "model to compile: got 'deepseek_v32'"),
        (tiny.model().bfloat16(), "got 'torch.bfloat16 on cpu'"),
        (model.model, "model: got 'DeepSeekModel'"),
    ):
        with pytest.raises(ValueError, match=words):
            compile_decode(other)
    with pytest.raises(ValueError, match="batch_size: got 0"):
        compile_decode(model, 0)


V32 = DeepSeekConfig.preset("v3.2").replace(
    **{name: getattr(tiny.TINY, name) for name in ("vocab_size", "hidden_size", "num_hidden_layers", "q_lora_rank")},
    num_attention_heads=2, kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=8, v_head_dim=8, rope_scaling=None,
    intermediate_size=48, moe_intermediate_size=16, n_routed_experts=6, num_experts_per_tok=2, n_group=1, topk_group=1,
    index_n_heads=2, index_head_dim=8, index_topk=4, num_nextn_predict_layers=1, first_k_dense_replace=1,
)  # fmt: skip
