"""Hierarchical attention in its simplest honest form: near tokens one by one, far ones as summaries of whole chunks.

Popular texts stack two full attentions and call the first one "local". Nothing about it is. Here is what was meant:

1. within each chunk of m tokens, tokens look at each other (backwards only);
2. each complete chunk is summed up in one vector, the mean of what step 1 made of its tokens;
3. every token looks at the W newest tokens one by one, and at the summaries of all chunks that were complete.

A token reads at most m + W + T/m entries instead of T. No DeepSeek model is built like this, but its parts return in
V4: a sliding window, and compressed entries for what lies further back.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepseek_lab.attention.dot_product import causal_mask
from deepseek_lab.attention.rope import apply_rope, rope_cos_sin, rope_frequencies
from deepseek_lab.config import is_whole, require
from deepseek_lab.linear import Linear


class HierarchicalAttention(nn.Module):
    """(B, T, M) -> (B, T, M), causal, in O(T (m + W + T/m)) operations. `window` W must cover a `chunk` m.

    It must, because the newest, incomplete chunk has no summary yet: its tokens have to be in the window.
    """

    def __init__(self, hidden_size: int, num_attention_heads: int, head_dim: int, window: int, chunk: int):
        super().__init__()
        sizes = dict(hidden_size=hidden_size, num_attention_heads=num_attention_heads, head_dim=head_dim, chunk=chunk)
        for field, value in sizes.items():
            require(is_whole(value) and value >= 1, field, value, "a whole number of at least 1")
        require(head_dim % 2 == 0, "head_dim", head_dim, "an even number (RoPE turns pairs)")
        covers = is_whole(window) and window >= chunk
        require(covers, "window", window, f"at least the chunk, {chunk}: an incomplete chunk has no summary yet")
        self.heads, self.head_dim, self.window, self.chunk = num_attention_heads, head_dim, window, chunk
        width = num_attention_heads * head_dim
        self.local_qkv = Linear(hidden_size, 3 * width, bias=False)
        self.local_out = Linear(width, hidden_size, bias=False)
        self.q_proj = Linear(hidden_size, width, bias=False)
        self.kv_proj = Linear(hidden_size, 2 * width, bias=False)  # of tokens and of summaries
        self.out_proj = Linear(width, hidden_size, bias=False)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, T, M) -> (B, T, M), by the three steps above. Raises `ValueError` for another shape."""
        shape, width = tuple(hidden_states.shape), self.q_proj.in_features
        require(len(shape) == 3 and shape[2] == width, "hidden_states", shape, f"shape (batch, tokens, {width})")
        x, tokens = hidden_states, hidden_states.shape[1]
        positions = torch.arange(tokens, device=x.device)
        q, k, v = self._heads(self.local_qkv(x), 3)
        q, k = self._rotate(q, positions), self._rotate(k, positions)
        x = x + self.local_out(attend_in_chunks(q, k, v, self.chunk).transpose(1, 2).flatten(2))

        ends = positions[self.chunk - 1 :: self.chunk]  # the last token of each complete chunk
        means = x[:, : len(ends) * self.chunk].unflatten(1, (len(ends), self.chunk)).mean(dim=2)  # (B, C, M)
        (q,) = self._heads(self.q_proj(x), 1)
        k, v = self._heads(self.kv_proj(x), 2)
        k_means, v_means = self._heads(self.kv_proj(means), 2)
        q, k, k_means = self._rotate(q, positions), self._rotate(k, positions), self._rotate(k_means, ends)
        output = attend_window_and_summaries(q, k, v, k_means, v_means, self.window, self.chunk)
        return self.out_proj(output.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor, parts: int) -> list[Tensor]:
        """(B, T, parts H D) -> `parts` of (B, H, T, D)."""
        return list(x.unflatten(-1, (parts, self.heads, self.head_dim)).permute(2, 0, 3, 1, 4).unbind())

    def _rotate(self, x: Tensor, positions: Tensor) -> Tensor:
        return apply_rope(x, *rope_cos_sin(positions, rope_frequencies(self.head_dim)))


def attend_in_chunks(q: Tensor, k: Tensor, v: Tensor, chunk: int) -> Tensor:
    """Causal attention within chunks of `chunk` tokens, the last one may be shorter. All (B, H, T, D)."""
    tokens = q.shape[2]
    chunks = -(-tokens // chunk)
    if not chunks:
        return v
    q, k, v = (_pad(x, chunks * chunk).unflatten(2, (chunks, chunk)) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, is_causal=True).flatten(2, 3)[:, :, :tokens]


def visible(tokens: int, window: int, chunk: int, device=None) -> Tensor:
    """(T, T + C) of booleans: which tokens, then which of the C complete chunks' summaries, each token looks at."""
    near = causal_mask(tokens, tokens, device).triu(1 - window)
    return torch.cat([near, _complete(torch.arange(tokens, device=device), tokens // chunk, chunk)], dim=1)


def attend_masked(q: Tensor, k: Tensor, v: Tensor, k_means: Tensor, v_means: Tensor, window: int, chunk: int) -> Tensor:
    """To read: every score is made, most are thrown away. q, k, v (B, H, T, D), summaries (B, H, C, D)."""
    mask = visible(q.shape[2], window, chunk, q.device)
    scores = q @ torch.cat([k, k_means], dim=2).mT / q.shape[-1] ** 0.5
    weights = scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)
    return weights @ torch.cat([v, v_means], dim=2)


def attend_window_and_summaries(
    q: Tensor, k: Tensor, v: Tensor, k_means: Tensor, v_means: Tensor, window: int, chunk: int
) -> Tensor:
    """To run: `attend_masked` by blocks of W queries, which read their own block of W keys and the one before."""
    tokens, summaries = q.shape[2], k_means.shape[2]
    blocks = -(-tokens // window)
    if not blocks:
        return v
    q, k, v = (_pad(x, blocks * window).unflatten(2, (blocks, window)) for x in (q, k, v))  # (B, H, n, W, D)
    k, v = (torch.cat([F.pad(x, (0, 0, 0, 0, 1, 0))[:, :, :-1], x], dim=3) for x in (k, v))  # (B, H, n, 2W, D)
    place = torch.arange(2 * window, device=q.device) - window  # of a key, counted from the start of the block
    ahead = torch.arange(window, device=q.device)[:, None] - place  # (W, 2W): how far the query is ahead of the key
    near = ((ahead >= 0) & (ahead < window)).repeat(blocks, 1, 1)
    near[0] &= place >= 0  # before the first block there is nothing
    far = _complete(torch.arange(blocks * window, device=q.device), summaries, chunk).unflatten(0, (blocks, window))
    scores = torch.cat([q @ k.mT, q @ k_means[:, :, None].mT], dim=-1) / q.shape[-1] ** 0.5  # (B, H, n, W, 2W + C)
    weights = scores.masked_fill(~torch.cat([near, far], dim=-1), float("-inf")).softmax(dim=-1)
    of_near, of_far = weights.split([2 * window, summaries], dim=-1)
    return (of_near @ v + of_far @ v_means[:, :, None]).flatten(2, 3)[:, :, :tokens]


def _complete(positions: Tensor, summaries: int, chunk: int) -> Tensor:
    """(T, C): whether the token at each position comes no earlier than the end of each chunk."""
    return positions[:, None] + 1 >= (torch.arange(summaries, device=positions.device) + 1) * chunk


def _pad(x: Tensor, tokens: int) -> Tensor:
    return F.pad(x, (0, 0, 0, tokens - x.shape[2]))
