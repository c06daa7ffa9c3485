"""What every benchmark here has in common: a row, which holds each repeat of both sides, and the command line.

A benchmark is a script with a function `rows(rounds, tiny)` that yields a `Row` as soon as it is measured. Its own
command line prints them; `run.py` starts each script with `--json` and makes the page of all.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from deepseek_lab.course.measure import interleaved_seconds
from deepseek_lab.course.setup import choose_device

FAR_BEHIND = 3  # a peer that takes this many times the best one's time is never the best: it isn't repeated


@dataclass(frozen=True)
class Row:
    """One comparison: what, against whom, and the seconds of each round, of ours and of theirs.

    `theirs` is empty where there is nothing to compare with (`note` says what was measured instead), and both are empty
    where nothing could be measured (`note` says why).
    """

    group: str  # what kind of work; the picture has a lane for each
    name: str  # the case: sizes
    versus: str  # whom we compare with: "transformers, eager"
    ours: list[float]
    theirs: list[float]
    note: str = ""
    lost: str = ""  # where we are slower although the ratio doesn't say so: in one step of many, say

    @property
    def ratio(self) -> float | None:
        """Their time over ours in the same round, the median of the rounds: above 1 we are faster."""
        return statistics.median(self._ratios()) if self.theirs else None

    @property
    def spread(self) -> tuple[float, float]:
        """Quartiles of their time over ours, round by round."""
        ratios = self._ratios()
        low, _, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
        return low, high

    @property
    def verdict(self) -> str:
        """Words for a row in which we are slower, in all or in part; "" for the others."""
        if self.ratio is None or self.ratio >= 1:
            return self.lost
        longer = 100 / self.ratio - 100
        words = f"We lose: {longer:.{0 if longer >= 10 else 1}f} % longer than theirs"
        return f"{words}{'.' if self.spread[1] < 1 else ', which is within the spread.'} {self.lost}".rstrip()

    def _ratios(self) -> list[float]:
        return [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]


@dataclass(frozen=True)
class Outcome:
    """What came of one benchmark: its rows, and in words what kept it from giving more, if anything did."""

    name: str
    title: str
    rows: list[Row]
    seconds: float
    trouble: str = ""


def against_best(
    group: str, name: str, seconds: Mapping[str, list[float]], whose: str, note: str = "", ours: str = "ours"
) -> Row:
    """The row of `ours` against the fastest of the others, by medians; the note tells the others' times."""
    medians = {way: statistics.median(times) for way, times in seconds.items() if way != ours}
    best = min(medians, key=medians.get)
    others = [f"{way} {milliseconds(median)}" for way, median in medians.items() if way != best]
    notes = [note] * bool(note) + [f"Theirs otherwise: {', '.join(others)}."] * bool(others)
    versus = whose if best == whose else f"{whose}, {best}"
    return Row(group, name, versus, seconds[ours], seconds[best], " ".join(notes))


def race(
    alternatives: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 1, ours: str = "ours"
) -> tuple[dict[str, list[float]], str]:
    """Seconds of the alternatives in turns, and a note about those that were tried once and left out as far behind."""
    tried = {name: _one_try(call) for name, call in alternatives.items()}
    best = min(seconds for name, seconds in tried.items() if name != ours)
    out = [name for name, seconds in tried.items() if name != ours and seconds > FAR_BEHIND * best]
    note = f"Tried and left out: {', '.join(f'{name} {milliseconds(tried[name])}' for name in out)}." if out else ""
    return interleaved_seconds({n: c for n, c in alternatives.items() if n not in out}, rounds, warmup), note


def _one_try(call: Callable[[], object]) -> float:
    """Seconds of a call; the better of two where it is short, because a first call prepares things."""
    (first,) = interleaved_seconds({"": call}, rounds=1, warmup=0).values()
    return first[0] if first[0] > 1 else min(*first, *interleaved_seconds({"": call}, rounds=1, warmup=0)[""])


def difference(way: Callable[[], torch.Tensor], expected: torch.Tensor) -> float:
    """The largest difference of what a way computes, over the largest number expected."""
    return ((way().detach() - expected).abs().max() / expected.abs().max()).item()


def same_attention(ways: Iterable[Callable[[], torch.Tensor]], expected: torch.Tensor) -> float:
    """The largest difference of the ways. Raises `AssertionError` where it is more than rounding."""
    error = max(difference(way, expected) for way in ways)
    assert error < (1e-5 if expected.device.type == "cpu" else 1e-4), f"not the same attention: {error}"
    return error


def milliseconds(seconds: float) -> str:
    """Three digits, and no more of them than a reader wants: "0.19 ms", "14.5 ms", "1,285 ms"."""
    ms = 1000 * seconds
    return f"{ms:,.0f} ms" if ms >= 100 else f"{ms:.{1 if ms >= 10 else 2}f} ms"


def percent(share: float) -> str:
    """A share in words: "48 %"."""
    return f"{100 * share:.0f} %"


def line(row: Row) -> str:
    """A row as the terminal shows it."""
    words = [f"{row.group}: {row.name}"]
    if row.ours:
        words.append(f"ours {milliseconds(statistics.median(row.ours))}")
    if row.theirs:
        low, high = row.spread
        theirs = f"{row.versus} {milliseconds(statistics.median(row.theirs))}"
        words += [theirs, f"ratio {row.ratio:.2f} ({low:.2f} to {high:.2f})"]
    elif row.versus:
        words.append(row.versus)
    return " | ".join(words + list(filter(None, (row.verdict, row.note))))


def parser(description: str, rounds: int) -> argparse.ArgumentParser:
    """The arguments that every benchmark takes."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=_at_least_one, default=rounds, metavar="N", help=f"default: {rounds}")
    made.add_argument("--tiny", action="store_true", help="sizes for tests of these scripts: the times mean nothing")
    made.add_argument("--json", type=Path, metavar="FILE", help="also add each row to this file, a line each")
    return made


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def report(rows: Iterable[Row], options: argparse.Namespace) -> list[Row]:
    """Print each row when it is there, and add it to the file if one is wanted. -> all rows."""
    device = choose_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"torch {torch.__version__}, {device.type}, {name}; {options.rounds} rounds, medians, quartiles of the ratio")
    seen = []
    try:
        for row in rows:
            seen.append(row)
            print(line(row), flush=True)
            _add(options.json, asdict(row))
    except Exception as error:
        _add(options.json, {"trouble": f"{type(error).__name__}: {error}"})
        raise
    return seen


def _add(file: Path | None, entry: dict) -> None:
    if file:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(entry) + "\n")


def read_rows(file: Path) -> tuple[list[Row], str]:
    """The rows in a file that `report` has written, and the error that ended it, if one did."""
    if not file.exists():
        return [], ""
    text = file.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1].splitlines()  # a script that was killed may have left half a line
    entries = [json.loads(entry) for entry in whole]
    trouble = [entry["trouble"] for entry in entries if "trouble" in entry]
    return [Row(**entry) for entry in entries if "trouble" not in entry], "".join(trouble[-1:])


def main(description: str, rows: Callable, rounds: int) -> None:
    """The whole command line of a benchmark that takes no arguments of its own."""
    options = parser(description, rounds).parse_args()
    report(rows(options.rounds, options.tiny), options)
    sys.stdout.flush()
