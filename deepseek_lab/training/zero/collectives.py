"""The three collectives that ZeRO is made of, and a count of what they send.

Bytes are counted per rank as a ring would send them, whatever the library does inside: an all-reduce of a buffer sends
2 (N - 1) / N of its bytes, a reduce-scatter and an all-gather (N - 1) / N each. An all-reduce is the two others, one
after the other; that is why stages 1 and 2 of ZeRO cost no more traffic than plain data parallelism.
"""

from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor

from deepseek_lab.config import require

# PyTorch 2.13 renamed both.
_all_gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
_reduce_scatter = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor


# Told of what begins, "gather" or "reduce", and of which buffer; gives back who wants the works once they have begun.
Watch = Callable[[str, Tensor], Callable[[list], None]]


def _unwatched(kind: str, buffer: Tensor) -> Callable[[list], None]:
    return lambda works: None


class Meter:
    """What was sent in this step, and how much memory was held for a moment: now, and at most."""

    def __init__(self):
        self.start()

    def start(self) -> None:
        """Begin a step: nothing has been sent, nothing is held."""
        self.sent = 0.0
        self.held = {"parameters": 0, "gradients": 0}
        self.peak = dict(self.held)

    def hold(self, kind: str, nbytes: int) -> None:
        """So many bytes more, or less, of "parameters" or "gradients"."""
        self.held[kind] += nbytes
        self.peak[kind] = max(self.peak[kind], self.held[kind])


class Ranks:
    """All ranks of `torch.distributed`, or this process alone where there is no process group.

    `expected` ranks must be there, if given: a forgotten `init_process_group` would otherwise train N models.
    """

    def __init__(self, expected: int | None = None):
        together = dist.is_available() and dist.is_initialized()
        self.size, self.rank = (dist.get_world_size(), dist.get_rank()) if together else (1, 0)
        there = f"{self.size}, as in the process group" if together else "1 before init_process_group was called"
        require(expected is None or expected == self.size, "ranks", expected, there)
        self.meter = Meter()
        self.watch: Watch = _unwatched

    def _count(self, tensor: Tensor, times: int = 1) -> None:
        self.meter.sent += times * (self.size - 1) / self.size * tensor.nbytes

    def broadcast(self, tensor: Tensor) -> None:
        """Everyone gets rank 0's numbers."""
        if self.size > 1:
            dist.broadcast(tensor, 0)

    def all_reduce(self, tensor: Tensor, op=dist.ReduceOp.SUM) -> Tensor:
        """In place: everyone gets the sum (or what `op` says) over the ranks."""
        if self.size > 1:
            self._count(tensor, times=2)
            dist.all_reduce(tensor, op)
        return tensor

    def all_gather(self, full: Tensor) -> Callable[[], None]:
        """In place: of `full`, each rank's own slice is sent to all others. Begins now; call what comes back to wait.

        gloo's all-gather takes twice as long as one broadcast from each rank, which does the same and sends as much.
        """
        begun = self.watch("gather", full)
        if self.size == 1:
            begun([])
            return lambda: None
        self._count(full)
        slices = full.view(self.size, -1)
        if full.device.type == "cpu":
            works = [dist.broadcast(part, root, async_op=True) for root, part in enumerate(slices)]
        else:
            works = [_all_gather(full, slices[self.rank], async_op=True)]
        begun(works)
        return lambda: [work.wait() for work in works] and None

    def reduce_scatter(self, full: Tensor) -> Callable[[], Tensor]:
        """Add up `full` over the ranks, and keep one's own slice. Begins now; call what comes back for the slice.

        gloo's reduce-scatter is an all-reduce inside. Sending every rank its slices and adding them up there takes half
        the time, and the sum is always taken in the order of the ranks; it needs a second buffer.
        """
        begun = self.watch("reduce", full)
        if self.size == 1:
            begun([])
            return lambda: full
        self._count(full)
        if full.device.type != "cpu":
            shard = full.new_empty(full.numel() // self.size)
            work = _reduce_scatter(shard, full, async_op=True)
        else:
            received = torch.empty_like(full)
            self.meter.hold("gradients", received.nbytes)
            work = dist.all_to_all_single(received, full, async_op=True)
        begun([work])

        def wait() -> Tensor:
            work.wait()
            if full.device.type != "cpu":
                return shard
            self.meter.hold("gradients", -received.nbytes)
            return received.view(self.size, -1).sum(dim=0)

        return wait
