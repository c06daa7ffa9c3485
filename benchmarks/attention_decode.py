"""One decoding step of one MLA layer: ours absorbed and expanded, against transformers' DeepseekV2Attention.

    python benchmarks/attention_decode.py

Same weights, same cache contents, DeepSeek-V2-Lite's widths; the ways take turns in one process; medians. The cache is
filled before the clock starts. The note has our expanded form, which nothing but this comparison would take here.
"""

import statistics
from collections.abc import Iterator

import torch
from rows import Row, against_best, main, milliseconds, same_attention
from transformers import DeepseekV2Config, DynamicCache
from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2Attention, DeepseekV2RotaryEmbedding

from deepseek_lab import DeepSeekConfig
from deepseek_lab.attention import MultiHeadLatentAttention
from deepseek_lab.course.measure import interleaved_seconds
from deepseek_lab.course.setup import choose_device

CASES = [(batch, length) for batch in (1, 8) for length in (128, 1024, 4096)]


def official_config() -> DeepseekV2Config:
    """V2-Lite's attention, as transformers describes it, with plain RoPE (positions here stay below 16K)."""
    config = DeepseekV2Config(
        hidden_size=2048, num_attention_heads=16, num_key_value_heads=16, q_lora_rank=None, kv_lora_rank=512,
        qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128, max_position_embeddings=32768,
    )  # fmt: skip
    config._attn_implementation = "sdpa"
    return config


def ways(config, batch: int, length: int, device: torch.device) -> dict:
    """The three ways to compute the newest token's output, over a cache that holds `length` - 1 tokens before it."""
    torch.manual_seed(0)
    theirs = DeepseekV2Attention(config, layer_idx=0).eval().to(device)
    ours = MultiHeadLatentAttention(DeepSeekConfig.from_hf(config)).eval().to(device)
    ours.load_state_dict(theirs.state_dict())
    cache, their_cache = ours.new_cache(batch, length), DynamicCache()
    cache.slots["c_kv"].normal_()
    cache.slots["k_pe"].normal_()
    past = length - 1
    their_cache.update(cache.slots["c_kv"][:, None, :past].clone(), cache.slots["k_pe"][:, None, :past].clone(), 0)
    newest = torch.randn(batch, 1, config.hidden_size, device=device)
    angles = DeepseekV2RotaryEmbedding(config).to(device)(newest, torch.tensor([[past]], device=device))

    def run_ours(absorb):
        cache.length = past
        return ours(newest, cache, absorb=absorb)

    def run_theirs():
        output = theirs(newest, position_embeddings=angles, attention_mask=None, past_key_values=their_cache)[0]
        their_cache.crop(-1)  # forget the token again
        return output

    return {"absorbed": lambda: run_ours(True), "expanded": lambda: run_ours(False), "transformers": run_theirs}


@torch.inference_mode()
def rows(rounds: int = 7, tiny: bool = False) -> Iterator[Row]:
    """A row for each batch size and number of cached tokens: seconds of a step."""
    device = choose_device()
    for batch, length in [(1, 16)] if tiny else CASES:
        alternatives = ways(official_config(), batch, length, device)
        error = same_attention(alternatives.values(), alternatives["transformers"]())
        seconds = interleaved_seconds(alternatives, rounds=rounds)
        expanded = milliseconds(statistics.median(seconds.pop("expanded")))
        note = f"Ours expanded {expanded}. All compute the same to {error:.0e}."
        case = f"batch {batch}, {length:,} tokens cached"
        yield against_best("MLA layer, decoding", case, seconds, "transformers", note, ours="absorbed")


if __name__ == "__main__":
    main(__doc__, rows, rounds=7)
