"""Attention maps: what is in them, counted, and how they look."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from deepseek_lab.viz.theme import BLUE, GREY, INK, ORANGE, RED, SEQUENTIAL, new_figure, styled

COLUMNS = 46  # characters in a line of a drawn text
VISIBLE = {"\n": "⏎", "\t": "→", " ": "·"}  # how tokens without ink are written


@dataclass(frozen=True)
class AttentionMaps:
    """Attention weights of a model for one text: `weights` (L, H, T, T), row t says where token t looks."""

    labels: Sequence[str]
    weights: np.ndarray

    def __post_init__(self):
        weights, count = self.weights, len(self.labels)
        if weights.ndim != 4 or weights.shape[2:] != (count, count):
            raise ValueError(f"weights: got shape {weights.shape}, but it takes (layers, heads, {count}, {count})")


def previous_token_scores(weights: np.ndarray) -> np.ndarray:
    """Share of attention that each head gives to the token just before: (L, H, T, T) -> (L, H), between 0 and 1."""
    return np.diagonal(weights, offset=-1, axis1=2, axis2=3).mean(-1)


def induction_scores(weights: np.ndarray, period: int) -> np.ndarray:
    """Share of attention that goes to what followed last time, in a text that repeats after `period` tokens.

    At the second "…ab" of "…abc…ab" that is the token "c". (L, H, T, T) -> (L, H), over the repeated part only. Raises
    `ValueError` for a period that the text doesn't hold.
    """
    if not 2 <= period < weights.shape[-1]:
        raise ValueError(f"period: got {period}, but it takes 2 to {weights.shape[-1] - 1}")
    looked_back = np.diagonal(weights, offset=1 - period, axis1=2, axis2=3)  # entry i: from period - 1 + i to i
    return looked_back[..., 1:].mean(-1)


def _image(weights: np.ndarray) -> np.ndarray:
    """The weights with the future left out, so that "may not look" and "does not look" are told apart."""
    future = np.triu(np.ones(weights.shape, dtype=bool), k=1) & (weights == 0)
    return np.ma.masked_array(weights, mask=future)


@styled
def plot_map(labels: Sequence[str], weights: np.ndarray, title: str) -> Figure:
    """One head's map (T, T), with the text on both axes: rows look, columns are looked at."""
    count = len(labels)
    side = min(6.2, 1.6 + 0.2 * count)
    figure = new_figure(side + 0.9, side)
    axes = figure.subplots()
    image = axes.imshow(_image(weights), cmap=SEQUENTIAL, vmin=0)
    names = [VISIBLE.get(label, label) for label in labels]
    axes.set_xticks(range(count), names, family="monospace")
    axes.set_yticks(range(count), names, family="monospace")
    axes.tick_params(length=0)
    axes.set(xlabel="token looked at", ylabel="token that looks")
    axes.set_title(title)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, shrink=0.8, label="attention weight")
    return figure


@styled
def plot_head_scores(scores: dict[str, np.ndarray], chance: dict[str, float]) -> Figure:
    """What each head does: one panel per behaviour, one point per head (L, H), a dashed line for looking evenly."""
    figure = new_figure(7.0, 3.2)
    panels = figure.subplots(1, len(scores), sharey=True, squeeze=False)[0]
    for axes, (name, values) in zip(panels, scores.items(), strict=True):
        layers, heads = values.shape
        for layer, row in enumerate(values):
            places = layer + np.linspace(-0.25, 0.25, heads)
            axes.scatter(places, row, s=36, color=(BLUE, ORANGE)[layer % 2], zorder=2)
        axes.axhline(chance[name], color=GREY, linestyle="--", linewidth=1.2)
        axes.set_xticks(range(layers), [f"layer {layer + 1}" for layer in range(layers)])
        axes.set_xlim(-0.5, layers - 0.5)
        axes.set_ylim(-0.03, 1)  # a point at 0 is seen whole
        axes.set_title(name, fontsize=11)
    figure.axes[0].set_ylabel("share of attention, per head")
    figure.axes[0].text(0.02, 0.97, "dashed: looking evenly", transform=figure.axes[0].transAxes, color=GREY,
                        fontsize=9, va="top")  # fmt: skip
    return figure


def draw_text(axes: Axes, labels: Sequence[str], values: np.ndarray, query: int) -> None:
    """The text itself, each token shaded by how much it is looked at; a frame around the token that looks."""
    row = column = 0
    peak = max(float(values.max()), 1e-9)
    for number, label in enumerate(labels):
        strength = float(values[number]) / peak
        axes.add_patch(Rectangle((column, -row - 1), 1, 0.92, color=ORANGE, alpha=0.9 * strength, linewidth=0))
        if number == query:
            axes.add_patch(Rectangle((column, -row - 1), 1, 0.92, fill=False, edgecolor=BLUE, linewidth=1.8))
        shown = label if label.strip() else VISIBLE.get(label, "·")
        color = INK if number <= query and label.strip() else GREY
        axes.text(column + 0.5, -row - 0.57, shown, family="monospace", ha="center", va="center", color=color,
                  parse_math=False)  # fmt: skip
        column += 1
        if label == "\n" or column == COLUMNS:
            row, column = row + 1, 0
    axes.set_xlim(-0.2, COLUMNS + 0.2)
    axes.set_ylim(-row - (1.2 if column else 0.2), 0.2)
    axes.axis("off")


@styled
def plot_attention(maps: AttentionMaps, layer: int, head: int, query: int) -> Figure:
    """All heads as small maps, and one head's view of the text from one token."""
    layers, heads, _, _ = maps.weights.shape
    lines = 1 + sum(label == "\n" for label in maps.labels) + len(maps.labels) // COLUMNS
    figure = new_figure(7.6, 1.05 * layers + 0.75 + 0.27 * lines)
    grid, below = figure.subfigures(2, 1, height_ratios=[1.05 * layers + 0.3, 0.45 + 0.27 * lines])
    for index, axes in enumerate(np.atleast_1d(grid.subplots(layers, heads)).flat):
        at = divmod(index, heads)
        axes.imshow(_image(maps.weights[at]) ** 0.5, cmap=SEQUENTIAL, vmin=0, vmax=1)  # root: faint weights show too
        axes.set(xticks=[], yticks=[])
        chosen = at == (layer, head)
        axes.spines[:].set(visible=True, color=RED if chosen else "white", linewidth=2.5)
        if at[0] == 0:
            axes.set_title(f"head {at[1] + 1}", fontsize=9, weight="normal", loc="center")
        if at[1] == 0:
            axes.set_ylabel(f"layer {at[0] + 1}", fontsize=9)
    axes = below.subplots()
    values = maps.weights[layer, head, query]
    draw_text(axes, maps.labels, values, query)
    axes.set_title(describe_row(maps, layer, head, query), fontsize=10, weight="normal", parse_math=False)
    return figure


def describe_row(maps: AttentionMaps, layer: int, head: int, query: int) -> str:
    """In words: which three tokens this token looks at most."""
    values = maps.weights[layer, head, query]
    top = np.argsort(-values, kind="stable")[: min(3, query + 1)]
    named = ", ".join(f"{_quoted(maps.labels[i])} ({query - i} back) {values[i]:.0%}" for i in top)
    return f"Layer {layer + 1}, head {head + 1}: token {query} {_quoted(maps.labels[query])} looks at {named}"


def _quoted(label: str) -> str:
    return f"“{VISIBLE.get(label, label)}”"
