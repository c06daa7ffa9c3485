"""One Chromium for each module of browser tests, or a sentence that says how to get one."""

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
