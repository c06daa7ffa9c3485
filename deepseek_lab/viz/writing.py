"""A model at work, token by token: the text with what was looked at, the next tokens, the experts, and the cache."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from deepseek_lab.viz.masks import SHOWN, drawable
from deepseek_lab.viz.speculation import COLUMNS, LINE, PROMPT, Mark, lay_out
from deepseek_lab.viz.theme import BLUE, GREY, INK, ORANGE, SKY, new_figure, styled

WIDTH = 7.0  # inches


class SceneLike(Protocol):
    """See `inference.watching.Scene`."""

    prompt: Sequence[str]
    layers: int
    expert_layers: Sequence[int]
    experts: int
    token_bytes: int
    full_bytes: int


class StepLike(Protocol):
    """See `inference.watching.WrittenToken`. Arrays may be tensors."""

    piece: str
    probability: float
    likeliest: Sequence[tuple[str, float]]
    attention: np.ndarray
    chosen: np.ndarray
    weights: np.ndarray
    cache_bytes: Sequence[int]


def looked_at(step: StepLike, layer: int | None = None) -> np.ndarray:
    """The weight of each token so far: (S,), of one layer, or averaged over all. They sum to 1."""
    attention = np.asarray(step.attention)
    return attention.mean(axis=0) if layer is None else attention[layer]


def expert_shares(scene: SceneLike, step: StepLike) -> np.ndarray:
    """The part that each expert has in a token's output: (layers with experts, E). Rows sum to 1."""
    shares = np.zeros((len(scene.expert_layers), scene.experts))
    if shares.size:
        weights = np.asarray(step.weights, dtype=float)
        np.put_along_axis(shares, np.asarray(step.chosen), weights / weights.sum(axis=1, keepdims=True), axis=1)
    return shares


def expert_use(scene: SceneLike, steps: Sequence[StepLike]) -> np.ndarray:
    """For how large a part of these tokens each expert worked: (layers with experts, E). Rows sum to K."""
    return sum((expert_shares(scene, step) > 0).astype(float) for step in steps) / len(steps)


def pass_sentence(scene: SceneLike, steps: Sequence[StepLike], at: int) -> str:
    """What happened in one pass, in words."""
    step, before = steps[at], [*scene.prompt, *(step.piece for step in steps[:at])][-1]
    share = f"{100 * step.probability:.0f} %" if step.probability >= 0.005 else "less than 1 %"
    return f"Token {at + 1}: it stands at “{shown(before)}” and writes “{shown(step.piece)}” ({share})"


def cache_sentence(scene: SceneLike, step: StepLike) -> str:
    """What is kept, in words: "50 tokens x 1,024 bytes = 51.2 kB; ..."."""
    kept, tokens = sum(step.cache_bytes), sum(step.cache_bytes) // scene.token_bytes
    ratio = scene.full_bytes / scene.token_bytes
    return (
        f"Cache: {tokens} tokens × {scene.token_bytes:,} bytes = {kept / 1000:.1f} kB. "
        f"Keys and values of every head: {ratio:.3g} times as much, {tokens * scene.full_bytes / 1000:.1f} kB."
    )


def shown(piece: str) -> str:
    """A token with signs for characters without ink."""
    return piece.translate(SHOWN)


@styled
def plot_writing(scene: SceneLike, steps: Sequence[StepLike], at: int = -1, layer: int | None = None) -> Figure:
    """The pass that wrote token `at`: where it looked, what else it might have written, who worked, what is kept.

    `layer`, from 0, chooses whose attention shades the text; None averages over all. Raises `ValueError` where there
    is no such token or layer.
    """
    at = check_place(scene, steps, at, layer)
    step = steps[at]
    pieces = [*scene.prompt, *(each.piece for each in steps[: at + 1])]
    places = lay_out([Mark(piece, PROMPT) for piece in pieces])
    text_height = LINE * (places[-1][0] + 1)
    height = 0.62 + text_height + 3.85
    figure = new_figure(WIDTH, height)
    figure.set_layout_engine("none")
    figure.text(0.012, 1 - 0.08 / height, drawable_words(pass_sentence(scene, steps, at)), weight="bold", va="top")
    whose = "all layers" if layer is None else f"layer {layer + 1}"
    words = f"Shade: how much it looks at a token ({whose}, heads averaged). Frame: where it stands. Blue: written."
    figure.text(0.012, 1 - 0.34 / height, words, fontsize=9, va="top", color="#555555")
    axes = figure.add_axes((0.012, 1 - (0.58 + text_height) / height, 0.976, text_height / height))
    _draw_text(axes, places, looked_at(step, layer), len(scene.prompt))

    def place(left: float, bottom: float, width: float, tall: float) -> Axes:
        return figure.add_axes((left / WIDTH, bottom / height, width / WIDTH, tall / height))

    _draw_likeliest(place(0.95, 1.84, 1.55, 1.5), step)
    _draw_experts(place(3.3, 1.84, 3.55, 1.5), scene, steps, at)
    _draw_cache(place(0.95, 0.5, 5.9, 0.55), scene, step)
    figure.text(0.012, 1.12 / height, cache_sentence(scene, step), fontsize=9.5, va="bottom")
    return figure


def check_place(scene: SceneLike, steps: Sequence[StepLike], at: int, layer: int | None) -> int:
    """`at` counted from the first token. Raises `ValueError` where there is no such token or layer."""
    if not -len(steps) <= at < len(steps):
        raise ValueError(f"at: got {at}, but it takes one of the {len(steps)} written tokens")
    if layer is not None and not 0 <= layer < scene.layers:
        raise ValueError(f"layer: got {layer}, but it takes None or 0 to {scene.layers - 1}")
    return at % len(steps)


def drawable_words(text: str) -> str:
    """As `drawable`, but with its blanks."""
    return " ".join(map(drawable, text.split(" ")))


def _draw_text(axes: Axes, places: Sequence[tuple[int, int, str]], weights: np.ndarray, prompt: int) -> None:
    """Tokens shaded by weight; the last one, which was written, has none."""
    newest = len(places) - 1
    for index, (line, column, label) in enumerate(places):
        left, top, width = column + 0.06, line + 0.06, max(len(label), 1) - 0.12
        if index < newest:
            shade = 0.9 * float(weights[index]) / float(weights.max())
            axes.add_patch(Rectangle((left, top), width, 0.88, facecolor=ORANGE, alpha=shade, linewidth=0))
        edge = {newest: BLUE, newest - 1: INK}.get(index)
        if edge:
            face = "#D6EAF6" if index == newest else "none"
            axes.add_patch(Rectangle((left, top), width, 0.88, facecolor=face, edgecolor=edge, linewidth=1.4))
        font = {"family": "monospace", "ha": "left", "va": "center_baseline", "parse_math": False}
        color = "#4F4F4F" if index < prompt else INK
        axes.text(column, line + 0.5, label, fontsize=10.6, color=color, **font)
    axes.set(xlim=(0, COLUMNS), ylim=(places[-1][0] + 1, 0))
    axes.axis("off")


def _draw_likeliest(axes: Axes, step: StepLike) -> None:
    names = [drawable(piece)[:10] for piece, _ in step.likeliest]
    shares = [100 * share for _, share in step.likeliest]
    colors = [BLUE if piece == step.piece else SKY for piece, _ in step.likeliest]
    rows = range(len(names))
    axes.barh(rows, shares, color=colors, height=0.72)
    for row, share in zip(rows, shares, strict=True):
        axes.text(share + 2, row, f"{share:.0f} %", va="center", fontsize=9)
    axes.set_yticks(rows, names, family="monospace", fontsize=10, parse_math=False)
    axes.set(xlim=(0, 125), ylim=(len(names) - 0.5, -0.5))
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.set_title("Next token", fontsize=10)


def _draw_experts(axes: Axes, scene: SceneLike, steps: Sequence[StepLike], at: int) -> None:
    axes.set_title("Experts: at work now (blue), so far (grey)", fontsize=10)
    axes.set(xlim=(-0.5, max(scene.experts, 1) - 0.5), ylim=(scene.layers - 0.5, -0.5))
    axes.set_xlabel("expert", fontsize=9.5)
    axes.set_yticks(range(scene.layers), [f"layer {i + 1}" for i in range(scene.layers)])
    axes.tick_params(length=0, labelsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    axes.spines[["left", "bottom"]].set_visible(False)
    now, past = expert_shares(scene, steps[at]), expert_use(scene, steps[: at + 1])
    for row, layer in enumerate(scene.expert_layers):
        for expert in range(scene.experts):
            face = to_blue(now[row, expert]) if now[row, expert] else to_grey(past[row, expert])
            axes.add_patch(Rectangle((expert - 0.45, layer - 0.4), 0.9, 0.8, facecolor=face, edgecolor=GREY, lw=0.4))
    for layer in set(range(scene.layers)) - set(scene.expert_layers):
        axes.text(-0.4, layer, "no experts: one network for every token", fontsize=9, va="center", color="#555555")


def to_blue(share: float) -> tuple[float, float, float]:
    """The colour of an expert at work: darker for a larger share; half or more is darkest."""
    return _mix((0.72, 0.86, 0.95), (0.0, 0.25, 0.42), min(1, 2 * share))


def to_grey(use: float) -> tuple[float, float, float]:
    """The colour of an idle expert: darker if it worked for more tokens."""
    return _mix((1.0, 1.0, 1.0), (0.62, 0.62, 0.62), use)


def _mix(low: tuple, high: tuple, share: float) -> tuple[float, float, float]:
    return tuple(a + (b - a) * float(share) for a, b in zip(low, high, strict=True))


def _draw_cache(axes: Axes, scene: SceneLike, step: StepLike) -> None:
    tokens, left = sum(step.cache_bytes) // scene.token_bytes, 0.0
    for layer, held in enumerate(step.cache_bytes):
        axes.barh(0, held / 1000, left=left, color=(BLUE, SKY)[layer % 2], height=0.7)
        left += held / 1000
    axes.barh(1, tokens * scene.full_bytes / 1000, color="#E3E3E3", edgecolor=GREY, height=0.7)
    axes.set_yticks([0, 1], ["kept", "all heads"], fontsize=9)
    axes.set(ylim=(1.5, -0.5))
    axes.set_xlabel("kB; the kept part layer by layer", fontsize=9.5)
    axes.tick_params(axis="x", labelsize=9)
