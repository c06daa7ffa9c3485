"""Which exercises a learner has solved: an empty file for each, in their own data folder, never sent anywhere.

A file for each, because two notebooks may be open at once: with one list, the later writer would undo the earlier.
"""

import contextlib
from pathlib import Path

import platformdirs

_unsaved: set[str] = set()  # solved in this session, where nothing could be written


def progress_folder() -> Path:
    """Where progress is kept. Delete the folder to start over."""
    return Path(platformdirs.user_data_dir("deepseek_lab", appauthor=False)) / "solved"


def solved() -> set[str]:
    """Names of the solved exercises. A missing or unreadable folder counts as nothing solved."""
    names: set[str] = set()
    with contextlib.suppress(OSError):
        names = {path.name for path in progress_folder().iterdir()}
    return names | _unsaved


def record(name: str) -> None:
    """Remember that `name` is solved. Where nothing can be written, remember it for this session only."""
    try:
        progress_folder().mkdir(parents=True, exist_ok=True)
        (progress_folder() / name).touch()
    except OSError:
        _unsaved.add(name)
