"""Recording real runs of the paged cache, step by step, as plain data that figures draw (`viz.paged_cache`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from deepseek_lab.config import require
from deepseek_lab.inference.blocks import OutOfBlocks
from deepseek_lab.inference.paged import PagedCache, PagedSequence
from deepseek_lab.inference.prefix_store import block_keys

ACTIONS = ("new", "feed", "fork", "remember", "start", "free")

# Needs a cache of 8 blocks of 4 tokens, and 3 sequences at once.
SCENE = (
    ("new", "A"),
    ("feed", "A", "once upon a t"),
    ("remember", "A"),
    ("start", "B", "once upon a hill"),
    ("feed", "B", "hill"),
    ("feed", "A", "i"),
    ("fork", "A", "C"),
    ("feed", "C", "n"),
    ("feed", "A", "m"),
    ("feed", "C", " cup"),
    ("feed", "A", "e is "),
    ("free", "C"),
    ("feed", "A", "long"),
    ("free", "A"),
    ("free", "B"),
    ("start", "D", "once upon a sea"),
    ("feed", "D", "sea"),
    ("new", "E"),
    ("feed", "E", "another text, a new one"),
    ("free", "D"),
    ("feed", "E", "another text, a new one"),
    ("start", "F", "once upon a time"),
    ("feed", "F", "a time"),
    ("free", "E"),
)


@dataclass(frozen=True)
class SequenceFrame:
    """One open sequence: its table of blocks, and its tokens."""

    name: str
    table: tuple[int, ...]
    length: int


@dataclass(frozen=True)
class PageFrame:
    """A paged cache after one action. Lists have an entry per block.

    `sentence` says what happened; `holders` names who holds a block; `written` are the tokens in it, as text;
    `remembered` tells whether its text can be found again; `changed` names blocks that were taken, copied or given up.
    """

    sentence: str
    sequences: tuple[SequenceFrame, ...]
    holders: tuple[tuple[str, ...], ...]
    written: tuple[tuple[str, ...], ...]
    remembered: tuple[bool, ...]
    changed: tuple[int, ...]
    block_size: int
    block_bytes: int  # of one block, in all layers


def record_paging(
    cache: PagedCache, actions: Sequence[tuple] = SCENE, token_of: Callable[[str], int] = ord
) -> list[PageFrame]:
    """Do `actions` with an empty cache and its model, and return a frame before the first, and one after each.

    Actions, with names of sequences and texts whose every character is one token, `token_of(character)`:
    `("new", name)`; `("feed", name, text)`, which runs the model; `("fork", name, other)`; `("remember", name)`;
    `("start", name, text)`, a sequence with as much of a text's beginning as is remembered; `("free", name)`. An action
    for which memory is too small changes nothing, and its frame says so. What is open at the end is freed. Raises
    `ValueError` for an action that isn't one, or a sequence that isn't open (or already is).
    """
    held = cache.blocks.held
    require(held == 0 and len(cache.free_rows) == cache.sequences, "cache", f"{held} blocks held", "one with none open")
    recorder = _Recorder(cache, token_of)
    frames = [recorder.frame("All blocks are free.")]
    try:
        for action, *arguments in actions:
            require(action in ACTIONS, "action", action, f"one of {', '.join(ACTIONS)}")
            recorder.changed = []
            try:
                sentence = getattr(recorder, action)(*arguments)
            except OutOfBlocks as error:
                sentence = f"{_wanted(action, *arguments)}: refused, nothing is changed. The memory says: {error}."
            frames.append(recorder.frame(sentence))
    finally:
        for sequence in recorder.open.values():
            sequence.free()
    return frames


def _wanted(action: str, name: str, *rest: str) -> str:
    if action == "feed":
        return f"{name} wants to read {_count(len(rest[0]), 'token')}"
    return f"{rest[0] if action == 'fork' else name} wants to begin"


def _blocks(numbers: Sequence[int]) -> str:
    """In words: block 3; blocks 1, 2 and 5; no block."""
    *most, last = map(str, numbers) if numbers else ("no block",)
    if not numbers:
        return last
    return f"blocks {', '.join(most)} and {last}" if most else f"block {last}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


class _Recorder:
    """Does each action for real, and keeps the texts, which a cache doesn't know."""

    def __init__(self, cache: PagedCache, token_of: Callable[[str], int]):
        self.cache, self.token_of = cache, token_of
        self.open: dict[str, PagedSequence] = {}
        self.texts: dict[str, str] = {}
        self.keys: dict[str, None] = {}  # all that a block was ever remembered by
        self.written: list[tuple[str, ...]] = [()] * cache.blocks.count
        self.changed: list[int] = []

    def frame(self, sentence: str) -> PageFrame:
        """What the cache holds now."""
        blocks, size = self.cache.blocks, self.cache.block_size
        holders = [[] for _ in range(blocks.count)]
        for name, sequence in self.open.items():
            for place, block in enumerate(sequence.table):
                holders[block].append(name)
                self.written[block] = tuple(self.texts[name][place * size : (place + 1) * size])
        found = {blocks.find(key) for key in self.keys}
        remembered = tuple(block in found for block in range(blocks.count))
        for block in range(blocks.count):
            if not holders[block] and not remembered[block]:
                self.written[block] = ()
        return PageFrame(
            sentence,
            tuple(SequenceFrame(name, tuple(s.table), s.length) for name, s in self.open.items()),
            tuple(map(tuple, holders)),
            tuple(self.written),
            remembered,
            tuple(self.changed),
            size,
            (self.cache.nbytes - self.cache.state.nbytes) // blocks.count,
        )

    def new(self, name: str) -> str:
        """A new sequence."""
        self._add(name, self.cache.new_sequence, "")
        return f"{name} begins: an empty table, no block."

    @torch.inference_mode()
    def feed(self, name: str, text: str) -> str:
        """Run the model on more text of a sequence."""
        sequence, ids = self._get(name), self._ids(text)
        before, idle = list(sequence.table), self._idle()
        with self.cache.step([(sequence, len(ids))]) as step:
            self.cache.model(torch.tensor([ids], device=self.cache.device), cache=step)
        self.texts[name] += text
        copied = [(old, new) for old, new in zip(before, sequence.table, strict=False) if old != new]
        taken = sequence.table[len(before) :]
        self.changed = [new for _, new in copied] + taken
        said = [f"{name} reads {_count(len(ids), 'token')}"]
        for old, new in copied:
            sharers = [other for other, s in self.open.items() if other != name and old in s.table]
            said.append(f"block {old} is {' and '.join(sharers)}'s as well, so it is copied to block {new} first")
        if taken:
            said.append(f"{name} takes {_blocks(taken)}")
        if not copied and not taken:
            said.append(f"there is room in block {sequence.table[-1]}")
        forgotten = sorted(idle & set(self.changed))
        if forgotten:
            said.append(f"no other was free, so what {_blocks(forgotten)} remembered, idle longest, is forgotten")
        return f"{said[0]}: {'; '.join(said[1:])}."

    def fork(self, name: str, other: str) -> str:
        """A second sequence with the same text."""
        sequence = self._add(other, self._get(name).fork, self.texts[name])
        return f"{other} forks from {name}: the same table, {_blocks(sequence.table)}. Nothing is copied yet."

    def remember(self, name: str) -> str:
        """Let others find a sequence's full blocks."""
        sequence = self._get(name)
        keys = self._keys_of(self.texts[name])
        self.cache.remember(sequence, keys)
        self.keys |= dict.fromkeys(keys)
        self.changed = [block for block in sequence.table if block in {self.cache.blocks.find(key) for key in keys}]
        return f"{name}'s full blocks are remembered by their text: {_blocks(self.changed)}."

    def start(self, name: str, text: str) -> str:
        """A sequence with what is remembered of a text's beginning."""
        keys, idle = self._keys_of(text), self._idle()
        sequence = self._add(name, lambda: self.cache.start(keys, at_most=len(text) - 1), "")
        self.texts[name] = text[: sequence.length]
        self.changed = list(sequence.table)
        if not sequence.table:
            return f"{name} begins: nothing that starts like its text is remembered."
        woken = " They were idle." if idle >= set(sequence.table) else ""
        return (
            f"{name} begins with text that is remembered: {_blocks(sequence.table)} into its table, "
            f"{_count(sequence.length, 'token')} that needn't be read.{woken}"
        )

    def free(self, name: str) -> str:
        """End a sequence."""
        sequence = self._get(name)
        table = list(sequence.table)
        sequence.free()
        del self.open[name], self.texts[name]
        found = {self.cache.blocks.find(key) for key in self.keys}
        shared = [block for block in table if self.cache.blocks.references[block]]
        idle = [block for block in table if block not in shared and block in found]
        gone = [block for block in table if block not in shared and block not in found]
        self.changed = gone + idle
        said = [
            f"{_blocks(those)} {(one if len(those) == 1 else many)}"
            for those, one, many in (
                (gone, "is free", "are free"),
                (idle, "stays as it is, idle: its text may come again", "stay as they are, idle: their text may "
                 "come again"),
                (shared, "is still held by others", "are still held by others"),
            ) if those
        ]  # fmt: skip
        return f"{name} ends: {'; '.join(said) or 'it held nothing'}."

    def _add(self, name: str, make: Callable[[], PagedSequence], text: str) -> PagedSequence:
        require(name not in self.open, "sequence", name, "a name that none has which is open")
        self.open[name] = make()
        self.texts[name] = text
        return self.open[name]

    def _get(self, name: str) -> PagedSequence:
        require(name in self.open, "sequence", name, f"one that is open: {', '.join(self.open) or 'none is'}")
        return self.open[name]

    def _ids(self, text: str) -> list[int]:
        return [self.token_of(character) for character in text]

    def _keys_of(self, text: str) -> list[str]:
        return block_keys("this model", self._ids(text), self.cache.block_size)

    def _idle(self) -> set[int]:
        blocks = self.cache.blocks
        return {blocks.find(key) for key in self.keys} & {b for b in range(blocks.count) if not blocks.references[b]}
