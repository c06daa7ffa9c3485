"""Microsoft's DeepSpeed, where ZeRO comes from: stages 1 to 3 and offload, said in one dictionary of plain JSON.

Its norm and clipping are right in all stages: over the first steps, norms agree with a plain loop's to 3e-6. An earlier
run of the "lab" model in which stage 3 with clipping drifted 5e-3 from stages 1 and 2 was not seen again. Rounding
alone can do it: a plain loop whose first weights differ by one part in 1e8 is up to 1e-3 away, in loss and norm, within
eight steps, probably because a router's choice of experts turns over.

The package is imported here alone, and only when an engine is made.
"""

import zlib
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor

from deepseek_lab.config import is_whole, require
from deepseek_lab.training.engines.base import LibraryEngine, LossFn, WholeLoss
from deepseek_lab.training.engines.deepspeed_setup import import_deepspeed, initialize, merged, settled
from deepseek_lab.training.engines.unused import use_all
from deepseek_lab.training.zero.engine import MakeOptimizer


def deepspeed_config(
    stage: int = 2,
    micro_batch_size: int = 1,
    accumulate: int = 1,
    clip: float | None = None,
    dtype: torch.dtype | None = None,
    offload: bool = False,
) -> dict:
    """DeepSpeed's whole configuration, as its command line takes it in a JSON file.

    `micro_batch_size` sequences on each rank and `accumulate` micro-batches per step: numbers that DeepSpeed multiplies
    and divides by, but doesn't check. What is said here beside the obvious:

    - `stage3_param_persistence_threshold`: by default 1e5; parameters below it stay whole on every rank, which in a
      small model is all of them.
    - `stage3_max_live_parameters`, `stage3_max_reuse_distance`: by default, stage 3 gathers ahead until 1e9 numbers are
      there, and keeps what it needs again within 1e9. That is all of a small model: it stays whole from the first layer
      to the end of the backward pass, and 2Ψ are sent instead of 3Ψ. Both count numbers, not bytes.
    - `check_grad_overflow`: in bf16 too, leave out an update by a gradient that is not finite.
    - `zero_force_ds_cpu_optimizer`: with offload, insist on DeepSpeed's own CPU Adam, which has to be compiled.
    - `zero_allow_untested_optimizer`: take any optimizer of `torch.optim`.

    Raises `ValueError` for another stage, and numbers below 1.
    """
    require(is_whole(stage) and 1 <= stage <= 3, "stage", stage, "1, 2 or 3")
    require(is_whole(micro_batch_size) and micro_batch_size >= 1, "micro_batch_size", micro_batch_size, "1 or more")
    require(is_whole(accumulate) and accumulate >= 1, "accumulate", accumulate, "a whole number of at least 1")
    zero: dict = {"stage": stage, "overlap_comm": False}
    zero |= {"stage3_param_persistence_threshold": 0, "stage3_max_live_parameters": 0, "stage3_max_reuse_distance": 0}
    if offload:
        zero["offload_optimizer"] = {"device": "cpu"}
        if stage == 3:
            zero["offload_param"] = {"device": "cpu"}
    return {
        "train_micro_batch_size_per_gpu": micro_batch_size,
        "gradient_accumulation_steps": accumulate,
        "gradient_clipping": clip or 0.0,
        "bf16": {"enabled": dtype == torch.bfloat16, "check_grad_overflow": True},
        "zero_optimization": zero,
        "zero_force_ds_cpu_optimizer": False,
        "zero_allow_untested_optimizer": True,
    }


class DeepSpeed(LibraryEngine):
    """Stage 2 unless `options={"zero_optimization": {"stage": 3}}` says another; `options` is merged into the config.

    Bytes are larger than the formula's in fp32: DeepSpeed has masters even there, a copy of what the model has already.
    "parameters" are the flat buffers that the model's weights are views of, or in stage 3 each parameter's `ds_tensor`;
    "gradients" what is kept between backward pass and update: the partition's, in all stages (before that, stage 1 has
    whole ones), in stages 1 and 2 with all of the parameters that its borders cut through; "optimizer" the flat fp32
    partitions and the optimizer's state of them. Buckets for sending are not counted.

    Stages 1 and 2 send 3Ψ numbers per step: gradients are all-reduced (2Ψ) although each rank keeps its slice alone,
    then parameters gathered (Ψ). With `options={"zero_optimization": {"use_multi_rank_bucket_allreduce": False}}` it is
    2Ψ. Stage 2 reduces after every micro-batch, stage 1 after the last. In stage 3 with offload, a second copy of the
    gradients is kept for the optimizer.

    All ranks must call the same modules in stage 3 (DeepSpeed itself says so, with a RuntimeError), and in stage 2
    their gradients must come in the same order: DeepSpeed would silently add up different parameters, so `step` refuses
    (`ValueError`). Stage 3 with offload loses the gradient of what the last micro-batch doesn't use, so that is refused
    as well. An error in mid-step leaves half of a gradient behind: make a new engine then.

    `step` says itself when a gradient is complete, so the number of micro-batches may change from step to step. With
    `options={"optimizer": ...}`, DeepSpeed makes its own optimizer, and `make_optimizer` isn't called.
    """

    name = "deepspeed"
    checkpoint_refusal = (
        "DeepSpeed's checkpoints are pickles: train with 'zero1' to 'zero3', 'ddp' or 'fsdp2' to have any"
    )
    dtypes = (torch.float32, torch.bfloat16)

    def _set_up(self, make_optimizer: MakeOptimizer, groups: list[dict]) -> None:
        import_deepspeed()
        for parameter in self.model.parameters():  # masters are made of these, before DeepSpeed rounds them to bf16
            parameter.data = parameter.data.to(torch.float32)
        stage = merged({"zero_optimization": {"stage": 2}}, self.options)["zero_optimization"].get("stage")
        given = deepspeed_config(stage, clip=self.clip, dtype=self.dtype, offload=self.offload)
        self.config = merged(given, self.options)
        self.stage = stage
        trained = [p for group in groups for p in group["params"]]  # DeepSpeed puts its own into these very dicts
        self.wrapped = initialize(WholeLoss(self.model), make_optimizer, groups, self.config)
        self.zero = self.wrapped.optimizer  # DeepSpeed's own, around the other one
        self.optimizer = self.wrapped.basic_optimizer
        self._arrived: list[list[int]] = []  # for each micro-batch, which parameters got a gradient, in order
        for number, parameter in enumerate(trained):
            parameter.register_post_accumulate_grad_hook(lambda _, number=number: self._arrived[-1].append(number))

    def _start(self) -> None:
        self._arrived = []
        # Stage 3 adds a parameter's first gradient of a step to what the last step left, unless it comes from the
        # first micro-batch; without this, a branch that only the second one takes trains on an old gradient as well.
        if self.stage == 3:
            self.zero.grad_partitions_flat_buffer.zero_()

    def _backward(self, loss_fn: LossFn, micro_batch: object, count: int, last: bool) -> Tensor:
        self._arrived.append([])
        with settled():
            self.wrapped.set_gradient_accumulation_boundary(last)  # before the forward pass
            loss = self.wrapped(loss_fn, micro_batch)
            loss = use_all(loss, self.model.parameters()) if self.stage < 3 else loss
            self.wrapped.backward(loss / count, scale_wrt_gas=False)
        return loss

    def _finish(self) -> float:
        self._check_arrivals()
        with settled():
            self.wrapped.step()  # leaves the update out if the norm is not finite
        return float(self.wrapped.get_global_grad_norm())

    def _check_arrivals(self) -> None:
        lost = (
            self.stage == 3 and self.offload and {n for micro in self._arrived for n in micro} - set(self._arrived[-1])
        )
        order = zlib.crc32(repr(self._arrived).encode()) if self.stage == 2 else 0
        seen = torch.tensor([order, -order, bool(lost)], device=self.device)
        dist.all_reduce(seen, dist.ReduceOp.MAX)
        most, least, any_lost = seen.tolist()
        takes = "in stage 2 of DeepSpeed, the same parameters in the same order on every rank"
        require(most == -least, "gradients", "other ones, or in another order, on other ranks", takes)
        takes = "in DeepSpeed's stage 3 with offload, gradients of all of them in the last micro-batch too"
        require(not any_lost, "gradients", "some parameters' before the last micro-batch alone", takes)

    def full_state_dict(self) -> dict[str, Tensor]:
        """As the base class says; in bf16, the rounded weights."""
        if self.stage < 3:
            return super().full_state_dict()
        import deepspeed

        with settled(), deepspeed.zero.GatheredParameters(list(self.model.parameters())):
            return super().full_state_dict()

    def _parameters(self) -> Iterable[Tensor]:
        for parameter in self.model.parameters():
            yield parameter.data
            if self.stage == 3:
                yield parameter.ds_tensor

    def _gradients(self) -> Iterable[Tensor]:
        yield from super()._gradients()
        for kept in self.zero.averaged_gradients.values():
            yield from kept or []
        if self.stage == 3 and self.zero.grad_partitions_flat_buffer is not None:
            yield self.zero.grad_partitions_flat_buffer
        yield from (master.grad for master in self._masters() if master.grad is not None)  # with offload, they are here

    def _masters(self) -> Iterable[Tensor]:
        return self.zero.fp32_partitioned_groups_flat if self.stage == 3 else self.zero.single_partition_of_fp32_groups
