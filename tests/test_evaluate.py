"""What the lab's model is measured with: a counting model, bits per byte, and Python's own parser as a judge."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab.training.evaluate import function_body, function_headers, parse_share, parses
from deepseek_lab.training.ngram import NGram, bits_per_byte


def by_hand(text: list[int], size: int, order: int, discount: float):
    """Interpolated Kneser-Ney from its definition, with dictionaries: a function (context, token) -> probability."""
    grams = Counter(tuple(text[i : i + order]) for i in range(len(text) - order + 1))
    levels = {order: grams}
    for length in range(order - 1, 0, -1):
        levels[length] = Counter(gram[1:] for gram in levels[length + 1])

    def probability(context: tuple, token: int) -> float:
        shorter = probability(context[1:], token) if context else 1 / size
        level = levels[len(context) + 1]
        follow = {gram[-1]: count for gram, count in level.items() if gram[:-1] == context}
        total = sum(follow.values())
        if not total:
            return shorter
        return (max(follow.get(token, 0) - discount, 0) + discount * len(follow) * shorter) / total

    return probability


@given(
    text=st.lists(st.integers(0, 4), min_size=5, max_size=60),
    held_out=st.lists(st.integers(0, 4), min_size=5, max_size=20),
    order=st.integers(1, 4),
    discount=st.sampled_from([0.3, 0.75]),
)
def test_kneser_ney_is_its_definition(text, held_out, order, discount):
    model = NGram(torch.tensor(text), 5, order, discount)
    probability = by_hand(text, 5, order, discount)
    places = range(order - 1, len(held_out))
    expected = [-math.log(probability(tuple(held_out[i - order + 1 : i]), held_out[i])) for i in places]
    assert model.loss(torch.tensor(held_out)) == pytest.approx(np.mean(expected), rel=1e-9)
    context = tuple(held_out[: order - 1])
    assert sum(probability(context, token) for token in range(5)) == pytest.approx(1)


def test_counting_knows_a_text_that_repeats():
    text = torch.arange(50).repeat(20)
    assert NGram(text, 50).loss(text) < 0.1 < NGram(text, 50, order=1).loss(text)
    assert NGram(text, 2048, order=5).loss(torch.randint(2048, (300,))) > 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(order=0), "order: got 0"),
        (dict(order=6), "order: got 6, but it takes at most 5"),
        (dict(discount=1.0), "discount: got 1.0"),
        (dict(tokens=torch.tensor([1, 2])), "tokens: got 2"),
    ],
)
def test_nonsense_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        NGram(**{"tokens": torch.arange(100), "vocab_size": 4096} | arguments)


def test_bits_per_byte():
    assert bits_per_byte(math.log(256), 100, 100) == pytest.approx(8)
    assert bits_per_byte(2 * math.log(2), 50, 200) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="text_bytes: got 0"):
        bits_per_byte(1.0, 0, 0)


SOURCE = '''
import os

def top(a, b=1):
    return a

class C:
    def method(self):
        def inner(x): return x
        async def later(y):
            pass

    @property
    def prop(self):
        """Text."""

def long(
    a,
):
    pass
'''


def test_headers_are_whole_lines_of_functions():
    headers = function_headers([SOURCE, "def broken(:\n"], 3)
    assert sorted(headers) == ["def method(self):\n", "def prop(self):\n", "def top(a, b=1):\n"]
    assert headers == function_headers([SOURCE], 3) and len(function_headers([SOURCE, SOURCE], 2)) == 2
    with pytest.raises(ValueError, match="texts: got '3 function headers', but it takes texts with at least 4"):
        function_headers([SOURCE], 4)


@pytest.mark.parametrize(
    ("completion", "ended", "body"),
    [
        ("    return 1\nx = 2\n", False, "    return 1\n"),
        ("    return 1\n\n\n    y\n@x\n", False, "    return 1\n\n\n    y\n"),
        ("    return 1\n    retu", False, "    return 1\n"),
        ("    return 1\n    return 2", True, "    return 1\n    return 2"),
        ("    retu", False, ""),
        ("x = 1", True, ""),
        ("", False, ""),
        ("", True, ""),
    ],
)
def test_a_function_ends_where_its_indentation_does(completion, ended, body):
    assert function_body("def f():\n", completion, ended) == "def f():\n" + body


@pytest.mark.parametrize(
    ("source", "right"),
    [
        ("def f():\n    return 1\n", True),
        ("def f():\n", False),
        ("def f():\n    return (1\n", False),
        ("def f():\n    '''text\n", False),
        ("def f():\n    x = 1\n      y = 2\n", False),
        ("def f():\n    \x00\n", False),
        ("def f():\n    return " + "(" * 5000, False),
    ],
)
def test_python_judges(source, right):
    assert parses(source) is right


def test_the_share_is_counted():
    answers = {"def a():\n": ("    return 1\nx", False), "def b():\n": ("    return (\nx", False)}
    share, functions = parse_share(list(answers), answers.get)
    assert share == 0.5 and functions == ["def a():\n    return 1\n", "def b():\n    return (\n"]
