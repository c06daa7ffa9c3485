"""Scaled dot-product attention with shared key/value heads: once to read, once to run.

The two functions compute the same numbers (`tests/test_multi_head.py`). `attend` writes the equation out and returns
the attention weights; `attend_fast` hands it to PyTorch, which never stores the (T, S) weights where it can help it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from deepseek_lab.attention.blockwise import attend_blockwise, blockwise_pays
from deepseek_lab.config import require


def causal_mask(queries: int, keys: int, device=None) -> Tensor:
    """(T, S) of booleans, True where a query may look. The queries are the last `queries` of the `keys` tokens.

    Raises `ValueError` for more queries than keys.
    """
    require(queries <= keys, "queries", queries, f"at most the {keys} keys: each token sees at least itself")
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(diagonal=keys - queries)


def softmax(scores: Tensor, dtype: torch.dtype) -> Tensor:
    """Softmax over the last dimension, computed in fp32 or better and returned in `dtype`."""
    return scores.softmax(dim=-1, dtype=torch.promote_types(scores.dtype, torch.float32)).to(dtype)


def attend(q: Tensor, k: Tensor, v: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """The equation, plainly. q (B, H, T, D), k (B, G, S, D), v (B, G, S, D_v), with H a multiple of G.

    Causal. Returns the outputs (B, H, T, D_v) and the weights (B, H, T, S). The softmax is computed in fp32 or better.
    Raises `ValueError` if G doesn't divide H.
    """
    heads, groups, queries, keys = q.shape[1], k.shape[1], q.shape[2], k.shape[2]
    require(heads % groups == 0, "key/value heads", groups, f"a divisor of the {heads} query heads")
    mask = causal_mask(queries, keys, q.device)
    q = q.unflatten(1, (groups, heads // groups))  # (B, G, H/G, T, D)
    # scores = q k^T / sqrt(D)
    scores = torch.einsum("bghtd,bgsd->bghts", q, k) * scale
    scores = scores.masked_fill(~mask, float("-inf"))
    weights = softmax(scores, v.dtype)
    # output = weights v
    output = torch.einsum("bghts,bgsd->bghtd", weights, v)
    return output.flatten(1, 2), weights.flatten(1, 2)


def attend_fast(q: Tensor, k: Tensor, v: Tensor, scale: float, mask: Tensor | None = None) -> Tensor:
    """The outputs of causal `attend`, by PyTorch's fused kernels. Same shapes.

    `mask` (B, 1, T, T) of booleans, True where a query may look, takes the place of the causal one. Raises `ValueError`
    if G doesn't divide H, or a mask comes with more keys than queries.
    """
    heads, groups, queries, keys = q.shape[1], k.shape[1], q.shape[2], k.shape[2]
    require(heads % groups == 0, "key/value heads", groups, f"a divisor of the {heads} query heads")
    if queries == keys:
        if mask is None and heads == groups and blockwise_pays(q, v):
            return attend_blockwise(q, k, v, scale)
        causal = queries > 1 and mask is None
        return F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=causal, scale=scale, enable_gqa=heads != groups
        )
    require(mask is None, "mask", f"{queries} queries for {keys} keys", "as many queries as keys")
    # With a cache the queries are the newest tokens, but PyTorch's is_causal lines its mask up with the first key:
    # we pass our own. And enable_gqa may copy keys and values for every query head, the whole cache at every step:
    # instead, the query heads that share a key head become rows of one taller query.
    repeats = heads // groups
    mask = None if queries == 1 else causal_mask(queries, keys, q.device).repeat(repeats, 1)  # (H/G * T, S)
    rows = q.unflatten(1, (groups, repeats)).flatten(2, 3)  # (B, G, H/G * T, D)
    output = F.scaled_dot_product_attention(rows, k, v, attn_mask=mask, scale=scale)
    return output.unflatten(2, (repeats, queries)).flatten(1, 2)
