"""Absorbed or expanded MLA: is the form that needs fewer operations the faster one?

    python benchmarks/absorb.py

For 1 to 512 new tokens over 128 to 16,384 cached ones, one layer, both forms in turns in one process. The package
takes the form with fewer operations (`absorbing_is_cheaper`). A row adds up the steps of the whole table, each once:
"ours" in the form that the package takes, "theirs" in the other. Its note counts steps for which the other is faster.
--table prints every step: the form taken, its time, and its time over the other's (below 1, the choice is right).
"""

import statistics
from collections.abc import Iterator

import torch
from rows import Row, parser, report, same_attention

from deepseek_lab import DeepSeekConfig
from deepseek_lab.attention import MultiHeadLatentAttention
from deepseek_lab.attention.latent import absorbing_is_cheaper
from deepseek_lab.course.measure import interleaved_seconds
from deepseek_lab.course.setup import choose_device

NEW = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
CACHED = (128, 1024, 4096, 16384)
TINY_NEW, TINY_CACHED = (1, 64), (16,)
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
def measure(name: str, rounds: int, tiny: bool, table: bool) -> Row:
    """Every step of one shape, added up round by round."""
    torch.manual_seed(0)
    layer, device = MultiHeadLatentAttention(SHAPES[name]).to(choose_device()).eval(), choose_device()
    chosen_sums, other_sums, cells = [0.0] * rounds, [0.0] * rounds, []
    for new in TINY_NEW if tiny else NEW:
        for cached in TINY_CACHED if tiny else CACHED:
            both = forms(layer, new, cached, device)
            same_attention([both[True]], both[False]())  # this is the round that warms up, too
            seconds = interleaved_seconds(both, rounds=rounds, warmup=0)
            chosen = absorbing_is_cheaper(layer.config, new, cached + new)
            chosen_sums = [a + b for a, b in zip(chosen_sums, seconds[chosen], strict=True)]
            other_sums = [a + b for a, b in zip(other_sums, seconds[not chosen], strict=True)]
            own = statistics.median(seconds[chosen])
            cells.append((own / statistics.median(seconds[not chosen]), new, cached))
            if table:
                words = f"{new:4} new over {cached:6,} cached: {'absorbed' if chosen else 'expanded'}"
                print(f"{name}, {words} {1000 * own:8.2f} ms, {cells[-1][0]:.2f} of the other's", flush=True)
    worst, new, cached = max(cells)
    wrong = sum(ratio > 1 for ratio, _, _ in cells)
    lost = f"We lose in {wrong} of {len(cells)} steps, most at {new} new over {cached:,}: {worst:.2f} times the time."
    note = "" if wrong else "The form taken is the faster one in each step."
    case = f"{name}, {len(cells)} steps added up"
    group, versus = "MLA, the form that is taken", "our own other form"
    return Row(group, case, versus, chosen_sums, other_sums, note, lost if wrong else "")


def rows(rounds: int = 5, tiny: bool = False, table: bool = False) -> Iterator[Row]:
    """A row for each shape."""
    for name in list(SHAPES)[:1] if tiny else SHAPES:
        yield measure(name, rounds, tiny, table)


def main() -> None:
    """Read the command line."""
    arguments = parser(__doc__, rounds=5)
    arguments.add_argument("--table", action="store_true", help="print every step")
    options = arguments.parse_args()
    report(rows(options.rounds, options.tiny, options.table), options)


if __name__ == "__main__":
    main()
