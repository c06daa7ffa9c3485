"""The state of `training.zero`'s stages 1 to 3: flat buffers, of which every rank has a slice.

    tensors  "weights.<flat>", "exp_avg.<flat>", ...  (numel,) each, weights in full precision; "buffers.<name>"
    notes    "layout": where each parameter lies in its flat; "scalars": {flat: {"step": ...}}; "dtype": the engine's

All three stages have one layout, and it doesn't depend on the number of ranks.
"""

import torch
from torch import Tensor

from deepseek_lab.training.sharded.common import (
    common_notes,
    compare_common,
    compare_tensors,
    refuse_other,
    restored_groups,
    scalar_device,
    scalar_from_json,
    scalar_to_json,
)
from deepseek_lab.training.sharded.notes import dtype_name
from deepseek_lab.training.sharded.tensors import local, on_host, slice_of
from deepseek_lab.training.sharded.together import Together

FAMILY = "flat"
TAKES = "stages 1, 2 and 3 of training.zero"


def capture(engine, ranks: Together) -> tuple[dict[str, Tensor], dict]:
    """Tensors on the host and notes of an engine's state now. No rank waits for another."""
    state = engine.shard_state()
    tensors = {
        f"{key}.{name}": slice_of(own, state["layout"][name]["numel"], ranks)
        for name, flat in state["flats"].items()
        for key, own in flat.items()
    }
    tensors |= {f"buffers.{name}": on_host(buffer) for name, buffer in state["buffers"].items()}
    scalars = {
        name: {key: scalar_to_json(f"{key} of {name}", value) for key, value in scalars.items()}
        for name, scalars in state["scalars"].items()
    }
    notes = {"layout": state["layout"], "scalars": scalars, "dtype": dtype_name(engine.dtype)}
    return tensors, common_notes(engine) | notes


def compare(engine, notes: dict) -> None:
    """Raise `CheckpointError` if the notes are of another model, other units or another dtype."""
    compare_common(engine, notes)
    flats = {flat.name: flat for unit in engine.units for flat in unit.flats}
    refuse_other("split into units", "their list", sorted(notes["layout"]), sorted(flats))
    for name, flat in flats.items():
        there, here = notes["layout"][name]["parameters"], flat.layout()["parameters"]
        for old, new in zip(there, here, strict=False):
            refuse_other("model, or of other units or groups", f"a part of {name!r}", old, new)
        refuse_other(
            "model, or of other units or groups", f"the number of parameters in {name!r}", len(there), len(here)
        )
    refuse_other("dtype", "the engine's", notes["dtype"], dtype_name(engine.dtype))
    own = {f"buffers.{name}": buffer for name, buffer in engine.model.named_buffers()}
    own = {key: {"shape": list(t.shape), "dtype": dtype_name(t.dtype)} for key, t in own.items()}
    for name, flat in flats.items():
        tensor = engine.masters.get(flat, engine.own_shard(flat))
        own[f"weights.{name}"] = {"shape": [flat.numel], "dtype": dtype_name(tensor.dtype)}
    compare_tensors(notes["tensors"], own, ("weights.", "buffers."))


def room(engine, notes: dict, ranks: Together) -> dict[str, Tensor]:
    """Tensors on the host for this rank's part of everything in the notes."""
    tensors = {}
    for name, saved in notes["tensors"].items():
        dtype, shape = getattr(torch, saved["dtype"]), saved["shape"]
        if name.startswith("buffers."):
            tensors[name] = torch.empty(shape, dtype=dtype)
        else:
            (numel,) = shape
            tensors[name] = slice_of(torch.empty(-(-numel // ranks.size), dtype=dtype), numel, ranks)
    return tensors


def apply(engine, notes: dict, tensors: dict[str, Tensor]) -> None:
    """Put what was read into the engine; all ranks must call it."""
    flats = {flat.name: flat for unit in engine.units for flat in unit.flats}
    state = {"flats": {name: {} for name in flats}, "layout": notes["layout"], "scalars": {}, "buffers": {}}
    for key, tensor in tensors.items():
        kind, name = key.split(".", 1)
        if kind == "buffers":
            state["buffers"][name] = tensor
        else:
            padded = torch.zeros(flats[name].shard_numel, dtype=tensor.dtype)
            padded[: len(local(tensor))] = local(tensor)
            state["flats"][name][kind] = padded
    for flat, master in engine.masters.items():
        device = scalar_device(engine, master.device)
        scalars = notes["scalars"][flat.name]
        state["scalars"][flat.name] = {key: scalar_from_json(value, device) for key, value in scalars.items()}
    state["groups"] = restored_groups(engine, notes)
    state["engine"] = {key: notes[key] for key in ("steps", "skipped", "scaler")}
    engine.load_shard_state(state)


def whole_parameters(notes: dict, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each parameter by its name, in the engine's dtype, from whole flats."""
    parameters = {}
    for name, layout in notes["layout"].items():
        buffer = tensors[f"weights.{name}"].to(getattr(torch, notes["dtype"]))
        for place in layout["parameters"]:
            shape = torch.Size(place["shape"])
            parameters[place["name"]] = buffer[place["start"] : place["start"] + shape.numel()].view(shape)
    return parameters


def whole_buffers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each buffer by its name."""
    return {name.removeprefix("buffers."): t for name, t in tensors.items() if name.startswith("buffers.")}


def needed_for_export(name: str) -> bool:
    """Whether a tensor holds weights or buffers, and not what the optimizer keeps."""
    return name.startswith(("weights.", "buffers."))
