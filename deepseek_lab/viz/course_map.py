"""The map of the course: one DeepSeek model, what is done to it and with it, and which notebook is about which part."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from deepseek_lab.viz.theme import BLUE, GREY, INK, new_figure, styled

PALE, PAPER = "#E7F1F8", "#F7F7F7"
CHAPTERS = range(1, 9)  # the notebooks that the map has


@styled
def plot_course_map() -> Figure:
    """A model from tokens to the next token; left of it training, right of it writing, above it what it is for."""
    figure = new_figure(7.0, 4.75)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 140), ylim=(0, 95))
    axes.axis("off")
    _draw_model(axes)
    _draw_training(axes)
    _draw_writing(axes)
    _draw_uses(axes)
    return figure


def _draw_model(axes: Axes) -> None:
    _panel(axes, 45, 2, 50, 73, "the whole model", 4)
    _box(axes, 54, 6, 32, 6, "embedding")
    _panel(axes, 49, 17, 42, 40.5, "a block, many times", None, face="white")
    _box(axes, 53, 19.5, 34, 14.5, "attention:\nwho looks at whom,\nand what is kept", 1, face=PALE)
    _box(axes, 53, 37, 34, 12, "experts:\nwho does the work", 3, face=PALE)
    _box(axes, 54, 62, 32, 6, "output head")
    for low, high in ((12, 19.5), (34, 37), (57.5, 62)):
        _arrow(axes, (70, low), (70, high))
    _box(axes, 5, 6, 34, 13, "reading only a part\nof a long text", 2, face=PALE)
    _arrow(axes, (39, 13), (53, 24))


def _draw_training(axes: Axes) -> None:
    _panel(axes, 2, 25, 37, 50, "training", 4)
    _box(axes, 6, 58, 29, 9, "text, loss, AdamW")
    _box(axes, 6, 29, 29, 25, "on many hosts,\neach with its share\n\n\n", 5, face=PALE)
    for machine in range(4):
        left = 8.6 + 6.2 * machine
        _box(axes, left, 31.5, 5.2, 8, "", face="white")
        _box(axes, left + 0.7 + machine * 0.95, 32.2, 0.95, 6.6, "", face=BLUE, edge=BLUE, corner=0)
    _arrow(axes, (39, 50), (45, 50))


def _draw_writing(axes: Axes) -> None:
    _panel(axes, 101, 2, 37, 73, "writing", 6)
    _box(axes, 105, 58, 29, 9, "the next token")
    _box(axes, 105, 27, 29, 26, "the cache:\neach token is\ncomputed once\n\n\n", face=PALE)
    for token in range(7):
        _box(axes, 107.4 + 3.6 * token, 30, 2.6, 7, "", face=BLUE if token < 5 else "white", edge=BLUE, corner=0)
    _box(axes, 105, 6, 29, 16, "pages, batches,\ndrafts, prompts\non disk")
    _arrow(axes, (86, 65), (105, 65))
    _arrow(axes, (119, 58), (119, 53))
    _arrow(axes, (105, 45), (87, 29))


def _draw_uses(axes: Axes) -> None:
    _box(axes, 22, 81, 44, 11, "writing code,\nand running it", 7, face=PALE)
    _box(axes, 74, 81, 44, 11, "answering questions,\nor saying that it can't", 8, face=PALE)
    _arrow(axes, (60, 75), (52, 81))
    _arrow(axes, (80, 75), (88, 81))


def _panel(
    axes: Axes, left: float, bottom: float, width: float, height: float, name: str, chapter: int | None, face=PAPER
) -> None:
    """A large box with its name at the top left."""
    _frame(axes, left, bottom, width, height, face, GREY, 1.5)
    axes.text(left + (7.5 if chapter else 2.5), bottom + height - 3.6, name, fontsize=10, weight="bold", va="center")
    if chapter:
        _number(axes, left + 3.8, bottom + height - 3.6, chapter)


def _box(
    axes: Axes, left: float, bottom: float, width: float, height: float, words: str, chapter: int | None = None,
    face="white", edge=GREY, corner: float = 1.0,
) -> None:  # fmt: skip
    """A part, with the number of its notebook at its upper left corner."""
    _frame(axes, left, bottom, width, height, face, edge, corner)
    middle = left + width / 2
    axes.text(middle, bottom + height / 2, words, fontsize=9.5, ha="center", va="center", linespacing=1.25)
    if chapter:
        _number(axes, left + 0.6, bottom + height - 1.2, chapter)


def _frame(axes: Axes, left: float, bottom: float, width: float, height: float, face, edge, corner: float) -> None:
    style = f"round,pad=0,rounding_size={corner}" if corner else "square,pad=0"
    axes.add_patch(FancyBboxPatch((left, bottom), width, height, style, facecolor=face, edgecolor=edge, linewidth=0.9))


def _number(axes: Axes, x: float, y: float, chapter: int) -> None:
    axes.add_patch(Circle((x, y), 2.5, facecolor=BLUE, edgecolor="white", linewidth=1, zorder=3))
    axes.text(x, y - 0.1, str(chapter), color="white", weight="bold", fontsize=10, ha="center", va="center", zorder=4)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=10, color=INK, linewidth=1.1, zorder=2))
