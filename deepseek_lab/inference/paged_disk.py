"""Beginnings of texts on disk: blocks of a paged cache, put into a `PrefixStore` and taken from there.

So does DeepSeek's API: a prompt that begins like an earlier one, hours ago and in another process, is not read again.
"""

from collections.abc import Sequence

from torch import Tensor

from deepseek_lab.config import require
from deepseek_lab.inference.paged import PagedCache, PagedSequence
from deepseek_lab.inference.prefix_store import PrefixStore, fingerprint


class PagedDisk:
    """Joins a cache and a store. The `fingerprint` is of the model and its weights: others' blocks are never met."""

    def __init__(self, cache: PagedCache, store: PrefixStore):
        self.cache, self.store = cache, store
        self.renew()

    def renew(self) -> None:
        """The model's weights have changed: from here on other entries are meant."""
        self.fingerprint, self._saved = fingerprint(self.cache.model), set()

    def save(self, sequence: PagedSequence, keys: Sequence[str]) -> None:
        """Put the sequence's complete blocks on disk, unless that was tried since the last `load` that met them.

        With state (V4) only the blocks up to one whose windows are remembered: without these they can't be used.
        """
        complete = min(len(keys), sequence.length // self.cache.block_size)
        find = self.cache.blocks.find
        while self.cache.has_state and complete and find(keys[complete - 1]) not in self.cache.snapshots:
            complete -= 1
        for block, key in zip(sequence.table[:complete], keys, strict=False):
            known = self.cache.blocks.find(key)
            with_state = known in self.cache.snapshots
            mark = f"{key} with state" if with_state else key
            # Without state is never put over an entry with it.
            if mark not in self._saved and f"{key} with state" not in self._saved:
                self._saved.add(mark)
                self.store.put(key, self._tensors(block, known))

    def _tensors(self, block: int, known: int | None) -> dict[str, Tensor]:
        tensors = {}
        for i, layer in enumerate(self.cache.storage):
            tensors |= {f"{i}.{name}": tensor[block] for name, tensor in layer.items()}
        for (i, name), tensor in self.cache.snapshots.get(known, {}).items():
            tensors[f"{i}.{name}"] = tensor
        return tensors

    def load(self, sequence: PagedSequence, keys: Sequence[str], at_most: int) -> int:
        """Put blocks that follow the sequence's own from disk into the cache. Returns how many tokens came.

        Raises `ValueError` if the sequence doesn't end with a whole block.
        """
        cache, size = self.cache, self.cache.block_size
        cache.check_sequence(sequence)
        require(sequence.length % size == 0, "sequence", f"{sequence.length} tokens", f"whole blocks of {size}")
        first, found = sequence.length // size, []
        room = cache.blocks.available
        for key in keys[first : at_most // size]:
            tensors = self.store.get(key) if len(found) < room else None
            if tensors is None or not self._fits(tensors):
                break
            found.append((key, tensors))
        while cache.has_state and found and not self._state_of(found[-1][1]):
            found.pop()
        for key in [*keys[:first], *keys[first + len(found) :]]:
            if not self.store.touch(key):  # found in memory is a use all the same; what the store has lost is put again
                self._saved -= {key, f"{key} with state"}
        for key, tensors in found:
            self._put(sequence, key, tensors)
            self._saved.add(f"{key} with state" if self._state_of(tensors) else key)
        return len(found) * size

    def _put(self, sequence: PagedSequence, key: str, tensors: dict[str, Tensor]) -> None:
        cache = self.cache
        cache.prepare(sequence, cache.block_size)
        block = sequence.table[-1]
        for i, layer in enumerate(cache.storage):
            for name, tensor in layer.items():
                tensor[block] = tensors[f"{i}.{name}"]
        sequence.length += cache.block_size
        cache.blocks.remember(key, block)
        state = self._state_of(tensors)
        if state:
            cache.state.restore(sequence.row, state)
            cache.add_snapshot(cache.blocks.find(key), {place: x.to(cache.device) for place, x in state.items()})

    def _state_of(self, tensors: dict[str, Tensor]) -> dict[tuple[int, str], Tensor]:
        wanted = [(i, name) for i, layer in enumerate(self.cache.state.layers) for name in layer]
        found = {(i, name): tensors[f"{i}.{name}"] for i, name in wanted if f"{i}.{name}" in tensors}
        return found if len(found) == len(wanted) else {}

    def _fits(self, tensors: dict[str, Tensor]) -> bool:
        """An entry of another layout is a miss, whatever its key says."""
        for i, layer in enumerate(self.cache.storage):
            for name, tensor in layer.items():
                stored = tensors.get(f"{i}.{name}")
                if stored is None or stored.shape != tensor.shape[1:] or stored.dtype != tensor.dtype:
                    return False
        return all(
            tensor.shape == self.cache.state.layers[i][name].shape[1:]
            for (i, name), tensor in self._state_of(tensors).items()
        )
