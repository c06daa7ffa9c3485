"""What decoding costs: speed against context, and the roofline: are bytes the limit, or operations?"""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from deepseek_lab.viz.cache import name_tokens
from deepseek_lab.viz.masks import GREEN, PURPLE
from deepseek_lab.viz.theme import GREY, INK, KIND_COLORS, ORANGE, SKY, new_figure, styled

# Kinds of attention have their colours of the whole course; names are looked for in this order.
COLORS = {"MLA expanded": PURPLE, **KIND_COLORS, "no cache": GREY}
READABLE = {SKY: "#2D86B3", ORANGE: "#B57C00", GREY: "#6A6A6A", GREEN: "#1F7F60", PURPLE: "#A8507F"}
SPARE = (GREEN, INK, "#8C564B")  # for names of another kind, in their order
STYLES = ("solid", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 1.5, 1, 1.5)))


def colors_of(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name: that of the kind that it begins with, or else one that is spare."""
    kinds = {name: next((kind for kind in COLORS if name.startswith(kind)), None) for name in names}
    spare = iter(SPARE * len(kinds))
    return {name: COLORS[kind] if kind else next(spare) for name, kind in kinds.items()}


def spread(places: Mapping[str, float], gap: float) -> dict[str, float]:
    """Places on a line, moved as little as may be so that neighbours are at least `gap` apart, in the same order."""
    ordered = sorted(places, key=places.get)
    groups: list[list[str]] = []

    def starts(group: Sequence[str]) -> float:
        """Where a group's first stands: around the mean of what its names want."""
        return sum(places[name] - gap * number for number, name in enumerate(group)) / len(group)

    for name in ordered:
        groups.append([name])
        while len(groups) > 1 and starts(groups[-1]) - starts(groups[-2]) < gap * len(groups[-2]):
            groups[-2:] = [groups[-2] + groups[-1]]
    return {name: starts(group) + gap * number for group in groups for number, name in enumerate(group)}


@styled
def plot_decode_speed(
    contexts: Sequence[int],
    speeds: Mapping[str, Sequence[float | None]],
    title: str = "",
    unit: str = "tokens per second",
) -> Figure:
    """Speed against the tokens already there, one line for each way, named at its end; both axes are logarithmic.

    `speeds`: name -> a value for each context, in `unit`, which may be "milliseconds per token" as well; None where it
    wasn't measured. Raises `ValueError` for values that a logarithm doesn't take, or too few of them.
    """
    for name, values in speeds.items():
        known = [value for value in values if value is not None]
        if len(values) != len(contexts) or not known or min(known) <= 0:
            raise ValueError(f"speeds of {name}: got {list(values)}, but it takes {len(contexts)} above 0, or None")
    if not speeds:
        raise ValueError("speeds: got none, but it takes at least one line")
    figure = new_figure(7.2, 4.0)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0.105, 0.13, 0.64, 0.755))
    colors, ends = colors_of(list(speeds)), {}
    for name, values in speeds.items():
        points = [(x, y) for x, y in zip(contexts, values, strict=True) if y is not None]
        axes.plot(*zip(*points, strict=True), "o-", color=colors[name], markersize=5)
        ends[name] = points[-1]
    axes.set(xscale="log", yscale="log", xlim=(contexts[0] / 1.15, contexts[-1] * 1.08))
    low, high = (math.log10(limit) for limit in axes.get_ylim())
    # Names stand at one distance from the right edge; a thin line leads to each from where its own line ends.
    wanted = {name: (math.log10(y) - low) / (high - low) for name, (_, y) in ends.items()}
    for name, place in spread(wanted, 0.062).items():
        ink = READABLE.get(colors[name], colors[name])
        axes.annotate(name, ends[name], (1.03, place), textcoords="axes fraction", color=ink, fontsize=10, va="center",
                      arrowprops=dict(arrowstyle="-", color=colors[name], linewidth=0.8, shrinkA=0, shrinkB=4),
                      annotation_clip=False)  # fmt: skip
    axes.set_xticks(contexts, [name_tokens(context) for context in contexts])
    axes.xaxis.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high - low < 2 else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set(xlabel="tokens of context", ylabel=unit)
    figure.text(0.014, 0.965, title, fontsize=12, weight="bold", va="top")
    return figure


@styled
def plot_roofline(
    points: Mapping[str, float],
    machines: Mapping[str, tuple[float, float]],
    title: str = "",
    measured: Mapping[str, Mapping[str, float]] | None = None,
) -> Figure:
    """The share of its peak that each machine can reach, against operations per byte: its roof, with `points` on it.

    `points`: kind of attention -> operations per byte of its decoding step. `machines`: name -> (operations per second
    at most, bytes per second at most). `measured`: machine -> kind -> operations per second that were reached, drawn
    hollow. Shares, so that a laptop and a data centre's card fit into one figure. Raises `ValueError` where there is
    nothing to draw, or a number isn't above 0.
    """
    measured = measured or {}
    numbers = [*points.values(), *(each for pair in machines.values() for each in pair)]
    if not points or not machines or min(numbers) <= 0:
        raise ValueError(f"points and machines: got {dict(points)} and {dict(machines)}, but they take numbers above 0")
    for machine, found in measured.items():
        if machine not in machines or not set(found) <= set(points) or min(found.values(), default=1) <= 0:
            raise ValueError(f"measured: got {machine!r}: {dict(found)}, but it takes what is drawn, above 0")
    figure = new_figure(7.2, 4.4)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0.125, 0.125, 0.86, 0.655))
    ridges = {name: peak / bandwidth for name, (peak, bandwidth) in machines.items()}
    low, high = min(*points.values(), *ridges.values()) / 2, max(*points.values(), *ridges.values()) * 6
    shares = [min(1.0, intensity / ridge) for intensity in points.values() for ridge in ridges.values()]
    shares += [value / machines[machine][0] for machine, found in measured.items() for value in found.values()]
    floor = 10.0 ** math.floor(math.log10(min(shares) * 0.8))
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(floor, 1.35))
    _draw_roofs(axes, ridges, floor)
    colors = colors_of(list(points))
    _name_points(axes, points, colors)
    for name, intensity in points.items():
        for ridge in ridges.values():
            axes.plot(intensity, min(1.0, intensity / ridge), "o", color=colors[name], markersize=8, zorder=4)
        for machine, found in measured.items():
            if name in found:
                axes.plot(intensity, found[name] / machines[machine][0], "o", markerfacecolor="white", markersize=7,
                          markeredgecolor=colors[name], markeredgewidth=2, zorder=4)  # fmt: skip
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    hollow = "; hollow: measured" if measured else ""
    axes.set_xlabel(f"operations per byte moved{hollow}")
    axes.set_ylabel("attainable share of peak", labelpad=2)
    figure.text(0.014, 0.97, title, fontsize=12, weight="bold", va="top")
    return figure


def _draw_roofs(axes: Axes, ridges: Mapping[str, float], floor: float) -> None:
    """Each machine's line, rising to its ridge and flat from there on, with its name along the slope."""
    low, high = axes.get_xlim()
    box = axes.get_position()
    width, height = (size * inches for size, inches in zip(box.size, axes.figure.get_size_inches(), strict=True))
    slope = height / math.log10(1.35 / floor) / (width / math.log10(high / low))
    for number, (name, ridge) in enumerate(sorted(ridges.items(), key=lambda pair: pair[1])):
        start = max(low, floor * ridge)
        axes.plot([start, ridge, high], [start / ridge, 1, 1], color="#555555", linewidth=1.6, zorder=2,
                  linestyle=STYLES[number % len(STYLES)])  # fmt: skip
        words, look = f"{name}, ridge at {ridge:.3g}", {"fontsize": 9.5, "color": "#444444", "va": "top"}
        look["bbox"] = dict(facecolor="white", edgecolor="none", pad=0.6)
        inches = math.log10(ridge / start) / math.log10(high / low) * width * math.hypot(1, slope)
        if inches < 0.07 * len(words):  # a slope too short for the name: under the flat part
            axes.annotate(words, (ridge, 1), (6, -7), textcoords="offset points", ha="left", **look)
            continue
        # Under the line, in the middle of its slope; where lines nearly coincide, one name lower and one higher.
        close = any(other != ridge and 2 / 3 < other / ridge < 1.5 for other in ridges.values())
        middle = start * (ridge / start) ** ((0.3, 0.72)[number % 2] if close else 0.55)
        axes.annotate(words, (middle, middle / ridge), (6, -8), textcoords="offset points", ha="center",
                      rotation=math.degrees(math.atan(slope)), rotation_mode="anchor", **look)  # fmt: skip


def _name_points(axes: Axes, points: Mapping[str, float], colors: Mapping[str, str]) -> None:
    """Names above the axes, moved apart where they would overlap; a line leads from each down through its points."""
    low, high = (math.log10(limit) for limit in axes.get_xlim())
    wanted = {name: (math.log10(value) - low) / (high - low) for name, value in points.items()}
    frame = axes.get_xaxis_transform()
    for name, place in spread(wanted, 0.135).items():
        ink = READABLE.get(colors[name], colors[name])
        axes.plot([points[name]] * 2, [0, 1], transform=frame, color=colors[name], linewidth=0.9, alpha=0.6, zorder=1)
        words = f"{name.replace(' ', chr(10), 1)}\n{points[name]:.3g}"
        axes.annotate(words, (wanted[name], 1), (min(max(place, 0.04), 0.95), 1.045), "axes fraction", "axes fraction",
                      fontsize=9.5, color=ink, weight="bold", ha="center", va="bottom", linespacing=1.05,
                      annotation_clip=False, arrowprops=dict(arrowstyle="-", color=colors[name], linewidth=0.9,
                                                             alpha=0.6, shrinkA=0, shrinkB=0))  # fmt: skip
