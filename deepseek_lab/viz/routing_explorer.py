"""Routing explorer: type a text, play the training, and see which experts every token goes to and why."""

import base64
from collections.abc import Callable
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from deepseek_lab.viz.page import shortened, static_html
from deepseek_lab.viz.routing import EXPERT_COLORS, RoutingMaps, plot_routing
from deepseek_lab.viz.show import show_widget
from deepseek_lab.viz.theme import png

HERE = Path(__file__).parent
MAX_TOKENS = 200


class RoutingExplorer(anywidget.AnyWidget):
    """The widget. `maps_of(text)` routes the text at every saved step; it runs again whenever the text changes.

    Scores travel as 16-bit numbers, 0 to 65535 for 0 to 1; the page itself decides who goes where.
    """

    _esm = HERE / "routing_explorer.js"
    _css = HERE / "routing_explorer.css"
    text = traitlets.Unicode().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)  # steps, layers, tokens, experts
    steps = traitlets.List(traitlets.Int()).tag(sync=True)
    scores = traitlets.Bytes().tag(sync=True)
    biases = traitlets.Bytes().tag(sync=True)
    colors = traitlets.List(traitlets.Unicode()).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    token = traitlets.Int(0).tag(sync=True)
    k = traitlets.Int(1).tag(sync=True)
    use_bias = traitlets.Bool(True).tag(sync=True)
    groups = traitlets.Int(1).tag(sync=True)
    allowed = traitlets.Int(1).tag(sync=True)

    def __init__(self, maps_of: Callable[[str], RoutingMaps], text: str, groups: int, **start: int):
        super().__init__(groups=groups, allowed=groups, colors=list(EXPERT_COLORS), **start)
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
        with self.hold_sync():  # one message, so that the picture never mixes two texts
            self.labels, self.shape, self.steps = list(maps.labels), list(maps.scores.shape), list(maps.steps)
            self.biases = maps.biases.astype("<f4").tobytes()
            self.scores = np.round(maps.scores * 65535).astype("<u2").tobytes()
            count = len(maps.labels)
            self.token = min(self.token, count - 1)
            cut = len(kept) < len(text)
            self.note = f"Only the first {count} tokens are shown: each byte is one." if cut else ""


def explore_routing(
    maps_of: Callable[[str], RoutingMaps], text: str, groups: int = 4, step: int = -1, layer: int = 0, token: int = 0
) -> None:
    """Display the explorer, with a still picture, and a page that works without a kernel for this text.

    `groups` is how many groups the limit deals with; a negative `step` counts from the last. Raises `ValueError` when
    `step`, `layer` or `token` is not in the maps of `text`, and when groups don't divide the experts.
    """
    if not text:
        raise ValueError("text: got '', but it takes at least one character")
    maps = maps_of(shortened(text, MAX_TOKENS))
    steps, layers, tokens, experts = maps.scores.shape
    for name, value, least, size in (
        ("step", step, -steps, steps),
        ("layer", layer, 0, layers),
        ("token", token, 0, tokens),
    ):
        if not least <= value < size:
            raise ValueError(f"{name}: got {value}, but it takes {least} to {size - 1}")
    step %= steps
    if groups < 1 or experts % groups:
        raise ValueError(f"groups: got {groups}, but it takes a divisor of {experts}")
    start = dict(step=step, layer=layer, token=token, k=maps.experts.shape[-1])
    widget = RoutingExplorer(maps_of, text, groups, **start)
    still = png(plot_routing(maps, step, layer))
    alt = "each token's experts, the load on every expert, and how training evens it out"
    show_widget(widget, still, alt, page=static_page(widget, still, alt))


def static_page(widget: RoutingExplorer, still: bytes, alt: str) -> str:
    """The explorer as HTML of its own, without a kernel: the picture, which its script replaces where scripts run."""
    own = [name for name in widget.traits(sync=True) if name in vars(RoutingExplorer) and not name.startswith("_")]
    values = {name: getattr(widget, name) for name in own}
    for name in ("scores", "biases"):
        values[name] = base64.b64encode(values[name]).decode()
    values["note"] = "This page has no kernel: the text stays, everything else moves."
    return static_html("routing", values, still, alt)
