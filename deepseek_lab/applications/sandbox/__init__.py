"""Runs generated code confined: in a process of its own, with nothing of yours in sight, and within limits.

What it is against: programs that a small model writes (loops that never end, memory without bound, files in the
wrong place), and programs that mean harm, as far as the Linux kernel's own means go. What it isn't: a virtual
machine. A fault in the kernel is a way out, and times can be measured inside.

How a run goes. A fresh interpreter starts with no environment and no packages. It moves to new namespaces: in them
there are no other processes, no network, no name of this machine, and no files but those that Python needs
(read-only: its own, and all of /lib and /usr/lib, with the libraries of other programs) and an empty folder in
memory. A second process becomes the first of the process namespace; when it leaves, the kernel ends all others in it.
The program is a third, with no rights, limits on its resources and a filter (seccomp) over its system calls. Where
namespaces are denied, Landlock guards the files instead, the folder is one on disk that goes away afterwards, and the
filter keeps the program from starting or signalling processes. It can then ask whether a file outside is there, and
of what size, but not read it; it can read the machine's name; and a file that it deletes while it is open isn't
counted. That happens too where Python itself lies below the folder for temporary files: namespaces count as denied
there, and `isolation().means` shows it. `isolation` tries all of this, once, and says what is missing; nothing runs
with something missing unless you allow it.

What it says. `timeout`, `output` and `crash` are seen from outside: by the clock, by the amount of output, by how the
waiting process saw the program end. `finished`, `error`, `memory` and the like are told by the program's own process,
so a program can claim them. No test passes by such a claim: a test's call is evaluated there, and the value compared
here (`judge`). Where a test's form is known (see `run_tests`), what is expected never gets there.
"""

from deepseek_lab.applications.sandbox.hostile import FAKED_TEST, FAKES, HOSTILE, VERDICTS
from deepseek_lab.applications.sandbox.isolation import Isolation, isolation
from deepseek_lab.applications.sandbox.launch import SandboxError
from deepseek_lab.applications.sandbox.limits import Limits, Result
from deepseek_lab.applications.sandbox.run import run_many, run_program, run_tests

__all__ = [
    "FAKED_TEST",
    "FAKES",
    "HOSTILE",
    "VERDICTS",
    "Isolation",
    "Limits",
    "Result",
    "SandboxError",
    "isolation",
    "run_many",
    "run_program",
    "run_tests",
]
