"""The glossary as a learner meets it: opened from a notebook it is rendered, and its links lead on and back."""

import lab
import pytest

NOTEBOOKS = lab.ROOT / "notebooks"
FILES = [NOTEBOOKS / name for name in ("00_start_here.ipynb", "06_cached_inference.ipynb", "GLOSSARY.md")]
TERM, SECTION = "MLA", "6.4"  # one of those that are linked to, and a section that an entry leads to


@pytest.fixture(scope="module")
def server(browser, tmp_path_factory):
    with lab.jupyterlab(tmp_path_factory.mktemp("lab"), FILES) as started:
        yield started


def test_from_a_notebook_to_a_term_and_from_there_to_its_section(browser, server):
    with lab.opened(browser, server, FILES[0]) as notebook:
        page = notebook.page
        page.locator(".jp-Notebook a", has_text="glossary").first.click()
        glossary = page.locator(".jp-MarkdownViewer")
        term = glossary.locator("h3", has_text=TERM)
        term.wait_for(timeout=60_000)

        assert not in_sight(term)
        glossary.locator("a", has_text=TERM).first.click()
        lab.until(lambda: in_sight(term), bool, "a cross-reference leads to its term")

        follow(glossary, "06_cached_inference.ipynb", page)
        heading = page.locator(".jp-Notebook h2", has_text=SECTION)
        heading.wait_for(timeout=60_000)
        page.locator(".lm-TabBar-tabLabel", has_text="GLOSSARY").first.click()
        follow(glossary, "06_cached_inference.ipynb", page)  # as the glossary says: the second click leads to it
        lab.until(lambda: in_sight(heading), bool, "a link leads to its section")

        assert notebook.complaints.errors == []
        assert set(notebook.complaints.outside) <= notebook.pictures_in_text


def test_from_the_list_of_files(browser, server):
    with lab.opened(browser, server, FILES[0]) as notebook:
        notebook.page.locator(".jp-DirListing-item", has_text="GLOSSARY.md").dblclick()
        notebook.page.locator(".jp-MarkdownViewer h3", has_text=TERM).wait_for(timeout=60_000)
        assert notebook.complaints.errors == []
        notebook.page.locator(".lm-TabBar-tabLabel", has_text=FILES[0].name).first.click()  # it ends its kernel
        notebook.page.locator(".lm-TabBar-tab.lm-mod-current", has_text=FILES[0].name).first.wait_for(timeout=20_000)


def follow(glossary, file: str, page) -> None:
    """Click a link to a section, and wait until its notebook is in front."""
    glossary.locator(f"a[href*='{file}']", has_text=SECTION).first.click()
    page.locator(".lm-TabBar-tab.lm-mod-current", has_text=file).first.wait_for(timeout=60_000)


def in_sight(element) -> bool:
    """Whether it is in the page's visible part."""
    box = element.bounding_box()
    return box is not None and 0 <= box["y"] < 1000
