"""Using the writing explorer as a learner would, in a notebook or on a page without a kernel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lab import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator


class WritingExplorer:
    """The widget of `explore_writing`, as its reader sees it."""

    def __init__(self, output: Locator):
        self.area, self.note, self.count = (output.locator(f".dsw-{part}") for part in ("prompt", "note", "count"))
        self.write, self.play, self.slider = (output.locator(f".dsw-{part}") for part in ("write", "play", "at"))
        self.temperature, self.layer = output.locator(".dsw-temperature"), output.locator(".dsw-layer")
        self.back, self.next = output.locator(".dsw-step").all()
        self.tokens, self.written = output.locator(".dsw-token"), output.locator(".dsw-token:not(.dsw-given)")
        self.sentence, self.cache = output.locator(".dsw-caption"), output.locator(".dsw-sum")
        self.working = output.locator(".dsw-working")
        self.kept = output.locator(".dsw-kept")

    def try_everything(self, typing: bool) -> None:
        """Each way to use it, one after the other. Without a kernel, nothing new is written."""
        if typing:
            self.write_texts()
            self.refuse()
            self.warm_up()
        else:
            assert self.area.get_attribute("readonly") is not None and "no kernel" in self.note.inner_text()
            assert self.write.is_disabled() and self.count.is_disabled() and self.temperature.is_disabled()
        self.step()
        self.replay()
        self.choose_layers()

    def write_texts(self) -> None:
        """Tokens come one after the other, and stay; an emoji is four tokens; two clicks write one text."""
        self.ask("import os\nimport sys\n", 30)
        seen = set()
        until(lambda: seen.add(self.place()) or self.place(), lambda place: place == 30, "thirty tokens", pause=0.05)
        assert len(seen) > 5, "they come one by one"
        self.expect_written(30)
        self.ask("x = '😀'", 5)
        self.expect_written(5)
        assert self.tokens.filter(has_text="�").count() >= 3
        self.area.fill("def area(width, height):")
        self.count.fill("20")
        self.write.dblclick()
        self.expect_written(20)
        self.ask("for x in", 1)
        self.expect_written(1)
        self.ask("def area(width, height):", 20)
        self.expect_written(20)

    def refuse(self) -> None:
        """What makes no sense is answered by a sentence, and the last text stays."""
        prompt = self.area.input_value()
        for text, count, words in (
            ("", "20", "at least one character"),
            ("x" * 400, "20", "400 characters"),
            (prompt, "0", "it takes 1 to 120"),
            (prompt, "", "it takes 1 to 120"),
            (prompt, "121", "it takes 1 to 120"),
        ):
            self.area.fill(text)
            self.count.fill(count)
            self.write.click()
            until(self.note.inner_text, lambda seen, words=words: words in seen, f"note {words!r}")
            until(self.write.is_enabled, bool, "the button again")
            assert self.written.count() == 20
        self.ask(prompt, 20)
        self.expect_written(20)

    def warm_up(self) -> None:
        """Cold, the same text comes again; warm, another one."""
        cold = self.text()
        self.ask(self.area.input_value(), 20)
        self.expect_written(20)
        assert self.text() == cold
        self.temperature.focus()
        self.temperature.press("End")
        warm = set()
        for _ in range(2):
            self.ask(self.area.input_value(), 20)
            until(lambda: self.write.is_enabled() and self.play.inner_text() == "▶ play", bool, "written")
            warm.add(self.text())
        assert len(warm) == 2
        self.temperature.press("Home")
        self.ask(self.area.input_value(), 20)
        self.expect_written(20)

    def step(self) -> None:
        """Slider, buttons and clicks choose the token; sentence, frame, experts and cache follow."""
        last = self.written.count()
        self.slider.focus()
        self.slider.press("Home")
        self.expect_place(1)
        self.slider.press("ArrowRight")
        self.expect_place(2)
        self.next.click()
        self.expect_place(3)
        self.back.click()
        self.expect_place(2)
        self.back.click()
        self.back.click()
        self.expect_place(1)  # no further
        self.written.nth(last - 2).click()
        self.expect_place(last - 1)
        before = self.working.evaluate_all("cells => cells.map((cell) => cell.title)")
        self.slider.press("End")
        self.expect_place(last)
        assert self.working.evaluate_all("cells => cells.map((cell) => cell.title)") != before

    def replay(self) -> None:
        """Played again from the start, stopped, and played to the end."""
        last = self.written.count()
        self.play.click()
        until(self.place, lambda place: 1 <= place < last, "playing")
        self.play.click()
        stopped = self.place()
        self.play.page.wait_for_timeout(400)
        assert self.place() == stopped and self.play.inner_text() == "▶ play"
        self.play.click()
        until(self.place, lambda place: place == last, "played to the end")
        until(self.play.inner_text, lambda words: words == "▶ play", "the button after the end")

    def choose_layers(self) -> None:
        """Each layer shades the text in its own way; the first choice brings the first shades back."""
        first = self.layer.input_value()
        shades, places = self.shades(), self.layer.locator("option").all()
        seen = [shades]
        for option in places:
            value = option.get_attribute("value")
            if value != first:
                self.layer.select_option(value=value)
                seen.append(until(self.shades, lambda now: now != seen[-1], f"shades of layer {value}"))
        self.layer.select_option(value=first)
        until(self.shades, lambda now: now == shades, "the first shades")

    def ask(self, prompt: str, count: int) -> None:
        """Type both and press the button."""
        self.area.fill(prompt)
        self.count.fill(str(count))
        self.write.click()

    def expect_written(self, count: int) -> None:
        """Wait until so many tokens are written and the last one is explained."""
        until(self.place, lambda place: place == count, f"token {count}")
        until(self.write.is_enabled, bool, "the button again")
        until(self.play.inner_text, lambda words: words == "▶ play", "the player at rest")
        assert not self.note.inner_text() and self.written.count() == count
        self.expect_place(count)

    def expect_place(self, place: int) -> None:
        """Wait until this token is explained: named, framed, its experts at work, its cache as large as it says."""
        until(self.place, lambda seen: seen == place, f"token {place}")
        assert int(self.slider.input_value()) == place - 1
        framed = self.tokens.locator("xpath=self::*[contains(@class, 'dsw-new')]").all()
        assert [token.get_attribute("data-index") for token in framed] == [self.index(place)]
        tokens = int(re.search(r"(\d+) tokens", self.cache.inner_text()).group(1))
        assert str(tokens) == self.index(place)
        assert self.working.count() > 0 and self.kept.count() > 0

    def index(self, place: int) -> str:
        """Where the written token stands in the whole text."""
        return str(self.tokens.count() - self.written.count() + place - 1)

    def place(self) -> int:
        """Which written token is explained; 0 before the first."""
        found = re.match(r"Token (\d+):", self.sentence.inner_text())
        return int(found.group(1)) if found else 0

    def text(self) -> str:
        """What was written."""
        return "".join(self.written.all_inner_texts())

    def shades(self) -> list[str]:
        """How strongly each token is looked at."""
        return self.tokens.evaluate_all("tokens => tokens.map((token) => token.style.backgroundColor)")
