"""The state of a training on disk: weights, optimizer and history in one safetensors file."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

FILE = "training_state.safetensors"
MOMENTS = ("exp_avg", "exp_avg_sq", "step")


def save_state(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, history, recipe: dict) -> None:
    """Write everything that a resumed training needs. A process killed on the way leaves the older file whole.

    Raises `OSError` that says what to do.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": tensor for name, tensor in _own_tensors(model).items()}
    for name, parameter in model.named_parameters():
        for moment in MOMENTS:
            if moment in optimizer.state.get(parameter, {}):
                tensors[f"{moment}.{name}"] = optimizer.state[parameter][moment]
    metadata = {"history": json.dumps(asdict(history)), "recipe": json.dumps(recipe)}
    beside = folder / f"{FILE}.tmp"
    try:
        save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, beside, metadata)
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        beside.replace(folder / FILE)
    except (OSError, SafetensorError) as error:
        beside.unlink(missing_ok=True)
        words = f"{folder / FILE} could not be written ({error}); what was saved before is still there"
        raise OSError(words) from error


def load_state(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    history,
    objection: Callable[[dict, int], str | None],
) -> int:
    """Put a saved state into model, optimizer and history; return the number of steps done (0: nothing saved).

    `objection(recipe, done)` says what is wrong with a saved recipe after so many steps, or None. Raises `ValueError`
    naming what differs if the state is of another recipe or model, or the file is damaged. Nothing is changed then.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} is damaged ({error}): delete it to start this training anew") from error
    seen = json.loads(metadata.get("history", "{}"))
    done = len(seen.get("loss", []))
    if words := objection(json.loads(metadata.get("recipe", "{}")), done):
        raise ValueError(f"{path} is of another recipe: {words}. Take the old recipe, or another folder")
    own = _own_tensors(model)
    for name in sorted({f"model.{name}" for name in own} | {n for n in tensors if n.startswith("model.")}):
        ours, theirs = own.get(name.removeprefix("model.")), tensors.get(name)
        if ours is None or theirs is None or ours.shape != theirs.shape:
            got, takes = (None if t is None else tuple(t.shape) for t in (theirs, ours))
            raise ValueError(f"{path} is of another model: {name} has shape {got} there and {takes} here")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[f"model.{name}"])
    for name, parameter in model.named_parameters():
        found = {moment: tensors[f"{moment}.{name}"] for moment in MOMENTS if f"{moment}.{name}" in tensors}
        if found:
            # PyTorch's fused AdamW wants its step count where the parameter is.
            optimizer.state[parameter] = {moment: tensor.to(parameter.device) for moment, tensor in found.items()}
    for name, value in seen.items():
        setattr(history, name, value)
    history.validation = {int(step): loss for step, loss in history.validation.items()}
    return done


def _own_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Every weight and buffer once: a tied head is the embedding."""
    kept, seen = {}, set()
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            kept[name] = tensor
    return kept
