"""Train MHA, GQA, MQA and MLA at equal cached elements and equal parameters; write data/attention_variants.json.

    python tools/attention_variants.py            # everything, resumes where it stopped
    python tools/attention_variants.py --workers 2

Learning rates are chosen per kind on a seed that is not reported. Every finished run is written at once, so a stopped
script carries on. Notebook 01 shows the result and repeats one seed of the short schedule live.
"""

from pathlib import Path

import torch
from runs import Runs, workers

from deepseek_lab.model.variants import HIDDEN, KINDS, LAYERS, PARAMETERS, equal_cache_model
from deepseek_lab.training.corpus import python_corpus
from deepseek_lab.training.loop import train, validation_loss

OUTPUT = Path(__file__).resolve().parents[1] / "data" / "attention_variants.json"
BUDGETS = (32, 64, 128)  # cached numbers per token and layer
SCHEDULES = {"short": 200, "long": 800}  # steps of 16 windows of 128 tokens
ORDINARY = ("MHA", 256)  # MHA with heads of full width, as a reference beyond the budgets
SEEDS = (0, 1, 2)
TUNING_SEED, TUNING_BUDGET, TUNING_RATES = 100, 64, (2e-3, 4e-3, 8e-3)


def run(kind: str, budget: int, steps: int, seed: int, lr: float) -> dict:
    """One training run: its settings and its validation loss in nats per byte."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = equal_cache_model(kind, budget)
    corpus = python_corpus()
    train(model, corpus, steps, lr=lr, seed=seed, progress=lambda loop, label: loop)
    loss = validation_loss(model, corpus, length=128)
    settings = {"kind": kind, "cached_elements": budget, "steps": steps, "seed": seed, "lr": lr}
    return settings | {"validation_loss": round(loss, 4)}


def best_rates(rows: list[dict]) -> dict[str, float]:
    """The learning rate with the lowest tuning loss, per kind."""
    rates = {}
    for kind in KINDS:
        tuning = [row for row in rows if row["kind"] == kind and row["seed"] == TUNING_SEED]
        rates[kind] = min(tuning, key=lambda row: row["validation_loss"])["lr"]
    return rates


def main() -> None:
    """Tune, then run every kind at every budget, schedule and seed."""
    at_once = workers(__doc__)
    about = {
        "script": "tools/attention_variants.py",
        "task": "next byte of the Python standard library",
        "hidden_size": HIDDEN,
        "layers": LAYERS,
        "parameters": PARAMETERS,
        "tokens_per_step": 16 * 128,
    }
    runs = Runs(OUTPUT, ("kind", "cached_elements", "steps", "seed", "lr"), about)
    tuning = [(k, TUNING_BUDGET, SCHEDULES["long"], TUNING_SEED, lr) for lr in TUNING_RATES for k in KINDS]
    runs.do(run, tuning, at_once)
    rates = best_rates(runs.rows)
    print("chosen learning rates:", rates, flush=True)
    shapes = [(kind, budget) for budget in BUDGETS for kind in KINDS] + [ORDINARY]
    jobs = [(k, e, n, s, rates[k]) for s in SEEDS for n in SCHEDULES.values() for k, e in shapes]
    runs.do(run, jobs, at_once)


if __name__ == "__main__":
    main()
