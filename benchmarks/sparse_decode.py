"""One decoding step of one sparse attention layer: gathered (ours) against masked (transformers' DeepseekV32Attention).

    python benchmarks/sparse_decode.py

Same weights and cache contents; V3.2's widths of latent, head, indexer and top-k (2,048), with 16 heads and a hidden
width of 2,048, so that the masked form fits a small machine: it makes every key and value of every head at each step.
The ways take turns in one process; medians. The note has our absorbed MLA over all tokens, none of them scored.
"""

import statistics
from collections.abc import Iterator

import torch
from rows import Row, against_best, main, milliseconds, same_attention
from transformers import DeepseekV32Config, DynamicCache
from transformers.models.deepseek_v32.modeling_deepseek_v32 import DeepseekV32Attention, DeepseekV32RotaryEmbedding

from deepseek_lab import DeepSeekConfig
from deepseek_lab.attention.sparse_latent import SparseLatentAttention
from deepseek_lab.course.measure import interleaved_seconds
from deepseek_lab.course.setup import choose_device

LENGTHS = (4096, 8192, 16384, 32768)


def official_config(tiny: bool = False) -> DeepseekV32Config:
    """V3.2's attention with 16 heads and plain RoPE."""
    config = DeepseekV32Config(
        hidden_size=256 if tiny else 2048, num_hidden_layers=1, num_attention_heads=16, num_key_value_heads=16,
        rope_parameters={"rope_type": "default", "rope_theta": 1e4},
    )  # fmt: skip
    config._attn_implementation = "sdpa"
    return config


def ways(config, length: int, device: torch.device) -> dict:
    """The ways to compute the newest token's output, over a cache that holds `length` - 1 tokens before it."""
    torch.manual_seed(0)
    theirs = DeepseekV32Attention(config, layer_idx=0).eval().to(device)
    shape = dict(hidden_size=config.hidden_size, num_attention_heads=config.num_attention_heads, rope_scaling=None)
    sizes = config.index_topk, config.index_n_heads, config.index_head_dim
    ours = SparseLatentAttention(DeepSeekConfig(**shape), *sizes).eval().to(device)
    ours.load_state_dict(theirs.state_dict())
    cache, past = ours.new_cache(1, length), length - 1
    for slot in cache.slots.values():
        slot.normal_()
    latents, keys = cache.slots["entries"][:, :past], cache.slots["index_keys"][:, :past]
    c_kv, k_pe = latents.split([config.kv_lora_rank, config.qk_rope_head_dim], dim=-1)
    newest = torch.randn(1, 1, config.hidden_size, device=device)
    angles = DeepseekV32RotaryEmbedding(config).to(device)(newest, torch.tensor([[past]], device=device))
    mask = torch.ones(1, 1, 1, length, dtype=torch.bool, device=device)
    their_cache = DynamicCache(config=config)
    # They keep a rotated key's numbers as first halves of pairs, then second halves; we, like DeepSeek, pair by pair.
    their_k_pe = k_pe.unflatten(-1, (-1, 2)).mT.flatten(-2)
    kept = c_kv[:, None].clone(), their_k_pe[:, None].clone()
    probe = DynamicCache(config=config)
    theirs(newest, position_embeddings=angles, attention_mask=mask[..., :1], past_key_values=probe)
    if probe.layers[0].keys.shape[1] > 1:  # transformers 5.15 keeps every head's keys and values, not latents
        kept = theirs.expand_kv(*kept)
    their_cache.update(*kept, 0)
    layer = their_cache.layers[0]
    layer.update_indexer(keys.clone())

    def run_ours():
        cache.length = past
        return ours(newest, cache)

    def run_theirs():
        before = layer.keys, layer.values, layer.indexer_keys
        output = theirs(newest, position_embeddings=angles, attention_mask=mask, past_key_values=their_cache)[0]
        layer.keys, layer.values, layer.indexer_keys = before  # forget the token again
        return output

    def run_dense():
        cache.length, ours.index_topk = past, length
        output = ours(newest, cache)
        ours.index_topk = config.index_topk
        return output

    return {"gathered": run_ours, "dense": run_dense, "masked": run_theirs}


@torch.inference_mode()
def rows(rounds: int = 5, tiny: bool = False) -> Iterator[Row]:
    """A row for each number of cached tokens: seconds of a step."""
    device = choose_device()
    for length in (64,) if tiny else LENGTHS:
        alternatives = ways(official_config(tiny), length, device)
        error = same_attention([alternatives["gathered"]], alternatives["masked"]())
        seconds = interleaved_seconds(alternatives, rounds=rounds)
        dense = milliseconds(statistics.median(seconds.pop("dense")))
        note = f"Our MLA over all tokens {dense}. Both compute the same to {error:.0e}."
        case = f"{length:,} tokens cached"
        yield against_best("sparse attention layer, decoding", case, seconds, "transformers", note, ours="gathered")


if __name__ == "__main__":
    main(__doc__, rows, rounds=5)
