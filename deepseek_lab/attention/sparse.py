"""DeepSeek Sparse Attention (DSA): a small, cheap attention picks the keys that the real one then reads.

The lightning indexer scores every earlier token for every query, with few, narrow heads and no softmax. The real
attention reads the `index_topk` best and nothing else. The indexer still looks at every token, so the whole stays
quadratic; but what it does per pair is a fraction of what it saves. Sources: DeepSeek-V3.2's report, section 2.1;
transformers' `DeepseekV32Indexer`, to which this is equal (`tests/parity/test_sparse_parity.py`). Two things of the
official code are left out, as there: a Hadamard rotation, which changes no dot product, and FP8.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from deepseek_lab.attention.dot_product import causal_mask, softmax
from deepseek_lab.attention.rope import apply_rope
from deepseek_lab.config import is_whole, require
from deepseek_lab.linear import Linear

PIECE = 2**20  # numbers, 4 MB, of scores or gathered keys at a time: memory that is used again costs no page faults
KEY_NORM_EPS = 1e-6


class LightningIndexer(nn.Module):
    """Which tokens are worth reading: I(t, s) = sum over heads j of w_j(t) ReLU(q_j(t) . k(s)).

    All heads share one key per token, `index_head_dim` numbers, which is what it caches. Its first `qk_rope_head_dim`
    numbers are rotated, and here number i is paired with number i + R/2. (MLA pairs neighbours. DeepSeek's first
    release did so here too, by mistake: as long as every key is picked, nothing shows it.)
    """

    def __init__(
        self,
        hidden_size: int,
        q_lora_rank: int,
        qk_rope_head_dim: int = 64,
        index_n_heads: int = 64,
        index_head_dim: int = 128,
    ):
        super().__init__()
        sizes = dict(
            hidden_size=hidden_size, q_lora_rank=q_lora_rank, index_n_heads=index_n_heads, index_head_dim=index_head_dim
        )
        for field, value in sizes.items():
            require(is_whole(value) and value >= 1, field, value, "a whole number of at least 1")
        fits = is_whole(qk_rope_head_dim) and 2 <= qk_rope_head_dim <= index_head_dim and qk_rope_head_dim % 2 == 0
        require(
            fits, "qk_rope_head_dim", qk_rope_head_dim, f"an even number from 2 to index_head_dim, {index_head_dim}"
        )
        self.index_n_heads, self.index_head_dim, self.rope = index_n_heads, index_head_dim, qk_rope_head_dim
        self.wq_b = Linear(q_lora_rank, index_n_heads * index_head_dim, bias=False)
        self.wk = Linear(hidden_size, index_head_dim, bias=False)
        self.k_norm = nn.LayerNorm(index_head_dim, eps=KEY_NORM_EPS)
        self.weights_proj = Linear(hidden_size, index_n_heads, bias=False)

    def queries(self, c_q: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        """From MLA's normed query latent: (B, T, C_q) -> (B, J, T, D), rotated."""
        q = self.wq_b(c_q).unflatten(-1, (self.index_n_heads, self.index_head_dim)).transpose(1, 2)
        return self._rotate(q, rotary)

    def keys(self, hidden_states: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        """What is cached: (B, T, M) -> (B, T, D), rotated."""
        return self._rotate(self.k_norm(self.wk(hidden_states)), rotary)

    def weights(self, hidden_states: Tensor) -> Tensor:
        """How much each head counts for each query, in fp32 at least: (B, T, M) -> (B, T, J)."""
        w = self.weights_proj(hidden_states.to(self.weights_proj.weight.dtype))
        return w.to(torch.promote_types(w.dtype, torch.float32)) * self.index_n_heads**-0.5

    def forward(self, hidden_states: Tensor, c_q: Tensor, keys: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        """Scores of the queries (B, T, M), latents (B, T, C_q), against all keys (B, S, D) -> (B, T, S), all of them.

        Nothing is masked here: `select` looks back only.
        """
        return index_scores(self.queries(c_q, rotary), keys, self.weights(hidden_states))

    def _rotate(self, x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        turned = apply_rope(x[..., : self.rope], *rotary, interleaved=False)
        return torch.cat([turned, x[..., self.rope :]], dim=-1)


def index_scores(q: Tensor, keys: Tensor, weights: Tensor) -> Tensor:
    """sum_j w_j ReLU(q_j . k / sqrt(D)), in fp32 at least: (B, J, T, D), (B, S, D), (B, T, J) -> (B, T, S).

    Some queries at a time: the scores of every head together would be J times as large as the answer.
    """
    precise = torch.promote_types(q.dtype, torch.float32)
    q, keys = q.to(precise) * q.shape[-1] ** -0.5, keys.to(precise)
    heads, scores = q.shape[1], []
    step = max(1, PIECE // max(1, len(q) * heads * keys.shape[1]))
    for some_q, some_w in zip(q.split(step, dim=2), weights.split(step, dim=1), strict=True):
        per_head = torch.einsum("bjtd,bsd->btjs", some_q, keys).relu()
        scores.append(torch.einsum("btj,btjs->bts", some_w.to(precise), per_head))
    return torch.cat(scores, dim=1)


def select(scores: Tensor, topk: int, seen: Tensor | None = None) -> Tensor:
    """The `topk` best keys that each query may see: (B, T, S) -> (B, T, K) of positions, -1 where there are fewer.

    Without `seen` (…, T, S) the queries are the last T of the S tokens, and look back. K is the smaller of `topk` and
    S. Among equal scores any may win: a score is exactly 0 wherever ReLU shut every head, which few heads make common.
    Raises `ValueError` for a `topk` below 1.
    """
    require(is_whole(topk) and topk >= 1, "index_topk", topk, "a whole number of at least 1")
    queries, keys = scores.shape[1:]
    seen = causal_mask(queries, keys, scores.device) if seen is None else seen
    scores = scores.masked_fill(~seen, float("-inf"))
    best, chosen = scores.topk(min(topk, keys), dim=-1, sorted=False)
    return chosen.masked_fill(best == float("-inf"), -1)


def choose(q: Tensor, keys: Tensor, weights: Tensor, topk: int, seen: Callable[[int, int], Tensor]) -> Tensor:
    """`select` from `index_scores`, some queries at a time: the scores of all together may not fit into memory.

    `seen(first, count)` gives those queries' rows of the mask, (…, count, S). -> (B, T, K), without gradients.
    """
    with torch.no_grad():
        step = max(1, PIECE // max(1, len(q) * keys.shape[1]))
        parts = zip(range(0, q.shape[2], step), q.split(step, dim=2), weights.split(step, dim=1), strict=True)
        chosen = [select(index_scores(some, keys, w), topk, seen(first, some.shape[2])) for first, some, w in parts]
        return torch.cat(chosen, dim=1)


def indexer_loss(scores: Tensor, weights: Tensor, chosen: Tensor | None = None) -> Tensor:
    """How far the indexer is from what attention does, in nats per query: scores (B, T, S), weights (B, H, T, S).

    KL(p || softmax(scores)), where p is the attention of all heads together, divided so that it sums to 1. In the
    warm-up attention is dense, and everything else stands still; later, with `chosen` (B, T, K), both sides are taken
    over the chosen tokens alone. Hand it `weights` without gradients, and give the indexer inputs without: it is to
    follow the attention, not to lead it. Source: DeepSeek-V3.2's report, section 2.1.1.
    """
    target = weights.sum(dim=1).to(scores.dtype)
    if chosen is not None:
        scores, target = (x.gather(-1, chosen.clamp_min(0)) for x in (scores, target))
        seen = chosen >= 0
    else:
        seen = causal_mask(*scores.shape[1:], scores.device)
    target = target.masked_fill(~seen, 0.0)
    # A query that has nothing to choose from, as the first ones over compressed entries, counts 0.
    target = target / target.sum(dim=-1, keepdim=True).clamp_min(torch.finfo(target.dtype).tiny)
    lowest = torch.finfo(scores.dtype).min  # not minus infinity: a row of these would have no softmax
    log_q = scores.masked_fill(~seen, lowest).log_softmax(dim=-1)
    return (torch.xlogy(target, target) - target * log_q).sum(dim=-1).mean()


def caught(scores: Tensor, weights: Tensor, topk: int, seen: Tensor | None = None) -> Tensor:
    """How much of the attention the choice catches: scores (B, T, S), weights (B, H, T, S) -> (B, T), from 0 to 1.

    `seen` as for `select`. The best possible choice is that by the weights themselves, summed over heads.
    """
    target = weights.sum(dim=1)
    chosen = select(scores, topk, seen)
    target = target / target.sum(dim=-1, keepdim=True).clamp_min(torch.finfo(target.dtype).tiny)
    return (target.gather(-1, chosen.clamp_min(0)) * (chosen >= 0)).sum(dim=-1)


def attend_masked(q: Tensor, entries: Tensor, v_width: int, chosen: Tensor, scale: float) -> Tensor:
    """To read. q (B, H, T, D) and one entry per token for all heads, (B, S, D) -> (B, H, T, D_v).

    An entry is a key, and its first `v_width` numbers are the value: so it is in absorbed MLA, [c_kv, k_pe], and in V4,
    where the key is the value. Every score is made, and those of entries that weren't `chosen` (B, T, K) are thrown
    away. -1 in `chosen` is no entry; each query must have chosen one at least.
    """
    # One column more than there are entries takes what -1 writes.
    kept = torch.zeros(*chosen.shape[:2], entries.shape[1] + 1, dtype=torch.bool, device=q.device)
    kept = kept.scatter(-1, chosen.where(chosen >= 0, entries.shape[1]), True)[..., :-1]  # (B, T, S)
    scores = torch.einsum("bhtd,bsd->bhts", q, entries) * scale
    weights = softmax(scores.masked_fill(~kept[:, None], float("-inf")), entries.dtype)
    return torch.einsum("bhts,bsd->bhtd", weights, entries[..., :v_width])


def attend_gathered(q: Tensor, entries: Tensor, v_width: int, chosen: Tensor, scale: float) -> Tensor:
    """To run: `attend_masked`, but only chosen entries are read. Its cost follows K, not S."""
    step = max(1, PIECE // max(1, len(q) * chosen.shape[2] * entries.shape[2]))
    parts = zip(q.split(step, dim=2), chosen.split(step, dim=1), strict=True)
    outputs = [_attend_gathered(some, entries, v_width, some_chosen, scale) for some, some_chosen in parts]
    return torch.cat(outputs, dim=2)


def _attend_gathered(q: Tensor, entries: Tensor, v_width: int, chosen: Tensor, scale: float) -> Tensor:
    batch, queries, topk = chosen.shape
    keys = gather(entries, chosen)
    by_query = q.transpose(1, 2).flatten(0, 1)  # (B * T, H, D): the heads of one query read the same entries
    scores = torch.bmm(by_query, keys.mT) * scale
    scores = scores.masked_fill((chosen < 0).view(batch * queries, 1, topk), float("-inf"))
    output = torch.bmm(softmax(scores, entries.dtype), keys[..., :v_width])
    return output.unflatten(0, (batch, queries)).transpose(1, 2)


def gather(entries: Tensor, chosen: Tensor) -> Tensor:
    """Each query's own copy of what it chose, (B, S, D) and (B, T, K) -> (B * T, K, D); for -1 the first entry."""
    keys = torch.stack([of_one[rows] for of_one, rows in zip(entries, chosen.clamp_min(0), strict=True)])
    return keys.flatten(0, 1)
