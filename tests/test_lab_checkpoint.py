"""The course's own model: opened by transformers in a process that never sees this package, and what its card says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from deepseek_lab import DeepSeekConfig, load_pretrained
from deepseek_lab.model.accounting import activated_parameters, mtp_parameters, parameters
from deepseek_lab.training.data import pack, python_documents
from deepseek_lab.training.ngram import bits_per_byte
from deepseek_lab.training.objective import held_out_loss

FOLDER = Path(__file__).resolve().parents[1] / "data" / "checkpoints" / "lab"

ALONE = """
import sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

model = AutoModelForCausalLM.from_pretrained({folder!r})
tokenizer = AutoTokenizer.from_pretrained({folder!r})
ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer("def f(x):\\n    return").input_ids]])
with torch.no_grad():
    print([round(x, 3) for x in model(ids).logits[0, -1, :8].tolist()])
print(model.generate(ids, max_new_tokens=12, do_sample=False)[0].tolist())
writer = pipeline("text-generation", model={folder!r})
(answer,) = writer("def quicksort(arr):", max_new_tokens=20, do_sample=False)
assert answer["generated_text"].startswith("def quicksort(arr):") and len(answer["generated_text"]) > 25
assert "deepseek_lab" not in sys.modules
"""


@pytest.fixture(scope="module")
def model():
    return load_pretrained(FOLDER, mtp=True)


def test_transformers_opens_it_alone_and_writes_the_same(model):
    command = [sys.executable, "-I", "-c", ALONE.format(folder=str(FOLDER))]
    logits, tokens = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().split("\n")
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer("def f(x):\n    return").input_ids]])
    from deepseek_lab.inference import generate

    assert generate(model, ids, 12)[0].tolist()[: len(json.loads(tokens))] == json.loads(tokens)
    ours = model(ids)[0, -1, :8].tolist()
    assert ours == pytest.approx(json.loads(logits), abs=2e-3)


def test_it_is_small_and_of_the_preset():
    size = sum(path.stat().st_size for path in FOLDER.iterdir())
    assert size <= 25e6
    assert DeepSeekConfig.from_hf(FOLDER) == DeepSeekConfig.preset("lab")


def test_the_card_says_what_the_files_say():
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    results = json.loads((FOLDER / "results.json").read_text())
    recipe = json.loads((FOLDER / "recipe.json").read_text())
    config = DeepSeekConfig.preset("lab")
    assert recipe["total"] == parameters(config) and recipe["mtp"] == mtp_parameters(config)
    assert recipe["activated"] == activated_parameters(config, embedding=False)
    for number in (recipe["total"], recipe["activated"], recipe["mtp"]):
        assert f"{number:,}" in card
    for bits in results["held_out_bits_per_byte"].values():
        assert f"| {bits:.2f} |" in card
    for share in results["parsing_completions_of_200"]["lab"].values():
        assert f"{100 * share:.0f} %" in card
        assert (share * 200) == pytest.approx(round(share * 200))
    curve = json.loads((FOLDER / "curve.json").read_text())
    assert curve["steps"] == recipe["recipe"]["steps"] and len(curve["samples"]) >= 5
    assert all(len(texts) == len(curve["prompts"]) for texts in curve["samples"].values())


@pytest.mark.slow
def test_it_predicts_held_out_text_as_well_as_it_says(model):
    """On this machine's standard library, which may be another version's."""
    tokenizer, text = AutoTokenizer.from_pretrained(FOLDER), python_documents(packages=False).validation
    packed = pack(tokenizer, text)
    loss = held_out_loss(model, packed, length=256)
    bits = bits_per_byte(loss, len(packed) - 1, sum(len(part.encode()) for part in text))
    claimed = json.loads((FOLDER / "results.json").read_text())["held_out_bits_per_byte"]["lab"]
    assert bits == pytest.approx(claimed, abs=0.15)


def test_prediction_module_guesses_better_than_chance(model):
    from deepseek_lab.training.objective import mtp_losses

    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    window = pack(tokenizer, python_documents(packages=False).validation)[None, :257].long()
    with torch.no_grad():
        (loss,) = mtp_losses(model, model.hidden_states(window[:, :-1]), window)
    assert loss < 5.5  # ln 2048 = 7.6
