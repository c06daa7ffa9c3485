"""Ranks from one call: the same training under every engine, and nothing left of it however it ends."""

import getpass
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import torch
from helpers.small_disk import small_disk
from helpers.zero_jobs import WIDE

from deepseek_lab import DeepSeekConfig
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.training.corpus import python_corpus
from deepseek_lab.training.data import PackedWindows
from deepseek_lab.training.launch import RanksFailed, Report, prepare, run
from deepseek_lab.training.launch.worker import next_token_loss
from deepseek_lab.training.pretrain import parameter_groups

pytestmark = pytest.mark.slow  # ranks are started

CONFIG = WIDE.replace(num_hidden_layers=2)
SMALL = {"config": CONFIG, "batch": 4, "length": 16}
LIMIT = 30  # seconds in which all ranks have to end after one is lost


class Listener:
    """What `progress` heard, and something to do when a rank has finished a step."""

    def __init__(self, when: tuple[int, int] | None = None, do=None):
        self.events, self.pids, self.when, self.do, self.done_at = [], {}, when, do, None

    def __call__(self, event: dict) -> None:
        self.events.append(event)
        if "pid" in event:
            self.pids[event["rank"]] = event["pid"]
        if self.when == (event["rank"], event.get("step")) and self.done_at is None:
            self.done_at = time.monotonic()
            self.do(self.pids)

    def alive(self) -> list[int]:
        """Processes that are there and no zombies."""
        return [pid for pid in self.pids.values() if is_alive(pid)]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def plain_losses(steps: int, lr: float = 1e-3) -> list[float]:
    """The same training, unsharded and by hand."""
    torch.manual_seed(0)
    model = DeepSeekForCausalLM(CONFIG)
    optimizer = torch.optim.AdamW(parameter_groups(model, 0.1), lr=lr, betas=(0.9, 0.95))
    windows, losses = PackedWindows(python_corpus().train, SMALL["length"], SMALL["batch"]), []
    for step in range(steps):
        loss = next_token_loss(model, windows.batch_at(step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.fixture(scope="module")
def wanted():
    return plain_losses(5)


@pytest.mark.parametrize("engine", ["ddp", "zero1", "zero2", "zero3", "fsdp2", "deepspeed"])
def test_every_engine_trains_the_same(engine, wanted):
    if engine == "deepspeed":
        pytest.importorskip("deepspeed", reason="DeepSpeed is an optional extra")
    listener = Listener()
    reports = run(engine, 2, 5, **SMALL, accumulate=2, progress=listener)
    assert [report.rank for report in reports] == [0, 1]
    numbers = sum(p.numel() for p in DeepSeekForCausalLM(CONFIG).parameters())
    shares = {"ddp": (4, 4, 8), "zero1": (4, 4, 4), "zero2": (4, 2, 4), "zero3": (2, 2, 4), "fsdp2": (2, 2, 4)}
    for report in reports:
        assert report.losses == pytest.approx(wanted, abs=2e-6 * max(wanted))
        assert report.first_step == 0 and len(report.seconds) == len(report.grad_norms) == 5
        if engine in shares:
            assert [report.bytes[kind] / numbers for kind in ("parameters", "gradients", "optimizer")] == pytest.approx(
                shares[engine], rel=0.02
            )
        assert report.bytes_sent > 0
    assert sorted((e["rank"], e["step"]) for e in listener.events if "step" in e) == [
        (rank, step) for rank in range(2) for step in range(5)
    ]
    assert listener.alive() == []


def test_a_timeline_comes_with_the_report():
    report, _ = run("zero3", 2, 3, **SMALL, timeline=True, progress=Listener())
    kinds = {event["kind"] for event in report.events}
    assert kinds == {"gather", "forward", "backward", "reduce", "update", "release"}


def test_a_killed_rank_is_named_and_a_restart_goes_on_from_the_last_checkpoint(tmp_path):
    unbroken = run("zero2", 2, 8, **SMALL, progress=Listener())
    listener = Listener((1, 5), lambda pids: os.kill(pids[1], signal.SIGKILL))
    many = {**SMALL, "checkpoints": tmp_path, "save_every": 2}
    with pytest.raises(RanksFailed, match=r"^rank 1 \(process \d+\) was ended by SIGKILL"):
        run("zero2", 2, 400, **many, progress=listener)
    assert time.monotonic() - listener.done_at < LIMIT
    assert listener.alive() == []
    kept = sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(".tmp"))
    assert kept[-1] >= "step-000004"
    done = int(kept[-1].removeprefix("step-"))
    reports = run("zero2", 2, done + 2, **many, progress=Listener())
    assert reports[0].first_step == done
    if done == 6:  # as it is unless the kill came late: the very same numbers as without a break
        assert reports[0].losses == unbroken[0].losses[6:]
    with pytest.raises(RanksFailed, match=r"lr: got 0\.002, but it takes 0\.001, as in the checkpoint"):
        run("zero2", 2, done + 2, **many, lr=2e-3, progress=Listener())
    again = run("zero2", 2, done + 2, **many, progress=Listener())
    assert (again[0].first_step, again[0].losses) == (done + 2, [])


def test_a_frozen_rank_is_named():
    listener = Listener((1, 200), lambda pids: os.kill(pids[1], signal.SIGSTOP))  # some seconds after the start
    with pytest.raises(RanksFailed, match=r"^rank 1 \(process \d+ on .*\) is gone: killed, or frozen.* in step \d+$"):
        run("zero3", 2, 40_000, **SMALL, progress=listener, patience=6)
    assert time.monotonic() - listener.done_at < 6 + 10
    assert listener.alive() == []


def in_rank_1(folder: Path, monkeypatch, what: str) -> None:
    """Ranks import this before anything else: the fourth loss that rank 1 computes comes to nothing."""
    (folder / "sitecustomize.py").write_text(
        "import os, time\n"
        "if os.environ.get('RANK') == '1':\n"
        "    import torch.nn.functional as F\n"
        "    whole, calls = F.cross_entropy, []\n"
        "    def cross_entropy(*given):\n"
        "        calls.append(1)\n"
        f"        {what}\n"
        "        return whole(*given)\n"
        "    F.cross_entropy = cross_entropy\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.mark.parametrize("engine", ["ddp", "zero3"])
def test_a_rank_in_an_endless_loop_is_named(engine, tmp_path, monkeypatch):
    in_rank_1(tmp_path, monkeypatch, "while len(calls) > 3: time.sleep(0.01)")
    listener = Listener()
    with pytest.raises(RanksFailed) as caught:
        run(engine, 2, 400, **SMALL, progress=listener, patience=5)
    words = str(caught.value)
    assert words.startswith("rank 1 (process ") and "hangs: for 5 s no rank has got further" in words
    assert "rank 1 is in step 3, at sitecustomize.py:7, cross_entropy" in words
    assert listener.alive() == []


def test_an_error_of_one_rank_in_mid_step_is_told_and_ends_all(tmp_path, monkeypatch):
    in_rank_1(tmp_path, monkeypatch, "if len(calls) > 3: raise OSError('no more of this')")
    listener = Listener()
    with pytest.raises(RanksFailed, match=r"^rank 1 \(process .*\) failed in step 3: OSError: no more of this$"):
        run("zero2", 2, 400, **SMALL, progress=listener)
    assert listener.alive() == []


SCRIPT = """
import json
from deepseek_lab.training.launch import run
from test_launch import SMALL
def show(event):
    if "pid" in event or event.get("step") == 2:
        print(json.dumps(event), flush=True)
run("zero1", 2, 100000, **SMALL, progress=show)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_no_rank_outlives_an_interrupted_or_killed_caller(name):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    caller = subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment, **pipes)
    pids, steps = [], 0
    while steps < 2:
        event = json.loads(caller.stdout.readline())
        pids += [event["pid"]] if "pid" in event else []
        steps += "step" in event
    children = subprocess.run(["pgrep", "-P", str(caller.pid)], capture_output=True, text=True).stdout.split()
    caller.send_signal(signal.Signals[name])
    errors = caller.communicate(timeout=LIMIT)[1]
    assert name == "SIGKILL" or "KeyboardInterrupt" in errors
    # An interrupted call returns when all is over; ranks of a killed one end by themselves.
    end = time.monotonic() + (LIMIT if name == "SIGKILL" else 0)
    everyone = [*pids, *map(int, children)]
    while any(map(is_alive, everyone)) and time.monotonic() < end:
        time.sleep(0.2)
    assert len(everyone) == 3 and not any(map(is_alive, everyone))


def test_a_port_that_is_taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ValueError, match=rf"^port: {port} can't be had .*in use"):
            run("zero1", 2, 1, **SMALL, port=port)
    assert run("zero1", 2, 1, **SMALL, port=port, progress=Listener())[0].losses


def test_a_full_disk_loses_no_checkpoint(tmp_path):
    with small_disk(tmp_path / "disk", megabytes=6) as folder:  # one checkpoint fits, two don't
        many = {**SMALL, "checkpoints": folder, "save_every": 2}
        listener = Listener()
        with pytest.raises(RanksFailed, match=r"No space left") as caught:
            run("zero3", 2, 400, **many, progress=listener)
        assert "rank" in str(caught.value) and "step-" in str(caught.value)
        assert listener.alive() == []
        kept = [path.name for path in folder.iterdir() if not path.name.endswith(".tmp")]
        assert len(kept) >= 1
        done = int(max(kept).removeprefix("step-"))
        assert run("zero3", 2, done, **many, progress=Listener())[0].first_step == done


def test_a_disk_too_full_for_the_text_is_named(tmp_path):
    with small_disk(tmp_path / "disk", megabytes=1) as folder:
        tokens = torch.zeros(2_000_000, dtype=torch.uint8)
        with pytest.raises(OSError, match=r"No space left.*make room") as caught:
            prepare(folder / "job", "zero1", 2, 1, tokens=tokens)
        assert str(caught.value).startswith(str(folder / "job"))


def test_a_corrupt_shard_is_named(tmp_path):
    many = {**SMALL, "checkpoints": tmp_path, "save_every": 1}
    run("zero2", 2, 2, **many, progress=Listener())
    newest = max(path for path in tmp_path.iterdir() if path.is_dir())
    shard = max(newest.glob("*.safetensors"), key=lambda path: path.name)
    content = bytearray(shard.read_bytes())
    content[-100] ^= 1
    shard.write_bytes(content)
    with pytest.raises(RanksFailed, match=shard.name):
        run("zero2", 2, 4, **many, progress=Listener())
    for path in newest.iterdir():
        path.unlink()
    newest.rmdir()
    assert run("zero2", 2, 4, **many, progress=Listener())[0].first_step == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"engine": "zero4"}, "engine: got 'zero4'"),
        ({"world_size": 0}, "world_size: got 0"),
        ({"batch": 3}, "batch: got 3, but it takes a multiple of 2"),
        ({"steps": -1}, "steps: got -1"),
        ({"config": "v9"}, "v9"),
        ({"tokens": torch.tensor([600])}, "tokens: got 600"),
        ({"dtype": "fp8"}, "dtype: got 'fp8'"),
        ({"save_every": 2}, "save_every: got 2"),
        ({"engine": "ddp", "timeline": True}, "timeline: got True"),
        ({"learning_rate": 1}, "learning_rate"),
    ],
    ids=lambda case: next(iter(case)) if isinstance(case, dict) else "",
)
def test_wrong_arguments_are_refused_before_anything_starts(wrong, words):
    with pytest.raises(ValueError) as caught:
        run(**{"engine": "zero1", "world_size": 2, "steps": 1, **SMALL, **wrong})
    assert words in str(caught.value)


def test_an_error_of_a_rank_reaches_the_caller():
    with pytest.raises(RanksFailed, match=r"^rank [01] .* failed in building the engine: .*fp16"):
        run("zero1", 2, 1, **SMALL, dtype="float16", progress=Listener())


def test_the_lab_is_the_default_and_no_folder_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # the ranks' too
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reports = run("zero2", 1, 1, progress=Listener())
    left = [path.name for path in tmp_path.iterdir()]
    assert set(left) <= {f"torchinductor_{getpass.getuser()}"}  # PyTorch's cache, one for all processes
    assert reports[0].bytes["parameters"] == 4 * sum(
        p.numel() for p in DeepSeekForCausalLM(DeepSeekConfig.preset("lab")).parameters()
    )


@pytest.fixture
def two_hosts():
    """Two network namespaces joined by a cable: nothing but the network is between them."""
    names, address = ("lab-a", "lab-b"), "10.77.0."
    commands = [f"ip netns add {name}" for name in names]
    commands += ["ip link add lab-va netns lab-a type veth peer name lab-vb netns lab-b"]
    for number, (name, link) in enumerate(zip(names, ("lab-va", "lab-vb"), strict=True), start=1):
        commands += [f"ip -n {name} addr add {address}{number}/24 dev {link}", f"ip -n {name} link set {link} up"]
        commands += [f"ip -n {name} link set lo up"]
    try:
        for command in commands:
            try:
                done = subprocess.run(command.split(), capture_output=True, text=True)
            except OSError as error:
                pytest.skip(f"no network namespaces here: {error}")
            if done.returncode:
                pytest.skip(f"no network namespaces here: {command}: {done.stderr.strip()}")
        yield [
            (["ip", "netns", "exec", name], f"{address}{number}", link)
            for number, (name, link) in enumerate(zip(names, ("lab-va", "lab-vb"), strict=True), start=1)
        ]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def on_hosts(hosts: list, folder: Path) -> list[subprocess.Popen]:
    """One plain torchrun on each."""
    rendezvous = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"{hosts[0][1]}:29533", "--rdzv-id", "test"]
    worker = ["-m", "deepseek_lab.training.launch.worker", str(folder)]
    return [
        subprocess.Popen(
            [*enter, sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1",
             "--local-addr", address, *rendezvous, "--rdzv-conf", f"is_host={int(link == hosts[0][2])}", *worker],
            env=os.environ | {"GLOO_SOCKET_IFNAME": link, "OMP_NUM_THREADS": "1"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
        )
        for enter, address, link in hosts
    ]  # fmt: skip


def test_two_hosts_with_plain_torchrun(two_hosts, tmp_path, wanted):
    prepare(tmp_path, "zero2", 2, 5, **SMALL)
    processes = on_hosts(two_hosts, tmp_path)
    errors = [process.communicate(timeout=90)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    for rank in range(2):
        report = Report.read(tmp_path / f"report-{rank}.json")
        assert report.losses == pytest.approx(wanted, abs=2e-6 * max(wanted))


def test_two_hosts_one_of_which_loses_its_rank(two_hosts, tmp_path):
    prepare(tmp_path, "zero3", 2, 100_000, **SMALL)
    processes = on_hosts(two_hosts, tmp_path)
    events = tmp_path / "events-1.jsonl"
    end = time.monotonic() + 60
    while (not events.exists() or len(events.read_text().splitlines()) < 5) and time.monotonic() < end:
        time.sleep(0.1)
    os.kill(json.loads(events.read_text().splitlines()[0])["pid"], signal.SIGKILL)
    killed = time.monotonic()
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert time.monotonic() - killed < LIMIT
    assert all(process.returncode for process in processes)
    assert any("rank 1 (process" in error and "is gone: killed, or frozen" in error for error in errors)
