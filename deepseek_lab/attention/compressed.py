"""V4's attention: the newest tokens one by one, older ones as compressed entries. Three kinds of layers:

- sliding: each query reads the `sliding_window` newest tokens, and nothing else;
- compressed sparse attention (CSA): also entries of 4 tokens each, of which a lightning indexer picks `index_topk`;
- heavily compressed attention (HCA): also entries of 128 tokens each, all of them.

It is not MLA: one head of 512 numbers serves all query heads as key and as value. Because the value is rotated as the
key is, the output is turned back by the query's own position, so that what a token contributes depends on how far away
it is, not on where it stands. Sources: transformers' `DeepseekV4Attention`, which cites section 2.3 of DeepSeek-V4's
report, and to which this is equal (`tests/parity/test_compressed_parity.py`). Parameter names are those of the official
checkpoints.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepseek_lab.attention.compressed_cache import CompressedCache, layer_signature
from deepseek_lab.attention.compressor import Compressor, OpenWindow, compressed_rotary, turn
from deepseek_lab.attention.multi_head import check_hidden_states
from deepseek_lab.attention.norm import RMSNorm
from deepseek_lab.attention.rope import rope_cos_sin, rope_frequencies
from deepseek_lab.attention.sparse import choose, index_scores, indexer_loss, select
from deepseek_lab.attention.window import attend_near_and_far, sees_entries, sees_near, weights_masked
from deepseek_lab.config import DeepSeekConfig, require
from deepseek_lab.config_fields import SLIDING, SPARSE
from deepseek_lab.linear import Linear


class CompressedIndexer(nn.Module):
    """The lightning indexer over compressed entries. It compresses the tokens itself, to narrower keys."""

    def __init__(self, config: DeepSeekConfig):
        super().__init__()
        self.heads, self.width = config.index_n_heads, config.index_head_dim
        self.wq_b = Linear(config.q_lora_rank, self.heads * self.width, bias=False)
        self.weights_proj = Linear(config.hidden_size, self.heads, bias=False)
        self.compressor = Compressor(config, self.width, config.compress_rate_csa, overlap=True)

    def forward(self, hidden_states: Tensor, c_q: Tensor, keys: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        """(B, T, M), the queries' latent (B, T, C_q), all entries' keys (B, E, D) -> scores (B, T, E), in fp32."""
        q, weights = self.queries(hidden_states, c_q, rotary)
        return index_scores(q, keys, weights)

    def queries(self, hidden_states: Tensor, c_q: Tensor, rotary: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Each head's query (B, J, T, D), rotated, and how much it counts, (B, T, J) in fp32 at least."""
        q = turn(self.wq_b(c_q).unflatten(-1, (self.heads, self.width)).transpose(1, 2), rotary)
        weights = self.weights_proj(hidden_states)
        return q, weights.to(torch.promote_types(weights.dtype, torch.float32)) * self.heads**-0.5


class CompressedAttention(nn.Module):
    """One layer's attention, of the kind that `config.layer_types[layer]` says: (B, T, M) -> (B, T, M), causal."""

    def __init__(self, config: DeepSeekConfig, layer: int):
        super().__init__()
        require(config.model_type == "deepseek_v4", "model_type", config.model_type, "deepseek_v4")
        self.config, self.kind, self.ratio = config, config.layer_types[layer], config.compress_ratio(layer)
        hidden, heads, width = config.hidden_size, config.num_attention_heads, config.head_dim
        self.scale, self.groups = width**-0.5, config.o_groups
        self.wq_a = Linear(hidden, config.q_lora_rank, bias=False)
        self.q_norm = RMSNorm(config.q_lora_rank, eps=config.rms_norm_eps)
        self.wq_b = Linear(config.q_lora_rank, heads * width, bias=False)
        self.wkv = Linear(hidden, width, bias=False)
        self.kv_norm = RMSNorm(width, eps=config.rms_norm_eps)
        self.wo_a = Linear(heads * width // self.groups, self.groups * config.o_lora_rank, bias=False)
        self.wo_b = Linear(self.groups * config.o_lora_rank, hidden, bias=False)
        self.attn_sink = nn.Parameter(torch.zeros(heads))
        if self.kind != SLIDING:
            self.compressor = Compressor(config, width, self.ratio, overlap=self.kind == SPARSE)
        if self.kind == SPARSE:
            self.indexer = CompressedIndexer(config)

    def forward(
        self,
        hidden_states: Tensor,
        cache: CompressedCache | None = None,
        rotary: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """With a `cache`, the tokens follow those it already holds. `rotary`: this kind's table for their positions."""
        if cache is not None:
            self._check_cache(cache)
        check_hidden_states(hidden_states, self.config.hidden_size, cache)
        start = 0 if cache is None else cache.length
        rotary = rotary or self.rotary(start, hidden_states.shape[1], hidden_states.device)
        c_q, q, keys = self._project(hidden_states, rotary)
        if cache is not None:
            slot = cache.slots["window"]
            require(keys.dtype == slot.dtype, "cache dtype", slot.dtype, f"{keys.dtype}, which this layer computes")
        near = keys if cache is None else torch.cat([cache.window(), keys], dim=1)
        opened, far, chosen = {}, keys[:, :0], None
        if self.kind != SLIDING:
            far = self._compress("compressor", self.compressor, hidden_states, cache, opened)
        if self.kind == SPARSE:
            with torch.no_grad():  # a choice has no gradient
                index_keys = self._compress("indexer", self.indexer.compressor, hidden_states, cache, opened)
                q_index, weights = self.indexer.queries(hidden_states, c_q, rotary)
                entries, device = index_keys.shape[1], q.device
                chosen = choose(
                    q_index, index_keys, weights, self.config.index_topk,
                    lambda first, count: sees_entries(start + first, count, entries, self.ratio, device),
                )  # fmt: skip
        window = self.config.sliding_window
        output = attend_near_and_far(q, near, far, chosen, self.attn_sink, self.scale, window, self.ratio, start)
        if cache is not None:
            cache.advance(keys, opened)
        return self._write(turn(output, rotary, back=True))

    def _check_cache(self, cache: CompressedCache) -> None:
        """A cache of another kind of layer has other slots, or the same with another meaning."""
        made_here = isinstance(cache, CompressedCache)
        require(made_here, "cache", type(cache).__name__, "a CompressedCache, made by this layer's new_cache")
        wanted = layer_signature(self._window(), self._compressors())
        require(cache.made_for == wanted, "cache", cache.made_for, f"one made by this layer's new_cache: {wanted}")

    def _window(self) -> tuple[int, int]:
        return self.config.sliding_window - 1, self.config.head_dim

    def _compressors(self) -> dict[str, Compressor]:
        found = {"compressor": self.compressor} if self.kind != SLIDING else {}
        return found | ({"indexer": self.indexer.compressor} if self.kind == SPARSE else {})

    def _project(self, hidden_states: Tensor, rotary: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """The queries' latent (B, T, C_q), the queries (B, H, T, D), and one key per token (B, T, D)."""
        c_q = self.q_norm(self.wq_a(hidden_states))
        q = self.wq_b(c_q).unflatten(-1, (-1, self.config.head_dim)).transpose(1, 2)
        q = F.rms_norm(q, q.shape[-1:], eps=self.config.rms_norm_eps)  # without weights
        return c_q, turn(q, rotary), turn(self.kv_norm(self.wkv(hidden_states)), rotary)

    def _compress(
        self,
        name: str,
        compressor: Compressor,
        hidden_states: Tensor,
        cache: CompressedCache | None,
        opened: dict[str, OpenWindow],
    ) -> Tensor:
        """All complete entries (B, E, D), those of the cache included; the open window goes into `opened`."""
        start = 0 if cache is None else cache.length
        before = compressor.nothing_yet(len(hidden_states)) if cache is None else cache.open_window(name)
        entries, opened[name] = compressor(hidden_states, start, before)
        return entries if cache is None else cache.add_entries(name, entries)

    def _write(self, output: Tensor) -> Tensor:
        """(B, H, T, D) -> (B, T, M): each group of heads to a narrow vector of its own, then all of these together."""
        grouped = output.transpose(1, 2).flatten(2).unflatten(-1, (self.groups, -1))  # (B, T, g, H D / g)
        weight = self.wo_a.weight.unflatten(0, (self.groups, -1))  # (g, r, H D / g)
        return self.wo_b(torch.einsum("btgi,gri->btgr", grouped, weight).flatten(2))

    def rotary(self, start: int, count: int, device) -> tuple[Tensor, Tensor]:
        """cos and sin for `count` positions from `start` on, each (T, R/2): layers without entries turn faster."""
        positions = torch.arange(start, start + count, device=device)
        if self.kind != SLIDING:
            return compressed_rotary(self.config, positions)
        return rope_cos_sin(positions, rope_frequencies(self.config.qk_rope_head_dim, self.config.rope_theta))

    def index_loss(self, hidden_states: Tensor, sparse: bool = False) -> Tensor:
        """What teaches the indexer: its distance from the layer's attention to entries (`indexer_loss`), in nats.

        Over all complete entries, as in a warm-up, or if `sparse` over those it picks. Only the indexer gets gradients.
        """
        require(self.kind == SPARSE, "layer type", self.kind, SPARSE)
        tokens, opened = hidden_states.shape[1], {}
        with torch.no_grad():
            rotary = self.rotary(0, tokens, hidden_states.device)
            c_q, q, keys = self._project(hidden_states, rotary)
            far = self._compress("compressor", self.compressor, hidden_states, None, opened)
            seen = sees_entries(0, tokens, far.shape[1], self.ratio, q.device)
            mask = torch.cat([sees_near(tokens, tokens, self.config.sliding_window, q.device), seen], dim=1)
            weights = weights_masked(q, torch.cat([keys, far], dim=1), mask, self.attn_sink, self.scale)
        index_keys = self._compress("indexer", self.indexer.compressor, hidden_states.detach(), None, opened)
        scores = self.indexer(hidden_states.detach(), c_q, index_keys, rotary)
        chosen = select(scores.detach(), self.config.index_topk if sparse else max(1, far.shape[1]), seen)
        return indexer_loss(scores, weights[..., tokens:], chosen)

    def new_cache(self, batch_size: int, max_length: int) -> CompressedCache:
        """An empty cache for `max_length` tokens: window - 1 keys, an entry for every m tokens, and the open window."""
        weight = self.wkv.weight
        kind = weight.device.type
        cast = kind != "meta" and torch.is_autocast_enabled(kind)
        dtype = torch.get_autocast_dtype(kind) if cast else weight.dtype
        return CompressedCache(batch_size, max_length, self._window(), self._compressors(), dtype, weight.device)
