"""The picture of a speculation: what came how, by hand and from a real one, and an explorer."""

from types import SimpleNamespace

import pytest
import torch
from helpers import tiny
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab.inference.drafters import PromptLookup
from deepseek_lab.inference.speculative import Round, speculate
from deepseek_lab.viz import speculation
from deepseek_lab.viz.show import WIDGET_VIEW
from deepseek_lab.viz.speculation import (
    ADDED,
    COLUMNS,
    KEPT,
    PROMPT,
    Mark,
    explore_speculation,
    lay_out,
    marks,
    plot_speculation,
    summary,
)
from deepseek_lab.viz.theme import png

# Three of a prompt; 3 added; 4, 5 kept and 7 added instead of 6; then 8 kept, which ends the text, and 9 not looked at.
TOKENS = [0, 1, 2, 3, 4, 5, 7, 8]
ROUNDS = [Round(3, (), 0, 3), Round(4, (4, 5, 6, 6), 2, 7), Round(7, (8, 9), 1, None)]


def spell(token: int) -> str:
    return "abcdefghij"[token]


def test_marks_by_hand():
    assert marks(TOKENS, ROUNDS, spell) == [
        *(Mark(letter, PROMPT) for letter in "abc"),
        Mark("d", ADDED),
        Mark("e", KEPT),
        Mark("f", KEPT),
        Mark("h", ADDED, "g", 2),
        Mark("i", KEPT),
    ]
    assert marks([0, 1], [], spell) == [Mark("a", PROMPT), Mark("b", PROMPT)]


def test_summary_by_hand():
    assert summary(ROUNDS) == "5 tokens in 3 forwards (0.60 per token), 3 of 6 guesses kept"
    assert summary(ROUNDS[:1]) == "1 token in 1 forward (1.00 per token), nothing guessed"
    assert summary([]) == "no tokens"


@pytest.mark.parametrize(
    ("tokens", "rounds", "words"),
    [
        (TOKENS, ROUNDS[:2], "rounds: got 7 tokens, but it takes those 8 that the text has"),
        ([*TOKENS[:-1], 3], ROUNDS, "rounds: got 8 tokens, but it takes those 8"),
        (TOKENS, [ROUNDS[0], ROUNDS[2]], "rounds: got a start of 7, but it takes 4"),
    ],
)
def test_rounds_of_another_text_are_refused(tokens, rounds, words):
    with pytest.raises(ValueError, match=words):
        marks(tokens, rounds, spell)


def test_a_real_speculation_has_as_many_marks_as_it_says():
    model = tiny.model()
    found = speculate(model, torch.tensor([[5, 6, 7, 5, 6]]), 30, PromptLookup())
    made = marks(found.tokens[0].tolist(), found.rounds, str)
    assert [int(mark.text) for mark in made] == found.tokens[0].tolist()
    kept, added = (sum(mark.kind == kind for mark in made) for kind in (KEPT, ADDED))
    assert added == found.forwards and kept + added == 30
    guesses = sum(len(each.drafted) for each in found.rounds)
    assert 0 < kept == round(found.acceptance * guesses) and sum(mark.dropped for mark in made) == guesses - kept
    assert summary(found.rounds).startswith(f"30 tokens in {found.forwards} forwards ({found.forwards / 30:.2f}")


words_ = st.text(st.characters(codec="utf-8"), max_size=40)


@given(st.lists(st.tuples(words_, st.none() | words_), max_size=40))
def test_nothing_covers_anything(pairs):
    found = [Mark(text, ADDED, replaced, int(replaced is not None)) for text, replaced in pairs]
    places = lay_out(found)
    end = (0, 0)
    for (line, column, label), mark in zip(places, found, strict=True):
        assert (line, column) >= end, "in reading order"
        room = max(len(label), speculation.SMALL_COLUMN * len(speculation._short(mark.replaced or "")))
        assert column + room <= COLUMNS
        end = (line, column + room)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("word", ["a", "", "\n", " 猫", "😀", "$x_1$", "\ufffd", "x" * 200])
def test_any_text_can_be_drawn(word):
    many = [Round(place, (0, 1), 0, 0) for place in range(50)]
    for tokens, rounds in (([0] * 50, many), ([0] * 3, []), ([], [])):
        assert png(plot_speculation(tokens, rounds, lambda token: word, "title")).startswith(b"\x89PNG")


def test_figure_shows_kinds_and_what_was_replaced():
    figure = plot_speculation(TOKENS, ROUNDS, spell, "lookup")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["a", "b", "c", "d", "e", "f", "h", "g", "i"]
    assert len(axes.lines) == 1, "one guess is struck through"
    colors = [patch.get_facecolor() for patch in axes.patches]
    assert [colors.index(color) for color in colors] == [0, 0, 0, 3, 4, 4, 3, 4]
    assert figure.texts[0].get_text() == f"lookup: {summary(ROUNDS)}"
    without = plot_speculation(TOKENS[:4], ROUNDS[:1], spell)
    assert without.get_figheight() < figure.get_figheight(), "a line with nothing replaced is lower"


def test_explorer_runs_what_was_chosen(monkeypatch):
    made, asked = {}, []

    def run(*given):
        asked.append(given)
        return TOKENS, ROUNDS

    monkeypatch.setattr(speculation, "explore", lambda draw, alt, **controls: made.update(controls, draw=draw))
    explore_speculation(run, spell, "abc", ["MTP", "lookup"], tokens=(1, 2), temperatures=(0.0, 0.8), start=(2, 0.8))
    assert made["prompt"].value == "abc" and made["prompt"].continuous_update is False
    assert (made["tokens"].value, made["temperature"].value, made["drafter"].value) == (2, 0.8, "MTP")
    figure = made["draw"](prompt="xyz", drafter="lookup", tokens=1, temperature=0.0)
    assert asked == [("xyz", "lookup", 1, 0.0)] and figure.texts[0].get_text().startswith("lookup: 5 tokens")
    for wrong in ("", "x" * 301):
        with pytest.raises(ValueError, match=f"prompt: got {len(wrong)} characters, but it takes 1 to 300"):
            made["draw"](prompt=wrong, drafter="MTP", tokens=1, temperature=0.0)


def test_explorer_brings_a_still_and_says_what_is_wrong(shown, monkeypatch):
    boxes = []
    real = speculation.explore.__globals__["widgets"]
    monkeypatch.setitem(
        speculation.explore.__globals__,
        "widgets",
        SimpleNamespace(**vars(real) | {"VBox": lambda children: boxes.append(children) or real.VBox(children)}),
    )
    explore_speculation(lambda *given: (TOKENS, ROUNDS), spell, "abc", ["MTP"])
    assert set(shown[0]) == {"text/plain", "image/png", WIDGET_VIEW}
    prompt, *_, note, picture = boxes[0]
    before, prompt.value = picture.value, ""
    assert "prompt: got 0 characters" in note.value and picture.value == before
    prompt.value = "abc"
    assert note.value == ""
