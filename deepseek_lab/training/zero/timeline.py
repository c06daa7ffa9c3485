"""When a rank computes and when it sends, in one real step.

    with record_timeline(engine) as events:
        engine.step(micro_batches, next_token_loss)

A unit's forward and backward are stamped at the four moments of `uses`, around what the stage does there: waiting for
parameters is no part of them. A collective begins where it is asked for, and ends when it has ended, in a thread of the
library's, whether or not anybody waits for it yet.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from deepseek_lab.config import require
from deepseek_lab.training.zero.flat import Flat, Unit
from deepseek_lab.training.zero.stage1 import Stage1

SHORT = {"embed_tokens": "embed", "lm_head": "head"}


@dataclass(frozen=True)
class Event:
    """Something that one rank did; plain numbers, so that `dataclasses.asdict` gives what JSON can hold.

    `kind` is "gather" (parameters are made whole), "forward", "backward", "reduce" (gradients are added up over the
    ranks), "update" (the optimizer), or "release" (whole parameters are freed: a moment, not a stretch). `start` and
    `end` are seconds after `origin`, which is `time.perf_counter()` at the beginning of the recording. Ranks on one
    machine share that clock, so their events can be laid side by side; those of two machines can't.
    """

    kind: str
    unit: str  # "embed", "layers.0", ..., "norm + head"
    start: float
    end: float
    origin: float


@contextmanager
def record_timeline(engine: Stage1) -> Iterator[list[Event]]:
    """The events of what `engine` (stage 1, 2 or 3) does inside, in the list that it gives, sorted by their start.

    The list is filled when the block ends. Nothing that is computed changes, and afterwards nothing is recorded any
    more. The times are meant for a CPU: on CUDA, they say when the host asked for something, not when the GPU did it.
    On one rank, gathers and reduces take no time. Raises `ValueError` for an engine that shards nothing.
    """
    require(isinstance(engine, Stage1), "engine", type(engine).__name__, "one of stage 1, 2 or 3")
    events, recorder = [], _Recorder(engine)
    recorder.begin()
    try:
        yield events
    finally:
        recorder.end()
    events += recorder.events()


def unit_names(model: nn.Module, units: list[Unit]) -> dict[Unit, str]:
    """Names to read: "model.layers.0" is "layers.0", and the last norm with the head is "norm + head"."""
    paths = {module: path for path, module in model.named_modules()}
    names = {}
    for unit in units:
        words = [paths[module].removeprefix("model.") or "model" for module in unit.modules]
        names[unit] = " + ".join(SHORT.get(word, word) for word in words[:3])
    return names


@dataclass
class _Stamp:
    """An event on its way: a collective has an end for each of its works, and the last one counts."""

    kind: str
    unit: Unit
    start: float
    ends: list[float]
    latest: float = math.inf  # somebody has waited for it: its own stamps may be late, as threads take turns

    def event(self, name: str, origin: float) -> Event:
        """Relative to the recording's beginning."""
        return Event(self.kind, name, self.start - origin, min(max(self.ends), self.latest) - origin, origin)


class _Recorder:
    """Stands between the four moments and the stage, beside the collectives, and on the optimizer's hooks."""

    def __init__(self, engine: Stage1):
        self.engine, self.stage = engine, engine.uses.listener
        self.names = unit_names(engine.model, engine.units)
        self.unit_of = {flat: unit for unit in engine.units for flat in unit.flats}
        self.stamps: list[_Stamp] = []
        self.running: dict[tuple[str, Unit | None], float] = {}  # since when
        self.futures: list = []  # of collectives; each is there once its end is stamped

    def begin(self) -> None:
        """Take one's places, and look at the clock."""
        engine = self.engine
        self.undo = [
            engine.optimizer.register_step_pre_hook(lambda *_: self._begin("update", None)).remove,
            engine.optimizer.register_step_post_hook(lambda *_: self._end("update", None)).remove,
            partial(setattr, engine.ranks, "watch", engine.ranks.watch),
            partial(setattr, engine.uses, "listener", self.stage),
        ]
        engine.ranks.watch, engine.uses.listener = self.watch, self
        if engine.stage == 3:
            self.free, engine._free = engine._free, self.release  # on this object, before the class's own
            self.undo.append(partial(delattr, engine, "_free"))
        self.origin = time.perf_counter()

    def end(self) -> None:
        """Leave them: everything is as it was."""
        for undo in self.undo:
            undo()

    def events(self) -> list[Event]:
        """What was stamped, in order."""
        for future in self.futures:  # the step waited for the works themselves, which may be a moment earlier
            future.wait()
        found = [stamp.event(self.names[stamp.unit], self.origin) for stamp in self.stamps]
        return sorted(found, key=lambda event: event.start)

    def _begin(self, kind: str, unit: Unit | None) -> None:
        self.running.setdefault((kind, unit), time.perf_counter())  # a unit of several modules begins with the first

    def _end(self, kind: str, unit: Unit | None) -> None:
        now, start = time.perf_counter(), self.running.pop((kind, unit))
        self.stamps.append(_Stamp(kind, unit or self._updated(), start, [now]))

    def _updated(self) -> Unit:
        """Whose shard the optimizer has just updated: the one that has a gradient."""
        return next(self.unit_of[flat] for flat, pieces in self.engine.pieces.items() if pieces[0].grad is not None)

    def _compute(self, kind: str, unit: Unit) -> None:
        now = time.perf_counter()
        for stamp in self.stamps:  # the stage has waited for all that the unit reads
            if stamp.kind == "gather" and stamp.unit in unit.needs:
                stamp.latest = min(stamp.latest, now)
        self._begin(kind, unit)

    def before_forward(self, unit: Unit) -> None:
        """The stage first: it waits for parameters."""
        self.stage.before_forward(unit)
        self._compute("forward", unit)

    def after_forward(self, unit: Unit) -> None:
        """The stamp first."""
        self._end("forward", unit)
        self.stage.after_forward(unit)

    def before_backward(self, unit: Unit) -> None:
        """The stage first, as before."""
        self.stage.before_backward(unit)
        self._compute("backward", unit)

    def after_backward(self, unit: Unit, complete: list[Unit]) -> None:
        """The stamp first: what the stage does now is send."""
        self._end("backward", unit)
        self.stage.after_backward(unit, complete)

    def watch(self, kind: str, buffer: Tensor) -> Callable[[list], None]:
        """See `collectives.Watch`."""
        start, ends = time.perf_counter(), []
        buffers = self.engine.buffers if kind == "gather" else self.engine.gradients
        unit = next(self.unit_of[flat] for flat, each in buffers.items() if each is buffer)
        self.stamps.append(_Stamp(kind, unit, start, ends))

        def begun(works: list) -> None:
            for work in works:  # called in gloo's own thread, as soon as Python lets it
                self.futures.append(work.get_future().then(lambda _: ends.append(time.perf_counter())))
            if not works:
                ends.append(start)

        return begun

    def release(self, flat: Flat) -> None:
        """In place of stage 3's `_free`."""
        now = time.perf_counter()
        self.stamps.append(_Stamp("release", self.unit_of[flat], now, [now]))
        self.free(flat)
