"""Who reads what: which tokens and which compressed entries each query reads, as numbers and as still pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.patches import Rectangle

from deepseek_lab.viz.theme import GREY, INK, ORANGE, SKY, new_figure, styled

GREEN, PURPLE, YELLOW = "#31B58A", "#CC79A7", "#F0E442"
FUTURE, UNREAD = "#E9E9E9", "#FFFFFF"
SHOWN = str.maketrans({"\n": "⏎", "\t": "→", " ": "·"})  # how characters without ink are written
WIDTHS = (30, 38, 46, 56)  # characters in a line of a drawn text: as few as its height allows, so as large as can be
TEXT_INCHES = 3.9


@dataclass(frozen=True)
class Branch:
    """One way in which T queries read: n entries, entry j standing for the tokens from `spans[j][0]` to before its end.

    A span is (i, i + 1) for a token, and longer for a compressed entry or a summary. `scores` (T, n) are what a
    selection saw before it selected, nan or minus infinity where a query may not look; None where nothing is selected.
    `kept` (T, n) says what each query reads. Raises `ValueError` where shapes differ or a query reads what it may not.
    """

    name: str
    spans: Sequence[tuple[int, int]]
    scores: np.ndarray | None
    kept: np.ndarray

    def __post_init__(self):
        if self.kept.ndim != 2 or self.kept.dtype != bool or self.kept.shape[1] != len(self.spans):
            got = f"{self.kept.dtype} of shape {self.kept.shape}"
            raise ValueError(f"kept: got {got}, but it takes bool of shape (tokens, {len(self.spans)}), as spans has")
        if self.scores is not None and self.scores.shape != self.kept.shape:
            raise ValueError(f"scores: got shape {self.scores.shape}, but it takes {self.kept.shape}, as kept has")
        for first, stop in self.spans:
            if not 0 <= first < stop <= len(self.kept):
                raise ValueError(f"spans: got {(first, stop)}, but it takes 0 <= first < end <= {len(self.kept)}")
        if (self.kept & ~self.in_reach()).any():
            query, entry = np.argwhere(self.kept & ~self.in_reach())[0]
            raise ValueError(f"kept: query {query} reads entry {entry} of {self.name}, which it may not look at")

    def in_reach(self) -> np.ndarray:
        """What each query could read: entries whose last token isn't after it and that have a score: (T, n), bool."""
        stops = np.array([stop for _, stop in self.spans], dtype=int)
        past = stops <= np.arange(len(self.kept))[:, None] + 1
        return past if self.scores is None else past & np.isfinite(self.scores)

    def places(self) -> list[tuple[int, int]]:
        """Where to draw each entry so that none covers another: its span, less what the entry before stands for."""
        stops = [0, *(stop for _, stop in self.spans)]
        return [(max(first, stops[j]), stop) for j, (first, stop) in enumerate(self.spans)]

    def lanes(self) -> list[int]:
        """A lane for each entry, such that entries of one lane don't overlap; tokens need none: []."""
        if self.by_token():
            return []
        ends, chosen = [], []
        for first, stop in self.spans:
            lane = next((i for i, end in enumerate(ends) if end <= first), len(ends))
            ends[lane : lane + 1] = [stop]
            chosen.append(lane)
        return chosen

    def by_token(self) -> bool:
        """Whether every entry is a single token."""
        return bool(self.spans) and all(stop - first == 1 for first, stop in self.spans)


@dataclass(frozen=True)
class ReadingMap:
    """A text's T tokens, and the branches through which each token, as a query, reads others and itself."""

    tokens: Sequence[str]
    branches: Sequence[Branch]

    def __post_init__(self):
        if not self.tokens or not self.branches:
            raise ValueError(
                f"got {len(self.tokens)} tokens and {len(self.branches)} branches, but it takes one of each"
            )
        for branch in self.branches:
            if len(branch.kept) != len(self.tokens):
                got = f"{len(branch.kept)} queries of {branch.name}"
                raise ValueError(f"branches: got {got}, but it takes {len(self.tokens)}, one for each token")

    def keys_read(self) -> np.ndarray:
        """How many entries each query reads: (T,)."""
        return sum(branch.kept.sum(axis=1) for branch in self.branches)

    def keys_in_reach(self) -> np.ndarray:
        """How many entries there are for each query to read: (T,)."""
        return sum(branch.in_reach().sum(axis=1) for branch in self.branches)

    def cover(self) -> np.ndarray:
        """Through which branch each query reaches each token: (T, T) of int8, 0 for none, 1 for the first branch."""
        count = len(self.tokens)
        cover = np.zeros((count, count), dtype=np.int8)
        for number, branch in reversed(list(enumerate(self.branches, start=1))):  # where several do, the first is named
            for (first, stop), readers in zip(branch.spans, branch.kept.T, strict=True):
                cover[readers, first:stop] = number
        return cover

    def first(self, count: int) -> "ReadingMap":
        """The map of the first `count` tokens alone. Nothing looks ahead, so it is a part of the whole one."""

        def cut(branch: Branch) -> Branch:
            inside = [j for j, (_, stop) in enumerate(branch.spans) if stop <= count]
            scores = None if branch.scores is None else branch.scores[:count, inside]
            return Branch(branch.name, [branch.spans[j] for j in inside], scores, branch.kept[:count, inside])

        return ReadingMap(self.tokens[:count], [cut(branch) for branch in self.branches])


def branch_colors(branches: Sequence[Branch]) -> list[str]:
    """A colour for each branch, by how it reads: sky by position, orange by score, green summaries of many tokens."""
    spare, colors = [PURPLE, YELLOW, SKY, ORANGE, GREEN], []
    for branch in branches:
        color = ORANGE if branch.scores is not None else SKY if branch.by_token() else GREEN
        if color in colors:
            color = next((other for other in spare if other not in colors), GREY)
        colors.append(color)
    return colors


def describe_reading(reading: ReadingMap, query: int) -> str:
    """In words: how many entries a query reads, through which branches, and how many tokens it reaches with them."""
    parts = [
        f"{branch.name} {branch.kept[query].sum()} of {branch.in_reach()[query].sum()}" for branch in reading.branches
    ]
    counts = f"{reading.keys_read()[query]} of {reading.keys_in_reach()[query]} entries: {', '.join(parts)}"
    reached = f"Through them it reaches {(reading.cover()[query] > 0).sum()} of {query + 1} tokens."
    return f"Token {query} “{reading.tokens[query].translate(SHOWN)}” reads {counts}. {reached}"


@styled
def plot_masks(maps: Mapping[str, ReadingMap], query: int) -> Figure:
    """One small mask for each variant: rows read, columns are read, one row outlined, its count in the title.

    Raises `ValueError` for a query that isn't in all.
    """
    lengths = {len(reading.tokens) for reading in maps.values()}
    if len(lengths) != 1 or not 0 <= query < min(lengths):
        raise ValueError(f"query: got {query} with {sorted(lengths)} tokens, but it takes one of as many in each map")
    columns = min(3, len(maps))
    rows = -(-len(maps) // columns)
    figure = new_figure(2.35 * columns, 2.45 * rows + 0.2)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[len(maps) :]:
        axes.remove()
    for index, (axes, (name, reading)) in enumerate(zip(panels.flat, maps.items(), strict=False)):
        _draw_mask(axes, reading, query)
        axes.set_title(f"{name}: reads {reading.keys_read()[query]}", fontsize=10.5)
        if index % columns == 0:
            axes.set_ylabel("token that reads", fontsize=9)
        if index + columns >= len(maps):
            axes.set_xlabel("token that is read", fontsize=9)
    return figure


@styled
def plot_row(reading: ReadingMap, query: int, title: str = "") -> Figure:
    """One variant's mask, under it the scores of the query's row, and beside it the text as the query reads it.

    Raises `ValueError` for a query that isn't there.
    """
    if not 0 <= query < len(reading.tokens):
        raise ValueError(f"query: got {query}, but it takes 0 to {len(reading.tokens) - 1}")
    colors = branch_colors(reading.branches)
    scored = [(branch, c) for branch, c in zip(reading.branches, colors, strict=True) if branch.scores is not None]
    figure = new_figure(7.6, 3.9 + 1.05 * len(scored))
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.12])
    panels = left.subplots(1 + len(scored), 1, height_ratios=[3.3] + [0.9] * len(scored), squeeze=False)[:, 0]
    _draw_mask(panels[0], reading, query)
    panels[0].set_title(title)
    panels[0].set_xlabel("token that is read", fontsize=9)
    panels[0].set_ylabel("token that reads", fontsize=9)
    for axes, (branch, color) in zip(panels[1:], scored, strict=True):
        _draw_scores(axes, branch, query, color)
    _draw_text(right.subplots(), reading, query, height=3.1 + 1.05 * len(scored))
    right.suptitle(_wrapped(describe_reading(reading, query), 54), fontsize=9.5, x=0.03, ha="left", parse_math=False)
    return figure


def _draw_mask(axes: Axes, reading: ReadingMap, query: int) -> None:
    cover, colors = reading.cover(), branch_colors(reading.branches)
    table = np.array([to_rgb(color) for color in (UNREAD, *colors, FUTURE)])
    edges = [edge for number, branch in enumerate(reading.branches, start=1) for edge in _edges(cover, number, branch)]
    cover[np.triu_indices(len(cover), k=1)] = len(table) - 1
    axes.imshow(table[cover], interpolation="nearest")
    for column, row in edges:
        axes.plot([column - 0.5] * 2, [row - 0.5, row + 0.5], color="white", linewidth=0.7, solid_capstyle="butt")
    frame = Rectangle((-0.5, query - 1), len(cover), 2, fill=False, edgecolor=INK, linewidth=1, clip_on=False)
    axes.add_patch(frame)  # half a token away from the row, which would be too thin to be seen under it
    for index, (branch, color) in enumerate(zip(reading.branches, colors, strict=True)):
        box = {"facecolor": color, "edgecolor": "none", "pad": 2}
        place = {"xy": (1, 1), "xycoords": "axes fraction", "xytext": (-5, -5 - 17 * index)}
        axes.annotate(branch.name, **place, textcoords="offset points", ha="right", va="top", fontsize=9, bbox=box)
    axes.set_yticks([query], [str(query)])
    axes.set_xticks([])
    axes.tick_params(length=2, labelsize=9)
    axes.spines[:].set_visible(True)


def _edges(cover: np.ndarray, number: int, branch: Branch) -> list[tuple[int, int]]:
    """(column, row) wherever a row reads both the end of a compressed entry and the token after, through one branch."""
    if branch.by_token():
        return []
    inside = [stop for _, stop in branch.spans if stop < len(cover)]
    both = (cover[:, [stop - 1 for stop in inside]] == number) & (cover[:, inside] == number)
    return [(inside[entry], int(row)) for row, entry in np.argwhere(both)]


def _draw_scores(axes: Axes, branch: Branch, query: int, color: str) -> None:
    """A bar over the tokens that each entry stands for: filled where it is read, hollow where not, grey: not yet."""
    kept, seen = branch.kept[query], branch.in_reach()[query]
    scores = np.where(seen, branch.scores[query], 0.0)
    low, high = min(scores.min(initial=0), 0), max(scores.max(initial=0), 0)
    unit = (high - low) or 1.0
    for (first, stop), score, read, reach in zip(branch.places(), scores, kept, seen, strict=True):
        look = {"facecolor": color if read else UNREAD, "edgecolor": color, "linewidth": 0.9}
        if not reach:
            score, look = 0.06 * unit, {"facecolor": "#CFCFCF"}
        elif abs(score) < 0.03 * unit:
            score = 0.03 * unit  # a score of nothing can still be seen, and told whether it was chosen
        axes.bar((first + stop) / 2 - 0.5, score, width=0.78 * (stop - first), **look)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set(xlim=(-0.5, len(branch.kept) - 0.5), ylim=(low - 0.04 * unit, high + 0.08 * unit), xticks=[])
    axes.tick_params(length=2, labelsize=8)
    axes.locator_params(axis="y", nbins=3)
    axes.set_ylabel("score", fontsize=9)
    axes.set_xlabel(f"{branch.name}: filled is read, hollow not, grey is later", fontsize=9)


def _draw_text(axes: Axes, reading: ReadingMap, query: int, height: float) -> None:
    """The text, tokens that are read one by one filled, and bars over what entries stand for, in `height` inches."""
    lanes = [branch.lanes() for branch in reading.branches]
    offsets = np.cumsum([0, *(max(each, default=-1) + 1 for each in lanes)])
    line_height = 1.25 + 0.4 * offsets[-1]  # in lines of the font, each as high as two characters are wide
    for width in WIDTHS:
        places = lay_out(reading.tokens, width)
        lines = places[-1][0] + 1
        if lines * line_height * 2 * TEXT_INCHES / width <= height:
            break
    font = {"family": "monospace", "fontsize": 430 / width, "ha": "center", "va": "center_baseline"}
    tops = [-line * line_height for line in range(lines)]
    for index, (line, column, label) in enumerate(places):
        color = INK if index <= query else "#A5A5A5"
        axes.text(column + len(label) / 2, tops[line] - 0.5, label, **font, color=color, parse_math=False)

    def box(line: int, start: float, stop: float, bottom: float, high: float, **look) -> None:
        axes.add_patch(Rectangle((start, tops[line] + bottom), stop - start, high, **look))

    for branch, color, lane, offset in zip(
        reading.branches, branch_colors(reading.branches), lanes, offsets, strict=False
    ):
        for entry in np.flatnonzero(branch.in_reach()[query]):
            read = branch.kept[query, entry]
            for line, start, stop in _pieces(places, *branch.spans[entry]):
                if lane:
                    look = {"facecolor": color if read else UNREAD, "edgecolor": color if read else "#A5A5A5"}
                    bottom = 0.13 + 0.4 * (offset + lane[entry])
                    box(line, start + 0.12, stop - 0.12, bottom, 0.25, linewidth=0.7, **look)
                elif read:
                    box(line, start, stop, -1, 1, facecolor=color, linewidth=0, zorder=0)
    line, column, label = places[query]
    box(line, column, column + len(label), -1, 1, fill=False, edgecolor=INK, linewidth=1.3)
    axes.set(xlim=(-0.3, width + 0.3), ylim=(tops[-1] - 1.2, line_height - 1))
    axes.set_aspect(2, anchor="NW")
    axes.axis("off")


def lay_out(tokens: Sequence[str], width: int) -> list[tuple[int, int, str]]:
    """Line, column and what to write of each token, in lines of `width` characters; a line end begins a new one."""
    places, line, column = [], 0, 0
    for token in tokens:
        label = drawable(token) or "∅"
        label = label if len(label) <= width else label[: width - 1] + "…"
        if column + len(label) > width:
            line, column = line + 1, 0
        places.append((line, column, label))
        line, column = (line + 1, 0) if token.endswith("\n") else (line, column + len(label))
    return places


def _pieces(places: Sequence[tuple[int, int, str]], first: int, stop: int) -> list[tuple[int, int, int]]:
    """A span of tokens, line by line: (line, first column, end column)."""
    found: dict[int, tuple[int, int]] = {}
    for line, column, label in places[first:stop]:
        found[line] = (found.get(line, (column, 0))[0], column + len(label))
    return [(line, *columns) for line, columns in found.items()]


def drawable(text: str) -> str:
    """What a picture writes for a token: signs for blanks, and a square for what its font lacks, such as emoji."""
    font = get_font(findfont("DejaVu Sans Mono"))
    return "".join(c if c.isprintable() and font.get_char_index(ord(c)) else "□" for c in text.translate(SHOWN))


def _wrapped(text: str, columns: int) -> str:
    """The text in lines of at most so many characters, broken at spaces."""
    lines = [""]
    for word in map(drawable, text.split(" ")):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > columns:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
