"""What each kind of attention reads of a text in the lab's model, and its trained indexers."""

import json

import pytest
import torch
from transformers import AutoTokenizer

from deepseek_lab import load_pretrained
from deepseek_lab.course.setup import data_path
from deepseek_lab.inference.reading import USES, VARIANTS, LabReader
from deepseek_lab.model.lab_indexers import RATES, LabIndexers, LayerInput

TEXT = "def add(a, b):\n    return a + b\n\nfor name in names:\n    print(name, add(1, 2))\n"
SETTINGS = dict(window=5, compression=4, topk=3)


@pytest.fixture(scope="module")
def reader():
    folder = data_path("checkpoints/lab")
    model = load_pretrained(folder)
    indexers = LabIndexers.load(model.config, data_path("lab_indexers.safetensors"))
    return LabReader(model, AutoTokenizer.from_pretrained(folder), indexers)


def test_counts_read_by_hand(reader):
    tokens = len(reader.tokens(TEXT)[1])
    positions = torch.arange(tokens)
    read = {
        variant: sum(branch.kept.sum(dim=1) for branch in reader.branches(TEXT, variant, **SETTINGS))
        for variant in VARIANTS
    }
    near, complete = (positions + 1).clamp(max=5), (positions + 1) // 4
    expected = {
        "dense": positions + 1, "window": near, "summaries": near + complete, "DSA": (positions + 1).clamp(max=3),
        "CSA": near + complete.clamp(max=3), "HCA": near + complete,
    }  # fmt: skip
    assert {name: count.tolist() for name, count in read.items()} == {n: c.tolist() for n, c in expected.items()}
    assert set(USES) == set(VARIANTS)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("text", ["", "x", "snake \U0001f40d\u200d", TEXT * 40])
def test_any_text(reader, variant, text):
    _, pieces = reader.tokens(text)
    assert 1 <= len(pieces) <= 96
    for branch in reader.branches(text, variant, **SETTINGS):
        assert branch.kept.shape == (len(pieces), len(branch.spans))
        for first, stop in branch.spans:
            assert 0 <= first < stop <= len(pieces)
        for token, entry in branch.kept.nonzero().tolist():
            assert branch.spans[entry][1] <= token + 1, "nothing is read before its last token was there"
        if branch.scores is not None:
            assert branch.scores[branch.kept].isfinite().all()
            if variant in ("DSA", "CSA"):  # what is kept scored at least as much as what wasn't
                for scores, kept in zip(branch.scores, branch.kept, strict=True):
                    if kept.any() and (~kept).any():
                        assert scores[kept].min() >= scores[~kept].max()


def test_what_does_not_fit(reader):
    for change in (dict(window=0), dict(topk=0), dict(compression=2.5)):
        with pytest.raises(ValueError, match=next(iter(change))):
            reader.branches(TEXT, "CSA", **{**SETTINGS, **change})
    with pytest.raises(ValueError, match="variant"):
        reader.branches(TEXT, "CSB", **SETTINGS)
    with pytest.raises(ValueError, match="compression"):
        reader.branches(TEXT, "CSA", **{**SETTINGS, "compression": 5})


def test_the_indexers_were_trained():
    """As `tools/lab_indexers.py` measured: most of what could be gained was, for every one of them."""
    caught = json.loads(data_path("lab_indexers.json").read_text())["caught"]
    assert set(caught) == {"tokens", *map(str, RATES)}
    for name, share in caught.items():
        assert share["trained"] - share["untrained"] > 0.6 * (share["best"] - share["untrained"]), name


def test_trained_indexers_agree_with_the_layer(reader):
    """On a text of their own: their distance from the layer's attention is far below an untrained one's."""
    seen = LayerInput(reader.model, reader.tokens(TEXT * 3)[0])
    torch.manual_seed(0)
    fresh = LabIndexers(reader.model.config).losses(seen)
    for name, loss in reader.indexers.losses(seen).items():
        assert loss.item() < 0.5 * fresh[name].item(), name
