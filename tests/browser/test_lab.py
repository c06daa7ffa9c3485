"""Each notebook as its reader meets it: JupyterLab in a real browser, every cell run, every control moved, offline."""

import time
from pathlib import Path

import explorers
import lab
import pytest
from anatomy import AnatomyExplorer
from answers import AnswerExplorer
from masks import MaskExplorer
from routing import RoutingExplorer
from writing import WritingExplorer

NOTEBOOKS = sorted((lab.ROOT / "notebooks").glob("*.ipynb"))
WIDTHS = (800, 1280)  # half of a screen, of which the list of files takes 280, and a whole one


@pytest.fixture(scope="module")
def server(browser, tmp_path_factory):
    with lab.jupyterlab(tmp_path_factory.mktemp("lab"), NOTEBOOKS) as started:
        yield started


def test_server_wants_its_token(server):
    assert server.token and server.refuses_strangers()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_in_the_browser(path, browser, server, tmp_path_factory):
    with lab.opened(browser, server, path) as notebook:
        first_figure, whole = notebook.run_all(timeout=420)
        print(f"\n{path.name} after Run all: first figure {first_figure:.1f} s, last cell {whole:.0f} s")
        assert notebook.failed_cells() == {}
        assert first_figure < 60  # 30 s on a quiet machine

        folder = tmp_path_factory.mktemp(f"screenshots-{path.stem}-")
        print(f"screenshots: {folder}")
        look_at_widths(notebook, folder, "fresh")
        start = time.monotonic()
        use_every_widget(notebook)
        print(f"every control moved in {time.monotonic() - start:.0f} s")
        look_at_widths(notebook, folder, "moved")

        assert notebook.page.locator(".Toastify__toast").count() == 0, "JupyterLab interrupts with a pop-up"
        assert set(notebook.complaints.outside) <= notebook.pictures_in_text
        assert notebook.complaints.errors == []
        assert notebook.kernel_complaints() == []


def use_every_widget(notebook: lab.Notebook) -> None:
    """Each widget is one of the eight kinds that this test knows; a new kind has to be added to it."""
    find = notebook.page.locator
    kinds = (
        explorers.EXPLORE,
        explorers.ATTENTION,
        explorers.ROUTING,
        explorers.ANATOMY,
        explorers.MASKS,
        explorers.WRITING,
        explorers.ANSWER,
        explorers.PROGRESS,
    )
    figures, attention, routing, anatomies, masks, writers, answers, bars = widgets = [
        find(kind).all() for kind in kinds
    ]
    assert sum(map(len, widgets)) == find(explorers.ANY_WIDGET).count(), "a widget of a new kind"
    for figure in figures:
        print(f"explore(): {explorers.move_controls(figure)} pictures")
    for widget in attention:
        explorers.AttentionExplorer(widget).try_everything()
    for widget in routing:
        RoutingExplorer(widget).try_everything(typing=True)
    for widget in anatomies:
        AnatomyExplorer(widget).try_everything()
    for widget in masks:
        MaskExplorer(widget).try_everything()
    for widget in writers:
        WritingExplorer(widget).try_everything(typing=True)
    for widget in answers:
        AnswerExplorer(widget).try_everything()
    assert all(map(explorers.bar_is_full, bars))


def look_at_widths(notebook: lab.Notebook, folder: Path, state: str) -> None:
    """Screenshots of each widget at each width, and nothing cut off at its right."""
    cut_off = []
    for width in WIDTHS:
        notebook.page.set_viewport_size({"width": width, "height": 1000})
        notebook.page.wait_for_timeout(500)  # JupyterLab lays its panels out anew, some frames later
        for index, output in enumerate(notebook.page.locator(explorers.ANY_WIDGET).all()):
            output.screenshot(path=folder / f"{state}-{index}-{width}.png")
        for output in notebook.page.locator(".jp-CodeCell .jp-OutputArea-output").all():
            cut_off += [f"{width} pixels wide: {box}" for box in output.evaluate(explorers.CUT_OFF)]
    assert not cut_off, "\n".join(cut_off)
