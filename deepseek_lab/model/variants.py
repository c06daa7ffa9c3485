"""MHA, GQA, MQA and MLA in one small model, each caching the same count of numbers per token and layer."""

from torch import nn

from deepseek_lab.attention import MultiHeadAttention, MultiHeadLatentAttention
from deepseek_lab.config import DeepSeekConfig, require
from deepseek_lab.model.small import SmallDecoder

KINDS = ("MHA", "GQA", "MQA", "MLA")
HIDDEN, LAYERS, HEADS = 128, 2, 8
GQA_GROUPS = 2
PARAMETERS = 420_000  # every variant has this many, to 0.1 %: the feed-forward layer takes up the slack


def equal_cache_attention(kind: str, cached_elements: int) -> nn.Module:
    """Attention with 8 query heads at hidden size 128 that caches `cached_elements` numbers per token.

    With a fixed number of heads the budget decides how wide keys and values can be: MHA has to split it into 8 keys
    and 8 values, GQA into 2 and 2, MQA into one of each. MLA spends 3/4 on the latent and 1/4 on the rotated key;
    its heads keep their width (16), because they are not what is cached. Raises `ValueError` for another kind, or
    numbers that it can't cache.
    """
    require(kind in KINDS, "kind", kind, " or ".join(KINDS))
    if kind == "MLA":
        rope = cached_elements // 4
        fits = rope >= 2 and rope % 2 == 0 and rope * 4 == cached_elements
        require(fits, "cached_elements", cached_elements, "a multiple of 8 for MLA")
        width = HIDDEN // HEADS
        return MultiHeadLatentAttention(
            DeepSeekConfig.preset("v3").replace(
                hidden_size=HIDDEN, num_attention_heads=HEADS, q_lora_rank=None, rope_scaling=None,
                kv_lora_rank=cached_elements - rope, qk_rope_head_dim=rope, qk_nope_head_dim=width, v_head_dim=width,
            )
        )  # fmt: skip
    groups = {"MHA": HEADS, "GQA": GQA_GROUPS, "MQA": 1}[kind]
    head_dim = cached_elements // (2 * groups)
    fits = head_dim % 2 == 0 and 2 * groups * head_dim == cached_elements and head_dim > 0
    require(fits, "cached_elements", cached_elements, f"a multiple of {4 * groups} for {kind}")
    return MultiHeadAttention(HIDDEN, HEADS, groups, head_dim)


def equal_cache_model(kind: str, cached_elements: int) -> SmallDecoder:
    """A two-layer byte-level model with that attention, and the same number of parameters for every kind."""
    attentions = [equal_cache_attention(kind, cached_elements) for _ in range(LAYERS)]
    fixed = sum(p.numel() for p in attentions[0].parameters()) * LAYERS
    fixed += 256 * HIDDEN + (2 * LAYERS + 1) * HIDDEN  # embedding, norms
    intermediate = round((PARAMETERS - fixed) / (LAYERS * 3 * HIDDEN))
    return SmallDecoder(attentions, HIDDEN, intermediate)
