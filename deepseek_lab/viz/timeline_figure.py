"""The pictures of a step of ZeRO: two lanes for each rank, and the memory of one rank at one moment."""

import re
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from deepseek_lab.viz.masks import GREEN
from deepseek_lab.viz.theme import BLUE, DPI, GREY, INK, ORANGE, RED, SKY, new_figure, styled

# In the order of the legend: a kind's colour, that of a name on it, and that of its own name on white.
KINDS = {
    "forward": (SKY, INK, "#2D86B3"),
    "backward": (BLUE, "white", BLUE),
    "update": (GREEN, INK, "#1F7F60"),
    "gather": (ORANGE, INK, "#B57C00"),
    "reduce": (RED, "white", RED),
}
WIDTH, LEFT, RIGHT = 7.2, 1.22, 0.25  # inches
THIN, LANE, GAP = 0.155, 0.27, 0.14  # heights: what travels, what is computed, and between two ranks
NAMED_UNITS = 7  # with more, words in and under their boxes would overlap


class MomentLike(Protocol):
    """See `timeline.Moment`."""

    event: Mapping
    parameters: Mapping[str, str]
    gradients: Mapping[str, str]
    sentence: str


def stacked(events: Sequence[Mapping]) -> list[tuple[int, Mapping]]:
    """(row, event): what travels at the same time lies in rows of its own, each event in the first that is free."""
    ends, places = [], []
    for event in events:
        row = next((row for row, end in enumerate(ends) if end <= event["start"]), len(ends))
        ends[row : row + 1] = [event["end"]]
        places.append((row, event))
    return places


@styled
def draw_timeline(timelines: Sequence[Sequence[Mapping]], title: str) -> Figure:
    """The figure of `timeline.plot_timeline`; `timelines` are aligned."""
    lanes = _Lanes(timelines)
    figure, axes = _figure_with_lanes(lanes, title, above=0.62, below=0.52)
    _draw_lanes(axes, lanes)
    return figure


@styled
def plot_moment(timelines: Sequence[Sequence[Mapping]], moment: MomentLike, title: str, rank: int) -> Figure:
    """The timeline with a cursor where the moment's event begins; under it, units in the memory of `rank`.

    `timelines` are aligned. A box is filled as far as its numbers are on this rank; hatched, they are on their way.
    """
    lanes = _Lanes(timelines)
    figure, axes = _figure_with_lanes(lanes, title, above=1.06, below=1.85)
    _draw_lanes(axes, lanes)
    height = figure.get_figheight()
    figure.text(
        0.012,
        1 - 0.36 / height,
        fill(re.sub(r"(?<=layer) (?=\d)", "\u00a0", moment.sentence), 90),
        fontsize=10.5,
        va="top",
    )
    event = moment.event
    row, lane = lanes.place(rank, event)
    axes.axvline(1e3 * event["start"], color=INK, linewidth=1.2)
    axes.add_patch(Rectangle((1e3 * event["start"], row), max(1e3 * (event["end"] - event["start"]), lanes.hair), lane,
                             fill=False, edgecolor=INK, linewidth=1.8, zorder=5))  # fmt: skip
    boxes = figure.add_axes((LEFT / WIDTH, 0.1 / height, (WIDTH - LEFT - RIGHT) / WIDTH, 1.15 / height))
    _draw_boxes(boxes, moment, 1 / len(timelines), rank)
    return figure


class _Lanes:
    """Where each event is drawn: for every rank one lane of what it computes, and one of what travels."""

    def __init__(self, timelines: Sequence[Sequence[Mapping]]):
        self.end = 1e3 * max(event["end"] for events in timelines for event in events)  # ms
        self.hair = self.end / 600  # what is too short to see is drawn this long
        self.units = list(dict.fromkeys(event["unit"] for event in timelines[0]))
        self.computed = [[e for e in events if e["kind"] in ("forward", "backward", "update")] for events in timelines]
        self.sent = [stacked([e for e in events if e["kind"] in ("gather", "reduce")]) for events in timelines]
        rows = [max([row for row, _ in sent], default=0) + 1 for sent in self.sent]
        self.tops, self.depths, top = [], [THIN * count for count in rows], 0.0
        for depth in self.depths:
            self.tops.append(top)
            top += LANE + 0.03 + depth + GAP
        self.height = top - GAP

    def place(self, rank: int, event: Mapping) -> tuple[float, float]:
        """An event's top, and its height."""
        top = self.tops[rank]
        row = next((row for row, each in self.sent[rank] if each is event), None)
        return (top, LANE) if row is None else (top + LANE + 0.03 + row * THIN, THIN * 0.92)


def _figure_with_lanes(lanes: _Lanes, title: str, above: float, below: float) -> tuple[Figure, Axes]:
    height = lanes.height + above + below
    figure = new_figure(WIDTH, height)
    figure.set_layout_engine("none")
    figure.text(0.012, 1 - 0.1 / height, title, fontsize=12, weight="bold", va="top")
    place = 0.09
    for kind, (_, _, color) in KINDS.items():
        figure.text(place / WIDTH, 1 - (above - 0.07) / height, kind, fontsize=9.5, weight="bold", color=color)
        place += 0.085 * len(kind) + 0.13
    figure.text(place / WIDTH, 1 - (above - 0.07) / height, _key(lanes.units), fontsize=9, color="#555555")
    box = (LEFT / WIDTH, below / height, (WIDTH - LEFT - RIGHT) / WIDTH, lanes.height / height)
    return figure, figure.add_axes(box)


def _draw_lanes(axes: Axes, lanes: _Lanes) -> None:
    axes.set(xlim=(-0.004 * lanes.end, 1.004 * lanes.end), ylim=(lanes.height, 0))
    for rank, (computed, sent) in enumerate(zip(lanes.computed, lanes.sent, strict=True)):
        for event in [*computed, *(event for _, event in sent)]:
            top, height = lanes.place(rank, event)
            _draw_event(axes, event, top, height, lanes)
        top = lanes.tops[rank]
        middle = top + LANE + 0.03 + lanes.depths[rank] / 2
        for y, words in ((top + LANE / 2, f"rank {rank} computes"), (middle, "sends")):
            axes.text(-0.012 * lanes.end, y, words, ha="right", va="center", fontsize=9.5)
        axes.axhspan(top, top + LANE + 0.03 + lanes.depths[rank], color="#F4F4F4", zorder=0)
    axes.set_yticks([])
    axes.tick_params(length=2, labelsize=9)
    axes.set_xlabel("milliseconds", fontsize=10, labelpad=2)
    axes.spines["left"].set_visible(False)


def _draw_event(axes: Axes, event: Mapping, top: float, height: float, lanes: _Lanes) -> None:
    start, length = 1e3 * event["start"], 1e3 * (event["end"] - event["start"])
    fill_color, ink, _ = KINDS[event["kind"]]
    edge = "white" if length > 4 * lanes.hair else fill_color
    box = Rectangle((start, top), max(length, lanes.hair), height, facecolor=fill_color, edgecolor=edge, linewidth=0.5)
    axes.add_patch(box)
    size = 9 if height > THIN else 7.5
    room = length / lanes.end * (WIDTH - LEFT - RIGHT) * DPI  # pixels
    words = _short(event["unit"])
    if len(words) * size * 0.92 + 1 <= room:
        axes.text(start + length / 2, top + height * 0.53, words, ha="center", va="center", fontsize=size, color=ink)


def _short(unit: str) -> str:
    """A unit's name in a bar: a layer's number alone, else the first letter of its last word, as the key says."""
    name, _, number = unit.rpartition(".")
    if number.isdigit():
        return number if name == "layers" else name[:1].upper() + number
    return unit.rpartition(" ")[2][:1].upper()


def _key(units: Sequence[str]) -> str:
    others = [f"{_short(unit)}: {unit}" for unit in units if not unit.startswith("layers.")]
    words = "numbers: layers"
    for other in others:
        words += f"; {other}" if len(words) + len(other) < 58 else ""
    return words


def _draw_boxes(axes: Axes, moment: MomentLike, share: float, rank: int) -> None:
    """A row of boxes for parameters and one for gradients; as far as a box is filled, its numbers are on this rank."""
    rows = {"parameters": (moment.parameters, BLUE), "gradients": (moment.gradients, RED)}
    count = len(moment.parameters)
    for row, (name, (states, color)) in enumerate(rows.items()):
        axes.text(-0.012 * count, row + 0.4, f"{name}\non rank {rank}", ha="right", va="center", fontsize=9.5)
        for column, state in enumerate(states.values()):
            part = {"none": 0, "shard": share}.get(state, 1)
            hatch = "////" if state in ("arriving", "travelling") else None
            face = "white" if hatch else color
            box = (column + 0.04, row + 0.08)
            axes.add_patch(Rectangle(box, 0.92 * part, 0.66, facecolor=face, edgecolor=color, hatch=hatch, linewidth=0))
            look = {"linestyle": (0, (3, 3)), "edgecolor": GREY} if state == "none" else {"edgecolor": color}
            axes.add_patch(Rectangle(box, 0.92, 0.66, fill=False, linewidth=1, **look))
            if count <= NAMED_UNITS:
                ink = "white" if state == "whole" else INK
                back = {"facecolor": "white", "edgecolor": "none", "pad": 0.8} if state != "whole" else None
                axes.text(column + 0.5, row + 0.41, state, ha="center", va="center", fontsize=8.5, color=ink, bbox=back)
    for column, unit in list(enumerate(moment.parameters))[:: -(-count // 26)]:
        name = unit.replace("layers.", "layer ") if count <= NAMED_UNITS else _short(unit)
        axes.text(column + 0.5, 2.0, name, ha="center", va="center", fontsize=8)
    axes.set(xlim=(0, count), ylim=(2.2, -0.02))
    axes.axis("off")
