"""What caches hold, token by token, for several kinds of attention side by side: which slots fill, and their bytes.

A layout is a list of kinds of layers, (name, number of such layers, slots); slots have a name, the shape of an entry,
and the number of tokens that an entry stands for, as attention modules say them in `cache_slots()`. A slot with 0
tokens is there once, whatever comes. `viz.compressed_cache` looks closer at V4 alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from deepseek_lab.viz.cache import name_bytes
from deepseek_lab.viz.masks import GREEN, PURPLE, drawable
from deepseek_lab.viz.show import choice, explore, slider
from deepseek_lab.viz.theme import GREY, INK, KIND_COLORS, new_figure, styled

Layout = Sequence[tuple[str, int, Mapping[str, tuple]]]
NAMES = {
    "k": "keys", "v": "values", "c_kv": "latent", "k_pe": "rotated key", "entries": "latent and key",
    "index_keys": "indexer's key", "window": "window", "compressor.entries": "entries",
    "indexer.entries": "indexer's entries", "open": "open window",
}  # fmt: skip
OPEN = ("kv", "gate", "before_kv", "before_gate")  # a compressor's slots beside its entries
COLORS = KIND_COLORS | {"V3.2": GREEN, "V4": PURPLE}
QUIET, PALE = "#555555", "#D9D9D9"
WIDTH = 7.2


@dataclass(frozen=True)
class HeldSlot:
    """One slot of all layers of a kind: the ranges of tokens (first, end) that each of its entries stands for.

    `elements` are the numbers of an entry, or of the whole slot if it is there once (`grows` is False); `nbytes` are
    those of all layers of the kind.
    """

    name: str
    layers: int
    elements: int
    grows: bool
    entries: tuple[tuple[int, int], ...]
    nbytes: int


def held_slots(layout: Layout, count: int, bytes_per_number: int = 2) -> list[HeldSlot]:
    """What all layers hold of one sequence after `count` tokens, in a cache made for just as many.

    The slots of open windows are told as one, and so is what all kinds of layers have alike. Raises `ValueError` for
    fewer than 0 tokens.
    """
    if count < 0:
        raise ValueError(f"count: got {count}, but it takes at least 0")
    held: list[HeldSlot] = []
    everywhere = {name for name, slot in layout[0][2].items() if all(slots.get(name) == slot for *_, slots in layout)}
    for kind, layers, slots in layout:
        opened = [name for name in slots if name.rpartition(".")[2] in OPEN]
        for name, slot in slots.items():
            shape, every, *_ = slot
            if name in opened or (name in everywhere and kind != layout[0][0]):
                continue  # told with the others, or with the first kind of layer
            count_layers = _layers(layout) if name in everywhere else layers
            first = 0 if every else max(0, count - shape[0])  # the window has the newest
            held.append(_held("" if name in everywhere else kind, name, count_layers, prod(shape), every, first, count,
                              bytes_per_number))  # fmt: skip
        if opened:
            elements = sum(prod(slots[name][0]) for name in opened)
            every = slots[f"{opened[0].rpartition('.')[0]}.entries"][1]
            held.append(_held(kind, "open", layers, elements, 0, count - count % every, count, bytes_per_number))
    return held


def _held(
    kind: str, name: str, layers: int, elements: int, every: int, first: int, count: int, bytes_per_number: int
) -> HeldSlot:
    width = every or 1
    entries = tuple((at, at + width) for at in range(first, count - width + 1, width))
    nbytes = layers * elements * bytes_per_number * (count // every if every else 1)
    return HeldSlot(f"{kind} {NAMES.get(name, name)}".strip(), layers, elements, every > 0, entries, nbytes)


def held_bytes(layout: Layout, count: int, bytes_per_number: int = 2) -> int:
    """The sum of `held_slots`: bytes of one sequence in all layers."""
    return sum(slot.nbytes for slot in held_slots(layout, count, bytes_per_number))


@styled
def plot_held(tokens: Sequence[str], layouts: Mapping[str, Layout], name: str, count: int, note: str = "") -> Figure:
    """The bytes of all layouts after `count` of the tokens, to scale; under them, the slots of `layouts[name]`.

    The first layout is what the others are compared with. Numbers are kept in 16 bits; where layers differ, bytes a
    layer are their mean. `note` is a line under the title.
    """
    deep = max(len(held_slots(layout, 0)) for layout in layouts.values()) + 1
    slots = held_slots(layouts[name], count)
    row, bars = 0.38, 0.26 * len(layouts)
    top = 0.66 + 0.22 * bool(note)
    middle = top + bars + 0.2
    height = middle + row * deep + 0.34
    figure = new_figure(WIDTH, height)
    figure.set_layout_engine("none")  # nothing moves from token to token
    figure.text(0.014, 1 - 0.2 / height, f"{name}, after {count} of {len(tokens)} tokens", fontsize=12, weight="bold",
                va="center")  # fmt: skip
    quiet = {"fontsize": 9.5, "color": QUIET, "va": "center"}
    figure.text(0.014, 1 - 0.44 / height, note, **quiet)
    words = f"bytes of one sequence in all {_layers(layouts[name])} layers, 16 bits a number"
    figure.text(0.014, 1 - (top - 0.13) / height, words, **quiet)
    axes = figure.add_axes((0.095, 1 - (top + bars) / height, 0.57, bars / height))
    _draw_bytes(axes, layouts, name, count, len(tokens))
    axes = figure.add_axes((0.235, 1 - (middle + row * deep) / height, 0.75, row * deep / height))
    _draw_slots(axes, tokens, slots, count, row * deep, COLORS.get(name.split("-")[0], GREY))
    if not all(slot.grows for slot in slots):
        figure.text(0.014, 0.17 / height, "pale: room that is there once, from the start, and doesn't grow", **quiet)
    return figure


def _layers(layout: Layout) -> int:
    return sum(layers for _, layers, _ in layout)


def _draw_slots(axes: Axes, tokens: Sequence[str], slots: list[HeldSlot], count: int, deep: float, color: str) -> None:
    """A row for the text, and one for each slot; columns are tokens. `deep` inches in all."""
    total, head = max(len(tokens), 1), 0.34
    row = min(0.62, (deep - head) / max(len(slots), 1))
    axes.set(xlim=(0, total), ylim=(deep, 0))
    axes.axis("off")
    size = min(10, 400 / total)
    for place, token in enumerate(tokens):
        label = drawable(token)
        short, ink = label if len(label) == 1 else f"{label[:1]}…", INK if place < count else "#B5B5B5"
        axes.text(place + 0.5, head / 2, short, fontsize=size, va="center", color=ink, family="monospace", ha="center",
                  parse_math=False)  # fmt: skip
    many = len({slot.layers for slot in slots}) > 1
    axes.text(-0.012 * total, head / 2, "text", ha="right", va="center", fontsize=10)
    for place, slot in enumerate(slots):
        middle = head + (place + 0.5) * row
        words = f"{slot.elements:,} numbers" + (f", {slot.layers} layers" if many else "")
        axes.text(-0.012 * total, middle - 0.07, slot.name, ha="right", va="center", fontsize=10)
        axes.text(-0.012 * total, middle + 0.1, words, ha="right", va="center", fontsize=8, color=QUIET)
        axes.plot([0, total], [middle + row / 2] * 2, color="#EEEEEE", linewidth=0.8, zorder=0)
        for first, end in slot.entries:
            axes.add_patch(Rectangle((first + 0.08, middle - 0.36 * row), end - first - 0.16, 0.72 * row, linewidth=0,
                                     facecolor=color, alpha=1 if slot.grows else 0.5))  # fmt: skip


def _draw_bytes(axes: Axes, layouts: Mapping[str, Layout], name: str, count: int, total: int) -> None:
    first = next(iter(layouts))
    reference = held_bytes(layouts[first], count)
    longest = max(held_bytes(layout, each) for layout in layouts.values() for each in (0, total))
    axes.set(xlim=(0, longest), ylim=(len(layouts) - 0.5, -0.5))
    for row, (each, layout) in enumerate(layouts.items()):
        nbytes = held_bytes(layout, count)
        color = COLORS.get(each.split("-")[0], GREY)
        chosen = "bold" if each == name else "normal"
        axes.barh(row, nbytes, height=0.66, color=color, alpha=1 if each == name else 0.45)
        words = f"{name_bytes(nbytes)}, {name_bytes(nbytes / _layers(layout))} a layer"
        if each != first and reference and nbytes:
            words += f", {_times(reference / nbytes)}"
        axes.text(nbytes + 0.012 * longest, row, words, fontsize=9, va="center", weight=chosen)
        axes.text(-0.012 * longest, row, each, fontsize=10, ha="right", va="center", weight=chosen)
    axes.axis("off")
    axes.plot([0, 0], [-0.5, len(layouts) - 0.5], color=GREY, linewidth=1)


def _times(ratio: float) -> str:
    """How much smaller, or larger, than the first."""
    return f"{ratio:.3g} times less" if ratio >= 1 else f"{1 / ratio:.3g} times more"


def explore_held(
    tokens: Sequence[str],
    layouts: Mapping[str, Layout],
    name: str | None = None,
    count: int | None = None,
    note: str = "",
) -> None:
    """The cache stepper: `plot_held` with a list of the layouts and a slider over the tokens.

    It starts with `name`, by default the first one, after `count` tokens, by default 3/4 of them. Raises `ValueError`
    for a start that there isn't.
    """
    name = next(iter(layouts), None) if name is None else name
    count = len(tokens) * 3 // 4 if count is None else count
    for field, value, allowed in (("name", name, list(layouts)), ("count", count, range(len(tokens) + 1))):
        if value not in allowed:
            takes = f"one of {allowed}" if field == "name" else f"0 to {len(tokens)}"
            raise ValueError(f"{field}: got {value!r}, but it takes {takes}")
    explore(
        lambda name, count: plot_held(tokens, layouts, name, count, note),
        "which slots of a cache fill as tokens come in, and its bytes, for several kinds of attention",
        name=choice("attention", list(layouts), name),
        count=slider("tokens so far", list(range(len(tokens) + 1)), count),
    )
