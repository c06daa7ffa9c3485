"""Small V4 models of transformers, and their names translated."""

import re

import torch
from hypothesis import strategies as st
from transformers import DeepseekV4Config

FORGOTTEN = 1e-4  # scores closer than this may change places by rounding
ATTENTION = {
    r"compressor\.indexer\.scorer\.": "indexer.",
    r"compressor\.indexer\.q_b_proj": "indexer.wq_b",
    r"compressor\.indexer\.": "indexer.compressor.",
    r"compressor\.kv_norm": "compressor.norm",
    r"q_a_proj": "wq_a", r"q_a_norm": "q_norm", r"q_b_proj": "wq_b", r"kv_proj": "wkv", r"gate_proj": "wgate",
    r"position_bias": "ape", r"o_a_proj": "wo_a", r"o_b_proj": "wo_b", r"sinks": "attn_sink",
}  # fmt: skip


def official_attention_name(name: str) -> str:
    """What the official checkpoints call a parameter of transformers' DeepseekV4Attention."""
    for theirs, official in ATTENTION.items():
        name = re.sub(theirs, official, name)
    return name.replace("compressor.kv_norm", "compressor.norm")


def V4(draw, **fields) -> DeepseekV4Config:
    """A random small config; `layer_types` decides how many layers it has."""
    rope, groups = 2 * draw(st.integers(1, 4)), draw(st.sampled_from([1, 2]))
    yarn = {"rope_type": "yarn", "factor": 16.0, "original_max_position_embeddings": 64}
    head_dim = rope * draw(st.integers(1, 3))
    config = DeepseekV4Config(
        **{
            **dict(
                hidden_size=draw(st.integers(4, 32)), num_hidden_layers=len(fields["layer_types"]),
                num_attention_heads=groups * draw(st.integers(1, 3)), head_dim=head_dim, qk_rope_head_dim=rope,
                q_lora_rank=draw(st.integers(4, 16)), o_groups=groups, o_lora_rank=draw(st.integers(2, 8)),
                sliding_window=draw(st.integers(2, 9)), index_topk=draw(st.integers(1, 4)),
                index_n_heads=draw(st.integers(16, 24)), index_head_dim=rope + draw(st.integers(0, 6)),
                compress_rates={
                    "compressed_sparse_attention": draw(st.integers(1, 5)),
                    "heavily_compressed_attention": draw(st.integers(1, 12)),
                },
                rope_parameters=draw(st.sampled_from([None, yarn])), max_position_embeddings=4096,
            ),
            **fields,
        }
    )  # fmt: skip
    config._attn_implementation = "eager"
    return config


def clear(scores: torch.Tensor | None, topk: int) -> bool:
    """Whether the last score that is picked is clearly above the first that isn't, for every query."""
    if scores is None or scores.shape[-1] <= topk:
        return True
    scores = scores.masked_fill(scores < -1e30, float("-inf"))  # some masks are the least number instead
    best = scores.topk(topk + 1, dim=-1).values
    gap = best[..., topk - 1] - best[..., topk]
    finite = scores[scores.isfinite()]
    return not len(finite) or bool((gap.nan_to_num(nan=1.0) > FORGOTTEN * finite.abs().max()).all())
