"""The notebooks' first cells on Colab: they fetch the course, replace nothing that Colab has, and it then runs.

`machine.py` says what this stand-in for Colab is, and what it is not.
"""

import json
import re
import shutil
import tomllib

import machine
import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

NOTEBOOKS = sorted((machine.ROOT / "notebooks").glob("*.ipynb"))
PROJECT = tomllib.loads((machine.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
NOWHERE = "file:///there/is/no/such/repository"

# Cells of the first notebook: imports from each part of the package, a still figure, both that have controls, a bar of
# progress, and the comparison with the transformers that Colab has. Training is cut to two steps.
CELLS = [
    *["bootstrap", "setup", "one-head", "one-head-run", "one-head-figure", "rope", "train", "heads", "explorer"],
    *["cache", "share", "growth", "latent", "break", "plain-mla", "plain-rest", "plain-check"],
    *["official", "official-compare", "exercise-share", "exercise-progress"],
]
# And of the third: its parity cells, two steps of its training, and its explorer.
MOE_CELLS = [
    *[
        "bootstrap",
        "setup",
        "article",
        "article-cost",
        "topk",
        "topk-equal",
        "grouped",
        "routers",
        "parity",
        "parity-run",
    ],
    *["parity-v4", "parity-v4-run", "update", "live-model", "live-train", "explorer", "explorer-show"],
]
# And of the fourth: the whole model against theirs, the checkpoint in both directions, two steps of its training.
MODEL_CELLS = [
    *["bootstrap", "setup", "plain", "parity", "parity-assert", "meta", "anatomy", "file", "load", "round", "fp8"],
    *["tokenizer", "pack", "small", "mtp", "live", "results", "draft", "mistake-load"],
]
WITH_WIDGETS = ["train", "explorer", "growth"]
WHERE = """
import importlib.metadata, json, sys
import deepseek_lab, transformers
print(json.dumps({"course": deepseek_lab.__file__, "transformers": transformers.__version__}))
"""
SUBPROCESS = """
import subprocess, sys
print(subprocess.check_output([sys.executable, "-c", "import deepseek_lab; print('found')"], text=True))
"""
MOVE_A_CONTROL = """
import ipywidgets
alive = list(ipywidgets.Widget.widgets.values())
(picture,) = [widget for widget in alive if isinstance(widget, ipywidgets.Image)]
(models,) = [widget for widget in alive if isinstance(widget, ipywidgets.Dropdown)]
before, models.value = picture.value, models.options[-1]
assert picture.value != before
"""
OURS = {"where": WHERE, "subprocess": SUBPROCESS, "move-a-control": MOVE_A_CONTROL}


def sources(path) -> dict[str, str]:
    """id -> source of each cell."""
    return {cell.id: cell.source for cell in nbformat.read(path, 4).cells}


def short(source: str) -> str:
    """The cell with two steps of training."""
    return re.sub(r"\bsteps=\d+", "steps=2", source)


def printed(outputs) -> str:
    """What a cell wrote to stdout."""
    return "".join(output.text for output in outputs if output.get("name") == "stdout")


@pytest.mark.parametrize("requirement", [Requirement(line) for line in PROJECT["dependencies"]], ids=lambda r: r.name)
def test_ranges_accept_what_colab_has(requirement):
    """pip replaces a package whose version a range refuses, and a replaced torch takes minutes and gigabytes."""
    has = {**machine.COLAB, "torch": machine.COLAB_TORCH}
    assert requirement.name in has, "name the version that Colab has in machine.py; where it has none, bring your own"
    assert requirement.specifier.contains(has[requirement.name])


def test_python_range_accepts_colabs():
    assert SpecifierSet(PROJECT["requires-python"]).contains(machine.COLAB_PYTHON)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_addresses_are_the_projects(path):
    cells = sources(path)
    owner_and_name = REPOSITORY.removeprefix("https://github.com/")
    badge = re.search(r"\[!\[Open in Colab\]\(\S+\)\]\((\S+)\)", next(iter(cells.values())))
    place = f"https://colab.research.google.com/github/{owner_and_name}/blob/main/notebooks/{path.name}"
    assert badge and badge[1] == place
    assert re.findall(r'"(https?://[^"]+)"', cells["bootstrap"]) == [REPOSITORY]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_bootstrap_is_the_first_code_cell_and_everywhere_the_same(path):
    notebook = nbformat.read(path, 4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert first.id == "bootstrap"
    assert first.source == sources(NOTEBOOKS[0])["bootstrap"]


@pytest.fixture(scope="module")
def colab(tmp_path_factory):
    """A fresh Colab machine."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    machine.prepare()
    return machine.Colab(tmp_path_factory.mktemp("colab"))


def test_first_cells_on_colab(colab, tmp_path):
    before = machine.installed()
    assert before.items() >= {**machine.COLAB, "torch": machine.COLAB_TORCH}.items()

    cells = sources(machine.ROOT / "notebooks" / "01_attention.ipynb")
    outputs = colab.run({name: short(cells[name]) for name in CELLS} | OURS, machine.remote(tmp_path))
    check_place(colab, outputs)
    for name in WITH_WIDGETS:
        assert [WIDGET_VIEW in output.get("data", {}) for output in outputs[name]] == [True], name
    assert "image/png" in outputs["one-head-figure"][0].data
    assert printed(outputs["plain-check"]).count("equal to the plain version: True") == 2
    assert printed(outputs["official-compare"]).count("equal to 1e-5: True") == 2
    assert "found" in printed(outputs["subprocess"]), "training ranks are processes of their own"
    assert machine.installed() == before, "the bootstrap cell installed or replaced something"

    # After "Restart runtime" the folder is still there, and the network may be gone.
    again = {name: cells[name] for name in ("bootstrap", "setup", "one-head", "one-head-run")}
    check_place(colab, colab.run(again | {"where": WHERE}, NOWHERE))


def test_every_notebook_begins_on_colab(colab, tmp_path):
    cells = {"bootstrap": sources(NOTEBOOKS[0])["bootstrap"]} | {
        path.stem: sources(path)["setup"] for path in NOTEBOOKS
    }
    check_place(colab, colab.run(cells | {"where": WHERE}, machine.remote(tmp_path)))


def test_a_course_that_cannot_be_fetched_is_told_in_a_sentence(colab, tmp_path):
    elsewhere = machine.Colab(tmp_path)
    with pytest.raises(CellExecutionError, match="The course wasn't fetched"):
        elsewhere.run({"bootstrap": sources(NOTEBOOKS[0])["bootstrap"]}, NOWHERE)


def test_mixture_of_experts_on_colab(colab, tmp_path):
    cells = sources(machine.ROOT / "notebooks" / "03_moe_routing.ipynb")
    outputs = colab.run({name: short(cells[name]) for name in MOE_CELLS} | {"where": WHERE}, machine.remote(tmp_path))
    check_place(colab, outputs)
    assert printed(outputs["parity-run"]).count("same experts True, output to 1e-5 True") == 2
    assert printed(outputs["parity-v4-run"]).count("weights to 1e-6: True") == 2
    assert [WIDGET_VIEW in output.get("data", {}) for output in outputs["explorer-show"]] == [True]


def test_whole_model_on_colab(colab, tmp_path):
    cells = sources(machine.ROOT / "notebooks" / "04_pretraining.ipynb")
    outputs = colab.run({name: short(cells[name]) for name in MODEL_CELLS} | {"where": WHERE}, machine.remote(tmp_path))
    check_place(colab, outputs)
    assert "logits to 1e-5: True" in printed(outputs["parity-assert"])
    assert "the same logits from the same file: True" in printed(outputs["load"])
    assert "every bit survived: True" in printed(outputs["round"])
    for name in ("anatomy", "live"):
        assert [WIDGET_VIEW in output.get("data", {}) for output in outputs[name]] == [True], name


def check_place(colab, outputs) -> None:
    """The course came from the clone, everything else from Colab; and no cell complained."""
    place = json.loads(printed(outputs["where"]))
    assert place["course"] == str(colab.content / "deepseek_lab_course" / "deepseek_lab" / "__init__.py")
    assert place["transformers"] == machine.COLAB["transformers"]
    for name, cell in outputs.items():
        assert not [output for output in cell if output.get("name") == "stderr"], name
