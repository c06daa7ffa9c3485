"""Which exercises a learner has solved: one small file in their own data folder, never sent anywhere."""

import contextlib
import json
import os
import tempfile
from pathlib import Path

import platformdirs

_unsaved: set[str] = set()  # solved in this session, where the file could not be written


def progress_file() -> Path:
    """Where progress is kept. Delete the file to start over."""
    return Path(platformdirs.user_data_dir("deepseek_lab", appauthor=False)) / "progress.json"


def solved() -> set[str]:
    """Names of the solved exercises. A missing or damaged file counts as nothing solved."""
    names: object = None
    with contextlib.suppress(OSError, ValueError):
        names = json.loads(progress_file().read_text(encoding="utf-8"))
    kept = {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()
    return kept | _unsaved


def record(name: str) -> None:
    """Remember that `name` is solved. Where nothing can be written, remember it for this session only."""
    names = solved() | {name}
    path = progress_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside, then rename: a crash in between leaves the old file whole.
        handle, beside = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(sorted(names), file)
        Path(beside).replace(path)
    except OSError:
        _unsaved.add(name)
