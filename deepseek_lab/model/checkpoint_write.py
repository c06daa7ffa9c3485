"""Files of a checkpoint, written so that a folder holds either the old checkpoint or the new one, whatever happens.

Everything is written into a folder of its own inside the target, and moved into place when it is complete.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from deepseek_lab.model.checkpoint_files import INDEX, SINGLE, CheckpointError


def split_into_shards(tensors: dict[str, Tensor], max_shard_bytes: int) -> list[list[str]]:
    """Names of the tensors that go into each file, in order. One that is larger than a shard has a file to itself."""
    shards, room = [], 0
    for name, tensor in tensors.items():
        if not shards or tensor.nbytes > room:
            shards.append([])
            room = max_shard_bytes
        shards[-1].append(name)
        room -= tensor.nbytes
    return shards


def write_weights(folder: Path, tensors: dict[str, Tensor], max_shard_bytes: int) -> None:
    """`model.safetensors`, or shards with their index. One shard at a time is copied into memory, if at all."""
    shards = split_into_shards(tensors, max_shard_bytes)
    files = [f"model-{i:05}-of-{len(shards):05}.safetensors" for i in range(1, len(shards) + 1)]
    if len(shards) == 1:
        files = [SINGLE]
    for file, names in zip(files, shards, strict=True):
        taken: set[int] = set()
        save_file({name: _own(tensors[name], taken) for name in names}, folder / file, metadata={"format": "pt"})
    if len(shards) > 1:
        where = {name: file for file, names in zip(files, shards, strict=True) for name in names}
        size = sum(tensor.nbytes for tensor in tensors.values())
        write_json(folder / INDEX, {"metadata": {"total_size": size}, "weight_map": where})


def _own(tensor: Tensor, taken: set[int]) -> Tensor:
    """On the CPU, in memory that no other tensor of the file shares: safetensors writes nothing twice."""
    shared = tensor.data_ptr() in taken
    taken.add(tensor.data_ptr())
    return tensor.cpu().contiguous().clone() if shared else tensor.cpu().contiguous()


def write_json(path: Path, content: dict) -> None:
    """A JSON file as people read it."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A folder to write a checkpoint into. When the block ends without an error, it replaces the one in `folder`.

    Files that belong to no checkpoint stay. Raises `CheckpointError` for a disk that is full or can't be written.
    """
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".saving-", dir=folder) as name:
            staged = Path(name)
            yield staged
            for path in staged.iterdir():
                _settle(path, like=staged / "config.json")
            _swap(folder, staged)
        made = False
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder}: could not be saved ({error}). What was there is unchanged; make room, or save elsewhere"
        ) from error
    finally:
        if made:
            with suppress(OSError):
                folder.rmdir()


def _settle(path: Path, like: Path) -> None:
    """Onto the disk, where a full one may show only now, and readable for whoever may read the others."""
    shutil.copymode(like, path)  # safetensors makes files that only their owner may read
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _swap(folder: Path, staged: Path) -> None:
    """Move the old files out and the new ones in. If that fails half-way, everything goes back."""
    new = [path for path in staged.iterdir() if path.is_file()]
    stale = {*folder.glob("model-*-of-*.safetensors"), folder / SINGLE, folder / INDEX}
    old = [path for path in {*stale, *(folder / path.name for path in new)} if path.exists()]
    (staged / "old").mkdir()
    moves = [(path, staged / "old" / path.name) for path in old] + [(path, folder / path.name) for path in new]
    try:
        for source, goal in moves:
            source.replace(goal)
    except BaseException:
        for source, goal in reversed(moves):
            if goal.exists() and not source.exists():
                goal.replace(source)
        raise
