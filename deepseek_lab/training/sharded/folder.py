"""A folder of checkpoints: `step-000010`, `step-000020`, and what interrupted saves have left.

step-000020            whole: it got this name when everything in it was on the disk
step-000030.tmp        being written, or left by a process that was killed, or being deleted
step-000020.replaced   the older one of the same step, until the new one has its name
"""

import os
import re
import shutil
from pathlib import Path

from deepseek_lab.config import is_whole, require

NAME = re.compile(r"step-\d{6,}")
TMP, REPLACED = ".tmp", ".replaced"


def name_of(steps: int) -> str:
    """The name of the checkpoint after so many steps: they sort by it up to a million.

    Raises `ValueError` for what is no number of steps.
    """
    require(is_whole(steps) and steps >= 0, "engine.steps", steps, "a whole number of at least 0")
    return f"step-{steps:06d}"


def steps_in(folder: Path) -> list[Path]:
    """All whole checkpoints, the oldest first; none if there is no such folder."""
    folder = Path(folder)
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")))


def latest(folder: str | os.PathLike) -> Path | None:
    """The checkpoint of the highest step in `folder`, or None. It is whole, though it may have been damaged since."""
    return (steps_in(Path(folder)) or [None])[-1]


def is_step(path: Path) -> bool:
    """Whether a path means one checkpoint, and not a folder of them."""
    return bool(NAME.fullmatch(path.name)) or (path / "training.json").exists()


def clean(folder: Path) -> None:
    """Remove what killed processes left, and put back what one of them was about to replace."""
    for path in list(folder.iterdir()) if folder.is_dir() else []:
        stem = path.with_name(path.name.removesuffix(TMP).removesuffix(REPLACED))
        if stem == path or not NAME.fullmatch(stem.name):
            continue
        if path.name.endswith(REPLACED) and not stem.exists():
            path.rename(stem)
        else:
            shutil.rmtree(path)


def publish(staged: Path, final: Path) -> None:
    """Give what was written its name. A kill at any point leaves the old or the new one, if need be for `clean`."""
    replaced = final.with_name(final.name + REPLACED)
    if final.exists():  # a folder that isn't empty can't be renamed over
        final.rename(replaced)
    try:
        staged.rename(final)
    except OSError:
        if replaced.exists():
            replaced.rename(final)
        raise
    sync(final.parent)
    if replaced.exists():
        shutil.rmtree(replaced)


def prune(folder: Path, keep: int, written: Path) -> None:
    """Delete all but the `keep` of the highest steps; never the one just written, though older ones may be higher."""
    for path in steps_in(folder)[:-keep]:
        if path != written:
            doomed = path.with_name(path.name + TMP)
            path.rename(doomed)  # half deleted, it must not look whole
            shutil.rmtree(doomed)


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
