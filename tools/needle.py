"""Which kinds of attention copy a needle from far back? Train five kinds with three seeds; write data/needle.json.

    python tools/needle.py            # everything, resumes where it stopped
    python tools/needle.py --workers 2

The models are alike but for their attention, and see the same texts. Learning rates are chosen per kind on a seed that
is not reported. Every finished run is written at once, so a stopped script carries on. Notebook 02 shows the result
and trains one of the models live, on a shorter text.
"""

import dataclasses
import time
from pathlib import Path

import torch
from runs import Runs, workers

from deepseek_lab.model import needle_models as models
from deepseek_lab.training.needle import TOPICS, NeedleTask, distance_range, score_needle, train_needle

OUTPUT = Path(__file__).resolve().parents[1] / "data" / "needle.json"
TASK, STEPS = NeedleTask(), 450
SEEDS = (0, 1, 2)
TUNING_SEED, TUNING_RATES = 100, (5e-3, 1e-2)
GAPS = {"HCA": (32, 32)}  # in the first stages; others start with shorter ones, behind which HCA has no entries yet
CURVE = 25  # steps that each point of the curve is the mean of


def run(kind: str, seed: int, lr: float) -> dict:
    """One training run: its settings and what the model answers right afterwards."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model, started = models.needle_model(kind, TASK.vocab_size), time.perf_counter()
    own = {"gaps": GAPS[kind]} if kind in GAPS else {}
    copied = train_needle(model, TASK, STEPS, lr=lr, seed=seed, progress=lambda loop, label: loop, **own)
    seconds, score = time.perf_counter() - started, score_needle(model, TASK)
    return {
        "kind": kind, "seed": seed, "lr": lr, "steps": STEPS, "seconds": round(seconds, 1),
        "parameters": sum(p.numel() for p in model.parameters()),
        "exact": round(score.exact, 4), "token": round(score.token, 4), "gist": round(score.gist, 4),
        "by_distance": score.by_distance,
        "training_exact": [round(v, 3) for v in torch.tensor(copied).view(-1, CURVE).mean(dim=1).tolist()],
    }  # fmt: skip


def best_rate(rows: list[dict], kind: str) -> float:
    """The learning rate that answers most on the tuning seed, needles and gists counting alike."""
    tuning = [row for row in rows if row["kind"] == kind and row["seed"] == TUNING_SEED]
    return max(tuning, key=lambda row: row["exact"] + row["gist"])["lr"]


def main() -> None:
    """Tune, then run every kind with every seed."""
    at_once = workers(__doc__)
    about = {
        "script": "tools/needle.py",
        "task": dataclasses.asdict(TASK) | {"tokens": TASK.length, "distance": distance_range(TASK)},
        "steps": STEPS,
        "hidden_size": models.HIDDEN,
        "layers": models.LAYERS,
        "window": models.WINDOW,
        "tokens_per_entry": {"CSA": models.CSA_RATE, "HCA": models.HCA_RATE},
        "numbers_per_entry": models.ENTRY_WIDTH,
        "topk": {"CSA": models.CSA_TOPK, "DSA": models.DSA_TOPK},
        "chance": {"exact": TASK.values**-TASK.value_length, "token": 1 / TASK.values, "gist": 1 / TOPICS},
        "tuning_seed": TUNING_SEED,
        "learning_rates_tried": TUNING_RATES,
        "curriculum_gaps": {"HCA": GAPS["HCA"]},
    }
    runs = Runs(OUTPUT, ("kind", "seed", "lr"), about)
    runs.do(run, [(kind, TUNING_SEED, lr) for lr in TUNING_RATES for kind in models.NEEDLE_KINDS[::-1]], at_once)
    rates = {kind: best_rate(runs.rows, kind) for kind in models.NEEDLE_KINDS}
    runs.about["learning_rates"] = rates  # runs at other rates may be in the file, but aren't reported
    print("chosen learning rates:", rates, flush=True)
    runs.do(run, [(kind, seed, rates[kind]) for seed in SEEDS for kind in models.NEEDLE_KINDS[::-1]], at_once)
    runs.save()


if __name__ == "__main__":
    main()
