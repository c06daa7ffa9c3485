"""Which of the two families an engine, or a checkpoint, belongs to."""

from types import ModuleType

import torch
from torch import nn

from deepseek_lab.config import require
from deepseek_lab.model.checkpoint_files import CheckpointError
from deepseek_lab.training.sharded import by_name, flats

FAMILIES = {family.FAMILY: family for family in (flats, by_name)}


def family_of(engine) -> ModuleType:
    """The module that knows an engine's state. Raises `ValueError` for what has none, or refuses checkpoints."""
    if refusal := getattr(engine, "checkpoint_refusal", None):
        raise CheckpointError(refusal)
    if hasattr(engine, "shard_state"):
        return flats
    parts = {"model": nn.Module, "optimizer": torch.optim.Optimizer, "steps": int}
    missing = [name for name, kind in parts.items() if not isinstance(getattr(engine, name, None), kind)]
    got = f"{type(engine).__name__} without {missing}"
    require(not missing, "engine", got, "one with a model, an optimizer and steps")
    return by_name


def refuse_other_family(engine, notes: dict) -> None:
    """Raise `CheckpointError` if a checkpoint is of the other family."""
    there, here = FAMILIES[notes["family"]], family_of(engine)
    if there is not here:
        words = f"its engine was of the family {there.FAMILY!r} ({there.TAKES}), and this one is of the family"
        where = "Load it there, or export it and begin a new training from its weights"
        raise CheckpointError(f"{words} {here.FAMILY!r} ({here.TAKES}), whose optimizer states lie elsewhere. {where}")
