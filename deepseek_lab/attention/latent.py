"""Multi-head latent attention (MLA): cache one small latent per token, and make every head's key and value from it.

Sources: DeepSeek-V2 (https://arxiv.org/abs/2405.04434), section 2.1; DeepSeek-V3's `inference/model.py`, class MLA.
Parameter names are those of the official checkpoints. Two forms compute the same output:

- expanded: make H keys and values from each latent, then attend as usual. Cheapest for many queries at once.
- absorbed: move the queries into the latent's space instead and attend to the latents themselves. Cheapest for few
  queries, as in decoding: no key or value is ever made.
"""

import torch
from torch import Tensor, nn

from deepseek_lab.attention.cache import AttentionCache, Slot, parts_of, positions_of
from deepseek_lab.attention.dot_product import attend, attend_fast, causal_mask, softmax
from deepseek_lab.attention.multi_head import check_hidden_states
from deepseek_lab.attention.norm import RMSNorm
from deepseek_lab.attention.rope import apply_rope, rotary_at, softmax_scale
from deepseek_lab.config import DeepSeekConfig, require
from deepseek_lab.linear import Linear

LATENT_NORM_EPS = 1e-6  # fixed in the official code, whatever rms_norm_eps says


class MultiHeadLatentAttention(nn.Module):
    """Causal self-attention that caches `kv_lora_rank + qk_rope_head_dim` numbers per token, for all heads together.

    Equal to transformers' `DeepseekV2Attention` and `DeepseekV3Attention` on the same weights
    (`tests/parity/test_latent_parity.py`).
    """

    def __init__(self, config: DeepSeekConfig):
        super().__init__()
        self.config = config
        hidden, heads, bias = config.hidden_size, config.num_attention_heads, config.attention_bias
        if config.q_lora_rank is None:  # V2-Lite
            self.q_proj = Linear(hidden, heads * config.qk_head_dim, bias=False)
        else:
            self.q_a_proj = Linear(hidden, config.q_lora_rank, bias=bias)
            self.q_a_layernorm = RMSNorm(config.q_lora_rank, eps=LATENT_NORM_EPS)
            self.q_b_proj = Linear(config.q_lora_rank, heads * config.qk_head_dim, bias=False)
        self.kv_a_proj_with_mqa = Linear(hidden, config.kv_lora_rank + config.qk_rope_head_dim, bias=bias)
        self.kv_a_layernorm = RMSNorm(config.kv_lora_rank, eps=LATENT_NORM_EPS)
        kv_width = config.qk_nope_head_dim + config.v_head_dim
        self.kv_b_proj = Linear(config.kv_lora_rank, heads * kv_width, bias=False)
        self.o_proj = Linear(heads * config.v_head_dim, hidden, bias=bias)
        self.scale = softmax_scale(config)

    def forward(
        self,
        hidden_states: Tensor,
        cache: AttentionCache | None = None,
        absorb: bool | None = None,
        rotary: tuple[Tensor, Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """(B, T, M) -> (B, T, M). With a `cache`, the tokens follow those it already holds.

        `absorb` picks the form; None takes the one with fewer multiplications (`absorbing_is_cheaper`). A model hands
        the `rotary_table` of the tokens' positions to all its layers, so that it is made once. `mask` (B, 1, T, T) of
        booleans says which tokens each token may look at, where that is not all up to itself; only without a cache.
        Raises `ValueError` for shapes that don't fit.
        """
        require(mask is None or not (absorb or cache), "mask", "a cache, or absorb=True", "the expanded form, no cache")
        if rotary is None:
            rotary = self.rotary(hidden_states, cache)
        q_nope, q_pe = self.queries(hidden_states, cache, rotary)
        new_c_kv, new_k_pe = self.latents(hidden_states, rotary)
        outputs = []
        for tokens, part in parts_of(cache):
            c_kv, k_pe = new_c_kv[:, tokens], new_k_pe[:, tokens]
            if part is not None:
                c_kv, k_pe = part.append(c_kv=c_kv, k_pe=k_pe)
            outputs.append(self._attend(q_nope[:, :, tokens], q_pe[:, :, tokens], c_kv, k_pe, absorb, mask))
        return self._write(outputs)

    def _attend(
        self, q_nope: Tensor, q_pe: Tensor, c_kv: Tensor, k_pe: Tensor, absorb: bool | None, mask: Tensor | None
    ) -> Tensor:
        """By the form asked for, or the cheaper one: (B, H, T, D_v)."""
        if absorb is None:
            absorb = mask is None and absorbing_is_cheaper(self.config, q_nope.shape[2], c_kv.shape[1])
        if absorb:
            return self.attend_absorbed(q_nope, q_pe, c_kv, k_pe)
        return self.attend_expanded(q_nope, q_pe, c_kv, k_pe, mask)

    def _write(self, outputs: list[Tensor]) -> Tensor:
        """All parts' heads side by side, (B, H, T, D_v) each -> (B, T, M)."""
        output = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)
        return self.o_proj(output.transpose(1, 2).flatten(2))

    def queries(
        self, hidden_states: Tensor, cache: AttentionCache | None = None, rotary: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Each head's query: without position (B, H, T, D), and rotated (B, H, T, R)."""
        check_hidden_states(hidden_states, self.config.hidden_size, cache)
        if self.config.q_lora_rank is None:
            q = self.q_proj(hidden_states)
        else:
            q = self.q_b_proj(self.query_latent(hidden_states))
        return self._cut_queries(q, rotary or self.rotary(hidden_states, cache))

    def query_latent(self, hidden_states: Tensor) -> Tensor:
        """What all heads' queries are made from, where queries are compressed: (B, T, M) -> (B, T, C_q)."""
        return self.q_a_layernorm(self.q_a_proj(hidden_states))

    def _cut_queries(self, q: Tensor, rotary: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        q = q.unflatten(-1, (-1, self.config.qk_head_dim)).transpose(1, 2)  # (B, H, T, D + R)
        q_nope, q_pe = q.split([self.config.qk_nope_head_dim, self.config.qk_rope_head_dim], dim=-1)
        return q_nope, self.rotate(q_pe, rotary)

    def latents(self, hidden_states: Tensor, rotary: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """What is cached of these tokens: the normed latent (B, T, C) and one rotated key for all heads (B, T, R)."""
        check_hidden_states(hidden_states, self.config.hidden_size, None)
        widths = [self.config.kv_lora_rank, self.config.qk_rope_head_dim]
        c_kv, k_pe = self.kv_a_proj_with_mqa(hidden_states).split(widths, dim=-1)
        return self.kv_a_layernorm(c_kv), self.rotate(k_pe, rotary or self.rotary(hidden_states, None))

    def rotary(self, hidden_states: Tensor, cache: AttentionCache | None) -> tuple[Tensor, Tensor]:
        """cos and sin at the positions that follow the cached tokens, each (T, R/2)."""
        return rotary_at(self.config, positions_of(cache, hidden_states.shape[1], hidden_states.device))

    def rotate(self, x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        """RoPE: (..., T, R) -> (..., T, R)."""
        return apply_rope(x, *rotary, self.config.rope_interleave)

    def up_projections(self) -> tuple[Tensor, Tensor]:
        """`kv_b_proj` cut into W_UK (H, D, C) and W_UV (H, D_v, C): views, no copy."""
        widths = [self.config.qk_nope_head_dim, self.config.v_head_dim]
        return self.kv_b_proj.weight.unflatten(0, (-1, sum(widths))).split(widths, dim=1)

    def keys_values(self, c_kv: Tensor, k_pe: Tensor) -> tuple[Tensor, Tensor]:
        """Every head's key (B, H, S, D + R) and value (B, H, S, D_v), made from what is cached."""
        widths = [self.config.qk_nope_head_dim, self.config.v_head_dim]
        kv = self.kv_b_proj(c_kv).unflatten(-1, (-1, sum(widths))).transpose(1, 2)  # (B, H, S, D + D_v)
        k_nope, v = kv.split(widths, dim=-1)
        k_pe = k_pe[:, None].expand(-1, k_nope.shape[1], -1, -1)  # the one rotated key serves all heads
        return torch.cat([k_nope, k_pe], dim=-1), v

    def attend_expanded(
        self, q_nope: Tensor, q_pe: Tensor, c_kv: Tensor, k_pe: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Keys and values first, then ordinary attention: (B, H, T, D_v)."""
        k, v = self.keys_values(c_kv, k_pe)
        return attend_fast(torch.cat([q_nope, q_pe], dim=-1), k, v, self.scale, mask)

    def attend_absorbed(self, q_nope: Tensor, q_pe: Tensor, c_kv: Tensor, k_pe: Tensor) -> Tensor:
        """Attention in the latents' own space: all heads share one "key" [c_kv, k_pe] and one "value" c_kv."""
        heads, queries, keys = q_nope.shape[1], q_nope.shape[2], c_kv.shape[1]
        w_uk, w_uv = self.up_projections()
        # q_nope . (W_UK c) = (q_nope W_UK) . c
        q_latent = torch.einsum("bhtd,hdc->bhtc", q_nope, w_uk)  # (B, H, T, C)
        # All heads search the same latents, so heads are just more rows of one product. Two products and a sum, not
        # one over cat([c_kv, k_pe]): that would copy the whole cache at every step.
        by_place = q_pe.flatten(1, 2) @ k_pe.mT  # (B, H * T, S)
        scores = torch.baddbmm(by_place, q_latent.flatten(1, 2), c_kv.mT) * self.scale
        if queries > 1:
            mask = causal_mask(queries, keys, scores.device).repeat(heads, 1)  # (H * T, S)
            scores = scores.masked_fill(~mask, float("-inf"))
        latent = softmax(scores, c_kv.dtype) @ c_kv  # (B, H * T, C)
        # sum_s w_s (W_UV c_s) = W_UV (sum_s w_s c_s)
        return torch.einsum("bhtc,hdc->bhtd", latent.unflatten(1, (heads, queries)), w_uv)

    def attention_weights(self, hidden_states: Tensor) -> Tensor:
        """Who looks at whom, to be looked at: (B, T, M) -> (B, H, T, T)."""
        q = torch.cat(self.queries(hidden_states), dim=-1)
        k, v = self.keys_values(*self.latents(hidden_states))
        return attend(q, k, v, self.scale)[1]

    def cache_slots(self) -> dict[str, Slot]:
        """What is kept of each token: C + R numbers."""
        return {"c_kv": Slot((self.config.kv_lora_rank,)), "k_pe": Slot((self.config.qk_rope_head_dim,))}

    def new_cache(self, batch_size: int, max_length: int) -> AttentionCache:
        """An empty cache for `max_length` tokens of each sequence."""
        return AttentionCache.like(self.kv_b_proj.weight, batch_size, max_length, self.cache_slots())


def attention_flops(config: DeepSeekConfig, queries: int, keys: int, absorb: bool) -> int:
    """Floating-point operations of MLA for one sequence, from the latents to the heads' outputs (2 per multiply-add).

    Every query is counted against every key, as a kernel without causal skipping computes it. Raises `ValueError` for
    no queries.
    """
    require(queries >= 1, "queries", queries, "at least 1")
    heads, latent, rope = config.num_attention_heads, config.kv_lora_rank, config.qk_rope_head_dim
    up = config.qk_nope_head_dim + config.v_head_dim  # rows of W_UK and W_UV per head
    if absorb:
        per_pair = latent + rope + latent  # a score, then a weighted latent
        return 2 * heads * (queries * latent * up + queries * keys * per_pair)
    per_pair = config.qk_head_dim + config.v_head_dim  # a score, then a weighted value
    return 2 * heads * (keys * latent * up + queries * keys * per_pair)


def absorbing_is_cheaper(config: DeepSeekConfig, queries: int, keys: int) -> bool:
    """Whether the absorbed form needs fewer operations: it does for few queries over many keys."""
    return attention_flops(config, queries, keys, True) < attention_flops(config, queries, keys, False)
