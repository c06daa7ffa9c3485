"""What the engines of PyTorch and DeepSpeed share here: one step, its checks, and how bytes are counted.

    loss = mean over ranks and micro-batches of loss_fn(model, micro_batch)
    norm = |gradient of the loss|, before clipping
    optimizer step with gradient * min(1, clip / norm)

These are the words of `deepseek_lab.training.zero.engine`; here, libraries do it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from deepseek_lab.config import is_number, require
from deepseek_lab.training.engines.sent import sending
from deepseek_lab.training.zero.engine import KINDS, MakeOptimizer

LossFn = Callable[[nn.Module, object], Tensor]


class WholeLoss(nn.Module):
    """`loss_fn(model, micro_batch)` as a module's forward pass.

    DDP, FSDP2 and DeepSpeed hook the forward pass of the module that they are given. With this around the model, a
    `loss_fn` gets the model itself, and may read its attributes or call it twice, as with any other engine.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, loss_fn: LossFn, micro_batch: object) -> Tensor:
        """The micro-batch's loss, checked: a scalar that depends on the parameters. Raises `ValueError` otherwise."""
        loss = loss_fn(self.model, micro_batch)
        scalar = isinstance(loss, Tensor) and loss.dim() == 0 and loss.requires_grad
        got = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        require(scalar, "loss_fn's result", got, "a scalar tensor that depends on the parameters")
        return loss.to(torch.promote_types(loss.dtype, torch.float32))


class LibraryEngine(ABC):
    """A model, its optimizer, and how this rank takes part in their steps. See `make_engine`.

    `grad_norm` is the last step's, before clipping; `bytes_sent` is of the last step counted by `counting_sent`.
    """

    name: str
    dtypes: tuple  # those that it trains in
    advice = "'zero1' to 'zero3' take it"  # where to go with another one

    def __init__(
        self,
        model: nn.Module,
        make_optimizer: MakeOptimizer,
        *,
        clip: float | None = None,
        dtype: torch.dtype | None = None,
        offload: bool = False,
        groups: list[dict] | None = None,
        options: dict | None = None,
    ):
        require(isinstance(model, nn.Module), "model", type(model).__name__, "an nn.Module")
        require(clip is None or (is_number(clip) and clip > 0), "clip", clip, "None or a number above 0")
        require(isinstance(offload, bool), "offload", offload, "True or False")
        require(options is None or isinstance(options, dict), "options", options, "None or a dict")
        require(dist.is_initialized(), "process group", None, f"init_process_group first: {self.name!r} needs one")
        trained = [p for p in model.parameters() if p.requires_grad]
        require(bool(trained), "model", "no parameter that requires a gradient", "at least one")
        self.model, self.clip, self.offload, self.options = model, clip, offload, dict(options or {})
        self.dtype, self.device = self._checked_dtype(dtype, model), trained[0].device
        given = [{"params": trained}] if groups is None else groups
        groups = [{**group, "params": [p for p in group["params"] if p.requires_grad]} for group in given]
        grouped = {p for group in groups for p in group["params"]}
        missing = [name for name, p in model.named_parameters() if p.requires_grad and p not in grouped]
        require(not missing, "groups", f"none with {missing[:1]}", "every parameter that requires a gradient")
        self.grad_norm, self.steps, self.bytes_sent, self._gradient_bytes = 0.0, 0, 0, 0
        model.zero_grad()
        with torch.no_grad():  # a model made with another seed on each rank would not be one model
            for tensor in [*model.parameters(), *model.buffers()]:
                dist.broadcast(tensor, 0)
        self._set_up(make_optimizer, groups)

    def _checked_dtype(self, dtype: torch.dtype | None, model: nn.Module) -> torch.dtype:
        found = {p.dtype for p in model.parameters()}
        require(dtype is not None or len(found) == 1, "dtype", None, f"one of the model's: {sorted(map(str, found))}")
        wanted = dtype or found.pop()
        if wanted == torch.float16:
            takes = (
                "torch.float32 or torch.bfloat16: fp16 needs loss scaling on a CUDA GPU, and only 'zero1' to 'zero3'"
            )
            raise ValueError(f"dtype: got torch.float16, but it takes {takes} have that here")
        require(wanted in self.dtypes, "dtype", wanted, f"{' or '.join(map(str, self.dtypes))}; {self.advice}")
        return wanted

    def step(self, micro_batches: Sequence, loss_fn: LossFn) -> float:
        """Forward, backward and update; the mean loss over all ranks and micro-batches.

        `loss_fn(model, micro_batch)` returns a mean over the micro-batch; all micro-batches count the same. Raises
        `ValueError` for wrong use, and for a gradient that is not finite; nothing is updated then.
        """
        self._start()
        self._check_micro_batches(micro_batches)
        wide = torch.float32 if self.device.type == "mps" else torch.float64
        loss = torch.zeros((), dtype=wide, device=self.device)
        with sending() as sent:
            for number, micro_batch in enumerate(micro_batches, start=1):
                part = self._backward(loss_fn, micro_batch, len(micro_batches), last=number == len(micro_batches))
                loss += part.detach() / (len(micro_batches) * dist.get_world_size())
            self._gradient_bytes = storage_bytes(self._gradients())
            dist.all_reduce(loss)
            self.grad_norm = self._finish()
        if sent is not None:
            self.bytes_sent = round(sent.total)
        if not math.isfinite(self.grad_norm):  # the same on every rank
            self._start()
            raise ValueError(f"step {self.steps}: the gradient's norm is {self.grad_norm} and the loss {loss.item()}")
        self.steps += 1
        return loss.item()

    def bytes(self) -> dict[str, int]:
        """Persistent bytes on this rank: "parameters", "gradients" and "optimizer" (masters included).

        Counted from the storages that are alive, each once; gradients as they were at the end of the last backward.
        What is whole only for a moment, such as a gathered unit, is not in it.
        """
        parameters = [local(t) for t in self._parameters()]
        seen = {t.untyped_storage().data_ptr() for t in parameters}
        states = [t for state in self.optimizer.state.values() for t in state.values() if isinstance(t, Tensor)]
        others = [local(t) for t in [*self._masters(), *states]]
        optimizer = [t for t in others if t.untyped_storage().data_ptr() not in seen]
        counted = (storage_bytes(parameters), self._gradient_bytes, storage_bytes(optimizer))
        return dict(zip(KINDS, counted, strict=True))

    def full_state_dict(self) -> dict[str, Tensor]:
        """Copies, on the CPU, of what `model.state_dict()` holds, whole on every rank; all ranks must call it."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}

    def _check_micro_batches(self, micro_batches: Sequence) -> None:
        count = len(micro_batches) if isinstance(micro_batches, Sequence) else -1
        ends = torch.tensor([count, -count], device=self.device)
        dist.all_reduce(ends, dist.ReduceOp.MAX)
        most, least = ends.tolist()
        got = count if count >= 0 else type(micro_batches).__name__
        require(count >= 1, "micro_batches", got, "a list of at least 1")
        require(most == -least, "micro_batches", count, f"as many on every rank, but others have {-least} to {most}")

    # What the libraries say.

    @abstractmethod
    def _set_up(self, make_optimizer: MakeOptimizer, groups: list[dict]) -> None:
        """Wrap the model and make `optimizer` of `groups`, which hold the model's trained parameters."""

    def _start(self) -> None:
        """Forget the gradients of a step that an error ended."""
        self.optimizer.zero_grad()

    @abstractmethod
    def _backward(self, loss_fn: LossFn, micro_batch: object, count: int, last: bool) -> Tensor:
        """One of `count` micro-batches, forward and backward; its loss."""

    @abstractmethod
    def _finish(self) -> float:
        """Clip and update, if the gradient's norm, which comes back, is finite."""

    def _clip_and_update(self) -> float:
        """`_finish` where gradients lie in `.grad` of the `trained` parameters, whole or as `DTensor`s."""
        for parameter in self.trained:
            if parameter.grad is None:  # of what no rank called
                parameter.grad = torch.zeros_like(parameter)
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.trained])
        norm = norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # before that, each rank has its own part
        if math.isfinite(norm):
            if self.clip:
                torch.nn.utils.clip_grads_with_norm_(self.trained, self.clip, norm)
            self.optimizer.step()
            self.optimizer.zero_grad()
        return norm.item()

    def _parameters(self) -> Iterable[Tensor]:
        """What holds this rank's parameters."""
        return self.model.parameters()

    def _gradients(self) -> Iterable[Tensor]:
        """What holds this rank's gradients."""
        return [p.grad for p in self.model.parameters() if p.grad is not None]

    def _masters(self) -> Iterable[Tensor]:
        """What the optimizer updates."""
        return (p for group in self.optimizer.param_groups for p in group["params"])


def local(tensor: Tensor) -> Tensor:
    """This rank's part of a `DTensor`; any other tensor is its own."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def storage_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of the storages behind these tensors on this rank, each once: views share one."""
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in map(local, tensors)}
    return sum(storages.values())
