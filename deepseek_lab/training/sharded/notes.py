"""`training.json`: everything about a checkpoint that isn't a tensor, and what each of its files must be.

{"format": 1, "family": "flat" or "by name", "world_size": N, "steps": 20, "facts": {...}, "model": {...} or null,
 "tensors": {key: {"shape", "dtype"}}, ...  what the family has to say: see `flats` and `by_name`
 "files": {name: {"rank", "bytes", "blake2b"}}, "checksum": of all of this}
"""

import hashlib
import json
from pathlib import Path

import torch

from deepseek_lab.model.checkpoint_files import CheckpointError
from deepseek_lab.training.sharded.folder import steps_in, sync

FILE, FORMAT = "training.json", 1


def checked_json(field: str, value: object) -> object:
    """`value` as JSON gives it back. Raises `CheckpointError` for what JSON can't hold: NaN, tensors, ..."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{field}: got {value!r}, but it takes what JSON can hold ({error})") from error


def write_notes(step: Path, notes: dict) -> None:
    """Write the notes with their checksum, and wait until they are on the disk."""
    text = json.dumps(notes, allow_nan=False)
    path = step / FILE
    path.write_text(json.dumps({**notes, "checksum": _hash(text.encode())}, indent=1, allow_nan=False))
    sync(path)


def read_notes(step: Path) -> dict:
    """The notes, checked. Raises `CheckpointError` if they are missing, damaged or of a format not known here."""
    path = step / FILE
    try:
        notes = json.loads(path.read_bytes())
        checksum = notes.pop("checksum")
    except OSError as error:
        raise CheckpointError(f"{path} can't be read ({error.strerror}). {advice(step)}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # UnicodeDecodeError is a ValueError
        raise CheckpointError(f"{path} is damaged ({error}). {advice(step)}") from error
    if notes.get("format") != FORMAT:
        takes = f"{FORMAT}: read it with the version of this package that wrote it"
        raise CheckpointError(f"{path}: format: got {notes.get('format')!r}, but it takes {takes}")
    if checksum != _hash(json.dumps(notes).encode()):
        raise CheckpointError(f"{path} is damaged: its checksum is another. {advice(step)}")
    return notes


def describe(path: Path, rank: int) -> dict:
    """What a file must be when it is read again: its size and checksum, read back after it was written."""
    return {"rank": rank, "bytes": path.stat().st_size, "blake2b": _file_hash(path)}


def verify(step: Path, notes: dict, part: int = 0, parts: int = 1) -> None:
    """Every file is there and as long as it was, and each `parts`-th has the same bytes; else `CheckpointError`."""
    for number, (name, wanted) in enumerate(sorted(notes["files"].items())):
        path, wrote = step / name, f"rank {wanted['rank']} of {notes['world_size']} wrote it"
        if not path.is_file():
            where = "All hosts must see the same folder; if it is gone, "
            takes = f"is missing: {wrote}, {wanted['bytes']} bytes"
            raise CheckpointError(f"{path} {takes}. {where}{advice(step, start='d')}")
        size = path.stat().st_size
        if size != wanted["bytes"]:
            raise CheckpointError(f"{path} has {size} bytes, expected {wanted['bytes']}: {wrote}. {advice(step)}")
        if number % parts == part and (found := _file_hash(path)) != wanted["blake2b"]:
            takes = f"has blake2b {found}, expected {wanted['blake2b']}"
            raise CheckpointError(f"{path} is damaged: it {takes}; {wrote}. {advice(step)}")


def advice(step: Path, start: str = "D") -> str:
    """What to do about a checkpoint that can't be used."""
    older = [path for path in steps_in(step.parent) if path.name < step.name]
    return f"{start}elete {step} to {f'go on from {older[-1].name}' if older else 'start this training anew'}"


def dtype_name(dtype: torch.dtype) -> str:
    """ "float32" for torch.float32."""
    return str(dtype).removeprefix("torch.")


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
