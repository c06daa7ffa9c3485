"""Progress over the course: every exercise is known, nothing breaks it, two courses share it, one call resets it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from matplotlib.patches import FancyBboxPatch

from deepseek_lab import exercises
from deepseek_lab.course import progress
from deepseek_lab.exercises import attention, overview
from deepseek_lab.exercises.overview import course_progress, report, start_over, summary
from deepseek_lab.viz.course_progress import plot_progress
from deepseek_lab.viz.theme import png

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture(autouse=True)
def empty_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(progress, "_unsaved", set())


def names() -> list[str]:
    return [name for row in course_progress().values() for name in row]


def test_every_notebook_has_its_exercises_in_order():
    """Those that its cells check, under the number and the short title of its first line."""
    table = course_progress()
    assert len(table) == len(NOTEBOOKS)
    for path, (title, row) in zip(NOTEBOOKS, table.items(), strict=True):
        cells = nbformat.read(path, 4).cells
        assert re.match(rf"# {re.escape(title)}: ", cells[0].source), (path, title)
        checked = re.findall(r"^exercises\.(\w+)\.check\(", "\n".join(cell.source for cell in cells), re.M)
        assert list(row) == checked, path


def test_no_module_of_exercises_is_left_out_and_no_name_is_used_twice():
    modules = {path.stem for path in Path(exercises.__path__[0]).glob("*.py")} - {"__init__", "overview"}
    assert len(modules) == len(course_progress())
    assert len(set(names())) == len(names()), "progress is kept by name"


def test_progress_is_kept(capsys):
    for name in ("share_keys", "absorb_scores", "share_keys"):
        progress.record(name)
    assert progress.solved() == {"share_keys", "absorb_scores"}
    attention.progress()
    assert capsys.readouterr().out.split("\n") == [
        "2 of 4 solved. Left: mla_cache_bytes, expanding_pays.",
        f"In the whole course: 2 of {len(names())} exercises solved. Next: mla_cache_bytes, in notebook 1.",
        "",
    ]


def test_next_is_the_first_from_this_notebook_on_and_then_from_the_start():
    table = {"0 · A": {"a": False}, "1 · B": {"b": True, "c": False}, "2 · C": {"d": True}}
    assert summary(table) == "2 of 4 exercises solved. Next: a, in notebook 0."
    assert summary(table, "1 · B") == "2 of 4 exercises solved. Next: c, in notebook 1."
    assert summary(table, "2 · C") == "2 of 4 exercises solved. Next: a, in notebook 0."
    assert summary({"0 · A": {"a": True}}) == "All 1 exercises solved."


def test_files_that_are_no_exercise_count_for_nothing():
    folder = progress.progress_folder()
    folder.mkdir(parents=True)
    (folder / ".DS_Store").write_bytes(b"\x00\xff")
    (folder / "an old exercise").touch()
    (folder / "share_keys").mkdir()  # a folder of that name is no mark
    (folder / os.fsdecode(b"\xff\xfe")).touch()
    progress.record("absorb_scores")
    assert summary(course_progress()).startswith("1 of ")
    progress.record("share_keys")  # can't be written, so it lasts for the session
    assert summary(course_progress()).startswith("2 of ") and progress.unsaved()


def test_without_a_place_to_write_it_lasts_for_the_session_and_says_so(tmp_path, monkeypatch, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("XDG_DATA_HOME", str(blocked))
    assert progress.solved() == set()
    progress.record("share_keys")
    assert progress.solved() == {"share_keys"}
    report("1 · Attention")
    assert f"Nothing can be written in {progress.progress_folder()}" in capsys.readouterr().out
    start_over()
    assert capsys.readouterr().out.startswith("1 solved exercise forgotten.")
    assert progress.solved() == set() and not progress.unsaved()


def test_another_course_open_at_once_sees_and_adds():
    progress.record("share_keys")
    other = (
        "import runpy, sys; other = runpy.run_path(sys.argv[1]); other['record']('max_vio'); print(other['solved']())"
    )
    seen = subprocess.run([sys.executable, "-c", other, progress.__file__], capture_output=True, text=True, check=True)
    assert "max_vio" in seen.stdout and "share_keys" in seen.stdout
    assert progress.solved() == {"max_vio", "share_keys"}


def test_starting_over_removes_marks_and_nothing_else(capsys):
    folder = progress.progress_folder()
    for name in ("share_keys", "max_vio"):
        progress.record(name)
    (folder / "mine.txt").write_text("kept")
    start_over()
    assert capsys.readouterr().out == "2 solved exercises forgotten. What you wrote in the notebooks stays.\n"
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    start_over()
    assert capsys.readouterr().out.startswith("0 solved exercises forgotten.")


def test_starting_over_where_nothing_can_be_removed_says_what_to_do(monkeypatch, capsys):
    progress.record("share_keys")

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    start_over()
    said = capsys.readouterr().out
    assert "Permission denied" in said and f"delete the folder {progress.progress_folder()}" in said
    assert progress.solved() == {"share_keys"}


def test_two_that_start_over_at_once_are_fine(monkeypatch):
    progress.record("share_keys")
    monkeypatch.setattr(progress, "solved", lambda: {"share_keys", "max_vio"})  # the second has gone meanwhile
    assert progress.forget(["share_keys", "max_vio"]) == 2


def test_a_module_without_exercises_is_no_notebook():
    assert not hasattr(overview, "NOTEBOOK")


@pytest.mark.parametrize("solved", [set(), {"warmed", "attention_weights", "mla_cache_bytes"}, "all"], ids=str)
def test_the_picture_shows_each_exercise_and_every_name_fits(solved):
    solved = set(names()) if solved == "all" else solved
    table = {title: {name: name in solved for name in row} for title, row in course_progress().items()}
    figure = plot_progress(table, summary(table))
    png(figure)  # draws it
    axes = figure.axes[0]
    boxes = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    words = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert {word for word in words if word.startswith("✓ ")} == {f"✓ {name}" for name in solved}
    assert {word.removeprefix("✓ ") for word in words} == {summary(table), *table, *names()}
    left_most = min(box.get_window_extent().x0 for box in boxes)
    assert all(words[title].x1 < left_most for title in table)
    assert words[summary(table)].x1 < figure.bbox.x1
    for name, box in zip(names(), boxes, strict=True):
        inside, around = words[f"✓ {name}" if name in solved else name], box.get_window_extent()
        assert around.x0 + 2 < inside.x0 and inside.x1 < around.x1 - 2, name


def test_a_picture_of_nothing_is_a_picture():
    assert png(plot_progress({}, "No exercises."))
