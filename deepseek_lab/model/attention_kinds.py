"""One layer of each kind of attention at the same width, so that their steps and caches can be compared.

Widths are a laptop's; what decides how cost grows with the context is as released: a window of 128 tokens, 2048 tokens
for V3.2's choice, entries of 4 tokens of which 512 are read, and entries of 128 tokens.
"""

import torch
from torch import nn

from deepseek_lab.attention import MultiHeadLatentAttention
from deepseek_lab.attention.cache import AttentionCache
from deepseek_lab.attention.compressed import CompressedAttention
from deepseek_lab.attention.compressed_cache import CompressedCache
from deepseek_lab.attention.sparse_latent import SparseLatentAttention
from deepseek_lab.config import DeepSeekConfig, require, require_whole
from deepseek_lab.config_fields import LAYER_TYPES

HIDDEN, HEADS, ROPE, Q_RANK = 256, 8, 32, 128
INDEX_HEADS, INDEX_WIDTH = 8, 32
KINDS = ("dense (MLA)", "DSA", "window", "CSA", "HCA")


def one_of_each(device="cpu") -> dict[str, nn.Module]:
    """Layers with random weights: dense MLA, V3.2's DSA, and V4's three."""
    shared = dict(hidden_size=HIDDEN, num_attention_heads=HEADS, qk_rope_head_dim=ROPE, q_lora_rank=Q_RANK)
    v3 = DeepSeekConfig.preset("v3").replace(
        **shared, kv_lora_rank=96, qk_nope_head_dim=32, v_head_dim=32, rope_scaling=None
    )
    v4 = DeepSeekConfig.preset("v4-flash").replace(
        **shared, num_hidden_layers=3, layer_types=LAYER_TYPES, mlp_layer_types=("moe",) * 3, head_dim=128,
        index_n_heads=INDEX_HEADS, index_head_dim=INDEX_WIDTH, o_groups=2, o_lora_rank=64,
    )  # fmt: skip
    layers = [MultiHeadLatentAttention(v3), SparseLatentAttention(v3, 2048, INDEX_HEADS, INDEX_WIDTH)]
    layers += [CompressedAttention(v4, layer) for layer in range(3)]
    return {name: layer.to(device).eval() for name, layer in zip(KINDS, layers, strict=True)}


def keys_read(kind: str, context: int) -> tuple[int, int]:
    """What the newest token's query reads of `context` tokens: entries with all heads, and with the indexer alone.

    Raises `ValueError` for another kind, and a context below 1.
    """
    require(kind in KINDS, "kind", kind, " or ".join(KINDS))
    require_whole(1, context=context)
    window = min(context, 128)
    return {
        "dense (MLA)": (context, 0),
        "DSA": (min(context, 2048), context if context > 2048 else 0),
        "window": (window, 0),
        "CSA": (window + min(context // 4, 512), context // 4),
        "HCA": (window + context // 128, 0),
    }[kind]


@torch.no_grad()
def filled_cache(layer: nn.Module, context: int) -> AttentionCache:
    """A cache as if `context` - 1 tokens had been read, of random numbers: what a step costs does not depend on them.

    Set its `length` back to `context` - 1 to repeat a step. Raises `ValueError` for a `context` below 1.
    """
    require_whole(1, context=context)
    cache = layer.new_cache(1, context)
    for name, slot in cache.slots.items():
        if not name.endswith("gate"):
            slot.normal_()
    if isinstance(cache, CompressedCache):
        for name in cache.ratios:
            cache.slots[f"{name}.before_gate"].zero_()
    cache.length = context - 1
    return cache
