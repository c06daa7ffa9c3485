"""Moving everything in the mask explorer, as a learner would."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from explorers import pixels
from lab import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator

READS = re.compile(r"Token (\d+) “.*” reads (\d+) of (\d+) entries: .* it reaches (\d+) of (\d+) tokens\.", re.DOTALL)


class MaskExplorer:
    """The widget of `explore_masks`, as its reader sees it."""

    def __init__(self, output: Locator):
        self.area, self.note, self.grid = (
            output.locator("textarea"),
            output.locator(".dsm-note"),
            output.locator("canvas"),
        )
        self.tokens, self.view, self.bars = (output.locator(f".dsm-{part}") for part in ("token", "view", "bar"))
        self.variants, self.sentence = output.locator(".dsm-variant"), output.locator(".dsm-sentence")
        self.settings = output.locator("select")

    def try_everything(self) -> None:
        """Each way to use it, one after the other."""
        self.choose_rows()
        self.choose_variants()
        self.type_texts()

    def choose_rows(self) -> None:
        """A click into the square, a click on a token and the arrow keys choose who reads."""
        count, box = self.tokens.count(), self.grid.bounding_box()
        for row in (count - 1, count // 2):
            self.grid.click(position={"x": 5, "y": (row + 0.5) / count * box["height"]})
            self.expect_query(row)
        for place in (self.grid, self.view):
            place.press("ArrowDown")
            self.expect_query(count // 2 + 1)
            place.press("ArrowLeft")
            self.expect_query(count // 2)
        self.grid.press("Home")
        self.expect_query(0)
        self.tokens.nth(3).click()
        self.expect_query(3)
        self.grid.press("End")
        self.expect_query(count - 1)

    def choose_variants(self) -> None:
        """Each variant has a picture of its own; settings that matter to it draw another, and are drawn back."""
        for button in [*self.variants.all()[1:], self.variants.first]:
            before = pixels(self.grid)
            if button.get_attribute("aria-pressed") == "true":
                continue
            button.click()
            own = pixels(self.grid, other_than=before)
            self.expect_counts()
            for setting in self.settings.all():
                first = setting.evaluate("list => list.selectedIndex")
                for index in range(setting.locator("option").count() if setting.is_enabled() else 0):
                    if index != first:
                        setting.select_option(index=index)
                        until(
                            lambda: (pixels(self.grid), self.note.inner_text()),
                            lambda seen, own=own: seen[0] != own or "Not drawn" in seen[1],
                            "another picture, or a sentence",
                        )
                        setting.select_option(index=first)
                        until(lambda: pixels(self.grid), lambda now, own=own: now == own, "the first picture")
                        until(self.note.inner_text, lambda seen: not seen, "no note")

    def type_texts(self) -> None:
        """Another text means another mask; awkward texts are met with a sentence, never with a crash."""
        first, own = self.area.input_value(), self.tokens.count()
        self.area.fill("")
        until(self.note.inner_text, lambda seen: "at least one character" in seen, "the note about an empty text")
        assert self.tokens.count() == own, "an empty text leaves the last picture"
        self.area.fill("a😀b")
        until(self.tokens.count, lambda seen: 3 <= seen <= 6, "tokens of an emoji")
        self.area.fill("x y " * 400)
        until(self.tokens.count, lambda seen: seen == 96, "tokens of a long text")
        until(self.note.inner_text, lambda seen: "first 96" in seen, "the note about a long text")
        self.area.fill(first)
        until(self.tokens.count, lambda seen: seen == own, "tokens of the first text")

    def expect_query(self, index: int) -> None:
        """Wait until this token is the one that reads: framed, and named in the sentence."""
        until(self.sentence.inner_text, lambda seen: seen.startswith(f"Token {index} "), f"sentence of token {index}")
        assert self.view.locator(".dsm-query").get_attribute("data-index") == str(index)
        self.expect_counts()

    def expect_counts(self) -> None:
        """The numbers in the sentence are those of what is drawn."""
        query, read, in_reach, reached, tokens = map(int, READS.fullmatch(self.sentence.inner_text()).groups())
        assert read <= in_reach and reached <= tokens == query + 1
        states = [bar.get_attribute("data-state") for bar in self.bars.all()]
        chosen = re.search(r"selected (\d+) of|compressed (\d+) of", self.sentence.inner_text())
        if states and chosen:
            assert states.count("2") == int(chosen.group(1) or chosen.group(2))
