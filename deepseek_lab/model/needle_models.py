"""Five small models for the needle task, alike but for what their two layers can read of a text.

"window": the newest 4 tokens, in both layers. "HCA": these and one entry for every 32 tokens. "CSA": these and the 4
best of the entries that are made every 4 tokens. "DSA": in the second layer the 8 best of all tokens. "dense": there
all tokens. The first three are V4's layers, which all bring a window; DSA is V3.2's and dense is MLA, which bring none,
so their first layer is V4's window. It tells each value which key stands before it. (Two layers of MLA can learn that
too, but later, and not with every seed.)
"""

from torch import nn

from deepseek_lab.attention.compressed import CompressedAttention
from deepseek_lab.attention.latent import MultiHeadLatentAttention
from deepseek_lab.attention.sparse_latent import SparseLatentAttention
from deepseek_lab.config import DeepSeekConfig, require
from deepseek_lab.config_fields import HEAVY, SLIDING, SPARSE
from deepseek_lab.model.small import SmallDecoder

NEEDLE_KINDS = ("window", "HCA", "CSA", "DSA", "dense")
HIDDEN, LAYERS, HEADS = 64, 2, 4
WINDOW, CSA_RATE, HCA_RATE = 4, 4, 32  # tokens
ENTRY_WIDTH = 32  # numbers in V4's one key, of a token or an entry
CSA_TOPK, DSA_TOPK = 4, 8  # entries; tokens
PARAMETERS = 120_000  # every kind has this many, to 0.5 %: the feed-forward layer takes up the slack


def needle_attention(kind: str) -> nn.Module:
    """One layer's attention, (B, T, M) -> (B, T, M). Indexers have 8 heads of 16 numbers.

    Raises `ValueError` for another kind.
    """
    require(kind in NEEDLE_KINDS, "kind", kind, " or ".join(NEEDLE_KINDS))
    shape = dict(
        hidden_size=HIDDEN, num_hidden_layers=1, num_attention_heads=HEADS, q_lora_rank=48, qk_rope_head_dim=8,
        rope_scaling=None,
    )  # fmt: skip
    if kind in ("DSA", "dense"):
        config = DeepSeekConfig.preset("v3").replace(**shape, kv_lora_rank=32, qk_nope_head_dim=16, v_head_dim=16)
        return MultiHeadLatentAttention(config) if kind == "dense" else SparseLatentAttention(config, DSA_TOPK, 8, 16)
    of_kind = {"window": SLIDING, "HCA": HEAVY, "CSA": SPARSE}[kind]
    config = DeepSeekConfig.preset("v4-flash").replace(
        **shape, head_dim=ENTRY_WIDTH, o_groups=2, o_lora_rank=32, index_topk=CSA_TOPK, index_n_heads=8,
        index_head_dim=16, sliding_window=WINDOW, compress_rate_csa=CSA_RATE, compress_rate_hca=HCA_RATE,
        compress_rope_theta=10000.0, layer_types=(of_kind,), mlp_layer_types=("moe",),
    )  # fmt: skip
    return CompressedAttention(config, 0)


def needle_model(kind: str, vocab_size: int) -> SmallDecoder:
    """Two layers, and the same number of parameters for every kind."""
    attentions = [needle_attention("window" if kind in ("DSA", "dense") else kind), needle_attention(kind)]
    fixed = sum(p.numel() for layer in attentions for p in layer.parameters())
    fixed += vocab_size * HIDDEN + (2 * LAYERS + 1) * HIDDEN  # embedding, norms
    intermediate = round((PARAMETERS - fixed) / (LAYERS * 3 * HIDDEN))
    return SmallDecoder(attentions, HIDDEN, intermediate, vocab_size)
