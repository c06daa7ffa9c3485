"""One layer of a paged cache, as attention sees it: each sequence's part looks like a cache of its own.

Writing goes through the table: token t of a sequence stands in block `table[t // size]`, at place `t % size`. Reading
gathers the sequence's blocks; if the table is one run of neighbours, as it is while memory is fresh, nothing is copied.
"""

import torch
from torch import Tensor

from deepseek_lab.attention.cache import AttentionCache, Slot, check_entries
from deepseek_lab.attention.compressed_cache import CompressedCache
from deepseek_lab.attention.compressor import OpenWindow
from deepseek_lab.config import require


class Placement:
    """Where one sequence's tokens of a step go: known once, used by all layers."""

    def __init__(self, table: list[int], start: int, count: int, block_size: int, row: int, first: int):
        """`start`: tokens held already; `count`: new ones; `row`: where its state is; `first`: its place in the row."""
        self.table, self.start, self.count, self.block_size, self.row = table, start, count, block_size, row
        self.slice = slice(first, first + count)
        self.run = table == list(range(table[0], table[0] + len(table)))
        self.blocks = torch.tensor(table)

    def write(self, tensor: Tensor, first: int, entries: Tensor) -> None:
        """Entries (n, ...) number `first` and on into storage (blocks, entries per block, ...)."""
        count, per = len(entries), tensor.shape[1]
        if not count:
            return
        flat = tensor.flatten(0, 1)
        if self.run:
            start = self.table[0] * per + first
            flat[start : start + count] = entries
        elif count == 1:
            flat[self.table[first // per] * per + first % per] = entries[0]
        else:
            places = torch.arange(first, first + count)
            rows = self.blocks[places // per] * per + places % per
            flat[rows.to(flat.device)] = entries

    def read(self, tensor: Tensor, count: int) -> Tensor:
        """The first `count` entries of the sequence: (1, count, ...)."""
        per = tensor.shape[1]
        used = -(-count // per)
        if self.run:
            blocks = tensor[self.table[0] : self.table[0] + used]
        else:
            blocks = tensor.index_select(0, self.blocks[:used].to(tensor.device))
        return blocks.flatten(0, 1)[None, :count]


class State:
    """What doesn't grow with a text, for each row (a sequence): V4's windows."""

    def __init__(self, layouts: list[dict[str, Slot]], rows: int, dtype: torch.dtype, device: torch.device):
        self.slots = [{name: slot for name, slot in slots.items() if not slot.tokens} for slots in layouts]
        self.layers = [
            {n: torch.full((rows, *slot.shape), slot.fill, dtype=dtype, device=device) for n, slot in slots.items()}
            for slots in self.slots
        ]

    @property
    def nbytes(self) -> int:
        """Bytes held for all rows."""
        return sum(tensor.nbytes for layer in self.layers for tensor in layer.values())

    def clear(self, row: int) -> None:
        """As before the first token."""
        for layer, slots in zip(self.layers, self.slots, strict=True):
            for name, tensor in layer.items():
                tensor[row] = slots[name].fill

    def copy(self, row: int, to: int) -> None:
        """What stands in one row into another."""
        for layer in self.layers:
            for tensor in layer.values():
                tensor[to] = tensor[row]

    def snapshot(self, row: int) -> dict[tuple[int, str], Tensor]:
        """A copy of one row's states, by layer and slot."""
        return {(i, name): tensor[row].clone() for i, layer in enumerate(self.layers) for name, tensor in layer.items()}

    def restore(self, row: int, snapshot: dict[tuple[int, str], Tensor]) -> None:
        """Put a copy, as `snapshot` made it, into a row."""
        for (i, name), tensor in snapshot.items():
            self.layers[i][name][row] = tensor


class PagedLayer:
    """All sequences' parts in one layer: what an attention module gets as its cache."""

    def __init__(self, parts: list, step):
        self._parts, self._step = parts, step
        self.positions = step.positions

    def check_step(self, batch: int, new_tokens: int) -> None:
        """Nothing: the step was checked for all layers at once."""

    @property
    def complete(self) -> bool:
        """Whether all parts have their new tokens."""
        return all(part.done for part in self._parts)

    def parts(self) -> list[tuple[slice, AttentionCache]]:
        """Which tokens of the row belong to which part."""
        return [(part.place.slice, part) for part in self._parts]

    def commit(self) -> None:
        """The step went well: keep what doesn't grow."""
        for part in self._parts:
            part.commit()


class PagedPart:
    """One sequence in one layer whose every token is one entry: keys and values, or latents."""

    def __init__(self, place: Placement, storage: dict[str, Tensor]):
        self.place, self.slots, self.done = place, storage, False

    def append(self, **entries: Tensor) -> tuple[Tensor, ...]:
        """As `AttentionCache.append`, for one sequence: (1, T, ...) each -> (1, S, ...) each.

        Raises `ValueError` for a second call in one step.
        """
        check_entries(entries, self.slots, 1)
        require(not self.done, "cache", "a second call in one step", "one")
        self.done = True
        for name, entry in entries.items():
            self.place.write(self.slots[name], self.place.start, entry[0].detach())
        end = self.place.start + self.place.count
        return tuple(self.place.read(self.slots[name], end) for name in entries)

    def commit(self) -> None:
        """Nothing is pending."""


class PagedCompressedPart(CompressedCache):
    """One sequence in one V4 layer: entries in blocks, windows in its row of the state."""

    def __init__(self, place: Placement, storage: dict[str, Tensor], slots: dict[str, Slot], state: dict[str, Tensor]):
        self.place, self.storage, self.length, self.batch_size = place, storage, place.start, 1
        self.done = False
        self.slots = {name: tensor[place.row : place.row + 1] for name, tensor in state.items()}
        self.describe(slots)

    def add_entries(self, name: str, entries: Tensor) -> Tensor:
        """Into the blocks; all so far come back: (1, E, D)."""
        tensor, first = self.storage[f"{name}.entries"], self.length // self.ratios[name]
        self.place.write(tensor, first, entries[0].detach())
        return self.place.read(tensor, first + entries.shape[1])

    def advance(self, keys: Tensor, opened: dict[str, OpenWindow]) -> None:
        """Only noted: windows are overwritten when the whole step has gone well."""
        self.done = True
        self._pending = torch.cat([self.slots["window"], keys.detach()], dim=1), opened

    def commit(self) -> None:
        """Push the windows on."""
        self._keep(*self._pending)


def part_of(place: Placement, storage: dict[str, Tensor], slots: dict[str, Slot], state: dict[str, Tensor]):
    """The part that a layer with these slots needs."""
    return PagedCompressedPart(place, storage, slots, state) if state else PagedPart(place, storage)
