"""Train the course's own model, and the dense model that it is compared with.

    python tools/train_lab.py lab            # an hour or two on two cores; stop it when you like, it carries on
    python tools/train_lab.py dense          # the same tokens, the same activated parameters
    python tools/publish_lab.py              # measures both, and writes data/checkpoints/lab

Texts are this Python's standard library and the installed packages. `--folder` holds what is between the steps: the
tokenizer, the tokens, and the state of both trainings. How many steps there are may be changed with `--steps` until the
learning rate begins to fall.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from deepseek_lab import DeepSeekConfig
from deepseek_lab.course.setup import choose_device
from deepseek_lab.inference import complete_texts
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.training.data import TokenCorpus, python_documents, train_tokenizer
from deepseek_lab.training.pretrain import History, Recipe, describe, pretrain

ROOT = Path(__file__).resolve().parents[1]
STEPS = 4500
RECIPE = dict(batch=8, length=256, lr=3e-3, warmup=100, decay=0.2, seed=0)
LAB = DeepSeekConfig.preset("lab")
# Every layer dense, with as many weights in all as one token uses of the lab's: equal activated parameters. A router is
# a matrix of hidden_size columns, as three of them are a unit of a SwiGLU's width.
SPARSE_WIDTH = (LAB.num_experts_per_tok + LAB.n_shared_experts) * LAB.moe_intermediate_size + LAB.n_routed_experts // 3
DENSE = LAB.replace(
    first_k_dense_replace=LAB.num_hidden_layers,
    intermediate_size=(LAB.intermediate_size + (LAB.num_hidden_layers - 1) * SPARSE_WIDTH) // LAB.num_hidden_layers,
    num_nextn_predict_layers=0,
)
PROMPTS = ("def quicksort(arr):\n", "class Stack:\n", "import os\n\ndef read_lines(path):\n")
SAMPLE_EVERY, SAMPLE_TOKENS, SAMPLE_TEMPERATURE = 250, 80, 0.6
CONFIGS = {"lab": LAB, "dense": DENSE}


def prepare(folder: Path) -> tuple[PreTrainedTokenizerFast, TokenCorpus]:
    """Tokenizer and tokens, made once and kept in the folder."""
    tokens = folder / "tokens.safetensors"
    if not tokens.exists():
        folder.mkdir(parents=True, exist_ok=True)
        documents = python_documents()
        tokenizer = train_tokenizer(documents.train[::2], LAB.vocab_size)
        tokenizer.save_pretrained(folder / "tokenizer")
        made = TokenCorpus.of(tokenizer, documents)
        size = torch.tensor(made.validation_bytes)
        tensors = {"train": made.train, "validation": made.validation, "validation_bytes": size}
        save_file(tensors, tokens.with_suffix(".tmp"))
        tokens.with_suffix(".tmp").replace(tokens)
    found = load_file(tokens)
    corpus = TokenCorpus(found["train"], found["validation"], int(found["validation_bytes"]))
    return AutoTokenizer.from_pretrained(folder / "tokenizer"), corpus


def train(name: str, folder: Path, recipe: Recipe) -> tuple[DeepSeekForCausalLM, History]:
    """Begin, or carry on, one of the two trainings; print a line now and then."""
    tokenizer, corpus = prepare(folder)
    torch.manual_seed(recipe.seed)
    model = DeepSeekForCausalLM(CONFIGS[name], mtp=True).to(choose_device())

    def report(done: int, history: History) -> None:
        if done % 100 == 0 or done == recipe.steps:
            held_out = list(history.validation.values())[-1:]
            print(f"{name} {done}/{recipe.steps}: {describe(history, recipe)}, held out {held_out}", flush=True)
        if done % SAMPLE_EVERY == 0 or done == recipe.steps:
            keep_samples(folder / name / "samples.json", done, model, tokenizer)

    history = pretrain(
        model,
        corpus,
        recipe,
        folder=folder / name,
        save_every=100,
        validate_every=500,
        after_step=report,
        progress=lambda loop, label: loop,
    )
    return model, history


def keep_samples(path: Path, step: int, model: DeepSeekForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Add what the model writes after the prompts to the file: {step: [text, ...]}."""
    model.eval()
    answers = complete_texts(model, tokenizer, PROMPTS, SAMPLE_TOKENS, SAMPLE_TEMPERATURE)
    model.train()
    samples = json.loads(path.read_text()) if path.exists() else {}
    samples[str(step)] = [prompt + text for prompt, (text, _) in zip(PROMPTS, answers, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(samples, indent=1))


def main() -> None:
    """Read the command line; train or publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["lab", "dense"])
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "lab")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(options.what, options.folder, Recipe(steps=options.steps, **RECIPE))


if __name__ == "__main__":
    main()
