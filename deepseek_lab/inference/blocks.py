"""Who holds which block: counting references, sharing, and remembering blocks whose text may come again.

No tensors here, only numbers of blocks. Source of the idea: PagedAttention (https://arxiv.org/abs/2309.06180), which
does for a cache what virtual memory does for programs.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable, Hashable

from deepseek_lab.config import require, require_whole


class OutOfBlocks(RuntimeError):
    """Too few blocks are free. Nothing was changed; end or evict a sequence, and try again."""


class Blocks:
    """Blocks 0 to `count` - 1, each free, held by some sequences, or idle: held by none, but remembered by its key.

    A key stands for a block's text and everything before it. Idle blocks are found again by `find`, until their room
    is needed: then the one that was idle longest goes first.
    """

    def __init__(self, count: int, on_forget: Callable[[int], None] = lambda block: None):
        """`on_forget(block)` is called when a remembered block gives up its key."""
        require_whole(1, count=count)
        self.count, self._on_forget = count, on_forget
        self.references = [0] * count
        self._free = list(range(count))  # a heap: low numbers first, so that a table is often one run
        self._idle: OrderedDict[int, None] = OrderedDict()  # longest idle first
        self._of_key: dict[Hashable, int] = {}
        self._key_of: dict[int, Hashable] = {}

    @property
    def available(self) -> int:
        """Blocks that can be taken: free or idle."""
        return len(self._free) + len(self._idle)

    @property
    def held(self) -> int:
        """Blocks that sequences hold."""
        return self.count - self.available

    @property
    def remembered(self) -> int:
        """Blocks that have a key, held or idle."""
        return len(self._of_key)

    def take(self) -> int:
        """A block that nobody holds; if none is free, the one idle longest, which is forgotten.

        Raises `OutOfBlocks` if all are held.
        """
        if self._free:
            block = heapq.heappop(self._free)
        elif self._idle:
            block, _ = self._idle.popitem(last=False)
            self._drop_key(block)
        else:
            raise OutOfBlocks(f"all {self.count} blocks are held")
        self.references[block] = 1
        return block

    def share(self, block: int) -> None:
        """One more sequence holds this block. Raises `ValueError` for a free one."""
        if self.references[block] == 0:
            require(block in self._idle, "block", block, "one that is held or remembered, not a free one")
            del self._idle[block]
        self.references[block] += 1

    def give_back(self, block: int) -> None:
        """One sequence less holds this block; the last one leaves it idle if it has a key, and free if not.

        Raises `ValueError` if nobody does.
        """
        require(self.references[block] > 0, "block", block, "one that is held: this one was given back already")
        self.references[block] -= 1
        if self.references[block] == 0:
            if block in self._key_of:
                self._idle[block] = None
            else:
                heapq.heappush(self._free, block)

    def remember(self, key: Hashable, block: int) -> bool:
        """Let `find(key)` find this block. False if another block has this key, or this one has another.

        Raises `ValueError` if nobody holds it.
        """
        if key in self._of_key or block in self._key_of:
            return False
        require(self.references[block] > 0, "block", block, "one that is held")
        self._of_key[key], self._key_of[block] = block, key
        return True

    def find(self, key: Hashable) -> int | None:
        """The block with this key, held or idle."""
        return self._of_key.get(key)

    def forget_all(self) -> None:
        """Drop all keys; idle blocks become free."""
        for block in list(self._key_of):
            self._drop_key(block)
        while self._idle:
            heapq.heappush(self._free, self._idle.popitem()[0])

    def _drop_key(self, block: int) -> None:
        del self._of_key[self._key_of.pop(block)]
        self._on_forget(block)
