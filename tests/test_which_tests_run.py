"""`course.py test`, with --quick and with --gpu: what pytest is given, which tests that means, and what is said."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from helpers.course_folder import Course, new_folder

ROOT = Path(__file__).resolve().parents[1]
QUICK = ["-m", "not slow", "--hypothesis-profile=quick"]


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ([], []),
        (["-k", "zero", "-x"], ["-k", "zero", "-x"]),
        (["--quick"], QUICK),
        (["-k", "zero", "--quick"], [*QUICK, "-k", "zero"]),
        (["--gpu", "-k", "03"], ["--gpu", "-k", "03"]),
    ],
    ids=" ".join,
)
def test_what_pytest_is_given(tmp_path, monkeypatch, typed, given):
    course, started = Course(new_folder(tmp_path), monkeypatch), []
    monkeypatch.setattr(course.module, "hand_over", started.append)
    monkeypatch.chdir(course.folder)
    course.module.main(["test", *typed])
    assert started == [[str(course.module.PYTHON), "-m", "pytest", *given]]


class Item:
    """A test as pytest's collection has it."""

    def __init__(self, path: str, gpu: tuple | None = None):
        self.path, self.module, self.marks = ROOT / path, SimpleNamespace(__doc__="What is tested.\n\nMore."), []
        self.gpu = None if gpu is None else SimpleNamespace(args=gpu)

    def get_closest_marker(self, name):
        return self.gpu if name == "gpu" else None

    def add_marker(self, mark):
        self.marks.append(mark)

    @property
    def slow(self) -> bool:
        return any(mark.name == "slow" for mark in self.marks)

    @property
    def skipped(self) -> str:
        return "".join(mark.kwargs["reason"] for mark in self.marks if mark.name == "skip")


@pytest.fixture
def collect(request, monkeypatch):
    """collect(items, gpu=…, there=…): the items that are kept, as the options and the machine have it."""
    conftest = request.config.pluginmanager.get_plugin(str(ROOT / "tests" / "conftest.py"))

    def kept(items, gpu=False, there=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
        options = {"--gpu": gpu, "--pretend-gpu": False}
        conftest.pytest_collection_modifyitems(SimpleNamespace(getoption=options.get), items)
        return items

    return kept


PLAIN, ON_CUDA = Item("tests/test_norm.py"), Item("tests/parity/test_rope_parity.py", ())
NOTEBOOK_ON_CUDA = Item("tests/gpu/test_notebooks.py", ("notebook 03 in bf16",))


def test_slow_by_place(collect):
    places = {
        "notebooks/01_attention.ipynb": True, "tests/browser/test_lab.py": True, "tests/colab/test_bootstrap.py": True,
        "tests/test_repo.py": False, "tests/parity/test_moe_parity.py": False,
    }  # fmt: skip
    kept = collect([Item(path) for path in places])
    assert [item.slow for item in kept] == list(places.values())


def test_plain_runs_take_a_gpu_where_there_is_one_but_not_its_long_tests(collect):
    everything = [PLAIN, ON_CUDA, NOTEBOOK_ON_CUDA]
    assert collect([*everything]) == [PLAIN]
    assert collect([*everything], there=True) == [PLAIN, ON_CUDA]
    assert not ON_CUDA.skipped


def test_gpu_alone(collect):
    everything = [PLAIN, ON_CUDA, NOTEBOOK_ON_CUDA]
    assert collect([*everything], gpu=True, there=True) == [ON_CUDA, NOTEBOOK_ON_CUDA]
    without = collect([Item("tests/parity/test_rope_parity.py", ()), NOTEBOOK_ON_CUDA], gpu=True)
    assert [item.skipped for item in without] == [
        "unproved here, without a GPU: What is tested.",
        "unproved here, without a GPU: notebook 03 in bf16",
    ]


@pytest.mark.parametrize(("expression", "seconds", "said"), [("not slow", 6, 1), ("not slow", 4, 0), ("", 6, 0)])
def test_a_quick_run_names_what_is_too_long_for_it(request, expression, seconds, said):
    conftest, lines = request.config.pluginmanager.get_plugin(str(ROOT / "tests" / "conftest.py")), []
    passed = [SimpleNamespace(nodeid="tests/test_a.py::test_b", duration=seconds)]
    reporter = SimpleNamespace(stats={"passed": passed}, write_line=lambda line, **_: lines.append(line))
    options = {"markexpr": expression, "--gpu": False}
    list(conftest.pytest_terminal_summary(reporter, SimpleNamespace(getoption=options.get)))
    assert len(lines) == said and all("tests/test_a.py::test_b" in line for line in lines)


def test_without_a_gpu_the_command_says_what_is_unproved():
    command = ["-m", "pytest", "--gpu", "-p", "no:nbval", "-o", "addopts=-ra", "tests/gpu", "tests/test_norm.py"]
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env=hidden, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert f"unproved here, without a GPU: notebook {path.stem} in bf16" in said
    assert "unproved here, without a GPU: benchmarks/decode.py" in said
    assert said.count("Nothing was proved") == 1 and " passed" not in said
    assert said.index("Nothing was proved") > said.rindex("unproved here")
