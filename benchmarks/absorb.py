"""Absorbed or expanded MLA: is the form that needs fewer operations the faster one?

    python benchmarks/absorb.py

For 1 to 512 new tokens over 128 to 16,384 cached ones, one layer, both forms in turns in one process, medians. The
package takes the form with fewer operations (`absorbing_is_cheaper`); the table shows the time of the form it takes
over the time of the other one: below 1, the choice is right. The last lines count wrong choices, and what they cost.
"""

import argparse

import torch

from deepseek_lab import DeepSeekConfig
from deepseek_lab.attention import MultiHeadLatentAttention
from deepseek_lab.attention.latent import absorbing_is_cheaper
from deepseek_lab.course.measure import interleaved_medians
from deepseek_lab.course.setup import choose_device

NEW = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
CACHED = (128, 1024, 4096, 16384)
SHAPES = {
    "the lab's widths": DeepSeekConfig.preset("lab"),
    "V2-Lite's widths": DeepSeekConfig.preset("v2-lite").replace(rope_scaling=None),
}


def forms(layer: MultiHeadLatentAttention, new: int, cached: int, device: torch.device) -> dict:
    """Both forms of the same step, which is taken back each time."""
    cache = layer.new_cache(1, cached + new)
    for slot in cache.slots.values():
        slot.normal_()
    x = torch.randn(1, new, layer.config.hidden_size, device=device)

    def run(absorb: bool) -> torch.Tensor:
        cache.length = cached
        return layer(x, cache, absorb=absorb)

    return {True: lambda: run(True), False: lambda: run(False)}


@torch.inference_mode()
def table(name: str, rounds: int, device: torch.device) -> list[float]:
    """Print one table; -> for each cell, the time of the chosen form over that of the other."""
    layer = MultiHeadLatentAttention(SHAPES[name]).to(device).eval()
    print(f"\n{name}: chosen form (a absorbed, e expanded), its ms, and its time over the other's")
    print("new tokens" + "".join(f"{f'{cached:,} cached':>22}" for cached in CACHED))
    found = []
    for new in NEW:
        row = f"{new:10}"
        for cached in CACHED:
            seconds = interleaved_medians(forms(layer, new, cached, device), rounds=rounds)
            chosen = absorbing_is_cheaper(layer.config, new, cached + new)
            found.append(seconds[chosen] / seconds[not chosen])
            row += f"{'a' if chosen else 'e':>6} {seconds[chosen] * 1000:7.2f} {found[-1]:7.2f}"
        print(row, flush=True)
    return found


def main() -> None:
    """Print the tables and the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds, device = parser.parse_args().rounds, choose_device()
    print(f"torch {torch.__version__}, {device.type}, {torch.get_num_threads()} threads, medians of {rounds} rounds")
    for name in SHAPES:
        torch.manual_seed(0)
        found = table(name, rounds, device)
        wrong = [ratio for ratio in found if ratio > 1]
        print(f"wrong in {len(wrong)} of {len(found)}; at worst {max(found):.2f} times the time of the other form")


if __name__ == "__main__":
    main()
