"""The bytes of a model's state on one of N ranks, by stage of ZeRO: as a formula, and as measured."""

import re
from collections.abc import Callable, Mapping, Sequence
from math import ceil, floor, log10
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from deepseek_lab.viz.cache import name_bytes
from deepseek_lab.viz.show import choice, explore, slider
from deepseek_lab.viz.theme import BLUE, GREY, INK, ORANGE, SKY, new_figure, styled

KINDS = {"parameters": BLUE, "gradients": SKY, "optimizer": ORANGE}
READABLE = {SKY: "#2D86B3", ORANGE: "#B57C00"}  # light colours, as letters on white
STAGES = {0: "not sharded", 1: "stage 1", 2: "stage 2", 3: "stage 3"}
CARDS = (24, 80, 141)  # GB: a good card for games, an H100, an H200
RANKS = [2**power for power in range(12)]  # 1 to 2048
PRECISIONS = {"mixed": "mixed precision", "fp32": "fp32"}

# state_bytes(parameters, ranks, stage, precision, offload, where) -> {kind: bytes}; `where` is "device" or "host".
StateBytes = Callable[[float, int, int, str, bool, str], Mapping[str, float]]


def bytes_by_stage(
    state_bytes: StateBytes, parameters: float, ranks: int, precision: str, offload: bool, where: str = "device"
) -> dict[int, Mapping[str, float]]:
    """What one rank holds in each of `STAGES`, by kind."""
    return {stage: state_bytes(parameters, ranks, stage, precision, offload, where) for stage in STAGES}


def describe_fit(name: str, ranks: int, total: Callable[[int, int], float], cards: Sequence[float] = CARDS) -> str:
    """In words: which of the `cards`, in GB, holds what stage 3 leaves on a rank, or from how many ranks on one does.

    `total(ranks, stage)` is in bytes.
    """
    cards = sorted(cards)
    need, on = total(ranks, 3), "1 rank" if ranks == 1 else f"{ranks:,} ranks"
    start = f"{name} on {on}: stage 3 needs {name_bytes(need)} per rank: "
    card = next((card for card in cards if need <= card * 1e9), None)
    if card is None:
        enough = next((count for count in RANKS if total(count, 3) <= cards[-1] * 1e9), None)
        later = (
            f"; from {enough:,} ranks on, one of {cards[-1]:g} GB does" if enough else f", up to {RANKS[-1]:,} ranks"
        )
        return f"{start}no single card here holds it{later}."
    least = next(stage for stage in STAGES if total(ranks, stage) <= card * 1e9)
    if least == 3:
        return f"{start}a card of {card:g} GB holds it, but not stage 2: {name_bytes(total(ranks, 2))}."
    as_well = f"{STAGES[least]} as well" if least else "would without any sharding"
    return f"{start}a card of {card:g} GB holds it, and {as_well}: {name_bytes(total(ranks, least))}."


@styled
def plot_memory(
    by_stage: Mapping[int, Mapping[str, float]],
    title: str = "",
    host: Mapping[int, Mapping[str, float]] | None = None,
    cards: Sequence[float] = CARDS,
    note: str = "",
) -> Figure:
    """What one rank holds in each stage, in bytes: left what it consists of, on a linear axis; right on a log axis.

    On the right are the `cards`, in GB: beside a model of 10 TB, a linear axis has no room for them. `host` is what
    lies in the host's memory instead, drawn hollow. `note` is a sentence under the title.
    """
    figure = new_figure(7.2, 3.9)
    figure.set_layout_engine("none")  # lengths of labels change with the controls, and the axes must not move
    made_of, fits = figure.add_axes((0.125, 0.15, 0.47, 0.52)), figure.add_axes((0.675, 0.15, 0.305, 0.52))
    totals = {stage: sum(held.values()) for stage, held in by_stage.items()}
    figure.text(0.012, 0.975, title, fontsize=12, weight="bold", va="top")
    figure.text(0.012, 0.905, _wrapped(note), fontsize=9.5, va="top", linespacing=1.3)
    _draw_parts(made_of, by_stage, totals, host or {})
    _draw_cards(fits, totals, cards)
    for axes in (made_of, fits):
        axes.set_ylim(len(by_stage) - 0.45, -0.55)
        axes.tick_params(length=2, labelsize=9)
        axes.spines["left"].set_color(GREY)
    return figure


def _wrapped(note: str) -> str:
    """In lines; a number and its unit stay together."""
    return fill(re.sub(r"(?<=\d) (?=[kMGT]?B\b)", "\u00a0", note), 106)


def _draw_parts(axes: Axes, by_stage: Mapping, totals: Mapping[int, float], host: Mapping) -> None:
    spilled = {stage: sum(host.get(stage, {}).values()) for stage in by_stage}
    widest = max(totals[stage] + spilled[stage] for stage in by_stage)
    for row, (stage, held) in enumerate(by_stage.items()):
        left = 0.0
        for kind, color in KINDS.items():
            axes.barh(row, held[kind], left=left, height=0.6, color=color, edgecolor="white", linewidth=0.6)
            left += held[kind]
        words = name_bytes(totals[stage])
        if spilled[stage]:
            axes.barh(row, spilled[stage], left=left, height=0.6, color="white", edgecolor=GREY, hatch="////", lw=0.8)
            left += spilled[stage]
            words += f"\n+ {name_bytes(spilled[stage])}"
        axes.text(left + 0.015 * widest, row, words, va="center", fontsize=9.5, linespacing=1.1)
    axes.set_yticks(range(len(by_stage)), [STAGES[stage] for stage in by_stage], fontsize=10)
    axes.set_xlim(0, widest * 1.24)
    ticks = [tick for tick in MaxNLocator(4).tick_values(0, widest) if tick <= widest * 1.1]
    axes.set_xticks(ticks, [name_bytes(tick) if tick else "0" for tick in ticks])
    axes.set_xlabel("one rank, without activations", fontsize=10)
    _write_kinds(axes, "on the host" if any(spilled.values()) else "")


def _write_kinds(axes: Axes, hollow: str = "") -> None:
    """The legend: each kind's name in its colour, above the axes."""
    names = {kind: READABLE.get(color, color) for kind, color in KINDS.items()} | (
        {hollow: "#6A6A6A"} if hollow else {}
    )
    for place, (name, color) in zip((0, 67, 124, 179), names.items(), strict=False):  # points: names have one width
        axes.annotate(name, (0, 1.03), (place, 0), "axes fraction", "offset points", fontsize=9.5, weight="bold",
                      color=color)  # fmt: skip


def _draw_cards(axes: Axes, totals: Mapping[int, float], cards: Sequence[float]) -> None:
    cards = sorted(cards)
    low, high = min(*totals.values(), cards[0] * 1e9) / 3, max(*totals.values(), cards[-1] * 1e9) * 3
    axes.set(xscale="log", xlim=(low, high))
    for row, total in enumerate(totals.values()):
        axes.plot([low, total], [row, row], color="#CCCCCC", linewidth=1.2, zorder=1)
        axes.plot(total, row, "o", color=INK, markersize=6, zorder=3)
    over = axes.get_xaxis_transform()
    for level, card in enumerate(cards):  # one above the other: on this axis, the lines are close
        top = 1.02 + 0.085 * level
        axes.plot([card * 1e9] * 2, [0, top + 0.06], transform=over, clip_on=False, color=GREY, lw=1, ls=(0, (4, 3)))
        words = f"a card of {card:g} GB " if level == len(cards) - 1 else f"{card:g} GB "
        axes.text(card * 1e9, top, words, transform=over, ha="right", fontsize=9)
    decades = range(ceil(log10(low)), floor(log10(high / 1.5)) + 1)  # further right, its name would be cut off
    ticks = [10.0**power for power in decades[:: ceil(len(decades) / 4)]]
    axes.set_xticks(ticks, [name_bytes(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_yticks([])
    axes.set_xlabel("the same, logarithmic", fontsize=10)


@styled
def plot_measured(
    measured: Mapping[tuple[int, int], Mapping[str, float]], formula: Mapping[tuple[int, int], float], title: str = ""
) -> Figure:
    """Measured bytes of one rank, (stage, ranks) -> kind -> bytes, and a mark where the `formula` puts their sum.

    Raises `ValueError` where there is nothing, or a measured bar has no formula.
    """
    missing = sorted(set(measured) - set(formula))
    if not measured or missing:
        raise ValueError(f"formula: got none for {missing}" if missing else "measured: got nothing")
    figure = new_figure(7.2, 3.8)
    axes = figure.subplots()
    highest = max([*(sum(held.values()) for held in measured.values()), *(formula[key] for key in measured)])
    place, places = 0.0, {}
    for stage, ranks in sorted(measured):
        place += 0.7 * any(place for place in places) * (stage not in {each for each, _ in places})
        places[stage, ranks] = place
        place += 1
    for (stage, ranks), place in places.items():
        bottom, held, wanted = 0.0, measured[stage, ranks], formula[stage, ranks]
        for kind, color in KINDS.items():
            axes.bar(place, held[kind], bottom=bottom, width=0.78, color=color, edgecolor="white", linewidth=0.6)
            bottom += held[kind]
        axes.plot([place - 0.47, place + 0.47], [wanted] * 2, color=INK, linewidth=2, solid_capstyle="butt")
        words = name_bytes(bottom).replace(" ", "\n")
        over = max(bottom, wanted) + 0.02 * highest
        axes.text(place, over, words, ha="center", fontsize=8.5, linespacing=0.95)
    for stage in dict.fromkeys(stage for stage, _ in places):
        own = [place for (each, _), place in places.items() if each == stage]
        axes.text(sum(own) / len(own), -0.1, STAGES[stage], transform=axes.get_xaxis_transform(), ha="center", va="top",
                  fontsize=10.5)  # fmt: skip
    axes.set_xticks(list(places.values()), [f"{ranks}" for _, ranks in places])
    axes.set(ylim=(0, highest * 1.17), xlim=(-0.8, max(places.values()) + 0.8))
    axes.tick_params(length=2, labelsize=9.5)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: name_bytes(value) if value else "0"))
    axes.set_xlabel("ranks, in each stage; black marks: the formula", labelpad=21)
    axes.set_ylabel("one rank, measured")
    axes.set_title(title, pad=24)
    _write_kinds(axes)
    return figure


def explore_memory(
    state_bytes: StateBytes,
    models: Mapping[str, float],
    name: str | None = None,
    ranks: int = 64,
    precision: str = "mixed",
    offload: bool = False,
    cards: Sequence[float] = CARDS,
) -> None:
    """The memory explorer: `plot_memory` with controls for the model, the ranks, the precision and offloading.

    `models` are names with their number of parameters; `name` is the first one shown. `state_bytes(parameters, ranks,
    stage, precision, offload, where)` gives bytes by kind, as `training.zero.memory.model_state_bytes` does. Raises
    `ValueError` where a control can't begin with what it is asked to.
    """
    name = next(iter(models), None) if name is None else name
    starts = {"name": (name, list(models)), "ranks": (ranks, RANKS), "precision": (precision, list(PRECISIONS)),
              "offload": (offload, [False, True])}  # fmt: skip
    for field, (value, allowed) in starts.items():
        if value not in allowed:
            raise ValueError(f"{field}: got {value!r}, but it takes one of {allowed}")

    def draw(name: str, ranks: int, precision: str, offload: bool) -> Figure:
        def total(ranks: int, stage: int) -> float:
            return sum(state_bytes(models[name], ranks, stage, precision, offload, "device").values())

        given = models[name], ranks, precision, offload
        host = bytes_by_stage(state_bytes, *given, "host") if offload else None
        title = f"{name}, {PRECISIONS[precision]}" + (", optimizer on the host" if offload else "")
        words = describe_fit(name, ranks, total, cards)
        return plot_memory(bytes_by_stage(state_bytes, *given), title, host, cards, words)

    explore(
        draw,
        "bytes of the model's state on one rank, in four stages of ZeRO, and which cards hold them",
        name=choice("model", list(models), name),
        ranks=slider("ranks", RANKS, ranks),
        precision=choice("numbers", [(words, precision) for precision, words in PRECISIONS.items()], precision),
        offload=choice("optimizer", [("on the device", False), ("on the host", True)], offload),
    )
