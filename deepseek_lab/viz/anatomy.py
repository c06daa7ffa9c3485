"""A model taken apart, as numbers and as a still picture: what each block and each of its parts weighs and costs.

Works on what `deepseek_lab.model.accounting.anatomy` returns, or anything with the same attributes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepseek_lab.viz.theme import BLUE, GREY, INK, ORANGE, RED, SKY, new_figure, styled

MEASURES = {
    "parameters": "parameters",
    "activated": "activated parameters",
    "flops": "FLOPs per token",
    "cache": "cache bytes per token",
}
TOTALS = {
    "parameters": "parameters",
    "activated": "activated parameters",
    "flops": "per token",
    "cache": "of cache per token",
}
CAPTIONS = {
    "parameters": "All trained numbers.",
    "activated": "The trained numbers used for one token: of the routed experts, only the chosen ones. The embedding "
    "counts whole, as in DeepSeek's figures, though a token looks up one row of it.",
    "flops": "Two operations for each activated weight of a matrix product; norms and look-ups are left out. "
    "Attention's own products with the cached tokens come on top and grow with the context.",
    "cache": "What attention keeps of each token in the context, two bytes a number (bf16). No other part keeps any.",
}
KIND_COLORS = {
    "attention": BLUE,
    "router": RED,
    "shared or dense feed-forward": SKY,
    "routed experts": ORANGE,
    "embedding, head": GREY,
    "prediction's own projection": "#CC79A7",
    "norms, biases": INK,
}
BYTES_PER_NUMBER = 2  # bf16
UNITS = {"parameters": ("", "k", "M", "B"), "flops": ("FLOP", "kFLOP", "MFLOP", "GFLOP"), "cache": ("B", "kB", "MB")}


@dataclass(frozen=True)
class Row:
    """A bar of the picture: a part, or a block with its parts, or several of them alike."""

    name: str
    kind: str  # a block's own kind, or a part's, as in KIND_COLORS
    count: int  # how many are drawn as one
    value: int  # of all of them
    share: float  # of the whole model, or of one block
    lines: tuple[str, ...] = ()  # a part's: how its number comes about
    parts: tuple["Row", ...] = ()  # a block's: of one of them


def block_rows(blocks: Sequence, measure: str) -> list[Row]:
    """The model from the first block to the last, neighbours that are alike in one row. Shares are of all blocks.

    Raises `ValueError` for an unknown measure and for a model without blocks.
    """
    if measure not in MEASURES:
        raise ValueError(f"measure: got {measure!r}, but it takes one of {list(MEASURES)}")
    if not blocks:
        raise ValueError("blocks: got none, but a model has at least one")
    embedding = sum(block.parameters for block in blocks if block.kind == "embedding")
    rows = []
    for (kind, parts, cached), alike in groupby(blocks, key=lambda block: (block.kind, block.parts, block.cached)):
        names = [block.name for block in alike]
        inside = _part_rows(parts, cached, measure, embedding if kind == "head" else 0)
        value = len(names) * sum(part.value for part in inside)
        rows.append(Row(_joint_name(names), kind, len(names), value, 0.0, parts=inside))
    return _with_shares(rows)


def largest(rows: Sequence[Row]) -> int:
    """The place of the largest row, the first of several."""
    return max(range(len(rows)), key=lambda index: rows[index].value)


def total_text(name: str, rows: Sequence[Row], measure: str) -> str:
    """The whole model in a sentence, with and without its prediction modules."""
    total = sum(row.value for row in rows)
    modules = [row for row in rows if row.kind == "mtp"]
    rest = short(total - sum(row.value for row in modules), measure)
    text = f"{name}: {short(total, measure)} {TOTALS[measure]}"
    ending = "s" if sum(row.count for row in modules) > 1 else ""
    return f"{text}, {rest} of it without the prediction module{ending}" if modules else text


def about(row: Row, measure: str) -> str:
    """A block in a sentence, above its parts."""
    if row.count == 1:
        return f"{row.name}: {short(row.value, measure)}"
    one, every = short(row.value // row.count, measure), short(row.value, measure)
    return f"one of {row.name}: {one}; all {row.count}, which are alike, come to {every}"


def short(value: int, measure: str = "parameters") -> str:
    """A number as it is spoken: 11.3B parameters, 67.9 GFLOP, 1.2 kB."""
    units = UNITS.get(measure, UNITS["parameters"])
    space = " " if units[0] else ""
    if value < 1000:
        return f"{value}{space}{units[0]}"
    power = 1
    while power < len(units) - 1 and value >= 999.95 * 1000**power:
        power += 1
    return f"{value / 1000**power:,.1f}{space}{units[power]}"


def percent(share: float) -> str:
    """A share with one decimal; what is more than nothing never reads as 0."""
    return "<0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


@styled
def plot_anatomy(blocks: Sequence, measure: str = "parameters", title: str = "") -> Figure:
    """The model's blocks as bars, coloured by what is in them, and the parts of the largest block."""
    rows = block_rows(blocks, measure)
    opened = rows[largest(rows)]
    figure = new_figure(7.0, 1.9 + 0.27 * (len(rows) + len(opened.parts)))
    whole, inside = figure.subplots(2, 1, height_ratios=[len(rows) + 0.3, len(opened.parts) + 0.3])
    _bars(whole, rows, measure, f"share of the model's {MEASURES[measure]}, %")
    whole.set_title(title or MEASURES[measure])
    for y, row in enumerate(rows):
        left = 0.0
        for part in row.parts:
            width = 100 * row.share * part.share
            whole.barh(y, width, left=left, height=0.72, color=KIND_COLORS[part.kind])
            left += width
    _bars(inside, opened.parts, measure, "share of this block, %")
    which = f"One of {opened.name} ({opened.count} alike)" if opened.count > 1 else opened.name.capitalize()
    inside.set_title(f"{which}, part by part", fontsize=11)
    for y, part in enumerate(opened.parts):
        inside.barh(y, 100 * part.share, height=0.72, color=KIND_COLORS[part.kind])
    return figure


def _bars(axes: Axes, rows: Sequence[Row], measure: str, label: str) -> None:
    """Names at the left, values and shares at the right, room between them."""
    axes.set(ylim=(max(len(rows), 1) - 0.5, -0.5), xlim=(0, 132))
    axes.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=9.5)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.tick_params(axis="x", labelsize=9)
    axes.tick_params(axis="y", length=0)
    axes.spines["bottom"].set_bounds(0, 100)
    axes.set_xlabel(label, fontsize=9.5, x=50 / 132)  # under the middle of the bars, not of the whole axes
    for y, row in enumerate(rows):
        axes.text(
            100 * row.share + 1, y, f"{short(row.value, measure)}, {percent(row.share)}", va="center", fontsize=9.5
        )


def _with_shares(rows: Iterable[Row]) -> list[Row]:
    rows = list(rows)
    total = sum(row.value for row in rows)
    return [replace(row, share=row.value / total if total else 0.0) for row in rows]


def _joint_name(names: list[str]) -> str:
    """One name for several: of "layer 3" to "layer 60" it is "layers 3 to 60"."""
    if len(names) == 1:
        return names[0]
    stem, _, first = names[0].rpartition(" ")
    return f"{stem}s {first} to {names[-1].rpartition(' ')[2]}"


def _part_rows(parts: Sequence, cached: int, measure: str, embedding: int) -> tuple[Row, ...]:
    """The parts of one block. The small ones that only scale or shift are one row, the last."""
    if measure == "cache":
        value = cached * BYTES_PER_NUMBER
        line = f"{cached:,} numbers x {BYTES_PER_NUMBER} bytes = {value:,} bytes per token"
        return tuple(_with_shares([Row("self_attn", "attention", 1, value, 0.0, (line,))] if cached else []))
    rows = [_part_row(part, measure, embedding) for part in parts]
    small = [row for row in rows if row.kind == "norms, biases"]
    if len(small) > 1:
        rows = [row for row in rows if row not in small]
        name = "norms and biases" if any(row.name.endswith(".bias") for row in small) else "norms"
        lines = tuple(f"{row.name}: {row.lines[0]}" for row in small) + small[0].lines[1:]
        rows.append(Row(f"{len(small)} {name}", small[0].kind, len(small), sum(r.value for r in small), 0.0, lines))
    return tuple(_with_shares(rows))


def _part_row(part, measure: str, embedding: int) -> Row:
    value, lines = part.parameters, [part.formula]
    if measure != "parameters":
        value = part.activated
        if part.activated != part.parameters:
            lines.append(f"used for one token: {part.activated:,}, {percent(part.activated / part.parameters)} of them")
    if measure == "flops" and part.multiplies:
        weights = part.activated or embedding  # a tied head multiplies with the embedding
        value = 2 * weights
        lines.append(f"2 x {weights:,} = {value:,} operations per token")
    elif measure == "flops":
        value = 0
        lines.append("no matrix product")
    return Row(part.name, _kind(part.name), 1, value, 0.0, tuple(lines))


def _kind(name: str) -> str:
    """What a part is there for, by its name in the checkpoint."""
    if "norm" in name or name.endswith(".bias"):
        return "norms, biases"
    by_start = {
        "self_attn": "attention",
        "mlp.gate": "router",
        "mlp.experts": "routed experts",
        "mlp": "shared or dense feed-forward",
        "eh_proj": "prediction's own projection",
    }
    return next((kind for start, kind in by_start.items() if name.startswith(start)), "embedding, head")
