"""Which exercises a learner has solved: an empty file for each, in their own data folder, never sent anywhere.

A file for each, because two notebooks may be open at once: with one list, the later writer would undo the earlier.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

import platformdirs

_unsaved: set[str] = set()  # solved in this session, where nothing could be written


def progress_folder() -> Path:
    """Where progress is kept: a folder `solved` in the user's data folder."""
    return Path(platformdirs.user_data_dir("deepseek_lab", appauthor=False)) / "solved"


def solved() -> set[str]:
    """Names of the solved exercises; of other files in the folder, too, so keep to names that you know.

    A missing or unreadable folder counts as nothing solved.
    """
    names: set[str] = set()
    with contextlib.suppress(OSError), os.scandir(progress_folder()) as entries:
        names = {entry.name for entry in entries if entry.is_file()}
    return names | _unsaved


def record(name: str) -> None:
    """Remember that `name` is solved. Where nothing can be written, remember it for this session only."""
    try:
        progress_folder().mkdir(parents=True, exist_ok=True)
        (progress_folder() / name).open("ab").close()
    except OSError:
        _unsaved.add(name)


def unsaved() -> bool:
    """Whether something is solved that could not be written down, and will be forgotten when Python ends."""
    return bool(_unsaved)


def forget(names: Iterable[str]) -> int:
    """Forget that these exercises are solved, touching no other file. Returns how many of them were.

    Raises `OSError` where a file can't be removed; those before it are forgotten.
    """
    found = solved().intersection(names)
    for name in sorted(found):
        if name in _unsaved:
            _unsaved.remove(name)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # another process may have been faster
            (progress_folder() / name).unlink()
    return len(found)
