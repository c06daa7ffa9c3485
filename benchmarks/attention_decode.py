"""One decoding step of one MLA layer: ours absorbed and expanded, against transformers' DeepseekV2Attention.

    python benchmarks/attention_decode.py

Same weights, same cache contents, DeepSeek-V2-Lite's widths; the ways take turns in one process; medians. The cache is
filled before the clock starts. Prints a table of milliseconds and ratios, with the largest relative difference seen.
"""

import argparse

import torch
from transformers import DeepseekV2Config, DynamicCache
from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2Attention, DeepseekV2RotaryEmbedding

from deepseek_lab import DeepSeekConfig
from deepseek_lab.attention import MultiHeadLatentAttention
from deepseek_lab.course.measure import interleaved_medians
from deepseek_lab.course.setup import choose_device


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
def main() -> None:
    """Measure every batch size and context length, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds, device = parser.parse_args().rounds, choose_device()
    print(f"torch {torch.__version__}, {device.type}, {torch.get_num_threads()} threads, medians of {rounds} rounds")
    print("batch   cached   absorbed ms   expanded ms   transformers ms   absorbed is faster by   max difference")
    for batch in (1, 8):
        for length in (128, 1024, 4096):
            alternatives = ways(official_config(), batch, length, device)
            expected = alternatives["transformers"]()
            errors = [(way() - expected).abs().max() / expected.abs().max() for way in alternatives.values()]
            ms = {name: s * 1000 for name, s in interleaved_medians(alternatives, rounds=rounds).items()}
            ratios = f"{ms['expanded'] / ms['absorbed']:.1f}, {ms['transformers'] / ms['absorbed']:.1f} x"
            print(
                f"{batch:5} {length:8} {ms['absorbed']:13.2f} {ms['expanded']:13.2f} {ms['transformers']:17.2f}"
                f" {ratios:>23} {max(errors).item():16.1e}"
            )


if __name__ == "__main__":
    main()
