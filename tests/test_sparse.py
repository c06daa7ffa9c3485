"""Sparse attention: gathered equals masked in both directions, the choice looks back only, ties are harmless."""

import pytest
import torch
from helpers.compare import relative_error
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab.attention import sparse
from deepseek_lab.attention.dot_product import attend
from deepseek_lab.attention.sparse import (
    LightningIndexer,
    attend_gathered,
    attend_masked,
    index_scores,
    indexer_loss,
    select,
)
from deepseek_lab.attention.sparse_latent import SparseLatentAttention
from deepseek_lab.config import DeepSeekConfig


@st.composite
def problems(draw):
    """Random queries, keys and values of shared heads, and a random choice; T queries are the last of S tokens."""
    batch, heads, queries = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 9))
    keys, topk = queries + draw(st.integers(0, 9)), draw(st.integers(1, 20))
    width = draw(st.integers(1, 9))
    v_width = draw(st.integers(1, width))
    torch.manual_seed(draw(st.integers(0, 1000)))
    q, entries = torch.randn(batch, heads, queries, width), torch.randn(batch, keys, width)
    return q, entries, v_width, select(torch.randn(batch, queries, keys), topk)


@given(problems(), st.sampled_from([1, 40, 2**24]))
def test_gathered_equals_masked_in_both_directions(problem, piece):
    q, entries, v_width, chosen = problem
    tensors = [q.requires_grad_(), entries.requires_grad_()]
    before, sparse.PIECE = sparse.PIECE, piece  # few numbers at a time, or all
    try:
        results = [attend(*tensors, v_width, chosen, 0.3) for attend in (attend_masked, attend_gathered)]
        aim = torch.randn_like(results[0])
        gradients = [torch.autograd.grad((y * aim).sum(), tensors) for y in results]
    finally:
        sparse.PIECE = before
    assert relative_error(results[1], results[0]) <= 1e-5
    for masked, gathered in zip(*gradients, strict=True):
        assert torch.allclose(masked, gathered, atol=1e-5 * max(1, masked.abs().max().item()))


@given(problems())
def test_all_keys_chosen_is_dense_attention(problem):
    q, entries, v_width, _ = problem
    everything = select(torch.zeros(len(q), q.shape[2], entries.shape[1]), entries.shape[1])
    dense, _ = attend(q, entries[:, None], entries[:, None, :, :v_width], 0.3)
    assert relative_error(attend_gathered(q, entries, v_width, everything, 0.3), dense) <= 1e-5


@given(problems(), st.integers(1, 20))
def test_a_choice_is_made_of_the_best_that_can_be_seen(problem, topk):
    """Compared by score: among equal scores any key may win."""
    q, k, _, _ = problem  # only their numbers of tokens count here
    scores = torch.randint(-2, 3, (len(q), q.shape[2], k.shape[1])).float()  # many ties
    chosen = select(scores, topk)
    for b, t in torch.cartesian_prod(torch.arange(len(q)), torch.arange(q.shape[2])).tolist():
        visible = scores[b, t, : k.shape[1] - q.shape[2] + t + 1]
        picked = chosen[b, t][chosen[b, t] >= 0]
        assert len(set(picked.tolist())) == len(picked) == min(topk, len(visible))
        assert picked.max() < len(visible)
        assert torch.equal(visible[picked].sort().values, visible.sort(descending=True).values[: len(picked)].flip(0))


@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 12), st.integers(1, 7), st.sampled_from([1, 100, 2**24]))
def test_scores_in_pieces_are_the_sum_written_out(heads, queries, keys, width, piece):
    torch.manual_seed(0)
    q, k, w = torch.randn(2, heads, queries, width), torch.randn(2, keys, width), torch.randn(2, queries, heads)
    expected = torch.zeros(2, queries, keys)
    for j in range(heads):
        expected += w[:, :, j, None] * (q[:, j] @ k.mT / width**0.5).relu()
    before, sparse.PIECE = sparse.PIECE, piece
    try:
        assert relative_error(index_scores(q, k, w), expected) <= 1e-5
    finally:
        sparse.PIECE = before


def test_few_heads_leave_scores_of_exactly_zero():
    """Why choices are compared by score: with one head half of all scores are 0, with sixteen hardly any."""
    torch.manual_seed(0)
    share = {}
    for heads in (1, 4, 16):
        q, k, w = torch.randn(1, heads, 64, 8), torch.randn(1, 64, 8), torch.randn(1, 64, heads)
        share[heads] = (index_scores(q, k, w) == 0).float().mean().item()
    assert share[1] > 0.4 and share[4] > 0.02 and share[16] < 0.001


def test_the_indexer_learns():
    """The official code picks keys without gradients. Here its scores have one, for every one of its weights."""
    torch.manual_seed(0)
    indexer = LightningIndexer(12, 10, qk_rope_head_dim=4, index_n_heads=3, index_head_dim=8)
    x, c_q, rotary = torch.randn(1, 6, 12), torch.randn(1, 6, 10), (torch.ones(6, 2), torch.zeros(6, 2))
    indexer(x, c_q, indexer.keys(x, rotary), rotary).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in indexer.parameters())


@given(st.integers(1, 3), st.integers(1, 6), st.integers(0, 6), st.integers(1, 4), st.booleans())
def test_the_indexers_loss_is_the_divergence_written_out(batch, queries, more, heads, sparse_stage):
    torch.manual_seed(0)
    keys = queries + more
    scores, logits = torch.randn(batch, queries, keys), torch.randn(batch, heads, queries, keys)
    hidden = ~torch.ones(queries, keys, dtype=torch.bool).tril(more)
    weights = logits.masked_fill(hidden, float("-inf")).softmax(dim=-1)
    chosen = select(torch.randn(batch, queries, keys), 3) if sparse_stage else None
    expected = []
    for b in range(batch):
        for t in range(queries):
            read = range(more + t + 1) if chosen is None else [s for s in chosen[b, t].tolist() if s >= 0]
            p = torch.stack([weights[b, :, t, s].sum() for s in read])
            log_q = torch.stack([scores[b, t, s] for s in read]).log_softmax(dim=0)
            p = p / p.sum()
            expected.append((p * (p.log() - log_q)).sum())
    loss = indexer_loss(scores.requires_grad_(), weights, chosen)
    assert torch.allclose(loss, torch.stack(expected).mean(), atol=1e-5)
    loss.backward()
    assert scores.grad.isfinite().all() and not scores.grad[:, hidden].any()


def test_warm_up_teaches_the_indexer_where_attention_looks():
    """Untrained, its choice is chance. Trained, it catches over half of what it had missed and could have caught."""
    torch.manual_seed(0)
    config = DeepSeekConfig(
        hidden_size=32, num_attention_heads=2, q_lora_rank=24, kv_lora_rank=16, qk_nope_head_dim=12,
        qk_rope_head_dim=4, v_head_dim=8, rope_scaling=None,
    )  # fmt: skip
    layer = SparseLatentAttention(config, index_topk=8, index_n_heads=16, index_head_dim=16)
    for name, parameter in layer.named_parameters():
        if parameter.dim() == 2 and "indexer" not in name:
            torch.nn.init.normal_(parameter, std=0.4)  # attention that looks somewhere

    def caught(x) -> tuple[float, float]:
        """The share of dense attention that 8 tokens catch: those picked, and the best 8."""
        weights = layer.attention_weights(x).mean(dim=1)
        table = layer.rotary(x, None)
        scores = layer.indexer(x, layer.query_latent(x), layer.indexer.keys(x, table), table)
        chosen = select(scores, 8)
        picked = weights.gather(-1, chosen.clamp_min(0)).masked_fill(chosen < 0, 0.0).sum(dim=-1)
        return picked[:, 16:].mean().item(), weights.topk(8).values.sum(dim=-1)[:, 16:].mean().item()

    held_out = torch.randn(8, 48, 32)
    before, best = caught(held_out)
    optimizer = torch.optim.AdamW(layer.indexer.parameters(), lr=1e-2)
    for _ in range(150):
        x = torch.randn(8, 48, 32)
        with torch.no_grad():
            weights, c_q, table = layer.attention_weights(x), layer.query_latent(x), layer.rotary(x, None)
        loss = indexer_loss(layer.indexer(x, c_q, layer.indexer.keys(x, table), table), weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after, _ = caught(held_out)
    assert after > before + 0.5 * (best - before)


@pytest.mark.parametrize("sparse_stage", [False, True])
def test_a_layer_teaches_its_indexer_and_nothing_else(sparse_stage):
    torch.manual_seed(0)
    config = DeepSeekConfig(
        hidden_size=24, num_attention_heads=2, q_lora_rank=12, kv_lora_rank=16, qk_nope_head_dim=12,
        qk_rope_head_dim=4, v_head_dim=8, rope_scaling=None,
    )  # fmt: skip
    layer, x = SparseLatentAttention(config, index_topk=5, index_n_heads=4, index_head_dim=8), torch.randn(2, 19, 24)
    table = layer.rotary(x, None)
    scores = layer.indexer(x, layer.query_latent(x), layer.indexer.keys(x, table), table)
    chosen = select(scores, 5) if sparse_stage else None
    before = layer.index_loss(x.requires_grad_(), sparse_stage)
    torch.testing.assert_close(before, indexer_loss(scores, layer.attention_weights(x), chosen))
    before.backward()
    assert x.grad is None
    assert all((p.grad is not None) == name.startswith("indexer.") for name, p in layer.named_parameters())
    optimizer = torch.optim.AdamW(layer.indexer.parameters(), lr=1e-2)
    for _ in range(20):
        optimizer.zero_grad()
        layer.index_loss(x, sparse_stage).backward()
        optimizer.step()
    assert layer.index_loss(x, sparse_stage).item() < 0.9 * before.item()


@pytest.mark.parametrize(
    "fields",
    [dict(qk_rope_head_dim=3), dict(qk_rope_head_dim=10), dict(index_n_heads=0), dict(hidden_size=True)],
    ids=str,
)
def test_wrong_sizes_are_named(fields):
    sizes = dict(hidden_size=12, q_lora_rank=10, qk_rope_head_dim=4, index_n_heads=3, index_head_dim=8)
    with pytest.raises(ValueError, match=f"{next(iter(fields))}: got"):
        LightningIndexer(**sizes | fields)


@pytest.mark.parametrize("topk", [0, -1, 1.5, True])
def test_a_wrong_topk_is_named(topk):
    with pytest.raises(ValueError, match="index_topk: got"):
        select(torch.zeros(1, 2, 2), topk)


def test_choosing_some_queries_at_a_time(monkeypatch):
    """What doesn't fit into memory at once is chosen in pieces, with the same result."""
    torch.manual_seed(0)
    config = DeepSeekConfig(
        hidden_size=24, num_attention_heads=2, q_lora_rank=12, kv_lora_rank=16, qk_nope_head_dim=12,
        qk_rope_head_dim=4, v_head_dim=8, rope_scaling=None,
    )  # fmt: skip
    module = SparseLatentAttention(config, index_topk=5, index_n_heads=16, index_head_dim=8)
    x = torch.randn(2, 37, 24)
    whole = module(x)
    monkeypatch.setattr("deepseek_lab.attention.sparse.PIECE", 2 * 37 * 7)
    torch.testing.assert_close(module(x), whole)
