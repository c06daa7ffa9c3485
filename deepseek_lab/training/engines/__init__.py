"""The same training step by production engines: PyTorch's DDP and FSDP2, and DeepSpeed, beside our own ZeRO.

    model = DeepSeekForCausalLM(DeepSeekConfig.preset("lab"))  # on every rank, after init_process_group
    engine = make_engine("fsdp2", model, lambda groups: torch.optim.AdamW(groups, lr=1e-3), clip=1.0)
    with counting_sent():
        loss = engine.step(micro_batches, next_token_loss)
    print(loss, engine.grad_norm, engine.bytes(), engine.bytes_sent)
    weights = engine.full_state_dict()

Model, data, loss function and optimizer are the same for all; what differs is who holds what, and what is sent when.
"""

import torch
from torch import nn

from deepseek_lab.config import require
from deepseek_lab.training.engines.base import LibraryEngine
from deepseek_lab.training.engines.ddp import DDP, ddp_config
from deepseek_lab.training.engines.deepspeed import DeepSpeed, deepspeed_config
from deepseek_lab.training.engines.deepspeed_setup import CompilerMissing, DeepSpeedMissing
from deepseek_lab.training.engines.fsdp2 import FSDP2, fsdp2_config
from deepseek_lab.training.engines.sent import counting_sent
from deepseek_lab.training.zero import Engine, zero
from deepseek_lab.training.zero.engine import MakeOptimizer

__all__ = [
    "ENGINES", "CompilerMissing", "DeepSpeedMissing", "counting_sent", "ddp_config", "deepspeed_config",
    "fsdp2_config", "make_engine",
]  # fmt: skip

OURS = {"zero1": 1, "zero2": 2, "zero3": 3}
LIBRARIES = {engine.name: engine for engine in (DDP, FSDP2, DeepSpeed)}
ENGINES = ("ddp", "zero1", "zero2", "zero3", "fsdp2", "deepspeed")


def make_engine(
    name: str,
    model: nn.Module,
    make_optimizer: MakeOptimizer,
    *,
    clip: float | None = None,
    dtype: torch.dtype | None = None,
    offload: bool = False,
    groups: list[dict] | None = None,
    options: dict | None = None,
) -> Engine | LibraryEngine:
    """An engine that trains `model` on all ranks; `name` is one of `ENGINES`.

    - `make_optimizer(groups)` makes the optimizer; `groups`: of the model's parameters; default: one.
    - `clip`: largest norm of the whole gradient.
    - `dtype`: None is the model's own. torch.bfloat16: compute in it, with masters in fp32; not "ddp", which has none.
    - `offload`: optimizer state, and in stage 3 and FSDP2 the shards too, on the host; not "ddp".
    - `options`: over what `ddp_config`, `fsdp2_config` and `deepspeed_config` say (DeepSpeed's deeply, e.g.
      `{"zero_optimization": {"stage": 3}}`); "zero1" to "zero3" have none.

    All but "zero1" to "zero3" need a process group. Rank 0's weights are sent to all. All have `step(micro_batches,
    loss_fn)`, `grad_norm`, `optimizer`, `steps`, `model`, `bytes()`, `bytes_sent` and `full_state_dict()`; those of
    libraries count `bytes_sent` inside of `counting_sent` only. Raises `ValueError` for what doesn't fit,
    `DeepSpeedMissing` (an ImportError) and `CompilerMissing` (a RuntimeError).
    """
    require(isinstance(name, str) and name in ENGINES, "name", name, " or ".join(map(repr, ENGINES)))
    shared = dict(clip=clip, dtype=dtype, offload=offload, groups=groups)
    if name in OURS:
        require(not options, "options", options, f"None: {name!r} has none")
        return zero(model, OURS[name], make_optimizer, **shared)
    return LIBRARIES[name](model, make_optimizer, **shared, options=options)
