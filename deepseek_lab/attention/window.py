"""Attention over a sliding window and compressed entries, with a sink: once to read, once to run.

All heads share one key per token or entry, and the key is the value as well. A sink is a learned score per head that
takes part in the softmax and brings no value: a head that finds nothing worth reading can put its weight there.
"""

import torch
from torch import Tensor

from deepseek_lab.attention.dot_product import softmax
from deepseek_lab.attention.sparse import PIECE, gather

BLOCK = 128  # queries at a time, at least
GATHER = 4  # gather chosen entries one by one if there are this many times more of them than are chosen


def sees_near(queries: int, keys: int, window: int, device=None) -> Tensor:
    """(T, N) of booleans: each query sees the `window` newest tokens up to itself. Queries are the last T of N."""
    ahead = torch.arange(keys - queries, keys, device=device)[:, None] - torch.arange(keys, device=device)
    return (ahead >= 0) & (ahead < window)


def sees_entries(start: int, queries: int, entries: int, ratio: int, device=None) -> Tensor:
    """(T, E) of booleans: a query at position t sees the entries whose windows are complete, t itself included."""
    complete = (torch.arange(start, start + queries, device=device)[:, None] + 1) // ratio
    return torch.arange(entries, device=device) < complete


def weights_masked(q: Tensor, keys: Tensor, mask: Tensor, sinks: Tensor, scale: float) -> Tensor:
    """To read. q (B, H, T, D), keys (B, S, D), mask (T, S) or (B, 1, T, S), sinks (H,) -> weights (B, H, T, S).

    Every score is made, and what isn't seen is thrown away. A row sums to 1 less what went to the sink.
    """
    scores = torch.einsum("bhtd,bsd->bhts", q, keys) * scale
    scores = scores.masked_fill(~mask, float("-inf"))
    sink = sinks.to(scores.dtype)[:, None, None].expand(len(q), -1, q.shape[2], 1)
    return softmax(torch.cat([scores, sink], dim=-1), keys.dtype)[..., :-1]


def attend_masked(q: Tensor, keys: Tensor, mask: Tensor, sinks: Tensor, scale: float) -> Tensor:
    """The weighted sum of the keys themselves: (B, H, T, D)."""
    return weights_masked(q, keys, mask, sinks, scale) @ keys[:, None]


def mask_of(chosen: Tensor, entries: int) -> Tensor:
    """(B, T, K) of entry numbers, -1 for none -> (B, T, E) of booleans."""
    # One column more than there are entries takes what -1 writes.
    mask = torch.zeros(*chosen.shape[:2], entries + 1, dtype=torch.bool, device=chosen.device)
    return mask.scatter(-1, chosen.where(chosen >= 0, entries), True)[..., :-1]


def attend_near_and_far(
    q: Tensor,
    near: Tensor,
    far: Tensor,
    chosen: Tensor | None,
    sinks: Tensor,
    scale: float,
    window: int,
    ratio: int,
    start: int,
) -> Tensor:
    """To run: queries (B, H, T, D) at positions from `start` on -> (B, H, T, D), some queries at a time.

    `near` (B, N, D) are tokens, the last T of them the queries' own; `far` (B, E, D) are entries of `ratio` tokens.
    Each query reads its window, and of the complete entries all, or with `chosen` (B, T, K) those. Cost and memory
    follow T x (W + E), or with `chosen` T x (W + K).
    """
    batch, heads, queries, _ = q.shape
    step = max(2 * window, BLOCK)
    gathers = chosen is not None and far.shape[1] > GATHER * chosen.shape[2]
    per_query = chosen.shape[2] * far.shape[2] if gathers else heads * (step + window + far.shape[1])
    step = max(1, min(step, PIECE // (batch * per_query)))
    outputs = []
    for first in range(0, queries, step):
        some = q[:, :, first : first + step]
        count = some.shape[2]
        end = near.shape[1] - queries + first + count
        tokens = near[:, max(0, end - count - window + 1) : end]
        sees = sees_near(count, tokens.shape[1], window, q.device)
        complete = (start + first + count) // ratio if ratio else 0
        picked = None if chosen is None else chosen[:, first : first + step]
        outputs.append(_attend(some, tokens, sees, far[:, :complete], picked, sinks, scale, ratio, start + first))
    return torch.cat(outputs, dim=2)


def _attend(
    q: Tensor,
    tokens: Tensor,
    sees: Tensor,
    far: Tensor,
    chosen: Tensor | None,
    sinks: Tensor,
    scale: float,
    ratio: int,
    start: int,
) -> Tensor:
    queries, entries = q.shape[2], far.shape[1]
    if chosen is not None and entries > GATHER * chosen.shape[2]:
        return _attend_gathered(q, tokens, sees, far, chosen, sinks, scale)
    if not entries:
        return attend_rows(q, tokens, sees, sinks, scale)
    if chosen is None:
        seen = sees_entries(start, queries, entries, ratio, q.device)
    else:
        sees, seen = sees.expand(len(q), -1, -1), mask_of(chosen, entries)
    return attend_rows(q, torch.cat([tokens, far], dim=1), torch.cat([sees, seen], dim=-1), sinks, scale)


def attend_rows(q: Tensor, keys: Tensor, mask: Tensor, sinks: Tensor, scale: float) -> Tensor:
    """`attend_masked` as two large products: all heads read the same keys, so heads are just more rows."""
    heads, queries = q.shape[1:3]
    scores = torch.matmul(q.flatten(1, 2) * scale, keys.mT).unflatten(1, (heads, queries))
    mask = mask if mask.dim() == 2 else mask[:, None]
    weights = _softmax_with_sink(scores.masked_fill(~mask, float("-inf")), sinks, keys.dtype)
    return torch.matmul(weights.flatten(1, 2), keys).unflatten(1, (heads, queries))


def _attend_gathered(
    q: Tensor, tokens: Tensor, sees: Tensor, far: Tensor, chosen: Tensor, sinks: Tensor, scale: float
) -> Tensor:
    """Window by two large products, entries by gathering each query's own, and one softmax over both."""
    batch, queries, topk = chosen.shape
    heads, rows = q.shape[1], q.flatten(1, 2) * scale
    near = torch.matmul(rows, tokens.mT).unflatten(1, (heads, queries)).masked_fill(~sees, float("-inf"))
    keys = gather(far, chosen)  # (B * T, K, D)
    by_query = rows.unflatten(1, (heads, queries)).transpose(1, 2).flatten(0, 1)  # (B * T, H, D)
    scores = torch.bmm(by_query, keys.mT).unflatten(0, (batch, queries))  # (B, T, H, K)
    scores = scores.masked_fill((chosen < 0)[:, :, None], float("-inf")).transpose(1, 2)
    weights = _softmax_with_sink(torch.cat([near, scores], dim=-1), sinks, far.dtype)
    of_near, of_far = weights.split([tokens.shape[1], topk], dim=-1)
    output = torch.matmul(of_near.flatten(1, 2), tokens).unflatten(1, (heads, queries))
    of_far = torch.bmm(of_far.transpose(1, 2).flatten(0, 1), keys)  # (B * T, H, D)
    return output + of_far.unflatten(0, (batch, queries)).transpose(1, 2)


def _softmax_with_sink(scores: Tensor, sinks: Tensor, dtype: torch.dtype) -> Tensor:
    sink = sinks.to(scores.dtype)[:, None, None].expand(*scores.shape[:-1], 1)
    return softmax(torch.cat([scores, sink], dim=-1), dtype)[..., :-1]
