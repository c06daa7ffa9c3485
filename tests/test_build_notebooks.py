"""The build script: twice gives the same bytes, times are kept, a failing notebook is left as it was."""

import sys
from pathlib import Path

import nbclient
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
import build_notebooks

pytestmark = pytest.mark.slow  # notebooks are run

CELLS = {
    "text": "print('fixed')",
    "figure": (
        "from deepseek_lab.viz.theme import new_figure\n"
        "from deepseek_lab.viz.show import explore, progress, show, slider\n"
        "def draw(n):\n    figure = new_figure(2, 1)\n    figure.subplots().plot(range(n))\n    return figure\n"
        "show(draw(3), 'a line')"
    ),
    "widget": "explore(draw, 'lines', n=slider('n', [2, 3, 4], 3))",
    "bar": "for _ in progress(range(3), 'waiting'):\n    pass",
}
CLOCK = "import time\nprint(time.perf_counter())"


@pytest.fixture
def notebook(tmp_path) -> Path:
    cells = [new_markdown_cell("# Title", id="title"), *(new_code_cell(v, id=k) for k, v in CELLS.items())]
    cells.append(new_code_cell(CLOCK, id="clock", metadata={"tags": ["nbval-ignore-output"]}))
    path = tmp_path / "small.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata={"widgets": {}, "author": "me"}), path)
    return path


def test_building_twice_gives_the_same_bytes(notebook):
    build_notebooks.build(notebook)
    first = notebook.read_bytes()
    build_notebooks.build(notebook)
    assert notebook.read_bytes() == first
    build_notebooks.build(notebook, refresh=True)
    assert notebook.read_bytes() != first  # the clock went on

    built = nbformat.read(notebook, 4)
    assert built.metadata == build_notebooks.METADATA
    outputs = {cell.id: cell.outputs[0] for cell in built.cells if cell.cell_type == "code"}
    assert set(outputs["widget"].data) == {"text/plain", "image/png"}
    assert outputs["bar"].data == {"text/plain": "waiting: 3 steps"}
    assert not list(notebook.parent.glob("*.tmp"))

    built.cells[-1].source += "\nprint(1)"  # a changed cell is measured again, whatever is saved
    nbformat.write(built, notebook)
    build_notebooks.build(notebook)
    assert nbformat.read(notebook, 4).cells[-1].outputs[0].text.endswith("\n1\n")


def test_a_failing_notebook_is_left_as_it_was(notebook):
    broken = nbformat.read(notebook, 4)
    broken.cells.insert(1, new_code_cell("1 / 0", id="broken"))
    nbformat.write(broken, notebook)
    before = notebook.read_bytes()
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="ZeroDivisionError"):
        build_notebooks.build(notebook)
    assert notebook.read_bytes() == before
