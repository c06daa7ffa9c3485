"""ZeRO stage 3: every rank also keeps the parameters of its own shard only. 16Ψ / N bytes, and nothing whole.

A unit's parameters are gathered before it runs and released after, on the way forward and again on the way back, while
the next unit's are already on their way: at most two units are whole at any time.

    forward    all-gather, run, release        Ψ numbers
    backward   all-gather, run, release        Ψ
               reduce-scatter the gradients    Ψ      in all 3 Ψ for each micro-batch, where plain data parallelism
                                                      sends 2 Ψ; a tied parameter is gathered for each of its uses

Releasing frees the memory under a buffer but keeps the buffer, because autograd may have kept views of it for the way
back. They read the right numbers again after the next all-gather.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from deepseek_lab.training.zero.flat import Flat, Unit
from deepseek_lab.training.zero.stage2 import Stage2


class Stage3(Stage2):
    """Everything sharded. Between uses, a parameter of the model is an empty tensor."""

    stage = 3

    def _place_parameters(self) -> None:
        self.shards: dict[Flat, Tensor] = {}
        self.users: dict[Unit, set] = {}  # for whom a unit is whole; released when the last one leaves
        self.arriving: dict[Unit, list[Callable[[], None]]] = {}  # gathers not yet waited for
        self.inside: set[Unit] = set()  # units in use
        self.plan: list[Unit] = []  # in which order units were used in the micro-batch before
        self.seen: list[Unit] = []  # and in this one
        super()._place_parameters()

    def _place(self, flat: Flat) -> None:
        """Keep a copy of one's own shard, on the host if offloaded, and a buffer without memory."""
        buffer = flat.pack(self.dtype)
        self.shards[flat] = self._at_optimizer(buffer[flat.own])
        self.buffers[flat] = buffer
        self._free(flat)

    def own_shard(self, flat: Flat) -> Tensor:
        """This rank's parameters, in the model's precision."""
        return self.shards[flat]

    def _free(self, flat: Flat) -> None:
        for parameter in flat.parameters:
            parameter.data = self.buffers[flat].new_empty(
                0
            )  # used by mistake, it fails instead of reading freed memory
        self.buffers[flat].untyped_storage().resize_(0)

    @torch.no_grad()
    def _gather(self, unit: Unit, user: object) -> None:
        """Begin to make a unit whole, unless it is."""
        if unit not in self.users:
            self.users[unit], self.arriving[unit] = set(), []
            for flat in unit.flats:
                buffer = self.buffers[flat]
                buffer.untyped_storage().resize_(flat.padded * buffer.itemsize)
                self.ranks.meter.hold("parameters", flat.padded * buffer.itemsize)
                buffer[flat.own].copy_(self.shards[flat])
                self.arriving[unit].append(self.ranks.all_gather(buffer))
        self.users[unit].add(user)

    def _arrive(self, unit: Unit) -> None:
        """Wait for it, and let the model's parameters look at it."""
        if unit in self.arriving:
            for wait in self.arriving.pop(unit):
                wait()
            for flat in unit.flats:
                for parameter, view in zip(flat.parameters, flat.views(self.buffers[flat]), strict=True):
                    parameter.data = view

    def _release(self, unit: Unit, user: object) -> None:
        """Free it, unless somebody else uses it."""
        self.users.get(unit, set()).discard(user)
        if self.users.get(unit) == set():
            self._arrive(unit)  # memory that is being written to can't be freed
            del self.users[unit]
            for flat in unit.flats:
                self._free(flat)
                self.ranks.meter.hold("parameters", -flat.padded * self.buffers[flat].itemsize)

    def _enter(self, unit: Unit) -> None:
        """Everything that the unit reads is made whole, and what the next one reads begins to be."""
        for need in unit.needs:
            self._gather(need, unit)
        for need in unit.needs:
            self._arrive(need)
        if unit not in self.inside:
            self.inside.add(unit)
            self._prefetch_after(unit)

    def _prefetch_after(self, unit: Unit) -> None:
        """The next unit is the one that came next in the micro-batch before; if the order changed, nobody is."""
        turn = len(self.seen)
        self.seen.append(unit)
        if self.plan[turn : turn + 1] != [unit]:
            self.plan = []
        for following in self.plan[turn + 1 : turn + 2]:
            if following not in self.inside:
                for need in following.needs:
                    self._gather(need, following)

    def _exit(self, unit: Unit) -> None:
        self.inside.discard(unit)
        for need in unit.needs:
            self._release(need, unit)

    def _release_all(self) -> None:
        for unit, users in list(self.users.items()):
            for user in list(users):
                self._release(unit, user)
        self.inside = set()

    def before_forward(self, unit: Unit) -> None:
        """All-gather."""
        self._enter(unit)

    def after_forward(self, unit: Unit) -> None:
        """Release."""
        self._exit(unit)

    def before_backward(self, unit: Unit) -> None:
        """All-gather again."""
        self._enter(unit)

    def after_backward(self, unit: Unit, complete: list[Unit]) -> None:
        """Release, then reduce-scatter what is complete."""
        self._exit(unit)
        super().after_backward(unit, complete)

    def _start(self) -> None:
        super()._start()
        self._release_all()  # what an error or an evaluation left

    def _start_micro_batch(self, last: bool) -> None:
        self.seen = []
        super()._start_micro_batch(last)

    def _finish_micro_batch(self) -> None:
        super()._finish_micro_batch()
        self._release_all()
        self.plan, self.seen = self.seen, []

    def publish(self, flat: Flat) -> Callable[[], None]:
        """Nobody needs to know: the next all-gather will tell."""
        self._refresh(flat)
        return lambda: None

    def _parameters(self) -> Iterable[Tensor]:
        return [*self.model.parameters(), *self.buffers.values(), *self.shards.values()]

    def full_state_dict(self) -> dict[str, Tensor]:
        """Copies, on the CPU, of the whole model, one unit after the other; all ranks must call it."""
        copies = {}
        for unit in self.units:
            self._gather(unit, self)
            self._arrive(unit)
            copies |= {p: p.detach().to("cpu", copy=True) for flat in unit.flats for p in flat.parameters}
            self._release(unit, self)
        buffers = {name: t.to("cpu", copy=True) for name, t in self.model.state_dict().items()}
        named = self.model.named_parameters(remove_duplicate=False)
        return buffers | {name: copies[p] for name, p in named if name in buffers}

    @contextmanager
    def gathered(self) -> Iterator[nn.Module]:
        """The model with all its parameters, to evaluate or sample; all ranks must enter. Don't change them here."""
        for unit in self.units:
            self._gather(unit, self)
            self._arrive(unit)
        try:
            yield self.model
        finally:
            self._release_all()
