"""Lines over context length, on logarithmic axes."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from deepseek_lab.viz.theme import BLUE, GREY, ORANGE, RED, SKY, new_figure, styled

COLORS = (BLUE, SKY, GREY, ORANGE, RED)  # those of the needle figure, for dense, DSA, window, CSA, HCA


@styled
def plot_curves(contexts: Sequence[int], panels: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """A panel for each entry of `panels`: its title -> line name -> one value for each context.

    Lines have the same colour in all panels. Where a value is 0, a logarithmic axis has no place for it: the line
    starts later.
    """
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    figure = new_figure(7.0, 3.2)
    for number, (title, lines) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), number)
        for name, values in lines.items():
            points = [(x, y) for x, y in zip(contexts, values, strict=True) if y > 0]
            if points:
                axes.plot(*zip(*points, strict=True), color=COLORS[names.index(name) % len(COLORS)], marker="o",
                          markersize=3, label=name)  # fmt: skip
        axes.set(xscale="log", yscale="log", title=title, xlabel="tokens of context")
        axes.set_xticks(contexts[::2], [_short(x) for x in contexts[::2]])
        axes.minorticks_off()
        bottom, top = (math.log10(end) for end in axes.get_ylim())
        low, high = math.floor(bottom), math.ceil(top)
        few = top - bottom <= 1.6
        axes.set_yticks([m * 10.0**e for e in range(low, high) for m in ((1, 2, 5) if few else (1,))])
        axes.set_ylim(axes.dataLim.y0 / 1.3, axes.dataLim.y1 * 1.3)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
        axes.grid(True, axis="y", alpha=0.3)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(names), frameon=False)
    return figure


@styled
def plot_gain(plain: Sequence[Sequence[float]], projected: Sequence[Sequence[float]]) -> Figure:
    """How much a product of mixing matrices can enlarge its input, layer by layer: one line for each model."""
    figure = new_figure(7.0, 3.2)
    axes = figure.subplots()
    for name, runs, color in (("as they are", plain, RED), ("doubly stochastic", projected, BLUE)):
        for gains in runs:
            axes.plot(range(1, len(gains) + 1), gains, color=color, lw=1.5)
        end = max(gains[-1] for gains in runs)
        axes.annotate(name, (len(runs[0]), end), xytext=(8, 0), textcoords="offset points", color=color, va="center")
    axes.set(
        yscale="log",
        xlabel="layers",
        ylabel="gain",
        xticks=range(0, len(plain[0]) + 1, 10),
        xlim=(0, len(plain[0]) * 1.3),
    )
    axes.set_ylim(0.5, None)
    return figure


def _short(value: float) -> str:
    """1024 -> 1k, 65536 -> 64k, 1048576 -> 1M; small numbers as they are."""
    if value >= 2**20 and value % 2**20 == 0:
        return f"{value / 2**20:.0f}M"
    if value >= 1024 and value % 1024 == 0:
        return f"{value / 1024:.0f}k"
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"
