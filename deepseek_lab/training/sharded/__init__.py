"""Checkpoints of a training on many ranks: every rank writes its own shards, and any number of ranks reads them.

    save("run/checkpoints", engine, {"seed": 7, "batches": 20})  # all ranks; makes run/checkpoints/step-000020
    facts = load("run/checkpoints", engine)                      # all ranks; the newest one, None if there is none
    export("run/checkpoints", "run/model", tokenizer=tokenizer)  # one process: what transformers opens

Shards are safetensors files written and cut again by `torch.distributed.checkpoint`; beside them lies `training.json`.
There is no pickle in a checkpoint: opening one runs no code. All ranks, on all hosts, must see one shared folder.

Two families of engines, whose checkpoints each load into all engines of their own family, on any number of ranks:

- flat (`flats`): stages 1, 2 and 3 of `deepseek_lab.training.zero`;
- by name (`by_name`): engines whose optimizer has the model's own parameters, whole (DDP) or as `DTensor`s (FSDP2).

A save that fails or is killed leaves the older checkpoints as they were. A load checks everything first, and changes
nothing of the engine if anything is wrong. Both need host memory for this rank's part of the state, and a save for a
second copy of it, because safetensors makes a file's bytes before it writes them.
"""

from deepseek_lab.training.sharded.exporting import export
from deepseek_lab.training.sharded.folder import latest
from deepseek_lab.training.sharded.loading import load
from deepseek_lab.training.sharded.saving import save

__all__ = ["export", "latest", "load", "save"]
