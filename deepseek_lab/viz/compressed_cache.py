"""What V4's cache holds, token by token: the window slides, and every now and then a window closes into an entry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from deepseek_lab.viz.cache import name_bytes
from deepseek_lab.viz.masks import GREEN, PURPLE, drawable
from deepseek_lab.viz.show import choice, explore, slider
from deepseek_lab.viz.theme import GREY, INK, ORANGE, SKY, new_figure, styled

# Each part of the cache with its colour, and each row of the picture, from top to bottom.
PARTS = {"window": SKY, "entries": GREEN, "open window": ORANGE, "left over": PURPLE}
PALE = "#D9D9D9"
NAMED_TOKENS = 56  # with more, their names would overlap


@dataclass(frozen=True)
class CacheStep:
    """What the cache holds after `count` of the `tokens`; ranges are (first, end), entries are ranges of tokens.

    `nbytes` has the bytes of each part, `full_nbytes` those of one key for every token so far, and `largest_nbytes` the
    most that either comes to at any step, so that steps can be drawn on one scale.
    """

    tokens: Sequence[str]
    count: int
    window: tuple[int, int]
    entries: Sequence[tuple[int, int]]
    open_window: tuple[int, int]
    left_over: tuple[int, int]
    nbytes: Mapping[str, int]
    full_nbytes: int
    largest_nbytes: int


def cache_steps(
    tokens: Sequence[str], window: int, ratio: int, overlap: bool, width: int, bytes_per_number: int
) -> list[CacheStep]:
    """The cache of one layer after 0, 1, …, T tokens, as `attention.compressed_cache.CompressedCache` fills it.

    Of the tokens, it has the newest `window` - 1: a new token brings its own key. Every `ratio` tokens become an entry
    (0: none ever do, as in a sliding layer). Until then the open window keeps a value and a gate of each token. With
    `overlap`, tokens make two of both, and a complete window leaves one of both to the next; an entry then stands for
    its own window and the one before. A key, an entry, a value and a gate have `width` numbers each. What the lightning
    indexer keeps beside that isn't counted. Raises `ValueError` for sizes that make no sense.
    """
    for name, value, least in (("window", window, 1), ("ratio", ratio, 0), ("width", width, 1),
                               ("bytes_per_number", bytes_per_number, 1)):  # fmt: skip
        if value < least:
            raise ValueError(f"{name}: got {value}, but it takes at least {least}")
    if overlap and not ratio:
        raise ValueError("overlap: got True, but without a ratio there are no entries to overlap")
    key = width * bytes_per_number
    steps = []
    for count in range(len(tokens) + 1):
        closed = count // ratio if ratio else 0
        opened = (closed * ratio, count) if ratio else (count, count)
        left = ((closed - 1) * ratio, closed * ratio) if overlap and closed else (0, 0)
        near = (max(0, count - (window - 1)), count)
        reach = 1 if overlap else 0  # windows that an entry goes further back than its own
        entries = [(max(0, (entry - reach) * ratio), (entry + 1) * ratio) for entry in range(closed)]
        nbytes = {
            "window": (near[1] - near[0]) * key,
            "entries": closed * key,
            "open window": (opened[1] - opened[0]) * (2 if overlap else 1) * 2 * key,  # a value and a gate
            "left over": (left[1] - left[0]) * 2 * key,
        }
        steps.append((count, near, entries, opened, left, nbytes, count * key))
    largest = max(max(sum(step[-2].values()), step[-1]) for step in steps)
    return [CacheStep(tokens, *step, largest) for step in steps]


def held(step: CacheStep) -> dict[str, str]:
    """In words, how much each part of the cache holds: "7 keys, 7.17 kB"."""
    near, opened, left = (end - first for first, end in (step.window, step.open_window, step.left_over))
    counts = {
        "window": _counted(near, "key"),
        "entries": _counted(len(step.entries), "entry", "entries"),
        "open window": _counted(opened, "token"),
        "left over": _counted(left, "token"),
    }
    return {name: f"{count}, {name_bytes(step.nbytes[name])}" for name, count in counts.items()}


@styled
def plot_cache_step(step: CacheStep, title: str = "") -> Figure:
    """Which tokens the cache holds in which form, and its bytes beside those of one key for every token."""
    figure = new_figure(7.2, 4.4)
    figure.set_layout_engine("none")  # labels change from step to step, and the axes must not move with them
    rows, weight = figure.add_axes((0.205, 0.325, 0.78, 0.585)), figure.add_axes((0.205, 0.065, 0.78, 0.2))
    _draw_rows(rows, step)
    figure.suptitle(f"{title}, after {_counted(step.count, 'token')}", x=0.01, ha="left", fontsize=12, weight="bold")
    _draw_bytes(weight, step)
    return figure


def explore_compressed_cache(steps_by_kind: Mapping[str, Sequence[CacheStep]], count: int | None = None) -> None:
    """`plot_cache_step` with a list of kinds and a slider over the tokens, which starts at `count`, or at 3/4.

    Raises `ValueError` where kinds have different numbers of steps, or `count` isn't one of them.
    """
    lengths = {kind: len(steps) for kind, steps in steps_by_kind.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"steps_by_kind: got {lengths} steps, but it takes as many for each kind, and at least one")
    kinds, last = list(steps_by_kind), max(lengths.values()) - 1
    count = last * 3 // 4 if count is None else count
    if not 0 <= count <= last:
        raise ValueError(f"count: got {count}, but it takes 0 to {last}")
    explore(
        lambda kind, count: plot_cache_step(steps_by_kind[kind][count], kind),
        "what the cache holds of each token, and in how many bytes, as tokens come in",
        kind=choice("layer", kinds, kinds[0]),
        count=slider("tokens so far", list(range(last + 1)), count),
    )


def _draw_rows(axes: Axes, step: CacheStep) -> None:
    """A row for the text and one for each part of the cache; columns are tokens."""
    total = max(len(step.tokens), 1)
    rows = {name: -row for row, name in enumerate(("tokens so far", *PARTS))}
    words = {"tokens so far": f"{step.count} of {len(step.tokens)}"} | held(step)
    for name, top in rows.items():
        axes.text(-0.012 * total, top - 0.34, name, ha="right", va="center", fontsize=10)
        axes.text(-0.012 * total, top - 0.7, words[name], ha="right", va="center", fontsize=8.5, color="#555555")
        axes.plot([0, total], [top - 1, top - 1], color="#EEEEEE", linewidth=0.8, zorder=0)
    named = len(step.tokens) <= NAMED_TOKENS

    def tokens(first: int, end: int, top: float, color: str) -> None:
        edges = range(first, end) if named else [first] * (end > first)  # of too many, only the outline is drawn
        for edge in edges:
            _box(axes, edge, edge + 1 if named else end, top - 0.9, 0.8, color)

    tokens(0, step.count, 0, PALE)
    tokens(step.count, len(step.tokens), 0, "white")
    for name in ("window", "open window", "left over"):
        tokens(*getattr(step, name.replace(" ", "_")), rows[name], PARTS[name])
    lanes = 2 if any(first < end for (_, end), (first, _) in pairwise(step.entries)) else 1
    for entry, (first, end) in enumerate(step.entries):  # where they overlap, every other one is a lane lower
        _box(axes, first, end, rows["entries"] - 0.1 - 0.8 * (entry % lanes + 1) / lanes, 0.8 / lanes, PARTS["entries"])
    for place, token in enumerate(step.tokens if named else ()):
        look = {"color": INK if place < step.count else "#A5A5A5", "family": "monospace", "parse_math": False}
        label = drawable(token)
        short = label if len(label) == 1 else label[:1] + "…"
        size = min(10, 430 / total) if len(short) == 1 else min(9, 280 / total)
        axes.text(place + 0.5, -0.5, short, ha="center", va="center", fontsize=size, **look)
    axes.set(xlim=(0, 1.002 * total), ylim=(-len(rows), 0.05), yticks=[])
    axes.tick_params(axis="x", length=2, labelsize=9)
    axes.spines[["left", "bottom"]].set_visible(False)


def _box(axes: Axes, first: float, end: float, bottom: float, height: float, color: str) -> None:
    axes.add_patch(Rectangle((first, bottom), end - first, height, facecolor=color, edgecolor="#555555", linewidth=0.5))


def _draw_bytes(axes: Axes, step: CacheStep) -> None:
    left = 0
    for name, color in PARTS.items():
        axes.barh(0, step.nbytes[name], left=left, height=0.62, color=color, edgecolor="white", linewidth=0.8)
        left += step.nbytes[name]
    axes.barh(1, step.full_nbytes, height=0.62, color=PALE)
    for row, value in ((0, left), (1, step.full_nbytes)):
        axes.text(value + 0.008 * step.largest_nbytes, row, name_bytes(value), va="center", fontsize=9.5)
    axes.set_yticks([0, 1], ["this cache", "one key a token"], fontsize=10)
    axes.set(ylim=(1.5, -0.5), xlim=(0, max(step.largest_nbytes, 1) * 1.12))
    ticks = [tick for tick in axes.get_xticks() if 0 <= tick <= max(step.largest_nbytes, 1) * 1.05]
    axes.set_xticks(ticks, [name_bytes(tick) for tick in ticks], fontsize=9)
    axes.tick_params(length=2)
    axes.spines["left"].set_color(GREY)


def _counted(count: int, one: str, more: str | None = None) -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"
