"""Train small MoE models with and without balancing, and coarse against fine experts; write data/moe_balance.json.

    python tools/moe_balance.py            # everything, resumes where it stopped
    python tools/moe_balance.py --workers 2

The models of the balancing experiment are alike but for the balancing. Coarse and fine experts have the same width in
total and the same width active for a token. Learning rates are chosen per method and per shape on a seed
that is not reported. Every finished run is written at once, so a stopped script carries on. Notebook 03 shows the
results and repeats one of the runs live.
"""

from pathlib import Path

import torch
from runs import Runs, workers

from deepseek_lab.model.small_moe import HIDDEN, LAYERS, small_moe
from deepseek_lab.training.balancing import Balancing, held_out_loads, violations
from deepseek_lab.training.domains import domain_corpora, mixed_corpus
from deepseek_lab.training.loop import train, validation_loss

OUTPUT = Path(__file__).resolve().parents[1] / "data" / "moe_balance.json"
STEPS, LENGTH = 600, 128
SHAPES = {  # routed experts, experts per token, expert width, shared experts, scale of the routed part (1 if not given)
    "16 of which 2, 1 shared": (16, 2, 128, 1),  # the model of the balancing experiment
    "16 of which 3": (16, 3, 128, 0),
    "64 of which 12": (64, 12, 32, 0),
    "64 of which 12, times 2": (64, 12, 32, 0, 2.0),  # as loud at the start as 16 of which 3
    "60 of which 8, 4 shared": (60, 8, 32, 4),
}
MAIN = next(iter(SHAPES))
BALANCING = [("none", 0.0), ("aux", 1e-3), ("aux", 1e-2), ("aux", 1e-1), ("bias", 3e-3), ("bias", 1e-2), ("bias", 3e-2)]
DEFAULT = {"none": 0.0, "aux": 1e-2, "bias": 1e-2}  # the strength at which a method's learning rate is chosen
SEEDS = (0, 1, 2)
TUNING_SEED, TUNING_RATES = 100, (2e-3, 4e-3, 8e-3)
CURVE = 20  # steps that each point of the MaxVio curve is the mean of


def run(shape: str, method: str, strength: float, seed: int, lr: float) -> dict:
    """One training run: its settings, its loss in nats per byte, and how even its experts' load is."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model, corpus = small_moe(*SHAPES[shape]), mixed_corpus()
    balancing = Balancing(model, method, strength)
    hooks = {"loss": balancing.loss, "after_step": balancing.after_step}
    train(model, corpus, STEPS, length=LENGTH, lr=lr, seed=seed, progress=lambda loop, label: loop, **hooks)
    overall, per_batch = violations(held_out_loads(model, corpus, LENGTH))
    curve = torch.tensor(balancing.violations).view(-1, CURVE).mean(dim=1)
    return {
        "shape": shape, "method": method, "strength": strength, "seed": seed, "lr": lr,
        "validation_loss": round(validation_loss(model, corpus, LENGTH), 4),
        "max_vio_global": round(overall, 4), "max_vio_batch": round(per_batch, 4),
        "training_max_vio": [round(v, 3) for v in curve.tolist()],
    }  # fmt: skip


def best_rate(rows: list[dict], shape: str, method: str) -> float:
    """The learning rate with the lowest loss on the tuning seed."""
    tuning = [r for r in rows if (r["shape"], r["method"], r["seed"]) == (shape, method, TUNING_SEED)]
    return min(tuning, key=lambda row: row["validation_loss"])["lr"]


def main() -> None:
    """Tune, then run every method and every shape with three seeds."""
    at_once = workers(__doc__)
    about = {
        "script": "tools/moe_balance.py",
        "task": "next byte; " + ", ".join(domain_corpora()) + " in equal shares",
        "hidden_size": HIDDEN,
        "layers": LAYERS,
        "steps": STEPS,
        "tokens_per_step": 16 * LENGTH,
    }
    runs = Runs(OUTPUT, ("shape", "method", "strength", "seed", "lr"), about)
    tuned = [(MAIN, method) for method in DEFAULT] + [(shape, "bias") for shape in SHAPES if shape != MAIN]
    runs.do(run, [(s, m, DEFAULT[m], TUNING_SEED, lr) for s, m in tuned for lr in TUNING_RATES], at_once)
    rates = {pair: best_rate(runs.rows, *pair) for pair in tuned}
    print("chosen learning rates:", rates, flush=True)
    for seed in SEEDS:
        jobs = [(MAIN, method, strength, seed, rates[MAIN, method]) for method, strength in BALANCING]
        jobs += [(shape, "bias", DEFAULT["bias"], seed, rates[shape, "bias"]) for shape in SHAPES if shape != MAIN]
        runs.do(run, jobs, at_once)


if __name__ == "__main__":
    main()
