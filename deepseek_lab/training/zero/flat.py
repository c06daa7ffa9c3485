"""Parameters side by side in one buffer that N ranks can share evenly, and the units such buffers are made for.

A buffer is cut without regard to where a parameter ends: rank r has numbers r s to (r + 1) s of it, s = ⌈numbers / N⌉,
and the last rank's end is padding. AdamW doesn't mind, because it treats every number on its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, groupby

import torch
from torch import Tensor, nn

from deepseek_lab.config import require


class Flat:
    """Where each of some parameters lies in a buffer: one after the other, then padding.

    `names` are those of `model.named_parameters()`; a tied parameter is here once, by the first of its names.
    """

    def __init__(self, name: str, named: dict[str, nn.Parameter], ranks: int, rank: int):
        self.name, self.names, self.parameters = name, list(named), list(named.values())
        self.shapes = [p.shape for p in self.parameters]  # kept: in stage 3, a released parameter has no shape
        ends = list(accumulate(p.numel() for p in self.parameters))
        self.spans = list(zip([0, *ends[:-1]], ends, strict=True))
        self.numel = ends[-1]
        self.shard_numel = -(-self.numel // ranks)
        self.padded = ranks * self.shard_numel
        self.own = slice(rank * self.shard_numel, (rank + 1) * self.shard_numel)

    def views(self, buffer: Tensor) -> list[Tensor]:
        """Each parameter's part of a whole buffer, in its shape."""
        return [self.view(buffer, index) for index in range(len(self.names))]

    def view(self, buffer: Tensor, index: int) -> Tensor:
        """One parameter's part of a whole buffer, in its shape."""
        start, end = self.spans[index]
        return buffer[start:end].view(self.shapes[index])

    @torch.no_grad()
    def pack(self, dtype: torch.dtype) -> Tensor:
        """A new whole buffer that holds the parameters as they are now."""
        buffer = torch.zeros(self.padded, dtype=dtype, device=self.parameters[0].device)
        for view, parameter in zip(self.views(buffer), self.parameters, strict=True):
            view.copy_(parameter)
        return buffer

    def runs(self, group_of: Callable[[nn.Parameter], int]) -> list[tuple[int, int]]:
        """One's own shard cut where the optimizer's group changes: (group, numbers), ... Padding joins the last."""
        pieces = []
        for parameter, (start, end) in zip(self.parameters, self.spans, strict=True):
            end = self.padded if end == self.numel else end
            inside = min(end, self.own.stop) - max(start, self.own.start)
            if inside > 0:
                pieces.append((group_of(parameter), inside))
        return [(group, sum(n for _, n in run)) for group, run in groupby(pieces, key=lambda piece: piece[0])]

    def layout(self) -> dict:
        """For a checkpoint: how many numbers there are without padding, and each parameter's name, shape and place."""
        places = zip(self.names, self.shapes, self.spans, strict=True)
        parameters = [{"name": name, "shape": list(shape), "start": start} for name, shape, (start, _) in places]
        return {"numel": self.numel, "parameters": parameters}


@dataclass(eq=False)
class Unit:
    """Modules that run one after the other, and the buffers of what they own. Gathered, reduced and released at once.

    A parameter shared with an earlier unit stays there, and that unit is among the `needs`.
    """

    name: str
    modules: list[nn.Module]
    trained: list[Flat] = field(default_factory=list)  # one, or none
    frozen: list[Flat] = field(default_factory=list)  # one, or none: sharded in stage 3, but with no gradient
    needs: list["Unit"] = field(default_factory=list)  # all whose parameters these modules read, itself first

    @property
    def flats(self) -> list[Flat]:
        """Both kinds."""
        return self.trained + self.frozen


def default_units(model: nn.Module) -> list[list[nn.Module]]:
    """Modules, unit by unit: each child of a `ModuleList` is one, and so is what is defined between two lists.

    For a language model: the embedding, every block, and the last norm together with the head.
    """
    units, loose = [], []

    def visit(module: nn.Module) -> None:
        nonlocal loose
        if isinstance(module, nn.ModuleList):
            units.extend(([loose] if loose else []) + [[child] for child in module])
            loose = []
            return
        whole = not any(isinstance(inner, nn.ModuleList) for inner in module.modules())
        if any(True for _ in module.parameters(recurse=whole)):
            loose.append(module)
        for child in () if whole else module.children():
            visit(child)

    visit(model)
    return units + ([loose] if loose else [])


def make_units(
    model: nn.Module, modules: list[list[nn.Module]] | None, ranks: int, rank: int, group_of: dict[nn.Parameter, int]
) -> list[Unit]:
    """The units of a model, by default those of `default_units`, and who owns which parameter.

    Within a buffer, parameters are sorted by the optimizer's group, so that a shard falls into few runs. Raises
    `ValueError` if they don't hold every parameter once.
    """
    names = {module: name for name, module in model.named_modules()}
    first_name = {p: name for name, p in model.named_parameters()}
    modules = default_units(model) if modules is None else modules
    roots = {module for unit in modules for module in unit}
    owner: dict[nn.Parameter, Unit] = {}
    units = []
    for inside in modules:
        unit = Unit(names.get(inside[0]) or "model", list(inside))
        read = list(dict.fromkeys(p for module in inside for p in _own_parameters(module, roots)))
        mine = sorted((p for p in read if p not in owner), key=lambda p: group_of.get(p, -1))
        for wanted, flats in ((True, unit.trained), (False, unit.frozen)):
            named = {first_name[p]: p for p in mine if p.requires_grad is wanted}
            if named:
                flats.append(Flat(unit.name + ("" if wanted else " (frozen)"), named, ranks, rank))
        owner |= dict.fromkeys(mine, unit)
        unit.needs = [unit, *dict.fromkeys(owner[p] for p in read if owner[p] is not unit)]
        units.append(unit)
    forgotten = [name for p, name in first_name.items() if p not in owner]
    require(not forgotten, "units", f"none with {forgotten[:1]}", "units that hold every parameter of the model")
    return [unit for unit in units if unit.flats or len(unit.needs) > 1]


def _own_parameters(module: nn.Module, roots: set[nn.Module]) -> Iterator[nn.Parameter]:
    """All of a module's parameters but those of units inside it."""
    yield from module.parameters(recurse=False)
    for child in module.children():
        if child not in roots:
            yield from _own_parameters(child, roots)
