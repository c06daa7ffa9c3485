"""Moving everything in the anatomy explorer, as a learner would, in a notebook or on a page without a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator

PRESSED = "[aria-pressed=true]"
LEAST = 24  # pixels of the thinnest block
SECOND_LINE = 10  # pixels that a long name may add


class AnatomyExplorer:
    """The widget of `explore_anatomy`, as its reader sees it."""

    def __init__(self, output: Locator):
        self.root, self.list = output.locator(".dsn-anatomy"), output.locator(".dsn-model")
        self.measures, self.total = output.locator(".dsn-measure"), output.locator(".dsn-total")
        self.blocks, self.parts = output.locator(".dsn-block"), output.locator(".dsn-part")
        self.about, self.formula = output.locator(".dsn-about"), output.locator(".dsn-formula")
        self.caption = output.locator(".dsn-caption")

    def try_everything(self) -> None:
        """Each way to use it, one after the other."""
        names = [option.get_attribute("value") for option in self.list.locator("option").all()]
        for name in [*names[1:], names[0]]:
            self.list.select_option(name)
            until(self.total.inner_text, lambda seen, name=name: seen.startswith(f"{name}: "), f"the total of {name}")
            self.choose_measures()
            self.open_every_block()
        self.open_by_keyboard()

    def choose_measures(self) -> None:
        """Each measure has its own total and caption; the first one comes last."""
        for button in [*self.measures.all()[1:], self.measures.first]:
            before = self.caption.inner_text()
            button.click()
            until(self.caption.inner_text, lambda seen, before=before: seen != before, button.inner_text())
            assert button.get_attribute("aria-pressed") == "true"
            assert self.measures.and_(self.root.page.locator(PRESSED)).count() == 1
            self.expect_heights()

    def expect_heights(self) -> None:
        """Blocks are as tall as the shares written on them, and none too thin to read."""
        heights = self.blocks.evaluate_all("blocks => blocks.map((block) => block.offsetHeight)")
        shares = [float(text.strip("<% ")) for text in self.blocks.locator(".dsn-share").all_inner_texts()]
        scale = max(heights) / max(shares)
        for height, share in zip(heights, shares, strict=True):
            assert height >= LEAST and abs(height - max(LEAST, scale * share)) <= SECOND_LINE, (heights, shares)

    def open_every_block(self) -> None:
        """Each click shows what is in a block, and its largest part's formula; the one open at first comes last."""
        first = int(self.blocks.and_(self.root.page.locator(PRESSED)).get_attribute("data-index"))
        order = [index for index in range(self.blocks.count()) if index != first]
        for index in [*order, first]:
            block = self.blocks.nth(index)
            name = block.locator(".dsn-name").inner_text().replace("\n", " ")
            block.click()
            self.expect_open(index)
            assert name.lower() in self.about.inner_text().lower(), name
            shares = self.parts.locator(".dsn-fill").evaluate_all(
                "bars => bars.map((bar) => parseFloat(bar.style.width))"
            )
            assert abs(sum(shares) - 100) < 0.1
            self.point_at_parts()

    def point_at_parts(self) -> None:
        """The part under the pointer is named below, with how its number comes about."""
        for part in (self.parts.first, self.parts.last):
            name = part.locator(".dsn-name").inner_text()
            part.hover()
            until(self.formula.inner_text, lambda seen, name=name: seen.startswith(name), f"the formula of {name}")
            assert " = " in self.formula.inner_text() and part.get_attribute("aria-pressed") == "true"
        self.total.hover()  # away, so that the pointer chooses nothing in the next block

    def open_by_keyboard(self) -> None:
        """Tab goes from block to block and from part to part; Enter opens; all have names that say their numbers."""
        self.blocks.nth(1).focus()
        self.blocks.nth(1).press("Shift+Tab")
        focused = self.root.page.locator(":focus")
        assert focused.get_attribute("data-index") == "0"
        focused.press("Enter")
        self.expect_open(0)
        focused.press("Tab")
        focused.press("Space")
        self.expect_open(1)
        for _ in range(self.blocks.count() - 1):
            focused.press("Tab")
        name = focused.locator(".dsn-name").inner_text()
        assert focused.get_attribute("data-index") == "0" and self.formula.inner_text().startswith(name)
        for button in [*self.blocks.all(), *self.parts.all()]:
            values = [button.locator(f".dsn-{part}").inner_text() for part in ("name", "value", "share")]
            assert button.get_attribute("aria-label") == f"{values[0]}: {values[1]}, {values[2]}"

    def expect_open(self, index: int) -> None:
        """Wait until this block is the open one, and the only one."""
        pressed = self.blocks.and_(self.root.page.locator(PRESSED))
        until(lambda: [b.get_attribute("data-index") for b in pressed.all()], lambda seen: seen == [str(index)], "open")
