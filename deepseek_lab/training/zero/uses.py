"""When a unit is about to be used and when it has been, on the way forward and on the way back.

Every rank must reach the same collectives in the same order, or they wait for each other for ever. So what starts one
is never "this gradient is here": on a rank where no token went to some expert, it may not come at all. It is always a
module's turn, which depends on the model alone.
"""

from collections.abc import Iterator
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from deepseek_lab.training.zero.flat import Unit


class Listener(Protocol):
    """What a stage of ZeRO does at each of four moments."""

    def before_forward(self, unit: Unit) -> None:
        """A module of the unit is about to run."""

    def after_forward(self, unit: Unit) -> None:
        """The unit's last module has run."""

    def before_backward(self, unit: Unit) -> None:
        """The gradient of an output of the unit is there."""

    def after_backward(self, unit: Unit, complete: list[Unit]) -> None:
        """The way back has left the unit; the gradients of `complete`, it or what it shares, won't change any more."""


class Uses:
    """Hooks on the modules of all units. The way back leaves a unit when the next one's turn comes, or at the end."""

    def __init__(self, units: list[Unit], listener: Listener):
        self.units, self.listener = units, listener
        self.start()
        for unit in units:
            for module in unit.modules:
                last = module is unit.modules[-1]
                module.register_forward_pre_hook(partial(self._before, unit))
                module.register_forward_hook(partial(self._after, unit, last))

    def start(self) -> None:
        """Before the forward pass of a micro-batch."""
        self.current: Unit | None = None
        self.open = dict.fromkeys(self.units, 0)  # uses in the forward pass that the way back has not reached

    def finish(self) -> None:
        """After the backward pass of a micro-batch."""
        self._leave()

    def _before(self, unit: Unit, module: nn.Module, inputs) -> None:
        self.listener.before_forward(unit)

    def _after(self, unit: Unit, last: bool, module: nn.Module, inputs, output) -> None:
        if last:
            self.listener.after_forward(unit)
        outputs = [t for t in _tensors(output) if t.requires_grad]
        if outputs and torch.is_grad_enabled():
            for need in unit.needs:
                self.open[need] += 1
            torch.autograd.graph.register_multi_grad_hook(outputs, partial(self._back, unit), mode="any")

    def _back(self, unit: Unit, gradient: Tensor) -> None:
        if self.current is not unit:
            self._leave()
            self.current = unit
        for need in unit.needs:
            self.open[need] -= 1
        self.listener.before_backward(unit)

    def _leave(self) -> None:
        if self.current is not None:
            self.listener.after_backward(self.current, [need for need in self.current.needs if not self.open[need]])


def _tensors(output: object) -> Iterator[Tensor]:
    """Those in a module's output, a tensor or nested tuples, lists and dicts of them."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, (tuple, list, dict)):
        for part in output.values() if isinstance(output, dict) else output:
            yield from _tensors(part)
