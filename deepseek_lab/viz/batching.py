"""Continuous batching as a timeline: what each request does in each step, and the memory that all hold.

A recording is one of `inference.recording_batches.record_batching`, or anything with its fields.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from deepseek_lab.viz.show import explore, slider
from deepseek_lab.viz.theme import BLUE, GREY, INK, ORANGE, RED, SKY, new_figure, styled

# A kind's colour, that of words on it, and that of its name on white.
KINDS = {
    "reading": (SKY, INK, "#2D86B3"),
    "writing": (BLUE, "white", BLUE),
    "waiting": ("#E4E4E4", INK, "#6A6A6A"),
    "evicted": (RED, "white", RED),
    "reading again": (ORANGE, INK, "#B57C00"),
}
WIDTH, LEFT, RIGHT = 7.2, 1.55, 0.2  # inches
NUMBERED_STEPS = 45  # with more, numbers in the bars would overlap
QUIET = "#555555"


class StaticLike(Protocol):
    """See `inference.recording_batches.StaticBatching`."""

    batches: int
    steps: int
    slots: int
    wasted: int


class RecordingLike(Protocol):
    """See `inference.recording_batches.BatchRecording`."""

    rows: Sequence
    lengths: Sequence[tuple[int, int]]
    tokens: Sequence[int]
    blocks_held: Sequence[int]
    blocks: int
    max_batch: int
    tokens_per_step: int
    steps: int
    read_again: int
    static: StaticLike


def describe_batching(recording: RecordingLike) -> list[str]:
    """Two sentences: what this run took, and what static batching would take for the same requests."""
    total, again, static = sum(recording.tokens), recording.read_again, recording.static
    twice = f", {again} of them a second time" if again else ""
    here = f"Here: {recording.steps} steps, {total} tokens through the model{twice}, no padding."
    batches = "1 batch" if static.batches == 1 else f"{static.batches} batches"
    share = static.wasted / static.slots
    return [
        here,
        f"Static batching: {batches}, {static.steps} steps, {static.slots} places for tokens, "
        f"{static.wasted} of them empty ({share:.0%}).",
    ]


@styled
def plot_batching(recording: RecordingLike, title: str = "Continuous batching") -> Figure:
    """A row for each request: what it does in each step, with the tokens that it reads; under them, blocks held."""
    count, row = len(recording.lengths), 0.29
    above, memory, below = 1.3, 0.8, 0.5
    height = above + row * count + 0.2 + memory + below
    figure = new_figure(WIDTH, height)
    figure.set_layout_engine("none")  # axes keep their places when a control moves
    figure.text(0.014, 1 - 0.2 / height, title, fontsize=12, weight="bold", va="center")
    for line, words in enumerate(describe_batching(recording)):
        figure.text(0.014, 1 - (0.46 + 0.22 * line) / height, words, fontsize=9.5, va="center")
    across = (WIDTH - LEFT - RIGHT) / WIDTH
    axes = figure.add_axes((LEFT / WIDTH, 1 - (above + row * count) / height, across, row * count / height))
    place = LEFT
    for kind, (_, _, color) in KINDS.items():
        figure.text(place / WIDTH, 1 - (above - 0.14) / height, kind, fontsize=9.5, weight="bold", color=color)
        place += 0.085 * len(kind) + 0.16
    figure.text((LEFT - 0.12) / WIDTH, 1 - (above - 0.14) / height, "prompt + written", fontsize=8.5, color=QUIET,
                ha="right")  # fmt: skip
    _draw_requests(axes, recording)
    held = figure.add_axes((LEFT / WIDTH, below / height, across, memory / height))
    _draw_memory(held, recording)
    return figure


def _draw_requests(axes: Axes, recording: RecordingLike) -> None:
    numbered = recording.steps <= NUMBERED_STEPS
    by_request = groupby(sorted(recording.rows, key=lambda row: (row.request, row.step)), key=lambda row: row.request)
    for request, rows in by_request:
        rows = list(rows)
        for row in rows:
            color, ink, _ = KINDS[row.kind]
            edge = {"edgecolor": "white", "linewidth": 0.7 if numbered else 0}
            axes.add_patch(Rectangle((row.step, request + 0.12), 1, 0.76, facecolor=color, **edge))
            if numbered and row.kind in ("reading", "reading again"):
                axes.text(row.step + 0.5, request + 0.5, f"{row.tokens}", color=ink, fontsize=7.5, ha="center",
                          va="center_baseline")  # fmt: skip
        if rows[-1].ended:
            end = rows[-1].step + 1
            axes.plot([end, end], [request + 0.06, request + 0.94], color=INK, linewidth=2, solid_capstyle="butt",
                      clip_on=False)  # fmt: skip
    for request, (prompt, written) in enumerate(recording.lengths):
        axes.annotate(f"request {request}", (0, request + 0.5), (-98, 0), textcoords="offset points", fontsize=9.5,
                      va="center", annotation_clip=False)  # fmt: skip
        axes.annotate(f"{prompt} + {written}", (0, request + 0.5), (-8, 0), textcoords="offset points", fontsize=9,
                      color=QUIET, ha="right", va="center", annotation_clip=False)  # fmt: skip
    axes.set(xlim=(0, recording.steps), ylim=(len(recording.lengths), 0), yticks=[], xticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)


def _draw_memory(axes: Axes, recording: RecordingLike) -> None:
    axes.bar(range(recording.steps), recording.blocks_held, width=1, align="edge", color="#B8B8B8")
    axes.axhline(recording.blocks, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.annotate(f"all {recording.blocks} blocks", (0, recording.blocks), (-8, 0), textcoords="offset points",
                  fontsize=9.5, ha="right", va="center", annotation_clip=False)  # fmt: skip
    axes.annotate("blocks held", (0, recording.blocks / 2), (-8, 0), textcoords="offset points", fontsize=9.5,
                  ha="right", va="center", color=QUIET, annotation_clip=False)  # fmt: skip
    axes.set(xlim=(0, recording.steps), ylim=(0, recording.blocks * 1.08), yticks=[])
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.tick_params(length=2, labelsize=9.5)
    axes.set_xlabel("steps: calls of the model", fontsize=10)
    axes.spines[["left", "bottom"]].set_color(GREY)


def explore_batching(
    run: Callable[[int, int, int], RecordingLike],
    blocks: Sequence[int],
    max_batch: Sequence[int],
    tokens_per_step: Sequence[int],
    start: tuple[int, int, int] | None = None,
) -> None:
    """The batching explorer: `run(blocks, max_batch, tokens_per_step)` is called for real when a slider moves.

    The sequences are the places of the sliders, which begin at `start`, or with the first of each. What `run` gave is
    kept, so that going back is quick. Raises `ValueError` for a start that isn't among them.
    """
    options = {"blocks": list(blocks), "max_batch": list(max_batch), "tokens_per_step": list(tokens_per_step)}
    begin = start or tuple(places[0] for places in options.values())
    for (field, places), value in zip(options.items(), begin, strict=True):
        if value not in places:
            raise ValueError(f"{field}: got {value!r}, but it takes one of {places}")
    known: dict[tuple[int, int, int], RecordingLike] = {}

    def draw(blocks: int, max_batch: int, tokens_per_step: int) -> Figure:
        given = blocks, max_batch, tokens_per_step
        if given not in known:
            known[given] = run(*given)
        title = f"{blocks} blocks, at most {max_batch} requests at once, {tokens_per_step} tokens a step"
        return plot_batching(known[given], title)

    explore(
        draw,
        "what each request of a batch does in each step, and how many blocks of memory are held",
        blocks=slider("blocks", options["blocks"], begin[0]),
        max_batch=slider("requests at once", options["max_batch"], begin[1]),
        tokens_per_step=slider("tokens a step", options["tokens_per_step"], begin[2]),
    )
