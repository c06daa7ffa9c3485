"""Losses of the same training by several engines, and how far rounding takes two of them apart."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepseek_lab.viz.theme import BLUE, GREY, INK, ORANGE, RED, SKY, new_figure, styled

COLORS = (GREY, BLUE, SKY, ORANGE, RED, INK, "#7A5195")
SMALLEST = 1e-9  # what a difference of exactly nothing is drawn as: a logarithmic axis has no zero


@styled
def plot_engines(losses: Mapping[str, Sequence[float]], reference: str) -> Figure:
    """Left, one curve for each engine, the first ones wider so that all can be seen; right, what each differs by.

    `losses`: name -> nats per token, step by step; `reference` is the name of that which the others are compared with.
    Raises `ValueError` if it isn't one of them, or if they are not equally long.
    """
    if reference not in losses or len({len(values) for values in losses.values()}) != 1:
        raise ValueError(f"losses: got {sorted(losses)}, but it takes {reference!r} and others of the same length")
    figure = new_figure(7.2, 3.4)
    curves, differences = figure.subplots(1, 2)
    for number, (name, values) in enumerate(losses.items()):
        color = COLORS[number % len(COLORS)]
        curves.plot(values, color=color, linewidth=1.2 + 1.3 * (len(losses) - 1 - number), label=name)
        if name != reference:
            apart = [max(abs(a - b), SMALLEST) for a, b in zip(values, losses[reference], strict=True)]
            differences.plot(apart, color=color, marker="o", markersize=3, linewidth=1)
    curves.set(xlabel="step", ylabel="loss, nats per token", title="losses")
    differences.set(xlabel="step", title=f"difference from {reference}, nats")
    _logarithmic(differences)
    figure.legend(*curves.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


@styled
def plot_drift(steps: Sequence[int], apart: Sequence[float], rerouted: Sequence[float]) -> Figure:
    """Left, by how much two losses differ, on a logarithmic axis; right, the share of tokens with other experts."""
    figure = new_figure(7.2, 3.0)
    left, right = figure.subplots(1, 2)
    left.plot(steps, [max(value, SMALLEST) for value in apart], color=BLUE, marker="o", markersize=3)
    left.set(xlabel="step", title="difference of the losses, nats")
    _logarithmic(left)
    right.plot(steps, [100 * share for share in rerouted], color=ORANGE, marker="o", markersize=3)
    right.set(xlabel="step", title="tokens with other experts, %")
    return figure


def _logarithmic(axes: Axes) -> None:
    """From nothing at all, at the bottom, to a tenth."""
    axes.set(yscale="log", ylim=(SMALLEST / 2, 0.3))
    axes.set_yticks([SMALLEST, 1e-7, 1e-5, 1e-3, 1e-1], ["0", "$10^{-7}$", "$10^{-5}$", "$10^{-3}$", "$10^{-1}$"])
    axes.minorticks_off()
