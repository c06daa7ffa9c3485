"""pass@k against counting all choices, and without bias for every rate of success."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab.applications.code.pass_at_k import estimate, pass_at_k


@given(st.integers(1, 9), st.data())
def test_it_is_the_share_of_choices_that_hold_a_working_program(samples, data):
    passed, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    choices = list(itertools.combinations(range(samples), k))
    counted = sum(min(choice) < passed for choice in choices) / len(choices)
    assert pass_at_k(samples, passed, k) == pytest.approx(counted, abs=1e-12)


@given(st.integers(1, 30), st.data(), st.floats(0, 1))
def test_without_bias_and_the_plain_formula_with(samples, data, rate):
    k = data.draw(st.integers(1, samples))

    def mean(value):
        weights = [math.comb(samples, c) * rate**c * (1 - rate) ** (samples - c) for c in range(samples + 1)]
        return sum(weight * value(c) for c, weight in enumerate(weights))

    truth = 1 - (1 - rate) ** k
    assert mean(lambda c: pass_at_k(samples, c, k)) == pytest.approx(truth, abs=1e-9)
    assert mean(lambda c: 1 - (1 - c / samples) ** k) <= truth + 1e-9


def test_large_numbers_and_borders():
    assert pass_at_k(100_000, 1, 1) == pytest.approx(1e-5)
    assert pass_at_k(200, 0, 100) == 0.0
    assert pass_at_k(200, 200, 1) == 1.0
    assert pass_at_k(10, 1, 10) == 1.0


@pytest.mark.parametrize(
    "arguments", [(0, 0, 1), (5, 6, 1), (5, -1, 1), (5, 2, 6), (5, 2, 0), (5, 2.0, 1), (True, 0, 1)]
)
def test_impossible_numbers_are_refused(arguments):
    with pytest.raises(ValueError, match=r"samples|passed|k"):
        pass_at_k(*arguments)


def test_an_interval_knows_that_a_family_is_one_draw():
    many = {f"family {i}": [float(i % 2)] * 50 for i in range(10)}
    single = {f"value {i} {j}": [float(i % 2)] for i in range(10) for j in range(50)}
    families, values = estimate(many), estimate(single)
    assert families.value == values.value == 0.5
    assert families.high - families.low > 3 * (values.high - values.low) > 0
    assert estimate(many) == families, "the same numbers give the same interval"
    assert estimate({"only": [1.0, 0.0]}).low == 0.0
    # that none of 30 independent families works has a chance of 2.5 % if the rate is the upper end
    never, always = estimate({i: [0.0] for i in range(30)}), estimate({i: [1.0] for i in range(30)})
    assert (1 - never.high) ** 30 == pytest.approx(0.025) and never.low == 0.0
    assert always.low == pytest.approx(1 - never.high) and always.high == 1.0
    with pytest.raises(ValueError, match="groups"):
        estimate({})


def test_an_interval_holds_the_truth_about_as_often_as_it_says():
    rng, held = random.Random(0), 0
    for _ in range(60):
        values = {str(i): [float(rng.random() < 0.7)] for i in range(60)}
        found = estimate(values, seed=1)
        held += found.low <= 0.7 <= found.high
    assert held / 60 >= 0.85
