"""The state of engines whose optimizer has the model's own parameters: DDP, where they are whole, and FSDP2.

    tensors  "model.<name>" of parameters and buffers, "exp_avg.<name>", ...: what the optimizer keeps, in their shapes
    notes    "scalars": {name: {"step": ...}}; "members": the names in each of the optimizer's groups

A name is that of `model.named_parameters()`, where a tied parameter comes once. What all ranks have whole is written
once, each rank taking a share; a `DTensor` is written in its shards. So one engine's checkpoint is the other's.
"""

import torch
from torch import Tensor
from torch.distributed.fsdp import FSDPModule

from deepseek_lab.model.checkpoint_files import CheckpointError
from deepseek_lab.training.sharded.common import (
    common_notes,
    compare_common,
    compare_tensors,
    refuse_other,
    restore_scaler,
    restored_groups,
    scalar_device,
    scalar_from_json,
    scalar_to_json,
)
from deepseek_lab.training.sharded.tensors import described, local, on_host, room_for
from deepseek_lab.training.sharded.together import Together

FAMILY = "by name"
TAKES = "engines like DDP and FSDP2"


def capture(engine, ranks: Together) -> tuple[dict[str, Tensor], dict]:
    """Tensors on the host and notes of an engine's state now. No rank waits for another.

    Raises `CheckpointError` for an optimizer whose state has other shapes.
    """
    _reshard(engine)
    parameters = dict(engine.model.named_parameters())
    tensors = {f"model.{name}": on_host(tensor) for name, tensor in _named(engine.model).items()}
    scalars = {}
    for name in (name for names in members(engine) for name in names):
        parameter, scalars[name] = parameters[name], {}
        for key, value in engine.optimizer.state.get(parameter, {}).items():
            if key != "step" and isinstance(value, Tensor) and value.shape == parameter.shape:
                tensors[f"{key}.{name}"] = on_host(value)
            elif isinstance(value, Tensor) and value.dim():
                takes = f"that of the parameter, {tuple(parameter.shape)}, or none"
                raise CheckpointError(
                    f"optimizer's {key} of {name}: got shape {tuple(value.shape)}, but it takes {takes}"
                )
            else:
                scalars[name][key] = scalar_to_json(f"{key} of {name}", value)
    return tensors, common_notes(engine) | {"scalars": scalars, "members": members(engine)}


def members(engine) -> list[list[str]]:
    """The names of the parameters in each of the optimizer's groups. Raises `CheckpointError` for one without name."""
    name_of = {p: name for name, p in engine.model.named_parameters()}
    groups = engine.optimizer.param_groups
    if not all(p in name_of for group in groups for p in group["params"]):
        takes = "one of the model's own parameters, or a stage 1, 2 or 3 of training.zero"
        raise CheckpointError(f"engine: got an optimizer of other tensors than the model's, but it takes {takes}")
    return [sorted(name_of[p] for p in group["params"]) for group in groups]


def compare(engine, notes: dict) -> None:
    """Raise `CheckpointError` if the notes are of another model, other groups or another dtype."""
    _reshard(engine)
    compare_common(engine, notes)
    own = {f"model.{name}": tensor for name, tensor in _named(engine.model).items()}
    compare_tensors(notes["tensors"], described(own), ("model.",))
    for number, (there, here) in enumerate(zip(notes["members"], members(engine), strict=True)):
        refuse_other("optimizer", f"a difference in its group {number}", *_differences(there, here))


def room(engine, notes: dict, ranks: Together) -> dict[str, Tensor]:
    """Tensors on the host for this rank's part of everything in the notes, sharded as the engine's are."""
    own, tensors = _named(engine.model), {}
    for name, saved in notes["tensors"].items():
        like = own[name.split(".", 1)[1]]
        tensors[name] = room_for(like, getattr(torch, saved["dtype"]))
    return tensors


@torch.no_grad()
def apply(engine, notes: dict, tensors: dict[str, Tensor]) -> None:
    """Put what was read into the engine."""
    for name, own in _named(engine.model).items():
        local(own).copy_(local(tensors[f"model.{name}"]))
    parameters, state = dict(engine.model.named_parameters()), engine.optimizer.state
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        kind, name = key.split(".", 1)
        if kind != "model":
            found.setdefault(name, {})[kind] = tensor
    for name, scalars in notes["scalars"].items():
        parameter = parameters[name]
        values = {key: _like(parameter, tensor) for key, tensor in found.get(name, {}).items()}
        device = scalar_device(engine, parameter.device)
        values |= {key: scalar_from_json(value, device) for key, value in scalars.items()}
        state.pop(parameter, None)
        if values:
            state[parameter] = values
    for group, saved in zip(engine.optimizer.param_groups, restored_groups(engine, notes), strict=True):
        group.update(saved)
    engine.steps = notes["steps"]
    if hasattr(engine, "skipped"):
        engine.skipped = notes["skipped"]
    restore_scaler(engine, notes)


def whole_parameters(notes: dict, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each parameter by its name; `whole_buffers` has the buffers."""
    return {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}


def whole_buffers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each buffer by its name, among the parameters."""
    return whole_parameters({}, tensors)


def needed_for_export(name: str) -> bool:
    """Whether a tensor holds weights or buffers, and not what the optimizer keeps."""
    return name.startswith("model.")


def _reshard(engine) -> None:
    """After an evaluation, FSDP2's root is still whole: the model's parameters are then not the optimizer's."""
    for module in (getattr(engine, "root", None), *engine.model.modules()):
        if isinstance(module, FSDPModule):
            module.reshard()


def _named(model) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _like(parameter: Tensor, tensor: Tensor) -> Tensor:
    """A state as the parameter is: sharded over the same mesh, on the same device."""
    result = torch.empty_like(parameter, dtype=tensor.dtype, requires_grad=False)
    local(result).copy_(local(tensor))
    return result


def _differences(there: list[str], here: list[str]) -> tuple[list[str], list[str]]:
    return sorted({*there} - {*here})[:1], sorted({*here} - {*there})[:1]
