"""Figures of notebook 07: they show the numbers they are given, whatever a model wrote."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from deepseek_lab.applications.code import Candidate, Estimate
from deepseek_lab.viz import programs
from deepseek_lab.viz.programs import drawable_line, explore_candidates, plot_candidates, plot_pass_at_k, plot_scores
from deepseek_lab.viz.theme import png


def texts(figure) -> str:
    """All words of a figure."""
    axes = [text.get_text() for each in figure.axes for text in (*each.texts, each.title, each._left_title)]
    return "\n".join([*axes, *(text.get_text() for text in figure.texts)])


def candidate(source: str, *outcomes: str, times: int = 1) -> Candidate:
    passed = all(outcome == "passed" for outcome in outcomes)
    return Candidate(source, times, SimpleNamespace(outcomes=outcomes, passed=passed))


def test_scores_name_every_model_and_share():
    splits = {"train": Estimate(0.95, 0.9, 0.98), "new": Estimate(0.124, 0.0, 0.3)}
    words = texts(plot_scores({"ours": splits, "before": {name: Estimate(0, 0, 0) for name in splits}}, "pass@1"))
    assert "ours: 95 %" in words and "ours: 12 %" in words and words.count("before: 0 %") == 2


def test_the_best_temperature_is_that_of_the_chosen_k():
    curves = {0.2: [0.8, 0.8, 0.8], 0.8: [0.7, 0.85, 0.9]}
    assert "pass@1: best at 0.2" in texts(plot_pass_at_k(curves, 1))
    assert "pass@3: best at 0.8" in texts(plot_pass_at_k(curves, 3))
    assert {" 0.2", " 0.8"} == {text.get_text() for text in plot_pass_at_k(curves, 3).axes[0].texts}


def test_candidates_show_the_best_program_and_count_the_others():
    found = [candidate("def f(x):\n\treturn '🙂$x$'\n", "passed", "passed", times=3)]
    found += [candidate(f"# {i}\n" * 40, "passed", "failed: 1") for i in range(9)]
    words = texts(plot_candidates(found, "title"))
    assert "passes every test" in words and "2 of 2, written 3x" in words and "10 different, 4 not shown" in words
    assert "    return '□$x$'" in words and "title" in words
    long = texts(plot_candidates(found[1:]))
    assert "passes 1 of 2 tests" in long and "..." in long and len(png(plot_candidates(found[1:]))) > 1000


@pytest.mark.parametrize("line", ["", "    x", "\tx", "x" * 500, "é🙂\x00\x0c", "$a_1$ # %s {}"])
def test_any_line_can_be_drawn(line):
    drawn = drawable_line(line)
    assert len(drawn) <= programs.COLUMNS
    assert len(png(plot_candidates([candidate(line, "passed")]))) > 1000


@dataclass
class Shown:
    """What `explore` was called with."""

    draw: object = None
    controls: dict | None = None


def test_the_explorer_asks_for_what_is_typed_and_refuses_what_is_too_long(monkeypatch):
    shown, asked = Shown(), []

    def keep(draw, _alt, **controls):
        shown.draw, shown.controls = draw, controls

    def solve(*arguments):
        asked.append(arguments)
        return [candidate("x = 1\n", "passed")]

    monkeypatch.setattr(programs, "explore", keep)
    explore_candidates(solve, "def f(x):", "Double x", "assert f(1) == 2")
    values = {name: control.value for name, control in shown.controls.items()}
    assert "5 at temperature 0.8, tested by: assert f(1) == 2" in texts(shown.draw(**values))
    assert asked == [("def f(x):", "Double x", "assert f(1) == 2", 5, 0.8)]
    with pytest.raises(ValueError, match="words: got 201 characters"):
        shown.draw(**values | {"words": "x" * 201})
