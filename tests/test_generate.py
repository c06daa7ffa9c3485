"""Generation: the tokens that transformers writes, with a cache or without, and draws that follow the temperature."""

import pytest
import torch
from helpers import tiny
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

from deepseek_lab.inference import complete_texts, generate
from deepseek_lab.inference.sampling import Sampling


@pytest.fixture(scope="module")
def model():
    trained, _ = tiny.train(None, 20)
    return trained


def test_greedy_tokens_are_transformers(model):
    theirs = DeepseekV3ForCausalLM(DeepseekV3Config(**model.config.to_hf())).eval()
    ours = {name: t for name, t in model.state_dict().items() if not name.startswith("model.layers.2.")}
    theirs.load_state_dict(ours)
    ids = torch.randint(3, 300, (3, 7))
    expected = theirs.generate(ids, max_new_tokens=20, do_sample=False, eos_token_id=None, pad_token_id=2)
    assert torch.equal(generate(model, ids, 20), expected)


def test_a_cache_carries_on(model):
    ids = torch.randint(300, (2, 6))
    whole = generate(model, ids, 9)
    cache = model.new_cache(2, 20)
    first = generate(model, ids, 4, cache=cache)
    assert cache.length == 9  # the last token is not in it yet
    second = generate(model, first[:, -1:], 5, cache=cache)
    assert torch.equal(torch.cat([first, second[:, 1:]], dim=1), whole)


def test_nothing_to_write_and_one_token(model):
    ids = torch.tensor([[5]])
    assert torch.equal(generate(model, ids, 0), ids)
    assert generate(model, ids, 1).shape == (1, 2)


def choose(logits: torch.Tensor, temperature: float, seed: int = 0) -> torch.Tensor:
    before = torch.zeros(len(logits), 0, dtype=torch.long)
    return Sampling(temperature).choose(logits, before, torch.Generator().manual_seed(seed))


def test_draws_follow_the_softmax_and_repeat_with_a_seed():
    logits = torch.tensor([[0.0, 1.0, 2.0]]).expand(20000, 3)
    for temperature in (0.5, 1.0, 2.0):
        drawn = choose(logits, temperature, 0).flatten()
        shares = drawn.bincount(minlength=3) / len(drawn)
        assert torch.allclose(shares, (logits[0] / temperature).softmax(-1), atol=0.015)
    again = choose(logits, 2.0, 0).flatten()
    assert torch.equal(drawn, again)
    assert choose(logits[:1], 1e-8).item() == choose(logits[:1], 0).item() == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((-1,), "max_new_tokens: got -1"), ((2, -0.5), "temperature: got -0.5"), ((2, float("nan")), "temperature")],
)
def test_nonsense_is_refused(model, arguments, words):
    with pytest.raises(ValueError, match=words):
        generate(model, torch.tensor([[1]]), *arguments)


def test_a_full_cache_is_refused_before_anything_is_written(model):
    cache = model.new_cache(1, 4)
    with pytest.raises(ValueError, match="max_length of the cache: got 4"):
        generate(model, torch.tensor([[1, 2, 3, 4, 5]]), 1, cache=cache)
    assert cache.length == 0


class Letters:
    """A tokenizer of one id per letter: 0 begins, 1 ends."""

    bos_token_id, eos_token_id = 0, 1

    def __call__(self, text, add_special_tokens):
        return type("Encoded", (), {"input_ids": [3 + ord(c) for c in text]})

    def decode(self, ids):
        return "".join(chr(i - 3) for i in ids)


def test_texts_of_any_length_are_completed_as_if_alone(model):
    prompts = ["abc", "x", "def", "", "yz"]
    answers = complete_texts(model, Letters(), prompts, 6)
    assert answers == [complete_texts(model, Letters(), [prompt], 6)[0] for prompt in prompts]
    drawn = [complete_texts(model, Letters(), prompts, 6, temperature=1.0, seed=seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert complete_texts(model, Letters(), [], 6) == []


def test_a_text_ends_where_the_model_ends_it(monkeypatch):
    from deepseek_lab.inference import text

    written = torch.tensor([[0, 100, 101, 1, 102], [0, 100, 101, 102, 103]])
    monkeypatch.setattr(text, "generate", lambda *args, **more: written)
    model = tiny.model()
    assert complete_texts(model, Letters(), ["a", "b"], 3) == [("b", True), ("bcd", False)]
