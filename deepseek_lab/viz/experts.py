"""Figures about experts: what a mixture costs, how balancing went, what experts take, what happens without one."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from deepseek_lab.viz.theme import BLUE, GREY, INK, ORANGE, RED, SKY, new_figure, styled

METHOD_COLORS = {"none": RED, "aux": ORANGE, "bias": BLUE}
METHOD_NAMES = {"none": "no balancing", "aux": "auxiliary loss", "bias": "bias"}


@styled
def plot_cost(experts: Sequence[int], lines: Mapping[str, Sequence[float]], ylabel: str) -> Figure:
    """What it costs against the number of experts, one line for each way of running them."""
    figure = new_figure(7.0, 3.2)
    axes = figure.subplots()
    for (name, values), color in zip(lines.items(), (RED, BLUE, SKY), strict=False):
        axes.plot(experts, values, color=color, marker="o")
        axes.annotate(f"  {name}", (experts[-1], values[-1]), color=color, va="center")
    axes.set_xscale("log", base=2)
    axes.set_xticks(experts, [str(n) for n in experts])
    axes.set(xlabel="experts", ylabel=ylabel, ylim=(0, None), xlim=(experts[0] * 0.9, experts[-1] * 3.2))
    return figure


def summarise(runs: Sequence[Mapping], name: str) -> dict[tuple, tuple[float, float, float]]:
    """Mean, least and largest of a field over seeds: {(shape, method, strength): (mean, min, max)}."""
    groups: dict[tuple, list[float]] = {}
    for run in runs:
        groups.setdefault((run["shape"], run["method"], run["strength"]), []).append(run[name])
    return {key: (sum(v) / len(v), min(v), max(v)) for key, v in groups.items()}


@styled
def plot_balance(runs: Sequence[Mapping], live: Mapping | None = None) -> Figure:
    """Loss against MaxVio, one point for each run: a method has a colour, and its strengths stand beside it."""
    figure = new_figure(7.0, 4.0)
    axes = figure.subplots()
    vio, loss = summarise(runs, "max_vio_global"), summarise(runs, "validation_loss")
    for run in runs:
        axes.plot(run["max_vio_global"], run["validation_loss"], "o", color=METHOD_COLORS[run["method"]], ms=6, mew=0)
    for key, (x, *_) in vio.items():
        _, method, strength = key
        name = METHOD_NAMES[method] + (f" {strength:g}" if strength else "")
        place = (x, max(r["validation_loss"] for r in runs if (r["shape"], r["method"], r["strength"]) == key))
        axes.annotate(
            name, place, xytext=(0, 7), textcoords="offset points", ha="center", color=METHOD_COLORS[method], fontsize=9
        )
    if live:
        axes.plot(live["max_vio_global"], live["validation_loss"], "x", color=INK, ms=10, mew=2)
        axes.annotate("yours", (live["max_vio_global"], live["validation_loss"]), xytext=(8, -4),
                      textcoords="offset points", color=INK)  # fmt: skip
    spread = [value for mean in loss.values() for value in mean]
    axes.set_xscale("symlog", linthresh=0.1)
    axes.set_xlim(0.05, 8)
    ticks = [0.1, 0.2, 0.5, 1, 2, 4]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.margins(y=0.2)
    axes.set_ylim(min(spread) - 0.01, max(spread) + 0.02)
    axes.set(xlabel="MaxVio on held-out text (0 is even)", ylabel="validation loss, nats per byte")
    return figure


@styled
def plot_violations(curves: Mapping[str, Sequence[Sequence[float]]], every: int) -> Figure:
    """MaxVio of the training batches over steps: a line for each seed, one colour for each method."""
    figure = new_figure(7.0, 3.2)
    axes = figure.subplots()
    for method, seeds in curves.items():
        for values in seeds:
            axes.plot(np.arange(1, len(values) + 1) * every, values, color=METHOD_COLORS[method], lw=1.5)
        steps = len(seeds[0]) * every
        axes.annotate(f" {METHOD_NAMES[method]}", (steps, seeds[0][-1]), color=METHOD_COLORS[method], va="center")
    axes.set(xlabel="training step", ylabel="MaxVio of the batch", ylim=(0, None), xlim=(0, steps * 1.25))
    return figure


@styled
def plot_shares(rows: Sequence[str], lift: np.ndarray, title: str) -> Figure:
    """What each expert takes: how many times its fair share of each kind (rows) it gets (columns)."""
    figure = new_figure(7.0, 0.9 + 0.38 * len(rows))
    axes = figure.subplots()
    shown = np.log2(np.clip(lift, 2**-3, 2**3))
    image = axes.imshow(shown, cmap="RdBu_r", vmin=-3, vmax=3, aspect="auto")
    for (row, expert), value in np.ndenumerate(lift):
        dark = abs(shown[row, expert]) > 1.7
        text = f"{value:.1f}" if value < 9.95 else f"{value:.0f}"
        axes.text(expert, row, text, ha="center", va="center", fontsize=8, color="white" if dark else INK)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(lift.shape[1]))
    axes.set(xlabel="expert", title=title)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, ticks=[-3, 0, 3], pad=0.01)
    bar.ax.set_yticklabels(["1/8", "chance", "8x"])
    bar.outline.set_visible(False)
    return figure


def expert_lift(experts: np.ndarray, kinds: Sequence[str], names: Sequence[str], n_experts: int) -> np.ndarray:
    """How often each expert gets each kind, against chance: (T, K) experts and T kinds -> (kinds, E).

    1 means its fair share: the kind's rows spread over experts as all rows are. An idle expert counts as 1 throughout.
    """
    counts = np.zeros((len(names), n_experts))
    for chosen, kind in zip(experts, kinds, strict=True):
        counts[names.index(kind), chosen] += 1
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    return np.divide(counts, expected, out=np.ones_like(counts), where=expected > 0)


@styled
def plot_losses_without(names: Sequence[str], losses: Sequence[float], base: float) -> Figure:
    """Bars of the loss with something taken out, above the loss of the whole model."""
    figure = new_figure(7.0, 0.8 + 0.42 * len(names))
    axes = figure.subplots()
    places = np.arange(len(names))[::-1]
    axes.barh(places, np.asarray(losses) - base, color=BLUE, height=0.62)
    for place, loss in zip(places, losses, strict=True):
        axes.annotate(f" +{loss - base:.2f}", (max(loss - base, 0), place), va="center")
    axes.set_yticks(places, names)
    axes.margins(x=0.15)
    axes.axvline(0, color=GREY, lw=1)
    axes.set_xlabel(f"loss above the whole model's {base:.2f} nats per byte")
    return figure
