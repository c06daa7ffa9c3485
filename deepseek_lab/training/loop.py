"""Training a small model on random windows of text: AdamW, warm-up, decay, clipping."""

import math
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from deepseek_lab.training.corpus import Corpus, random_windows


def next_token_loss(model: nn.Module, windows: Tensor, reduction: str = "mean") -> Tensor:
    """Cross-entropy in nats of each token given those before it. `windows` (B, T + 1) holds inputs and targets."""
    logits = model(windows[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten(), reduction=reduction)


@torch.no_grad()
def validation_loss(model: nn.Module, corpus: Corpus, length: int, windows: int = 256, batch: int = 32) -> float:
    """Mean loss in nats per byte over the same held-out windows every time."""
    device = next(model.parameters()).device
    held_out = random_windows(corpus.validation, windows, length, torch.Generator().manual_seed(1234))
    losses = [next_token_loss(model, part.to(device)).item() * len(part) for part in held_out.split(batch)]
    return sum(losses) / windows


def train(
    model: nn.Module,
    corpus: Corpus,
    steps: int,
    *,
    batch: int = 16,
    length: int = 128,
    lr: float = 3e-3,
    seed: int = 0,
    prepare: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    loss: Callable[[nn.Module, Tensor], Tensor] = next_token_loss,
    after_step: Callable[[], None] | None = None,
    progress: Callable[[Iterable, str], Iterable] | None = None,
) -> list[float]:
    """Train in place; return what `loss` was at every step, by default in nats per byte.

    The same `seed` means the same batches for any model. `prepare` may change each batch of windows before it is
    used. `loss(model, windows)` is what is minimised; `after_step()` runs after each step of the optimizer.
    `progress(steps, label)` wraps the loop; the default prints a tqdm bar. The learning rate warms up over 5 % of the
    steps and follows a cosine to a tenth.
    """
    device = next(model.parameters()).device
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]  # norm scales: nothing to decay towards
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95), fused=True)
    generator, losses = torch.Generator().manual_seed(seed), []
    wrap = progress or (lambda loop, label: tqdm(loop, desc=label))
    model.train()
    for step in wrap(range(steps), "training"):
        for group in optimizer.param_groups:
            group["lr"] = lr * _schedule(step, steps)
        windows = random_windows(corpus.train, batch, length, generator)
        windows = windows if prepare is None else prepare(windows, generator)
        value = loss(model, windows.to(device))
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(value.item())
        if after_step is not None:
            after_step()
    model.eval()
    return losses


def _schedule(step: int, steps: int) -> float:
    warmup = max(1, round(0.05 * steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
