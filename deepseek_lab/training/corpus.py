"""Text that every learner already has: the source code of their own Python's standard library."""

import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from deepseek_lab.config import require

SKIPPED_FOLDERS = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"}
HELD_OUT_EVERY = 20  # every 20th file is validation text


@dataclass(frozen=True)
class Corpus:
    """Bytes to train on and bytes of other files to measure on: uint8 tensors."""

    train: Tensor
    validation: Tensor


def standard_library_files(root: Path | None = None) -> list[Path]:
    """The Python files of the standard library, sorted by path, without tests and installed packages."""
    root = root or Path(sysconfig.get_path("stdlib"))
    found = (p for p in sorted(root.rglob("*.py")) if not SKIPPED_FOLDERS & set(p.relative_to(root).parts))
    return [p for p in found if p.is_file()]  # Debian has links here that may lead nowhere


@cache
def python_corpus() -> Corpus:
    """The standard library as bytes, split by file: 19 of 20 files to train on, the others to validate on.

    Raises `ValueError` for a Python without its sources.
    """
    files = standard_library_files()
    require(
        len(files) >= HELD_OUT_EVERY,
        "standard library",
        f"{len(files)} .py files",
        "a Python with its sources",
    )
    held_out = [path.read_bytes() for path in files[::HELD_OUT_EVERY]]
    kept = [path.read_bytes() for i, path in enumerate(files) if i % HELD_OUT_EVERY]
    return Corpus(*(torch.frombuffer(bytearray(b"".join(part)), dtype=torch.uint8) for part in (kept, held_out)))


def encode(text: str) -> Tensor:
    """Text as byte-level tokens: its UTF-8 bytes, (1, T) of int64. An emoji is four tokens."""
    return torch.tensor([list(text.encode("utf-8"))], dtype=torch.long)


def token_labels(text: str) -> list[str]:
    """What to write on each byte-level token: the character, or the byte's number where it is part of one."""
    labels = []
    for byte in text.encode("utf-8"):
        char = chr(byte)
        labels.append(char if char.isascii() and (char.isprintable() or char in "\n\t") else f"{byte:02x}")
    return labels


def random_windows(source: Tensor, count: int, length: int, generator: torch.Generator) -> Tensor:
    """(count, length + 1) tokens from random places: `length` inputs, each followed by the token to predict.

    Raises `ValueError` if the text isn't longer.
    """
    require(len(source) > length, "window length", length, f"less than the {len(source)} tokens of the text")
    starts = torch.randint(len(source) - length, (count,), generator=generator)
    return source[starts[:, None] + torch.arange(length + 1)].long()


def repeat_half(windows: Tensor, generator: torch.Generator) -> Tensor:
    """Every second window (of B, T + 1) becomes a piece of itself over and over, 10 to 63 tokens long.

    In ordinary code copying pays off now and then; in these windows it pays off everywhere. The length varies, so
    that looking back a fixed distance is no use.
    """
    windows, length = windows.clone(), windows.shape[1]
    for row in range(0, len(windows), 2):
        period = int(torch.randint(10, 64, (), generator=generator))
        windows[row] = windows[row, torch.arange(length) % min(period, length)]
    return windows
