"""The files of a checkpoint: a folder with `config.json` and safetensors files, here or on the Hugging Face hub.

All of this is known from names and headers; no weight is read. Nothing but JSON and safetensors is ever opened: the
older formats are pickles, which run whatever code they hold.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
FETCH_AGAIN = "Download or copy it again"


class CheckpointError(ValueError, OSError):
    """A checkpoint that can't be read or written. The message names the file and the tensor, and says what to do."""


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a file, as the file's header describes it."""

    file: Path
    name: str
    dtype: str  # in safetensors' spelling: F32, BF16, F8_E4M3
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


def find_folder(directory_or_hub_id) -> Path:
    """The folder itself, or for a hub id like "deepseek-ai/DeepSeek-V2-Lite" the folder that the hub's cache has.

    Raises `CheckpointError` for neither, and where the hub's cache has none.
    """
    if not isinstance(directory_or_hub_id, (str, os.PathLike)):
        raise CheckpointError(f"checkpoint: got {directory_or_hub_id!r}, but it takes a folder or a hub id")
    folder = Path(directory_or_hub_id)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise CheckpointError(f"{folder}: found a file, expected a folder with config.json. Give the file's folder")
    hub_id = isinstance(directory_or_hub_id, str) and re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", directory_or_hub_id)
    if not hub_id:
        raise CheckpointError(f"{folder}: found nothing, expected a folder with config.json. Check the path")
    return _fetch(directory_or_hub_id)


def _fetch(hub_id: str) -> Path:
    """Download a model's JSON and safetensors files, or find them in the cache (`HF_HOME`, `HF_HUB_OFFLINE`)."""
    import huggingface_hub  # only for who needs it: importing it takes a while

    try:
        return Path(huggingface_hub.snapshot_download(hub_id, allow_patterns=["*.json", "*.safetensors"]))
    except Exception as error:  # the hub has many, from lost networks to gated models
        why = type(error).__name__
        raise CheckpointError(
            f"{hub_id}: no such folder here, and not to be had from the Hugging Face hub or its cache ({why}); "
            f"run `hf download {hub_id}` where there is a network, or give the path of a folder"
        ) from error


def read_json(path: Path) -> dict:
    """A JSON object from a file. Raises `CheckpointError` where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such file. A checkpoint needs it; {FETCH_AGAIN.lower()}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: found no valid JSON ({error}). {FETCH_AGAIN}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: found {type(content).__name__}, expected a JSON object. {FETCH_AGAIN}")
    return content


def list_tensors(folder: Path) -> dict[str, StoredTensor]:
    """name -> tensor, of all files that the index names, or else of `model.safetensors`, in the order of the bytes.

    Raises `CheckpointError` for files that are missing, damaged or say different things.
    """
    index = folder / INDEX
    where = _read_index(index) if index.exists() else {}
    files = sorted(set(where.values())) or [SINGLE]
    if not where and not (folder / SINGLE).exists():
        raise CheckpointError(_no_weights(folder))
    tensors: dict[str, StoredTensor] = {}
    for file in files:
        for tensor in read_header(folder / file):
            other = tensors.setdefault(tensor.name, tensor)
            if other is not tensor:
                raise CheckpointError(f"{tensor}: found in {other.file.name} too, expected once. {FETCH_AGAIN}")
    for name, file in where.items():
        if name not in tensors or tensors[name].file.name != file:
            raise CheckpointError(
                f"{index}: {name}: expected in {file}, as the index says, but that file doesn't have it. "
                f"{FETCH_AGAIN}, index and shards together"
            )
    return tensors


def _read_index(path: Path) -> dict[str, str]:
    """name -> file name. A file name must be plain, so that no index reaches out of its folder."""
    where = read_json(path).get("weight_map")
    if not isinstance(where, dict) or not where:
        raise CheckpointError(f"{path}: found no weight_map, expected the file of each tensor. {FETCH_AGAIN}")
    for name, file in where.items():
        if not (isinstance(file, str) and re.fullmatch(r"[^/\\:\0]+\.safetensors", file)):
            raise CheckpointError(
                f"{path}: {name}: found the file name {file!r}, expected the plain name of a safetensors file in this "
                "folder. Don't trust this checkpoint; get it from its source"
            )
    return where


def _no_weights(folder: Path) -> str:
    there = sorted(path.name for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".pth", ".safetensors"))
    found = ", ".join(there[:3]) + (f" and {len(there) - 3} more" if len(there) > 3 else "") or "no weights at all"
    advice = f"{FETCH_AGAIN}, all of its files"
    if there and not any(name.endswith(".safetensors") for name in there):
        advice = "Pickled weights can run code and are not opened; convert them to safetensors first"
    return f"{folder}: found {found}, expected {SINGLE} or {INDEX} with its shards. {advice}"


def open_safetensors(path: Path):
    """safetensors' `safe_open`, with errors that name the file and say what is wrong with it."""
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file. {FETCH_AGAIN}")
    try:
        return safe_open(path, "pt")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a whole safetensors file ({error}{_sizes(path)}). {FETCH_AGAIN}") from error


def _sizes(path: Path) -> str:
    """How many bytes a file has and, if its header can be read, how many it should have."""
    found = path.stat().st_size
    try:
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(header_bytes, found)))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        return f"; found {found} bytes, expected {8 + header_bytes + max(ends, default=0)}"
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return f"; found {found} bytes"


def read_header(path: Path) -> list[StoredTensor]:
    """What tensors a safetensors file holds, in the order of its bytes."""
    with open_safetensors(path) as file:
        slices = {name: file.get_slice(name) for name in file.offset_keys()}
    return [StoredTensor(path, name, s.get_dtype(), tuple(s.get_shape())) for name, s in slices.items()]
