"""Mask explorer: type a text, choose how it is read, click a row, and see which tokens and entries its query reads."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from deepseek_lab.viz.masks import SHOWN, Branch, ReadingMap, branch_colors, describe_reading, plot_row
from deepseek_lab.viz.page import shortened
from deepseek_lab.viz.show import show_widget
from deepseek_lab.viz.theme import png

HERE = Path(__file__).parent
MAX_TOKENS = 96
MAX_BYTES = 600  # of the text that is handed on: enough for 96 tokens of 6 bytes
PLACES = ("variant", "query")  # what `start` may hold besides the settings


class MaskExplorer(anywidget.AnyWidget):
    """The widget. `map_of(text, variant, settings)` runs again whenever one of these changes; the page only draws."""

    _esm = HERE / "mask_explorer.js"
    _css = HERE / "mask_explorer.css"
    text = traitlets.Unicode().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    stale = traitlets.Bool(False).tag(sync=True)  # whether the picture belongs to what was chosen before
    variants = traitlets.List(traitlets.Unicode()).tag(sync=True)
    variant = traitlets.Unicode().tag(sync=True)
    allowed = traitlets.Dict().tag(sync=True)  # setting -> the values that it may take
    uses = traitlets.Dict().tag(sync=True)  # variant -> the settings that matter for it
    settings = traitlets.Dict().tag(sync=True)
    figure = traitlets.Dict().tag(sync=True)
    query = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        map_of: Callable[[str, str, dict], ReadingMap],
        text: str,
        variants: Sequence[str],
        allowed: Mapping[str, Sequence[int]],
        uses: Mapping[str, Sequence[str]],
        variant: str,
        settings: Mapping[str, int],
        query: int,
    ):
        listed = {name: list(values) for name, values in allowed.items()}
        used = {name: sorted(uses.get(name, allowed)) for name in variants}
        own = dict(variants=list(variants), allowed=listed, uses=used, variant=variant, settings=dict(settings))
        super().__init__(text=text, query=query, **own)
        self._map_of = map_of
        self._drawn = shortened(text, MAX_BYTES)
        self._update()
        self.observe(self._update, ["text", "variant", "settings"])

    def _update(self, _change=None) -> None:
        kept = shortened(self.text, MAX_BYTES)
        empty, kept = not kept, kept or self._drawn  # an empty text leaves the last one, and settings still move it
        try:
            reading = self._map_of(kept, self.variant, dict(self.settings))
        except ValueError as error:
            self.stale, self.note = True, f"Not drawn: {error}"
            return
        shown = reading.first(MAX_TOKENS)
        last, newest = len(self.figure.get("tokens", "")) - 1, len(shown.tokens) - 1
        self._drawn = kept
        with self.hold_sync():  # one message, so that the picture never mixes two texts
            self.stale = False
            self.figure = figure_data(shown)
            self.query = newest if self.query == last else min(self.query, newest)  # who looks at the end stays there
            self.note = "Type at least one character." if empty else _cut_note(shown, reading, kept, self.text)


def explore_masks(
    map_of: Callable[[str, str, dict], ReadingMap],
    text: str,
    variants: Sequence[str],
    settings: Mapping[str, Sequence[int]],
    start: Mapping[str, int | str] | None = None,
    uses: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Display the explorer, with a still picture for readers without a kernel.

    `map_of(text, variant, {setting: value})` makes the map; a `ValueError` of it is shown as a sentence. `settings` are
    the values that each setting may take, `uses` which settings matter for a variant: all, where it isn't named.
    `start` may hold a value for each setting, the "variant" and the "query"; else they are the first, and the last
    token. Raises `ValueError` when `text` is empty, or when `start` or `uses` has what isn't there.
    """
    start, uses = dict(start or {}), dict(uses or {})
    _check(start, uses, variants, settings)
    if not shortened(text, MAX_BYTES):
        raise ValueError(f"text: got {text!r}, but it takes at least one character")
    variant = start.get("variant", variants[0])
    values = {name: start.get(name, choices[0]) for name, choices in settings.items()}
    reading = map_of(shortened(text, MAX_BYTES), variant, dict(values)).first(MAX_TOKENS)
    query = start.get("query", len(reading.tokens) - 1)
    still = png(plot_row(reading, query, title=variant))
    widget = MaskExplorer(map_of, text, variants, settings, uses, variant, values, query)
    show_widget(widget, still, "which tokens and entries each token reads, and one token's view of the text")


def figure_data(reading: ReadingMap) -> dict:
    """What the page draws: tokens, the mask, a sentence for each query, and the branches. Arrays travel as bytes."""
    colors = branch_colors(reading.branches)
    return {
        "tokens": [token.translate(SHOWN) or "∅" for token in reading.tokens],
        "breaks": [token.endswith("\n") for token in reading.tokens],
        "cover": reading.cover().tobytes(),
        "sentences": [describe_reading(reading, query) for query in range(len(reading.tokens))],
        "branches": [_branch_data(branch, color) for branch, color in zip(reading.branches, colors, strict=True)],
    }


def _branch_data(branch: Branch, color: str) -> dict:
    """Of an entry, `state` is 0 where it is out of reach, 1 where it could be read, and 2 where it is read."""
    state = branch.in_reach().astype(np.uint8) + branch.kept
    scores = None
    if branch.scores is not None:
        scores = np.where(branch.in_reach(), branch.scores, 0).astype("<f4").tobytes()
    spans, places = [list(span) for span in branch.spans], [list(place) for place in branch.places()]
    own = dict(name=branch.name, color=color, spans=spans, places=places, lanes=branch.lanes())
    return own | {"state": state.tobytes(), "scores": scores}


def _cut_note(shown: ReadingMap, reading: ReadingMap, kept: str, text: str) -> str:
    cut = len(shown.tokens) < len(reading.tokens) or len(kept) < len(text.encode("utf-8", "ignore").decode("utf-8"))
    return f"Only the first {len(shown.tokens)} tokens are shown." if cut else ""


def _check(start: dict, uses: dict, variants: Sequence[str], settings: Mapping[str, Sequence[int]]) -> None:
    if not variants:
        raise ValueError("variants: got none, but it takes at least one")
    for name in PLACES:
        if name in settings:
            raise ValueError(f"settings: got {name!r}, but that is the name of something else in start")
    for name, value in start.items():
        choices = {"variant": variants, "query": [value], **settings}.get(name)
        if choices is None or value not in choices:
            allowed = [*PLACES, *settings] if choices is None else list(choices)
            got = repr(name) if choices is None else f"{value!r} for {name!r}"
            raise ValueError(f"start: got {got}, but it takes one of {allowed}")
    for variant, names in uses.items():
        if variant not in variants or not set(names) <= set(settings):
            raise ValueError(f"uses: got {variant!r}: {sorted(names)}, but it takes {list(variants)}: {list(settings)}")
