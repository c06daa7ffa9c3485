"""Multi-head, grouped-query and multi-query attention: one module, told apart by one number.

`num_key_value_heads` equal to the number of heads is MHA, 1 is MQA, anything between is GQA. Sources:
https://arxiv.org/abs/1706.03762, https://arxiv.org/abs/1911.02150, https://arxiv.org/abs/2305.13245.
"""

import torch
from torch import Tensor, nn

from deepseek_lab.attention.cache import AttentionCache, Slot, parts_of, positions_of
from deepseek_lab.attention.dot_product import attend, attend_fast
from deepseek_lab.attention.rope import apply_rope, rope_cos_sin, rope_frequencies
from deepseek_lab.config import is_whole, require


class MultiHeadAttention(nn.Module):
    """Causal self-attention whose query heads share `num_key_value_heads` keys and values, with RoPE.

    Parameter names are those of Llama-format checkpoints; for those, pass `rope_interleave=False`. Raises `ValueError`
    naming the field for widths that don't fit together.
    """

    def __init__(
        self,
        hidden_size: int,
        num_attention_heads: int,
        num_key_value_heads: int,
        head_dim: int,
        rope_theta: float = 10000.0,
        rope_interleave: bool = True,
    ):
        super().__init__()
        for field in ("hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim"):
            require(
                is_whole(locals()[field]) and locals()[field] >= 1,
                field,
                locals()[field],
                "a whole number of at least 1",
            )
        heads, groups = num_attention_heads, num_key_value_heads
        require(heads % groups == 0, "num_key_value_heads", groups, f"a divisor of num_attention_heads={heads}")
        require(head_dim % 2 == 0, "head_dim", head_dim, "an even number (RoPE turns pairs)")
        self.hidden_size, self.head_dim, self.rope_interleave = hidden_size, head_dim, rope_interleave
        self.num_attention_heads, self.num_key_value_heads = heads, groups
        self.rope_theta = rope_theta
        self.q_proj = nn.Linear(hidden_size, heads * head_dim, bias=False)
        self.k_proj = nn.Linear(hidden_size, groups * head_dim, bias=False)
        self.v_proj = nn.Linear(hidden_size, groups * head_dim, bias=False)
        self.o_proj = nn.Linear(heads * head_dim, hidden_size, bias=False)

    def forward(self, hidden_states: Tensor, cache: AttentionCache | None = None) -> Tensor:
        """(B, T, M) -> (B, T, M). With a `cache`, the tokens follow those it already holds."""
        q, k, v = self.project(hidden_states, cache)
        outputs = []
        for tokens, part in parts_of(cache):
            keys, values = k[:, :, tokens], v[:, :, tokens]
            if part is not None:
                kept = part.append(k=keys.transpose(1, 2), v=values.transpose(1, 2))
                keys, values = (x.transpose(1, 2) for x in kept)
            outputs.append(attend_fast(q[:, :, tokens], keys, values, self.head_dim**-0.5))  # (B, H, T, D)
        return self.o_proj(torch.cat(outputs, dim=2).transpose(1, 2).flatten(2))

    def attention_weights(self, hidden_states: Tensor) -> Tensor:
        """Who looks at whom, to be looked at: (B, T, M) -> (B, H, T, T)."""
        return attend(*self.project(hidden_states), self.head_dim**-0.5)[1]

    def project(self, hidden_states: Tensor, cache: AttentionCache | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Rotated queries (B, H, T, D) and keys, and values (B, G, T, D), of tokens that follow the cached ones."""
        check_hidden_states(hidden_states, self.hidden_size, cache)
        heads = (-1, self.head_dim)
        q = self.q_proj(hidden_states).unflatten(-1, heads)  # (B, T, H, D)
        k = self.k_proj(hidden_states).unflatten(-1, heads)  # (B, T, G, D)
        v = self.v_proj(hidden_states).unflatten(-1, heads)  # (B, T, G, D)
        positions = positions_of(cache, q.shape[1], q.device)
        cos, sin = rope_cos_sin(positions, rope_frequencies(self.head_dim, self.rope_theta))
        q = apply_rope(q.transpose(1, 2), cos, sin, self.rope_interleave)
        k = apply_rope(k.transpose(1, 2), cos, sin, self.rope_interleave)
        return q, k, v.transpose(1, 2)

    def cache_slots(self) -> dict[str, Slot]:
        """What is kept of each token: a key and a value for each of G heads."""
        entry = Slot((self.num_key_value_heads, self.head_dim))
        return {"k": entry, "v": entry}

    def new_cache(self, batch_size: int, max_length: int) -> AttentionCache:
        """An empty cache for `max_length` tokens: 2 G D numbers per token."""
        return AttentionCache.like(self.k_proj.weight, batch_size, max_length, self.cache_slots())


def check_hidden_states(hidden_states: Tensor, hidden_size: int, cache: AttentionCache | None) -> None:
    """Raise `ValueError` unless the input is (B, T, M) with T >= 1 and fits the cache."""
    shape = tuple(hidden_states.shape)
    require(hidden_states.dim() == 3, "hidden_states", shape, f"shape (batch, tokens, hidden_size={hidden_size})")
    dtype = hidden_states.dtype
    require(hidden_states.is_floating_point(), "hidden_states dtype", dtype, "a floating-point dtype")
    require(shape[2] == hidden_size, "hidden_states width", shape[2], f"hidden_size={hidden_size}")
    require(shape[0] >= 1, "hidden_states batch", shape[0], "at least 1 sequence")
    require(shape[1] >= 1, "hidden_states length", shape[1], "at least 1 token")
    if cache is not None:
        cache.check_step(*shape[:2])
