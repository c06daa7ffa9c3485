"""What the ranks of the tests of the engines do."""

import os
import time
from contextlib import nullcontext

import torch
import torch.distributed as dist
from torch import nn

from deepseek_lab.training.engines import counting_sent, make_engine
from deepseek_lab.training.engines.sent import Sent
from deepseek_lab.training.pretrain import parameter_groups
from helpers.zero_jobs import CLIP, adamw, loss_of, make_model, micro_batches, say


def train(rank: int, name: str, kind: str, dtype: torch.dtype, steps: int, engine_dtype=None, **options) -> dict:
    """A training's losses and norms, and on rank 0 its weights."""
    ranks = dist.get_world_size()
    model = make_model(kind, dtype, seed=rank)  # other weights on other ranks: rank 0's are taken
    groups = parameter_groups(model, 0.1)
    engine = make_engine(name, model, adamw, clip=CLIP, groups=groups, dtype=engine_dtype, **options)
    losses, norms, seconds = [], [], []
    for step in range(steps):
        begin = time.perf_counter()
        losses.append(engine.step(micro_batches(step, rank, ranks), loss_of))
        seconds.append(time.perf_counter() - begin)
        norms.append(engine.grad_norm)
    weights = engine.full_state_dict()
    names = list(weights) == list(make_model(kind, dtype).state_dict())
    result = {"losses": losses, "norms": norms, "names": names, "seconds": sorted(seconds)[steps // 2]}
    return result | {"weights": weights if rank == 0 else None, "steps": engine.steps}


def measure(rank: int, name: str, count: int = 1, kind: str = "wide", **options) -> dict:
    """Bytes held and sent after two steps of `count` micro-batches, of which the second is counted."""
    ranks = dist.get_world_size()
    model = make_model(kind)
    psi, largest = sum(p.numel() for p in model.parameters()), max(p.numel() for p in model.parameters())
    engine = make_engine(name, model, adamw, clip=CLIP, **options)
    for step in range(2):
        batches = [b[:1] for b in micro_batches(step, rank, ranks, model.config.vocab_size)[:count]]
        if step:
            with counting_sent(), Sent() if name.startswith("zero") else nullcontext() as seen:
                engine.step(batches, loss_of)
        else:
            engine.step(batches, loss_of)
            before = engine.bytes_sent
    return {
        "psi": psi, "largest": largest, "bytes": engine.bytes(), "sent": engine.bytes_sent, "before": before,
        "counted": seen.total if seen else None,
    }  # fmt: skip


class Block(nn.Module):
    """Two branches, of which each call takes one, both through modules and by a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(7, 7), nn.Linear(7, 7)
        self.scales = nn.ParameterList([nn.Parameter(torch.ones(7)) for _ in range(2)])

    def forward(self, x: torch.Tensor, branch: int) -> torch.Tensor:
        return x + torch.tanh((self.a, self.b)[branch](x)) * self.scales[branch]


class Branches(nn.Module):
    """A few of them; a parameter has a gradient only where its branch was taken."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(5, 7), nn.Linear(7, 1)
        self.blocks = nn.ModuleList(Block() for _ in range(3))

    def forward(self, x: torch.Tensor, branch: int) -> torch.Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(x, branch)
        return self.last(x)


CHOICES = {"rank": lambda number: number // 2, "micro-batch": lambda number: number % 2, "one": lambda number: 0}


def choose_inputs(steps: int, dtype: torch.dtype) -> torch.Tensor:
    """(steps, 4, 6, 5): each step's micro-batches for all ranks."""
    return torch.randn(steps, 4, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(5)).to(dtype)


def plain_choose(by: str, steps: int) -> tuple[list[float], dict]:
    """The reference, on one rank; a parameter without gradient has one of zeros."""
    torch.manual_seed(0)
    model = Branches().double()
    optimizer, losses = adamw(model.parameters()), []
    for inputs in choose_inputs(steps, torch.float64):
        loss = sum(model(x, CHOICES[by](number)).square().mean() for number, x in enumerate(inputs)) / 4
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model.state_dict()


def choose(rank: int, name: str, steps: int, double: bool, by: str, **options) -> dict:
    """Each input takes one of two branches: by "rank" (each rank lacks gradients that others have) or "micro-batch"."""
    ranks = dist.get_world_size()
    torch.manual_seed(0)
    dtype = torch.float64 if double else torch.float32
    engine = make_engine(name, Branches().to(dtype), adamw, **options)
    inputs = choose_inputs(steps, dtype)

    def loss_fn(model: nn.Module, number: int) -> torch.Tensor:
        return model(inputs[engine.steps, number], CHOICES[by](number)).square().mean()

    losses = [engine.step(range(rank * 4 // ranks, (rank + 1) * 4 // ranks), loss_fn) for _ in range(steps)]
    return {"losses": losses, "weights": engine.full_state_dict()}


def wrong_use(rank: int, name: str, options: dict | None = None) -> dict:
    """What is said about mistakes, and that the engine still works after those that come before a backward pass."""
    said = {}

    def made(**given):
        return make_engine(name, make_model("odd"), adamw, **{"options": options} | given)

    for what, given in {
        "fp16": dict(dtype=torch.float16), "bf16": dict(dtype=torch.bfloat16), "offload": dict(offload=True),
        "options": dict(options={"speed": 9}), "fp64": dict(dtype=torch.float64), "groups": dict(groups=[]),
        "clip": dict(clip=-1), "no dict": dict(options=3),
    }.items():  # fmt: skip
        said[what] = say(lambda given=given: made(**given))
    engine = made(clip=CLIP)
    start = engine.full_state_dict()
    batches = micro_batches(0, rank, dist.get_world_size())
    said["counts"] = say(lambda: engine.step(batches[: 1 + (rank == 0)], loss_of))
    said["empty"] = say(lambda: engine.step([], loss_of))
    said["nan"] = say(lambda: engine.step(batches, lambda model, batch: loss_of(model, batch) * float("nan")))
    kept = all(torch.equal(a, b) for a, b in zip(start.values(), engine.full_state_dict().values(), strict=True))
    for group in engine.optimizer.param_groups:
        group["lr"] = 0.0
    losses = [engine.step(batches[:count], loss_of) for count in (2, 1, 2)]
    said["no scalar"] = say(lambda: engine.step(batches, lambda model, batch: model(batch)))
    return {"said": said, "losses": losses, "steps": engine.steps, "kept": kept}


def no_compiler(rank: int, folder: str) -> str:
    """DeepSpeed is asked for an optimizer that it has to compile, where there is no program at all."""
    before = dict(os.environ)
    os.environ |= {"PATH": folder, "TORCH_EXTENSIONS_DIR": f"{folder}/{rank}"}
    try:
        options = {"optimizer": {"type": "AdamW"}}
        return say(lambda: make_engine("deepspeed", make_model("odd"), adamw, options=options)) or "nothing"
    finally:
        os.environ.clear()
        os.environ.update(before)


def refused_choice(rank: int, **given) -> str:
    """What `choose` is refused with."""
    try:
        choose(rank, **given)
    except ValueError as error:
        return str(error)
    return "nothing"
