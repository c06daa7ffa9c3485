"""Starts the confined interpreter, reads what comes out of it with a bound, and leaves nothing of it behind."""

import contextlib
import json
import os
import selectors
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from deepseek_lab.applications.sandbox.limits import Limits

INSIDE = Path(__file__).parent / "inside"
STATUS, ANSWERS = 3, 4  # streams of a run, besides 1 and 2, which are what the program prints
BOUND_OF_ANSWERS = 2**22  # bytes: all that a run may send back
START_SECONDS = 60.0  # for the interpreter to come up, on a busy machine
END_SECONDS = 10.0  # for it to end when told to
LOOK_SECONDS = 0.05  # between two looks at the clock and the folder
MOST_FILES = 256  # in a folder on disk; in memory the kernel counts


class SandboxError(RuntimeError):
    """A run that couldn't be started, or can't be confined as asked."""


class Cancelled(Exception):
    """Another run of the same batch failed, or the user interrupted it."""


@dataclass
class Raw:
    """What came out of one run, unjudged."""

    streams: dict[int, bytearray] = field(default_factory=lambda: {n: bytearray() for n in (1, 2, STATUS, ANSWERS)})
    stopped: str = ""  # the limit that the run was stopped for: "timeout", "output", "files"
    seconds: float = 0.0

    def lines(self, stream: int, most: int) -> list[dict]:
        """Those of the stream's first lines that are JSON objects; the program may write anything to `ANSWERS`."""
        found = []
        for line in bytes(self.streams[stream]).split(b"\n", most)[:most]:
            with contextlib.suppress(ValueError, RecursionError):
                value = json.loads(line)
                if isinstance(value, dict):
                    found.append(value)
        return found


def launch(
    source: str,
    steps: list | None,
    limits: Limits,
    means: tuple[str, ...],
    cancelled: threading.Event | None = None,
) -> Raw:
    """Run a source, and steps after it (see `inside/program.py`), confined by `means`.

    Raises `SandboxError` where the interpreter doesn't come up or the system refuses one of the means, and
    `Cancelled` soon after that event is set.
    """
    with contextlib.ExitStack() as stack:
        work = None
        if "namespaces" not in means:
            work = stack.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True))
            work = str(Path(work).resolve())
        job = {
            "source": source, "steps": steps, "means": means, "work": work, "readable": readable(),
            "folder": str(Path(tempfile.gettempdir()).resolve()), "seconds": limits.seconds,
            "memory_bytes": limits.memory_bytes, "file_bytes": limits.file_bytes, "processes": limits.processes,
        }  # fmt: skip
        try:
            process, pipes = start(json.dumps(job).encode(), stack)
        except OSError as error:
            raise SandboxError(f"the confined interpreter can't be started: {error}") from error
        raw = Raw()
        watch(raw, process, pipes, limits, work, cancelled)
        end(process)
    for line in raw.lines(STATUS, 3):
        if "refused" in line:
            raise SandboxError(line["refused"])
    return raw


def readable() -> list[str]:
    """The files and folders that Python needs: its standard library, and the libraries that its modules load."""
    paths = [sysconfig.get_path("stdlib"), f"{sys.base_prefix}/lib", f"{sys.base_exec_prefix}/{sys.platlibdir}"]
    paths += ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/dev/null", "/dev/urandom"]
    there: list[str] = []
    for path in dict.fromkeys(paths):
        within_another = any(Path(path).is_relative_to(other) for other in there)
        if Path(path).exists() and not within_another:
            there.append(path)
    return there


def start(job: bytes, stack: contextlib.ExitStack) -> tuple[subprocess.Popen, dict[int, int]]:
    """A fresh interpreter with the job, and the pipes to read from. `stack` ends it and closes them."""
    # -I and -S leave out the user's folders, environment and packages.
    command = [sys.executable, "-I", "-S", "-X", "utf8", str(INSIDE)]
    reads, writes = {}, {}
    closing = stack.enter_context(contextlib.ExitStack())
    for name in (STATUS, ANSWERS):
        reads[name], writes[name] = os.pipe()
        stack.callback(os.close, reads[name])
        closing.callback(os.close, writes[name])
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [*command, str(writes[STATUS]), str(writes[ANSWERS])],
        stdin=pipe, stdout=pipe, stderr=pipe, env={}, cwd="/", pass_fds=tuple(writes.values()), start_new_session=True,
    )  # fmt: skip
    stack.callback(end, process)
    closing.close()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(job)
        process.stdin.close()
    return process, {1: process.stdout.fileno(), 2: process.stderr.fileno(), **reads}


def watch(
    raw: Raw,
    process: subprocess.Popen,
    pipes: dict[int, int],
    limits: Limits,
    work: str | None,
    cancelled: threading.Event | None,
) -> None:
    """Read until all pipes are closed, or a limit is passed. The clock runs from the program's first line on.

    Raises `Cancelled`, and `SandboxError` if the program's process doesn't start in time.
    """
    deadline, began = time.monotonic() + START_SECONDS, None
    with selectors.DefaultSelector() as selector:
        for name, pipe in pipes.items():
            selector.register(pipe, selectors.EVENT_READ, name)
        while selector.get_map():
            if cancelled is not None and cancelled.is_set():
                raise Cancelled
            now = time.monotonic()
            if now >= deadline:
                if began is None:
                    raise SandboxError(f"the confined interpreter didn't start within {START_SECONDS:.0f} seconds")
                raw.stopped = "timeout"
                break
            ready = selector.select(min(LOOK_SECONDS, deadline - now))
            if not ready and process.poll() is not None:
                break  # somebody else holds a pipe open: another thread forked just when this one started
            for key, _ in ready:
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fd)
                raw.streams[key.data] += data
            if began is None and b"started" in raw.streams[STATUS]:
                began = time.monotonic()
                deadline = began + limits.seconds
            raw.stopped = passed_limit(raw, limits, work)
            if raw.stopped:
                break
    raw.seconds = 0.0 if began is None else time.monotonic() - began


def passed_limit(raw: Raw, limits: Limits, work: str | None) -> str:
    """The limit of output or files that a run has passed; empty if none."""
    bounds = {1: limits.output_bytes, 2: limits.output_bytes, ANSWERS: BOUND_OF_ANSWERS}
    for stream, bound in bounds.items():
        if len(raw.streams[stream]) > bound:
            return "output"
    if work is not None:
        sizes = []
        with os.scandir(work) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    sizes.append(entry.stat(follow_symlinks=False).st_size)
        if len(sizes) > MOST_FILES or sum(sizes) > limits.file_bytes:
            return "files"
    return ""


def end(process: subprocess.Popen) -> None:
    """End a run, with all its processes, and wait until they are gone."""
    try:
        if process.poll() is None:
            process.terminate()  # it ends the others first, and waits for them
            process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()  # if it is there still: the kernel then ends its child, and that one's namespace
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                stream.close()
