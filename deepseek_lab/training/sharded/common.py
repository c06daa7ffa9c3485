"""What both families say in the notes: model, optimizer, scalars; and how another model's checkpoint is told."""

import torch
from torch import Tensor

from deepseek_lab.config import DeepSeekConfig
from deepseek_lab.model.checkpoint_files import CheckpointError
from deepseek_lab.training.sharded.notes import checked_json, dtype_name


def common_notes(engine) -> dict:
    """The part of the notes that doesn't depend on the family."""
    model, optimizer = engine.model, engine.optimizer
    config = getattr(model, "config", None)
    official = isinstance(config, DeepSeekConfig)
    scaler = getattr(engine, "scaler", None)
    return {
        "steps": engine.steps,
        "skipped": getattr(engine, "skipped", 0),
        "scaler": scaler and {"scale": scaler.scale, "calm": scaler.calm},
        "optimizer": type(optimizer).__name__,
        "groups": [_group(number, group) for number, group in enumerate(optimizer.param_groups)],
        "model": config.to_hf() if official else None,
        "mtp": official and bool(getattr(model, "mtp_modules", [])),
    }


def _group(number: int, group: dict) -> dict:
    plain = {key: v.item() if isinstance(v, Tensor) else v for key, v in group.items() if key != "params"}
    return {key: checked_json(f"optimizer.param_groups[{number}][{key!r}]", v) for key, v in plain.items()}


def restored_groups(engine, notes: dict) -> list[dict]:
    """The groups' settings of the notes, of the types that the optimizer's have: JSON knows no tuples or tensors."""
    result = []
    for group, saved in zip(engine.optimizer.param_groups, notes["groups"], strict=True):
        values = {}
        for key, value in saved.items():
            now = group.get(key)
            if isinstance(now, Tensor):
                values[key] = torch.full_like(now, value)
            else:
                values[key] = tuple(value) if isinstance(value, list) and key != "param_names" else value
        result.append(values)
    return result


def scalar_to_json(key: str, value: object) -> object:
    """An optimizer's `step`, or another number that it keeps; a tensor's dtype is kept too."""
    if isinstance(value, Tensor):
        return {"value": checked_json(key, value.item()), "dtype": dtype_name(value.dtype)}
    return checked_json(key, value)


def scalar_from_json(saved: object, device: torch.device) -> object:
    """What `scalar_to_json` was given; a tensor on `device`."""
    if isinstance(saved, dict):
        return torch.tensor(saved["value"], dtype=getattr(torch, saved["dtype"]), device=device)
    return saved


def scalar_device(engine, device: torch.device) -> torch.device:
    """Where the optimizer wants its step count: fused and capturable ones with the parameters, others on the host."""
    there = any(group.get("fused") or group.get("capturable") for group in engine.optimizer.param_groups)
    return device if there else torch.device("cpu")


def compare_common(engine, notes: dict) -> None:
    """Raise `CheckpointError` if the notes are of another model or optimizer."""
    now = common_notes(engine)
    for key in sorted({*(notes["model"] or {}), *(now["model"] or {})}):
        there, here = ((config or {}).get(key) for config in (notes["model"], now["model"]))
        refuse_other("model", f"its config's {key}", there, here)
    refuse_other("model", "whether it has prediction modules (MTP)", notes["mtp"], now["mtp"])
    refuse_other("optimizer", "its class", notes["optimizer"], now["optimizer"])
    refuse_other("optimizer", "the number of its groups", len(notes["groups"]), len(now["groups"]))


def compare_tensors(saved: dict[str, dict], own: dict[str, dict], prefixes: tuple[str, ...]) -> None:
    """Raise `CheckpointError` for the first tensor, of those whose names begin so, that has another shape or dtype."""
    for name in sorted(name for name in {*saved, *own} if name.startswith(prefixes)):
        there, here = saved.get(name, {}), own.get(name, {})
        refuse_other("model", f"the shape of {name}", there.get("shape"), here.get("shape"))
        refuse_other("dtype", f"that of {name}", there.get("dtype"), here.get("dtype"))


def refuse_other(of: str, what: str, there: object, here: object) -> None:
    """Raise `CheckpointError` unless both are the same."""
    if there != here:
        words = f"another {of}: {what} is {there!r} there and {here!r} here"
        raise CheckpointError(f"it is of {words}. Make the engine as it was, or take another folder")


def restore_scaler(engine, notes: dict) -> None:
    """Loss scale and the count of quiet steps, if the engine has a scaler and the training had one."""
    if getattr(engine, "scaler", None) and notes["scaler"]:
        engine.scaler.scale, engine.scaler.calm = notes["scaler"]["scale"], notes["scaler"]["calm"]
