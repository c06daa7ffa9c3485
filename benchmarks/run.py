"""All benchmarks, one after the other, each in a process of its own; then one page with a picture.

    python3 course.py bench                              # writes benchmarks/RESULTS.md and benchmarks/results.png
    python3 course.py bench --only moe --only train      # shows these, and writes nothing
    python3 course.py bench --only moe --out FOLDER      # writes the page and the picture there

Everything together takes less than 20 minutes: a benchmark that runs out of time is stopped, and the page says so. One
that fails doesn't stop the others. The old page stays whole until the new one takes its place, also after a Ctrl-C.
"""

import argparse
import ast
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from page import write_page
from rows import Outcome, read_rows

HERE = Path(__file__).resolve().parent
MINUTES = 19  # for all of them; drawing the page takes seconds
# The share of the time that each may take, of what the ones before it have left. Those that need little come first.
SHARES = {
    "sparse_decode": 8, "attention_decode": 10, "train": 18, "moe": 16, "zero": 18, "absorb": 20, "decode": 40,
}  # fmt: skip
PATIENCE = 35  # seconds that a stopped benchmark has to end its own processes: torchrun gives its ranks 30


def title_of(script: Path) -> str:
    """The first line of a benchmark's docstring."""
    return ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))).split("\n")[0]


def run_one(script: Path, limit: float, tiny: bool) -> Outcome:
    """Run one benchmark for at most `limit` seconds. What it measured until then counts."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        results = Path(folder) / "rows.jsonl"
        command = [sys.executable, str(script), "--json", str(results)]
        command += ["--tiny", "--rounds", "2"] if tiny else []
        # A session of its own: all of it can be ended together, and a Ctrl-C reaches this process alone. What it
        # leaves in the folder for temporary files is deleted with ours.
        child = subprocess.Popen(command, start_new_session=True, env={**os.environ, "TMPDIR": folder})
        trouble = ""
        try:
            code = child.wait(limit)
        except subprocess.TimeoutExpired:
            stop(child)
            code, trouble = 0, f"stopped after {limit:.0f} s, its share of the time; what it had measured stands here"
        except BaseException:
            stop(child)
            raise
        rows, error = read_rows(results)
    if code:
        trouble = error or f"it ended with code {code}" + (", killed from outside" if code < 0 else "")
    elif not rows and not trouble:
        trouble = "it ended without measuring anything"
    return Outcome(script.stem, title_of(script), rows, time.monotonic() - begun, trouble)


def stop(child: subprocess.Popen) -> None:
    """End a benchmark and all that it started: asked first, so that torchrun ends its ranks, then killed."""
    for kill in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        end = time.monotonic() + PATIENCE
        if not _send(child, kill):
            return
        while time.monotonic() < end:
            if not _send(child, 0):
                return
            time.sleep(0.1)


def _send(child: subprocess.Popen, number: int) -> bool:
    """Send a signal to a benchmark and what it started (0: only look). -> whether any of it is still there."""
    ended = child.poll() is not None
    if os.name != "posix":  # no groups of processes there
        if not ended and number:
            child.terminate()
        return not ended
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return False
    return True


def run_all(names: list[str], tiny: bool, minutes: float = MINUTES) -> list[Outcome]:
    """Run these one after the other. What one leaves of its time, the later ones may use."""
    end, outcomes = time.monotonic() + 60 * minutes, []
    for number, name in enumerate(names):
        share = SHARES[name] / sum(SHARES[later] for later in names[number:])
        limit = max(1.0, share * (end - time.monotonic()))
        print(f"\n== {name}: {title_of(HERE / f'{name}.py')} (at most {limit:.0f} s)", flush=True)
        outcomes.append(run_one(HERE / f"{name}.py", limit, tiny))
        if outcomes[-1].trouble:
            print(f"{name}: {outcomes[-1].trouble}", flush=True)
    return outcomes


@contextlib.contextmanager
def as_ctrl_c() -> Iterator[None]:
    """A `kill` and a closed terminal end the run as a Ctrl-C does: benchmarks in their own sessions hear neither."""

    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]  # `nohup` ignores one
    for number in numbers:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def main(arguments: list[str]) -> int:
    """Read the arguments, run, write. -> the exit code: 1 where a benchmark failed or was stopped."""
    parser = argparse.ArgumentParser(
        prog="course.py bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=SHARES, help="run this one (may be given several times)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write the page")
    parser.add_argument("--tiny", action="store_true", help="sizes for tests of these scripts: the times mean nothing")
    options = parser.parse_args(arguments)
    out = options.out or (None if options.only or options.tiny else HERE)
    if out:  # seen to before the minutes, not after them
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"--out {out}: {error.strerror}")
        if not os.access(out, os.W_OK):
            parser.error(f"--out {out}: nothing can be written there")
    begun = time.monotonic()
    try:
        with as_ctrl_c():
            outcomes = run_all([name for name in SHARES if name in (options.only or SHARES)], options.tiny)
        if out:
            page = write_page(out, outcomes, time.monotonic() - begun, options.tiny)
            print(f"\nWritten: {page}")
    except KeyboardInterrupt:
        print("\nStopped. Nothing was written; a page that was there is as it was.", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"\nThe page was not written: {error}. What was measured stands above.", file=sys.stderr)
        return 1
    return int(any(outcome.trouble for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
