"""Run programs confined, and judge what came out."""

import signal
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from deepseek_lab.applications.sandbox.inside.values import shown
from deepseek_lab.applications.sandbox.isolation import isolation, usable_cpus
from deepseek_lab.applications.sandbox.judge import NO_ANSWER, Test, judge, one_line, parse
from deepseek_lab.applications.sandbox.launch import ANSWERS, BOUND_OF_ANSWERS, STATUS, Raw, SandboxError, launch
from deepseek_lab.applications.sandbox.limits import Limits, Result
from deepseek_lab.config import require, require_whole

CLAIMS = ("finished", "error", "exit", "memory", "files", "processes")  # what the program's side may claim
NOT_REACHED = "not reached"


def run_program(source: str, limits: Limits | None = None, allow_missing: bool = False) -> Result:
    """Run a program as a script, confined, and say what came of it.

    Raises `SandboxError` where this system lacks a means of isolation, unless `allow_missing` is set: then the run
    is confined by what there is, and the result's `missing` says what wasn't.
    """
    return _run(source, None, limits or Limits(), allow_missing)


def run_tests(source: str, tests: Sequence[str], limits: Limits | None = None, allow_missing: bool = False) -> Result:
    """Run a program, then each test line in its namespace; `outcomes` has a verdict for each, `passed` for all.

    Values are compared here, not where the program runs, wherever a line has one of these forms: `assert E == L`
    (also `!=`, `is`, `in`, `<`, ...), `assert abs(E - L) < L`, `assert f(...)`, with `and` between such, after any
    statements; E is an expression that computes nothing with what comes from the program, L a literal. If a line has
    another form, `judged_inside` is set. The limit on time is for all of it.

    Equal is what Python finds equal, but True is not 1. An object of a class of the program's own equals no literal,
    whatever its `__eq__` says (`V(1, 2) == (1, 2)` fails, `V(1, 2) == V(1, 2)` asks `__eq__`), and is in none; nor is
    it above or below a number. A value of more than 50,000 items or 256 KiB equals none either.

    Raises as `run_program`, and `ValueError` for a test that isn't Python, or asserts nothing.
    """
    return _run(source, _parsed(tests), limits or Limits(), allow_missing)


def run_many(
    jobs: Iterable[tuple[str, Sequence[str]]],
    limits: Limits | None = None,
    workers: int | None = None,
    allow_missing: bool = False,
) -> list[Result]:
    """`run_tests` for each (source, tests), several at a time (`workers`: one a processor); results in order.

    Raises `ValueError` for less than one worker.
    """
    limits, workers = limits or Limits(), usable_cpus() if workers is None else workers
    require_whole(1, workers=workers)
    parsed = [(source, _parsed(tests)) for source, tests in jobs]
    cancelled = threading.Event()
    isolation()  # once, before several threads ask
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(_run, *job, limits, allow_missing, cancelled) for job in parsed]
        try:
            return [future.result() for future in futures]
        except BaseException:
            cancelled.set()
            pool.shutdown(cancel_futures=True)
            raise


def _parsed(tests: Sequence[str]) -> list[Test]:
    """Test lines, taken apart."""
    lines = isinstance(tests, Sequence) and not isinstance(tests, str) and all(isinstance(test, str) for test in tests)
    require(lines, "tests", shown(tests), "a list of lines, each a string")
    return [parse(test) for test in tests]


def _run(
    source: str,
    tests: list[Test] | None,
    limits: Limits,
    allow_missing: bool,
    cancelled: threading.Event | None = None,
) -> Result:
    """One run, judged."""
    require(isinstance(source, str), "source", shown(source), "a string of Python")
    require(isinstance(limits, Limits), "limits", limits, "Limits")
    have = isolation()
    missing = have.missing_for(limits)
    if have.impossible:
        raise SandboxError(have.impossible)
    if missing and not allow_missing:
        raise SandboxError(
            "this program would not be confined: " + "; ".join(missing) + ". Set allow_missing=True to run it anyway, "
            "if you trust it as much as a program of your own."
        )
    steps = None if tests is None else [list(test.steps) for test in tests]
    raw = launch(source, steps, limits, have.means, cancelled)
    tests = tests or []
    lines = raw.lines(ANSWERS, len(tests) + 1)  # one for the program, and one for each test
    told = [line for line in lines if "test" not in line and line.get("verdict") in CLAIMS]
    answers = _answers(lines, tests)
    verdict, detail = _verdict(raw, told, answered=len(answers) == len(tests))
    reached = bool(told) and told[0]["verdict"] == "finished"
    return Result(
        verdict=verdict,
        detail=detail,
        stdout=raw.streams[1][: limits.output_bytes].decode("utf-8", "replace"),
        stderr=raw.streams[2][: limits.output_bytes].decode("utf-8", "replace"),
        seconds=raw.seconds,
        outcomes=_outcomes(answers, len(tests), f"{verdict}: {detail}" if reached else NOT_REACHED),
        judged_inside=any(test.inside for test in tests),
        missing=missing,
    )


def _verdict(raw: Raw, told: list[dict], answered: bool) -> tuple[str, str]:
    """What ended the run: this side's stop, what the waiting process saw, or else what the program's side told.

    `answered`: whether all that it was asked for came back.
    """
    if raw.stopped == "output" and len(raw.streams[ANSWERS]) > BOUND_OF_ANSWERS:
        return "output", f"the values that the tests ask for come to more than {BOUND_OF_ANSWERS} bytes"
    if raw.stopped:
        return raw.stopped, "stopped at the limit"
    codes = [line["ended"] for line in raw.lines(STATUS, 3) if "ended" in line]
    if not codes:
        return "crash", "the confined processes went away together"
    code = codes[0]
    if code == -signal.SIGXCPU:
        return "timeout", "stopped at the limit of processor time"
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}
        return "crash", names.get(-code, f"signal {-code}")
    finished = bool(told) and told[0]["verdict"] == "finished"
    if not told or (finished and (code != 0 or not answered)):
        return "exit", f"os._exit({code})"
    return told[0]["verdict"], "" if finished else one_line(told[0].get("detail"))


def _answers(lines: list[dict], tests: list[Test]) -> dict[int, str]:
    """The outcome of each test that an answer came for."""
    outcomes: dict[int, str] = {}
    for line in lines:
        number = line.get("test")
        if not isinstance(number, int) or number in outcomes or not 0 <= number < len(tests):
            continue
        if "told" in line:
            outcomes[number] = judge(tests[number], line["told"])
        elif line.get("verdict") in CLAIMS[1:]:
            outcomes[number] = f"{line['verdict']}: {one_line(line.get('detail'))}"
        else:
            outcomes[number] = NO_ANSWER
    return outcomes


def _outcomes(answers: dict[int, str], count: int, last: str) -> tuple[str, ...]:
    """One outcome a test; `last` is that of the test during which the run ended, if it did."""
    reached = next((number for number in range(count) if number not in answers), count)
    outcomes = [*(answers[number] for number in range(reached)), last, *[NOT_REACHED] * count]
    return tuple(outcomes[:count])
