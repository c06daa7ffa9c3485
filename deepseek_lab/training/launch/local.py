"""Ranks on this machine, started by torchrun, listened to while they run, and ended with the call.

run          writes the job, starts torchrun, reads what ranks write, returns their reports
torchrun     starts the ranks, and ends all when one has failed
ranks        write events, and a report or an error; end by themselves if whoever called `run` is gone
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from torch import Tensor
from tqdm.auto import tqdm

from deepseek_lab.config import DeepSeekConfig
from deepseek_lab.training.launch.job import HELD, Job, Report, prepare

KILLED = re.compile(r"failed \(exitcode: -(\d+)\) local_rank: (\d+) \(pid: (\d+)\)")  # in torchrun's log
GRACE = 3.0  # seconds between the first error and the end of all ranks, whatever they do


class RanksFailed(RuntimeError):
    """A training on several ranks did not come to its end; says which rank was the first to fail, and why."""


def run(
    engine: str,
    world_size: int,
    steps: int,
    *,
    config: DeepSeekConfig | str = "lab",
    tokens: Tensor | None = None,
    checkpoints: str | Path | None = None,
    port: int | None = None,
    progress: Callable[[dict], None] | None = None,
    **settings,
) -> list[Report]:
    """Train on `world_size` real processes of this machine; return each rank's report.

    `engine` is one of "ddp", "zero1", "zero2", "zero3", "fsdp2", "deepspeed". The weights are those that `config` gets
    after `torch.manual_seed(seed)`, the windows those of `PackedWindows(tokens, length, batch, seed)`: the same for any
    engine and any number of ranks. `settings` are further fields of `Job`. With a folder for `checkpoints`, a run that
    finds one there carries on from it.

    `progress(event)` is told of every step of every rank: {"rank", "step", "loss", "seconds"}, of its start {"rank",
    "pid", "host"} and of checkpoints {"rank", "saved"}; by default, a bar shows them. `port` is for the ranks to meet
    at; by default a free one.

    However the call ends, no rank is left. Raises `ValueError` for arguments that don't fit, and `RanksFailed`.
    """
    if port is not None:
        _check_port(port)
    with tempfile.TemporaryDirectory(prefix="ranks-") as name:
        folder = Path(name)
        job = prepare(
            folder, engine, world_size, steps, config=config, tokens=tokens, checkpoints=checkpoints, **settings
        )
        with _Bar(job, progress) as show, _torchrun(folder, job, port) as process:
            failed = _listen(folder, job, process, show)
        if failed is not None:
            raise RanksFailed(failed)
        return [Report.read(folder / f"report-{rank}.json") for rank in range(world_size)]


@contextlib.contextmanager
def _torchrun(folder: Path, job: Job, port: int | None) -> Iterator[subprocess.Popen]:
    """The process; at the end of the context, neither it nor any rank is alive."""
    place = ["--standalone"] if port is None else ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    command = [
        sys.executable, "-m", "torch.distributed.run", *place, "--nproc-per-node", str(job.world_size),
        "--log-dir", str(folder),  # or torchrun would leave a folder of its own behind
        "-m", "deepseek_lab.training.launch.worker", str(folder),
    ]  # fmt: skip
    threads = max(1, (os.cpu_count() or 1) // job.world_size)  # more would fight for the cores
    environment = os.environ | {HELD: "1", "OMP_NUM_THREADS": str(threads), "PYTHONFAULTHANDLER": "1"}
    with (folder / "log.txt").open("wb") as log:
        # A session of its own: an interrupt from the keyboard is for us, and we end the ranks. Standard input is a pipe
        # that nobody writes to: it ends when this process does, even by SIGKILL, and then the ranks end themselves.
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield process
        finally:
            _end(folder, process)


def _end(folder: Path, process: subprocess.Popen) -> None:
    """Ranks first, because torchrun would give a stopped one half a minute."""
    process.stdin.close()
    with contextlib.suppress(ProcessLookupError):
        process.terminate()  # torchrun ends ranks of which we know nothing yet
    for event in _started(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(event["pid"], signal.SIGKILL)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _started(folder: Path) -> list[dict]:
    """The first event of each rank that has one: its process."""
    events = []
    for path in folder.glob("events-*.jsonl"):
        with path.open(encoding="utf-8") as lines, contextlib.suppress(ValueError):
            events.append(json.loads(lines.readline()))
    return events


def _listen(folder: Path, job: Job, process: subprocess.Popen, show: Callable[[dict], None]) -> str | None:
    """Pass on the ranks' events until all have ended; what went wrong, or None."""
    places, deadline = dict.fromkeys(range(job.world_size), 0), None
    while True:
        ended = process.poll() is not None
        for rank in places:
            path = folder / f"events-{rank}.jsonl"
            if path.exists():
                with path.open(encoding="utf-8") as file:
                    file.seek(places[rank])
                    whole, _, _ = file.read().rpartition("\n")
                    places[rank] += len(whole.encode()) + bool(whole)
                for line in whole.splitlines():
                    show(json.loads(line))
        errors = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("error-*.json")]
        if errors and deadline is None:
            deadline = time.monotonic() + GRACE
        if ended or any(error["mine"] for error in errors) or (deadline and time.monotonic() > deadline):
            break
        time.sleep(0.05)
    if not ended or process.returncode != 0 or errors:
        return _why(folder, job, process, errors)
    return None


def _why(folder: Path, job: Job, process: subprocess.Popen, errors: list[dict]) -> str:
    """One message. A rank that failed by itself knows most; else one that saw another fail."""
    errors = sorted(errors, key=lambda error: (not error["mine"], error["rank"]))
    if errors and errors[0]["mine"]:
        return errors[0]["words"]
    log = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").strip()
    if killed := KILLED.search(log):
        number, rank, pid = map(int, killed.groups())
        name = signal.Signals(number).name
        return f"rank {rank} (process {pid}) was ended by {name}: by somebody, or by the system, out of memory"
    if errors:
        return errors[0]["words"]
    last = "\n".join("    " + line for line in log.splitlines()[-12:])
    return f"the {job.world_size} ranks ended with exit code {process.returncode}. Their last words:\n{last}"


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise ValueError(f"port: {port} can't be had ({error}): leave `port` out, or choose another") from None


class _Bar:
    """A progress bar, unless the caller has something else for the events."""

    def __init__(self, job: Job, progress: Callable[[dict], None] | None):
        self.job, self.progress, self.bar = job, progress, None

    def __enter__(self) -> Callable[[dict], None]:
        if self.progress is None:
            self.bar = tqdm(total=self.job.steps, desc=f"{self.job.engine}, {self.job.world_size} ranks", unit="step")
        return self.progress or self._show

    def _show(self, event: dict) -> None:
        if event["rank"] == 0 and "step" in event:
            self.bar.set_postfix_str(f"loss {event['loss']:.3f}", refresh=False)
            self.bar.update(event["step"] + 1 - self.bar.n)

    def __exit__(self, *_) -> None:
        if self.bar is not None:
            self.bar.close()
