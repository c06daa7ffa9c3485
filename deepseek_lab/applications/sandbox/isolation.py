"""What this system has to confine a program with. Found by trying, once, and not by the system's name."""

import functools
import os
import sys
from dataclasses import dataclass

from deepseek_lab.applications.sandbox.launch import SandboxError, launch
from deepseek_lab.applications.sandbox.limits import Limits

FULL = ("namespaces", "seccomp", "limits")
SECOND = ("landlock", "seccomp", "limits")  # where the system lets nobody make namespaces

# What a means has to bring about, as a program that prints "held" if it does
PROBES = {
    "namespaces": """
import os
open("file", "w").write("x")
there = [path for path in ("/proc/self", "/etc/passwd") if os.path.exists(path)]
try:
    open("/outside", "w")
except OSError:
    print("held" if os.getpid() < 10 and not there else there)
""",
    "landlock": """
import os
open("file", "w").write("x")
try:
    os.listdir("/")
except PermissionError:
    try:
        open("../outside", "w")
    except PermissionError:
        print("held")
""",
    "seccomp": """
import os, socket
try:
    socket.socket()
except PermissionError:
    try:
        os.fork()
    except BlockingIOError:
        print("held")
""",
    "limits": """
try:
    bytearray(2**30)
except MemoryError:
    print("held")
""",
}


@dataclass(frozen=True)
class Isolation:
    """The means that work here, and what a run lacks for want of the others."""

    means: tuple[str, ...]  # of "namespaces", "landlock", "seccomp", "limits"
    missing: tuple[str, ...] = ()  # a sentence for each thing that nothing confines
    impossible: str = ""  # why nothing can be run at all

    def missing_for(self, limits: Limits) -> tuple[str, ...]:
        """What is missing for a run with these limits."""
        if limits.processes > 1 and "namespaces" not in self.means:
            return (*self.missing, "processes: they can be forbidden here (processes=1) but not counted")
        return self.missing


@functools.cache
def isolation() -> Isolation:
    """What this system has, and what is missing. The first call tries it, which takes a fraction of a second."""
    if not hasattr(os, "fork"):
        return Isolation((), ("everything: this system has no fork",), f"{sys.platform} has no fork; use WSL")
    if not sys.platform.startswith("linux"):
        whys = dict.fromkeys(("namespaces", "landlock", "seccomp"), "not Linux")
        return describe({**whys, "limits": why_not("limits")})
    whys = {name: why_not(name) for name in ("namespaces", "seccomp", "limits")}
    whys["landlock"] = why_not("landlock") if whys["namespaces"] else "not needed"
    return describe(whys)


def describe(whys: dict[str, str]) -> Isolation:
    """The isolation of a system by why each means doesn't work there; empty where it does."""
    wanted = SECOND if whys["namespaces"] else FULL
    means = tuple(name for name in wanted if not whys[name])
    missing = []
    if whys["namespaces"] and whys["landlock"]:
        missing.append(
            "files: it could read and write what you can (namespaces: "
            f"{whys['namespaces']}; Landlock: {whys['landlock']})"
        )
    if whys["namespaces"] and whys["seccomp"]:
        missing.append(f"network: it could open connections (namespaces: {whys['namespaces']}; {whys['seccomp']})")
    if whys["seccomp"]:
        missing.append(f"processes and signals: it could start others, and disturb yours (seccomp: {whys['seccomp']})")
    if whys["limits"]:
        missing.append(f"memory: it could take all there is (resource limits: {whys['limits']})")
    return Isolation(means, tuple(missing))


def why_not(name: str) -> str:
    """Why a means of isolation doesn't work here; empty if it does."""
    try:
        raw = launch(PROBES[name], None, Limits(seconds=10, memory_bytes=2**29), (name,))
    except SandboxError as error:
        return str(error)
    printed = bytes(raw.streams[1]).decode("utf-8", "replace").strip()
    if printed == "held":
        return ""
    last = bytes(raw.streams[2]).decode("utf-8", "replace").strip().splitlines()[-1:]
    return f"{name}: allowed, but without effect ({printed or ''.join(last) or 'no answer'})"


def usable_cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
