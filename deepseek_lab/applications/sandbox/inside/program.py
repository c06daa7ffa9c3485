"""Runs the program under test and answers what it is asked. All of this the program may tamper with.

That gains it nothing: expected values never come here, and that a run took its course is told by the process that
waits for this one, not by this one.
"""

import contextlib
import errno
import json
import linecache
import os
import sys
import traceback
import types

import values

NAME = "<program>"
TRACEBACK_CHARACTERS = 4000


def run(source: str, steps: list | None, answers: int) -> None:
    """Execute a source, then steps, one list for each test; write a line of JSON to `answers` for each of them.

    A step is ("do", statement) or ("value", "truth" or "same", expression). Steps of a test that come after one that
    raised are left out. `steps` of None: the program runs as a script does, threads and `atexit` included.
    """

    def answer(**fields) -> None:
        data = (json.dumps(fields) + "\n").encode()
        while data:
            data = data[os.write(answers, data) :]

    module = types.ModuleType("__main__" if steps is None else "program")
    sys.modules[module.__name__] = module
    sys.argv = ["program"]
    linecache.cache[NAME] = (len(source), None, source.splitlines(keepends=True), NAME)
    try:
        exec(compile(source, NAME, "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        answer(**failure(error))
        end(1 if steps is None else None)
    answer(verdict="finished")
    if steps is None:
        end(0)
    for number, test in enumerate(steps):
        try:
            told = [perform(kind, text, module.__dict__) for kind, text in test]
        except BaseException as error:
            answer(test=number, **failure(error))
        else:
            answer(test=number, told=told)
    end(None)


def perform(kind: str, text: str, namespace: dict) -> dict:
    """Do one step; what it gave, as text that the trusted side compares."""
    if kind == "do":
        exec(compile(text, "<test>", "exec", dont_inherit=True), namespace)
        return {}
    value = eval(compile(text, "<test>", "eval", dont_inherit=True), namespace)
    if kind == "truth":
        value = bool(value)
    elif kind == "same":
        value = pair(*value)
    told = {"shown": values.shown(value)}
    try:
        told["value"] = values.encode(value)
    except ValueError as error:
        told["why"] = str(error)
    return told


def pair(left, right):
    """Both, if they are plain values, so that the trusted side compares them; else what they say of each other."""
    try:
        values.encode([left, right])
    except ValueError:
        return bool(left == right)
    return [left, right]


def failure(error: BaseException) -> dict:
    """Which verdict an exception means, and its last lines on standard error."""
    kind = next((base.__name__ for base in type(error).__mro__ if base.__module__ == "builtins"), "BaseException")
    try:
        text = str(error)
    except BaseException:
        text = "<no text>"
    name = type(error).__name__
    if isinstance(error, SystemExit):
        return {"verdict": "exit", "detail": f"sys.exit({values.shown(error.code)})"}
    try:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next  # not the program's own
        lines = "".join(traceback.format_exception(type(error), error, trace))
    except BaseException:
        lines = f"{name}: {text}\n"
    with contextlib.suppress(OSError):
        os.write(2, lines[-TRACEBACK_CHARACTERS:].encode("utf-8", "backslashreplace"))
    verdict, code = "error", getattr(error, "errno", None)
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and code == errno.ENOMEM):
        verdict = "memory"
    elif isinstance(error, OSError) and code in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EMFILE):
        verdict = "files"
    elif (isinstance(error, OSError) and code == errno.EAGAIN) or "can't start new thread" in text:
        verdict = "processes"
    detail = f"{name}: {text}" if text else name
    if kind != name and kind not in ("BaseException", "Exception"):
        detail = f"{detail} (a {kind})"
    return {"verdict": verdict, "detail": detail.replace("\n", " ")[:300]}


def end(code: int | None) -> None:
    """Leave: as a script does, or, for None, at once. What was printed is written out in either case."""
    if code is not None:
        raise SystemExit(code)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            continue
    os._exit(0)
