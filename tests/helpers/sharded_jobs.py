"""What the ranks of the tests of sharded checkpoints do."""

import errno
import os
import signal
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from unittest import mock

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.filesystem import FileSystem

from deepseek_lab.training import sharded
from deepseek_lab.training.engines import make_engine
from deepseek_lab.training.pretrain import parameter_groups
from deepseek_lab.training.sharded import saving
from deepseek_lab.training.zero import LossScaler, zero
from helpers.zero_jobs import CLIP, adamw, loss_of, make_model, micro_batches, say


def build(name: str, kind: str = "odd", half: bool = False, seed: int = 0, make=adamw):
    """An engine; "zero0" is the one that needs no process group, "scaled" a stage 2 with a loss scaler."""
    model = make_model(kind, seed=seed)
    groups = parameter_groups(model, 0.1)
    given = dict(clip=CLIP, groups=groups, dtype=torch.bfloat16 if half else None)
    if name == "scaled":
        return zero(model, 2, make, scaler=LossScaler(scale=1024.0, grow_every=3), **given)
    return zero(model, 0, make, **given) if name == "zero0" else make_engine(name, model, make, **given)


def run(engine, steps: range) -> list[float]:
    """Losses of these steps."""
    rank, ranks = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    return [engine.step(micro_batches(step, rank, ranks), loss_of) for step in steps]


def save(rank: int, folder: str, evaluate: bool = False, **which) -> dict:
    """Two steps, buffers that are not as they begin, a checkpoint, two more steps."""
    engine = build(**which)
    run(engine, range(2))
    for buffer in engine.model.buffers():
        if buffer.is_floating_point():
            buffer += 0.01
    if evaluate:  # leaves FSDP2's root whole
        engine.root(loss_of, micro_batches(0, rank, dist.get_world_size())[0])
    path = sharded.save(folder, engine, {"at": 2, "words": ["Ψ", 0.1]})
    saved = engine.full_state_dict()
    losses = run(engine, range(2, 4))
    return {"path": path, "saved": saved, "losses": losses, "weights": engine.full_state_dict(), "scale": scale(engine)}


def resume(rank: int, folder: str, **which) -> dict:
    """The same two last steps, by another engine whose state was another."""
    engine = build(**which, seed=5)
    run(engine, range(1))
    facts = sharded.load(folder, engine)
    loaded, steps = engine.full_state_dict(), engine.steps
    losses = run(engine, range(2, 4))
    weights = engine.full_state_dict()
    return dict(facts=facts, loaded=loaded, steps=steps, losses=losses, weights=weights, scale=scale(engine))


def scale(engine) -> tuple | None:
    """The loss scaler's state."""
    scaler = getattr(engine, "scaler", None)
    return scaler and (scaler.scale, scaler.calm)


def refused(rank: int, folder: str, **which) -> dict:
    """What is said when a checkpoint is loaded that can't be, and whether the engine is as before."""
    engine = build(**which, seed=5)
    run(engine, range(1))
    before = engine.full_state_dict()
    said = say(lambda: sharded.load(folder, engine))
    same = all(torch.equal(a, b) for a, b in zip(before.values(), engine.full_state_dict().values(), strict=True))
    return {"said": said, "same": same and engine.steps == 1}


def full_disk(rank: int, folder: str) -> dict:
    """Saves after every step, until the disk is full; all are kept."""
    engine, seen, said = build("zero2"), [], None
    while said is None and engine.steps < 20:
        run(engine, range(1))
        seen.append(sorted(p.name for p in Path(folder).iterdir()))
        dist.barrier()
        said = say(lambda: sharded.save(folder, engine, {}, keep=100))
    return {"said": said, "steps": engine.steps, "left": sorted(p.name for p in Path(folder).iterdir())}


@contextmanager
def broken_stream(rank: int, on: int, action):
    """On rank `on`, half of a shard is written; then comes `action()`."""
    create = FileSystem.create_stream

    @contextmanager
    def stream(self, path, mode):
        with create(self, path, mode) as real:
            write = real.write

            class Half:
                def __getattr__(self, name):
                    return getattr(real, name)

                def write(self, data):
                    write(bytes(data)[: len(data) // 2])
                    real.flush()
                    action()

            yield Half()

    if rank != on:
        yield
    else:
        with mock.patch.object(FileSystem, "create_stream", stream):
            yield


def no_space(*arguments) -> None:
    """As the operating system says it about an open file: without its name."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def failures(rank: int, folder: str) -> dict:
    """Errors of single ranks at each stage of a save, each after one that worked; and that the next one works."""
    engine, said = build("zero3"), {}
    run(engine, range(1))
    sharded.save(folder, engine, {})
    run(engine, range(1, 2))

    def attempt(name: str, patches, facts: dict | None = None) -> None:
        with patches:
            said[name] = say(lambda: sharded.save(folder, engine, {} if facts is None else facts))
        dist.barrier()
        said[name, "left"] = sorted(path.name for path in Path(folder).iterdir())
        dist.barrier()

    attempt("shard", broken_stream(rank, 1, no_space))
    nothing = nullcontext()
    for name, where, who in (("describe", "describe", 1), ("notes", "write_notes", 0), ("rename", "publish", 0)):
        attempt(name, mock.patch.object(saving, where, no_space) if rank == who else nothing)
    attempt("facts", nothing, {"bad": {1, 2}} if rank == 1 else {})
    engine.steps += rank
    attempt("steps", nothing)
    engine.steps -= rank
    attempt("works", nothing)
    return said


def again(rank: int, folder: str) -> dict:
    """The same step saved twice, others deleted, a lower step after higher ones, and folders with nothing in them."""
    engine = build("zero1")
    none = [sharded.load(f"{folder}/nowhere", engine), sharded.load(folder, engine)]
    at0 = sharded.save(f"{folder}/zero", engine, {})
    seen = []
    for steps, facts in ((1, "a"), (1, "b"), (2, "c"), (3, "d"), (2, "e"), (1, "f")):
        engine.steps = steps
        sharded.save(folder, engine, {"facts": facts}, keep=2)
        seen.append((sorted(p.name for p in Path(folder).glob("step*")), sharded.load(folder, engine)))
        dist.barrier()
    run(engine, range(1))
    facts = sharded.load(at0, engine)
    empty = all(not engine.optimizer.state.get(p) for g in engine.optimizer.param_groups for p in g["params"])
    return {"none": none, "seen": seen, "zero": (facts, engine.steps, empty)}


def killed(rank: int, folder: str, store: str, words: str) -> None:
    """A process of its own: rank 1 kills itself in the middle of the second save; rank 0 says what it hears of it."""
    torch.set_num_threads(1)
    limit = timedelta(seconds=30)
    dist.init_process_group("gloo", store=dist.FileStore(store, 2), rank=rank, world_size=2, timeout=limit)
    engine = build("zero3")
    for step in range(2):
        run(engine, range(step, step + 1))
        with broken_stream(rank, 1 if step else -1, lambda: os.kill(os.getpid(), signal.SIGKILL)):
            error = say(partial(sharded.save, folder, engine, {"step": step}))
        Path(words).write_text(error or "")
    os._exit(0)


def shard(step: Path, rank: int = 1) -> Path:
    """The file of a rank."""
    return step / f"shard-0000{rank + 1}-model-00001-of-00001.safetensors"


def truncated(step: Path) -> None:
    """The last byte is gone."""
    with shard(step).open("r+b") as file:
        file.truncate(shard(step).stat().st_size - 1)


def flipped(step: Path) -> None:
    """One bit of a tensor is another."""
    data = bytearray(shard(step).read_bytes())
    data[-100] ^= 1
    shard(step).write_bytes(data)


def changed_notes(step: Path) -> None:
    """Somebody edited them."""
    path = step / "training.json"
    path.write_text(path.read_text().replace('"steps": 2', '"steps": 3'))


def old_format(step: Path) -> None:
    """Of another version."""
    path = step / "training.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 0'))
