"""Speculative decoding in the text itself: which tokens were guessed and kept, and which the model had to add."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from deepseek_lab.viz.masks import drawable
from deepseek_lab.viz.show import choice, explore, slider, typed
from deepseek_lab.viz.theme import INK, ORANGE, RED, SKY, new_figure, styled

PROMPT, KEPT, ADDED = "prompt", "guessed and kept", "added by the model"
COLORS = {PROMPT: "#EEEEEE", KEPT: SKY, ADDED: ORANGE}
WIDTH, COLUMNS = 7.2, 76  # inches, characters in a line
LINE, ABOVE = 0.23, 0.17  # inches: a line of text, and what replaced guesses over it need
TEXT, SMALL = 11.0, 9.5  # points: a character of the first is a 76th of a line wide
SMALL_COLUMN = SMALL / TEXT  # columns that a character of a replaced guess takes
LONGEST_PROMPT = 300  # characters that the explorer takes


class RoundLike(Protocol):
    """See `inference.speculative.Round`."""

    start: int
    drafted: Sequence[int]
    accepted: int
    added: int | None


@dataclass(frozen=True)
class Mark:
    """One token of the text: what it says, how it came, and the guess that it came instead of, if there was one.

    `dropped`: guesses that were thrown away with it, that one included; nobody looked at the others.
    """

    text: str
    kind: str
    replaced: str | None = None
    dropped: int = 0


def marks(tokens: Sequence[int], rounds: Sequence[RoundLike], spell: Callable[[int], str]) -> list[Mark]:
    """How each token came. `rounds` are in order, and what is before the first is the prompt.

    `spell` gives the text of a token. Raises `ValueError` where the rounds don't give just these tokens.
    """
    found = [Mark(spell(token), PROMPT) for token in tokens[: rounds[0].start if rounds else len(tokens)]]
    written = list(tokens[: len(found)])
    for each in rounds:
        if each.start != len(found):
            raise ValueError(
                f"rounds: got a start of {each.start}, but it takes {len(found)}, where the last one ended"
            )
        kept, rejected = each.drafted[: each.accepted], each.drafted[each.accepted :]
        found += [Mark(spell(token), KEPT) for token in kept]
        written += kept
        if each.added is not None:
            replaced = spell(rejected[0]) if rejected else None
            found.append(Mark(spell(each.added), ADDED, replaced, len(rejected)))
            written.append(each.added)
    if written != list(tokens):
        raise ValueError(f"rounds: got {len(written)} tokens, but it takes those {len(tokens)} that the text has")
    return found


def summary(rounds: Sequence[RoundLike]) -> str:
    """In words: "60 tokens in 25 forwards (0.42 per token), 35 of 72 guesses kept"."""
    written = sum(each.accepted + (each.added is not None) for each in rounds)
    if not written:
        return "no tokens"
    guesses, kept = sum(len(each.drafted) for each in rounds), sum(each.accepted for each in rounds)
    ratio = (
        f"{_counted(written, 'token')} in {_counted(len(rounds), 'forward')} ({len(rounds) / written:.2f} per token)"
    )
    return (
        f"{ratio}, {kept} of {_counted(guesses, 'guess', 'guesses')} kept" if guesses else f"{ratio}, nothing guessed"
    )


@styled
def plot_speculation(
    tokens: Sequence[int], rounds: Sequence[RoundLike], spell: Callable[[int], str], title: str = ""
) -> Figure:
    """The text, each token on the colour of how it came; above it, struck through, the guess that it replaced.

    `tokens`, `rounds`: those of an `inference.speculative.Speculation`; `spell` gives the text of a token. A round is
    a row of kept guesses and the added token that ends it.
    """
    found = marks(tokens, rounds, spell)
    places = lay_out(found)
    heights = [LINE] * (max((line for line, _, _ in places), default=0) + 1)
    for mark, (line, _, _) in zip(found, places, strict=True):
        heights[line] = max(heights[line], LINE + ABOVE * (mark.replaced is not None))
    bottoms = list(accumulate(heights))
    above, below = 0.72, 0.08
    height = above + bottoms[-1] + below
    figure = new_figure(WIDTH, height)
    figure.set_layout_engine("none")
    words = f"{title}: {summary(rounds)}" if title else summary(rounds)
    figure.text(0.012, 1 - 0.1 / height, words, fontsize=11, weight="bold", va="top")
    _draw_key(figure, 1 - 0.5 / height)
    axes = figure.add_axes((0.012, below / height, 0.976, bottoms[-1] / height))
    axes.set(xlim=(0, COLUMNS), ylim=(bottoms[-1], 0))
    axes.axis("off")
    for mark, (line, column, label) in zip(found, places, strict=True):
        _draw_mark(axes, mark, bottoms[line], column, label)
    return figure


def explore_speculation(
    run: Callable[[str, str, int, float], tuple[Sequence[int], Sequence[RoundLike]]],
    spell: Callable[[int], str],
    prompt: str,
    drafters: Sequence[str],
    tokens: Sequence[int] = (1, 2, 3, 4),
    temperatures: Sequence[float] = (0.0, 0.5, 0.8, 1.0),
    start: tuple[int, float] | None = None,
) -> None:
    """`plot_speculation` of a text that is typed, with a list of drafters and sliders for guesses and temperature.

    `run(prompt, drafter, guesses at once, temperature)` returns the tokens and the rounds; a `ValueError` of it is
    shown as a sentence. `start` is the number of guesses and the temperature at first; else the first of each.
    """
    count, temperature = start or (tokens[0], temperatures[0])

    def draw(prompt: str, drafter: str, tokens: int, temperature: float) -> Figure:
        if not 1 <= len(prompt) <= LONGEST_PROMPT:
            raise ValueError(f"prompt: got {len(prompt)} characters, but it takes 1 to {LONGEST_PROMPT}")
        return plot_speculation(*run(prompt, drafter, tokens, temperature), spell, drafter)

    explore(
        draw,
        "a text that was guessed and verified: which guesses were kept, and what the model added",
        prompt=typed("prompt", prompt),
        drafter=choice("drafter", list(drafters), drafters[0]),
        tokens=slider("guesses at once", list(tokens), count),
        temperature=slider("temperature", list(temperatures), temperature),
    )


def lay_out(found: Sequence[Mark]) -> list[tuple[int, int, str]]:
    """Line, column and what to write of each token. A token is given as much room as the guess above it needs."""
    places, line, column = [], 0, 0
    for mark in found:
        label, above = _short(mark.text), _short(mark.replaced or "")
        width = max(len(label), ceil(SMALL_COLUMN * len(above) + 0.4) if above else 0)
        if column + width > COLUMNS:
            line, column = line + 1, 0
        places.append((line, column, label))
        line, column = (line + 1, 0) if mark.text.endswith("\n") else (line, column + width)
    return places


def _draw_mark(axes: Axes, mark: Mark, bottom: float, column: int, label: str) -> None:
    """`bottom`: of its line, in inches from the top."""
    font = {"family": "monospace", "ha": "left", "va": "center_baseline", "parse_math": False}
    place = column + 0.06, bottom - LINE + 0.015
    axes.add_patch(Rectangle(place, max(len(label), 1) - 0.12, LINE - 0.03, facecolor=COLORS[mark.kind], linewidth=0))
    color = "#666666" if mark.kind == PROMPT else INK
    axes.text(column, bottom - LINE / 2, label, fontsize=TEXT, color=color, **font)
    if mark.replaced is not None:
        above, middle = _short(mark.replaced), bottom - LINE - 0.075
        axes.text(column, middle, above, fontsize=SMALL, color=RED, **font)
        axes.plot([column, column + SMALL_COLUMN * len(above)], [middle] * 2, color=RED, linewidth=0.9)


def _draw_key(figure: Figure, y: float) -> None:
    """A patch and a name for each kind, and what is struck through."""
    place, height = 0.014, figure.get_figheight()
    for kind, color in COLORS.items():
        patch = Rectangle((place, y - 0.045 / height), 0.16 / WIDTH, 0.15 / height, facecolor=color, linewidth=0)
        figure.add_artist(patch)
        figure.text(place + 0.24 / WIDTH, y, kind, fontsize=9.5)
        place += (0.24 + 0.074 * len(kind) + 0.22) / WIDTH
    figure.text(place, y, "guess", fontsize=9.5, color=RED)
    figure.add_artist(Line2D([place, place + 0.4 / WIDTH], [y + 0.045 / height] * 2, color=RED, linewidth=0.9))
    figure.text(place + 0.46 / WIDTH, y, "replaced by the token under it", fontsize=9.5)


def _short(text: str) -> str:
    """What is written for a token: signs for blanks, and at most a third of a line."""
    label = drawable(text)
    return label if len(label) <= COLUMNS // 3 else label[: COLUMNS // 3 - 1] + "…"


def _counted(count: int, one: str, more: str | None = None) -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"
