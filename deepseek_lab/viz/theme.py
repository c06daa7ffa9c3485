"""One look for every figure: readable at 700 pixels, told apart without colour vision, never cut off."""

import io
from functools import wraps

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

# Okabe and Ito's colours for colour-blind readers; a kind of attention keeps its colour through the whole course.
BLUE, ORANGE, RED, SKY = "#0072B2", "#E69F00", "#D55E00", "#56B4E9"
GREY, INK = "#8A8A8A", "#222222"
KIND_COLORS = {"MHA": RED, "GQA": ORANGE, "MQA": SKY, "MLA": BLUE}
SEQUENTIAL = "cividis"  # a colour map that prints in grey and suits every kind of colour vision

DPI = 100
STYLE = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 2,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def styled(draw):
    """Decorator: run a `plot_*` function under the course's style, leaving the learner's own settings alone."""

    @wraps(draw)
    def inside(*args, **kwargs):
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return inside


def new_figure(width: float = 7.0, height: float = 3.6) -> Figure:
    """An empty figure, in inches. Not pyplot's: it shows up only where it is asked to, and nothing keeps it alive."""
    return Figure(figsize=(width, height), layout="constrained")


def kind_color(name: str) -> str:
    """The colour of a kind of attention: "GQA-8" has GQA's."""
    return KIND_COLORS[name.split("-")[0]]


@styled
def png(figure: Figure) -> bytes:
    """The figure as a PNG of 256 colours: the same bytes for the same numbers (no date, no version in it).

    A third of the size of a full-colour PNG, and no difference to be seen: notebooks carry these in their outputs.
    """
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DPI)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    buffer = io.BytesIO()
    few_colors = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few_colors.save(buffer, format="png", optimize=True)
    return buffer.getvalue()
