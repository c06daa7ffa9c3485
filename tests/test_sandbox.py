"""Confined runs: what comes back, how tests are judged, and what happens where a means of isolation is missing."""

import functools
import importlib
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab.applications.programs import programs
from deepseek_lab.applications.sandbox import (
    Isolation,
    Limits,
    SandboxError,
    isolation,
    run_many,
    run_program,
    run_tests,
)
from deepseek_lab.applications.sandbox import run as run_module
from deepseek_lab.applications.sandbox.inside.values import encode, number, shown
from deepseek_lab.applications.sandbox.judge import judge, parse
from deepseek_lab.applications.sandbox.launch import readable

isolation_module = importlib.import_module("deepseek_lab.applications.sandbox.isolation")
why_not = functools.cache(isolation_module.why_not)
confined = pytest.mark.skipif(bool(isolation().missing), reason="; ".join(isolation().missing))

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
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


@given(st.integers() | st.floats(allow_nan=False))
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


def told(*values) -> list[dict]:
    return [{"value": encode(value), "shown": shown(value)} for value in values]


@pytest.mark.parametrize(
    ("line", "right", "wrong"),
    [
        ("assert f(1) == 2", [2, 2.0], [True, 3, "2", None, [2]]),
        ("assert f(1) == 1", [1], [True]),
        ("assert 2 == f(1)", [2], [3]),
        ("assert f(1) != 2", [3, "2"], [2]),
        ("assert f(1) is True", [True], [1, "True", False]),
        ("assert f(1) is None", [None], [False, 0]),
        ("assert f(1) is not None", [0, False], [None]),
        ("assert abs(f(1) - 0.3) < 1e-9", [0.1 + 0.2, 0.3], [0.31, True, "0.3", None, 10**400, float("nan")]),
        ("assert abs(2 - f(1)) <= 1", [1, 2.5], [3.5]),
        ("assert f(1) in [1, 2]", [1, 2], [True, 3, [1]]),
        ("assert f(1) not in (1, 2)", [3], [1]),
        ("assert f(1) >= 2", [2, 3.5], [1, "3", True]),
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
             "if f(1) != 2: raise ValueError", "f(1)", "assert math.isclose(f(1), 2)"],
)  # fmt: skip
def test_other_lines_are_marked_as_judged_inside(line):
    assert parse(line).inside


@pytest.mark.parametrize(
    "answer", [None, 1, [], [1], [{}], [{"value": 2}], [{"value": "["}], [{"value": "[" * 9000}], [{"value": None}],
               [{"value": '["number", []]'}], [{"value": '["number", "0xg"]'}], told(3, 3)],
)  # fmt: skip
@pytest.mark.parametrize("line", ["assert f(1) == 3", "assert abs(f(1) - 3) < 1", "assert f(1) == g(1)"])
def test_anything_may_come_back(line, answer):
    assert judge(parse(line), answer).startswith(("failed", "error"))


@confined
def test_a_program_runs():
    result = run_program("import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint(__name__, sys.argv)")
    assert (result.verdict, result.stdout, result.stderr) == ("finished", "out\n__main__ ['program']\n", "err\n")
    assert not result.passed and result.outcomes == () and 0 < result.seconds < 60


@confined
def test_an_error_is_told_with_its_line():
    result = run_program("def f():\n    return 1 / 0\nf()")
    assert (result.verdict, result.detail) == ("error", "ZeroDivisionError: division by zero")
    assert "line 2, in f\n    return 1 / 0" in result.stderr


@confined
def test_the_working_folder_and_the_standard_library():
    source = """
import ssl, sqlite3, decimal, tempfile, random, datetime, hashlib, threading, asyncio, dataclasses, zlib, uuid
@dataclasses.dataclass
class Point:
    x: int
with open("a.txt", "w") as file:
    file.write("kept")
worker = threading.Thread(target=lambda: print(open("a.txt").read()))
worker.start()
worker.join()
print(tempfile.TemporaryFile().write(b"x"), Point(1), asyncio.run(asyncio.sleep(0, "slept")))
"""
    result = run_program(source, Limits(seconds=30))
    assert (result.verdict, result.stdout) == ("finished", "kept\n1 Point(x=1) slept\n"), result
    assert run_program("import os; print(os.listdir('.'))").stdout == "[]\n"


@confined
def test_tests_get_a_verdict_each():
    source = "import os, sys\ndef f(x):\n    return {3: os._exit, 2: sys.exit}.get(x, abs)(x)"
    lines = ["assert f(-1) == 1", "assert f(-1) == 2", "assert f('') == 1", "assert f(2) == 2", "assert g() == 1",
             "assert f(3) == 3", "assert f(0) == 0"]  # fmt: skip
    result = run_tests(source, lines)
    assert [outcome.split(":")[0] for outcome in result.outcomes] == [
        "passed", "failed", "error", "exit", "error", "exit", "not reached"]  # fmt: skip
    assert result.verdict == "exit" and not result.passed
    assert result.outcomes[1] == "failed: AssertionError: assert f(-1) == 2 (got 1)"
    result = run_tests(
        "def f(x):\n    while x: pass", ["assert f(0) is None", "assert f(1) is None"], Limits(seconds=1)
    )
    assert result.outcomes == ("passed", "timeout: stopped at the limit") and result.verdict == "timeout"
    assert run_tests("def f(:", ["assert f() == 1"]).outcomes == ("not reached",)


@confined
def test_objects_are_compared_inside_and_the_result_says_so():
    source = "class P:\n    def __init__(self, x): self.x = x\n    def __eq__(self, other): return self.x == other.x"
    result = run_tests(source, ["assert P(1) == P(1)", "assert P(1) == P(2)", "x = P(1); assert x.x == 1"])
    assert [outcome.split(":")[0] for outcome in result.outcomes] == ["passed", "failed", "passed"]
    assert result.judged_inside
    evil = "class E(int):\n    __eq__ = lambda *_: True\ndef f(): return E(1)"
    assert not run_tests(evil, ["assert f() == sum([1, 1])"]).passed


@confined
def test_many_runs_keep_their_order():
    chosen = list(itertools.islice(programs(0, "train"), 8))
    jobs = [(program.source, program.tests) for program in chosen]
    jobs += [(f"{program.prompt}    pass\n", program.tests) for program in chosen]
    results = run_many(jobs, Limits(seconds=30), workers=3)
    assert [result.passed for result in results] == [True] * 8 + [False] * 8
    assert not any(result.judged_inside for result in results)
    assert run_many([]) == []


@pytest.mark.parametrize(
    "given", [{"seconds": 0}, {"seconds": float("nan")}, {"seconds": "1"}, {"memory_bytes": 1000}, {"processes": 0},
              {"output_bytes": 0}, {"file_bytes": 1.5}, {"file_bytes": 2**60}],
)  # fmt: skip
def test_limits_are_checked(given):
    with pytest.raises(ValueError, match=next(iter(given))):
        Limits(**given)


def test_bad_input_is_named():
    for call, name in [
        (lambda: run_tests("x = 1", "assert x == 1"), "tests"),
        (lambda: run_tests("x = 1", [1]), "tests"),
        (lambda: run_tests("x = 1", ["assert ("]), "tests"),
        (lambda: run_program(b"x = 1"), "source"),
        (lambda: run_program("x = 1", 5), "limits"),
        (lambda: run_many([], workers=0), "workers"),
    ]:
        with pytest.raises(ValueError, match=name):
            call()


def without(*names: str) -> Isolation:
    """The isolation of this system if it denied some means."""
    every = ("namespaces", "landlock", "seccomp", "limits")
    return isolation_module.describe({n: "denied" if n in names else why_not(n) for n in every})


@pytest.mark.parametrize(
    ("denied", "words"),
    [
        (["namespaces", "landlock"], ["files"]),
        (["namespaces", "seccomp"], ["network", "processes"]),
        (["limits"], ["memory"]),
        (["namespaces", "landlock", "seccomp", "limits"], ["files", "network", "processes", "memory"]),
    ],
)
def test_nothing_runs_unconfined_silently(monkeypatch, denied, words):
    here = without(*denied)
    monkeypatch.setattr(run_module, "isolation", lambda: here)
    for run in (lambda: run_program("print(1)"), lambda: run_tests("x = 1", ["assert x == 1"])):
        with pytest.raises(SandboxError, match="allow_missing=True") as caught:
            run()
        assert all(f"{word}" in str(caught.value) for word in words)
    result = run_program("import os; open('a', 'w').write('x'); print(os.listdir())", allow_missing=True)
    assert (result.verdict, result.stdout, result.missing) == ("finished", "['a']\n", here.missing)
    assert run_program("while True: pass", Limits(seconds=0.3), allow_missing=True).verdict == "timeout"
    assert run_program("print('x' * 10**7)", allow_missing=True).verdict == "output"


def test_processes_can_not_be_counted_without_namespaces(monkeypatch):
    here = without("namespaces")
    monkeypatch.setattr(run_module, "isolation", lambda: here)
    with pytest.raises(SandboxError, match="processes=1"):
        run_program("print(1)", Limits(processes=2))


DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        for number in range(3):
            os.close(number)
        time.sleep(100)
    os._exit(0)
os.wait()
"""


def test_even_unconfined_what_is_left_is_ended(monkeypatch):
    """With no means at all, the waiting process still inherits orphans, and ends them."""
    here = without("namespaces", "landlock", "seccomp", "limits")
    monkeypatch.setattr(run_module, "isolation", lambda: here)
    result = run_program(DAEMON, allow_missing=True)
    assert result.verdict == "finished" and result.stdout.strip().isdigit()
    assert not Path("/proc", result.stdout.strip()).exists()


def test_a_means_that_is_denied_is_named(monkeypatch):
    """The system's own reason reaches the user."""
    monkeypatch.setattr(
        importlib.import_module("deepseek_lab.applications.sandbox.launch"), "readable", lambda: ["/no"]
    )
    assert "/no" in isolation_module.why_not("landlock") or "Landlock" in isolation_module.why_not("landlock")


def test_only_python_is_readable():
    assert all(path.startswith("/") for path in readable())
    assert not any(path in ("/", "/home", "/root", "/etc", "/usr", "/proc") for path in readable())


@confined
def test_a_huge_result_of_a_program_stays_within_bounds():
    result = run_program("raise ValueError('x' * 10**7)")
    assert result.verdict == "error" and len(result.detail) <= 300 and len(result.stderr) <= 65536
