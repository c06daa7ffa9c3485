"""The benchmarks on a GPU: what they measure there, with shares of the card's measured copy and matrix rates."""

import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if "\ndef rows(" in path.read_text(encoding="utf-8"))
SHARES = ("decode", "moe", "train")  # their notes say what part of the card's rates was reached
LIMIT = 600  # seconds for each


@pytest.mark.parametrize(
    "script", [pytest.param(path, id=path.stem, marks=pytest.mark.gpu(f"benchmarks/{path.name}")) for path in SCRIPTS]
)
def test_benchmark(script, monkeypatch, tell):
    """Each script checks that both sides compute the same, and raises where they don't."""
    monkeypatch.syspath_prepend(str(FOLDER))
    outcome = importlib.import_module("run").run_one(script, LIMIT, tiny=False)
    for row in outcome.rows:
        tell(importlib.import_module("rows").line(row))
    assert not outcome.trouble
    assert any(row.ours for row in outcome.rows)
    if script.stem in SHARES:
        assert any("%" in row.note for row in outcome.rows), "no share of the card's rates"
