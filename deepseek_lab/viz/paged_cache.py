"""A paged cache, action by action: who holds which block, what stands in it, and which memory sharing saves.

A frame is one of `inference.recording.record_paging`, or anything with its fields.
"""

from collections.abc import Sequence
from textwrap import wrap
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from deepseek_lab.viz.cache import name_bytes
from deepseek_lab.viz.masks import GREEN, PURPLE, drawable
from deepseek_lab.viz.show import explore, slider
from deepseek_lab.viz.theme import BLUE, GREY, INK, ORANGE, RED, SKY, new_figure, styled

# A sequence's colour, and that of letters on it; the seventh sequence has the first one's again.
COLORS = ((BLUE, "white"), (ORANGE, INK), (GREEN, INK), (PURPLE, INK), (SKY, INK), (RED, "white"))
WIDTH, LEFT = 7.2, 0.12  # inches, as all lengths here
LEAST_TOKEN, HEAD, BODY, GAP = 0.38, 0.24, 0.36, 0.14
ROW = 0.27  # of a table
QUIET = "#555555"


class SequenceLike(Protocol):
    """See `inference.recording.SequenceFrame`."""

    name: str
    table: Sequence[int]
    length: int


class FrameLike(Protocol):
    """See `inference.recording.PageFrame`."""

    sentence: str
    sequences: Sequence[SequenceLike]
    holders: Sequence[Sequence[str]]
    written: Sequence[Sequence[str]]
    remembered: Sequence[bool]
    changed: Sequence[int]
    block_size: int
    block_bytes: int


def page_counts(frame: FrameLike) -> dict[str, int]:
    """Blocks that are held, idle and free; and those that would be held if each sequence had its own."""
    held = sum(bool(holders) for holders in frame.holders)
    idle = sum(not holders and known for holders, known in zip(frame.holders, frame.remembered, strict=True))
    alone = sum(len(sequence.table) for sequence in frame.sequences)
    return {"held": held, "idle": idle, "free": len(frame.holders) - held - idle, "unshared": alone}


def describe_pages(frame: FrameLike) -> str:
    """In words: "5 of 8 blocks are held, 12 kB; without sharing, it would be 8." and what is idle."""
    counts, total = page_counts(frame), len(frame.holders)
    words = f"{counts['held']} of {total} blocks held, {name_bytes(counts['held'] * frame.block_bytes)}"
    if counts["unshared"] > counts["held"]:
        beyond = ", more than there are" if counts["unshared"] > total else ""
        words += f"; {counts['unshared']} if nothing were shared{beyond}"
    return f"{words}; {counts['idle']} idle, {counts['free']} free."


@styled
def plot_pages(
    frame: FrameLike, names: Sequence[str] | None = None, rows: int | None = None, title: str = ""
) -> Figure:
    """All blocks with their tokens, coloured by who holds them; under them, the tables, and the memory in words.

    `names` are those of all sequences that come in a run, in the order of their colours; `rows` is the most that are
    open at once, so that all frames of a run have one size.
    """
    names = [sequence.name for sequence in frame.sequences] if names is None else names
    rows = max(len(frame.sequences), 1) if rows is None else rows
    looks = {name: COLORS[place % len(COLORS)] for place, name in enumerate(names)}
    across = max(1, min(len(frame.holders), int((WIDTH - 2 * LEFT + GAP) / (LEAST_TOKEN * frame.block_size + GAP))))
    wide = (WIDTH - 2 * LEFT + GAP) / across - GAP
    deep = -(-len(frame.holders) // across)
    grid, block = 0.98, HEAD + BODY + GAP
    tables = grid + deep * block + 0.34
    height = tables + rows * ROW + 0.42
    figure = new_figure(WIDTH, height)
    figure.set_layout_engine("none")  # frames of a run are laid out alike
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    axes.axis("off")
    axes.text(LEFT, 0.2, title, fontsize=12, weight="bold", va="center")
    for line, words in enumerate(wrap(frame.sentence, 92)[:2]):
        axes.text(LEFT, 0.47 + 0.21 * line, words, fontsize=10.5, va="center", parse_math=False)
    for number in range(len(frame.holders)):
        _draw_block(axes, frame, number, LEFT + number % across * (wide + GAP), grid + number // across * block, wide,
                    looks)  # fmt: skip
    _draw_key(axes, tables - 0.17)
    for row, sequence in enumerate(frame.sequences):
        _draw_table(axes, sequence, tables + row * ROW, looks)
    if not frame.sequences:
        axes.text(LEFT, tables + ROW / 2, "no sequence is open", fontsize=9.5, color=QUIET, va="center")
    axes.text(LEFT, height - 0.2, describe_pages(frame), fontsize=10.5, va="center")
    return figure


def _pale(color: str, share: float = 0.28) -> tuple[float, ...]:
    return tuple(1 - share + share * part for part in to_rgb(color))


def _draw_block(axes: Axes, frame: FrameLike, number: int, left: float, top: float, width: float, looks: dict) -> None:
    """A head with the block's number and who holds it; under it a place for each token."""
    holders, token, indent = frame.holders[number], width / frame.block_size, 0.31
    idle = not holders and frame.remembered[number]
    body = top + HEAD
    for lane, name in enumerate(holders):  # as many stripes as holders, in the head and behind the tokens
        color, ink = looks[name]
        part = (width - indent) / len(holders)
        start = left + indent + lane * part
        axes.add_patch(Rectangle((start, top), part, HEAD, facecolor=color, edgecolor="white", linewidth=0.8))
        axes.text(start + part / 2, top + HEAD / 2, drawable(name), color=ink, fontsize=9.5, weight="bold", ha="center",
                  va="center", parse_math=False)  # fmt: skip
        stripe = BODY / len(holders)
        axes.add_patch(Rectangle((left, body + lane * stripe), width, stripe, facecolor=_pale(color), linewidth=0))
    if not holders:
        words = "idle, remembered" if idle else "free"
        axes.text(left + indent, top + HEAD / 2, words, fontsize=8.5, color=QUIET, va="center")
    axes.text(left + 0.05, top + HEAD / 2, f"{number}", fontsize=9.5, color=INK, weight="bold", va="center")
    style = {"edgecolor": GREY, "linewidth": 0.8} | ({} if holders or idle else {"linestyle": (0, (3, 2))})
    look = {"facecolor": "#E4E4E4"} if idle else {"fill": False}
    axes.add_patch(Rectangle((left, body), width, BODY, **look, **style))
    for place, text in enumerate(frame.written[number]):
        if place:
            axes.plot([left + place * token] * 2, [body, body + BODY], color="white", linewidth=1)
        axes.text(left + (place + 0.5) * token, body + BODY / 2, drawable(text)[:3], fontsize=10.5, family="monospace",
                  color=QUIET if idle else INK, ha="center", va="center", parse_math=False)  # fmt: skip
    if frame.remembered[number] and holders:  # a bar under the tokens: this text can be found again
        axes.plot([left, left + width], [body + BODY] * 2, color=INK, linewidth=2.4, solid_capstyle="butt")
    if number in frame.changed:
        axes.add_patch(Rectangle((left - 0.035, top - 0.035), width + 0.07, HEAD + BODY + 0.07, fill=False,
                                 edgecolor=INK, linewidth=1.8))  # fmt: skip


def _draw_key(axes: Axes, middle: float) -> None:
    """The heading of the tables; beside it, what a bar and a frame mean in the blocks."""
    words = {"fontsize": 9.5, "color": QUIET, "va": "center"}
    axes.text(LEFT, middle, "tables", **words)
    axes.plot([2.6, 2.95], [middle] * 2, color=INK, linewidth=2.4, solid_capstyle="butt")
    axes.text(3.03, middle, "remembered by its text", **words)
    axes.add_patch(Rectangle((5.14, middle - 0.07), 0.3, 0.14, fill=False, edgecolor=INK, linewidth=1.8))
    axes.text(5.52, middle, "changed by this action", **words)


def _draw_table(axes: Axes, sequence: SequenceLike, top: float, looks: dict) -> None:
    color, ink = looks[sequence.name]
    high = ROW - 0.05
    axes.add_patch(Rectangle((LEFT, top), 0.3, high, facecolor=color, linewidth=0))
    axes.text(LEFT + 0.15, top + high / 2, drawable(sequence.name), color=ink, fontsize=9.5, weight="bold", ha="center",
              va="center", parse_math=False)  # fmt: skip
    words = f"{sequence.length} token{'' if sequence.length == 1 else 's'}"
    axes.text(LEFT + 1.12, top + high / 2, words, fontsize=9.5, ha="right", va="center")
    step = min(0.3, (WIDTH - 2 * LEFT - 1.2) / max(len(sequence.table), 1))
    for place, block in enumerate(sequence.table):
        left = LEFT + 1.24 + place * step
        axes.add_patch(Rectangle((left, top), step, high, facecolor=_pale(color), edgecolor="white", linewidth=1))
        axes.text(left + step / 2, top + high / 2, f"{block}", fontsize=9.5, ha="center", va="center")


def explore_pages(frames: Sequence[FrameLike], index: int = 0, title: str = "A paged cache") -> None:
    """The paging stepper: `plot_pages` with a slider over the frames of a run. Starts at `index`.

    Raises `ValueError` where there is no such frame.
    """
    if not 0 <= index < len(frames):
        raise ValueError(f"index: got {index!r}, but it takes 0 to {len(frames) - 1}")
    names = list(dict.fromkeys(sequence.name for frame in frames for sequence in frame.sequences))
    rows = max(1, *(len(frame.sequences) for frame in frames))
    last = len(frames) - 1
    explore(
        lambda index: plot_pages(frames[index], names, rows, f"{title}: {index} of {last} actions"),
        "blocks of a paged cache, who holds them and what stands in them, action by action",
        index=slider("actions so far", list(range(last + 1)), index),
    )
