"""Train a small model with and without multi-token prediction; write data/mtp_effect.json.

    python tools/mtp_effect.py            # everything, resumes where it stopped

The models are alike and see the same batches; one of the two also answers MTP's question about every position.
Notebook 04 shows the result.
"""

from functools import cache
from pathlib import Path

import torch
from runs import Runs, workers

from deepseek_lab import DeepSeekConfig
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.training.data import TokenCorpus, python_documents, train_tokenizer
from deepseek_lab.training.pretrain import Recipe, pretrain

OUTPUT = Path(__file__).resolve().parents[1] / "data" / "mtp_effect.json"
CONFIG = DeepSeekConfig.preset("lab").replace(vocab_size=1024, hidden_size=96, num_hidden_layers=2)
STEPS, BATCH, LENGTH = 600, 8, 128
WEIGHTS = (0.0, 0.3)
SEEDS = (0, 1, 2)


@cache
def corpus() -> TokenCorpus:
    """The standard library; the same on every call."""
    documents = python_documents(packages=False)
    return TokenCorpus.of(train_tokenizer(documents.train, CONFIG.vocab_size), documents)


def run(weight: float, seed: int) -> dict:
    """One training: its settings, and the held-out loss of the next token in nats."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = DeepSeekForCausalLM(CONFIG, mtp=weight > 0)
    recipe = Recipe(steps=STEPS, batch=BATCH, length=LENGTH, mtp_weight=weight, seed=seed)
    history = pretrain(model, corpus(), recipe, progress=lambda loop, label: loop)
    row = {"mtp_weight": weight, "seed": seed, "validation_loss": round(history.validation[STEPS], 4)}
    if weight:
        row["mtp_loss"] = round(sum(history.mtp_loss[-50:]) / 50, 4)
    return row


def main() -> None:
    """Every weight with every seed."""
    at_once = workers(__doc__)
    about = {
        "script": "tools/mtp_effect.py",
        "task": "next token of the Python standard library, vocabulary 1024",
        "hidden_size": CONFIG.hidden_size,
        "layers": CONFIG.num_hidden_layers,
        "steps": STEPS,
        "tokens_per_step": BATCH * LENGTH,
    }
    Runs(OUTPUT, ("mtp_weight", "seed"), about).do(run, [(w, s) for s in SEEDS for w in WEIGHTS], at_once)


if __name__ == "__main__":
    main()
