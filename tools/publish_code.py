"""Measure what tools/train_code.py trained, and write data/checkpoints/code: weights, tokenizer, results, model card.

    python tools/publish_code.py             # about 40 minutes beside other work

The model and the lab's model, which it grew from, complete programs of three splits: wordings that were trained on, new
wordings of the same families, and families that were not. What they write runs in the sandbox, against unit tests.
"""

import argparse
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from publish_lab import thinned, write_json
from tqdm import tqdm
from train_code import LAB, ROOT, STAGES, TEXTS
from transformers import AutoTokenizer

from deepseek_lab import load_pretrained, save_pretrained
from deepseek_lab.applications.checkpoints import open_writer
from deepseek_lab.applications.code import Measured, measure, summary
from deepseek_lab.applications.programs import FAMILIES, HELD_OUT_FAMILIES, SPLITS, draw
from deepseek_lab.applications.sandbox import isolation
from deepseek_lab.course.setup import choose_device
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.training.pretrain import History
from deepseek_lab.training.resume import load_state

TARGET = ROOT / "data" / "checkpoints" / "code"
TEMPERATURES = {"pass@1": 0.2, "pass@10": 0.8}  # as in the paper: low for one try, high for many
SAMPLES = {"code": 20, "lab": 10}
COUNTS = {  # programs of each split; of the lab's model fewer: next to nothing of it works, and it writes on and on
    "code": {"train": 52, "new wording": 206, "new family": 65},
    "lab": {"train": 26, "new wording": 52, "new family": 26},
}
SWEEP, SWEPT = (0.2, 0.5, 0.8, 1.1), 52  # temperatures, programs in new wordings
SEED = 1_000  # not one of the training's


def trained(folder: Path) -> tuple[DeepSeekForCausalLM, dict[str, History]]:
    """The model as its training left it, and what was seen in each stage."""
    model, seen = load_pretrained(LAB), {}
    for stage, recipe in STAGES.items():
        seen[stage] = History()
        optimizer = torch.optim.AdamW(model.parameters())
        done = load_state(folder / stage, model, optimizer, seen[stage], recipe.objection)
        if done < recipe.steps:
            raise SystemExit(f"{stage}: {done} of {recipe.steps} steps are done. Carry on with tools/train_code.py")
    return model.to(choose_device()).eval(), seen


def scores(name: str, folder: Path) -> dict:
    """For each split the greedy score, pass@1 and pass@10 with intervals, and which families never work."""
    writer, found = open_writer(str(folder), lab=LAB, device=choose_device()), {}
    for split, count in COUNTS[name].items():
        programs, rows = draw(SEED, count, split), {}
        for key, temperature in TEMPERATURES.items():
            measured = measure(writer, programs, SAMPLES[name], temperature=temperature, progress=tqdm)
            rows |= {which: asdict(value) for which, value in summary(measured).items() if which in ("greedy", key)}
        found[split] = {"programs": count, **rows, "by family": by_family(measured)}
        print(name, split, {key: round(row["value"], 3) for key, row in rows.items()}, flush=True)
    return found


def swept() -> dict[str, list[int]]:
    """For each temperature, how many of the samples of each program worked."""
    writer, programs = open_writer(str(TARGET), lab=LAB, device=choose_device()), draw(SEED + 1, SWEPT, "new wording")
    found = {}
    for temperature in SWEEP:
        measured = measure(writer, programs, SAMPLES["code"], temperature=temperature, progress=tqdm)
        found[str(temperature)] = [sum(each.samples) for each in measured]
        print("temperature", temperature, sum(found[str(temperature)]) / SWEPT / SAMPLES["code"], flush=True)
    return found


def by_family(measured: Sequence[Measured]) -> dict[str, float]:
    """Greedy score of each family that isn't always right."""
    families: dict[str, list[bool]] = {}
    for each in measured:
        families.setdefault(each.program.family, []).append(each.greedy)
    means = {name: sum(values) / len(values) for name, values in sorted(families.items())}
    return {name: round(mean, 3) for name, mean in means.items() if mean < 1}


def curve(history: History) -> dict:
    """The loss of a stage, thinned, and the loss on programs in new wordings, by step."""
    validation = {str(step): round(loss, 4) for step, loss in history.validation.items()}
    return {"loss": thinned(history.loss), "new wordings": validation}


def card(results: dict, about: dict) -> str:
    """The model card."""
    rows = "\n".join(
        f"| {split} | {name} | " + " | ".join(shown(part[key]) for key in ("greedy", "pass@1", "pass@10")) + " |"
        for split in SPLITS
        for name, part in (("**this model**", results["code"][split]), ("the lab's model", results["lab"][split]))
    )
    return CARD.format(rows=rows, samples=SAMPLES, **about)


def shown(row: dict[str, float]) -> str:
    """A share with its interval."""
    return f"{100 * row['value']:.1f} % ({100 * row['low']:.0f} to {100 * row['high']:.0f})"


CARD = """---
library_name: transformers
pipeline_tag: text-generation
---

# The lab's code model

The lab's model (`data/checkpoints/lab`), trained on, in two stages, with {texts:,} texts each of small programs that
the course generates (`deepseek_lab.applications.programs`) and the standard library of Python {python}. Same
architecture: DeepSeek-V3 in everything but size, {total:,} parameters; the multi-token prediction module is left out.
The files are in the format of DeepSeek's own checkpoints, and transformers' `AutoModelForCausalLM` opens them.

**What it is for.** To write small functions and classes of the kinds it was trained on, from a head, a docstring or a
comment in words it may not have seen; and to show what it can't do. Run what it writes in
`deepseek_lab.applications.sandbox`.

**By** `{command}`, on {device} with one thread: {minutes} minutes, beside other work. The recipes are in
`recipe.json`, the loss curves in `curve.json`, the results in `results.json`; `tools/publish_code.py` measured them.

| prompts | model | likeliest answer | pass@1 (temperature 0.2) | pass@10 (0.8) |
|---|---|---|---|---|
{rows}

"train": wordings that were trained on, with names and tests drawn anew. "new wording": the same {families} families,
asked for in words that were held out. "new family": {held_out} tasks of which training had nothing.
{samples[code]} samples for each prompt ({samples[lab]} of the lab's model); an answer counts if it passes all tests. In
brackets, 95 % intervals by drawing whole families again.
"""


def main() -> None:
    """Measure, then write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "code")
    options = parser.parse_args()
    if missing := isolation().missing:
        raise SystemExit("Generated programs are not run here: " + " ".join(missing))
    model, seen = trained(options.folder)
    tokenizer = AutoTokenizer.from_pretrained(LAB)
    save_pretrained(model, TARGET, tokenizer)
    results = {"code": scores("code", TARGET), "temperatures": swept(), "lab": scores("lab", LAB)}
    about = {
        "recipes": {stage: asdict(recipe) for stage, recipe in STAGES.items()},
        "texts": TEXTS,
        "total": sum(parameter.numel() for parameter in model.parameters()),
        "families": len(FAMILIES) - len(HELD_OUT_FAMILIES),
        "held_out": len(HELD_OUT_FAMILIES),
        "device": "a CPU" if choose_device().type == "cpu" else torch.cuda.get_device_name(),
        "minutes": round(sum(history.seconds for history in seen.values()) / 60),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "command": "python tools/train_code.py --threads 1",
    }
    write_json(TARGET / "recipe.json", about)
    write_json(TARGET / "results.json", results)
    write_json(TARGET / "curve.json", {stage: curve(history) for stage, history in seen.items()})
    (TARGET / "README.md").write_text(card(results, about), encoding="utf-8")


if __name__ == "__main__":
    main()
