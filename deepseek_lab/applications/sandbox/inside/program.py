"""Runs the program under test and answers what it is asked. All of this the program may tamper with.

It can claim to have finished, or to have failed in this way or that, and be believed: "finished", "error" and "memory"
are its own word. What it can't gain so is a test: expected values never come here, and a test passes only by an answer
that equals one.
"""

import builtins
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
        with contextlib.suppress(OSError):  # the program may have closed it; no answer is the answer then
            while data:
                data = data[os.write(answers, data) :]

    module = types.ModuleType("__main__" if steps is None else "program")
    sys.modules[module.__name__] = module
    sys.argv, sys.orig_argv, sys.executable = ["program"], ["program"], ""
    builtins.exit = builtins.quit = sys.exit  # which `site`, left out here, would have added
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
    """Both, if they are plain values, so that the trusted side compares them; else what they say of each other.

    "Not a number" isn't equal to itself, so it doesn't count as plain here.
    """
    try:
        text = values.encode([left, right])
    except ValueError:
        return bool(left == right)
    return bool(left == right) if '["number", "nan"]' in text else [left, right]


def failure(error: BaseException) -> dict:
    """Which verdict an exception means; its last lines go to standard error. Its class is the program's: any of its
    methods may raise, or say something else than it should."""
    name = values.name_of(type(error))
    if not issubclass(type(error), SystemExit):
        write_traceback(error, f"{name}\n")
    try:
        text = str.__str__(str(error))
    except BaseException:
        text = "<no text>"
    detail = f"{name}: {text}" if text else name
    try:
        verdict, detail = classified(error, text, detail)
    except BaseException:
        verdict = "error"
    return {"verdict": verdict, "detail": detail.replace("\n", " ")[:300]}


def write_traceback(error: BaseException, otherwise: str) -> None:
    """The last lines of an exception's traceback to standard error; `otherwise` if there is none to be had."""
    try:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next  # not the program's own
        lines = "".join(traceback.format_exception(type(error), error, trace))
    except BaseException:
        lines = otherwise
    with contextlib.suppress(OSError):
        os.write(2, lines[-TRACEBACK_CHARACTERS:].encode("utf-8", "backslashreplace"))


def classified(error: BaseException, text: str, detail: str) -> tuple[str, str]:
    """Verdict and detail by an exception's kind. Raises whatever the exception's class makes it raise."""
    kinds = type.__dict__["__mro__"].__get__(type(error))
    kind = next(each for base in kinds if vars(builtins).get(each := values.name_of(base)) is base)
    if issubclass(type(error), SystemExit):
        return "exit", f"sys.exit({values.shown(error.code)})"
    if kind not in (values.name_of(type(error)), "BaseException", "Exception"):
        detail = f"{detail} (a {kind})"
    code = error.errno if issubclass(type(error), OSError) else None
    if issubclass(type(error), MemoryError) or code == errno.ENOMEM:
        return "memory", detail
    if code in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EMFILE):
        return "files", detail
    if code == errno.EAGAIN or "can't start new thread" in text:
        return "processes", detail
    return "error", detail


def end(code: int | None) -> None:
    """Leave: as a script does, or, for None, at once. What was printed is written out in either case."""
    if code is not None:
        raise SystemExit(code)
    for name in ("stdout", "stderr", "__stdout__", "__stderr__"):  # the program may have put others in their places
        try:
            getattr(sys, name).flush()
        except BaseException:
            continue
    os._exit(0)
