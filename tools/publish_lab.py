"""Measure what tools/train_lab.py trained, and write data/checkpoints/lab: weights, tokenizer, results, model card.

    python tools/publish_lab.py

Held-out text is predicted by the lab's model, by the dense model with equal activated parameters and tokens, by a
5-gram that counted all of the training text, and by gzip. Python's parser judges completions of 200 function headers
that no model has seen.
"""

import argparse
import gzip
import json
import platform
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from train_lab import CONFIGS, PROMPTS, RECIPE, ROOT, STEPS, prepare

from deepseek_lab.course.setup import choose_device
from deepseek_lab.inference import complete_texts
from deepseek_lab.model.checkpoint import save_pretrained
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.training.data import TokenCorpus, python_documents
from deepseek_lab.training.evaluate import function_headers, parse_share
from deepseek_lab.training.ngram import NGram, bits_per_byte
from deepseek_lab.training.objective import held_out_loss
from deepseek_lab.training.pretrain import History, Recipe
from deepseek_lab.training.resume import load_state

TARGET = ROOT / "data" / "checkpoints" / "lab"
HEADERS, NEW_TOKENS, TEMPERATURES = 200, 128, (0.2, 0.6, 1.0)
EVERY = 25  # steps that each point of the published curve is the mean of


def trained(name: str, folder: Path, recipe: Recipe) -> tuple[DeepSeekForCausalLM, History]:
    """The model as its training left it, and what was seen."""
    model, history = DeepSeekForCausalLM(CONFIGS[name], mtp=True), History()
    optimizer = torch.optim.AdamW(model.parameters())
    done = load_state(folder / name, model, optimizer, history, recipe.objection)
    if done < recipe.steps:
        raise SystemExit(f"{name}: {done} of {recipe.steps} steps are done. Carry on with tools/train_lab.py")
    return model.to(choose_device()).eval(), history


def mtp_agreement(model: DeepSeekForCausalLM, tokens: torch.Tensor, length: int = 256) -> float:
    """How often the module's first choice is what the model itself will prefer one token later, on held-out text."""
    (module,), embed = model.mtp_modules, model.model.embed_tokens
    windows = tokens[: len(tokens) // length * length].view(-1, length).long().to(model.lm_head.weight.device)
    hits = count = 0
    with torch.no_grad():
        for part in windows.split(16):
            hidden = model.hidden_states(part)
            choice = model.lm_head(hidden).argmax(dim=-1)
            draft = model.lm_head(module(hidden[:, :-1], embed(part[:, 1:]))).argmax(dim=-1)
            hits += int((draft == choice[:, 1:]).sum())
            count += draft.numel()
    return hits / count


@torch.no_grad()
def loss_by_position(model: DeepSeekForCausalLM, tokens: torch.Tensor, length: int, parts: int = 8) -> list[float]:
    """Held-out loss in nats, for each eighth of the window: how much it helps to have more text before."""
    windows = tokens[: (len(tokens) - 1) // length * length + 1].unfold(0, length + 1, length)
    total = torch.zeros(length)
    for part in windows.split(16):
        part = part.long().to(model.lm_head.weight.device)
        logits = model(part[:, :-1]).transpose(1, 2)
        total += F.cross_entropy(logits, part[:, 1:], reduction="none").sum(dim=0).cpu()
    return [round(loss, 3) for loss in (total / len(windows)).view(parts, -1).mean(dim=1).tolist()]


def measure(models: dict[str, DeepSeekForCausalLM], tokenizer, corpus: TokenCorpus, length: int) -> dict:
    """Everything that the model card reports."""
    documents = python_documents()
    text = "".join(documents.validation).encode("utf-8")
    losses = {name: held_out_loss(model, corpus.validation, length) for name, model in models.items()}
    losses["5-gram"] = NGram(corpus.train, len(tokenizer)).loss(corpus.validation)
    bits = {n: bits_per_byte(loss, len(corpus.validation) - 1, corpus.validation_bytes) for n, loss in losses.items()}
    bits["gzip"] = 8 * len(gzip.compress(text, 9)) / len(text)
    headers, shares = function_headers(documents.validation, HEADERS), {}
    for name, model in models.items():
        shares[name] = {}
        for temperature in TEMPERATURES:
            answers = complete_texts(model, tokenizer, headers, NEW_TOKENS, temperature)
            share, _ = parse_share(headers, dict(zip(headers, answers, strict=True)).get)
            shares[name][str(temperature)] = share
            print(name, "temperature", temperature, "parse", share, flush=True)
    return {
        "held_out_nats_per_token": {name: round(loss, 4) for name, loss in losses.items()},
        "held_out_bits_per_byte": {name: round(value, 4) for name, value in bits.items()},
        "parsing_completions_of_200": shares,
        "loss_by_eighth_of_the_window": {
            name: loss_by_position(model, corpus.validation, length) for name, model in models.items()
        },
        "mtp_agreement": round(mtp_agreement(models["lab"], corpus.validation), 4),
        "train_tokens_available": len(corpus.train),
        "validation_tokens": len(corpus.validation),
        "validation_bytes": corpus.validation_bytes,
    }


def thinned(values: list[float]) -> list[float]:
    """The mean of each `EVERY` values."""
    return [round(part.mean().item(), 4) for part in torch.tensor(values).split(EVERY)]


def curve(history: History, samples: dict) -> dict:
    """The loss curve, and what was written on the way."""
    return {
        "steps": len(history.loss),
        "every": EVERY,
        "loss": thinned(history.loss),
        "mtp_loss": thinned(history.mtp_loss) if history.mtp_loss else [],
        "max_violation": thinned(history.max_violation) if history.max_violation else [],
        "validation": {str(step): round(loss, 4) for step, loss in history.validation.items()},
        "prompts": list(PROMPTS),
        "samples": samples,
    }


def write_json(path: Path, content: dict) -> None:
    """One value of the first level a line: readable, and small."""
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def card(results: dict, recipe: dict) -> str:
    """The model card."""
    bits, parse = results["held_out_bits_per_byte"], results["parsing_completions_of_200"]
    rows = "\n".join(
        f"| {name} | {bits[key]:.2f} | {shares} |"
        for name, key, shares in (
            ("**this model**", "lab", " / ".join(f"{100 * s:.0f} %" for s in parse["lab"].values())),
            ("dense, equal activated parameters and tokens", "dense",
             " / ".join(f"{100 * s:.0f} %" for s in parse["dense"].values())),
            ("5-gram (Kneser-Ney) that counted all the training text", "5-gram", ""),
            ("gzip -9", "gzip", ""),
        )
    )  # fmt: skip
    return CARD.format(
        rows=rows,
        temperatures=" / ".join(map(str, TEMPERATURES)),
        tokens=recipe["recipe"]["steps"] * recipe["recipe"]["batch"] * recipe["recipe"]["length"] / 1e6,
        available=results["train_tokens_available"] / 1e6,
        hours=recipe["seconds"]["lab"] / 3600,
        validation=results["validation_bytes"] / 1e3,
        agreement=100 * results["mtp_agreement"],
        **recipe,
    )


CARD = """---
library_name: transformers
pipeline_tag: text-generation
---

# The lab's model

A DeepSeek-V3 in everything but size, trained for the course deepseek_lab: multi-head latent attention, one dense layer
and three with 24 fine-grained experts (4 per token) and a shared one, balanced by the bias, and one multi-token
prediction module. {total:,} parameters, {activated:,} of them used for a token (without the embedding), and
{mtp:,} more in the prediction module. The files are in the format of DeepSeek's own checkpoints:

```python
from transformers import AutoModelForCausalLM, AutoTokenizer  # or: from deepseek_lab import load_pretrained

model = AutoModelForCausalLM.from_pretrained("data/checkpoints/lab")
tokenizer = AutoTokenizer.from_pretrained("data/checkpoints/lab")
```

transformers says that it doesn't use `model.layers.4.*`: that is the prediction module.

**What it is for.** To look at: routing, caches, drafting and sampling on real, trained weights. It writes text that
looks like Python. It does not write programs that work.

**Trained on** {tokens:.1f} million tokens out of {available:.1f} million: the standard library of Python {python} and
the packages installed beside it. Every 20th file of the standard library was held out ({validation:.0f} kB), and files
that copy it were left out.

**By** `{command}`, seed {seed}, on {device} with {threads} thread: {hours:.1f} hours, beside other work. The recipe is
in `recipe.json`, the loss curve with samples in `curve.json`, the results in `results.json`.

| | bits per byte of held-out text | completions that parse, at temperature {temperatures} |
|---|---|---|
{rows}

The dense model was trained without multi-token prediction. Both were trained once.

Completions are of 200 headers of functions from held-out files, up to 128 tokens, ended by the first line without
indentation or cut after the last whole line; `ast.parse` judges. That a text parses does not mean that it does what its
name says.

The prediction module's first choice is what the model itself prefers one token later for {agreement:.0f} % of held-out
tokens.
"""


def main() -> None:
    """Measure, then write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "lab")
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    recipe = Recipe(steps=options.steps, **RECIPE)
    tokenizer, corpus = prepare(options.folder)
    pairs = {name: trained(name, options.folder, recipe) for name in CONFIGS}
    lab, history = pairs["lab"]
    results = measure({name: model for name, (model, _) in pairs.items()}, tokenizer, corpus, recipe.length)
    total = sum(p.numel() for n, p in lab.named_parameters() if not n.startswith("model.layers.4."))
    experts = sum(p.numel() for n, p in lab.named_parameters() if ".experts." in n and "layers.4." not in n)
    config = CONFIGS["lab"]
    idle = experts - experts * config.num_experts_per_tok // config.n_routed_experts
    about = {
        "recipe": asdict(recipe),
        "total": total,
        "activated": total - idle - config.vocab_size * config.hidden_size,
        "mtp": sum(p.numel() for p in lab.parameters()) - total,
        "seed": recipe.seed,
        "device": "a CPU" if choose_device().type == "cpu" else torch.cuda.get_device_name(),
        "threads": "one",
        "seconds": {name: round(seen.seconds) for name, (_, seen) in pairs.items()},
        "python": platform.python_version(),
        "torch": torch.__version__,
        "command": f"python tools/train_lab.py lab --threads 1 --steps {options.steps}",
    }
    save_pretrained(lab, TARGET, tokenizer)
    samples = json.loads((options.folder / "lab" / "samples.json").read_text())
    write_json(TARGET / "recipe.json", about)
    write_json(TARGET / "results.json", results)
    write_json(TARGET / "curve.json", curve(history, samples) | {"dense_loss": thinned(pairs["dense"][1].loss)})
    (TARGET / "README.md").write_text(card(results, about), encoding="utf-8")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
