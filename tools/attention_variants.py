"""Train MHA, GQA, MQA and MLA at equal cached elements and equal parameters; write data/attention_variants.json.

    python tools/attention_variants.py            # everything, resumes where it stopped
    python tools/attention_variants.py --workers 2

Learning rates are chosen per kind on a seed that is not reported. Every finished run is written at once, so a stopped
script carries on. Notebook 01 shows the result and repeats one seed of the short schedule live.
"""

import argparse
import json
import platform
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import torch

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


def key(row: dict) -> tuple:
    """What makes a run the same run."""
    return tuple(row[name] for name in ("kind", "cached_elements", "steps", "seed", "lr"))


def run_all(jobs: list[tuple], done: list[dict], workers: int) -> list[dict]:
    """Run the jobs that are not done yet, in `workers` processes of one thread each, saving after each."""
    finished = {key(row) for row in done}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(run, *job) for job in jobs if job not in finished]):
            done.append(future.result())
            print(done[-1], flush=True)
            save(done)
    return done


def best_rates(rows: list[dict]) -> dict[str, float]:
    """The learning rate with the lowest tuning loss, per kind."""
    rates = {}
    for kind in KINDS:
        tuning = [row for row in rows if row["kind"] == kind and row["seed"] == TUNING_SEED]
        rates[kind] = min(tuning, key=lambda row: row["validation_loss"])["lr"]
    return rates


def save(rows: list[dict]) -> None:
    """Write beside, then rename."""
    about = {
        "script": "tools/attention_variants.py",
        "task": "next byte of the Python standard library",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "hidden_size": HIDDEN,
        "layers": LAYERS,
        "parameters": PARAMETERS,
        "tokens_per_step": 16 * 128,
    }
    beside = OUTPUT.with_suffix(".tmp")
    lines = ",\n".join("  " + json.dumps(row) for row in sorted(rows, key=key))
    beside.write_text('{"about": ' + json.dumps(about) + ',\n "runs": [\n' + lines + "\n]}\n")
    beside.replace(OUTPUT)


def main() -> None:
    """Tune, then run every kind at every budget, schedule and seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    workers = parser.parse_args().workers
    rows = json.loads(OUTPUT.read_text())["runs"] if OUTPUT.exists() else []
    tuning = [(k, TUNING_BUDGET, SCHEDULES["long"], TUNING_SEED, lr) for lr in TUNING_RATES for k in KINDS]
    rows = run_all(tuning, rows, workers)
    rates = best_rates(rows)
    print("chosen learning rates:", rates, flush=True)
    shapes = [(kind, budget) for budget in BUDGETS for kind in KINDS] + [ORDINARY]
    jobs = [(k, e, n, s, rates[k]) for s in SEEDS for n in SCHEDULES.values() for k, e in shapes]
    run_all(jobs, rows, workers)


if __name__ == "__main__":
    main()
