"""Routing of one text, as numbers and as a still picture: who goes where, how evenly, and what each token sees."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepseek_lab.viz.theme import GREY, INK, new_figure, styled

VISIBLE = {"\n": "⏎", "\t": "→", " ": "·"}
# Eight hues that can be told apart without colour vision, each once strong and once pale. Dark text stays readable.
EXPERT_COLORS = (
    "#56B4E9", "#E69F00", "#58C9A3", "#F0E442", "#8FB0FF", "#E8825A", "#D9A0C6", "#B8B8B8",
    "#BFE2F7", "#F6D48F", "#BDEBDB", "#F9F5B4", "#D3E0FF", "#F7C9B5", "#F0DAE8", "#E4E4E4",
)  # fmt: skip


@dataclass(frozen=True)
class RoutingMaps:
    """A text's scores at P training steps, in L layers, for T tokens and E experts, and what was chosen."""

    labels: Sequence[str]  # T: what to write on each token
    steps: Sequence[int]  # P
    scores: np.ndarray  # (P, L, T, E) between 0 and 1
    biases: np.ndarray  # (P, L, E)
    experts: np.ndarray  # (P, L, T, K) the router's own choice
    weights: np.ndarray  # (P, L, T, K)

    def __post_init__(self):
        steps, layers, tokens, experts = self.scores.shape
        chosen = (steps, layers, tokens, self.experts.shape[-1])
        expected = {"biases": (steps, layers, experts), "experts": chosen, "weights": chosen}
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name}: got shape {getattr(self, name).shape}, but it takes {shape}")
        if not (np.all(self.scores >= 0) and np.all(self.scores <= 1)):  # the page gets them as 16-bit shares of 1
            got = (self.scores.min().item(), self.scores.max().item())
            raise ValueError(f"scores: got numbers from {got[0]} to {got[1]}, but they take 0 to 1")
        if len(self.labels) != tokens or len(self.steps) != steps:
            got = f"{len(self.labels)} labels and {len(self.steps)} steps"
            raise ValueError(f"labels, steps: got {got}, but they take {tokens} and {steps}, as many as scores has")


def rows_per_expert(maps: RoutingMaps, step: int, layer: int) -> np.ndarray:
    """Rows that each expert gets from the text: (E,)."""
    return np.bincount(maps.experts[step, layer].ravel(), minlength=maps.scores.shape[-1])


def top_expert(maps: RoutingMaps, step: int, layer: int) -> np.ndarray:
    """The expert with the largest weight for each token: (T,)."""
    place = maps.weights[step, layer].argmax(axis=-1)[:, None]
    return np.take_along_axis(maps.experts[step, layer], place, axis=-1)[:, 0]


@styled
def plot_routing(maps: RoutingMaps, step: int, layer: int) -> Figure:
    """The text coloured by expert, the load on each expert, and the map of tokens and experts."""
    figure = new_figure(7.0, 6.4)
    text, load, heat = figure.subplots(3, 1, height_ratios=[1.5, 1, 1.3])
    _draw_text(text, maps, top_expert(maps, step, layer))
    text.set_title(f"Layer {layer + 1} after {maps.steps[step]} steps: each token's first expert")
    _draw_load(load, rows_per_expert(maps, step, layer))
    _draw_heat(heat, maps, step, layer)
    return figure


def _draw_text(axes: Axes, maps: RoutingMaps, experts: np.ndarray, width: int = 66) -> None:
    column, line = 0, 0
    for label, expert in zip(maps.labels, experts, strict=True):
        if column == width:
            column, line = 0, line + 1
        shown = label if len(label) == 1 and label.strip() else VISIBLE.get(label, "·")
        background = {"facecolor": EXPERT_COLORS[expert % len(EXPERT_COLORS)], "edgecolor": "none", "pad": 1.2}
        place = (column + 0.5, -line - 0.5)
        axes.text(*place, shown, ha="center", va="center", family="monospace", fontsize=9, bbox=background)
        column, line = (0, line + 1) if label == "\n" else (column + 1, line)
    axes.set(xlim=(0, width), ylim=(-line - 1, 0))
    axes.axis("off")


def _draw_load(axes: Axes, rows: np.ndarray) -> None:
    experts = np.arange(len(rows))
    axes.bar(experts, rows, color=[EXPERT_COLORS[e % len(EXPERT_COLORS)] for e in experts], edgecolor=GREY, lw=0.5)
    axes.axhline(rows.mean(), color=INK, linestyle="--", linewidth=1.2)
    axes.set(ylabel="rows", xlim=(-0.6, len(rows) - 0.4))
    axes.set_xticks(experts)
    axes.set_xlabel(f"expert (line: an even load, {rows.mean():.1f} rows; MaxVio {rows.max() / rows.mean() - 1:.2f})")


def _draw_heat(axes: Axes, maps: RoutingMaps, step: int, layer: int) -> None:
    tokens, experts = maps.scores.shape[2:]
    dense = np.zeros((experts, tokens))
    dense[maps.experts[step, layer].T, np.arange(tokens)] = maps.weights[step, layer].T
    axes.imshow(dense, aspect="auto", cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xlabel="token", ylabel="expert")
    axes.set_yticks(range(0, experts, 5))
