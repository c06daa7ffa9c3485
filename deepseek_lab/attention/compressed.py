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

from deepseek_lab.attention.cache import Slot, parts_of, positions_of
from deepseek_lab.attention.compressed_cache import CompressedCache, layer_signature
from deepseek_lab.attention.compressor import Compressor, compressed_rotary, turn
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
        for _, part in parts_of(cache):
            self._check_cache(part)
        check_hidden_states(hidden_states, self.config.hidden_size, cache)
        positions = positions_of(cache, hidden_states.shape[1], hidden_states.device)
        rotary = rotary or self.rotary_at(positions)
        c_q, q, keys = self._project(hidden_states, rotary)
        brought = {name: c.project(hidden_states, positions) for name, c in self._compressors().items()}
        asked = self.indexer.queries(hidden_states, c_q, rotary) if self.kind == SPARSE else None
        outputs = []
        for tokens, part in parts_of(cache):
            new = {name: (kv[:, tokens], gate[:, tokens]) for name, (kv, gate) in brought.items()}
            index = None if asked is None else (asked[0][:, :, tokens], asked[1][:, tokens])
            outputs.append(self._attend(q[:, :, tokens], keys[:, tokens], new, index, part))
        return self._write(turn(torch.cat(outputs, dim=2), rotary, back=True))

    def _attend(
        self,
        q: Tensor,
        keys: Tensor,
        brought: dict[str, tuple[Tensor, Tensor]],
        asked: tuple[Tensor, Tensor] | None,
        cache: CompressedCache | None,
    ) -> Tensor:
        """One cache's tokens: queries (B, H, T, D) and keys (B, T, D) -> (B, H, T, D). The cache takes them up.

        `brought`: what each compressor made of the tokens; `asked`: the indexer's queries and weights.
        """
        start = 0 if cache is None else cache.length
        if cache is not None:
            require(keys.dtype == cache.dtype, "cache dtype", cache.dtype, f"{keys.dtype}, which this layer computes")
        near = keys if cache is None else torch.cat([cache.window(), keys], dim=1)
        opened, far = {}, {}
        for name, compressor in self._compressors().items():
            before = compressor.nothing_yet(len(keys)) if cache is None else cache.open_window(name)
            opened[name] = before.add(*brought[name])
            entries = compressor.entries(opened[name], start)
            far[name] = entries if cache is None else cache.add_entries(name, entries)
        chosen = None
        if asked is not None:
            entries, device = far["indexer"].shape[1], q.device
            chosen = choose(
                asked[0], far["indexer"], asked[1], self.config.index_topk,
                lambda first, count: sees_entries(start + first, count, entries, self.ratio, device),
            )  # fmt: skip
        far, window = far.get("compressor", keys[:, :0]), self.config.sliding_window
        output = attend_near_and_far(q, near, far, chosen, self.attn_sink, self.scale, window, self.ratio, start)
        if cache is not None:
            cache.advance(keys, opened)
        return output

    def _check_cache(self, cache: CompressedCache | None) -> None:
        """A cache of another kind of layer has other slots, or the same with another meaning."""
        if cache is None:
            return
        made_here = isinstance(cache, CompressedCache)
        require(made_here, "cache", type(cache).__name__, "a CompressedCache, made by this layer's new_cache")
        wanted = layer_signature(self.cache_slots())
        require(cache.made_for == wanted, "cache", cache.made_for, f"one made by this layer's new_cache: {wanted}")

    def _compressors(self) -> dict[str, Compressor]:
        found = {"compressor": self.compressor} if self.kind != SLIDING else {}
        return found | ({"indexer": self.indexer.compressor} if self.kind == SPARSE else {})

    def _project(self, hidden_states: Tensor, rotary: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """The queries' latent (B, T, C_q), the queries (B, H, T, D), and one key per token (B, T, D)."""
        c_q = self.q_norm(self.wq_a(hidden_states))
        q = self.wq_b(c_q).unflatten(-1, (-1, self.config.head_dim)).transpose(1, 2)
        q = F.rms_norm(q, q.shape[-1:], eps=self.config.rms_norm_eps)  # without weights
        return c_q, turn(q, rotary), turn(self.kv_norm(self.wkv(hidden_states)), rotary)

    def _write(self, output: Tensor) -> Tensor:
        """(B, H, T, D) -> (B, T, M): each group of heads to a narrow vector of its own, then all of these together."""
        grouped = output.transpose(1, 2).flatten(2).unflatten(-1, (self.groups, -1))  # (B, T, g, H D / g)
        weight = self.wo_a.weight.unflatten(0, (self.groups, -1))  # (g, r, H D / g)
        return self.wo_b(torch.einsum("btgi,gri->btgr", grouped, weight).flatten(2))

    def rotary(self, start: int, count: int, device) -> tuple[Tensor, Tensor]:
        """cos and sin for `count` positions from `start` on, each (T, R/2): layers without entries turn faster."""
        return self.rotary_at(torch.arange(start, start + count, device=device))

    def rotary_at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """The same for any positions (T,)."""
        if self.kind != SLIDING:
            return compressed_rotary(self.config, positions)
        return rope_cos_sin(positions, rope_frequencies(self.config.qk_rope_head_dim, self.config.rope_theta))

    def index_loss(self, hidden_states: Tensor, sparse: bool = False) -> Tensor:
        """What teaches the indexer: its distance from the layer's attention to entries (`indexer_loss`), in nats.

        Over all complete entries, as in a warm-up, or if `sparse` over those it picks. Only the indexer gets gradients.
        Raises `ValueError` for a layer without an indexer.
        """
        require(self.kind == SPARSE, "layer type", self.kind, SPARSE)
        tokens = hidden_states.shape[1]
        with torch.no_grad():
            rotary = self.rotary(0, tokens, hidden_states.device)
            c_q, q, keys = self._project(hidden_states, rotary)
            far, _ = self.compressor(hidden_states, 0, self.compressor.nothing_yet(len(hidden_states)))
            seen = sees_entries(0, tokens, far.shape[1], self.ratio, q.device)
            mask = torch.cat([sees_near(tokens, tokens, self.config.sliding_window, q.device), seen], dim=1)
            weights = weights_masked(q, torch.cat([keys, far], dim=1), mask, self.attn_sink, self.scale)
        compressor = self.indexer.compressor
        index_keys, _ = compressor(hidden_states.detach(), 0, compressor.nothing_yet(len(hidden_states)))
        scores = self.indexer(hidden_states.detach(), c_q, index_keys, rotary)
        chosen = select(scores.detach(), self.config.index_topk if sparse else max(1, far.shape[1]), seen)
        return indexer_loss(scores, weights[..., tokens:], chosen)

    def cache_slots(self) -> dict[str, Slot]:
        """What is kept: window - 1 keys, an entry for every m tokens, and each compressor's open window."""
        slots = {"window": Slot((self.config.sliding_window - 1, self.config.head_dim), tokens=0)}
        for name, compressor in self._compressors().items():
            slots |= {f"{name}.{slot}": kept for slot, kept in compressor.slots().items()}
        return slots

    def new_cache(self, batch_size: int, max_length: int) -> CompressedCache:
        """An empty cache for `max_length` tokens of each sequence."""
        return CompressedCache.like(self.wkv.weight, batch_size, max_length, self.cache_slots())
