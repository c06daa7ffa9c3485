"""What a run may use, and what came of it."""

from dataclasses import dataclass

from deepseek_lab.config import is_number, require, require_whole

MIB = 2**20
LARGEST = 2**40


@dataclass(frozen=True)
class Limits:
    """What one program may use. Raises `ValueError` naming the field.

    Besides these, always: no network, no standard input, no other program (`exec`), no environment, 64 open files,
    256 files in the working folder, and, where `processes` is 1, 16 threads (without namespaces: as many as fit in
    the memory).
    """

    seconds: float = 5.0  # from the first line of the program on: of the clock, and of the processor
    memory_bytes: int = 512 * MIB  # address space of each process
    output_bytes: int = 65536  # of standard output and of standard error, each
    # At one time, the program's own among them; above 1, its threads count too. Locks, queues and pools of
    # multiprocessing don't work at any number: they want shared memory, which no limit here would count.
    processes: int = 1
    file_bytes: int = MIB  # of all the files in the working folder together

    def __post_init__(self):
        seconds = self.seconds
        require(is_number(seconds) and 0 < seconds <= 3600, "seconds", seconds, "a number above 0, at most 3600")
        require_whole(1, processes=self.processes, output_bytes=self.output_bytes, file_bytes=self.file_bytes)
        require_whole(64 * MIB, memory_bytes=self.memory_bytes)  # with less, Python itself doesn't get along
        require(self.processes <= 1000, "processes", self.processes, "at most 1000")
        for name in ("memory_bytes", "file_bytes", "output_bytes"):
            require(getattr(self, name) <= LARGEST, name, getattr(self, name), f"at most {LARGEST}")


@dataclass(frozen=True)
class Result:
    """What came of one run.

    `verdict` is one of

    - `finished`: the program, and all tests if there were any, ran to the end (whether they passed: `passed`)
    - `error`: an exception that nothing caught; `detail` says which
    - `exit`: it left by itself, with the code in `detail`, before it was at its end
    - `timeout`, `memory`, `output`, `files`, `processes`: it wanted more than its limits allow
    - `crash`: a signal ended it; `detail` names it

    `finished`, `error`, `exit`, `memory`, `files` and `processes` can be the program's own claim; no test passes by
    them. `stdout` and `stderr` are as the program wrote them: a terminal may take parts of them for commands.
    """

    verdict: str
    detail: str = ""  # one line
    stdout: str = ""
    stderr: str = ""  # ends with the traceback of an `error`
    seconds: float = 0.0  # of the clock, without the start of the interpreter
    outcomes: tuple[str, ...] = ()  # one a test: "passed", "failed: ...", "error: ..." or "not reached"
    judged_inside: bool = False  # a test's verdict was formed, in part, where the program could tamper with it
    missing: tuple[str, ...] = ()  # what this system lacked to confine the run; empty unless that was allowed

    @property
    def passed(self) -> bool:
        """Whether there were tests, all of them passed, and the run ended as it should."""
        return (
            self.verdict == "finished" and bool(self.outcomes) and all(outcome == "passed" for outcome in self.outcomes)
        )
