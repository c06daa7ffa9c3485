"""The answer marked in its text: pieces cover the text, probabilities stay with their characters, input is checked."""

import re

import ipywidgets as widgets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab.viz import answers as drawn
from deepseek_lab.viz.answers import Reading, columns, explore_answer, page_answer, pieces, plot_answer, sentence
from deepseek_lab.viz.theme import png

CONTEXT = "Kelm was founded by Ann Lee.\nIt is old."


def reading_of(context: str = CONTEXT, answer: tuple[int, int] | None = (20, 27), nowhere: float = 0.1) -> Reading:
    offsets = [match.span() for match in re.finditer(r" ?\w+|[^\w ]", context)]
    share = (1 - nowhere) / len(offsets)
    probabilities = [nowhere] + [share] * len(offsets)
    return Reading(context, offsets, probabilities, probabilities, answer)


@given(st.text(alphabet="ab 中。\n-", min_size=1, max_size=30))
def test_pieces_are_the_text(context):
    reading = reading_of(context, None) if re.search(r"[^ ]", context) else None
    if reading is not None:
        assert "".join(piece.text for piece in pieces(reading)) == context
        assert sum(piece.start for piece in pieces(reading)) == pytest.approx(0.9)


def test_the_answer_is_what_is_chosen_without_the_blank_before_it():
    assert "".join(piece.text for piece in pieces(reading_of()) if piece.chosen) == " Ann Lee"
    assert not any(piece.chosen for piece in pieces(reading_of(answer=None)))
    assert [piece.text for piece in pieces(reading_of(answer=(21, 24))) if piece.chosen] == [" Ann"]


def test_tokens_of_one_character_are_added_up():
    reading = Reading("中a", [(0, 1), (0, 1), (1, 2)], [0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1], (0, 1))
    first, second = pieces(reading)
    assert (first.text, first.start, first.end, first.chosen) == ("中", 0.5, 0.5, True)
    assert (second.text, second.start, second.chosen) == ("a", 0.4, False)


def test_sentence():
    assert sentence(reading_of()) == "Ann Lee (not in the context: 1.0%)"
    assert sentence(reading_of(answer=None, nowhere=0.9)) == "not in the context (81.0%)"


def test_page_escapes_what_the_learner_typed():
    page = page_answer(reading_of("<script>alert(1)</script> & more", (0, 8)))
    assert "<script>" not in page and "&lt;" in page and "&amp;" in page
    assert page.count("border-bottom") == len([p for p in pieces(reading_of("<script> x", (0, 8))) if p.chosen])


def test_picture_shows_the_answer():
    with_answer, without = (png(plot_answer(reading_of(answer=where), "Who?")) for where in ((20, 27), None))
    assert with_answer.startswith(b"\x89PNG") and with_answer != without
    assert png(plot_answer(reading_of("南山电子成立于1987年。 " * 9, None))).startswith(b"\x89PNG")


def test_columns():
    assert columns("ab") == 2 and columns("中文a") == 5 and columns("a\n") == 1


@pytest.mark.parametrize("name", ["start", "end"])
def test_wrong_number_of_probabilities(name):
    good = reading_of()
    wrong = {"start": good.start, "end": good.end} | {name: good.start[1:]}
    with pytest.raises(ValueError, match=f"{name}: got 12 probabilities, but it takes 13"):
        pieces(Reading(CONTEXT, good.offsets, **wrong, answer=None))


def test_explorer_reads_again_and_says_what_is_wrong(monkeypatch):
    shown = []
    monkeypatch.setattr(drawn, "show_widget", lambda widget, still, alt: shown.append((widget, still)))
    calls = []

    def read(question: str, context: str) -> Reading:
        calls.append((question, context))
        return reading_of(context, None)

    explore_answer(read, "Who?", CONTEXT)
    (box, still), *_ = shown
    asked, told, note, page = box.children
    assert still.startswith(b"\x89PNG") and isinstance(page, widgets.HTML)
    told.value = "南山电子成立于1987年。"
    assert calls[-1] == ("Who?", told.value) and "南山电子" in page.value and note.value == ""
    kept = page.value
    asked.value = " "
    assert "question: got 1 characters" in note.value and page.value == kept
    asked.value, told.value = "Who?", "x" * 1501
    assert "context: got 1501 characters" in note.value and page.value == kept
