"""Figures about the needle task: which kinds of attention copy exactly from far back, and from how far."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from deepseek_lab.viz.theme import BLUE, GREY, INK, ORANGE, RED, SKY, new_figure, styled

COLORS = {"window": GREY, "HCA": RED, "CSA": ORANGE, "DSA": SKY, "dense": BLUE}
MARKS = {"window": "s", "HCA": "v", "CSA": "o", "DSA": "D", "dense": "^"}
APART = 0.075  # of the axis, at least, between two labels


def reported_runs(results: Mapping) -> dict[str, list[dict]]:
    """The runs of `data/needle.json` by kind: at the chosen learning rate, with seeds that had no part in choosing."""
    runs, about = {kind: [] for kind in COLORS}, results["about"]
    for row in results["runs"]:
        if row["seed"] != about["tuning_seed"] and row["lr"] == about["learning_rates"][row["kind"]]:
            runs[row["kind"]].append(row)
    return {kind: rows for kind, rows in runs.items() if rows}


def spread(places: Sequence[float], apart: float) -> list[float]:
    """The same places, moved up just so far that none is nearer than `apart` to the one below."""
    moved, last = [0.0] * len(places), -np.inf
    for index in np.argsort(places, kind="stable"):
        moved[index] = last = max(places[index], last + apart)
    return moved


def by_distance(rows: Sequence[Mapping]) -> tuple[np.ndarray, np.ndarray]:
    """The middles of the ranges of distance in tokens, and the mean share of exact copies over the runs."""
    middles = [(part["from"] + part["to"] - 1) / 2 for part in rows[0]["by_distance"]]
    shares = np.array([[np.nan if p["exact"] is None else p["exact"] for p in row["by_distance"]] for row in rows])
    return np.array(middles), shares.mean(axis=0)


@styled
def plot_needle(results: Mapping) -> Figure:
    """`data/needle.json`: exact copies and gists of each kind, a point for every seed; and copies by distance."""
    runs, chance = reported_runs(results), results["about"]["chance"]
    figure = new_figure(7.0, 6.6)
    (copies, gists), (far, _) = axes = figure.subplots(2, 2, height_ratios=(5, 6))
    grid = axes[1, 0].get_gridspec()
    for lower in axes[1]:
        lower.remove()
    far = figure.add_subplot(grid[1, :])
    for panel, name, title in (
        (copies, "exact", "a needle, copied exactly"),
        (gists, "gist", "the gist; a point per seed"),
    ):
        _draw_points(panel, runs, name, chance[name])
        panel.set_title(title)
    copies.set_ylabel("share of questions answered right")
    _draw_distances(far, runs)
    return figure


def _draw_points(axes, runs: Mapping[str, list[dict]], name: str, chance: float) -> None:
    axes.axhline(chance, color=INK, lw=0.8, ls=":")
    axes.annotate("chance", (len(runs) - 0.55, chance), (0, 2), textcoords="offset points", fontsize=9)
    for place, (kind, rows) in enumerate(runs.items()):
        values = [row[name] for row in rows]
        mean = sum(values) / len(values)
        axes.bar(place, mean, width=0.66, color=COLORS[kind], alpha=0.35)
        beside = place + np.linspace(-0.18, 0.18, len(values))
        axes.plot(beside, values, MARKS[kind], color=COLORS[kind], ms=5, mec=INK, mew=0.5, clip_on=False)
        axes.annotate(f"{mean:.0%}", (place, max(values)), (0, 7), textcoords="offset points", ha="center", fontsize=9)
    axes.set_xticks(range(len(runs)), list(runs), fontsize=9)
    axes.set(ylim=(0, 1.1), xlim=(-0.5, len(runs) + 0.4))
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])


def _draw_distances(axes, runs: Mapping[str, list[dict]]) -> None:
    curves = {kind: by_distance(rows) for kind, rows in runs.items()}
    for number, (kind, (middles, shares)) in enumerate(reversed(curves.items())):
        width = 5 if number == 0 else 2  # the last kind lies under the others and still shows
        axes.plot(middles, shares, color=COLORS[kind], marker=MARKS[kind], ms=width + 3, lw=width)
    ends = spread([float(shares[-1]) for _, shares in curves.values()], APART)
    ends = [end - max(0.0, max(ends) - 1.1) * (end > 0.5) for end in ends]
    for (kind, (middles, _)), end in zip(curves.items(), ends, strict=True):
        axes.annotate(f"  {kind}", (middles[-1], end), color=COLORS[kind], va="center", annotation_clip=False)
    left, right = axes.get_xlim()
    axes.set(xlim=(left, right + 0.1 * (right - left)), ylim=(-0.04, 1.12))
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
    axes.set(xlabel="tokens from the needle's key to the question", ylabel="copied exactly")
    axes.set_title("exact copies by distance (mean of the seeds)")


@styled
def plot_copying(copied: Mapping[str, Sequence[float]], sparse_from: int) -> Figure:
    """Share of exact copies in each step's batch, the mean of ten steps, and where sparse reading sets in."""
    figure = new_figure(7.0, 3.0)
    axes = figure.subplots()
    for kind, shares in copied.items():
        smooth = np.convolve(shares, np.ones(10) / 10, mode="valid")
        steps = np.arange(len(smooth)) + 10
        axes.plot(steps, smooth, color=COLORS[kind])
        axes.annotate(
            kind, (steps[-1], smooth[-1]), (8, 0), textcoords="offset points", color=COLORS[kind], va="center"
        )
    axes.axvline(sparse_from, color=INK, lw=0.8, ls=":")
    axes.annotate(
        "DSA reads what its indexer picks", (sparse_from, 0.1), (-6, 0), textcoords="offset points", ha="right"
    )
    axes.set(xlabel="steps", ylabel="copied exactly", ylim=(-0.03, 1.06), xlim=(0, 1.12 * len(shares)))
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    return figure
