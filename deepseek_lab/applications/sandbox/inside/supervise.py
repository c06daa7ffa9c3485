"""The processes around a program: one that confines itself and waits, the first of the namespace, and the program.

The first two hold the pipe on which the verdict depends. The program has no access to it.
"""

import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import confine
import kernel
import program

LINUX = sys.platform == "linux"

OWN_MODULES = ("confine", "kernel", "program", "supervise", "values")
STATUS, ANSWERS = map(int, sys.argv[1:])  # descriptors: for this side alone, and for the program


class Refused(Exception):
    """A means of isolation that was asked for can't be had."""


def say(**fields) -> None:
    """One line to the process that started the run."""
    os.write(STATUS, (json.dumps(fields) + "\n").encode())


def main() -> None:
    """Read a job, confine, run, and say how it ended. Leaves no process behind."""
    parent = os.getppid()
    if LINUX:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")  # short of memory, the system ends this first
    job = read_job()
    if job is None:
        return
    means = job["means"]
    try:
        before = None
        if "namespaces" in means:
            before = attempt("namespaces", confine.enter_namespaces, job["folder"], job["readable"], job["file_bytes"])
        elif job["work"]:
            os.chdir(job["work"])
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # until it is known which process to end
        child = os.fork()
        if child == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            inner = first_of_namespace if "namespaces" in means else become_program
            inner(job, before)
            return
    except Refused as error:
        say(refused=str(error))
        return
    wait_outside(child, tell="namespaces" not in means)


def read_job() -> dict | None:
    """The job; None if who started this went away before all of it was there. Standard input is then empty."""
    with os.fdopen(0, "rb", closefd=False) as stream:
        data = stream.read()
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    return json.loads(data) if data.endswith(b"}") else None


def attempt(name: str, means, *arguments):
    """Apply one means of isolation. Raises `Refused` with the system's reason."""
    try:
        return means(*arguments)
    except (OSError, ValueError) as error:
        raise Refused(f"{name}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """An error's text without its number, and with the file that it is about."""
    text = getattr(error, "strerror", None) or str(error)
    name = getattr(error, "filename", None)
    return f"{name}: {text}" if name else text


def first_of_namespace(job: dict, before: int) -> None:
    """Start the program, wait for it, say how it ended, and take all of the namespace along by leaving.

    The kernel doesn't let others of the namespace end its first process.
    """
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    # Python's handler is the one way in which a signal from within could end this
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, handler)
        become_program(job, before)
        return
    while True:
        ended, status = os.wait()
        if ended == child:
            say(ended=os.waitstatus_to_exitcode(status))
            os._exit(0)


def become_program(job: dict, before: int | None) -> None:
    """Apply what is left of the means to this process, and run the program in it."""
    means = job["means"]
    inside = "namespaces" in means
    try:
        os.setsid()
        if inside:
            attempt("namespaces", confine.become_user)
        if LINUX:
            kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        if LINUX and os.geteuid() == 0 and "seccomp" in means:
            attempt("seccomp", kernel.drop_capabilities)
        if "landlock" in means:
            attempt("landlock", confine.restrict_files, job["readable"], job["work"])
        if "limits" in means:
            attempt("limits", confine.limit_resources, job, before)
        if "seccomp" in means:
            attempt("seccomp", kernel.filter_calls, job["processes"] > 1, not inside)
    except Refused as error:
        say(refused=str(error))
        os._exit(1)
    say(started=True)
    os.close(STATUS)
    sys.path_importer_cache.pop(sys.path.pop(0), None)
    for name in OWN_MODULES:
        sys.modules.pop(name, None)
    program.run(job["source"], job["steps"], ANSWERS)


def wait_outside(child: int, tell: bool) -> None:
    """Wait for the child; when told to end, end it, and whatever came of it."""
    if LINUX:
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    _, status = os.waitpid(child, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    while end_descendants():
        pass
    if tell:
        say(ended=os.waitstatus_to_exitcode(status))


def end_descendants() -> bool:
    """End the processes that the program left behind and that are now this one's children; whether there were any."""
    listed = Path("/proc/self/task", str(os.getpid()), "children")
    for process in listed.read_text().split() if listed.exists() else ():
        os.kill(int(process), signal.SIGKILL)
    try:
        os.wait()
    except ChildProcessError:
        return False
    return True
