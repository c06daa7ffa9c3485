"""`export`: from a checkpoint of many ranks to one model in the official format, on one process."""

import os
from pathlib import Path

import torch
from torch import nn

from deepseek_lab.config import DeepSeekConfig, require
from deepseek_lab.model.checkpoint import save_pretrained
from deepseek_lab.model.checkpoint_files import CheckpointError
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.training.sharded.families import FAMILIES
from deepseek_lab.training.sharded.folder import is_step, latest
from deepseek_lab.training.sharded.notes import read_notes, verify
from deepseek_lab.training.sharded.tensors import read
from deepseek_lab.training.sharded.together import Together


def export(
    folder_or_step: str | os.PathLike,
    directory: str | os.PathLike,
    config: DeepSeekConfig | None = None,
    tokenizer=None,
) -> None:
    """Write the weights of a folder's newest checkpoint, or of a given one, as `save_pretrained` does.

    One process calls it, with or without a process group, on whatever host sees the files. Weights have the dtype that
    the engine computed in; those of FSDP2 that of its shards. Needs memory for the weights twice. `config` is needed
    only where the checkpoint has none, because the engine's model had none. A training in progress may go on saving.

    Raises `CheckpointError` for a checkpoint that is missing, damaged or of another model than `config` says.
    """
    path = Path(folder_or_step)
    step = path if is_step(path) else latest(path)
    if step is None:
        raise CheckpointError(f"{path}: there is no checkpoint in it")
    notes = read_notes(step)
    if config is None:
        require(notes["model"] is not None, "config", None, f"a DeepSeekConfig: {step} says nothing of its model")
        config = DeepSeekConfig.from_hf(notes["model"])
    verify(step, notes)
    family = FAMILIES[notes["family"]]
    wanted = {name: saved for name, saved in notes["tensors"].items() if family.needed_for_export(name)}
    tensors = {
        name: torch.empty(saved["shape"], dtype=getattr(torch, saved["dtype"])) for name, saved in wanted.items()
    }
    read(tensors, step, Together(alone=True))
    with torch.device("meta"):
        shapes = DeepSeekForCausalLM(config, mtp=notes["mtp"])
    parameters, buffers = family.whole_parameters(notes, tensors), family.whole_buffers(tensors)
    _refuse_other(step, shapes, {**buffers, **parameters})
    model = DeepSeekForCausalLM(config, mtp=notes["mtp"])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.data = parameters[name]
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])
    save_pretrained(model, directory, tokenizer)


def _refuse_other(step: Path, model: nn.Module, found: dict[str, torch.Tensor]) -> None:
    wanted = {name: tuple(t.shape) for name, t in [*model.named_parameters(), *model.named_buffers()]}
    there = {name: tuple(t.shape) for name, t in found.items()}
    for name in sorted({*wanted, *there}):
        if wanted.get(name) != there.get(name):
            words = f"{name} has shape {there.get(name)} there and {wanted.get(name)} in a model of this config"
            raise CheckpointError(f"{step} is of another model: {words}. Give the config that it was trained with")
