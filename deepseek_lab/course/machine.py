"""What machine this is: what the course finds on it, and what will be slower or left out."""

import ctypes
import importlib.util
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from deepseek_lab.course.measure import interleaved_medians
from deepseek_lab.course.setup import choose_device

GB = 10**9
UNLIMITED = 2**60  # bytes; version 1 of Linux' control groups writes a huge number where there is no limit
COMPILERS = ("g++", "clang++", "c++", "cl")


@dataclass(frozen=True)
class Machine:
    """What there is to compute with. Bytes are None where the system doesn't say.

    `cores`: those that this process may use, which in a container are often fewer than the processor has. `memory` and
    `free_memory` are of the same kind: the container's limit counts. `gpu_memory` is 0 without a GPU, and None where it
    is the machine's own memory (Apple).
    """

    device: str  # "cpu", "cuda" or "mps"
    processor: str
    cores: int
    memory: int | None
    free_memory: int | None
    free_disk: int  # where this process stands
    gpu: str
    gpu_memory: int | None
    versions: dict[str, str]
    compiler: str  # of C++; "" where there is none
    deepspeed: bool


@dataclass(frozen=True)
class Speed:
    """Measured products of two square matrices, in operations a second: 32-bit and bfloat16 numbers."""

    fp32: float
    bf16: float
    size: int

    @property
    def bf16_is_fast(self) -> bool:
        """Whether bf16 is at least half as fast as fp32: only then is it worth its smaller numbers."""
        return self.bf16 >= self.fp32 / 2


def look_at_machine(root: Path = Path("/"), folder: Path = Path()) -> Machine:
    """This machine. `root` is where Linux keeps its `proc` and `sys`; `folder` is on the disk to be looked at."""
    device, (memory, free) = choose_device().type, memory_bytes(root)
    gpu, gpu_memory = _gpu(device)
    return Machine(
        device, processor_name(root), usable_cores(root), memory, free, shutil.disk_usage(folder).free, gpu, gpu_memory,
        _versions(), _compiler(), importlib.util.find_spec("deepspeed") is not None,
    )  # fmt: skip


def measure_speed(device: str = "cpu", size: int | None = None, rounds: int = 5) -> Speed:
    """How fast this device multiplies matrices, medians of `rounds`. About a second on two CPU cores."""
    size = size or (384 if device == "cpu" else 4096)
    pairs = {
        name: torch.randn(2, size, size, device=device).to(dtype)
        for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
    }
    calls = {name: lambda pair=pair: pair[0] @ pair[1] for name, pair in pairs.items()}
    seconds = interleaved_medians(calls, rounds=rounds, warmup=1)
    return Speed(*(2 * size**3 / seconds[name] for name in ("fp32", "bf16")), size)


def machine_table(machine: Machine) -> list[tuple[str, str]]:
    """Rows to print: what, and which."""
    gpu = machine.gpu or "none"
    if machine.gpu_memory:
        gpu += f", {in_gb(machine.gpu_memory)}"
    return [
        ("computes on", machine.device),
        ("processor", machine.processor),
        ("cores to use", str(machine.cores)),
        ("GPU", gpu),
        ("memory", f"{in_gb(machine.memory)}, of which {in_gb(machine.free_memory)} are free"),
        ("free disk", in_gb(machine.free_disk)),
        ("C++ compiler", machine.compiler or "none"),
        *machine.versions.items(),
    ]


def what_to_expect(machine: Machine, speed: Speed) -> list[str]:
    """What will be slower, or left out, on this machine: sentences, each for a reason given in it."""
    return [*_about_time(machine), *_about_numbers(machine, speed), *_about_room(machine), *_about_tools(machine)]


def _about_time(machine: Machine) -> Iterator[str]:
    if machine.device == "cpu":
        yield "No GPU, and none is needed: the times on the notebooks' cards were taken on two processor cores."
    else:
        yield (
            f"The notebooks compute on the GPU ({machine.gpu}). Their models are small: where an operation takes "
            "less time than starting it, it is hardly faster than a processor."
        )
    if machine.cores == 1:
        yield "One core: expect about twice the times on the cards. Notebook 5's processes take turns on it."
    elif machine.cores > 2:
        yield f"{machine.cores} cores: expect less than the times on the cards; small models don't fill so many."


def _about_numbers(machine: Machine, speed: Speed) -> Iterator[str]:
    if not speed.bf16_is_fast:
        yield (
            f"Products of bf16 numbers take {speed.fp32 / speed.bf16:.0f} times as long as those of 32 bits here, so "
            "the notebooks compute in 32 bits."
        )
    elif machine.device == "cpu":
        yield "This processor is fast with bf16 numbers, too. The notebooks compute in 32 bits: not every processor is."


def _about_room(machine: Machine) -> Iterator[str]:
    free = machine.free_memory
    if free is None:
        yield "How much memory is free can't be told here: the notebooks need 1.5 GB, and notebook 5 about 3 GB."
    elif free < 1.5 * GB:
        yield f"{in_gb(free)} of memory are free: the notebooks need about 1.5 GB each, and may be stopped half-way."
    elif free < 3 * GB:
        yield f"{in_gb(free)} of memory are free: notebook 5 needs about 3 GB. Close the other notebooks before it."
    if machine.free_disk < GB / 2:
        yield f"{in_gb(machine.free_disk)} of disk are free: notebooks 4 to 6 write checkpoints, and may fail."


def _about_tools(machine: Machine) -> Iterator[str]:
    if not machine.compiler:
        yield "No C++ compiler: the compiled step of notebook 6 is left out, and says so."
    elif machine.device != "cpu":
        yield "The compiled step of notebook 6 is for processors only: on a GPU it is left out, and says so."
    if not machine.deepspeed:
        yield "DeepSpeed is not installed: notebook 5 prints what it said elsewhere, and runs five engines, not six."


def usable_cores(root: Path = Path("/")) -> int:
    """Cores that this process may use: those it is allowed to run on, and no more than its container's share."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in _groups(root, "cpu"):
        words = _words(folder / "cpu.max") or [
            *_words(folder / "cpu.cfs_quota_us"),
            *_words(folder / "cpu.cfs_period_us"),
        ]
        if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):  # "max", or -1: no limit
            allowed = min(allowed, max(1, int(words[0]) // int(words[1])))
    return allowed


def memory_bytes(root: Path = Path("/")) -> tuple[int | None, int | None]:
    """Memory, and how much of it is free for programs; of a container, where that is less."""
    total, free = _system_memory(root)
    for folder in _groups(root, "memory"):
        limit = _number(folder / "memory.max", folder / "memory.limit_in_bytes")
        used = _number(folder / "memory.current", folder / "memory.usage_in_bytes")
        if limit is None or used is None or limit >= UNLIMITED:
            continue
        cached = dict(line.split() for line in _lines(folder / "memory.stat")).get("inactive_file", "0")
        left = max(0, limit - used + int(cached))  # cached files make room when it is needed
        total = limit if total is None else min(total, limit)
        free = left if free is None else min(free, left)
    return total, free


def processor_name(root: Path = Path("/")) -> str:
    """What the processor calls itself."""
    for line in _lines(root / "proc/cpuinfo"):
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    if platform.system() == "Darwin":
        asked = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        )
        if asked.stdout.strip():
            return asked.stdout.strip()
    return platform.processor() or platform.machine() or "unknown"


def in_gb(count: int | None) -> str:
    """Bytes in words."""
    return "an unknown amount" if count is None else f"{count / GB:.1f} GB"


def _system_memory(root: Path) -> tuple[int | None, int | None]:
    found = {}
    for line in _lines(root / "proc/meminfo"):
        key, _, value = line.partition(":")
        if key in ("MemTotal", "MemAvailable"):
            found[key] = int(value.split()[0]) * 1024
    if "MemTotal" in found:
        return found["MemTotal"], found.get("MemAvailable")
    if platform.system() == "Windows":
        return _windows_memory()
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
    except (AttributeError, ValueError, OSError):
        return None, None


def _windows_memory() -> tuple[int, int]:
    class Status(ctypes.Structure):  # MEMORYSTATUSEX
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong) for name in ("total", "free", "a", "b", "c", "d", "e")
        ]

    status = Status(length=ctypes.sizeof(Status))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return status.total, status.free


def _groups(root: Path, kind: str) -> list[Path]:
    """Folders of this process's control groups (Linux, versions 1 and 2), from its own to the outermost."""
    folders = []
    for line in _lines(root / "proc/self/cgroup"):
        _, kinds, path = line.split(":", 2)
        if kinds and kind not in kinds.split(","):
            continue
        base = root / "sys/fs/cgroup" / (kind if kinds else "")
        own = base / path.lstrip("/")
        folders += [each for each in (own, *own.parents) if each == base or base in each.parents]
    return folders


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _number(*paths: Path) -> int | None:
    """The number in the first of these files that holds one."""
    return next((int(words[0]) for words in map(_words, paths) if words and words[0].isdigit()), None)


def _gpu(device: str) -> tuple[str, int | None]:
    if device == "cuda":
        return torch.cuda.get_device_name(), torch.cuda.get_device_properties(0).total_memory
    return ("Apple's, with the machine's memory", None) if device == "mps" else ("", 0)


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version(), "torch": torch.__version__}  # names the build, too, as 2.13.0+cpu
    try:
        found["transformers"] = version("transformers")
    except PackageNotFoundError:
        found["transformers"] = "not installed"
    return found


def _compiler() -> str:
    wanted = (os.environ.get("CXX", ""), *COMPILERS)
    return next((name for name in wanted if name and shutil.which(name)), "")
