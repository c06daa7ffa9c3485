"""Figures about the cache: its bytes against context, what a smaller one costs in loss, what a step over it costs."""

from collections.abc import Mapping, Sequence
from statistics import mean

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from deepseek_lab.viz.theme import BLUE, INK, ORANGE, RED, kind_color, new_figure, styled

SEEDS = 3
CONTEXTS = [2**power for power in range(9, 21)]  # 512 tokens to 1M


def name_tokens(tokens: float) -> str:
    """512, 4K, 128K, 1M: powers of two, as contexts are named."""
    for unit, name in ((2**20, "M"), (2**10, "K")):
        if tokens >= unit:
            return f"{tokens / unit:g}{name}"
    return f"{tokens:g}"


def name_bytes(count: float) -> str:
    """1.5 MB, 80 GB: decimal units, as cards are sold."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count:.3g} B"


def bytes_by_context(elements_per_layer: Mapping[str, int], layers: int, bits: int) -> dict[str, list[float]]:
    """Bytes of each kind's cache at each of `CONTEXTS`, for one sequence."""
    return {
        kind: [elements * layers * tokens * bits / 8 for tokens in CONTEXTS]
        for kind, elements in elements_per_layer.items()
    }


def longest_context(elements: int, layers: int, bits: int, memory_bytes: float) -> int:
    """How many tokens of one sequence fit into `memory_bytes`."""
    return int(memory_bytes / (elements * layers * bits / 8))


@styled
def plot_cache_growth(
    name: str, elements_per_layer: Mapping[str, int], layers: int, bits: int, memory_gb: float
) -> Figure:
    """Bytes of one sequence's cache against context, on log axes, with a card's memory as a line."""
    figure = new_figure(7.4, 4.3)
    axes = figure.subplots()
    curves = bytes_by_context(elements_per_layer, layers, bits)
    ends = {kind: values[-1] for kind, values in curves.items()}
    for kind, values in curves.items():
        axes.plot(CONTEXTS, values, color=kind_color(kind))
        per_token = elements_per_layer[kind] * layers * bits / 8
        label = f"{kind}  {name_bytes(per_token)} a token"
        _label_end(axes, label, CONTEXTS[-1], _spread(ends, kind), kind_color(kind))
    axes.axhline(memory_gb * 1e9, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(CONTEXTS[0] * 1.1, memory_gb * 1.15e9, f"a card with {memory_gb:g} GB", fontsize=9.5, color=INK)
    for kind, elements in elements_per_layer.items():
        tokens = longest_context(elements, layers, bits, memory_gb * 1e9)
        if CONTEXTS[0] < tokens < CONTEXTS[-1]:
            axes.plot(tokens, memory_gb * 1e9, "o", color=kind_color(kind), markersize=7)
    axes.set(xscale="log", yscale="log", xlim=(CONTEXTS[0], CONTEXTS[-1]), ylim=(1e6, 1e13))
    axes.set_xticks(CONTEXTS[1::2], [name_tokens(tokens) for tokens in CONTEXTS[1::2]])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: name_bytes(value)))
    axes.set(xlabel="context, tokens", ylabel="cache of one sequence")
    axes.set_title(f"{name}, {layers} layers, {bits} bits a number")
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    return figure


def _label_end(axes: Axes, label: str, x: float, y: float, color: str) -> None:
    axes.annotate(label, (x, y), xytext=(6, 0), textcoords="offset points", va="center", color=color, fontsize=9.5,
                  annotation_clip=False)  # fmt: skip


def _spread(ends: Mapping[str, float], kind: str, factor: float = 1.9) -> float:
    """Where to write a label so that neighbours keep a distance: the ends of curves, pushed apart upwards."""
    placed: dict[str, float] = {}
    floor = 0.0
    for name, value in sorted(ends.items(), key=lambda item: item[1]):
        floor = placed[name] = max(value, floor * factor)
    return placed[kind]


def variant_losses(runs: Sequence[Mapping], steps: int) -> dict[str, list[tuple]]:
    """kind -> [(cached elements, mean, lowest, highest loss over the seeds)], rising in cached elements.

    Raises `ValueError` if a seed is missing.
    """
    table: dict[str, list[tuple]] = {}
    wanted = [r for r in runs if r["steps"] == steps and r["seed"] < SEEDS]  # later seeds were for tuning
    for kind, elements in sorted({(r["kind"], r["cached_elements"]) for r in wanted}):
        losses = [r["validation_loss"] for r in wanted if (r["kind"], r["cached_elements"]) == (kind, elements)]
        if len(losses) != SEEDS:
            raise ValueError(f"runs: got {len(losses)} seeds of {kind} at {elements} elements, but it takes {SEEDS}")
        table.setdefault(kind, []).append((elements, mean(losses), min(losses), max(losses)))
    return table


@styled
def plot_variants(panels: Mapping[str, Mapping[str, list[tuple]]], live: Mapping[str, tuple[int, float]]) -> Figure:
    """Validation loss against cached numbers per token, one panel per schedule; `live` points go in the first.

    The band of a line is the range over seeds. `live`: kind -> (cached elements, loss) of a run made here.
    """
    figure = new_figure(7.6, 4.0)
    places = figure.subplots(1, len(panels), squeeze=False)[0]
    for index, (axes, (title, table)) in enumerate(zip(places, panels.items(), strict=True)):
        for kind, points in table.items():
            elements, means, lows, highs = map(list, zip(*points, strict=True))
            color = kind_color(kind)
            axes.plot(elements, means, "o-", color=color, markersize=5)
            axes.fill_between(elements, lows, highs, color=color, alpha=0.25, linewidth=0)
        ends = {kind: points[0][1] for kind, points in table.items()}
        _label_starts(axes, table, ends)
        if index == 0:
            for kind, (elements, loss) in live.items():
                axes.plot(elements * 1.06, loss, "x", color=kind_color(kind), markersize=9, markeredgewidth=2.4)
            axes.set_ylabel("validation loss, nats per byte")
        axes.set_xscale("log", base=2)
        ticks = sorted({point[0] for points in table.values() for point in points})
        axes.set_xticks(ticks, [f"{tick}\n{2 * tick} B" for tick in ticks])
        axes.xaxis.minorticks_off()
        axes.set_xlim(ticks[0] / 1.75, ticks[-1] * 1.2)
        axes.set_title(title, fontsize=11)
    figure.supxlabel("numbers kept per token and layer; bytes, at 16 bits a number", fontsize=11)
    return figure


def _label_starts(axes: Axes, table: Mapping[str, list[tuple]], ends: Mapping[str, float]) -> None:
    """Write each kind left of its first point, pushed apart where lines begin close together."""
    low, high = axes.get_ylim()
    gap, floor = (high - low) * 0.055, -np.inf
    for kind, value in sorted(ends.items(), key=lambda item: item[1]):
        floor = max(value, floor + gap)
        axes.text(table[kind][0][0] / 1.1, floor, kind, color=kind_color(kind), ha="right", va="center", fontsize=10)


@styled
def plot_decode_cost(lengths: Sequence[int], milliseconds: Mapping[str, Sequence[float]], where: str) -> Figure:
    """Time of one decoding step against the tokens already cached, one line per way of computing it."""
    figure = new_figure(7.2, 3.8)
    axes = figure.subplots()
    for (name, values), color in zip(milliseconds.items(), (RED, BLUE, ORANGE), strict=False):
        axes.plot(lengths, values, "o-", color=color, markersize=5)
        _label_end(axes, name, lengths[-1], values[-1], color)
    axes.set(xscale="log", yscale="log", xlabel="tokens in the cache", ylabel="one step, milliseconds")
    axes.set_xticks(lengths, [name_tokens(length) for length in lengths])
    axes.xaxis.minorticks_off()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    axes.grid(axis="y", which="both", color="#eeeeee", linewidth=0.8)
    axes.set_title(f"One token, one layer, {where}")
    return figure
