"""A paged cache: one memory for many sequences of any length, cut into blocks of some tokens each.

A preallocated tensor per sequence has to be as long as the longest text that may come, and most of it stays empty. Here
a sequence holds a table of blocks and takes the next one when the last is full. Sequences with the same beginning
share its blocks; one that writes into a shared block gets its own copy first. Source: PagedAttention
(https://arxiv.org/abs/2309.06180), for every kind of attention here: keys and values, latents, V3.2's indexer keys,
V4's windows and entries. What doesn't grow with the text (V4's window, its open windows) is kept once per sequence.
"""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from deepseek_lab.attention.cache import computed_dtype
from deepseek_lab.config import require, require_whole
from deepseek_lab.inference.blocks import Blocks, OutOfBlocks
from deepseek_lab.inference.paged_layers import PagedLayer, Placement, State, part_of

Snapshot = dict[tuple[int, str], Tensor]  # layer and slot -> what stood there


class PagedSequence:
    """One text in a `PagedCache`: which blocks hold it, and how many tokens they hold."""

    def __init__(self, cache: "PagedCache", row: int):
        self.cache, self.row = cache, row
        self.table: list[int] = []
        self.length = 0
        self.freed = False

    def fork(self) -> "PagedSequence":
        """A second sequence with the same text so far. Blocks are shared until one of the two writes."""
        self.cache.check_sequence(self)
        other = self.cache.new_sequence()
        held = self.table[: self.cache.blocks_for(self.length)]  # within a step, not the blocks taken for it
        for block in held:
            self.cache.blocks.share(block)
        other.table, other.length = held, self.length
        self.cache.state.copy(self.row, other.row)
        return other

    def free(self) -> None:
        """Give all blocks back. The sequence can't be used any more."""
        self.cache.check_sequence(self)
        for block in reversed(self.table):  # so that the end of a text is forgotten before its beginning
            self.cache.blocks.give_back(block)
        self.cache.free_rows.append(self.row)
        self.table, self.length, self.freed = [], 0, True


class PagedCache:
    """Memory for `blocks` blocks of `block_size` tokens in all layers of a model, and up to `sequences` texts at once.

        a = cache.new_sequence()
        with cache.step([(a, 7), (b, 1)]) as step:          # seven tokens of a, one of b, in one row
            logits = model(ids, cache=step)                 # (1, 8) -> (1, 8, V)

    At the end of the `with` the sequences have grown; after an error in it they are as before. `V4` needs a
    `block_size` that is a multiple of its compression rates.
    """

    def __init__(self, model: nn.Module, blocks: int, block_size: int = 16, sequences: int = 32):
        require_whole(1, blocks=blocks, block_size=block_size, sequences=sequences)
        attentions = attentions_of(model)
        self.model, self.block_size, self.sequences = model, block_size, sequences
        self.layouts = [attention.cache_slots() for attention in attentions]
        for slots in self.layouts:
            for name, slot in slots.items():
                fits = slot.tokens == 0 or block_size % slot.tokens == 0
                require(fits, "block_size", block_size, f"a multiple of {slot.tokens}: {name} has an entry per so many")
        weight = next(attentions[0].parameters())
        self.device = weight.device
        kind = dict(dtype=computed_dtype(weight), device=self.device)
        with torch.inference_mode(False):  # as in AttentionCache
            self.storage = [
                {
                    name: torch.zeros(blocks, *slot.sizes(block_size), **kind)
                    for name, slot in slots.items() if slot.tokens
                }
                for slots in self.layouts
            ]  # fmt: skip
            self.state = State(self.layouts, sequences, **kind)
        self.blocks = Blocks(blocks, on_forget=self._forget)
        self.free_rows = list(reversed(range(sequences)))
        self.snapshots: dict[int, Snapshot] = {}  # block -> what doesn't grow, as it was at the block's end

    @classmethod
    def within(cls, model: nn.Module, max_bytes: int, block_size: int = 16, sequences: int = 32) -> "PagedCache":
        """As many blocks as fit into `max_bytes`, beside what `sequences` texts and snapshots need.

        Raises `ValueError` if not even one does.
        """
        require_whole(1, max_bytes=max_bytes)
        one = cls(model, 1, block_size, sequences)
        fixed, block = 2 * one.state.nbytes, one.nbytes - one.state.nbytes
        blocks = (max_bytes - fixed) // block
        least = f"at least {fixed + block}: {fixed} for {sequences} sequences, and a block"
        require(blocks >= 1, "max_bytes", max_bytes, least)
        return cls(model, blocks, block_size, sequences)

    @property
    def nbytes(self) -> int:
        """Bytes held, whether used or not; without snapshots, which are counted by `snapshot_bytes`."""
        return sum(tensor.nbytes for layer in self.storage for tensor in layer.values()) + self.state.nbytes

    @property
    def snapshot_bytes(self) -> int:
        """Bytes that remembered blocks need beside (V4 alone)."""
        return sum(tensor.nbytes for snapshot in self.snapshots.values() for tensor in snapshot.values())

    def blocks_for(self, tokens: int) -> int:
        """Blocks that so many tokens of one text need."""
        return -(-tokens // self.block_size)

    def new_sequence(self) -> PagedSequence:
        """An empty text. Raises `OutOfBlocks` when `sequences` texts are open."""
        if not self.free_rows:
            raise OutOfBlocks(f"all {self.sequences} sequences are open: free one, or make a cache for more")
        sequence = PagedSequence(self, self.free_rows.pop())
        self.state.clear(sequence.row)
        return sequence

    def step(self, tokens: Sequence[tuple[PagedSequence, int]]) -> "PagedStep":
        """So many new tokens of each sequence: to be given to the model as its cache, in a `with`.

        Takes the blocks that they need, or raises `OutOfBlocks` and takes none.
        """
        require(len(tokens) > 0, "sequences", 0, "at least one")
        require(len({id(sequence) for sequence, _ in tokens}) == len(tokens), "sequences", "one twice", "each once")
        for sequence, count in tokens:
            self.check_sequence(sequence)
            require_whole(1, count=count)
        needed = sum(self.needed(sequence, count) for sequence, count in tokens) - self._kept(tokens)
        if needed > self.blocks.available:
            raise OutOfBlocks(
                f"{needed} blocks are needed, and {self.blocks.available} of {self.blocks.count} are free"
            )
        return PagedStep(self, tokens)

    def needed(self, sequence: PagedSequence, count: int) -> int:
        """Blocks that `count` more tokens of this sequence take, the copy of a shared one included."""
        more = self.blocks_for(sequence.length + count) - len(sequence.table)
        return more + self._writes_into_shared(sequence)

    def _kept(self, tokens: Sequence[tuple[PagedSequence, int]]) -> int:
        """Copies that `needed` counts and that aren't made: if all who share a block write, the last one keeps it."""
        writers = Counter(s.table[s.length // self.block_size] for s, _ in tokens if self._writes_into_shared(s))
        return sum(count == self.blocks.references[block] for block, count in writers.items())

    def _writes_into_shared(self, sequence: PagedSequence) -> bool:
        inside = sequence.length % self.block_size
        return bool(inside) and self.blocks.references[sequence.table[sequence.length // self.block_size]] > 1

    def prepare(self, sequence: PagedSequence, count: int) -> None:
        """Give a sequence room for `count` tokens: its own copy of a shared last block, then new blocks."""
        if self._writes_into_shared(sequence):
            place = sequence.length // self.block_size
            shared, own = sequence.table[place], self.blocks.take()
            for layer in self.storage:
                for tensor in layer.values():
                    tensor[own] = tensor[shared]
            self.blocks.give_back(shared)
            sequence.table[place] = own
        while len(sequence.table) < self.blocks_for(sequence.length + count):
            sequence.table.append(self.blocks.take())

    def trim(self, sequence: PagedSequence) -> None:
        """Give back blocks behind the text's end."""
        while len(sequence.table) > self.blocks_for(sequence.length):
            self.blocks.give_back(sequence.table.pop())

    def check_sequence(self, sequence: PagedSequence) -> None:
        """Raise `ValueError` for a sequence that was freed or is another cache's."""
        require(isinstance(sequence, PagedSequence), "sequence", type(sequence).__name__, "a PagedSequence")
        require(sequence.cache is self, "sequence", "one of another cache", "one made by this cache's new_sequence")
        require(not sequence.freed, "sequence", "one that was freed", "one in use: its blocks may be others' by now")

    @property
    def has_state(self) -> bool:
        """Whether something is kept that doesn't grow with the text, so that blocks alone don't bring a text back."""
        return self.state.nbytes > 0

    def remember(self, sequence: PagedSequence, keys: Sequence[str]) -> None:
        """Let sequences that start alike find this one's complete blocks: `keys[i]` stands for all up to block i.

        With state (V4), only a sequence that ends where a block ends can be remembered, because state is there alone.
        """
        self.check_sequence(sequence)
        complete = min(len(keys), sequence.length // self.block_size)
        for key, block in zip(keys[:complete], sequence.table, strict=False):
            self.blocks.remember(key, block)
        if self.has_state and complete and sequence.length == complete * self.block_size:
            last = self.blocks.find(keys[complete - 1])
            if last is not None and last not in self.snapshots:
                self.add_snapshot(last, self.state.snapshot(sequence.row))

    def add_snapshot(self, block: int, snapshot: Snapshot) -> None:
        """Keep what stood beside a block's end. As many are kept as there are sequences; the oldest goes first."""
        while len(self.snapshots) >= self.sequences:
            del self.snapshots[next(iter(self.snapshots))]
        self.snapshots[block] = snapshot

    def _forget(self, block: int) -> None:
        self.snapshots.pop(block, None)

    def start(self, keys: Sequence[str], at_most: int) -> PagedSequence:
        """A sequence that begins with the remembered blocks of `keys`, as many as there are, up to `at_most` tokens.

        Raises `ValueError` for an `at_most` below 0.
        """
        require_whole(0, at_most=at_most)
        found = []
        for key in keys[: at_most // self.block_size]:
            block = self.blocks.find(key)
            if block is None:
                break
            found.append(block)
        while self.has_state and found and found[-1] not in self.snapshots:
            found.pop()
        sequence = self.new_sequence()
        for block in found:
            self.blocks.share(block)
        sequence.table, sequence.length = found, len(found) * self.block_size
        if self.has_state and found:
            self.state.restore(sequence.row, self.snapshots[found[-1]])
        return sequence


class PagedStep:
    """What `PagedCache.step` gives: the model's cache for one call with a row of tokens of several sequences."""

    def __init__(self, cache: PagedCache, tokens: Sequence[tuple[PagedSequence, int]]):
        self.cache, self.tokens, self.layers = cache, list(tokens), []

    def __enter__(self) -> "PagedStep":
        cache, first, self.layers = self.cache, 0, []
        try:
            for sequence, count in self.tokens:
                cache.prepare(sequence, count)
        except BaseException:  # blocks went to another step that was made meanwhile
            for sequence, _ in self.tokens:
                cache.trim(sequence)
            raise
        places, self._positions = [], []
        for sequence, count in self.tokens:
            places.append(Placement(sequence.table, sequence.length, count, cache.block_size, sequence.row, first))
            self._positions.append(torch.arange(sequence.length, sequence.length + count))
            first += count
        for storage, slots, state in zip(cache.storage, cache.layouts, cache.state.layers, strict=True):
            self.layers.append(PagedLayer([part_of(place, storage, slots, state) for place in places], self))
        return self

    def __exit__(self, error, *_) -> None:
        read = error is None and all(layer.complete for layer in self.layers)
        if read:
            for layer in self.layers:
                layer.commit()
        for sequence, count in self.tokens:
            if read and not sequence.freed:
                sequence.length += count
            self.cache.trim(sequence)
        self.layers = []
        if error is None:
            require(read, "step", "a with in which the model didn't run", "one call of the model with it")

    @property
    def count(self) -> int:
        """Tokens in the row."""
        return sum(count for _, count in self.tokens)

    def positions(self, new_tokens: int, device) -> Tensor:
        """Where each token of the row stands in its own sequence: (T,)."""
        return torch.cat(self._positions).to(device)

    def check_owner(self, model: nn.Module) -> None:
        """Raise `ValueError` if the memory was made for another model."""
        mine = self.cache.model is model
        require(mine, "cache", "one made for another model", "a PagedCache of this model")

    def check_step(self, batch: int, new_tokens: int) -> None:
        """Raise `ValueError` unless the model got exactly the tokens that were announced, in one row."""
        require(self.layers and not self.layers[0].complete, "cache", "a step outside its with, or used before",
                "one inside its with, for one call of the model")  # fmt: skip
        require(batch == 1, "batch", batch, "1: all sequences' tokens stand in one row")
        require(new_tokens == self.count, "tokens", new_tokens, f"{self.count}, as announced to step()")


def attentions_of(model: nn.Module) -> list[nn.Module]:
    """The attention of each layer that has a cache."""
    blocks = getattr(model, "blocks", None) or model.layers
    return [block.self_attn for block in blocks]
