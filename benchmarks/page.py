"""The page of all benchmarks: what was measured, where we lose, machine, versions, and a picture."""

import datetime
import platform
import statistics
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from picture import draw
from rows import Outcome, Row, milliseconds

from deepseek_lab.course.machine import in_gb, look_at_machine
from deepseek_lab.viz.theme import png

PAGE, PICTURE = "RESULTS.md", "results.png"
PACKAGES = ("torch", "transformers", "deepspeed")
HOW = """\
Both sides have the same weights and inputs, and take turns in one process (ZeRO: in the same ranks). Their results
are compared, too. Times are medians of the rounds. The ratio is their time over ours in the same round, the median of
the rounds, with quartiles in brackets: **above 1 we are faster**. Where transformers has several caches or ways to run
experts, the fastest counts. Its attention is SDPA, and on a CPU it isn't compiled."""


def write_page(folder: Path, outcomes: Sequence[Outcome], seconds: float, tiny: bool = False) -> Path:
    """Write the picture and the page into `folder`, each in one step. -> the page's path."""
    _replace(folder / PICTURE, png(draw([row for outcome in outcomes for row in outcome.rows])))
    _replace(folder / PAGE, page(outcomes, seconds, tiny).encode("utf-8"))
    return folder / PAGE


def page(outcomes: Sequence[Outcome], seconds: float, tiny: bool) -> str:
    """The page as Markdown."""
    names = ", ".join(f"`{outcome.name}`" for outcome in outcomes)
    parts = [
        "# Benchmarks: ours beside transformers, FSDP2 and DeepSpeed",
        f"Written by `python3 course.py bench` on {datetime.date.today()}: {names}, {seconds / 60:.0f} minutes in all.",
        *["**Tiny sizes, made to test the scripts: these times mean nothing.**"] * tiny,
        HOW,
        f"![Ratios of every row, a lane for each kind of work]({PICTURE})",
        "## Where we lose\n\n" + "\n".join(losses(outcomes)),
        *(section(outcome) for outcome in outcomes),
        "## Machine and versions\n\n" + table(("", ""), machine()),
    ]
    return "\n\n".join(parts) + "\n"


def losses(outcomes: Sequence[Outcome]) -> list[str]:
    """A list of the rows in which we are slower, and of what wasn't measured."""
    rows = [row for outcome in outcomes for row in outcome.rows]
    lost = [
        f"- {row.group}, {row.name}, against {row.versus}: {row.verdict} {row.note}".rstrip()
        for row in rows
        if row.verdict
    ]
    below = sum(row.ratio is not None and row.ratio < 1 for row in rows)
    compared = sum(row.ratio is not None for row in rows)
    missing = sum(not row.ours for row in rows)
    head = [f"In {below} of {compared} comparisons the ratio is below 1.\n"]
    troubles = [f"- `{outcome.name}`: {outcome.trouble}." for outcome in outcomes if outcome.trouble]
    troubles += [f"- {missing} rows couldn't be measured here; each says why."] if missing else []
    return [*head, *lost, *troubles]


def section(outcome: Outcome) -> str:
    """One benchmark: its title, and a table for each kind of work in it."""
    head = f"## {outcome.name}\n\n{outcome.title}"
    parts = [head + f" `python benchmarks/{outcome.name}.py`, {outcome.seconds:.0f} s."]
    for group in dict.fromkeys(row.group for row in outcome.rows):
        lines = [cells(row) for row in outcome.rows if row.group == group]
        parts.append(table((group, "ours", "theirs", "ratio", "theirs is", "notes"), lines))
    if outcome.trouble:
        parts.append(f"**Not measured, or not all of it: {outcome.trouble}.**")
    return "\n\n".join(parts)


def cells(row: Row) -> tuple[str, ...]:
    """A row's cells."""
    ours, theirs = (milliseconds(statistics.median(side)) if side else "" for side in (row.ours, row.theirs))
    ratio = ""
    if row.ratio is not None:
        low, high = row.spread
        ratio = f"{digits(row.ratio)} ({digits(low)} to {digits(high)})"
    notes = " ".join([f"**{row.verdict}**"] * bool(row.verdict) + [row.note] * bool(row.note))
    return row.name, ours, theirs, ratio, row.versus, notes


def digits(ratio: float) -> str:
    """Three digits at most."""
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}" if ratio < 100 else f"{ratio:.0f}"


def table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(_cell(text) for text in row) + " |" for row in rows)


def machine() -> list[tuple[str, str]]:
    """What the times depend on."""
    here = look_at_machine()
    gpu = here.gpu and f"{here.gpu}, {in_gb(here.gpu_memory)}"
    return [
        ("processor", here.processor),
        ("cores to use, threads of PyTorch", f"{here.cores}, {torch.get_num_threads()}"),
        ("memory", in_gb(here.memory)),
        ("GPU", gpu or "none: what needs one is not on this page"),
        ("C++ compiler", here.compiler or "none"),
        ("system", f"{platform.system()}, {platform.machine()}"),
        ("Python", platform.python_version()),
        *((name, _version(name)) for name in PACKAGES),
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _replace(path: Path, content: bytes) -> None:
    """A file is the old one or the new one, never half of it."""
    draft = path.with_name(path.name + ".draft")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
