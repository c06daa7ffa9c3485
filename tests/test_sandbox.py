"""Confined runs: what comes back, and what happens where a means of isolation is missing."""

import functools
import importlib
import itertools
from pathlib import Path

import pytest

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
from deepseek_lab.applications.sandbox.launch import readable

isolation_module = importlib.import_module("deepseek_lab.applications.sandbox.isolation")
why_not = functools.cache(isolation_module.why_not)
confined = pytest.mark.skipif(bool(isolation().missing), reason="; ".join(isolation().missing))


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


OBJECTS = """
from fractions import Fraction
class N:
    pass
class A:
    __eq__ = lambda *_: True
    __sub__ = lambda *_: 0
def f(): return N()
def grid(n): return [[0] * n for _ in range(n)]
nan, half, many = float("nan"), Fraction(1, 2), {"a": 1}
import io, sys
print("before")
sys.stdout = io.StringIO()
"""


@confined
def test_values_that_are_not_plain():
    """What holds for any object holds; what is asked of one for what it equals doesn't."""
    right = ["assert f() is not None and f() != 5 and f() not in [1, 2]", "assert grid(300) is not None",
             "assert nan != nan", "x = nan; assert x != x",
             "assert half == 0.5 and abs(half - 0.5) < 1e-9 and half < 1",
             "assert many.keys() == {'a'} and many.items() == {('a', 1)}"]  # fmt: skip
    wrong = ["assert f() is None", "assert f() == 5", "assert f() in [1, 2]", "assert nan == nan", "assert A() == 42"]
    result = run_tests(OBJECTS, right + wrong)
    assert [outcome.split(":")[0] for outcome in result.outcomes] == ["passed"] * 6 + ["failed"] * 5, result
    assert result.stdout == "before\n"


EXCEPTIONS = """
class Meta(type):
    __name__ = __mro__ = property(lambda self: 1 / 0)
class Name(Exception, metaclass=Meta):
    pass
class Code(OSError):
    errno = property(lambda self: 1 / 0)
class Exit(SystemExit):
    code = property(lambda self: 1 / 0)
class Text(str):
    def __contains__(self, other): raise KeyboardInterrupt
    replace = encode = __len__ = __iter__ = __format__ = __contains__
class Says(Exception):
    __str__ = lambda self: Text("hi")
class Shown:
    __repr__ = Says.__str__
class Unshown(metaclass=Meta):
    __repr__ = None
def f(kind): raise kind
"""


@confined
def test_exceptions_that_fight_back():
    calls = ["f(Name)", "f(Code)", "f(Exit)", "f(Says)", r"f(ValueError('\x1b[2Kpassed'))", "exit()", "quit(3)",
             "Shown()", "Unshown()"]  # fmt: skip
    result = run_tests(EXCEPTIONS, [f"assert {call} == 1" for call in calls])
    assert result.outcomes[:7] == ("error: Name", "error: Code", "error: Exit", "error: Says: hi",
        "error: ValueError: [2Kpassed", "exit: sys.exit(None)", "exit: sys.exit(3)")  # fmt: skip
    assert all("can't be compared" in outcome for outcome in result.outcomes[7:])
    assert result.verdict == "finished" and "sandbox/inside" not in result.stderr


@confined
def test_too_much_to_compare_is_said(monkeypatch):
    for module in (run_module, importlib.import_module("deepseek_lab.applications.sandbox.launch")):
        monkeypatch.setattr(module, "BOUND_OF_ANSWERS", 10_000)
    result = run_tests("def f(): return 'x' * 10_000", ["assert f() == 1"])
    assert result.verdict == "output" and "values that the tests ask for" in result.detail


HERE = """
import os, resource, signal, sys
print(os.uname().nodename, sys.orig_argv, sys.executable, "sandbox/inside" in repr(vars(sys)))
print([many - few for few, many in [resource.getrlimit(resource.RLIMIT_CPU)]])
sys.stdout.flush()
try:
    os.kill(1, signal.SIGINT)
except PermissionError:
    pass
os.kill(os.getpid(), signal.SIGXCPU)
"""


@confined
@pytest.mark.skipif("namespaces" not in isolation().means, reason="this system denies namespaces")
def test_the_machine_and_the_course_are_not_named():
    """And time runs out with the signal that says so; an interrupt from within doesn't reach who waits."""
    result = run_program(HERE, Limits(processes=2))
    assert result.stdout.splitlines()[:2] == ["sandbox ['program']  False", "[1]"]
    assert result.verdict == "timeout" and "processor" in result.detail


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
