"""How ranks notice that one of them is lost, and say which.

A collective ends when all ranks have come. If one never comes, the others wait, and all that they know is that they
wait. So a thread beside each rank's training tells a common store twice a second where its rank is, and reads where the
others are. From that follows who is missing:

    killed   connections break, or torchrun asks the others to end; the one that tells nothing any more is gone
    frozen   (stopped, swapped out) tells nothing for `patience` seconds
    hung     tells, but nobody gets further for `patience` seconds, and it is the one that isn't waiting for others
    failed   an error of its own, which it told before it ended

The store is torchrun's own, which outlives the ranks of its host.
"""

import json
import os
import re
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

import torch.distributed as dist

BEAT = 0.5  # seconds between two signs of life
SILENCE = 4.0  # seconds without one, after which a rank is gone if a connection broke as well
BROKEN = re.compile(r"gloo|nccl|connection|broken pipe|reset by peer|timed? ?out|wait timeout|store", re.I)
WAITING = ("/torch/distributed/", "/deepspeed/comm/", "/zero/collectives.py")  # files in which one waits for others


class RankLost(RuntimeError):
    """Another rank failed, hung or disappeared; says which and why."""


class Watch:
    """One rank's signs of life, and its look at those of the others.

    `give_up(words)` is called from the thread when the training can't go on; it must end the process. `orphan` is a
    file descriptor that reaches its end when whoever started the ranks has gone. Must be made in the main thread.
    """

    def __init__(
        self,
        rank: int,
        size: int,
        store: dist.Store,
        patience: float,
        give_up: Callable[[str], None],
        orphan: int | None = None,
    ):
        self.rank, self.size, self.store, self.patience = rank, size, store, patience
        self.give_up, self.orphan = give_up, orphan
        self.main = threading.current_thread().ident
        self.state = {"count": 0, "progress": 0, "phase": "start", "where": "", "waits": False, "error": None}
        self.state |= {"host": socket.gethostname(), "pid": os.getpid()}
        self.slow = 1.0  # times `patience`, in phases that may take long
        self.seen: dict[int, dict] = {}  # each rank's last state
        self.changed: dict[int, float] = {}  # when its count changed
        self.moved = time.monotonic()  # when anybody's progress did
        self.over = False
        # torchrun's SIGTERM comes a tenth of a second after the first rank failed. The others shall say which one that
        # was before they go, also while the main thread waits in C++, where no handler of Python's runs.
        self.wake, told = socket.socketpair()
        told.setblocking(False)
        self.told = told  # kept, or it would be closed
        signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda *_: None)
        self.thread = threading.Thread(target=self._run, daemon=True, name="watch")

    def start(self) -> "Watch":
        """Begin to tell and to look."""
        self.thread.start()
        return self

    def tick(self, *_) -> None:
        """The training has got further; also a hook for modules."""
        self.state["progress"] += 1

    def enter(self, phase: str) -> None:
        """So has it, and what it does now is called so."""
        self.state["phase"] = phase
        self.tick()

    @contextmanager
    def slowly(self, phase: str):
        """A phase in which nothing may move for six times as long: disks and compilers are slow."""
        self.slow = 6.0
        self.enter(phase)
        yield
        self.slow = 1.0
        self.tick()

    def finish(self) -> None:
        """This rank has done all it had to: the others won't miss it."""
        self.state["phase"] = "done"
        self.over = True
        self.told.send(b"\0")
        self.thread.join()
        self._tell()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def explain(self, error: BaseException) -> tuple[str, bool]:
        """What to say about an error of the training here, and whether this rank is the one to blame."""
        words = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, RankLost):
            return words, False
        second_hand = isinstance(error, (RuntimeError, ConnectionError)) and BROKEN.search(words)
        if not second_hand:
            said = f"{type(error).__name__}: {words}"
            self.state["error"] = said
            self._tell()
            return f"{self._name(self.rank)} failed in {self.state['phase']}: {said}", True
        end = time.monotonic() + SILENCE + 3 * BEAT
        while time.monotonic() < end:
            if blamed := self._first_lost():
                return self._agree(blamed), False
            time.sleep(BEAT / 2)
        return f"{self._name(self.rank)} lost its connection in {self.state['phase']}: {words}", True

    def _first_lost(self) -> str | None:
        """Something has gone wrong: which rank says why, or says nothing any more."""
        for rank, state in sorted(self.seen.items()):
            if rank != self.rank and state["error"]:
                return f"{self._name(rank)} failed in {state['phase']}: {state['error']}"
        gone = self._silent(SILENCE)
        return self._gone(gone) if gone else None

    def _agree(self, words: str) -> str:
        """The first verdict of any rank is that of all: when it ends itself, it looks lost to the others."""
        return self.store.compare_set("watch/verdict", "", words).decode()

    def _run(self) -> None:
        begun = time.monotonic()
        self.changed = dict.fromkeys(range(self.size), begun)
        asked = None  # to end, since when
        while not self.over:
            try:
                self._tell()
                self._look()
            except (RuntimeError, ConnectionError) as error:
                self.give_up(f"the store of torchrun, on the host of rank 0, is gone ({' '.join(str(error).split())})")
                return
            words = self._verdict()
            if asked is not None:
                late = time.monotonic() - asked > SILENCE + 3 * BEAT
                words = words or self._first_lost() or ("torchrun asked this rank to end" if late else None)
            if words:
                self.give_up(self._agree(words))
                return
            asked = asked or self._rest()

    def _rest(self) -> float | None:
        """Until the next beat; when torchrun asked this rank to end, if it did."""
        held = [] if self.orphan is None else [self.orphan]
        ready = select.select([self.wake, *held], [], [], BEAT)[0]
        if self.orphan in ready and not os.read(self.orphan, 1):
            os._exit(1)
        return time.monotonic() if self.wake in ready and signal.SIGTERM in self.wake.recv(64) else None

    def _tell(self) -> None:
        self.state["count"] += 1
        self.state["where"], self.state["waits"] = self._where()
        self.store.set(f"watch/{self.rank}", json.dumps(self.state))

    def _look(self) -> None:
        now = time.monotonic()
        for rank in range(self.size):
            key = f"watch/{rank}"
            if not self.store.check([key]):
                continue
            state, before = json.loads(self.store.get(key)), self.seen.get(rank, {})
            if state["count"] != before.get("count"):
                self.changed[rank] = now
            if state["progress"] != before.get("progress"):
                self.moved = now
            self.seen[rank] = state

    def _silent(self, seconds: float) -> list[int]:
        now = time.monotonic()
        return [
            rank
            for rank, since in self.changed.items()
            if rank != self.rank and now - since > seconds and self.seen.get(rank, {}).get("phase") != "done"
        ]

    def _verdict(self) -> str | None:
        limit = self.patience * self.slow
        if gone := self._silent(limit):
            return self._gone(gone)
        if time.monotonic() - self.moved <= limit:
            return None
        least = min(state["progress"] for state in self.seen.values())
        behind = [rank for rank, state in self.seen.items() if state["progress"] == least and not state["waits"]]
        places = "; ".join(f"rank {rank} is in {s['phase']}, at {s['where']}" for rank, s in sorted(self.seen.items()))
        who = " and ".join(map(self._name, behind)) if behind else "one of the ranks"
        return f"{who} hangs: for {limit:.0f} s no rank has got further. {places}"

    def _gone(self, ranks: list[int]) -> str:
        who, now = " and ".join(map(self._name, ranks)), time.monotonic()
        phases = " and ".join(sorted({self.seen.get(rank, {}).get("phase", "start") for rank in ranks}))
        silence = min(now - self.changed[rank] for rank in ranks)
        return f"{who} is gone: killed, or frozen. The last sign of life, {silence:.0f} s ago, was in {phases}"

    def _name(self, rank: int) -> str:
        state = self.state if rank == self.rank else self.seen.get(rank, {})
        return f"rank {rank} (process {state['pid']} on {state['host']})" if state else f"rank {rank}"

    def _where(self) -> tuple[str, bool]:
        """The innermost line of the training, and whether it waits inside of a collective there."""
        frame = sys._current_frames().get(self.main)
        innermost, waits = "its end", False
        while frame is not None:
            file = frame.f_code.co_filename.replace("\\", "/")
            if innermost == "its end":
                innermost = f"{file.rsplit('/', 1)[-1]}:{frame.f_lineno}, {frame.f_code.co_name}"
            waits = waits or any(place in file for place in WAITING)
            frame = frame.f_back
        return innermost, waits
