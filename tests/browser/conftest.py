"""One Chromium for each module of browser tests, or a sentence that says how to get one, and a page in it."""

import lab
import pytest


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    with api.sync_playwright() as playwright:
        chromium = lab.find_chromium(playwright)
        if chromium is None:
            pytest.skip("no Chromium: install it (Debian: apt install chromium), or run: playwright install chromium")
        started = playwright.chromium.launch(executable_path=chromium, args=lab.OFFLINE)
        yield started
        started.close()


@pytest.fixture(scope="module")
def page(browser):
    return browser.new_page(viewport={"width": 800, "height": 900})


@pytest.fixture
def complaints(page):
    """Errors of the page, and what it wanted from elsewhere."""
    found = []

    def hear(error):
        found.append(str(error))

    def see(request):
        if request.url.startswith("http"):
            found.append(request.url)

    page.on("pageerror", hear)
    page.on("request", see)
    yield found
    page.remove_listener("pageerror", hear)
    page.remove_listener("request", see)


@pytest.fixture
def open_html(page, tmp_path):
    """Opens HTML from a file, as a reader without a kernel does."""

    def open_(html: str) -> None:
        (tmp_path / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{html}", encoding="utf-8")
        page.goto((tmp_path / "page.html").as_uri())

    return open_
