"""ZeRO, written to be read: optimizer state, gradients and parameters sharded over the ranks of `torch.distributed`.

Read `stage1`, `stage2` and `stage3` in that order; each adds one thing to the one before. They stand on `engine` (one
step of training), `flat` (parameters in one buffer), `uses` (when a unit is needed) and `collectives` (who sends what).

    # On every rank, after torch.distributed.init_process_group; a process alone is one rank.
    model = DeepSeekForCausalLM(DeepSeekConfig.preset("lab"))
    engine = zero(model, 3, lambda groups: torch.optim.AdamW(groups, lr=1e-3), clip=1.0)
    for step in range(3):
        micro_batches = list(torch.randint(2048, (2, 4, 33)))  # two of four windows; others on every rank
        loss = engine.step(micro_batches, next_token_loss)
        print(loss, engine.grad_norm)
    print(engine.bytes(), engine.bytes_sent, engine.peak_transient_bytes)
    weights = engine.full_state_dict()
"""

import torch
from torch import nn

from deepseek_lab.config import require
from deepseek_lab.training.zero.engine import Engine, MakeOptimizer
from deepseek_lab.training.zero.flat import default_units
from deepseek_lab.training.zero.plain import DataParallel
from deepseek_lab.training.zero.scaling import LossScaler
from deepseek_lab.training.zero.stage1 import Stage1
from deepseek_lab.training.zero.stage2 import Stage2
from deepseek_lab.training.zero.stage3 import Stage3
from deepseek_lab.training.zero.state import resplit

__all__ = [
    "DataParallel", "Engine", "LossScaler", "Stage1", "Stage2", "Stage3", "default_units", "resplit", "zero"
]  # fmt: skip

STAGES = {engine.stage: engine for engine in (DataParallel, Stage1, Stage2, Stage3)}


def zero(
    model: nn.Module,
    stage: int,
    make_optimizer: MakeOptimizer,
    *,
    clip: float | None = None,
    dtype: torch.dtype | None = None,
    offload: bool = False,
    groups: list[dict] | None = None,
    units: list[list[nn.Module]] | None = None,
    scaler: LossScaler | None = None,
    ranks: int | None = None,
) -> Engine:
    """An engine that trains `model` on all ranks: stage 1, 2 or 3 of ZeRO, or 0, where nothing is sharded.

    - `make_optimizer(groups)` makes the optimizer, of parameter groups that hold this rank's flat shards. It must treat
      every number on its own, as AdamW and SGD do.
    - `clip`: largest norm of the whole gradient.
    - `dtype`: of parameters and gradients; None is the model's own. In bf16 and fp16 the optimizer has masters in fp32.
      fp16 needs a CUDA GPU, and gets a `LossScaler` if none is given.
    - `offload`: optimizer state on the host, and in stage 3 the parameter shards too.
    - `groups`: the optimizer's, of the model's parameters, e.g. `parameter_groups(model, weight_decay)`; default: one.
    - `units`: lists of modules whose parameters are gathered and reduced together; default: `default_units(model)`.
    - `ranks`: how many there must be.

    The model is changed: parameters become views of larger buffers and, in stage 3, are empty between their uses. Rank
    0's weights are sent to all. A loss must reach parameters through the model's modules: in stage 3, whoever reads
    another one directly finds it empty. Raises `ValueError` for what doesn't fit.
    """
    require(isinstance(stage, int) and stage in STAGES, "stage", stage, "1, 2 or 3, or 0 for no sharding")
    return STAGES[stage](
        model, make_optimizer, clip=clip, dtype=dtype, offload=offload, groups=groups, units=units, scaler=scaler,
        ranks=ranks,
    )  # fmt: skip
