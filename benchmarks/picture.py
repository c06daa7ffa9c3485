"""The picture of all benchmarks: a lane for each kind of work, a dot for each row, on a scale of ratios."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator
from rows import Row

from deepseek_lab.viz.theme import BLUE, GREY, INK, RED, new_figure, styled

TICKS = (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)


def lanes(rows: Sequence[Row]) -> dict[tuple[str, str], list[float]]:
    """Ratios by (kind of work, whom it is compared with), in the rows' order."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row.ratio is not None:
            whom = row.versus.split(",")[0] if row.versus.startswith("transformers") else row.versus
            found.setdefault((row.group, whom.replace("PyTorch, ", "").split(", stage")[0]), []).append(row.ratio)
    return found


@styled
def draw(rows: Sequence[Row]) -> Figure:
    """Draw it. White behind everything: it reads the same on a light page and on a dark one."""
    found = lanes(rows)
    figure = new_figure(9, 1.3 + 0.52 * max(1, len(found)))
    axes = figure.subplots()
    ratios = [ratio for lane in found.values() for ratio in lane] or [1]
    low, high = min(0.8, *ratios) / 1.15, max(2, *ratios) * 1.15
    axes.set(xscale="log", xlim=(low, high), ylim=(len(found) - 0.4, -0.6))
    axes.axvspan(low, 1, color=RED, alpha=0.08, linewidth=0)
    axes.axvline(1, color=GREY, linewidth=1)
    for y, ((group, whom), lane) in enumerate(found.items()):
        _lane(axes, y, group, whom, lane)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("their time over ours; each mark is one comparison, crosses are those in which we are slower")
    axes.set_title("How many times as fast as what one would use instead")
    return figure


def _lane(axes, y: int, group: str, whom: str, lane: Sequence[float]) -> None:
    """Its two names at the left, its dots, and the least and largest ratio at the right."""
    outside = axes.get_yaxis_transform()
    axes.annotate(group, (-0.01, y), xycoords=outside, ha="right", va="bottom", color=INK, annotation_clip=False)
    against = f"against {whom}"
    axes.annotate(against, (-0.01, y + 0.06), xycoords=outside, ha="right", va="top", color=GREY, fontsize=9)
    axes.plot([min(lane), max(lane)], [y, y], color=GREY, linewidth=1, alpha=0.6)
    for ratios, marker, color in (([r for r in lane if r >= 1], "o", BLUE), ([r for r in lane if r < 1], "X", RED)):
        axes.plot(ratios, [y] * len(ratios), marker, color=color, markersize=8, alpha=0.75, markeredgewidth=0)
    least, most = (f"{end:.{2 if end < 1 else 1 if end < 10 else 0}f}" for end in (min(lane), max(lane)))
    words = f"{least}×" if least == most else f"{least} to {most}×"
    axes.annotate(words, (1.01, y), xycoords=outside, ha="left", va="center", annotation_clip=False)
