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
        end = (experts[-1], values[-1])
        axes.annotate(name, end, xytext=(10, 0), textcoords="offset points", color=color, va="center")
    axes.set_xticks(experts, [str(n) for n in experts])
    axes.set(xlabel="experts", ylabel=ylabel, ylim=(0, None), xlim=(0, experts[-1] * 1.35))
    return figure


def summarise(runs: Sequence[Mapping], name: str) -> dict[tuple, tuple[float, float, float]]:
    """Mean, least and largest of a field over seeds: {(shape, method, strength): (mean, min, max)}."""
    groups: dict[tuple, list[float]] = {}
    for run in runs:
        groups.setdefault((run["shape"], run["method"], run["strength"]), []).append(run[name])
    return {key: (sum(v) / len(v), min(v), max(v)) for key, v in groups.items()}


@styled
def plot_balance(runs: Sequence[Mapping], live: Mapping | None = None) -> Figure:
    """A row for each method and strength: MaxVio on the left, loss on the right, a point for each seed.

    `live` is one more run, drawn as a cross in its method's row.
    """
    rows = sorted(
        {(run["method"], run["strength"]) for run in runs}, key=lambda row: (list(METHOD_NAMES).index(row[0]), row[1])
    )
    figure = new_figure(7.0, 0.9 + 0.38 * len(rows))
    panels = figure.subplots(1, 2, sharey=True)
    titles = ("MaxVio on held-out text", "validation loss, nats per byte")
    for axes, field, title in zip(panels, ("max_vio_global", "validation_loss"), titles, strict=True):
        for place, row in enumerate(rows):
            values = [run[field] for run in runs if (run["method"], run["strength"]) == row]
            color = METHOD_COLORS[row[0]]
            axes.plot(values, [-place] * len(values), "o", color=color, ms=7, mew=0, alpha=0.8)
            axes.plot([sum(values) / len(values)] * 2, [-place - 0.3, -place + 0.3], color=INK, lw=1.5)
            if live and (live["method"], live["strength"]) == row:
                axes.plot(live[field], -place, "x", color=INK, ms=9, mew=2)
        axes.set_xlabel(title)
        axes.margins(y=0.08)
    panels[0].set_xscale("log")
    ticks = [0.1, 0.2, 0.5, 1, 2, 5]
    panels[0].set_xticks(ticks, [f"{t:g}" for t in ticks])
    panels[0].minorticks_off()
    names = [METHOD_NAMES[method] + (f" {strength:g}" if strength else "") for method, strength in rows]
    panels[0].set_yticks([-place for place in range(len(rows))], names)
    return figure


@styled
def plot_violations(curves: Mapping[str, Sequence[Sequence[float]]], every: int) -> Figure:
    """MaxVio of the training batches over steps: a line for each seed, one colour for each method."""
    figure = new_figure(7.0, 3.2)
    axes = figure.subplots()
    ends = {}
    for method, seeds in curves.items():
        for values in seeds:
            axes.plot(np.arange(1, len(values) + 1) * every, values, color=METHOD_COLORS[method], lw=1.5)
        ends[method] = sum(values[-1] for values in seeds) / len(seeds)
        steps = len(seeds[0]) * every
    top, lowest = axes.get_ylim()[1], -1.0
    for method, end in sorted(ends.items(), key=lambda item: item[1]):  # from the lowest up, none on another
        lowest = max(end, lowest + 0.09 * top)
        axes.annotate(f" {METHOD_NAMES[method]}", (steps, lowest), color=METHOD_COLORS[method], va="center")
    axes.set(xlabel="training step", ylabel="MaxVio of the batch", ylim=(0, None), xlim=(0, steps * 1.25))
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= steps])
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
    Raises `ValueError` for a kind that isn't in `names`.
    """
    if unknown := set(kinds) - set(names):
        raise ValueError(f"kinds: got {sorted(unknown)}, but they take {', '.join(names)}")
    counts = np.zeros((len(names), n_experts))
    for chosen, kind in zip(experts, kinds, strict=True):
        counts[names.index(kind), chosen] += 1
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    return np.divide(counts, expected, out=np.ones_like(counts), where=expected > 0)


def share_told(experts: np.ndarray, labels: Sequence[str], n_experts: int) -> float:
    """How much a row's expert tells about its label: mutual information over the label's entropy, from 0 to 1.

    (T, K) experts and T labels. 0: nothing; 1: everything. Raises `ValueError` where all labels are the same.
    """
    names = sorted(set(labels))
    if len(names) < 2:
        raise ValueError(f"labels: got only {names}, but they take at least two different ones")
    counts = np.zeros((len(names), n_experts))
    np.add.at(counts, (np.repeat([names.index(label) for label in labels], experts.shape[1]), experts.ravel()), 1)
    joint = counts / counts.sum()
    label, expert = joint.sum(axis=1, keepdims=True), joint.sum(axis=0, keepdims=True)
    ratio = np.divide(joint, label * expert, out=np.ones_like(joint), where=joint > 0)
    return float((joint * np.log2(ratio)).sum() / -(label * np.log2(label)).sum())


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


@styled
def plot_losses(losses: Mapping[str, Sequence[float]], unit: str = "nats per byte") -> Figure:
    """A row for each kind of model: a point for each seed, a line at their mean."""
    figure = new_figure(7.0, 0.9 + 0.5 * len(losses))
    axes = figure.subplots()
    for place, values in enumerate(losses.values()):
        axes.plot(values, [-place] * len(values), "o", color=BLUE, ms=7, mew=0, alpha=0.8)
        axes.plot([sum(values) / len(values)] * 2, [-place - 0.25, -place + 0.25], color=INK, lw=2)
    axes.set_yticks([-place for place in range(len(losses))], list(losses))
    axes.margins(x=0.1, y=0.25)
    axes.set_xlabel(f"validation loss, {unit} (line: mean)")
    return figure
