"""Train the indexers that notebook 02 shows beside the lab's model: data/lab_indexers.safetensors and .json.

    python tools/lab_indexers.py     # ten minutes of one core

As in V3.2's warm-up the model is frozen and dense, and an indexer learns by KL what the layer attends to. Text is the
learner's Python standard library; what is measured at the end is its held-out part: how much of the layer's attention
falls on the 16 tokens, or the 4 entries, that an indexer picks, before training, after, and at best; and on the newest
16 or 4, which need no indexer.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer

from deepseek_lab import load_pretrained
from deepseek_lab.attention.sparse import caught
from deepseek_lab.attention.window import sees_entries
from deepseek_lab.model.lab_indexers import LAYER, RATES, LabIndexers, LayerInput
from deepseek_lab.training.data import pack, python_documents

DATA = Path(__file__).resolve().parent.parent / "data"
STEPS, BATCH, LENGTH, RATE_OF_LEARNING = 600, 4, 256, 2e-3
TOKENS, ENTRIES = 16, 4


@torch.no_grad()
def shares(indexers: LabIndexers, seen: LayerInput) -> dict[str, tuple[float, float, float]]:
    """Share of the attention to what may be chosen that falls on the chosen; at best; and on the newest."""
    weights = seen.weights
    found = {"tokens": _share(indexers.token_scores(seen), weights, TOKENS, None)}
    for rate in RATES:
        scores = indexers.entry_scores(seen, rate)
        tokens, entries = scores.shape[1:]
        complete = sees_entries(0, tokens, entries, rate)
        of_entry = weights[..., : entries * rate].unflatten(-1, (entries, rate)).sum(dim=-1) * complete
        found[str(rate)] = _share(scores, of_entry, ENTRIES, complete)
    return found


def _share(scores, weights, topk, seen) -> tuple[float, ...]:
    """Mean over queries with much to choose from."""
    newest = torch.arange(scores.shape[2], dtype=torch.float32).expand_as(scores)
    by = (scores, weights.sum(dim=1), newest)
    return tuple(round(caught(s, weights, topk, seen)[:, LENGTH // 2 :].mean().item(), 3) for s in by)


def main() -> int:
    """Train, measure, save."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = load_pretrained(DATA / "checkpoints" / "lab")
    tokenizer = AutoTokenizer.from_pretrained(DATA / "checkpoints" / "lab")
    documents = python_documents(packages=False)
    train, held_out = (pack(tokenizer, texts) for texts in (documents.train, documents.validation))
    windows = held_out[: 16 * LENGTH].view(16, LENGTH)
    indexers = LabIndexers(model.config)
    before = shares(indexers, LayerInput(model, windows))
    optimizer = torch.optim.AdamW(indexers.parameters(), RATE_OF_LEARNING, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE_OF_LEARNING, STEPS)
    for step in range(STEPS):
        starts = torch.randint(len(train) - LENGTH, (BATCH,))
        losses = indexers.losses(LayerInput(model, torch.stack([train[s : s + LENGTH] for s in starts])))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            print(step, {name: round(loss.item(), 3) for name, loss in losses.items()}, flush=True)
    after = shares(indexers, LayerInput(model, windows))
    report = {
        name: {"untrained": before[name][0], "newest": share[2], "trained": share[0], "best": share[1]}
        for name, share in after.items()
    }
    print(json.dumps(report, indent=1))
    about = dict(layer=LAYER, steps=STEPS, batch=BATCH, length=LENGTH, learning_rate=RATE_OF_LEARNING,
                 chosen_tokens=TOKENS, chosen_entries=ENTRIES, torch=torch.__version__)  # fmt: skip
    weights = {name: tensor.half().contiguous() for name, tensor in indexers.state_dict().items()}
    target = DATA / "lab_indexers.safetensors"
    save_file(weights, target.with_suffix(".tmp"))
    target.with_suffix(".tmp").replace(target)
    beside = DATA / "lab_indexers.tmp"
    beside.write_text(json.dumps({"about": about, "caught": report}, indent=1) + "\n")
    beside.replace(DATA / "lab_indexers.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
