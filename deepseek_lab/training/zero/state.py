"""A training's state in shards that are easy to store, and to cut again for another number of ranks or another stage.

    {"flats":   {name: {"weights": (s,), "exp_avg": (s,), ...}}   this rank's slices; weights in full precision
     "layout":  {name: {"numel", "parameters": [{"name", "shape", "start"}, ...]}}
     "scalars": {name: {"step": ...}}, "buffers": {...}, "groups": [...], "engine": {...}}    the same on every rank

`name` is a unit's. Where a slice lies depends on ranks and rank alone: number i of a flat is number i mod s of rank
i // s, with s = ⌈numel / N⌉. All three stages share one layout.
"""

import torch
from torch import Tensor

from deepseek_lab.config import require
from deepseek_lab.training.zero.engine import Engine
from deepseek_lab.training.zero.flat import Flat


def shard_state(engine: Engine) -> dict:
    """This rank's state; see above. Tensors are the live ones, not copies, where they are whole; no rank waits."""
    flats, scalars = {}, {}
    for unit in engine.units:
        for flat in unit.frozen:
            flats[flat.name] = {"weights": engine.own_shard(flat)}
        for flat in unit.trained:
            states = [engine.optimizer.state.get(piece, {}) for piece in engine.pieces[flat]]
            flats[flat.name] = {"weights": engine.masters[flat]}
            scalars[flat.name] = {}
            for key, value in states[0].items():
                if isinstance(value, Tensor) and value.dim() == 1:
                    flats[flat.name][key] = torch.cat([state[key] for state in states])
                else:
                    scalars[flat.name][key] = value
    groups = [{key: v for key, v in g.items() if key != "params"} for g in engine.optimizer.param_groups]
    scaler = engine.scaler and {"scale": engine.scaler.scale, "calm": engine.scaler.calm}
    return {
        "flats": flats,
        "layout": {flat.name: flat.layout() for unit in engine.units for flat in unit.flats},
        "scalars": scalars,
        "buffers": dict(engine.model.named_buffers()),
        "groups": groups,
        "engine": {"steps": engine.steps, "skipped": engine.skipped, "scaler": scaler},
    }


@torch.no_grad()
def load_shard_state(engine: Engine, state: dict) -> None:
    """Continue from what `shard_state` gave, on this rank of as many; all ranks must call it. The state is copied.

    Raises `ValueError` for the state of another model or number of ranks.
    """
    for unit in engine.units:
        for flat in unit.flats:
            saved, there = state["layout"].get(flat.name), flat.layout()
            require(saved == there, "state", f"another layout of {flat.name!r}", "that of the same model and units")
            got = len(state["flats"][flat.name]["weights"])
            require(got == flat.shard_numel, "state", f"{got} numbers of {flat.name!r}", f"{flat.shard_numel}: resplit")
    for unit in engine.units:
        for flat in unit.frozen:
            engine.own_shard(flat).copy_(state["flats"][flat.name]["weights"])
        for flat in unit.trained:
            _load_flat(engine, flat, state["flats"][flat.name], state["scalars"][flat.name])
        for flat in unit.flats:
            engine.publish(flat)()
    for name, buffer in engine.model.named_buffers():
        buffer.copy_(state["buffers"][name])
    for group, saved in zip(engine.optimizer.param_groups, state["groups"], strict=True):
        group.update(saved)
    engine.steps, engine.skipped = state["engine"]["steps"], state["engine"]["skipped"]
    if engine.scaler and state["engine"]["scaler"]:
        engine.scaler.scale, engine.scaler.calm = state["engine"]["scaler"].values()


def _load_flat(engine: Engine, flat: Flat, tensors: dict, scalars: dict) -> None:
    master, pieces = engine.masters[flat], engine.pieces[flat]
    master.copy_(tensors["weights"])
    sizes = [piece.numel() for piece in pieces]
    for number, piece in enumerate(pieces):
        state = {key: tensors[key].split(sizes)[number] for key in tensors if key != "weights"} | scalars
        copies = {key: value.clone() if isinstance(value, Tensor) else value for key, value in state.items()}
        moved = {key: v.to(master.device) if isinstance(v, Tensor) and v.dim() else v for key, v in copies.items()}
        engine.optimizer.state.pop(piece, None)  # a state saved before the first step has none
        if moved:
            engine.optimizer.state[piece] = moved


def resplit(states: list[dict], ranks: int) -> list[dict]:
    """The states of all ranks, in order, cut again for another number of them."""
    first = states[0]
    results = [{**first, "flats": {}} for _ in range(ranks)]
    for name, layout in first["layout"].items():
        numel = layout["numel"]
        size = -(-numel // ranks)
        for key in first["flats"][name]:
            whole = torch.cat([state["flats"][name][key].cpu() for state in states])[:numel]
            padded = torch.cat([whole, whole.new_zeros(ranks * size - numel)])
            for result, part in zip(results, padded.split(size), strict=True):
                result["flats"].setdefault(name, {})[key] = part
    return results
