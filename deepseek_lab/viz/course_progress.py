"""What a learner has solved: a row for each notebook, a box for each of its exercises."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from deepseek_lab.viz.theme import BLUE, GREY, INK, new_figure, styled

ROW, BOX, GAP = 0.36, 0.27, 0.08  # inches
WIDTH, NAMES = 7.0, 1.95  # of the figure, and of the notebooks' names


@styled
def plot_progress(table: Mapping[str, Mapping[str, bool]], summary: str) -> Figure:
    """Draw `table`, notebook -> exercise -> solved, under the sentence `summary`.

    What is solved has a tick, a filled box and white letters, so that colour is not the only sign.
    """
    height = ROW * (len(table) + 1) + GAP
    figure = new_figure(WIDTH, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))  # in inches, from the top
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    axes.axis("off")
    axes.text(GAP, GAP + ROW / 2, summary, fontsize=11, weight="bold", va="center")
    width = (WIDTH - NAMES) / max(map(len, table.values()), default=1)
    for row, (notebook, exercises) in enumerate(table.items(), start=1):
        middle = GAP + ROW * (row + 0.5)
        axes.text(GAP, middle, notebook, fontsize=10, va="center")
        for column, (name, solved) in enumerate(exercises.items()):
            left, color = NAMES + width * column, BLUE if solved else "white"
            box = FancyBboxPatch(
                (left, middle - BOX / 2), width - GAP, BOX, "round,pad=0,rounding_size=0.05",
                facecolor=color, edgecolor=BLUE if solved else GREY, linewidth=0.9,
            )  # fmt: skip
            axes.add_patch(box)
            words = f"✓ {name}" if solved else name
            ink = "white" if solved else INK
            axes.text(left + (width - GAP) / 2, middle, words, fontsize=8, color=ink, ha="center", va="center")
    return figure
