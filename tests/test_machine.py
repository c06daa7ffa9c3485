"""What the course says about a machine: read from made-up ones, and sentences that follow from what was read."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from deepseek_lab.course import machine as module
from deepseek_lab.course.machine import (
    GB,
    Machine,
    Speed,
    look_at_machine,
    machine_table,
    measure_speed,
    memory_bytes,
    processor_name,
    usable_cores,
    what_to_expect,
)

PLAIN = Machine(
    "cpu", "a processor", 2, 16 * GB, 8 * GB, 50 * GB, "", 0, {"Python": "3.11", "torch": "2.13"}, "g++", True
)
SLOW_BF16, FAST_BF16 = Speed(100e9, 1e9, 384), Speed(100e9, 200e9, 384)


def linux(root: Path, files: dict[str, str]) -> Path:
    """A made-up Linux: files under `root`."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = "MemTotal: 16000000 kB\nMemFree: 1 kB\nMemAvailable: 8000000 kB\nHugePages_Total:\n\n"
V1 = "4:memory:/job\n3:cpu,cpuacct:/job\n0::/\n"


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3}, raising=False)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 4),
        ({"proc/self/cgroup": "0::/\n"}, 4),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 4),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "900000 100000\n"}, 4),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n"}, 3),  # an outer group's
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "garbage\n"}, 4),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "200000\n",
                "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            4,
        ),
    ],
)
def test_cores_are_those_of_the_container(files, cores, tmp_path, four_cores):
    assert usable_cores(linux(tmp_path, files)) == cores


@pytest.mark.parametrize(
    ("files", "memory"),
    [
        ({}, (16_384_000_000, 8_192_000_000)),
        ({"sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/memory.current": "5\n"}, (16_384_000_000, 8_192_000_000)),
        (
            {
                "sys/fs/cgroup/memory.max": "4000000000\n",
                "sys/fs/cgroup/memory.current": "3000000000\n",
                "sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 500000000\n",
            },
            (4_000_000_000, 1_500_000_000),
        ),
        (  # more is allowed than there is
            {"sys/fs/cgroup/memory.max": "99000000000\n", "sys/fs/cgroup/memory.current": "0\n"},
            (16_384_000_000, 8_192_000_000),
        ),
    ],
)
def test_memory_is_that_of_the_container(files, memory, tmp_path):
    root = linux(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/\n"} | files)
    assert memory_bytes(root) == memory


def test_memory_of_a_version_1_container(tmp_path):
    files = {"memory.limit_in_bytes": "2000000000\n", "memory.usage_in_bytes": "500000000\n"}
    groups = {f"sys/fs/cgroup/memory/job/{name}": text for name, text in files.items()}
    groups |= {"sys/fs/cgroup/memory/memory.limit_in_bytes": str(2**63 - 4096)}  # no limit outside
    root = linux(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/cgroup": V1} | groups)
    assert memory_bytes(root) == (2_000_000_000, 1_500_000_000)


def test_the_processors_name(tmp_path):
    text = "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\n\nprocessor\t: 1\nmodel name\t: Other\n"
    assert processor_name(linux(tmp_path, {"proc/cpuinfo": text})) == "Some CPU @ 2.00GHz"
    assert processor_name(tmp_path / "nothing")


def test_this_machine():
    machine = look_at_machine()
    assert machine.cores >= 1 and machine.versions["torch"] == torch.__version__
    assert machine.memory is None or 0 < (machine.free_memory or 1) <= machine.memory
    assert {name for name, _ in machine_table(machine)} >= {"cores to use", "memory", "torch", "transformers"}


def test_measured_speed():
    speed = measure_speed(size=64, rounds=2)
    assert speed.size == 64 and speed.bf16 > 1e6 and 1e6 < speed.fp32 < 1e15
    assert FAST_BF16.bf16_is_fast and not SLOW_BF16.bf16_is_fast


@pytest.mark.parametrize(
    ("changes", "speed", "words"),
    [
        ({}, SLOW_BF16, "bf16 numbers take 100 times as long"),
        ({}, FAST_BF16, "fast with bf16"),
        ({"cores": 1}, SLOW_BF16, "One core: expect about twice"),
        ({"cores": 8}, SLOW_BF16, "8 cores: expect less than the times"),
        ({"free_memory": GB}, SLOW_BF16, "1.0 GB of memory are free: the notebooks need about 1.5 GB"),
        ({"free_memory": 2 * GB}, SLOW_BF16, "notebook 5 needs about 3 GB"),
        ({"free_memory": None}, SLOW_BF16, "can't be told here"),
        ({"free_disk": GB // 10}, SLOW_BF16, "0.1 GB of disk are free"),
        ({"compiler": ""}, SLOW_BF16, "No C++ compiler"),
        ({"deepspeed": False}, SLOW_BF16, "five engines, not six"),
        ({"device": "cuda", "gpu": "a GPU", "gpu_memory": 80 * GB}, FAST_BF16, "compute on the GPU (a GPU)"),
        ({"device": "cuda", "gpu": "a GPU", "gpu_memory": 80 * GB}, FAST_BF16, "for processors only"),
        ({"device": "mps", "gpu": "Apple's", "gpu_memory": None}, SLOW_BF16, "compute on the GPU (Apple's)"),
    ],
)
def test_each_sentence_has_its_reason(changes, speed, words):
    said = what_to_expect(replace(PLAIN, **changes), speed)
    assert any(words in sentence for sentence in said), said
    assert all(sentence.endswith(".") for sentence in said)
    if changes:
        assert not any(words in sentence for sentence in what_to_expect(PLAIN, speed)), "it is said without reason"


def test_a_good_machine_is_told_little():
    assert len(what_to_expect(PLAIN, SLOW_BF16)) == 2


def test_the_table_says_what_is_missing():
    rows = dict(machine_table(replace(PLAIN, compiler="", memory=None, free_memory=None)))
    assert rows["C++ compiler"] == rows["GPU"] == "none" and "unknown" in rows["memory"]
    assert dict(machine_table(replace(PLAIN, gpu="H", gpu_memory=80 * GB)))["GPU"] == "H, 80.0 GB"
