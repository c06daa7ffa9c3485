"""MHA, GQA and MQA against PyTorch's scaled_dot_product_attention; the readable form against the fast one."""

import pytest
import torch
import torch.nn.functional as F
from helpers.compare import relative_error
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab.attention import MultiHeadAttention
from deepseek_lab.attention.dot_product import attend, attend_fast, causal_mask

shapes = dict(
    batch=st.integers(1, 3), groups=st.integers(1, 4), repeats=st.integers(1, 4), queries=st.integers(1, 17),
    past=st.integers(0, 9), width=st.integers(1, 12), value_width=st.integers(1, 12),
)  # fmt: skip


@given(**shapes)
def test_plain_equals_fast_equals_pytorch(batch, groups, repeats, queries, past, width, value_width):
    keys = queries + past
    q = torch.randn(batch, groups * repeats, queries, width, requires_grad=True)
    k = torch.randn(batch, groups, keys, width, requires_grad=True)
    v = torch.randn(batch, groups, keys, value_width, requires_grad=True)
    plain, weights = attend(q, k, v, scale=0.3)
    fast = attend_fast(q, k, v, scale=0.3)
    mask = torch.ones(queries, keys, dtype=torch.bool).tril(past)
    official = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=0.3, enable_gqa=True)
    assert relative_error(plain, official) < 1e-5
    assert relative_error(fast, official) < 1e-5
    assert torch.allclose(weights.sum(-1), torch.ones(()))
    assert not weights[..., ~mask].any()

    direction = torch.randn_like(official)
    expected = torch.autograd.grad(official, (q, k, v), direction)
    for output in (plain, fast):
        for ours, theirs in zip(torch.autograd.grad(output, (q, k, v), direction), expected, strict=True):
            largest = max(g.abs().max() for g in expected)
            assert (ours - theirs).abs().max() < 1e-5 * largest


@given(
    heads=st.integers(1, 4), repeats=st.integers(1, 3), half=st.integers(1, 6), tokens=st.integers(1, 20),
    interleave=st.booleans(), data=st.data(),
)  # fmt: skip
def test_module_cached_in_any_chunks_equals_whole(heads, repeats, half, tokens, interleave, data):
    module = MultiHeadAttention(24, heads * repeats, heads, 2 * half, rope_interleave=interleave)
    x = torch.randn(2, tokens, 24)
    whole, cache, outputs, start = module(x), module.new_cache(2, tokens), [], 0
    assert cache.elements_per_token == 2 * heads * 2 * half
    while start < tokens:
        size = data.draw(st.integers(1, tokens - start))
        outputs.append(module(x[:, start : start + size], cache))
        start += size
    assert relative_error(torch.cat(outputs, dim=1), whole) < 1e-5


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_rows_before_a_changed_token_stay_bit_equal(groups):
    module = MultiHeadAttention(64, 8, groups, 8)
    x = torch.randn(2, 40, 64)
    changed = x.clone()
    changed[:, 23] += 1.0
    before, after = module(x), module(changed)
    assert torch.equal(before[:, :23], after[:, :23])
    assert not torch.equal(before[:, 23:], after[:, 23:])


def test_attention_weights_reproduce_the_output():
    module = MultiHeadAttention(32, 4, 2, 8)
    x = torch.randn(1, 11, 32)
    _, _, v = module.project(x)
    mixed = module.attention_weights(x) @ v.repeat_interleave(2, dim=1)
    assert relative_error(module.o_proj(mixed.transpose(1, 2).flatten(2)), module(x)) < 1e-5


@pytest.mark.parametrize(
    "fields, words",
    [
        ((32, 6, 4, 8), "num_key_value_heads: got 4, but it takes a divisor of num_attention_heads=6"),
        ((32, 4, 2, 7), "head_dim: got 7, but it takes an even number"),
        ((32, 0, 1, 8), "num_attention_heads: got 0"),
        ((0, 4, 1, 8), "hidden_size: got 0"),
        ((32, 4, 0, 8), "num_key_value_heads: got 0"),
        ((32.0, 4, 2, 8), "hidden_size: got 32.0, but it takes a whole number"),
    ],
)
def test_wrong_widths_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        MultiHeadAttention(*fields)


def test_more_queries_than_keys_is_refused():
    with pytest.raises(ValueError, match="queries: got 5, but it takes at most the 3 keys"):
        causal_mask(5, 3)
