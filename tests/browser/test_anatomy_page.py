"""The anatomy explorer on a page without a kernel: opened from a file, everything in it moves."""

import explorers
import lab
import pytest
from anatomy import AnatomyExplorer

from deepseek_lab import DeepSeekConfig
from deepseek_lab.model.accounting import anatomy
from deepseek_lab.viz import anatomy_explorer

# Blocks and parts whose words reach over their own upper or lower edge, where they would be clipped.
CLIPPED = """() => [...document.querySelectorAll('.dsn-block, .dsn-part')].filter((button) => {
    const { top, bottom } = button.getBoundingClientRect();
    return [...button.children].map((child) => child.getBoundingClientRect())
        .some((child) => child.top < top - 1 || child.bottom > bottom + 1);
}).map((button) => button.getAttribute('aria-label'))"""


def page_of(names: list[str]) -> str:
    """The explorer of some presets as HTML."""
    models = {name: anatomy(DeepSeekConfig.preset(name), mtp=True) for name in names}
    widget = anatomy_explorer.AnatomyExplorer(models, names[0], "parameters")
    return anatomy_explorer.static_page(widget, b"not a picture", "alt")


def test_a_page_without_a_kernel(page, complaints, open_html):
    open_html(page_of(["v3", "v2-lite"]))
    explorer = AnatomyExplorer(page.locator("body"))
    lab.until(explorer.blocks.count, lambda seen: seen == 6, "blocks of V3")
    explorer.try_everything()
    assert complaints == []


def test_it_starts_with_the_models_headline(page, open_html):
    open_html(page_of(["v3"]))
    explorer = AnatomyExplorer(page.locator("body"))
    lab.until(explorer.total.inner_text, lambda seen: "671.0B" in seen, "the total")
    explorer.expect_open(2)
    text = " ".join(explorer.formula.inner_text().split())
    wanted = "3 x hidden_size x moe_intermediate_size x n_routed_experts = 3 x 7,168 x 2,048 x 256 = 11,274,289,152"
    assert text == f"mlp.experts {wanted}"


def test_a_block_that_caches_nothing_says_so(page, open_html):
    open_html(page_of(["lab"]))
    explorer = AnatomyExplorer(page.locator("body"))
    explorer.measures.last.click()
    explorer.blocks.first.click()
    lab.until(explorer.formula.inner_text, lambda seen: seen == "Nothing of this kind here.", "the sentence")
    assert explorer.about.inner_text().lower() == "embedding: 0 b" and explorer.parts.count() == 0


@pytest.mark.parametrize("name", ["v3", "lab"])
def test_nothing_is_cut_off_at_any_width(page, open_html, name):
    open_html(page_of([name]))
    explorer = AnatomyExplorer(page.locator("body"))
    lab.until(explorer.blocks.count, lambda seen: seen == 6, "blocks")
    for width in (1280, 800, 700, 645, 500, 430, 385):
        page.set_viewport_size({"width": width, "height": 900})
        for button in explorer.measures.all():
            button.click()
            cut_off = page.locator("body").evaluate(explorers.CUT_OFF) + page.evaluate(CLIPPED)
            assert cut_off == [], (width, button.inner_text())
    page.set_viewport_size({"width": 800, "height": 900})


def test_the_same_cell_run_twice_draws_two_explorers(page, complaints, open_html):
    """Their pages are the same to the byte, and each fills its own place."""
    open_html(2 * page_of(["lab"]))
    roots = page.locator(".dsn-anatomy")
    lab.until(roots.count, lambda seen: seen == 2, "two explorers")
    roots.nth(1).locator(".dsn-measure").last.click()
    totals = roots.locator(".dsn-total").all_inner_texts()
    assert "parameters" in totals[0] and "cache" in totals[1] and complaints == []
