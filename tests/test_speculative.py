"""Speculative decoding: the tokens of plain decoding, or their exact distribution, in fewer forwards.

Models compute in fp64, so that the order in which numbers are added doesn't choose between two tokens.
"""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_lab import DeepSeekConfig
from deepseek_lab.config_fields import HEAVY, SLIDING, SPARSE
from deepseek_lab.inference import generate, speculative
from deepseek_lab.inference.drafters import Draft, Drafter, MTPDrafter, PromptLookup
from deepseek_lab.inference.sampling import Sampling
from deepseek_lab.inference.speculative import LONGEST, speculate
from deepseek_lab.model.decoder import DeepSeekForCausalLM

VOCABULARY, FAMILIES = 17, ("v2", "v3", "v3.2", "v4")
COMMON = dict(
    vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, q_lora_rank=8,
    qk_rope_head_dim=4, moe_intermediate_size=8, n_routed_experts=4, num_experts_per_tok=2, initializer_range=0.4,
    n_group=1, topk_group=1, bos_token_id=0, eos_token_id=1,
)  # fmt: skip
LATENT = dict(kv_lora_rank=8, qk_nope_head_dim=4, v_head_dim=4, intermediate_size=16, first_k_dense_replace=1)
INDEXED = dict(index_n_heads=16, index_head_dim=8, index_topk=6)  # fewer tokens than there are; and see helpers.v32
CONFIGS = {
    "v2": DeepSeekConfig.preset("v2").replace(
        **COMMON | LATENT, num_nextn_predict_layers=1, n_shared_experts=1, topk_method="greedy"
    ),
    "v3": DeepSeekConfig.preset("v3").replace(**COMMON | LATENT),
    "v3.2": DeepSeekConfig.preset("v3.2").replace(**COMMON | LATENT | INDEXED),
    "v4": DeepSeekConfig.preset("v4-flash").replace(
        **COMMON | INDEXED | dict(index_topk=2, num_hidden_layers=3), head_dim=8, sliding_window=5,
        compress_rate_csa=2, compress_rate_hca=4, o_groups=1, o_lora_rank=8, hc_mult=2,
        layer_types=(SPARSE, HEAVY, SLIDING), mlp_layer_types=("moe",) * 3,
    ),
}  # fmt: skip


def model_of(family: str, seed: int = 0, **fields) -> DeepSeekForCausalLM:
    """A small random model in fp64, always the same for the same seed."""
    torch.manual_seed(seed)
    return DeepSeekForCausalLM(CONFIGS[family].replace(**fields), mtp=family != "v4").double().eval()


def prompt(length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(VOCABULARY, (1, length), generator=torch.Generator().manual_seed(seed))


class Scripted(Drafter):
    """Knows what the model will write, and says it, or the token after it in the vocabulary, as `right` tells."""

    def __init__(self, text: torch.Tensor, tokens: int, right: list[bool]):
        self.text, self.tokens, self.right, self.asked = text, tokens, right, 0

    def propose(self, tokens, limit, sampling, generator):
        first = tokens.shape[1]
        drafted = self.text[0, first : first + min(self.tokens, limit)].clone()
        for place in range(len(drafted)):
            drafted[place] = (drafted[place] + (not self.right[self.asked % len(self.right)])) % VOCABULARY
            self.asked += 1
        return Draft(drafted)


def drafters(model: DeepSeekForCausalLM, tokens: int, truth: torch.Tensor, right: list[bool]) -> list[Drafter]:
    made = [PromptLookup(tokens=tokens), Scripted(truth, tokens, right)]
    return made + ([MTPDrafter(model, tokens)] if model.mtp_modules else [])


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=12)
@given(
    st.integers(0, 1000), st.integers(1, 9), st.integers(0, 14), st.integers(1, 4), st.sampled_from([1.0, 1.3]),
    st.lists(st.booleans(), min_size=1, max_size=9),
)  # fmt: skip
def test_greedy_tokens_are_those_of_generate(family, seed, length, new, tokens, penalty, right):
    model, ids = model_of(family, seed), prompt(length, seed)
    expected = generate(model, ids, new, repetition_penalty=penalty)
    for drafter in drafters(model, tokens, expected, right):
        found = speculate(model, ids, new, drafter, repetition_penalty=penalty)
        assert torch.equal(found.tokens, expected), type(drafter).__name__
        assert found.written == new and all(len(each.drafted) <= tokens for each in found.rounds)


@pytest.mark.parametrize("family", FAMILIES)
def test_rounds_say_what_happened(family):
    """All guesses right, all wrong, and two of three right."""
    model, ids = model_of(family), prompt(4)
    truth = generate(model, ids, 13)
    perfect = speculate(model, ids, 13, Scripted(truth, 3, [True]))
    assert (perfect.acceptance, perfect.forwards, perfect.tokens_per_forward) == (1.0, 4, 3.25)
    useless = speculate(model, ids, 13, Scripted(truth, 3, [False]))
    assert (useless.acceptance, useless.forwards, useless.tokens_per_forward) == (0.0, 13, 1.0)
    drafted = [len(each.drafted) for each in useless.rounds]
    assert drafted == [0, *[3] * 9, 2, 1, 0], "none with the prompt, and the last token is not worth a guess"
    mixed = speculate(model, ids, 13, Scripted(truth, 3, [True, True, False]))
    assert [(each.start, each.accepted) for each in mixed.rounds] == [(4, 0), (5, 2), (8, 2), (11, 2), (14, 2)]
    assert mixed.acceptance == pytest.approx(8 / 11), "the last round has two guesses"
    for found in (perfect, useless, mixed):
        assert torch.equal(found.tokens, truth)
        assert [token for each in found.rounds for token in each.tokens] == truth[0, 4:].tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_forwards_are_counted(family):
    model, ids, calls = model_of(family), prompt(5), []
    hook = model.model.register_forward_hook(lambda module, arguments, output: calls.append(arguments[0].shape[1]))
    found = speculate(model, ids, 11, PromptLookup(ngram=1, tokens=3))
    hook.remove()
    assert found.forwards == len(found.rounds) == len(calls)
    assert calls == [(5 if not number else 1) + len(each.drafted) for number, each in enumerate(found.rounds)]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_draft_is_never_longer_than_what_a_cache_can_take_back(family):
    model, ids = model_of(family), prompt(4)
    truth = generate(model, ids, 140)
    for right in ([True], [False]):
        found = speculate(model, ids, 140, Scripted(truth, 100, right))
        assert torch.equal(found.tokens, truth)
        assert max(len(each.drafted) for each in found.rounds) == LONGEST


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("right", [[True], [False], [True, False, True]], ids=str)
def test_a_cache_carries_on(family, right):
    """It holds tokens before, all but the last one after, and plain decoding goes on from it."""
    model, ids = model_of(family), prompt(6)
    whole = generate(model, ids, 16)
    cache = model.new_cache(1, 21)
    start = generate(model, ids, 4, cache=cache)
    for drafter in drafters(model, 3, whole[:, 9:], right):
        own = model.new_cache(1, 21)
        generate(model, ids, 4, cache=own)
        found = speculate(model, start[:, -1:], 7, drafter, cache=own)
        assert torch.equal(found.tokens, whole[:, 9:17])
        assert own.length == 16
        assert torch.equal(generate(model, found.tokens[:, -1:], 5, cache=own), whole[:, 16:])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tokens", [1, 4])
def test_the_text_ends_with_an_end_token(family, tokens):
    """Whether the model adds it or it is in the middle of kept guesses; the cache ends before it."""
    model, ids = model_of(family), prompt(3)
    truth = generate(model, ids, 14)
    written = truth[0, 3:].tolist()
    for end in set(written):
        expected = written[: written.index(end) + 1]
        for drafter in [*drafters(model, tokens, truth, [True]), Scripted(truth, tokens, [False])]:
            cache = model.new_cache(1, 16)
            found = speculate(model, ids, 14, drafter, cache=cache, eos_token_id=end)
            assert found.tokens[0, 3:].tolist() == expected
            assert found.written == len(expected) and cache.length == 2 + len(expected)
            assert found.rounds[-1].tokens[-1] == end and 0 <= found.acceptance <= 1
    unseen = next(token for token in range(VOCABULARY) if token not in written)
    assert torch.equal(speculate(model, ids, 14, PromptLookup(), eos_token_id=unseen).tokens, truth)


def test_nothing_to_write_and_one_token():
    model, ids = model_of("v3"), prompt(3)
    for drafter in (MTPDrafter(model, 3), PromptLookup()):
        none = speculate(model, ids, 0, drafter)
        assert torch.equal(none.tokens, ids) and none.rounds == ()
        assert (none.acceptance, none.tokens_per_forward) == (0, 0)
        one = speculate(model, ids.int(), 1, drafter)
        assert torch.equal(one.tokens, generate(model, ids, 1))
        assert one.forwards == 1 and one.rounds[0].drafted == ()
        assert torch.nn.Embedding(VOCABULARY, 2)(one.tokens).sum().backward() is None, "not an inference tensor"


@torch.no_grad()
def uncached_guesses(model: DeepSeekForCausalLM, text: torch.Tensor, count: int, sampling: Sampling) -> list[int]:
    """What the module says after a text, computed anew from the whole of it."""
    module, embed, guesses = model.mtp_modules[0], model.model.embed_tokens, []
    hidden, after = model.hidden_states(text[:, :-1]), text[:, 1:]
    for _ in range(count):
        logits = model.lm_head(module(hidden, embed(after))[:, -1])
        guesses.append(sampling.choose(logits, torch.cat([text[:, :1], after], dim=1)).item())
        hidden = torch.cat([hidden, module(hidden, embed(after))[:, -1:]], dim=1)
        after = torch.cat([after, torch.tensor([[guesses[-1]]])], dim=1)
    return guesses


@pytest.mark.parametrize("family", FAMILIES[:3])
@pytest.mark.parametrize(("tokens", "penalty"), [(1, 1.0), (3, 1.0), (4, 2.0)])
def test_guesses_are_those_of_the_module(family, tokens, penalty):
    """Its cache stays in step with the model's, whatever was kept and forgotten; seen over many rounds."""
    model, kept = model_of(family, seed=3), set()
    model.mtp_modules[0].load_state_dict(model.blocks[-1].state_dict(), strict=False)  # so that some guesses are right
    for seed in range(3):
        found = speculate(model, prompt(5, seed), 16, MTPDrafter(model, tokens), repetition_penalty=penalty)
        assert found.rounds[0].drafted == (), "the first forward reads the prompt"
        for each in found.rounds[1:]:
            text, count = found.tokens[:, : each.start], len(each.drafted)
            assert list(each.drafted) == uncached_guesses(model, text, count, Sampling(repetition_penalty=penalty))
            kept.add(each.accepted)
    assert {0, 1} <= kept


def test_lookup_copies_what_followed():
    def guess(text, ngram=3, tokens=4, limit=9):
        return PromptLookup(ngram, tokens).propose(torch.tensor([text]), limit, Sampling(), None).tokens.tolist()

    assert guess([1, 2, 3, 4, 5, 6, 7, 1, 2, 3]) == [4, 5, 6, 7]
    assert guess([1, 2, 3, 4, 5, 6, 7, 1, 2, 3], limit=2) == [4, 5]
    assert guess([9, 3, 4, 8, 8, 3, 5, 0, 0, 3]) == [5, 0, 0, 3], "the newest place"
    assert guess([2, 3, 4, 8, 3, 5, 0, 2, 3]) == [4, 8, 3, 5], "a longer match is better than a newer one"
    assert guess([2, 3, 4, 8, 3, 5, 0, 2, 3], ngram=1) == [5, 0, 2, 3]
    assert guess([7, 1, 2, 1, 2]) == [1, 2, 1, 2], "a text that repeats itself goes on"
    assert guess([5, 5]) == [5, 5, 5, 5]
    assert guess([1, 2, 3]) == guess([4]) == []


def test_a_penalty_looks_at_the_guesses_before(monkeypatch):
    """Each row of a forward has another past: what `verify` scores is what plain decoding scores."""
    model, ids = model_of("v3"), prompt(4)
    sampling, draft = Sampling(0.7, repetition_penalty=1.5), Draft(torch.tensor([3, 3, 8]))
    logits = torch.randn(4, VOCABULARY, generator=torch.Generator().manual_seed(0))
    seen = []
    monkeypatch.setattr(speculative, "accept", lambda target, draft, generator: seen.append(target) or (0, 0))
    speculative.verify(logits, ids, draft, sampling, None)
    text = ids
    for row, token in zip(range(4), [3, 3, 8, 0], strict=True):
        torch.testing.assert_close(seen[0][row], sampling.scores(logits[row : row + 1], text)[0].softmax(dim=-1))
        text = F.pad(text, (0, 1), value=token)
    assert model.config.vocab_size == VOCABULARY


class Says(Drafter):
    """The draft that it was made with."""

    def __init__(self, *given):
        self.given = given

    def propose(self, tokens, limit, sampling, generator):
        return Draft(*self.given)


MANY, TWO = torch.arange(9), torch.tensor([1, 2])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(max_new_tokens=-1), "max_new_tokens: got -1"),
        (dict(max_new_tokens=2.5), "max_new_tokens: got 2.5"),
        (dict(temperature=-1), "temperature: got -1"),
        (dict(eos_token_id="end"), "eos_token_id: got 'end'"),
        (dict(input_ids=prompt(4).expand(2, -1)), r"input_ids: got \(2, 4\)"),
        (dict(input_ids=[[1]]), "input_ids: got 'list'"),
        (dict(input_ids=prompt(4) + VOCABULARY), "input_ids: got"),
        (dict(input_ids=prompt(4).double()), "input_ids dtype: got"),
        (dict(drafter=None), "drafter: got 'NoneType'"),
        (dict(drafter=Says(MANY)), "draft: got '9 tokens', but it takes at most 6"),
        (dict(drafter=Says(MANY[None])), r"draft tokens: got \(1, 9\)"),
        (dict(drafter=Says(TWO + 20)), "input_ids: got"),
        (dict(drafter=Says(TWO, torch.ones(3, VOCABULARY))), r"draft probabilities: got \(3, 17\)"),
        (dict(drafter=Says(TWO, torch.ones(2, 5) / 5), temperature=1.0), r"draft probabilities: got \(2, 5\)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_makes_no_sense_is_refused(change, words):
    given_ = dict(model=model_of("v3"), input_ids=prompt(4), max_new_tokens=8, drafter=PromptLookup()) | change
    with pytest.raises(ValueError, match=words):
        speculate(**given_)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_small_cache_is_refused_before_anything_is_written(family):
    model, ids = model_of(family), prompt(4)
    cache = model.new_cache(1, 10)
    model(ids, cache=cache)
    with pytest.raises(ValueError, match="max_length of the cache: got 10, but it takes at least 11: 4 tokens are"):
        speculate(model, ids, 4, PromptLookup(), cache=cache)
    assert cache.length == 4
    expected = generate(model, torch.cat([ids, ids], dim=1), 3)
    assert torch.equal(speculate(model, ids, 3, PromptLookup(), cache=cache).tokens, expected[:, 4:])
    with pytest.raises(ValueError, match="batch"):
        speculate(model, ids, 3, PromptLookup(), cache=model.new_cache(2, 10))


def test_drafters_say_what_they_take():
    with pytest.raises(ValueError, match=r"model: got 'one without MTP modules', but it takes one made with mtp=True"):
        MTPDrafter(model_of("v4"))
    for wrong in (0, 1.5):
        with pytest.raises(ValueError, match="tokens: got"):
            MTPDrafter(model_of("v3"), wrong)
        with pytest.raises(ValueError, match="ngram: got"):
            PromptLookup(ngram=wrong)
        with pytest.raises(ValueError, match="tokens: got"):
            PromptLookup(tokens=wrong)
