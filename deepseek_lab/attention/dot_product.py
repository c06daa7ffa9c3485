"""Scaled dot-product attention with shared key/value heads: once to read, once to run.

The two functions compute the same numbers (`tests/test_multi_head.py`). `attend` writes the equation out and returns
the attention weights; `attend_fast` hands it to PyTorch, which never stores the (T, S) weights where it can help it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from deepseek_lab.config import require


def causal_mask(queries: int, keys: int, device=None) -> Tensor:
    """(T, S) of booleans, True where a query may look. The queries are the last `queries` of the `keys` tokens."""
    require(queries <= keys, "queries", queries, f"at most the {keys} keys: each token sees at least itself")
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(diagonal=keys - queries)


def attend(q: Tensor, k: Tensor, v: Tensor, scale: float, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The equation, plainly. q (B, H, T, D), k (B, G, S, D), v (B, G, S, D_v), with H a multiple of G.

    `mask` is (T, S), True where a query may look; None means causal. Returns the outputs (B, H, T, D_v) and the
    weights (B, H, T, S). The softmax is computed in fp32 or better.
    """
    heads, groups, queries, keys = q.shape[1], k.shape[1], q.shape[2], k.shape[2]
    require(heads % groups == 0, "key/value heads", groups, f"a divisor of the {heads} query heads")
    mask = causal_mask(queries, keys, q.device) if mask is None else mask
    q = q.unflatten(1, (groups, heads // groups))  # (B, G, H/G, T, D)
    # scores = q k^T / sqrt(D)
    scores = torch.einsum("bghtd,bgsd->bghts", q, k) * scale
    scores = scores.masked_fill(~mask, float("-inf"))
    wide = scores if scores.dtype == torch.float64 else scores.float()
    weights = wide.softmax(dim=-1).to(v.dtype)
    # output = weights v
    output = torch.einsum("bghts,bgsd->bghtd", weights, v)
    return output.flatten(1, 2), weights.flatten(1, 2)


def attend_fast(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """The outputs of causal `attend`, by PyTorch's fused kernels. Same shapes."""
    queries, keys = q.shape[2], k.shape[2]
    # PyTorch's is_causal lines the mask up with the first key. Ours lines it up with the last: with a cache the
    # queries are the newest tokens. The two agree only when there are as many queries as keys.
    whole = queries == keys
    mask = None if whole or queries == 1 else causal_mask(queries, keys, q.device)
    return F.scaled_dot_product_attention(
        q,
        k,
        v,
        attn_mask=mask,
        is_causal=whole and queries > 1,
        scale=scale,
        enable_gqa=q.shape[1] != k.shape[1],
    )
