"""Generation: the tokens that transformers writes, with a cache or without, and draws that follow the temperature."""

import pytest
import torch
from helpers import tiny
from hypothesis import given
from hypothesis import strategies as st
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

from deepseek_lab.inference import complete_texts, generate, generate_tokens
from deepseek_lab.inference.generate import PREFILL_CHUNK
from deepseek_lab.inference.sampling import Sampling
from deepseek_lab.model.decoder import next_token_logits


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
    cache = model.new_cache(1, 1)
    generate(model, ids, 1, cache=cache)
    assert torch.equal(generate(model, ids, 0, cache=cache), ids)  # a full cache is no hindrance


def test_ids_of_either_width(model):
    ids = torch.randint(300, (2, 6))
    whole = generate(model, ids, 5, repetition_penalty=1.2)
    assert torch.equal(generate(model, ids.int(), 5, repetition_penalty=1.2), whole)


def test_tokens_come_one_by_one(model):
    ids, asked = torch.randint(300, (3, 6)), []

    def step(new, cache):
        asked.append(new.tolist())
        return next_token_logits(model, new, cache)

    whole = generate(model, ids, 5)
    steps = generate_tokens(model, ids, 5, step=step)
    assert asked == []
    first, second = next(steps), next(steps)
    assert torch.equal(torch.cat([first, second], dim=1), whole[:, 6:8])
    assert asked == [first.tolist()]  # the prompt is no step, and nothing is computed before it is asked for
    assert torch.equal(torch.cat([first, second, *steps], dim=1), whole[:, 6:])
    assert torch.equal(generate(model, ids, 5, step=step), whole) and len(asked) == 8


def test_a_step_may_be_replaced(model):
    def step(new, cache):
        return torch.nn.functional.one_hot((new[:, 0] + 1) % 300, 300).float()

    ids = torch.randint(290, (2, 6))
    first = generate(model, ids, 1)[:, -1:]
    assert torch.equal(generate(model, ids, 4, step=step)[:, 6:], (first + torch.arange(4)) % 300)


@pytest.mark.parametrize("leave", ["used up", "closed", "abandoned"])
def test_the_caller_is_not_left_in_inference_mode(model, leave):
    steps = generate_tokens(model, torch.tensor([[5, 6]]), 3)
    new = next(steps)
    assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
    model(new).sum().backward()  # between two steps; an inference tensor could not be looked up here
    assert model.lm_head.weight.grad is not None
    model.zero_grad()
    next(steps)
    steps = {"used up": list, "closed": lambda g: g.close(), "abandoned": lambda g: None}[leave](steps)
    assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
    assert not generate(model, torch.tensor([[5, 6]]), 3).is_inference()
    with torch.inference_mode():
        next(generate_tokens(model, torch.tensor([[5, 6]]), 3))
        assert torch.is_inference_mode_enabled()


def test_what_the_caller_does_to_a_token_changes_nothing(model):
    found, scores = [], torch.arange(1.0, 301.0)[None]
    sampling = Sampling(repetition_penalty=1000.0)
    for new in generate_tokens(model, torch.tensor([[5]]), 6, sampling, step=lambda new, cache: scores):
        found.append(new.item())
        new.zero_()
    assert len(set(found)) == 6 and found[-2] > 290  # each is penalised, not what the caller made of it


def test_rows_end_at_the_end_token(model):
    ids = torch.randint(300, (4, 6), generator=torch.Generator().manual_seed(1))
    free = generate(model, ids, 12, 1.0, generator=torch.Generator().manual_seed(0))
    for end in free[:, 6:].unique().tolist():
        found = generate(model, ids, 12, 1.0, generator=torch.Generator().manual_seed(0), eos_token_id=end)
        rows = [row.index(end, 6) if end in row[6:] else None for row in free.tolist()]
        length = 18 if None in rows else max(rows) + 1
        assert found.shape == (4, length)
        for row, (ours, theirs) in enumerate(zip(found.tolist(), free.tolist(), strict=True)):
            if rows[row] is not None:
                assert ours[rows[row] :] == [end] * (length - rows[row])
                assert ours[: rows[row]] == theirs[: rows[row]]


def test_generation_stops_once_all_rows_have_ended(model):
    ids, asked = torch.randint(300, (2, 6)), []

    def step(new, cache):
        asked.append(new)
        end = 7 if len(asked) in (2, 4) else 9
        return torch.nn.functional.one_hot(torch.tensor([end, 7 if len(asked) == 4 else 9]), 300).float()

    found = generate(model, ids, 50, step=step, eos_token_id=7)
    assert len(asked) == 4 and found[:, 7:].tolist() == [[9, 7, 7, 7], [9, 9, 9, 7]]


@given(st.integers(1, 30), st.integers(1, 31), st.integers(0, 5))
def test_a_prompt_in_chunks(tokens, chunk, before):
    """The same tokens, the same cache, at most `chunk` tokens at once."""
    model, seen = tiny.model(), []
    ids = torch.randint(300, (2, tokens))
    caches = [model.new_cache(2, before + tokens + 3) for _ in range(2)]
    for cache in caches:
        if before:
            model(torch.arange(2 * before).view(2, before), cache=cache)
    whole = generate(model, ids, 4, cache=caches[0], prefill_chunk=tokens)
    model.model.embed_tokens.register_forward_pre_hook(lambda module, given: seen.append(given[0].shape[1]))
    assert torch.equal(generate(model, ids, 4, cache=caches[1], prefill_chunk=chunk), whole)
    assert max(seen) == min(chunk, tokens) and sum(seen) == tokens + 3 and len(seen) == -(-tokens // chunk) + 3
    for first, second in zip(*(cache.layers for cache in caches), strict=True):
        for name in first.slots:
            torch.testing.assert_close(first.slots[name], second.slots[name])


def test_a_long_prompt_is_cut_by_default():
    model, seen = tiny.model(), []
    ids = torch.randint(300, (1, 2 * PREFILL_CHUNK + 3))
    model.model.embed_tokens.register_forward_pre_hook(lambda module, given: seen.append(given[0].shape[1]))
    found = generate(model, ids, 3)
    assert seen == [PREFILL_CHUNK, PREFILL_CHUNK, 3, 1, 1]
    assert torch.equal(generate(model, ids, 3, prefill_chunk=ids.shape[1]), found) and max(seen) == ids.shape[1]


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


@pytest.mark.parametrize(
    ("ids", "more", "words"),
    [
        ([[1]], {"eos_token_id": -1}, "eos_token_id: got -1"), ([[1]], {"eos_token_id": [1]}, "eos_token_id: got"),
        ([[1]], {"prefill_chunk": 0}, "prefill_chunk: got 0"), ([[1]], {"prefill_chunk": 2.5}, "prefill_chunk"),
        ([[1]], {"step": 5}, "step: got 5"), ([[1]], {"max_new_tokens": 1.0}, "max_new_tokens"),
        ([[]], {}, "input_ids: got"), ([1], {}, "input_ids: got"), ([[1.5]], {}, "input_ids dtype"),
        ([[1, 2, 3, 4, 300]], {"prefill_chunk": 2}, r"input_ids: got \(1, 300\)"),
        ([[1, 2, 3, 4, 5, 6]], {"prefill_chunk": 2}, "max_length of the cache: got 5"),
        ([[1, 2, 3]], {"max_new_tokens": 4}, "max_length of the cache: got 5.*at least 6"),
        ([[1], [2]], {}, "2, but it takes 1"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_at_the_call_and_the_cache_left_alone(model, ids, more, words):
    cache = model.new_cache(1, 5)
    with pytest.raises(ValueError, match=words):
        generate_tokens(model, torch.tensor(ids), **{"max_new_tokens": 1, "cache": cache, **more})
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
