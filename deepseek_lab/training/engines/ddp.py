"""PyTorch's `DistributedDataParallel`: everything whole on every rank, gradients all-reduced in buckets.

It starts a bucket's all-reduce as soon as its gradients are there, while the backward pass still runs. It is what
stage 0 of `deepseek_lab.training.zero` is a plain version of.
"""

from contextlib import nullcontext

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from deepseek_lab.config import require
from deepseek_lab.training.engines.base import LibraryEngine, LossFn, WholeLoss
from deepseek_lab.training.zero.engine import MakeOptimizer


def ddp_config() -> dict:
    """Keyword arguments of `DistributedDataParallel`.

    - `find_unused_parameters`: after each forward pass, look for parameters that got none, or the ranks would wait
      for each other's gradients for ever (or, by PyTorch's error, not at all). Where every parameter always gets a
      gradient, as in this course's models with their experts in one tensor, False saves the search.
    - `gradient_as_bucket_view`: gradients lie in the buckets; otherwise there is a second copy of Ψ numbers.
    - `broadcast_buffers`: False, or rank 0's buffers are sent in every forward pass. A router's bias is the same on
      all ranks anyway, if its counts are summed.
    """
    return {"find_unused_parameters": True, "gradient_as_bucket_view": True, "broadcast_buffers": False}


class DDP(LibraryEngine):
    """Plain data parallelism: 4Ψ + 4Ψ + 8Ψ bytes in fp32 (parameters, gradients, AdamW's moments).

    It has no masters. A model in bf16 would be updated in bf16, where an update of a thousandth is rounded away, so
    bf16 is refused. A parameter without any gradient gets one of zeros, as in `deepseek_lab.training.zero`.
    """

    name = "ddp"
    dtypes = (torch.float32, torch.float64)
    advice = "DDP keeps no masters in fp32; 'zero1' to 'zero3', 'fsdp2' and 'deepspeed' do"

    def _set_up(self, make_optimizer: MakeOptimizer, groups: list[dict]) -> None:
        require(not self.offload, "offload", True, "False: 'ddp' has none")
        for parameter in self.model.parameters():
            parameter.data = parameter.data.to(self.dtype)
        unknown = sorted(set(self.options) - DDP_OPTIONS)
        require(not unknown, "options", unknown, f"keyword arguments of DistributedDataParallel: {sorted(DDP_OPTIONS)}")
        self.wrapped = DistributedDataParallel(WholeLoss(self.model), **ddp_config() | self.options)
        self.trained = [p for group in groups for p in group["params"]]
        self.optimizer = make_optimizer(groups)

    def _backward(self, loss_fn: LossFn, micro_batch: object, count: int, last: bool) -> Tensor:
        # The forward pass must be inside as well: it is there that DDP decides whether to reduce.
        with nullcontext() if last else self.wrapped.no_sync():
            loss = self.wrapped(loss_fn, micro_batch)
            (loss / count).backward()
        return loss

    def _finish(self) -> float:
        return self._clip_and_update()  # gradients are whole and equal on every rank


DDP_OPTIONS = {*ddp_config(), "bucket_cap_mb", "static_graph", "process_group", "init_sync"}
