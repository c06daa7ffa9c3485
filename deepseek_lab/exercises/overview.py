"""All exercises of the course and which of them are solved: every module beside this one that has exercises.

course_progress()     {"1 · Attention": {"share_keys": True, ...}, ...}
summary(table)        the same in a sentence, with the next exercise
report(notebook)      what a notebook prints below its exercises
start_over()          forget what was solved
"""

import importlib
import pkgutil
from collections.abc import Mapping

from deepseek_lab import exercises
from deepseek_lab.course import progress

Table = Mapping[str, Mapping[str, bool]]  # notebook -> exercise -> solved


def course_progress() -> dict[str, dict[str, bool]]:
    """For each notebook, by its number and short title, its exercises in order, and whether they are solved."""
    done = progress.solved()
    beside = pkgutil.iter_modules(exercises.__path__)
    modules = [importlib.import_module(f"{exercises.__name__}.{found.name}") for found in beside]
    chapters = {module.NOTEBOOK: module.ALL for module in modules if hasattr(module, "NOTEBOOK")}
    return {
        notebook: {exercise.name: exercise.name in done for exercise in chapters[notebook]}
        for notebook in sorted(chapters, key=number)
    }


def number(notebook: str) -> int:
    """The number that a notebook's title begins with."""
    return int(notebook.split()[0])


def summary(table: Table, notebook: str | None = None) -> str:
    """How many are solved, and which is next: the first that isn't, from `notebook` on and then from the start."""
    marks = [mark for row in table.values() for mark in row.values()]
    if all(marks):
        return f"All {len(marks)} exercises solved."
    names = list(table)
    first = names.index(notebook) if notebook else 0
    where, what = next((n, e) for n in names[first:] + names[:first] for e, mark in table[n].items() if not mark)
    return f"{sum(marks)} of {len(marks)} exercises solved. Next: {what}, in notebook {number(where)}."


def report(notebook: str) -> None:
    """Print which exercises of this notebook are solved, and how many of the course."""
    table = course_progress()
    left = [name for name, mark in table[notebook].items() if not mark]
    count = len(table[notebook])
    print(f"{count - len(left)} of {count} solved." + (f" Left: {', '.join(left)}." if left else ""))
    print(f"In the whole course: {summary(table, notebook)}")
    if progress.unsaved():
        print(f"(Nothing can be written in {progress.progress_folder()}: this is forgotten when the kernel stops.)")


def start_over() -> None:
    """Forget which exercises are solved, and say so. What stands in the notebooks stays as it is."""
    table = course_progress()
    folder = progress.progress_folder()
    try:
        count = progress.forget(name for row in table.values() for name in row)
    except OSError as error:
        print(f"Not everything could be forgotten ({error}). To start over, delete the folder {folder}.")
        return
    print(f"{count} solved exercise{'' if count == 1 else 's'} forgotten. What you wrote in the notebooks stays.")
