"""The course's code model, as it ships: what it writes runs, as often as its results say, and anybody can open it."""

import json
import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from deepseek_lab import load_pretrained
from deepseek_lab.applications.checkpoints import open_writer
from deepseek_lab.applications.code import complete, complete_many, stream
from deepseek_lab.applications.programs import draw
from deepseek_lab.applications.sandbox import run_many, run_tests

FOLDER = Path(__file__).resolve().parents[1] / "data" / "checkpoints" / "code"
RESULTS = json.loads((FOLDER / "results.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def coder():
    return open_writer("lab", lab=FOLDER, device=torch.device("cpu"))


@pytest.mark.parametrize("prompt", ["def quicksort(arr):", "def quicksort(arr):\n", "def quicksort(arr):\n    "])
def test_quicksort_sorts_a_thousand_lists(coder, prompt):
    rng, tests = random.Random(1), []
    for _ in range(1000):
        numbers = [rng.randint(-50, 50) for _ in range(rng.randint(0, 30))]
        tests.append(f"assert quicksort({numbers}) == {sorted(numbers)}")
    found = complete(coder, prompt)
    assert found.ended and "".join(stream(coder, prompt)) == found.text
    result = run_tests(found.source, tests, allow_missing=True)
    assert result.passed and len(result.outcomes) == 1000


@pytest.mark.slow
def test_most_prompts_in_new_words_are_answered_by_programs_that_work(coder):
    programs = draw(77, 60, "new wording")
    found = complete_many(coder, [program.prompt for program in programs])
    jobs = [(each.source, program.tests) for each, program in zip(found, programs, strict=True)]
    works = sum(result.passed for result in run_many(jobs, allow_missing=True))
    # 60 programs are a sample: two and a half standard deviations of it are 13 points
    assert works / len(programs) >= RESULTS["code"]["new wording"]["greedy"]["value"] - 0.13


def test_the_goal_is_met_and_the_baseline_is_far_below():
    assert RESULTS["code"]["new wording"]["pass@1"]["value"] >= 0.8
    for split in ("train", "new wording"):
        ours, before = (RESULTS[name][split]["pass@1"] for name in ("code", "lab"))
        assert ours["low"] > before["high"]


def test_transformers_opens_it_and_agrees():
    ids = AutoTokenizer.from_pretrained(FOLDER)("def f(x):\n", return_tensors="pt").input_ids
    theirs = AutoModelForCausalLM.from_pretrained(FOLDER)
    with torch.no_grad():
        expected, found = theirs(ids).logits, load_pretrained(FOLDER)(ids)
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_files_are_small_and_safe():
    names = {path.name for path in FOLDER.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "recipe.json", "results.json", "README.md"} <= names
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in names)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 25_000_000
