"""Hostile programs: each is contained, with its verdict, by each of the ways in which this system can confine."""

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import deepseek_lab
from deepseek_lab.applications.sandbox import FAKED_TEST, FAKES, HOSTILE, VERDICTS, Limits, run_program, run_tests
from deepseek_lab.applications.sandbox import run as run_module

isolation_module = importlib.import_module("deepseek_lab.applications.sandbox.isolation")
SECRET = "nobody else's business"
FORKING = [name for name in HOSTILE if any(word in name for word in ("fork", "thread", "daemon", "subprocess"))]


def with_namespaces():
    return isolation_module.isolation()


def without_namespaces():
    """The isolation of a system that denies namespaces."""
    names = ("landlock", "seccomp", "limits")
    return isolation_module.describe(
        {"namespaces": "denied", **{name: isolation_module.why_not(name) for name in names}}
    )


def survivors() -> list[str]:
    """Command lines of confined interpreters that are still there, and zombies among this process's children."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, stat = (folder / "cmdline").read_text(), (folder / "stat").read_text()
        except OSError:
            continue
        _, _, rest = stat.rpartition(")")
        _, parent, _, session, *_ = rest.split()
        if "sandbox/inside" in command and (int(session) in SESSIONS or parent == "1"):
            found.append(command)
        if rest.split()[:2] == ["Z", str(os.getpid())]:
            found.append(f"zombie {folder.name}")
    return found


SESSIONS: set[int] = set()  # of the confined interpreters that these tests started; other tests may have theirs


@pytest.fixture(scope="module", autouse=True)
def sessions():
    """Notes the session of each interpreter that is started here."""
    launch = importlib.import_module("deepseek_lab.applications.sandbox.launch")
    started, patch = launch.start, pytest.MonkeyPatch()

    def start(*arguments):
        process, pipes = started(*arguments)
        SESSIONS.add(process.pid)
        return process, pipes

    patch.setattr(launch, "start", start)
    yield
    patch.undo()


@pytest.fixture(scope="module", params=[with_namespaces, without_namespaces], ids=["namespaces", "landlock"])
def results(request, tmp_path_factory):
    """What came of every hostile program, and the folder that was none of their business."""
    isolation = request.param()
    if isolation.missing:
        pytest.skip("; ".join(isolation.missing))
    if request.param is with_namespaces and "namespaces" not in isolation.means:
        pytest.skip("this system denies namespaces")
    outside, folder = tmp_path_factory.mktemp("outside"), Path(os.environ.get("TMPDIR", "/tmp"))
    (outside / "secret").write_text(SECRET)
    outside.chmod(0o777)
    before = {path.name for path in folder.iterdir()}

    def run(name: str):
        source = HOSTILE[name].replace("OUTSIDE", str(outside)).replace("PARENT", str(os.getpid()))
        seconds = 0.5 if "timeout" in VERDICTS[name] else 30
        return run_program(source, Limits(seconds=seconds, memory_bytes=2**28))

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(6) as pool:
        patch.setattr(run_module, "isolation", lambda: isolation)
        patch.setenv("SANDBOX_TEST", SECRET)
        found = dict(zip(HOSTILE, pool.map(run, HOSTILE), strict=True))
        faked = dict(zip(FAKES, pool.map(lambda name: run_tests(FAKES[name], [FAKED_TEST]), FAKES), strict=True))
    made = {path.name for path in folder.iterdir()} - before
    return found, faked, outside, {name for name in made if name.startswith(("sandbox-", "hostile"))}


@pytest.mark.parametrize("name", HOSTILE)
def test_is_contained(results, name):
    result = results[0][name]
    assert result.verdict in VERDICTS[name].split(), result
    assert "escaped" not in result.stdout
    assert SECRET not in result.stdout
    assert "sandbox/inside" not in result.stderr
    assert len(result.stdout.encode()) <= 3 * 65536
    assert result.missing == ()


@pytest.mark.parametrize("name", FAKES)
def test_success_is_not_faked(results, name):
    result = results[1][name]
    assert not result.passed, result
    assert not result.judged_inside
    assert len(result.outcomes) == 1


def test_pipes_with_high_numbers():
    """A long run of tests has many files open, so the program's pipes get numbers that a short one never sees."""
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(400)]
    try:
        assert run_program(HOSTILE["claims to have finished"]).verdict == "finished"
        assert run_program(HOSTILE["closes all descriptors"]).verdict == "exit"
        for name, source in FAKES.items():
            assert not run_tests(source, [FAKED_TEST]).passed, name
    finally:
        for number in held:
            os.close(number)


def test_nothing_is_left(results):
    *_, outside, left = results
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_text() == SECRET
    assert (outside / "secret").stat().st_mode & 0o111 == 0
    assert not left
    assert not Path("/dev/shm/hostile-file").exists()
    assert SESSIONS
    assert survivors() == []


@pytest.mark.parametrize("name", FORKING)
def test_processes_are_counted_and_end_with_the_run(name):
    """With more than one process allowed, the kernel counts them and the namespace takes them along."""
    isolation = with_namespaces()
    if "namespaces" not in isolation.means or isolation.missing:
        pytest.skip("this system denies namespaces")
    result = run_program(
        HOSTILE[name], Limits(seconds=1 if "timeout" in VERDICTS[name] else 30, memory_bytes=2**28, processes=4)
    )
    expected = "finished" if name.startswith("daemon") else VERDICTS[name]
    assert result.verdict in expected.split(), result
    assert "escaped" not in result.stdout
    assert survivors() == []


COUNT = """
import os, time
made = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(100)
        made += 1
except OSError:
    print(made)
"""


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_as_many_processes_as_allowed(processes):
    if "namespaces" not in with_namespaces().means:
        pytest.skip("this system denies namespaces")
    assert run_program(COUNT, Limits(processes=processes)).stdout == f"{processes - 1}\n"


INTERRUPTED = """
import signal, sys, types
sys.modules["deepseek_lab"] = package = types.ModuleType("deepseek_lab")  # without torch, which takes seconds
package.__path__ = ["{package}"]
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started the tests with it ignored
from deepseek_lab.applications.sandbox import Limits, isolation, run_program, run_many
if isolation().missing:
    sys.exit("missing")
print("ready", flush=True)
try:
    {call}
except KeyboardInterrupt:
    print("interrupted")
"""
CALLS = {
    "one": "run_program('while True: pass', Limits(seconds=20))",
    "many": "run_many([('while True: pass', [])] * 8, Limits(seconds=20), workers=2)",
}


def confined(session: int) -> list[str]:
    """Processes below a session that run the confined interpreter."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    family, grown = {str(session)}, True
    while grown:
        grown = {pid for pid, parent, _ in rows if parent in family} - family
        family |= grown
    return [pid for pid, _, text in rows if pid in family and "sandbox/inside" in text]


def alive(pids: list[str]) -> list[str]:
    """Those of the processes that still run a confined interpreter."""
    left = []
    for pid in pids:
        with contextlib.suppress(OSError):
            if "sandbox/inside" in Path("/proc", pid, "cmdline").read_text():
                left.append(pid)
    return left


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_nothing_survives_its_parent(call, how):
    """Interrupted, it tidies up; killed, the kernel does."""
    if with_namespaces().missing:
        pytest.skip("; ".join(with_namespaces().missing))
    code = INTERRUPTED.format(call=CALLS[call], package=Path(deepseek_lab.__file__).parent)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        deadline, pids = time.monotonic() + 20, []
        while len(pids) < 2 * (1 if call == "one" else 2) and time.monotonic() < deadline:
            pids = confined(process.pid)
            time.sleep(0.05)
        assert pids
        process.send_signal(signal.Signals[how])
        printed = process.stdout.read()
        process.wait()
    assert printed == ("interrupted\n" if how == "SIGINT" else "")
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive(pids) == []
