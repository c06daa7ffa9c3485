"""Attention explorer: type a text, pick a head, move over the tokens and see where each one looks."""

from collections.abc import Callable
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from deepseek_lab.viz.attention import AttentionMaps, plot_attention
from deepseek_lab.viz.page import shortened
from deepseek_lab.viz.show import show_widget
from deepseek_lab.viz.theme import png

HERE = Path(__file__).parent
MAX_TOKENS = 240


class AttentionExplorer(anywidget.AnyWidget):
    """The widget. `maps_of(text)` computes the maps; it runs again whenever the text changes.

    The weights travel as bytes, 0 to 255 for 0 to 1: precise to 0.2 percentage points.
    """

    _esm = HERE / "attention_explorer.js"
    _css = HERE / "attention_explorer.css"
    text = traitlets.Unicode().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)  # layers, heads, tokens
    weights = traitlets.Bytes().tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    query = traitlets.Int(0).tag(sync=True)

    def __init__(self, maps_of: Callable[[str], AttentionMaps], text: str, layer: int, head: int, query: int):
        super().__init__(layer=layer, head=head, query=query)
        self._maps_of = maps_of
        self.observe(self._update, "text")
        self.text = text

    def _update(self, change) -> None:
        text = change["new"]
        kept = shortened(text, MAX_TOKENS)
        if not kept:
            self.note = "Type at least one character."
            return
        maps = self._maps_of(kept)
        layers, heads, count, _ = maps.weights.shape
        with self.hold_sync():  # one message, so that the picture never mixes two texts
            self.labels, self.shape = list(maps.labels), [layers, heads, count]
            self.weights = np.round(maps.weights * 255).astype(np.uint8).tobytes()
            self.query = min(self.query, count - 1)
            cut = len(kept) < len(text)
            self.note = f"Only the first {count} tokens are shown: each byte is one." if cut else ""


def explore_attention(
    maps_of: Callable[[str], AttentionMaps], text: str, layer: int = 0, head: int = 0, query: int = 0
) -> None:
    """Display the explorer, with a still picture for readers without a kernel.

    Raises `ValueError` when `layer`, `head` or `query` is not in the maps of `text`.
    """
    maps = maps_of(shortened(text, MAX_TOKENS))
    for name, value, size in zip(("layer", "head", "query"), (layer, head, query), maps.weights.shape, strict=False):
        if not 0 <= value < size:
            raise ValueError(f"{name}: got {value}, but it takes 0 to {size - 1}")
    widget = AttentionExplorer(maps_of, text, layer, head, query)
    still = png(plot_attention(maps, layer, head, query))
    show_widget(widget, still, "every head's attention map, and one token's view of the text")
