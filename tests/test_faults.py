"""What a learner reads when something is missing: files of the course, and names of cells that were not run."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

from deepseek_lab.course import missing_names
from deepseek_lab.course.data import OF_A_CHECKPOINT, ROOT, whole_data_path

DATA = ROOT / "data"
FILES = sorted(path for path in DATA.rglob("*") if path.suffix in (".json", ".safetensors"))
READ = {
    name
    for notebook in (ROOT / "notebooks").glob("*.ipynb")
    for cell in nbformat.read(notebook, 4).cells
    for name in re.findall(r'data_path\("([^"]+)"\)', cell.source)
}
DAMAGES = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "garbage": lambda data: b"\x00\xff{" * 100,
}


@pytest.fixture
def course(tmp_path):
    """A course's folder to spoil: links to the files, so that nothing large is copied."""
    for path in DATA.rglob("*"):
        copy = tmp_path / path.relative_to(ROOT)
        if path.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(path)
    return tmp_path


def asked_for(file: Path) -> str:
    """The name under which notebooks ask for a file: their own, or that of the checkpoint's folder."""
    name = file.relative_to(DATA)
    return (name.parent if name.parent.parts else name).as_posix()


def refusal(root: Path, name: str, error: type[Exception], place: Path) -> str:
    """The message, which names the file and the command that brings it back."""
    with pytest.raises(error) as caught:
        whole_data_path(root, name)
    message = str(caught.value)
    assert message.startswith(f"{place} is ")
    assert f'git -C "{root}" checkout -- {place.relative_to(root).as_posix()}\n' in message
    assert "Without git" in message
    return message


def test_what_notebooks_read_is_there_and_whole(course):
    assert len(READ) >= 7
    for name in READ:
        assert whole_data_path(ROOT, name).exists()
        assert whole_data_path(course, name) == course / "data" / name


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(DATA).as_posix())
def test_a_damaged_file_is_named_with_the_way_to_get_it_back(file, damage, course):
    place = course / file.relative_to(ROOT)
    place.unlink()
    place.write_bytes(DAMAGES[damage](file.read_bytes()))
    message = refusal(course, asked_for(file), ValueError, place)
    assert f"found {place.stat().st_size:,} bytes" in message
    assert ("expected JSON" if file.suffix == ".json" else "expected a whole safetensors file") in message


def test_a_missing_file_is_named_with_the_way_to_get_it_back(course):
    for name in [f"checkpoints/lab/{file}" for file in OF_A_CHECKPOINT] + ["needle.json", "lab_indexers.safetensors"]:
        place = course / "data" / name
        place.unlink()
        refusal(course, asked_for(DATA / name), FileNotFoundError, place)
        place.symlink_to(DATA / name)


def test_missing_folders_are_named(course):
    shutil.rmtree(course / "data" / "checkpoints" / "lab")
    refusal(course, "checkpoints/lab", FileNotFoundError, course / "data" / "checkpoints" / "lab")
    shutil.rmtree(course / "data")
    refusal(course, "needle.json", FileNotFoundError, course / "data")


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a cell as a kernel does, and return what it prints under the traceback, if anything."""
    shell = InteractiveShell()
    shell.user_ns["__name__"] = "__main__"
    monkeypatch.setattr(missing_names, "get_ipython", lambda: shell)
    monkeypatch.setattr(shell, "showtraceback", lambda *args, **kwargs: None)
    missing_names.explain_missing_names()
    missing_names.explain_missing_names()  # the first cell, run again

    def run(code: str) -> str:
        capsys.readouterr()
        shell.run_cell(code)
        return capsys.readouterr().out

    yield run
    shell.history_manager.end_session()


def test_a_name_of_a_skipped_cell_is_explained_once(run):
    for code in ("print(model)", "def f():\n    return model\nf()"):
        words = run(code)
        assert words.count("If a cell further up makes or imports `model`, run that one first.") == 1
        assert "Run All Above Selected Cell" in words


@pytest.mark.parametrize(
    "code",
    ["x = 1", "1 / 0", "def f():\n    y\n    y = 1\nf()", "import this_is_not_there", "exec('z', {'__name__': 'lib'})"],
)
def test_other_errors_are_left_alone(run, code):
    assert "further up" not in run(code)


def test_outside_of_a_notebook_nothing_happens(monkeypatch):
    monkeypatch.setattr(missing_names, "get_ipython", lambda: None)
    missing_names.explain_missing_names()


FIRST_TRAINING = """
import sys
import torch
from deepseek_lab.course.setup import setup
setup()
before = set(sys.modules)
weight = torch.nn.Parameter(torch.ones(2, 2))
weight.square().sum().backward()
torch.optim.AdamW([weight], fused=True).step()
print(len(set(sys.modules) - before))
"""


def test_a_training_loads_hardly_anything_that_an_interrupt_could_break():
    run = subprocess.run([sys.executable, "-c", FIRST_TRAINING], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 10
