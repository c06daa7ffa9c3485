"""An answer marked in its text: how probable it is for each token that the answer starts, and that it ends, there."""

import html
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ipywidgets as widgets
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from deepseek_lab.viz.masks import drawable
from deepseek_lab.viz.show import FITS, show_widget, typed
from deepseek_lab.viz.theme import INK, ORANGE, SKY, new_figure, png, styled

WIDTH, COLUMNS, LINE = 7.2, 76, 0.3  # inches, columns of text in a line, inches
LONGEST_CONTEXT, LONGEST_QUESTION = 1500, 200  # characters that the explorer takes
# Chinese is drawn in the first of these that is installed; without one, a box stands for each character.
CHINESE = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei", "Microsoft YaHei")
CHINESE += ("PingFang SC", "Hiragino Sans GB", "SimHei", "Arial Unicode MS")
NOWHERE = "not in the context"


@dataclass(frozen=True)
class Reading:
    """What a model makes of a question and a context.

    `offsets` are the characters of each of the context's N tokens. `start` and `end` are N + 1 probabilities each, of
    "not in the context" and then of the tokens. `answer` are the chosen answer's characters, `None` if there is none.
    """

    context: str
    offsets: Sequence[tuple[int, int]]
    start: Sequence[float]
    end: Sequence[float]
    answer: tuple[int, int] | None


@dataclass(frozen=True)
class Piece:
    """Characters that are drawn together, with their probabilities."""

    text: str
    start: float
    end: float
    chosen: bool


def pieces(reading: Reading) -> list[Piece]:
    """The context from its first to its last character. Tokens that share a character are added up.

    Raises `ValueError` if there aren't as many probabilities as tokens and one.
    """
    count = len(reading.offsets) + 1
    for name, values in (("start", reading.start), ("end", reading.end)):
        if len(values) != count:
            raise ValueError(f"{name}: got {len(values)} probabilities, but it takes {count}: one more than tokens")
    chosen_from, chosen_to = reading.answer or (0, 0)
    found: list[Piece] = []
    at = 0  # characters that were drawn
    for (left, right), start, end in zip(reading.offsets, reading.start[1:], reading.end[1:], strict=True):
        if right <= at and found:  # another part of the same character
            last = found.pop()
            found.append(Piece(last.text, last.start + start, last.end + end, last.chosen))
            continue
        if left > at:
            found.append(Piece(reading.context[at:left], 0, 0, chosen_from <= at < chosen_to))
        left = max(left, at)
        blank = len(reading.context[left:right]) - len(reading.context[left:right].lstrip())
        inside = left + blank < chosen_to and right > chosen_from
        found.append(Piece(reading.context[left:right], start, end, inside))
        at = right
    return found + ([Piece(reading.context[at:], 0, 0, False)] if at < len(reading.context) else [])


def sentence(reading: Reading) -> str:
    """The verdict in words."""
    nowhere = reading.start[0] * reading.end[0]
    if reading.answer is None:
        return f"{NOWHERE} ({nowhere:.1%})"
    return f"{reading.context[slice(*reading.answer)]} ({NOWHERE}: {nowhere:.1%})"


@styled
def plot_answer(reading: Reading, title: str = "") -> Figure:
    """The text: each token's upper half as orange as the answer is likely to start there, its lower half as blue as it
    is likely to end there; the chosen answer is underlined."""
    parts = pieces(reading)
    places, line = [], 0
    column = 0
    for part in parts:
        width = columns(part.text)
        if column + width > COLUMNS:
            line, column = line + 1, 0
        places.append((line, column, width))
        line, column = (line + 1, 0) if part.text.endswith("\n") else (line, column + width)
    height = 0.75 + (line + 1) * LINE
    figure = new_figure(WIDTH, height)
    figure.set_layout_engine("none")
    fonts = ["DejaVu Sans Mono", *chinese_fonts()]
    words = written(f"{title} {sentence(reading)}".strip(), fonts)
    figure.text(0.012, 1 - 0.1 / height, words, family=fonts, fontsize=11, weight="bold", va="top", parse_math=False)
    figure.text(0.012, 1 - 0.5 / height, "starts", fontsize=9.5, backgroundcolor=ORANGE)
    figure.text(0.1, 1 - 0.5 / height, "ends", fontsize=9.5, backgroundcolor=SKY)
    figure.text(0.17, 1 - 0.5 / height, "here, the stronger the likelier; the answer is underlined", fontsize=9.5)
    axes = figure.add_axes((0.012, 0.05 / height, 0.976, (line + 1) * LINE / height))
    axes.set(xlim=(0, COLUMNS), ylim=(line + 1, 0))
    axes.axis("off")
    for part, (line, column, width) in zip(parts, places, strict=True):
        _draw_piece(axes, part, line, column, width, fonts)
    return figure


def _draw_piece(axes: Axes, part: Piece, line: int, column: int, width: int, fonts: list[str]) -> None:
    for top, color, share in ((0.06, ORANGE, part.start), (0.47, SKY, part.end)):
        axes.add_patch(Rectangle((column, line + top), width, 0.41, color=color, alpha=min(share, 1.0), linewidth=0))
    if part.chosen:
        axes.plot([column, column + width], [line + 0.93] * 2, color=INK, linewidth=1.6, solid_capstyle="butt")
    font = {"family": fonts, "fontsize": 11, "va": "center_baseline", "parse_math": False}
    axes.text(column, line + 0.5, written(part.text, fonts), **font)


def page_answer(reading: Reading) -> str:
    """The same as HTML, for any script that the reader's browser can write."""
    spans = []
    for part in pieces(reading):
        upper, lower = (f"rgba({_rgb(c)}, {min(p, 1):.3f})" for c, p in ((ORANGE, part.start), (SKY, part.end)))
        style = f"background: linear-gradient({upper} 50%, {lower} 50%);"
        style += f" border-bottom: 2px solid {INK};" * part.chosen
        told = f"starts here: {part.start:.3f}, ends here: {part.end:.3f}"
        spans.append(f'<span style="{style}" title="{told}">{html.escape(part.text)}</span>')
    verdict = f"<b>{html.escape(sentence(reading))}</b>"
    key = "orange: the answer starts here; blue: it ends here"
    text = f'<div style="white-space: pre-wrap; line-height: 1.9; font-size: 15px">{"".join(spans)}</div>'
    return f'<div style="max-width: 640px; color: {INK}">{verdict}{text}<small>{key}</small></div>'


def explore_answer(read: Callable[[str, str], Reading], question: str, context: str) -> None:
    """A question and a context of the learner's own, and the answer marked in it.

    `read(question, context)` reads them; a `ValueError` of it is shown as a sentence, and the last good page stays. The
    still picture is of the first question.
    """

    def checked(question: str, context: str) -> Reading:
        for name, text, longest in (("question", question, LONGEST_QUESTION), ("context", context, LONGEST_CONTEXT)):
            if not text.strip() or len(text) > longest:
                raise ValueError(f"{name}: got {len(text)} characters, but it takes 1 to {longest}, not only blanks")
        return read(question, context)

    look = {"style": {"description_width": "130px"}, "layout": {"width": "640px", "max_width": FITS, "height": "130px"}}
    asked, told = typed("question", question), widgets.Textarea(value=context, description="context", **look)
    told.continuous_update = False
    first = checked(question, context)
    note, page = widgets.HTML(), widgets.HTML(page_answer(first))
    page.add_class("deepseek-lab-answer")

    def redraw(_change) -> None:
        try:
            page.value, note.value = page_answer(checked(asked.value, told.value)), ""
        except ValueError as error:
            note.value = f"<b>Not read:</b> {html.escape(str(error))}"

    for control in (asked, told):
        control.observe(redraw, "value")
    alt = "a question, a context, and how probable each token is as the answer's start and end"
    show_widget(widgets.VBox([asked, told, note, page]), png(plot_answer(first)), alt)


def columns(text: str) -> int:
    """Columns of a monospaced line that a text takes: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text.rstrip("\n"))


def chinese_fonts() -> list[str]:
    """Those of `CHINESE` that are installed."""
    installed = set(font_manager.get_font_names())
    return [name for name in CHINESE if name in installed]


def written(text: str, fonts: Sequence[str]) -> str:
    """The text as a picture can write it: where no Chinese font is among the fonts, with squares (two for a letter)."""
    if len(fonts) > 1:
        return text.replace("\n", " ")
    return "".join(letter if letter.isspace() else drawable(letter) * columns(letter) for letter in text).replace(
        "\n", " "
    )


def _rgb(color: str) -> str:
    return ", ".join(f"{255 * part:.0f}" for part in to_rgb(color))
