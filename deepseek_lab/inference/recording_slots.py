"""What each kind of attention keeps, as its modules say: input of the cache stepper (`viz.decode_cache`)."""

import torch

from deepseek_lab.attention import MultiHeadAttention, MultiHeadLatentAttention
from deepseek_lab.attention.cache import Slot
from deepseek_lab.attention.compressed import CompressedAttention
from deepseek_lab.attention.sparse_latent import SparseLatentAttention
from deepseek_lab.config import DeepSeekConfig, require

Layout = list[tuple[str, int, dict[str, Slot]]]  # kind of layer, how many there are, what each keeps


def cache_layouts(v3: DeepSeekConfig, v32: DeepSeekConfig, v4: DeepSeekConfig, groups: int = 8) -> dict[str, Layout]:
    """Name -> kinds of layers: v3's heads with keys and values (MHA, GQA), v3's MLA, and the two later models.

    Nothing is allocated: modules are made on the "meta" device, and asked for their slots. Raises `ValueError` if
    `groups` doesn't divide v3's heads.
    """
    heads = v3.num_attention_heads
    require(heads % groups == 0, "groups", groups, f"a divisor of the {heads} heads")

    def plain(key_heads: int) -> dict[str, Slot]:
        return MultiHeadAttention(v3.hidden_size, heads, key_heads, v3.v_head_dim).cache_slots()

    with torch.device("meta"):
        layouts = {
            "MHA": [("", v3.num_hidden_layers, plain(heads))],
            f"GQA-{groups}": [("", v3.num_hidden_layers, plain(groups))],
            "MLA": [("", v3.num_hidden_layers, MultiHeadLatentAttention(v3).cache_slots())],
            "V3.2": [("", v32.num_hidden_layers, SparseLatentAttention(v32).cache_slots())],
            "V4": [_v4_layers(v4, kind) for kind in dict.fromkeys(v4.layer_types)],
        }
    return layouts


def _v4_layers(v4: DeepSeekConfig, kind: str) -> tuple[str, int, dict[str, Slot]]:
    slots = CompressedAttention(v4, v4.layer_types.index(kind)).cache_slots()
    name = "sliding" if len(slots) == 1 else "CSA" if "indexer.entries" in slots else "HCA"
    return name, v4.layer_types.count(kind), slots
