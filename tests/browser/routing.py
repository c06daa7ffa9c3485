"""Moving everything in the routing explorer, as a learner would, in a notebook or on a page without a kernel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from explorers import pixels
from lab import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator


class RoutingExplorer:
    """The widget of `explore_routing`, as its reader sees it."""

    def __init__(self, output: Locator):
        self.area, self.note = output.locator("textarea"), output.locator(".dsr-note")
        self.tokens, self.view = output.locator(".dsr-token"), output.locator(".dsr-view")
        self.heat, self.bars, self.load = (output.locator(f".dsr-{part}") for part in ("heat", "bar", "load"))
        self.caption, self.table = output.locator(".dsr-caption"), output.locator(".dsr-table")
        self.step, self.play = output.locator(".dsr-step"), output.locator(".dsr-play")
        self.layer, self.k, self.allowed = output.locator("select").all()
        self.bias = output.locator("input[type=checkbox]")

    def try_everything(self, typing: bool) -> None:
        """Each way to use it, one after the other. Without a kernel, there is no typing."""
        if typing:
            self.type_texts()
        else:
            assert self.area.get_attribute("readonly") is not None and "no kernel" in self.note.inner_text()
        self.move_steps()
        self.change_the_choice()
        self.point_and_step()

    def type_texts(self) -> None:
        """Another text means other routes; awkward texts are met with a sentence, never with a crash."""
        before = pixels(self.heat)
        self.type("one two\none two", count=15)
        pixels(self.heat, other_than=before)
        self.area.fill("")
        until(self.note.inner_text, lambda seen: "at least one character" in seen, "the note about an empty text")
        assert self.tokens.count() == 15, "an empty text leaves the last picture"
        self.type("a😀b", count=6)
        self.type("x" * 300, count=200)
        until(self.note.inner_text, lambda seen: "first 200" in seen, "the note about a long text")
        self.type("def area(width, height): return width * height", count=46)
        until(self.note.inner_text, lambda seen: not seen, "no note")

    def type(self, text: str, count: int) -> None:
        """Replace the text, and wait for this many tokens."""
        self.area.fill(text)
        until(self.tokens.count, lambda seen: seen == count, f"tokens of {text[:20]!r}")

    def move_steps(self) -> None:
        """Each place of the slider shows another picture; then the training plays from the start to the end."""
        last = self.step.get_attribute("max")
        self.step.focus()
        self.step.press("Home")
        shown = pixels(self.heat)
        for _ in range(int(last)):
            self.step.press("ArrowRight")
            shown = pixels(self.heat, other_than=shown)
        assert self.step.input_value() == last
        self.play.click()  # at the end: it begins again
        until(self.step.input_value, lambda seen: seen == "2", "playing")
        self.play.click()
        assert "play" in self.play.inner_text()
        stopped = self.step.input_value()
        self.play.page.wait_for_timeout(1200)
        assert self.step.input_value() == stopped, "stopped"
        self.play.click()
        until(self.step.input_value, lambda seen: seen == last, "played to the end")
        until(self.play.inner_text, lambda seen: "play" in seen, "the button after the end")

    def change_the_choice(self) -> None:
        """Layer, K, bias and groups change who goes where, and changing them back brings the picture back."""
        first, rows = pixels(self.heat), self.rows()
        k = int(self.k.input_value())
        assert rows == k * self.tokens.count()
        for control in (self.layer, self.k, self.allowed):
            own = control.evaluate("list => list.selectedIndex")  # not the value: playwright takes it for a label, too
            last = control.locator("option").count() - 1
            control.select_option(index=last)
            pixels(self.heat, other_than=first)
            assert self.rows() == int(self.k.input_value()) * self.tokens.count()
            control.select_option(index=own)
            until(lambda: pixels(self.heat), lambda now: now == first, "the first picture")
        # MaxVio alone may happen to stay: how far training has moved the bias depends on the machine's rounding.
        with_bias = self.loads()
        self.bias.uncheck()
        until(self.loads, lambda seen: seen != with_bias, "the loads without the bias")
        assert re.search(r"MaxVio \d+\.\d\d", self.load.inner_text())
        self.bias.check()
        until(self.loads, lambda seen: seen == with_bias, "the loads with the bias")

    def loads(self) -> list[str]:
        """What is said of the load, and each expert's."""
        return [self.load.inner_text(), *(bar.get_attribute("title") for bar in self.bars.all())]

    def rows(self) -> int:
        """The sum of all bars."""
        return sum(int(re.search(r": (\d+) rows", bar.get_attribute("title")).group(1)) for bar in self.bars.all())

    def point_and_step(self) -> None:
        """Pointer and arrow keys choose the token; its table has the chosen experts, whose weights sum to 1."""
        self.tokens.nth(20).hover()
        self.expect_token(20)
        before = self.table.inner_text()
        self.tokens.nth(10).hover()
        self.expect_token(10)
        assert self.table.inner_text() != before
        self.view.press("ArrowRight")
        self.expect_token(11)
        self.view.press("ArrowLeft")
        self.expect_token(10)
        self.heat.hover(position={"x": 1, "y": 5})
        self.expect_token(0)
        self.bars.first.hover()  # tokens that don't visit expert 0 fade
        faded = until(self.view.locator(".dsr-faded").count, lambda seen: seen > 0, "faded tokens")
        served = int(re.search(r": (\d+) rows", self.bars.first.get_attribute("title")).group(1))
        assert faded == self.tokens.count() - served
        self.caption.hover()
        until(self.view.locator(".dsr-faded").count, lambda seen: seen == 0, "no token faded")
        weights = [float(row.locator("td").last.inner_text()) for row in self.table.locator(".dsr-taken").all()]
        assert len(weights) == int(self.k.input_value()) and abs(sum(weights) - 1) < 0.002

    def expect_token(self, index: int) -> None:
        """Wait until this token is the one that is explained: framed, and named in the caption."""
        until(self.caption.inner_text, lambda seen: f"token {index} " in seen, f"caption of token {index}")
        assert self.view.locator(".dsr-chosen").get_attribute("data-index") == str(index)
