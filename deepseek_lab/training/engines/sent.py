"""What a step sends, counted from the collectives that the library really calls.

Every collective of `torch.distributed` passes PyTorch's dispatcher as an operator of `c10d`, whoever calls it: DDP's
C++ reducer, FSDP2 or DeepSpeed. A `TorchDispatchMode` sees them all. Bytes are counted per rank as a ring would send
them, as in `deepseek_lab.training.zero.collectives`: an all-reduce 2 (N - 1) / N of its bytes, a reduce-scatter, an
all-gather and an all-to-all (N - 1) / N of the whole buffer each, and so does a broadcast or a reduce, on average over
the ranks of the ring.

The mode also sees every other operator, and that takes time: only steps under `counting_sent` are counted.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode  # underscored, but documented for this use

# Operator -> (which argument holds the whole buffer, how often (N - 1) / N of it is sent).
RING = {
    "c10d::allreduce_": (0, 2), "c10d::allreduce_coalesced_": (0, 2), "_c10d_functional::all_reduce": (0, 2),
    "_c10d_functional::all_reduce_": (0, 2), "c10d::broadcast_": (0, 1), "c10d::reduce_": (0, 1),
    "c10d::allgather_": (0, 1), "c10d::_allgather_base_": (0, 1), "c10d::allgather_coalesced_": (0, 1),
    "c10d::allgather_into_tensor_coalesced_": (0, 1), "c10d::reduce_scatter_": (1, 1),
    "c10d::_reduce_scatter_base_": (1, 1), "c10d::reduce_scatter_tensor_coalesced_": (1, 1),
    "_c10d_functional::reduce_scatter_tensor": (0, 1), "c10d::alltoall_base_": (1, 1), "c10d::alltoall_": (1, 1),
    "_c10d_functional::all_to_all_single": (0, 1),
}  # fmt: skip
SHARD_GATHER = "_c10d_functional::all_gather_into_tensor"  # is given its own slice alone, and the group's size
SILENT = {"barrier", "monitored_barrier_", "wait_tensor", "_wrap_tensor_autograd"}  # they carry no data


class Sent(TorchDispatchMode):
    """Counts while it is entered: `total` bytes, and `calls` of each operator. Raises for one that it doesn't know."""

    def __init__(self):
        super().__init__()
        self.total, self.calls = 0.0, {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Count a collective, and let it run."""
        if DTensor in types:  # let it unfold first into the operators that it stands for
            return NotImplemented
        name = func._schema.name
        library, _, operator = name.partition("::")
        if library in ("c10d", "_c10d_functional") and operator not in SILENT:
            self._count(name, args)
        return func(*args, **(kwargs or {}))

    def _count(self, name: str, args: tuple) -> None:
        self.calls[name] = self.calls.get(name, 0) + 1
        size = _group_size(args)
        if name == SHARD_GATHER:
            self.total += (size - 1) * _nbytes(args[0])
            return
        if name not in RING:
            raise RuntimeError(f"counting_sent doesn't know what the collective {name!r} sends: RING has to say it")
        place, times = RING[name]
        self.total += times * (size - 1) / size * _nbytes(args[place])


_counting = False


@contextmanager
def counting_sent() -> Iterator[None]:
    """Count what each `step` inside sends: afterwards, `engine.bytes_sent` is its last step's.

    For the engines of libraries; those of `deepseek_lab.training.zero` always count. Slows a step down.
    """
    global _counting
    before, _counting = _counting, True
    try:
        yield
    finally:
        _counting = before


def sending():
    """For an engine: a context that gives a `Sent` inside of `counting_sent`, and None elsewhere."""
    return Sent() if _counting else nullcontext()


def _nbytes(thing) -> int:
    if isinstance(thing, Tensor):
        return thing.nbytes
    return sum(map(_nbytes, thing)) if isinstance(thing, list | tuple) else 0


def _group_size(args: tuple) -> int:
    for arg in args:
        if isinstance(arg, torch.ScriptObject) and "ProcessGroup" in str(arg._type()):
            return dist.ProcessGroup.unbox(arg).size()
    return dist.get_world_size()
