"""`save`: all ranks write a checkpoint, and only a whole one gets its name."""

import os
import shutil
from pathlib import Path

from deepseek_lab.config import is_whole, require
from deepseek_lab.model.checkpoint_files import CheckpointError
from deepseek_lab.training.sharded.families import family_of
from deepseek_lab.training.sharded.folder import TMP, clean, latest, name_of, prune, publish, sync
from deepseek_lab.training.sharded.notes import FORMAT, checked_json, describe, write_notes
from deepseek_lab.training.sharded.tensors import described, shard_name, write
from deepseek_lab.training.sharded.together import Together


def save(folder: str | os.PathLike, engine, facts: dict, *, keep: int = 2) -> Path:
    """Write `engine`'s state to `folder/step-000020` (after 20 steps); all ranks must call it, all see one folder.

    `facts` is the caller's: a dict that JSON can hold, of which rank 0's is kept, e.g. where the data goes on. The
    `keep` checkpoints of the highest steps stay, and this one; one of the same step is replaced. If that fails on any
    rank, all raise one `CheckpointError` (a `ValueError` and an `OSError`) that names rank, file and reason, and the
    older checkpoints are as they were.
    """
    ranks, folder = Together(), Path(folder)
    tensors, notes = _capture(engine, facts, keep, ranks)
    final = folder / name_of(notes["steps"])
    try:
        ranks.on_first(lambda: _make_place(final))
        _write(tensors, notes, final, ranks)
        ranks.on_first(lambda: prune(folder, keep, final))
    except CheckpointError as error:
        whole = latest(folder)
        left = f"{whole} is whole" if whole else "there is no older one"
        raise CheckpointError(f"{final} could not be saved: {error}. Free space or repair this; {left}") from error
    return final


def _capture(engine, facts: dict, keep: int, ranks: Together) -> tuple[dict, dict]:
    """This rank's tensors on the host, and the notes of rank 0."""
    captured = []

    def capture() -> tuple[int, dict | None]:
        require(is_whole(keep) and keep >= 1, "keep", keep, "a whole number of at least 1")
        require(isinstance(facts, dict), "facts", facts, "a dict")
        family = family_of(engine)
        tensors, notes = family.capture(engine, ranks)
        captured.append(tensors)
        name_of(engine.steps)
        about = {"format": FORMAT, "family": family.FAMILY, "world_size": ranks.size}
        about |= {"facts": checked_json("facts", facts), "tensors": described(tensors)}
        return engine.steps, {**about, **notes} if ranks.rank == 0 else None

    everyone = ranks.each(capture)
    steps = [count for count, _ in everyone]
    require(len({*steps}) == 1, "engine.steps", steps, "the same on every rank")
    return captured[0], everyone[0][1]


def _staged(final: Path) -> Path:
    return final.with_name(final.name + TMP)


def _make_place(final: Path) -> None:
    final.parent.mkdir(parents=True, exist_ok=True)
    clean(final.parent)
    _staged(final).mkdir()


def _write(tensors: dict, notes: dict, final: Path, ranks: Together) -> None:
    staged = _staged(final)
    own = staged / shard_name(ranks.rank)
    try:
        write(tensors, staged, ranks)
        # Read back by the rank that wrote it, so that what is noted is what reached the file.
        parts = ranks.each(lambda: {own.name: describe(own, ranks.rank)} if own.exists() else {})
        files = {name: file for part in parts for name, file in part.items()}
        ranks.on_first(lambda: _finish(final, notes, files))
    except CheckpointError:
        ranks.on_first(lambda: shutil.rmtree(staged, ignore_errors=True))
        raise


def _finish(final: Path, notes: dict, files: dict) -> None:
    staged = _staged(final)
    for name, file in files.items():
        if not (staged / name).exists():
            takes = f"a folder that all hosts share: rank {file['rank']} wrote {name}, and rank 0 doesn't see it"
            raise CheckpointError(f"folder: got {str(final.parent)!r}, but it takes {takes}")
    write_notes(staged, {**notes, "files": files})
    sync(staged)
    publish(staged, final)
