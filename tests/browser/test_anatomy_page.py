"""The anatomy explorer on a page without a kernel: opened from a file, everything in it moves."""

import explorers
import lab
import pytest
from anatomy import AnatomyExplorer

from deepseek_lab import DeepSeekConfig
from deepseek_lab.model.accounting import anatomy
from deepseek_lab.viz import anatomy_explorer

# Blocks and parts whose text is taller than they are.
TOO_TALL = """(body) => [...body.querySelectorAll('.dsn-block, .dsn-part')].filter((button) => {
    const own = button.getBoundingClientRect();
    const boxes = [...button.children].map((child) => child.getBoundingClientRect());
    return boxes.some((box) => box.top < own.top - 1 || box.bottom > own.bottom + 1);
}).map((button) => button.textContent)"""

# Blocks and parts whose words reach over their own upper or lower edge, where they would be clipped.
CLIPPED = """() => [...document.querySelectorAll('.dsn-block, .dsn-part')].filter((button) => {
    const { top, bottom } = button.getBoundingClientRect();
    return [...button.children].map((child) => child.getBoundingClientRect())
        .some((child) => child.top < top - 1 || child.bottom > bottom + 1);
}).map((button) => button.getAttribute('aria-label'))"""


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


def open_page(page, folder, names: list[str], copies: int = 1) -> None:
    models = {name: anatomy(DeepSeekConfig.preset(name), mtp=True) for name in names}
    widget = anatomy_explorer.AnatomyExplorer(models, names[0], "parameters")
    html = anatomy_explorer.static_page(widget, b"not a picture", "alt")
    (folder / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{html * copies}", encoding="utf-8")
    page.goto((folder / "page.html").as_uri())


def test_a_page_without_a_kernel(page, complaints, tmp_path):
    open_page(page, tmp_path, ["v3", "v2-lite"])
    explorer = AnatomyExplorer(page.locator("body"))
    lab.until(explorer.blocks.count, lambda seen: seen == 6, "blocks of V3")
    explorer.try_everything()
    assert complaints == []


def test_it_starts_with_the_models_headline(page, tmp_path):
    open_page(page, tmp_path, ["v3"])
    explorer = AnatomyExplorer(page.locator("body"))
    lab.until(explorer.total.inner_text, lambda seen: "671.0B" in seen, "the total")
    explorer.expect_open(2)
    text = " ".join(explorer.formula.inner_text().split())
    wanted = "3 x hidden_size x moe_intermediate_size x n_routed_experts = 3 x 7,168 x 2,048 x 256 = 11,274,289,152"
    assert text == f"mlp.experts {wanted}"


def test_a_block_that_caches_nothing_says_so(page, tmp_path):
    open_page(page, tmp_path, ["lab"])
    explorer = AnatomyExplorer(page.locator("body"))
    explorer.measures.last.click()
    explorer.blocks.first.click()
    lab.until(explorer.formula.inner_text, lambda seen: seen == "Nothing of this kind here.", "the sentence")
    assert explorer.about.inner_text().lower() == "embedding: 0 b" and explorer.parts.count() == 0


@pytest.mark.parametrize("name", ["v3", "lab"])
def test_nothing_is_cut_off_at_any_width(page, tmp_path, name):
    open_page(page, tmp_path, [name])
    explorer = AnatomyExplorer(page.locator("body"))
    lab.until(explorer.blocks.count, lambda seen: seen == 6, "blocks")
    for width in (1280, 800, 700, 645, 500, 430, 385):
        page.set_viewport_size({"width": width, "height": 900})
        for button in explorer.measures.all():
            button.click()
            cut_off = page.locator("body").evaluate(explorers.CUT_OFF) + page.evaluate(CLIPPED)
            assert cut_off == [], (width, button.inner_text())
            assert page.locator("body").evaluate(TOO_TALL) == [], (width, button.inner_text())
    page.set_viewport_size({"width": 800, "height": 900})


def test_the_same_cell_run_twice_draws_two_explorers(page, complaints, tmp_path):
    """Their pages are the same to the byte, and each fills its own place."""
    open_page(page, tmp_path, ["lab"], copies=2)
    roots = page.locator(".dsn-anatomy")
    lab.until(roots.count, lambda seen: seen == 2, "two explorers")
    roots.nth(1).locator(".dsn-measure").last.click()
    totals = roots.locator(".dsn-total").all_inner_texts()
    assert "parameters" in totals[0] and "cache" in totals[1] and complaints == []
