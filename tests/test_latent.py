"""MLA against itself: expanded, absorbed, cached; causality; FLOPs; bad input."""

import pytest
import torch
from helpers.compare import gradients_of, relative_error
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from deepseek_lab import DeepSeekConfig
from deepseek_lab.attention import MultiHeadLatentAttention
from deepseek_lab.attention.latent import absorbing_is_cheaper, attention_flops
from deepseek_lab.config import YarnScaling

SMALL = DeepSeekConfig.preset("v3").replace(
    hidden_size=48, num_attention_heads=4, q_lora_rank=24, kv_lora_rank=16, qk_nope_head_dim=12,
    qk_rope_head_dim=8, v_head_dim=10,
)  # fmt: skip


@given(
    heads=st.integers(1, 5), rank=st.sampled_from([None, 8]), latent=st.integers(4, 24), nope=st.integers(1, 9),
    half=st.integers(1, 5), value=st.integers(1, 9), yarn=st.sampled_from([None, YarnScaling()]),
    batch=st.integers(1, 2), tokens=st.integers(1, 21),
)  # fmt: skip
def test_expanded_equals_absorbed(heads, rank, latent, nope, half, value, yarn, batch, tokens):
    config = SMALL.replace(
        num_attention_heads=heads, q_lora_rank=rank, kv_lora_rank=latent, qk_nope_head_dim=nope,
        qk_rope_head_dim=2 * half, v_head_dim=value, rope_scaling=yarn,
    )  # fmt: skip
    # fp64, where 1e-5 leaves no room for chance
    module, grads = MultiHeadLatentAttention(config).double(), []
    direction = torch.randn(batch, tokens, 48, dtype=torch.float64)
    outputs = []
    for absorb in (False, True):
        torch.manual_seed(0)
        x = torch.randn(batch, tokens, 48, dtype=torch.float64, requires_grad=True)
        module.zero_grad()
        outputs.append(module(x, absorb=absorb))
        (outputs[-1] * direction).sum().backward()
        grads.append({name: grad.clone() for name, grad in gradients_of(module, x).items()})
    assert relative_error(outputs[1], outputs[0]) < 1e-10
    largest = max(grad.abs().max() for grad in grads[0].values())
    for name in grads[0]:
        assert (grads[0][name] - grads[1][name]).abs().max() < 1e-10 * largest, name


@pytest.mark.parametrize("absorb", [True, False])
def test_rows_before_a_changed_token_stay_bit_equal(absorb, device):
    module = MultiHeadLatentAttention(SMALL).to(device)
    x = torch.randn(2, 33, 48, device=device)
    changed = x.clone()
    changed[:, 20] += 1.0
    before, after = module(x, absorb=absorb), module(changed, absorb=absorb)
    assert torch.equal(before[:, :20], after[:, :20])
    assert not torch.equal(before[:, 20:], after[:, 20:])


def test_default_form_is_the_cheaper_one(monkeypatch):
    module = MultiHeadLatentAttention(SMALL)
    used = []
    for form in ("attend_expanded", "attend_absorbed"):
        original = getattr(module, form)
        monkeypatch.setattr(module, form, lambda *a, form=form, original=original: used.append(form) or original(*a))
    cache = module.new_cache(1, 64)
    module(torch.randn(1, 60, 48), cache)
    module(torch.randn(1, 1, 48), cache)
    assert used == ["attend_expanded", "attend_absorbed"]


@pytest.mark.parametrize("queries, keys", [(1, 50), (50, 50), (7, 50)])
@pytest.mark.parametrize("absorb", [True, False])
def test_flops_are_those_that_pytorch_counts(queries, keys, absorb):
    module = MultiHeadLatentAttention(SMALL)
    q_nope, q_pe = torch.randn(1, 4, queries, 12), torch.randn(1, 4, queries, 8)
    c_kv, k_pe = torch.randn(1, keys, 16), torch.randn(1, keys, 8)
    with (
        FlopCounterMode(display=False) as counter,
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
    ):
        (module.attend_absorbed if absorb else module.attend_expanded)(q_nope, q_pe, c_kv, k_pe)
    assert counter.get_total_flops() == attention_flops(SMALL, queries, keys, absorb)


def test_v3_crossover_is_171_queries():
    config = DeepSeekConfig.preset("v3")
    assert absorbing_is_cheaper(config, 1, 1000)
    assert absorbing_is_cheaper(config, 170, 10**6)
    assert not absorbing_is_cheaper(config, 171, 10**6)


def test_cache_holds_latent_and_one_key_and_no_more():
    config = DeepSeekConfig.preset("v3").replace(num_attention_heads=2, hidden_size=16, q_lora_rank=4)
    cache = MultiHeadLatentAttention(config).new_cache(3, 10)
    assert cache.elements_per_token == 576
    assert cache.nbytes == 3 * 10 * 576 * 4
    assert MultiHeadLatentAttention(config).bfloat16().new_cache(3, 10).nbytes == 3 * 10 * 576 * 2


def test_a_cache_that_is_too_short_is_refused_and_unharmed():
    module = MultiHeadLatentAttention(SMALL)
    cache = module.new_cache(2, 8)
    x = torch.randn(2, 6, 48)
    module(x, cache)
    kept = {name: slot.clone() for name, slot in cache.slots.items()}
    with pytest.raises(
        ValueError, match="max_length of the cache: got 8, but it takes at least 9: 6 tokens are cached"
    ):
        module(x[:, :3], cache)
    assert cache.length == 6
    assert all(torch.equal(kept[name], cache.slots[name]) for name in kept)
    module(x[:, :2], cache)
    assert cache.length == 8


def test_a_cache_of_another_shape_is_refused_and_unharmed():
    module, other = MultiHeadLatentAttention(SMALL), MultiHeadLatentAttention(SMALL.replace(kv_lora_rank=12))
    cache = other.new_cache(2, 8)
    with pytest.raises(ValueError, match=r"cache entry c_kv: got \(2, 3, 16\), but it takes shape \(2, 3, 12\)"):
        module(torch.randn(2, 3, 48), cache)
    assert cache.length == 0
    with pytest.raises(ValueError, match="batch: got 1, but it takes 2"):
        other(torch.randn(1, 3, 48), cache)
    with pytest.raises(ValueError, match="cache entry c_kv"):
        other.double()(torch.randn(2, 3, 48, dtype=torch.float64), cache)
    assert cache.length == 0


def test_a_cache_made_under_autocast_takes_what_autocast_computes():
    module = MultiHeadLatentAttention(SMALL)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        cache = module.new_cache(1, 4)
        module(torch.randn(1, 4, 48), cache)
    assert cache.length == 4 and cache.slots["c_kv"].dtype == torch.bfloat16


def test_a_cache_of_odd_sizes_is_refused():
    module = MultiHeadLatentAttention(SMALL)
    for batch, length in ((1.5, 3), (1, "3"), (True, 2), (0, 2), (2, 0)):
        with pytest.raises(ValueError, match=r"(batch_size|max_length): got .* at least 1"):
            module.new_cache(batch, length)
    with pytest.raises(ValueError, match=r"cache entry c_kv: got \(16,\), but it takes 3 dimensions"):
        module.new_cache(1, 2).append(c_kv=torch.randn(16), k_pe=torch.randn(8))


def test_whole_numbers_are_refused_as_input():
    with pytest.raises(ValueError, match=r"hidden_states dtype: got torch\.int64, but it takes a floating-point dtype"):
        MultiHeadLatentAttention(SMALL)(torch.zeros(2, 5, 48, dtype=torch.long))


def test_a_cache_made_in_inference_mode_can_be_used_outside():
    module = MultiHeadLatentAttention(SMALL)
    with torch.inference_mode():
        cache = module.new_cache(1, 4)
        module(torch.randn(1, 2, 48), cache)
    module(torch.randn(1, 2, 48), cache)
    assert cache.length == 4


@pytest.mark.parametrize(
    "shape, words",
    [
        ((2, 0, 48), "hidden_states length: got 0, but it takes at least 1 token"),
        ((0, 3, 48), "hidden_states batch: got 0"),
        ((2, 3, 47), "hidden_states width: got 47, but it takes hidden_size=48"),
        ((3, 48), r"hidden_states: got \(3, 48\), but it takes shape \(batch, tokens, hidden_size=48\)"),
    ],
)
def test_wrong_input_is_refused(shape, words):
    with pytest.raises(ValueError, match=words):
        MultiHeadLatentAttention(SMALL)(torch.randn(shape))


def test_meta_device_builds_the_real_layer_in_no_memory():
    with torch.device("meta"):
        module = MultiHeadLatentAttention(DeepSeekConfig.preset("v3"))
    # 187.1M: q_a 7168x1536, q_b 1536x24576, kv_a 7168x576, kv_b 512x32768, o 16384x7168, two norms
    assert sum(p.numel() for p in module.parameters()) == 187_107_328
