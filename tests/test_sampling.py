"""Which tokens may be drawn, and how likely each is, against transformers' processors one by one and together."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from deepseek_lab.inference.sampling import Sampling

settings = st.fixed_dictionaries(
    {
        "temperature": st.floats(0.1, 3),
        "top_k": st.none() | st.integers(1, 40),
        "top_p": st.none() | st.floats(0.01, 1),
        "min_p": st.none() | st.floats(0.01, 1),
        "repetition_penalty": st.just(1.0) | st.floats(0.5, 2),
    }
)


def theirs(logits: torch.Tensor, before: torch.Tensor, temperature, top_k, top_p, min_p, repetition_penalty):
    """The same by transformers' classes, in the order of its `generate`."""
    chain = [RepetitionPenaltyLogitsProcessor(float(repetition_penalty)), TemperatureLogitsWarper(temperature)]
    chain += [TopKLogitsWarper(top_k)] if top_k else []
    chain += [TopPLogitsWarper(top_p)] if top_p and top_p < 1 else []
    chain += [MinPLogitsWarper(min_p)] if min_p else []
    for processor in chain:
        logits = processor(before, logits)
    return logits


@given(settings, st.integers(1, 3), st.integers(1, 30), st.integers(0, 10_000))
def test_scores_are_those_of_transformers(wanted, batch, vocabulary, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(batch, vocabulary, generator=generator)
    before = torch.randint(vocabulary, (batch, 5), generator=generator)
    ours = Sampling(**wanted).scores(logits, before)
    official = theirs(logits.clone(), before, **wanted)
    # A token whose probability is exactly at a border may fall on either side of it: rounding decides.
    assert (ours.isinf() != official.isinf()).sum() <= batch
    kept = ~(ours.isinf() | official.isinf())
    assert kept.any(dim=-1).all()
    torch.testing.assert_close(ours[kept], official[kept], rtol=1e-5, atol=1e-6)


def test_draws_have_the_probabilities_of_the_scores():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    sampling, generator = Sampling(temperature=0.7, top_k=3), torch.Generator().manual_seed(0)
    drawn = sampling.choose(logits.expand(20_000, -1), torch.zeros(20_000, 1, dtype=torch.long), generator)
    share = torch.bincount(drawn.flatten(), minlength=4) / 20_000
    expected = torch.tensor([2.0, 1.0, 0.0, -torch.inf]).div(0.7).softmax(dim=-1)
    assert share[3] == 0
    torch.testing.assert_close(share, expected, rtol=0, atol=0.015)  # four standard deviations


def test_the_best_token_always_stays():
    logits = torch.randn(5, 9)
    for wanted in ({"top_p": 1e-6}, {"top_k": 1}, {"min_p": 1.0}):
        chosen = Sampling(temperature=1.0, **wanted).choose(logits, torch.zeros(5, 1, dtype=torch.long))
        assert torch.equal(chosen, logits.argmax(dim=-1, keepdim=True))


def test_the_penalty_counts_at_temperature_0_too():
    logits, before = torch.tensor([[3.0, 2.9]]), torch.tensor([[0, 0]])
    assert Sampling().choose(logits, before).item() == 0
    assert Sampling(repetition_penalty=1.1).choose(logits, before).item() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1}, {"temperature": "hot"}, {"top_k": 0}, {"top_k": 1.5}, {"top_p": 0}, {"top_p": 1.1},
        {"min_p": -0.1}, {"min_p": True}, {"repetition_penalty": 0}, {"repetition_penalty": None},
    ],
    ids=str,
)  # fmt: skip
def test_numbers_that_make_no_sense(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name}: got"):
        Sampling(**wrong)
