"""What every way to train on N ranks shares: one step, mixed precision, accumulation, clipping.

    loss = mean over ranks and micro-batches of loss_fn(model, micro_batch)
    norm = |gradient of the loss|, over all parameters, a tied one counted once
    optimizer step with gradient * min(1, clip / norm)

How gradients are added up over the ranks, and who holds and updates what, is said by the classes below this one.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn

from deepseek_lab.config import is_number, require
from deepseek_lab.training.zero.collectives import Ranks
from deepseek_lab.training.zero.scaling import LossScaler

HALF = (torch.bfloat16, torch.float16)
DTYPES = (None, torch.float64, torch.float32, *HALF)
KINDS = ("parameters", "gradients", "optimizer")
MakeOptimizer = Callable[[list[dict]], torch.optim.Optimizer]


class Engine(ABC):
    """A model, its optimizer, and how this rank takes part in their steps. See `deepseek_lab.training.zero.zero`.

    `optimizer` is this rank's: set its learning rate between steps. `grad_norm` is the last step's, before clipping;
    `skipped` counts the steps that a loss scaler left out; `bytes_sent` and `peak_transient_bytes` are the last step's.
    """

    def __init__(
        self,
        model: nn.Module,
        make_optimizer: MakeOptimizer,
        *,
        clip: float | None = None,
        dtype: torch.dtype | None = None,
        offload: bool = False,
        groups: list[dict] | None = None,
        units: list[list[nn.Module]] | None = None,
        scaler: LossScaler | None = None,
        ranks: int | None = None,
    ):
        require(isinstance(model, nn.Module), "model", type(model).__name__, "an nn.Module")
        require(clip is None or (is_number(clip) and clip > 0), "clip", clip, "None or a number above 0")
        require(dtype in DTYPES, "dtype", dtype, " or ".join(map(str, DTYPES)))
        trained = [p for p in model.parameters() if p.requires_grad]
        require(bool(trained), "model", "no parameter that requires a gradient", "at least one")
        self.ranks = Ranks(ranks)
        self.model, self.clip, self.offload, self.unit_modules = model, clip, offload, units
        self.device = trained[0].device
        self.dtype = dtype or trained[0].dtype
        found = {p.dtype for p in model.parameters()}
        require(dtype is not None or len(found) == 1, "dtype", None, f"one of the model's: {sorted(map(str, found))}")
        if self.dtype == torch.float16 and self.device.type != "cuda":
            takes = f"float32 or bfloat16 on {self.device.type!r}: fp16 with loss scaling needs a CUDA GPU"
            raise ValueError(f"dtype: got torch.float16, but it takes {takes}")
        # The optimizer's: a bf16 weight has 8 bits, and an update of a thousandth of it would be rounded away.
        self.precise = torch.float32 if self.dtype in HALF else self.dtype
        self.groups = [{"params": trained}] if groups is None else groups
        self._group_of = {p: i for i, group in enumerate(self.groups) for p in group["params"]}
        named = {p: name for name, p in model.named_parameters()}
        missing = [named[p] for p in trained if p not in self._group_of]
        require(not missing, "groups", f"none with {missing[:1]}", "every parameter that requires a gradient")
        self.scaler = LossScaler() if scaler is None and self.dtype == torch.float16 else scaler
        self.grad_norm, self.steps, self.skipped, self._gradient_bytes = 0.0, 0, 0, 0
        model.zero_grad()
        with torch.no_grad():  # a model made with another seed on each rank would not be one model
            for tensor in [*model.parameters(), *model.buffers()]:
                self.ranks.broadcast(tensor)
            self._place_parameters()
        self.optimizer = make_optimizer(self._optimizer_groups())

    def step(self, micro_batches: Sequence, loss_fn: Callable[[nn.Module, object], Tensor]) -> float:
        """Forward, backward and update; the mean loss over all ranks and micro-batches.

        `loss_fn(model, micro_batch)` returns a mean over the micro-batch. All micro-batches, here and on the other
        ranks, count the same, so they should hold equally many tokens. Raises `ValueError` for wrong use, and without a
        loss scaler for a gradient that is not finite.
        """
        self._start()
        self.ranks.meter.start()
        self._check_micro_batches(micro_batches)
        share = 1 / (self.ranks.size * len(micro_batches))
        scale = self.scaler.scale if self.scaler else 1.0
        sums = torch.zeros(2, dtype=_widest(self.device), device=self.device)  # loss, squared norm
        for number, micro_batch in enumerate(micro_batches, start=1):
            self._start_micro_batch(last=number == len(micro_batches))
            loss = loss_fn(self.model, micro_batch)
            scalar = isinstance(loss, Tensor) and loss.dim() == 0 and loss.requires_grad
            got = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            require(scalar, "loss_fn's result", got, "a scalar tensor that depends on the parameters")
            loss = loss.to(torch.promote_types(loss.dtype, torch.float32))  # scaled in fp16, it would overflow itself
            (loss * (share * scale)).backward()
            self._finish_micro_batch()
            sums[0] += share * loss.detach()
        self._finish_backward()
        self._gradient_bytes = _storage_bytes(self._gradients())
        sums[1] = self._squared_norm()
        loss, square = self.ranks.all_reduce(sums).tolist()
        self.grad_norm = math.sqrt(square) / scale if square >= 0 else math.nan
        finite = math.isfinite(self.grad_norm)  # a sum over all ranks: all of them go the same way from here
        if finite:
            shrink = min(1.0, self.clip / (self.grad_norm + 1e-6)) if self.clip else 1.0
            self._update(shrink / scale)
        elif self.scaler is None:
            self._drop_gradients()
            raise ValueError(f"step {self.steps}: the gradient's norm is {self.grad_norm} and the loss {loss}")
        if self.scaler:
            self.scaler.update(overflow=not finite)
        self._drop_gradients()
        self.steps += 1
        self.skipped += not finite
        return loss

    def bytes(self, device_type: str | None = None) -> dict[str, int]:
        """Persistent bytes on this rank: "parameters", "gradients" and "optimizer" (masters included).

        Counted from the storages that are alive, each once; gradients as they were at the end of the last backward.
        With offload, `bytes("cpu")` and `bytes("cuda")` tell host and device apart.
        """
        parameters = list(self._parameters())
        seen = {tensor.untyped_storage().data_ptr() for tensor in parameters}
        states = [t for state in self.optimizer.state.values() for t in state.values() if isinstance(t, Tensor)]
        optimizer = [t for t in [*self._masters(), *states] if t.untyped_storage().data_ptr() not in seen]
        here = device_type in (None, self.device.type)
        counted = (_storage_bytes(parameters, device_type), self._gradient_bytes * here)
        return dict(zip(KINDS, (*counted, _storage_bytes(optimizer, device_type)), strict=True))

    @property
    def bytes_sent(self) -> int:
        """By this rank in the last step, as a ring would send it (see `collectives`)."""
        return round(self.ranks.meter.sent)

    @property
    def peak_transient_bytes(self) -> dict[str, int]:
        """The most that the last step held for a moment, beside what `bytes` counts, of each kind.

        "parameters": gathered units. "gradients": those not yet reduced, and buffers for sending them.
        """
        return dict(self.ranks.meter.peak)

    def full_state_dict(self) -> dict[str, Tensor]:
        """Copies, on the CPU, of what `model.state_dict()` holds, whole on every rank; all ranks must call it."""
        with self.gathered():
            return {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}

    @contextmanager
    def gathered(self) -> Iterator[nn.Module]:
        """The model with all its parameters, to evaluate or sample; all ranks must enter. Don't change them here."""
        yield self.model

    def _check_micro_batches(self, micro_batches: Sequence) -> None:
        count = len(micro_batches) if isinstance(micro_batches, Sequence) else -1
        ends = torch.tensor([count, -count], device=self.device)
        most, least = self.ranks.all_reduce(ends, dist.ReduceOp.MAX).tolist()
        got = count if count >= 0 else type(micro_batches).__name__
        require(count >= 1, "micro_batches", got, "a list of at least 1")
        require(most == -least, "micro_batches", count, f"as many on every rank, but others have {-least} to {most}")

    # What the classes below say.

    @abstractmethod
    def _place_parameters(self) -> None:
        """Cast them, decide who holds what, and make masters."""

    @abstractmethod
    def _optimizer_groups(self) -> list[dict]:
        """`groups`, with what this rank updates in place of the parameters."""

    def _start(self) -> None:  # noqa: B027 - not every stage has to
        """A step begins: forget what is left of one that an error ended."""

    def _start_micro_batch(self, last: bool) -> None:  # noqa: B027 - not every stage has to
        """A forward pass begins."""

    def _finish_micro_batch(self) -> None:  # noqa: B027 - not every stage has to
        """A backward pass is over."""

    def _finish_backward(self) -> None:  # noqa: B027 - not every stage has to
        """All are over: from here on, this rank holds the sum over the ranks of the gradients that it updates by."""

    @abstractmethod
    def _squared_norm(self) -> Tensor:
        """This rank's part of the gradient's squared norm, so that the sum over the ranks counts everything once."""

    @abstractmethod
    def _update(self, factor: float) -> None:
        """Step with the gradient times `factor`; then every rank has the new parameters."""

    @abstractmethod
    def _drop_gradients(self) -> None:
        """Free them."""

    def _parameters(self) -> Iterable[Tensor]:
        """What holds this rank's parameters, for `bytes`."""
        return self.model.parameters()

    @abstractmethod
    def _gradients(self) -> Iterable[Tensor]:
        """What holds this rank's gradients."""

    def _masters(self) -> Iterable[Tensor]:
        """What the optimizer updates."""
        return (p for group in self.optimizer.param_groups for p in group["params"])


def squared_norm(tensors: Iterable[Tensor], device: torch.device) -> Tensor:
    """The sum of squares of all numbers; each tensor's norm in fp32 at least, their sum in fp64 where there is one."""
    total = torch.zeros((), dtype=_widest(device), device=device)
    for tensor in tensors:
        precise = torch.promote_types(tensor.dtype, torch.float32)
        total += torch.linalg.vector_norm(tensor, dtype=precise).to(total).square()
    return total


def _widest(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64


def _storage_bytes(tensors: Iterable[Tensor], device_type: str | None = None) -> int:
    """Bytes of the storages behind these tensors, each once: views share one."""
    storages = {t.untyped_storage().data_ptr(): t for t in tensors if device_type in (None, t.device.type)}
    return sum(t.untyped_storage().nbytes() for t in storages.values())
