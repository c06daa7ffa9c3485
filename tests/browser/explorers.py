"""Moving every control of the course's widgets, as a learner would, and watching the picture follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator

EXPLORE = ".jp-OutputArea-output:has(img.deepseek-lab-figure)"
ANATOMY = ".jp-OutputArea-output:has(.dsn-anatomy)"
ATTENTION = ".jp-OutputArea-output:has(.dsl-attention)"
PROGRESS = ".jp-OutputArea-output:has(.widget-hprogress)"
ROUTING = ".jp-OutputArea-output:has(.dsr-routing)"
MASKS = ".jp-OutputArea-output:has(.dsm-masks)"
WRITING = ".jp-OutputArea-output:has(.dsw-writing)"
ANSWER = ".jp-OutputArea-output:has(.deepseek-lab-answer)"
ANY_WIDGET = f".jp-OutputArea-output:has(.jupyter-widgets), {ANATOMY}, {ATTENTION}, {ROUTING}, {MASKS}, {WRITING}"

# What is drawn, pixel by pixel: an image's address is new after each message, even when nothing in it changed.
PIXELS = """async (picture) => {
    if (picture.tagName === 'CANVAS') return picture.toDataURL();
    try { await picture.decode(); } catch { return null; }  // the next picture is just arriving
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
    canvas.getContext('2d').drawImage(picture, 0, 0);
    return canvas.toDataURL();
}"""

# Boxes whose content is wider than they are, and boxes that reach over the right edge of their output. A scroll bar is
# no excuse: nobody drags a figure sideways. Only a slider's handle may hang over its rail.
CUT_OFF = """(output) => {
    const edge = output.getBoundingClientRect().right;
    const over = (box) => Math.round(box.getBoundingClientRect().right - edge);
    return [output, ...output.querySelectorAll('*')]
        .filter((box) => !box.closest('.noUi-target') && box.getClientRects().length)
        .filter((box) => box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 2 || over(box) > 2)
        .map((box) => `${box.tagName} ${box.className}: ${box.scrollWidth} in ${box.clientWidth} pixels, `
            + `${over(box)} beyond the edge`);
}"""


def pixels(picture: Locator, other_than: str | None = None) -> str:
    """What an <img> or a <canvas> shows, as soon as it is something other than that."""
    return until(lambda: picture.evaluate(PIXELS), lambda now: now not in (None, other_than), "the picture")


def move_controls(output: Locator) -> int:
    """Put every control of an `explore()` figure to each of its places; each must draw another picture.

    Returns how many pictures were drawn.
    """
    picture, note = output.locator("img.deepseek-lab-figure"), output.locator(".widget-html-content")
    sliders, lists = output.locator(".noUi-handle").all(), output.locator(".widget-dropdown select").all()
    fields = output.locator(".widget-text input").all()
    controls = output.locator(".widget-inline-hbox:not(.widget-html)")
    known = len(sliders) + len(lists) + len(fields)
    assert controls.count() == known > 0, "a control of a kind that this test can't move"
    drawn = 0
    for move in [*map(slide, sliders), *map(choose, lists), *map(type_in, fields)]:
        shown = pixels(picture)
        for place in move:
            print(f"    {place}")  # shown with a failure
            shown = pixels(picture, other_than=shown)
            assert not note.inner_text(), f"{place}: {note.inner_text()}"
            drawn += 1
    return drawn


def slide(handle: Locator):
    """Move a slider to its last place and then, one by one, back to its first; yields each place."""
    handle.focus()
    while handle.get_attribute("aria-valuenow") != handle.get_attribute("aria-valuemax"):
        handle.press("ArrowRight")
        yield f"slider at {handle.get_attribute('aria-valuetext')}"
    while handle.get_attribute("aria-valuenow") != handle.get_attribute("aria-valuemin"):
        handle.press("ArrowLeft")
        yield f"slider back at {handle.get_attribute('aria-valuetext')}"


def choose(listed: Locator):
    """Choose each entry of a drop-down list once, the first one last; yields each entry."""
    first = listed.input_value()
    entries = [option.get_attribute("value") for option in listed.locator("option").all()]
    for entry in [*(entry for entry in entries if entry != first), first]:
        listed.select_option(entry)
        yield f"list at {entry}"


def type_in(field: Locator):
    """Type another text, and then what was there before; yields each text."""
    first = field.input_value()
    for text in ("assert 1 == 2" if first.startswith("assert") else "import os", first):
        field.fill(text)
        field.press("Enter")
        yield f"text {text!r}"


def bar_is_full(output: Locator) -> bool:
    """Whether a progress bar reached its end and says so."""
    bar = output.locator(".progress-bar")
    return bar.evaluate("bar => bar.style.width") == "100%" and "success" in bar.get_attribute("class")


class AttentionExplorer:
    """The widget of `explore_attention`, as its reader sees it."""

    def __init__(self, output: Locator):
        self.area, self.note = output.locator("textarea"), output.locator(".dsl-note")
        self.maps, self.tokens = output.locator(".dsl-map"), output.locator(".dsl-token")
        self.view, self.caption = output.locator(".dsl-view"), output.locator(".dsl-caption")
        self.back, self.next = output.locator(".dsl-step").all()

    def try_everything(self) -> None:
        """Each way to use it, one after the other."""
        self.type_texts()
        self.click_every_head()
        self.point_and_step()

    def type_texts(self) -> None:
        """Another text means other maps; awkward texts are met with a sentence or with bytes, never with a crash."""
        before = pixels(self.maps.first.locator("canvas"))
        self.type("one two\none two", labels=[*"one·two⏎one·two"])
        pixels(self.maps.first.locator("canvas"), other_than=before)

        self.area.fill("")
        self.expect_note("at least one character")
        assert self.tokens.count() == 15, "an empty text leaves the last picture"
        self.type("a😀b", count=6)  # four bytes, none of which is a character
        self.expect_note("")
        self.type("x" * 300, count=240)
        self.expect_note("first 240")
        self.type("def area(width, height): return width * height", count=46)
        self.expect_note("")

    def type(self, text: str, labels: list[str] | None = None, count: int | None = None) -> None:
        """Replace the text, and wait for these labels or this many tokens."""
        self.area.fill(text)
        look, wanted = (self.tokens.all_inner_texts, labels) if labels else (self.tokens.count, count)
        until(look, lambda seen: seen == wanted, f"tokens of {text[:20]!r}")

    def expect_note(self, words: str) -> None:
        """Wait for the sentence under the text: one with these words, or none."""
        until(self.note.inner_text, lambda seen: words in seen if words else not seen, f"note {words!r}")

    def click_every_head(self) -> None:
        """Each click names its head in the caption, and marks its square and no other."""
        for square in [*self.maps.all()[1:], self.maps.first]:
            name = square.get_attribute("aria-label")
            square.click()
            until(self.caption.inner_text, lambda seen, name=name: seen.lower().startswith(name + ":"), name)
            assert self.maps.and_(self.maps.page.locator("[aria-pressed=true]")).count() == 1
            assert square.get_attribute("aria-pressed") == "true"

    def point_and_step(self) -> None:
        """Pointer, arrow keys and buttons choose the token that looks."""
        self.tokens.nth(20).hover()
        self.expect_token(20)
        shades = [self.shade(index) for index in range(21)]
        self.tokens.nth(10).hover()
        self.expect_token(10)
        assert shades[:11] != [self.shade(index) for index in range(11)]
        self.view.press("ArrowRight")
        self.expect_token(11)
        self.view.press("ArrowLeft")
        self.expect_token(10)
        self.back.click()
        self.expect_token(9)
        self.next.click()
        self.expect_token(10)

    def expect_token(self, index: int) -> None:
        """Wait until this token is the one that looks: framed, and named in the caption."""
        until(self.caption.inner_text, lambda seen: f"token {index} " in seen, f"caption of token {index}")
        assert self.view.locator(".dsl-query").get_attribute("data-index") == str(index)

    def shade(self, index: int) -> str:
        """How strongly a token is looked at, as a colour."""
        return self.tokens.nth(index).evaluate("token => token.style.backgroundColor")
