"""Pretraining as DeepSeek-V3 does it, at any size: one recipe, one loop, checkpoints that lose nothing.

A run that was killed and resumed ends with the same bits as one that was not: batches depend on the step alone, and
weights, optimizer state and losses so far are all in the checkpoint.
"""

import json
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from deepseek_lab.config import is_number, is_whole, require
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.moe.balance import max_violation, update_bias
from deepseek_lab.training.data import PackedWindows, TokenCorpus
from deepseek_lab.training.objective import held_out_loss, pretraining_losses
from deepseek_lab.training.resume import load_state, save_state

SMOOTHED = 20  # steps that the progress bar's loss is the mean of


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training but the model and the text. The numbers are for models of a few million."""

    steps: int
    batch: int = 16  # windows per step
    length: int = 256  # tokens per window
    lr: float = 3e-3  # of the stable phase
    warmup: int = 100  # steps of linear rise
    decay: float = 0.2  # the last share of the steps, in which the rate falls linearly to a twentieth
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = 1.0  # largest norm of the whole gradient
    mtp_weight: float = 0.3  # until the decay; a third of it from there on
    balance_weight: float = 1e-4
    bias_rate: float = 3e-3  # until the decay; 0 from there on
    seed: int = 0

    def __post_init__(self):
        for name in ("steps", "batch", "length"):
            value = getattr(self, name)
            require(is_whole(value) and value >= 1, name, value, "a whole number of at least 1")
        require(is_whole(self.warmup) and self.warmup >= 0, "warmup", self.warmup, "a whole number of at least 0")
        for name in ("lr", "clip"):
            value = getattr(self, name)
            require(is_number(value) and value > 0, name, value, "a number above 0")
        for name in ("weight_decay", "mtp_weight", "balance_weight", "bias_rate"):
            value = getattr(self, name)
            require(is_number(value) and value >= 0, name, value, "a number of at least 0")
        require(is_number(self.decay) and 0 <= self.decay <= 1, "decay", self.decay, "a number from 0 to 1")

    @property
    def decay_start(self) -> int:
        """The first step of the decay."""
        return self.steps - round(self.decay * self.steps)

    def objection(self, saved: dict, done: int) -> str | None:
        """Why a training begun with another recipe can't go on with this one; None if it can.

        The number of steps may change until either decay begins: before it, no step depends on how many there will be.
        """
        wanted = json.loads(json.dumps(asdict(self)))  # tuples as lists, as in a saved recipe
        for name in sorted(wanted.keys() | saved.keys()):
            before, now = saved.get(name), wanted.get(name)
            if before != now and name != "steps":
                return f"{name} was {before!r} and is now {now!r}"
        old = replace(self, steps=saved["steps"])
        if old.steps != self.steps and done > min(old.decay_start, self.decay_start):
            return f"steps was {old.steps} and is now {self.steps}, but after {done} steps a decay has begun"
        return None

    def decays(self, step: int) -> bool:
        """Whether the step belongs to the last phase."""
        return step >= self.decay_start

    def rate(self, step: int) -> float:
        """The learning rate of a step: warm-up, stable, decay."""
        rise = min(1.0, (step + 1) / (self.warmup + 1))
        if not self.decays(step):
            return self.lr * rise
        left = (self.steps - step) / (self.steps - self.decay_start + 1)  # from just under 1 to just above 0
        return self.lr * min(rise, 0.05 + 0.95 * left)


@dataclass
class History:
    """What a training has seen so far: one entry for each step, and validation losses by the step they came after."""

    loss: list[float] = field(default_factory=list)  # nats per token, next token alone
    mtp_loss: list[float] = field(default_factory=list)  # the first module's
    max_violation: list[float] = field(default_factory=list)  # MaxVio of the batch, mean over routers
    gradient_norm: list[float] = field(default_factory=list)  # before clipping
    validation: dict[int, float] = field(default_factory=dict)  # nats per token
    seconds: float = 0.0  # of computing, over all sessions


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Matrices decay, vectors (norm scales, biases) don't: they have nothing to decay towards."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    matrices, vectors = ([p for p in parameters if (p.dim() >= 2) is wide] for wide in (True, False))
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def pretrain(
    model: DeepSeekForCausalLM,
    corpus: TokenCorpus,
    recipe: Recipe,
    *,
    folder: Path | None = None,
    save_every: int = 200,
    validate_every: int | None = None,
    after_step: Callable[[int, History], None] | None = None,
    progress: Callable[[Iterable, str], Iterable] | None = None,
) -> History:
    """Train in place; return what was seen.

    With a `folder`, the state is written there every `save_every` steps and at the end, and a training that finds one
    carries on from it; the recipe must be the same. `validate_every` steps, and at the end, all of the validation text
    is predicted. `after_step(done, history)` may look, sample or draw. On CUDA, products run in bf16 by autocast;
    weights, gradients and the optimizer stay in fp32. `progress(steps, label)` wraps the loop (default: a tqdm bar).
    """
    device = model.lm_head.weight.device
    windows = PackedWindows(corpus.train, recipe.length, recipe.batch, recipe.seed)
    optimizer = torch.optim.AdamW(
        parameter_groups(model, recipe.weight_decay), lr=recipe.lr, betas=recipe.betas, fused=device.type != "mps"
    )
    history, done = History(), 0
    if folder is not None:
        done = load_state(folder, model, optimizer, history, recipe.objection)
    wrap = progress or (lambda loop, label: tqdm(loop, desc=label, initial=done, total=recipe.steps, unit="step"))
    loop = wrap(range(done, recipe.steps), "pretraining")
    model.train()
    for step in loop:
        start = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        train_step(model, optimizer, windows.batch_at(step).to(device), recipe, step, history)
        history.seconds += time.perf_counter() - start
        done = step + 1
        if hasattr(loop, "set_postfix_str"):
            loop.set_postfix_str(describe(history, recipe), refresh=False)
        if done == recipe.steps or (validate_every and done % validate_every == 0):
            history.validation[done] = held_out_loss(model, corpus.validation, recipe.length)
        if folder is not None and (done % save_every == 0 or done == recipe.steps):
            save_state(folder, model, optimizer, history, asdict(recipe))
        if after_step is not None:
            after_step(done, history)
    model.eval()
    return history


def train_step(
    model: DeepSeekForCausalLM,
    optimizer: torch.optim.Optimizer,
    windows: Tensor,
    recipe: Recipe,
    step: int,
    history: History,
) -> None:
    """One step: losses, gradients, clipping, AdamW, then the routers' biases; appends to `history`.

    Raises `ValueError` if the loss isn't finite.
    """
    device, last = windows.device.type, recipe.decays(step)
    advice = f"if the training diverged, try a smaller learning rate than {recipe.lr}"
    with torch.autocast(device, torch.bfloat16) if device == "cuda" else nullcontext():
        try:
            losses = pretraining_losses(model, windows)
        except ValueError as error:
            raise ValueError(f"step {step}: {error}; {advice}") from error
        loss = losses.total(recipe.mtp_weight / (3 if last else 1), recipe.balance_weight)
    if not loss.isfinite():
        raise ValueError(f"step {step}: the loss is {loss.item()}; {advice}")
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
    optimizer.step()
    optimizer.zero_grad()
    for router, load in losses.loads.items():
        if router.topk_method == "noaux_tc" and not last:
            update_bias(router.e_score_correction_bias, load, recipe.bias_rate)
    history.loss.append(losses.next_token.item())
    history.gradient_norm.append(norm.item())
    if losses.mtp:
        history.mtp_loss.append(losses.mtp[0].item())
    if losses.loads:
        history.max_violation.append(sum(map(max_violation, losses.loads.values())) / len(losses.loads))


def describe(history: History, recipe: Recipe) -> str:
    """Loss and speed, for the progress bar."""
    recent = history.loss[-SMOOTHED:]
    tokens = recipe.batch * recipe.length * len(history.loss)
    return f"loss {sum(recent) / len(recent):.2f}, {tokens / history.seconds:,.0f} tokens/s"
