"""V3.2's attention: MLA that reads only what its lightning indexer picked."""

import torch
from torch import Tensor

from deepseek_lab.attention.cache import AttentionCache, Slot, parts_of
from deepseek_lab.attention.latent import MultiHeadLatentAttention
from deepseek_lab.attention.multi_head import check_hidden_states
from deepseek_lab.attention.sparse import LightningIndexer, attend_gathered, choose, indexer_loss, select
from deepseek_lab.config import DeepSeekConfig, is_whole, require


class SparseLatentAttention(MultiHeadLatentAttention):
    """MLA over the `index_topk` tokens that the indexer scores best. (B, T, M) -> (B, T, M).

    As long as there are no more tokens than `index_topk`, all are read and this is MLA itself. Beyond, queries go into
    the latents' space (the absorbed form), where one gathered row serves all heads. Equal to transformers'
    `DeepseekV32Attention` (`tests/parity/test_sparse_parity.py`). Needs compressed queries: the indexer's come from the
    same latent. No gradient reaches the indexer from the output, because a choice has none: `index_loss` trains it.
    """

    def __init__(
        self,
        config: DeepSeekConfig,
        index_topk: int | None = None,
        index_n_heads: int | None = None,
        index_head_dim: int | None = None,
    ):
        """The indexer is as `config` (deepseek_v32) has it; or as given, on top of a V3's attention."""
        super().__init__(config)
        index_topk = config.index_topk if index_topk is None else index_topk
        index_n_heads = config.index_n_heads if index_n_heads is None else index_n_heads
        index_head_dim = config.index_head_dim if index_head_dim is None else index_head_dim
        require(config.q_lora_rank is not None, "q_lora_rank", None, "a width: the indexer reads the query's latent")
        require(is_whole(index_topk) and index_topk >= 1, "index_topk", index_topk, "a whole number of at least 1")
        sizes = config.hidden_size, config.q_lora_rank, config.qk_rope_head_dim, index_n_heads, index_head_dim
        self.index_topk, self.indexer = index_topk, LightningIndexer(*sizes)

    def forward(
        self,
        hidden_states: Tensor,
        cache: AttentionCache | None = None,
        absorb: bool | None = None,
        rotary: tuple[Tensor, Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """As MLA's. `absorb` and the expanded form concern contexts of up to `index_topk` tokens."""
        require(mask is None or not (absorb or cache), "mask", "a cache, or absorb=True", "the expanded form, no cache")
        rotary = rotary or self.rotary(hidden_states, cache)
        check_hidden_states(hidden_states, self.config.hidden_size, cache)
        c_kv, k_pe = self.latents(hidden_states, rotary)
        c_q = self.query_latent(hidden_states)
        q_nope, q_pe = self._cut_queries(self.q_b_proj(c_q), rotary)
        new_entries, new_keys = torch.cat([c_kv, k_pe], dim=-1), self.indexer.keys(hidden_states, rotary)
        outputs = []
        for tokens, part in parts_of(cache):
            entries, index_keys = new_entries[:, tokens], new_keys[:, tokens]
            if part is not None:
                entries, index_keys = part.append(entries=entries, index_keys=index_keys)
            q = q_nope[:, :, tokens], q_pe[:, :, tokens]
            if entries.shape[1] <= self.index_topk:
                kept = entries.split([self.config.kv_lora_rank, self.config.qk_rope_head_dim], dim=-1)
                outputs.append(self._attend(*q, *kept, absorb, mask))
            else:
                cut = (x[tokens] for x in rotary)
                chosen = self._choose(hidden_states[:, tokens], c_q[:, tokens], index_keys, tuple(cut), mask)
                outputs.append(self._attend_chosen(*q, entries, chosen))
        return self._write(outputs)

    def _attend_chosen(self, q_nope: Tensor, q_pe: Tensor, entries: Tensor, chosen: Tensor) -> Tensor:
        """In the latents' space, over the chosen entries alone: (B, H, T, D_v)."""
        w_uk, w_uv = self.up_projections()
        q = torch.cat([torch.einsum("bhtd,hdc->bhtc", q_nope, w_uk), q_pe], dim=-1)  # (B, H, T, C + R)
        latent = attend_gathered(q, entries, self.config.kv_lora_rank, chosen, self.scale)
        return torch.einsum("bhtc,hdc->bhtd", latent, w_uv)

    def _choose(
        self, hidden_states: Tensor, c_q: Tensor, index_keys: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor | None
    ) -> Tensor:
        """The tokens that each query reads: (B, T, K), the queries being the last T of S tokens."""
        queries, keys, device = hidden_states.shape[1], index_keys.shape[1], hidden_states.device

        def seen(first: int, count: int) -> Tensor:
            if mask is not None:
                return mask[:, 0, first : first + count]
            place = torch.arange(first, first + count, device=device)[:, None] + keys - queries
            return torch.arange(keys, device=device) <= place

        with torch.no_grad():
            q, weights = self.indexer.queries(c_q, rotary), self.indexer.weights(hidden_states)
            return choose(q, index_keys, weights, self.index_topk, seen)

    def index_loss(self, hidden_states: Tensor, sparse: bool = False) -> Tensor:
        """What teaches the indexer: its distance from the layer's own attention (`indexer_loss`), in nats per query.

        Over all earlier tokens, as in a warm-up, or if `sparse` over those it picks. Only the indexer gets gradients.
        """
        with torch.no_grad():
            hidden_states = hidden_states.detach()
            rotary = self.rotary(hidden_states, None)
            c_q, weights = self.query_latent(hidden_states), self.attention_weights(hidden_states)
        scores = self.indexer(hidden_states, c_q, self.indexer.keys(hidden_states, rotary), rotary)
        return indexer_loss(scores, weights, select(scores.detach(), self.index_topk) if sparse else None)

    def cache_slots(self) -> dict[str, Slot]:
        """What is kept of each token: the latent and rotated key (C + R numbers), and the indexer's key."""
        width = self.config.kv_lora_rank + self.config.qk_rope_head_dim
        return {"entries": Slot((width,)), "index_keys": Slot((self.indexer.index_head_dim,))}
