"""Tensors on their way to and from the files of `torch.distributed.checkpoint`, and its traps.

Everything goes through host memory: what is written is one moment's state, and what is read comes into an engine only
when all of it is there. A shard is a `DTensor`, which tells DCP where it lies in the whole; DCP writes what each rank
has, what all have once, and for reading works out which files hold which part of what a rank wants.

- DCP's default writer pickles its metadata and calls `torch.save`. `HuggingFaceStorageWriter` makes safetensors files;
  where a shard begins stands in their headers. Without `save_distributed`, rank 0 alone would write.
- It keys a file's tensors by name: a second shard of one tensor on one rank would silently replace the first. Here no
  rank has two.
- Empty shards (more ranks than rows) are all "at the end", so DCP takes them for copies of each other. They are.
- The whole size isn't stored, but taken from where the last shard ends: shards must reach the end.
- safetensors refuses tensors that aren't contiguous, and two names of one memory; copies are neither.
- On reading, DCP compares shapes, but converts dtypes silently: families compare them before.
- A mesh without a backend equals one with it. DTensor remembers what an operation gave by its inputs' meshes, so one
  `detach()` of such a `DTensor` would give FSDP2's later ones a mesh that can't send. Only `to_local` is called here.
- Its `CheckpointException` is a BaseException, so `except Exception` lets it through; and an error of writing doesn't
  name the file.
"""

import warnings
from pathlib import Path

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner, DefaultSavePlanner
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Shard

from deepseek_lab.training.sharded.notes import dtype_name
from deepseek_lab.training.sharded.together import Together, raise_for, reason

AS_GIVEN = {"flatten_state_dict": False, "flatten_sharded_tensors": False}  # it is one dict of tensors already


def slice_of(own: Tensor, numel: int, ranks: Together) -> Tensor:
    """This rank's slice (s,) of a flat (numel,), s = ⌈numel / N⌉, on the host; the padding of the last ones cut off.

    This is how `Shard(0)` cuts as well: some of the last ranks may have fewer numbers, or none.
    """
    start = min(ranks.rank * len(own), numel)
    part = _host(own[: min(len(own), numel - start)])
    if ranks.size == 1:
        return part
    # Without a backend: it is there to count with, and nothing is sent over it, neither by gloo nor by NCCL.
    mesh = DeviceMesh("cpu", torch.arange(ranks.size), _init_backend=False)
    return _dtensor(part, mesh, [Shard(0)], torch.Size([numel]), (1,))


def on_host(tensor: Tensor) -> Tensor:
    """A copy on the host, sharded as it is."""
    return like(tensor, _host(local(tensor)))


def room_for(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Memory on the host for such a tensor, sharded as it is, in another dtype."""
    return like(tensor, torch.empty(local(tensor).shape, dtype=dtype))


def like(tensor: Tensor, part: Tensor) -> Tensor:
    """`part`, on the host, as this rank's part of a tensor that is sharded like `tensor`, if that is sharded."""
    if not isinstance(tensor, DTensor):
        return part
    mesh = tensor.device_mesh
    if mesh.device_type != "cpu":  # or `from_local` would move the part to the GPU
        mesh = DeviceMesh("cpu", mesh.mesh.cpu(), _init_backend=False)
    return _dtensor(part, mesh, tensor.placements, tensor.shape, tensor.stride())


def local(tensor: Tensor) -> Tensor:
    """This rank's part of a `DTensor`; any other tensor is its own."""
    return tensor.to_local().detach() if isinstance(tensor, DTensor) else tensor.detach()


def described(tensors: dict[str, Tensor]) -> dict[str, dict]:
    """{name: {"shape": of the whole, "dtype"}}."""
    return {name: {"shape": list(t.shape), "dtype": dtype_name(t.dtype)} for name, t in tensors.items()}


def write(tensors: dict[str, Tensor], step: Path, ranks: Together) -> None:
    """All ranks write their shards, each into one file, and wait until it is on the disk. Raises `CheckpointError`."""
    writer = HuggingFaceStorageWriter(str(step), save_distributed=True)
    _call(dcp.save, tensors, step, ranks, storage_writer=writer, planner=DefaultSavePlanner(**AS_GIVEN))


def read(tensors: dict[str, Tensor], step: Path, ranks: Together) -> None:
    """Fill the tensors, whole or shards, from files that any number of ranks wrote. Raises `CheckpointError`."""
    reader = HuggingFaceStorageReader(str(step))
    _call(dcp.load, tensors, step, ranks, storage_reader=reader, planner=DefaultLoadPlanner(**AS_GIVEN))


def shard_name(rank: int) -> str:
    """The file that DCP makes on a rank, unless all that it has is written by others."""
    return f"shard-{rank + 1:05d}-model-00001-of-00001.safetensors"


def _call(function, tensors: dict[str, Tensor], step: Path, ranks: Together, **options) -> None:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled")  # said even if it is meant
            function(tensors, no_dist=ranks.alone, **options)
    except CheckpointException as error:
        raise_for({rank: reason(e, step / shard_name(rank)) for rank, (e, _) in error.failures.items()})


def _host(tensor: Tensor) -> Tensor:
    copy = torch.empty(tensor.shape, dtype=tensor.dtype)  # contiguous, whatever the tensor is
    return copy.copy_(tensor.detach())


def _dtensor(part: Tensor, mesh: DeviceMesh, placements, shape: torch.Size, stride) -> Tensor:
    return DTensor.from_local(part, mesh, placements, run_check=False, shape=shape, stride=stride)
