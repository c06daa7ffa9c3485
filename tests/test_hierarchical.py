"""Hierarchical attention: blocks equal masks, nothing from the future, cost far from quadratic."""

import pytest
import torch
from helpers.compare import relative_error
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from deepseek_lab.attention.hierarchical import (
    HierarchicalAttention,
    attend_in_chunks,
    attend_masked,
    attend_window_and_summaries,
    visible,
)

SIZES = st.integers(1, 6).flatmap(lambda chunk: st.tuples(st.just(chunk), st.integers(chunk, chunk + 6)))


@given(SIZES, st.integers(1, 40), st.integers(0, 1000))
def test_blocks_equal_masks_in_both_directions(sizes, tokens, seed):
    chunk, window = sizes
    torch.manual_seed(seed)
    tensors = [torch.randn(2, 3, n, 4, requires_grad=True) for n in [tokens] * 3 + [tokens // chunk] * 2]
    results = [attend(*tensors, window, chunk) for attend in (attend_masked, attend_window_and_summaries)]
    assert relative_error(results[1], results[0]) <= 1e-5
    aim = torch.randn_like(results[0])
    for masked, blocks in zip(*(torch.autograd.grad((y * aim).sum(), tensors) for y in results), strict=True):
        assert torch.allclose(masked, blocks, atol=1e-5)


@given(SIZES, st.integers(1, 30))
def test_each_earlier_token_is_seen_once_or_summed_up(sizes, tokens):
    """Nothing is out of sight: what isn't in the window belongs to a complete chunk."""
    chunk, window = sizes
    mask = visible(tokens, window, chunk)
    for t in range(tokens):
        near = set(mask[t, :tokens].nonzero().flatten().tolist())
        summed = {s for c in mask[t, tokens:].nonzero().flatten().tolist() for s in range(c * chunk, (c + 1) * chunk)}
        assert near == set(range(max(0, t - window + 1), t + 1))
        assert near | summed == set(range(t + 1))


@given(SIZES, st.integers(1, 20), st.integers(0, 1000))
def test_chunks_are_attended_alone(sizes, tokens, seed):
    chunk, _ = sizes
    torch.manual_seed(seed)
    q, k, v = (torch.randn(1, 2, tokens, 4) for _ in range(3))
    together = attend_in_chunks(q, k, v, chunk)
    for start in range(0, tokens, chunk):
        one = [x[:, :, start : start + chunk] for x in (q, k, v)]
        alone = torch.nn.functional.scaled_dot_product_attention(*one, is_causal=True)
        assert torch.allclose(together[:, :, start : start + chunk], alone, atol=1e-5)


@given(SIZES, st.integers(2, 30), st.data())
def test_the_future_changes_nothing(sizes, tokens, data):
    chunk, window = sizes
    torch.manual_seed(0)
    layer, x = HierarchicalAttention(12, 2, 4, window, chunk).double(), torch.randn(1, tokens, 12).double()
    first = data.draw(st.integers(1, tokens - 1))
    other = x.clone()
    other[:, first:] = torch.randn(1, tokens - first, 12).double()
    before, after = layer(x), layer(other)
    assert torch.allclose(before[:, :first], after[:, :first], atol=1e-12)
    assert not torch.allclose(before[:, first], after[:, first], atol=1e-6)


def test_the_first_token_reaches_the_last_through_a_summary():
    torch.manual_seed(0)
    layer, x = HierarchicalAttention(12, 2, 4, window=4, chunk=4), torch.randn(1, 64, 12, requires_grad=True)
    layer(x)[0, -1].sum().backward()
    assert (x.grad[0].abs().amax(dim=1) > 0).all()


def test_cost_grows_far_slower_than_the_square():
    """Four times the tokens: 16 times the scores in full attention, here little over 4 times."""
    layer = HierarchicalAttention(32, 2, 16, window=32, chunk=32)
    projections = sum(p.numel() for p in layer.parameters() if p.dim() == 2)
    spent = []
    for tokens in (512, 2048):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            layer(torch.randn(1, tokens, 32))
        of_means = 2 * (tokens // 32) * layer.kv_proj.weight.numel()
        spent.append(counter.get_total_flops() - 2 * tokens * projections - of_means)
    # Two heads of 16: level 1 reads 32 keys, level 2 reads two blocks of 32 and T / 32 summaries.
    assert spent == [2 * 2 * 2 * 16 * t * (32 + 64 + t // 32) for t in (512, 2048)]
    assert 4 < spent[1] / spent[0] < 6


@pytest.mark.parametrize("tokens", [0, 1, 2])
def test_few_tokens(tokens):
    assert HierarchicalAttention(12, 2, 4, 8, 4)(torch.randn(3, tokens, 12)).shape == (3, tokens, 12)


@pytest.mark.parametrize(
    "fields", [dict(window=3), dict(chunk=0), dict(head_dim=3), dict(num_attention_heads=0)], ids=str
)
def test_wrong_sizes_are_named(fields):
    sizes = dict(hidden_size=12, num_attention_heads=2, head_dim=4, window=4, chunk=4)
    with pytest.raises(ValueError, match=f"{next(iter(fields))}: got"):
        HierarchicalAttention(**sizes | fields)
