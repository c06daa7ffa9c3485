"""Exercises: solutions pass in their cells, typical wrong answers fail with their own words, nothing raises."""

import linecache
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from deepseek_lab.course import progress
from deepseek_lab.course.compare import first_difference
from deepseek_lab.course.exercises import NOT_ATTEMPTED
from deepseek_lab.exercises import (
    attention,
    code_generation,
    hierarchical,
    inference,
    moe,
    pretraining,
    question_answering,
    start,
    zero_training,
)

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = {
    "00_start_here": start,
    "01_attention": attention,
    "02_hierarchical_attention": hierarchical,
    "03_moe_routing": moe,
    "04_pretraining": pretraining,
    "05_zero_training": zero_training,
    "06_cached_inference": inference,
    "07_code_generation": code_generation,
    "08_question_answering": question_answering,
}
ALL = [(chapter, exercise) for chapter, module in CHAPTERS.items() for exercise in module.ALL]
each = pytest.mark.parametrize("chapter, exercise", ALL, ids=lambda value: getattr(value, "name", value))


@pytest.fixture(autouse=True)
def empty_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(progress, "_unsaved", set())


def exercise_cell(chapter: str, name: str) -> str:
    """The source of the notebook's cell in which this exercise is checked."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", 4)
    sources = [cell.source for cell in notebook.cells if f"exercises.{name}.check(" in cell.source]
    assert len(sources) == 1
    return sources[0]


def run_cell(chapter: str, source: str, capsys) -> str:
    exec(compile(source, "<cell>", "exec"), {"exercises": CHAPTERS[chapter], "torch": torch})
    return capsys.readouterr().out


@each
def test_untouched_cell_prints_one_fixed_line(chapter, exercise, capsys):
    assert run_cell(chapter, exercise_cell(chapter, exercise.name), capsys) == f"{exercise.name}: {NOT_ATTEMPTED}\n"
    assert progress.solved() == set()


@each
def test_solution_in_its_cell_is_correct(chapter, exercise, capsys):
    cell = exercise_cell(chapter, exercise.name)
    stub = re.search(rf"def {exercise.name}\(.*?\n    \.\.\.", cell, re.S)
    assert stub, "the stub is a function with ... as its body"
    printed = run_cell(chapter, cell.replace(stub.group(), exercise.solution_code), capsys)
    assert re.fullmatch(rf"{exercise.name}: correct on \d+ random inputs\.\n", printed)
    assert progress.solved() == {exercise.name}


@each
def test_typical_mistakes_get_their_own_words(chapter, exercise):
    assert len(exercise.mistakes) >= 2
    for mistake in exercise.mistakes:
        verdict = exercise.verdict(mistake.wrong)
        assert verdict.startswith("not yet. ") and verdict.endswith(mistake.message)
    assert progress.solved() == set()


@each
def test_hints_come_one_after_another_and_start_over(chapter, exercise, capsys):
    for _ in range(len(exercise.hints) + 1):
        exercise.hint()
    lines = capsys.readouterr().out.strip().split("\n")
    assert lines[0] == lines[-1] and len(set(lines)) == len(exercise.hints) >= 2
    exercise.solution()
    assert f"def {exercise.name}(" in capsys.readouterr().out


@each
@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda *args: None, "not attempted yet"),
        (lambda *args: ..., "not attempted yet"),
        (lambda *args: 1 / 0, "stopped with ZeroDivisionError: division by zero"),
        (lambda: 1, "stopped with TypeError"),
        (lambda *args: "text", "not yet. For"),
        (lambda *args: torch.zeros(0), "not yet. For"),
        (lambda *args: [], "not yet. For"),
        (lambda *args: float("nan"), "not yet. For"),
        (7, "check takes your function, but got a int"),
        (None, "check takes your function, but got a NoneType"),
    ],
)
def test_whatever_it_is_given_the_answer_is_a_sentence(chapter, exercise, answer, words):
    assert words in exercise.verdict(answer)
    assert progress.solved() == set()


def test_other_right_answers_are_accepted():
    assert attention.share_keys.verdict(
        lambda k, n: torch.stack([k[:, i * k.shape[1] // n] for i in range(n)], dim=1)
    ).startswith("correct")
    assert attention.mla_cache_bytes.verdict(lambda t, n, c, r, b: t * n * (c + r) * b / 8).startswith("correct")
    assert attention.absorb_scores.verdict(lambda q, w, c: torch.einsum("bhtd,hdc,bsc->bhts", q, w, c)).startswith(
        "correct"
    )
    assert attention.absorb_scores.verdict(lambda q, w, c: (q @ w) @ c[:, None].mT).startswith("correct")


def test_right_values_by_the_wrong_way_are_told_so():
    def makes_keys(q_nope, w_uk, c_kv):
        k = torch.einsum("bsc,hdc->bhsd", c_kv, w_uk)
        return q_nope @ k.transpose(-1, -2)

    verdict = attention.absorb_scores.verdict(makes_keys)
    assert "The values are right, but for one query your function needs 204,800 operations where 15,360" in verdict
    assert progress.solved() == set()


def test_an_answer_that_ends_the_program_or_fails_late_is_a_sentence():
    def leaves(*args):
        raise SystemExit(3)

    def only_large(q_nope, w_uk, c_kv):
        assert q_nope.shape[3] != 16, "not for sixteen"
        return torch.einsum("bhtd,hdc,bsc->bhts", q_nope, w_uk, c_kv)

    assert "stopped with SystemExit: 3" in attention.share_keys.verdict(leaves)
    assert "stopped with AssertionError: not for sixteen" in attention.absorb_scores.verdict(only_large)


def test_an_answer_may_change_its_inputs():
    def in_place(k, num_heads):
        result = k.repeat_interleave(num_heads // k.shape[1], dim=1)
        k.zero_()
        return result

    assert attention.share_keys.verdict(in_place).startswith("correct")


def test_the_learners_own_line_is_quoted():
    source = "def answer(k, num_heads):\n    return k.nonsense(num_heads)\n"
    linecache.cache["cell-7"] = (len(source), None, source.splitlines(keepends=True), "cell-7")
    namespace = {}
    exec(compile(source, "cell-7", "exec"), namespace)
    verdict = attention.share_keys.verdict(namespace["answer"])
    assert "AttributeError: 'Tensor' object has no attribute 'nonsense'" in verdict
    assert 'in the line "return k.nonsense(num_heads)"' in verdict


@pytest.mark.parametrize(
    "answer, expected, words",
    [
        (torch.zeros(2, 3), torch.zeros(3, 2), "the shape is (2, 3), expected (3, 2)"),
        ([1.0], torch.zeros(1), "expected a tensor, but yours is a list"),
        (torch.tensor([1.0, 2.0, 9.0]), torch.tensor([1.0, 2.0, 3.0]), "33% of the values differ, most at [2]"),
        (torch.tensor([float("nan"), 1.0]), torch.tensor([1.0, 1.0]), "50% of the values differ, most at [0]"),
        (torch.tensor(5.0), torch.tensor(4.0), "yours is 5, expected 4"),
        (24, 12, "your number is 24, expected 12, 2 times as much"),
        ("a", 12, "expected a number, but yours is a str"),
        (1, (1, 2), "expected 2 results, but yours is a int"),
        (torch.zeros(2), torch.tensor([1.0, -torch.inf]), "100% of the values differ, most at [1]"),
        (3, float("inf"), "your number is 3, expected inf"),
        ((1, 2, 3), (1, 2), "expected 2 results, yours has 3"),
        ((1, 3), (1, 2), "in result 2, your number is 3, expected 2"),
        ("x", "y", "your answer is 'x', expected 'y'"),
        (1e-9, 0, "your number is 1e-09, expected 0"),
        (torch.tensor([1, 3]), (1, 2), "in result 2, your number is 3, expected 2"),
        (np.array([1.0, 9.0]), torch.tensor([1.0, 3.0]), "50% of the values differ, most at [1]"),
        (np.array(["a"]), 12, "expected a number, but yours is a ndarray"),
        ("12", 12, "expected a number, but yours is a str"),
        (torch.tensor([1 + 2j]), torch.tensor([1.0]), "yours are complex numbers, expected real ones"),
    ],
)
def test_first_difference_in_words(answer, expected, words):
    assert words in first_difference(answer, expected)


@pytest.mark.parametrize(
    "answer, expected",
    [
        (torch.tensor([1.0, 2.0]).double(), torch.tensor([1.0, 2.0])),
        (torch.tensor(3), 3),
        (3.0, 3),
        ((1.0, torch.ones(2)), (1, torch.ones(2))),
        (torch.zeros(0), torch.zeros(0)),
        (torch.tensor([1.0, -torch.inf]), torch.tensor([1.0, -torch.inf])),
        (torch.tensor([True, False]), torch.tensor([True, False])),
        (float("inf"), float("inf")),
        (np.array([1.0, 2.0]), torch.tensor([1.0, 2.0])),
        (np.array([2]), 2),
        (np.array([1, 2]), (1, 2)),
        (torch.tensor([1, 2]), (1, 2)),
        (-1e-15, 0),
    ],
)
def test_equal_answers_have_no_difference(answer, expected):
    assert first_difference(answer, expected) is None


def test_right_answers_in_another_way_are_accepted():
    def loops(logits, bias, K, scale):
        weights = torch.zeros_like(logits)
        for row, choice in enumerate((logits.sigmoid() + bias).tolist()):
            best = sorted(range(len(choice)), key=lambda e: -choice[e])[:K]
            total = sum(torch.sigmoid(logits[row, e]) for e in best)
            for e in best:
                weights[row, e] = scale * torch.sigmoid(logits[row, e]) / total
        return weights

    assert moe.v3_weights.verdict(loops).startswith("correct")
    assert moe.max_vio.verdict(
        lambda experts, E: max((experts == e).sum() for e in range(E)) * E / experts.numel() - 1
    ).startswith("correct")
    assert moe.moe_parameters.verdict(lambda *sizes: list(moe.moe_parameters.reference(*sizes))).startswith("correct")


def test_the_inputs_of_a_failure_are_named():
    def no_guard(predicted, expected):
        return question_answering.overlap.reference(predicted, expected) if expected else 1 / len(predicted)

    def some(best, nowhere, threshold):
        return int(best.argmax()) if best.max() - nowhere.min() > threshold else None

    verdict = question_answering.verdict.verdict(some)
    assert "For best=[2, 5], nowhere=[8, 6], threshold=0.0, your function returned nothing." in verdict
    stopped = question_answering.overlap.verdict(no_guard)
    assert "For predicted=[], expected=[], your function stopped with ZeroDivisionError: division by zero" in stopped
    assert "For k of shape (" in attention.share_keys.verdict(lambda k, n: 1 / 0)


def test_a_threshold_or_a_product_that_is_left_out_is_noticed():
    ignored = question_answering.verdict.verdict(
        lambda best, nowhere, threshold: int(best.argmax()) if best.max() > nowhere.min() else -1
    )
    assert "threshold=2.0, your number is 1, expected -1. The best span has to be better by more than" in ignored
    pairs = [(0, 0), (1, 1), (2, 2)]
    added = question_answering.best_span.verdict(
        lambda start, end, longest: (
            max(pairs, key=lambda p: start[p[0]] + end[p[1]])
            if longest == 1 and len(start) == 3
            else question_answering.best_span.reference(start, end, longest)
        )
    )
    assert added.endswith("Probabilities that both have to hold are multiplied. It is logits that are added.")


def test_a_function_that_forgets_its_return_is_told_so():
    def forgets(logits, temperature):
        (logits / temperature).softmax(dim=-1)

    assert "your function returned nothing. Does it end with a return?" in start.warmed.verdict(forgets)
    assert start.warmed.verdict(lambda logits, temperature: None).startswith("not attempted yet")
