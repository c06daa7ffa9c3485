"""The small model, its text, and its training loop."""

import pytest
import torch
from helpers.compare import relative_error

from deepseek_lab.attention import MultiHeadAttention
from deepseek_lab.model.small import SmallDecoder
from deepseek_lab.model.variants import KINDS, PARAMETERS, equal_cache_attention, equal_cache_model
from deepseek_lab.training.corpus import (
    Corpus,
    encode,
    python_corpus,
    random_windows,
    repeat_half,
    standard_library_files,
    token_labels,
)
from deepseek_lab.training.loop import next_token_loss, train, validation_loss


def small_model(seed: int = 0) -> SmallDecoder:
    torch.manual_seed(seed)
    return SmallDecoder([MultiHeadAttention(32, 4, 2, 8) for _ in range(2)], 32, 48)


def quietly(loop, label):
    return loop


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    text = torch.tensor(list(b"for x in range(10):\n    print(x)\n" * 100), dtype=torch.uint8)
    return Corpus(text, text[:640])


def test_cached_logits_equal_whole_ones():
    model, ids = small_model(), torch.randint(256, (2, 19))
    cache = model.new_cache(2, 19)
    pieces = torch.cat([model(ids[:, :7], cache), model(ids[:, 7:8], cache), model(ids[:, 8:], cache)], dim=1)
    assert relative_error(pieces, model(ids)) < 1e-5


def test_attention_weights_of_every_layer_and_head():
    weights = small_model().attention_weights(torch.randint(256, (3, 11)))
    assert weights.shape == (3, 2, 4, 11, 11)
    assert torch.allclose(weights.sum(-1), torch.ones(()))
    assert not weights.triu(1).any()


@pytest.mark.parametrize(
    "ids, words",
    [
        (torch.zeros(3, dtype=torch.long), r"input_ids: got \(3,\), but it takes shape \(batch, tokens\)"),
        (torch.zeros(1, 0, dtype=torch.long), "not empty"),
        (torch.tensor([[3, 256]]), r"input_ids: got \(3, 256\), but it takes ids from 0 to 255"),
        (torch.tensor([[-1]]), "ids from 0 to 255"),
    ],
)
def test_wrong_ids_are_refused(ids, words):
    with pytest.raises(ValueError, match=words):
        small_model()(ids)


def test_training_learns_and_repeats_bit_for_bit(corpus):
    models = [small_model(), small_model()]
    losses = [train(m, corpus, 40, batch=8, length=32, lr=1e-2, progress=quietly) for m in models]
    assert losses[0] == losses[1]
    assert all(torch.equal(a, b) for a, b in zip(*(m.parameters() for m in models), strict=True))
    assert losses[0][-1] < 0.3 * losses[0][0]
    assert validation_loss(models[0], corpus, 32, windows=8) < 0.3 * losses[0][0]
    other = train(small_model(), corpus, 5, batch=8, length=32, lr=1e-2, seed=1, progress=quietly)
    assert other != losses[0][:5]


def test_loss_is_cross_entropy_of_the_next_token():
    model, windows = small_model(), torch.randint(256, (2, 9))
    log_probabilities = model(windows[:, :-1]).log_softmax(-1)
    expected = -log_probabilities.gather(-1, windows[:, 1:, None]).mean()
    assert next_token_loss(model, windows).item() == pytest.approx(expected.item(), rel=1e-6)


def test_windows_are_pieces_of_the_text_followed_by_their_targets():
    source = torch.arange(50, dtype=torch.uint8)
    windows = random_windows(source, 200, 10, torch.Generator().manual_seed(0))
    assert windows.shape == (200, 11) and windows.dtype == torch.long
    assert torch.equal(windows, windows[:, :1] + torch.arange(11))
    assert windows[:, 0].min() == 0 and windows[:, 0].max() == 39  # every start occurs, the last one too
    with pytest.raises(ValueError, match="window length: got 50, but it takes less than the 50 tokens"):
        random_windows(source, 1, 50, torch.Generator())


def test_every_second_window_repeats_and_the_others_stay():
    windows = torch.randint(256, (6, 129))
    repeated = repeat_half(windows, torch.Generator().manual_seed(0))
    assert torch.equal(repeated[1::2], windows[1::2])
    for before, after in zip(windows[::2], repeated[::2], strict=True):
        periods = [p for p in range(10, 64) if torch.equal(after[p:], after[:-p])]
        assert periods and torch.equal(after[: periods[0]], before[: periods[0]])


def test_standard_library_is_split_by_file():
    files, corpus = standard_library_files(), python_corpus()
    assert not any("site-packages" in str(path) or "/test/" in str(path) for path in files)
    assert len(corpus.train) + len(corpus.validation) == sum(path.stat().st_size for path in files)
    assert bytes(corpus.validation[:200].tolist()) == files[0].read_bytes()[:200]
    assert 0.02 < len(corpus.validation) / len(corpus.train) < 0.12


@pytest.mark.parametrize("text", ["def f(x):\n\treturn x", "é", "😀 ok", "\x00\x7f", "a"])
def test_tokens_are_bytes_with_a_label_each(text):
    assert bytes(encode(text)[0].tolist()).decode() == text
    labels = token_labels(text)
    assert len(labels) == encode(text).shape[1]
    assert all(labels)
    if text == "😀 ok":
        assert labels == ["f0", "9f", "98", "80", " ", "o", "k"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("budget", [32, 64, 128])
def test_variants_keep_the_same_and_weigh_the_same(kind, budget):
    model = equal_cache_model(kind, budget)
    assert [cache.elements_per_token for cache in model.new_cache(1, 3)] == [budget] * 2
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(PARAMETERS, rel=1e-3)
    assert model(torch.randint(256, (1, 5))).shape == (1, 5, 256)


@pytest.mark.parametrize("kind, budget", [("MHA", 40), ("MLA", 20), ("GQA", 6), ("MQA", 2), ("MHA", 0), ("GPA", 64)])
def test_budgets_that_cannot_be_split_are_refused(kind, budget):
    with pytest.raises(ValueError, match=r"cached_elements|kind"):
        equal_cache_attention(kind, budget)
