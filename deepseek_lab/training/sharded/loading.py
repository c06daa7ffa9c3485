"""`load`: all ranks read a checkpoint that any number of ranks wrote, after everything about it has been checked."""

import os
from pathlib import Path

from deepseek_lab.model.checkpoint_files import CheckpointError
from deepseek_lab.training.sharded.families import family_of, refuse_other_family
from deepseek_lab.training.sharded.folder import clean, is_step, latest
from deepseek_lab.training.sharded.notes import read_notes, verify
from deepseek_lab.training.sharded.tensors import read
from deepseek_lab.training.sharded.together import Together


def load(folder_or_step: str | os.PathLike, engine) -> dict | None:
    """Continue from the newest checkpoint of a folder, or from a given one, and return its `facts`; all ranks call it.

    None, and nothing done, if a folder has no checkpoint or isn't there. On as many ranks as wrote it, a training goes
    on bit for bit; on others, sums over the ranks are taken in another order. What killed saves have left is removed.

    Raises one `CheckpointError` on all ranks if a file is missing or damaged (which, who wrote it, what to do), or the
    checkpoint is of another model, optimizer, family, split into units or dtype. Nothing of the engine is changed then.
    """
    ranks, path = Together(), Path(folder_or_step)
    ranks.each(lambda: family_of(engine) and None)
    found = ranks.on_first(lambda: _find(path))
    if found is None:
        return None
    step, notes = found
    try:
        ranks.each(lambda: _compare(engine, notes))
    except CheckpointError as error:
        raise CheckpointError(f"{step} doesn't fit: {error}") from error
    # Whether files are there and how long they are, every rank looks; of their bytes, each reads its part.
    ranks.each(lambda: verify(step, notes, ranks.rank, ranks.size))
    family = family_of(engine)
    tensors = {}
    ranks.each(lambda: tensors.update(family.room(engine, notes, ranks)))
    try:
        read(tensors, step, ranks)
    except CheckpointError as error:
        raise CheckpointError(f"{step} could not be read: {error}") from error
    family.apply(engine, notes, tensors)
    return notes["facts"]


def _compare(engine, notes: dict) -> None:
    refuse_other_family(engine, notes)
    family_of(engine).compare(engine, notes)


def _find(path: Path) -> tuple[Path, dict] | None:
    clean(path.parent if is_step(path) else path)
    step = path if is_step(path) else latest(path)
    return None if step is None else (step, read_notes(step))
