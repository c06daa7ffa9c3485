"""What speculation brings on the lab's model, on held-out text: how many guesses are kept, and how much faster it is.

    python tools/measure_speculation.py

Prints a table for greedy decoding and one for temperature 0.8. All drafters continue the same prompts, in turns.
"""

import argparse
from pathlib import Path

import torch
from transformers import AutoTokenizer

from deepseek_lab import generate, load_pretrained
from deepseek_lab.course.measure import interleaved_medians
from deepseek_lab.inference.drafters import Drafter, MTPDrafter, PromptLookup
from deepseek_lab.inference.speculative import Speculation, speculate
from deepseek_lab.training.data import pack, python_documents

LAB = Path(__file__).resolve().parents[1] / "data" / "checkpoints" / "lab"
PROMPT, NEW = 96, 128  # tokens; together less than the 256 that the model was trained on


def prompts(count: int) -> list[torch.Tensor]:
    """`count` pieces (1, PROMPT) from the standard library's held-out files, evenly spread."""
    packed = pack(AutoTokenizer.from_pretrained(LAB), python_documents(packages=False).validation).long()
    starts = torch.linspace(0, len(packed) - PROMPT - 1, count + 2)[1:-1].long()
    return [packed[None, start : start + PROMPT] for start in starts.tolist()]


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is timed")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, texts = load_pretrained(LAB, mtp=True), prompts(options.prompts)
    drafters: dict[str, Drafter] = {f"MTP, {k} tokens": MTPDrafter(model, k) for k in (1, 2, 3)}
    drafters |= {f"lookup, {k} tokens": PromptLookup(tokens=k) for k in (4,)}
    for temperature in (0.0, 0.8):
        made: dict[str, list[Speculation]] = {}

        def run(name: str, temperature: float = temperature, made: dict = made) -> None:
            generator = torch.Generator().manual_seed(0)
            made[name] = [speculate(model, ids, NEW, drafters[name], temperature, generator=generator) for ids in texts]

        def plain(temperature: float = temperature) -> list[torch.Tensor]:
            generator = torch.Generator().manual_seed(0)
            return [generate(model, ids, NEW, temperature, generator=generator) for ids in texts]

        calls = {"plain": plain} | {name: lambda name=name: run(name) for name in drafters}
        seconds = interleaved_medians(calls, rounds=options.rounds, warmup=1)
        total = len(texts) * NEW
        print(f"\ntemperature {temperature}: {total} tokens")
        print(f"{'':18}{'kept':>8}{'forwards/token':>17}{'tokens/forward':>17}{'tokens/s':>11}{'speed':>8}")
        print(f"{'plain':18}{'':8}{1:17.2f}{1:17.2f}{total / seconds['plain']:11.0f}{1:8.2f}")
        for name, results in made.items():
            guesses = sum(len(each.drafted) for result in results for each in result.rounds)
            kept = sum(each.accepted for result in results for each in result.rounds) / max(guesses, 1)
            forwards = sum(result.forwards for result in results)
            speed = seconds["plain"] / seconds[name]
            print(
                f"{name:18}{100 * kept:6.1f} %{forwards / total:17.2f}{total / forwards:17.2f}"
                f"{total / seconds[name]:11.0f}{speed:8.2f}"
            )
            if temperature == 0:
                same = sum(torch.equal(a.tokens, b) for a, b in zip(results, plain(), strict=True))
                print(f"{'':18}{same} of {len(texts)} texts are those of plain decoding")


if __name__ == "__main__":
    main()
