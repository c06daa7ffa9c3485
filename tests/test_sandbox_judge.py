"""How tests are judged: values as text, lines taken apart, and what comes of any answer."""

import itertools
import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab.applications.programs import programs
from deepseek_lab.applications.sandbox.inside.values import encode, number, shown
from deepseek_lab.applications.sandbox.judge import judge, parse

rational = st.fractions() | st.decimals(allow_nan=False, places=2) | st.just(Decimal("-inf"))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | rational,
    lambda items: st.lists(items, max_size=3) | st.tuples(items) | st.dictionaries(st.text(), items, max_size=3),
    max_leaves=8,
)


def same(one, other) -> bool:
    """Equal as Python has it, except that truth values aren't numbers."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if type(one) is type(other) and isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


@given(plain, plain)
def test_values_are_equal_where_their_texts_are(one, other):
    assert (encode(one) == encode(other)) is same(one, other)
    assert encode(one) == encode(one)


@given(st.integers() | st.floats(allow_nan=False) | rational)
def test_numbers_come_back(value):
    assert number(encode(value)) == value


def test_values_of_derived_types_and_limits():
    from collections import Counter, namedtuple

    assert encode(Counter("aab")) == encode({"b": 1, "a": 2})
    assert encode(namedtuple("P", "x y")(1, 2)) == encode((1, 2)) != encode([1, 2])
    assert encode({3, 1, 2}) == encode(frozenset([1, 2, 3]))
    assert encode(2.0) == encode(2) != encode(True)
    assert encode(float("nan")) != encode(float("inf")) and number(encode("2")) is None
    loop: list = []
    loop.append(loop)
    for value in (loop, list(range(10**6)), "x" * 10**6, object(), [lambda: 1]):
        with pytest.raises(ValueError):
            encode(value)
    assert len(shown("x" * 1000)) == 200


@pytest.mark.parametrize(
    ("one", "others"),
    [
        (Fraction(1, 2), [0.5, Decimal("0.50"), Fraction(2, 4)]),
        (Fraction(4, 2), [2, 2.0, Decimal("2"), 2 + 0j]),
        (Fraction(1, 10), [Decimal("0.1")]),
        (Decimal("inf"), [float("inf")]),
        ({"a": 1}.keys(), [{"a"}, frozenset("a")]),
        ({"a": 1}.items(), [{("a", 1)}]),
    ],
)
def test_what_python_finds_equal_has_one_text(one, others):
    assert {encode(other) for other in others} == {encode(one)}
    assert encode(one) != encode(0.1)
    with pytest.raises(ValueError, match="too large"):
        encode(Decimal("1e999999"))


def told(*values) -> list[dict]:
    """What the program's side answers, as `inside/program.py` does."""
    answers = []
    for value in values:
        try:
            answers.append({"value": encode(value), "shown": shown(value)})
        except ValueError as error:
            answers.append({"why": str(error), "shown": shown(value)})
    return answers


@pytest.mark.parametrize(
    ("line", "right", "wrong"),
    [
        ("assert f(1) == 2", [2, 2.0], [True, 3, "2", None, [2]]),
        ("assert f(1) == 1", [1], [True]),
        ("assert 2 == f(1)", [2], [3]),
        ("assert f(1) != 2", [3, "2", object(), "x" * 2**18], [2]),
        ("assert f(1) is True", [True], [1, "True", False]),
        ("assert f(1) is None", [None], [False, 0]),
        ("assert f(1) is not None", [0, False, object(), "x" * 2**18], [None]),
        (
            "assert abs(f(1) - 0.3) < 1e-9",
            [0.1 + 0.2, 0.3, Decimal("0.3")],
            [0.31, True, "0.3", None, 10**400, float("nan")],
        ),
        ("assert abs(2 - f(1)) <= 1", [1, 2.5], [3.5]),
        ("assert f(1) in [1, 2]", [1, 2], [True, 3, [1]]),
        ("assert f(1) not in (1, 2)", [3, object()], [1]),
        ("assert f(1) >= 2", [2, 3.5, Fraction(9, 4)], [Fraction(7, 4), 1, "3", True]),
        ("assert f([]) == []", [[]], [(), None, [[]]]),
        ("assert f('') == {'a': [1, (2,)]}", [{"a": [1, (2,)]}], [{"a": [1, [2]]}]),
        ("assert f(1)", [True], [False]),
        ("assert not f(1)", [False], [True]),
    ],
)
def test_a_line_is_judged_outside(line, right, wrong):
    test = parse(line)
    assert not test.inside and len(test.steps) == 1
    assert [judge(test, told(value)) for value in right] == ["passed"] * len(right)
    assert all(judge(test, told(value)).startswith("failed: AssertionError") for value in wrong)


def test_what_is_expected_is_not_sent():
    test = parse("x = Stack(); x.push(77); assert x.pop() == 1234; assert x.size() is False and x.top() != 'secret'")
    assert [kind for kind, _ in test.steps] == ["do", "do", "value", "value", "value"]
    assert not any(word in str(test.steps) for word in ("1234", "False", "secret"))
    assert not test.inside
    assert judge(test, [{}, {}, *told(1234, False, "other")]) == "passed"
    assert judge(test, [{}, {}, *told(1234, 0, "other")]).startswith("failed")


@pytest.mark.parametrize(
    "line", ["assert isinstance(f(1), int)", "assert f(1) == g(2)", "assert f(1) < g(2)",
             "assert f(1) == 1 or f(2) == 2",
             "if f(1) != 2: raise ValueError", "assert math.isclose(f(1), 2)", "assert (f(6) == 42) is True",
             "assert f(6) - 42 == 0", "assert round(f(2) - 2.5, 7) == 0", "assert abs(f(6) - 42) > 0",
             "assert sum(f(i) == i*i for i in range(5)) == 5", "assert sum(v == 42 for v in f(6)) == 1",
             "assert list(map(lambda v: v == 42, f(6))) == [True]", "x = f(6) == 42; assert x is True",
             "x = f(6); assert x - 42 == 0", "x = f(6); x -= 42; assert x == 0", "assert (42 if f(6) else 0) == 42",
             "assert isinstance(f(1), int) is True", "def check(x): return x == 42\nassert check(f(6))"],
)  # fmt: skip
def test_other_lines_are_marked_as_judged_inside(line):
    assert parse(line).inside


@pytest.mark.parametrize(
    "line", ["assert f(2 ** 3, [0] * 5) == 1", "assert [f(i * i) for i in range(3)] == [0, 1, 2]",
             "x = S()\nfor i in range(3): x.push(i * 2)\nassert x.size() == 3", "assert x.is_empty() is True",
             "assert f(lambda a: a > 2, [1, 2, 3]) == [3]", "x = f(1); assert x.ok and not x.all[0]",
             "assert sorted(f([3, 1])) == [1, 3] and len(f([])) == 0 and round(f(2), 3) == 2.5"],
)  # fmt: skip
def test_what_is_done_to_constants_alone_is_no_tampering(line):
    assert not parse(line).inside


def test_the_lines_of_the_course_are_judged_outside():
    chosen = [
        one for split in ("train", "new wording", "new family") for one in itertools.islice(programs(1, split), 15)
    ]
    assert not any(parse(line).inside for one in chosen for line in one.tests)


@pytest.mark.parametrize("line", ["", "# nothing", "pass", "f(2) == 5", "x = f(2)", "if f(2): pass"])
def test_a_line_that_asserts_nothing_is_refused(line):
    with pytest.raises(ValueError, match="assert something.*" + re.escape(shown(line))):
        parse(line)


@pytest.mark.parametrize(
    "line", ["try:\n    f()\nexcept ValueError:\n    pass", "with raises(ValueError): f()",
             "unittest.TestCase().assertEqual(f(1), 2)", "if f(2) != 5: raise ValueError"],
)  # fmt: skip
def test_a_line_that_can_fail_otherwise_is_taken(line):
    assert parse(line).inside


@pytest.mark.parametrize("line", ["assert f(" + "+".join("1" * 900) + ") == 3", "assert " + "not " * 900 + "x"])
def test_a_line_too_deep_is_named(line):
    with pytest.raises(ValueError, match="tests"):
        parse(line)


@pytest.mark.parametrize(
    "answer", [None, 1, [], [1], [{}], [{"value": 2}], [{"value": "["}], [{"value": "[" * 9000}], [{"value": None}],
               [{"value": '["number", []]'}], [{"value": '["number", "0xg"]'}], told(3, 3),
               [{"value": '["number", "0x1/0x0"]'}]],
)  # fmt: skip
@pytest.mark.parametrize("line", ["assert f(1) == 3", "assert abs(f(1) - 3) < 1", "assert f(1) == g(1)"])
def test_anything_may_come_back(line, answer):
    assert judge(parse(line), answer).startswith(("failed", "error"))
