"""What the ranks of the tests of timelines do: some steps, the last but one of them recorded."""

import json
from dataclasses import asdict

import torch.distributed as dist
from torch import Tensor

from deepseek_lab.training.zero import zero
from deepseek_lab.training.zero.timeline import record_timeline
from helpers.zero_jobs import CLIP, adamw, loss_of, make_model, micro_batches


def timeline(rank: int, stage: int, kind: str = "odd", count: int = 1, record: bool = True) -> dict:
    """Four steps of `count` micro-batches; the third is recorded, and the fourth must not be."""
    ranks = dist.get_world_size() if dist.is_initialized() else 1
    model = make_model(kind)
    engine = zero(model, stage, adamw, clip=CLIP)
    listener, watch, free = engine.uses.listener, engine.ranks.watch, getattr(engine, "_free", None)
    losses, events = [], []
    for step in range(4):
        batches = micro_batches(step, rank, ranks)[:count]
        if step == 2 and record:
            with record_timeline(engine) as events:
                losses.append(engine.step(batches, loss_of))
                during = list(events)
            found = len(events)
        else:
            losses.append(engine.step(batches, loss_of))
    weights = engine.full_state_dict()
    if not record:
        return {"losses": losses, "weights": weights}
    assert during == [] and len(events) == found, "filled at the end, and only then"
    assert engine.uses.listener is listener and engine.ranks.watch is watch
    assert getattr(engine, "_free", None) == free and "_free" not in vars(engine)
    return {"losses": losses, "weights": weights, "events": json.loads(json.dumps([asdict(e) for e in events]))}


def broken(rank: int) -> dict:
    """A step that fails while it is recorded: the engine goes on as before, and says nothing more to the recorder."""
    engine = zero(make_model("odd"), 3, adamw)
    batches = micro_batches(0, rank, dist.get_world_size())

    def nothing(model, batch: Tensor) -> None:
        loss_of(model, batch)

    said = None
    try:
        with record_timeline(engine) as events:
            engine.step(batches, nothing)
    except ValueError as error:
        said = str(error)
    return {"said": said, "events": events, "loss": engine.step(batches, loss_of)}
