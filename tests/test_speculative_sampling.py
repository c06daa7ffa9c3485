"""Sampled tokens after guesses are distributed as the model says: counted, against probabilities that are known."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepseek_lab import DeepSeekConfig
from deepseek_lab.inference import speculative
from deepseek_lab.inference.drafters import Draft, Drafter, MTPDrafter, PromptLookup
from deepseek_lab.inference.sampling import Sampling
from deepseek_lab.inference.speculative import accept, speculate
from deepseek_lab.model.decoder import DeepSeekForCausalLM

FEW, NEW = 3, 4  # so few words that every text of four can be listed
PROMPT = torch.tensor([[0, 1, 2, 0, 1]])
P = torch.tensor([0.4, 0.3, 0.2, 0.1, 0.0])
Q = torch.tensor([0.1, 0.2, 0.3, 0.3, 0.1])


def chi_square(counts: torch.Tensor, probabilities: torch.Tensor) -> float:
    """How likely counts are that are at least as far from what is expected (Pearson's test).

    Outcomes of which fewer than 5 are expected count as one.
    """
    expected, counts = (probabilities * counts.sum()).double(), counts.double()
    assert counts[expected == 0].sum() == 0, "something impossible came"
    rare = expected < 5
    expected, counts = (torch.cat([x[~rare], x[rare].sum()[None]]) for x in (expected, counts))
    expected, counts = expected[expected > 0], counts[expected > 0]
    statistic = ((counts - expected).square() / expected).sum()
    freedom = torch.full_like(statistic, len(expected) - 1)
    return torch.special.gammaincc(freedom / 2, statistic / 2).item()


def one_step(rule, q: torch.Tensor | None, draws: int = 3000) -> float:
    """`chi_square` against P of the first token that comes out, with guesses drawn from q; None: always token 1."""
    generator, counts = torch.Generator().manual_seed(0), torch.zeros(len(P))
    guesses = torch.ones(draws).long() if q is None else torch.multinomial(q, draws, True, generator=generator)
    for guess in guesses:
        draft = Draft(guess[None], None if q is None else q[None])
        kept, own = rule(P.expand(2, -1), draft, generator)
        counts[guess if kept else own] += 1
    return chi_square(counts, P)


def draw_anew(target, draft, generator):
    """Wrong: after a rejection, a token is drawn from p instead of what is left of it."""
    kept, own = accept(target, draft, generator)
    return kept, own if kept == len(draft) else int(torch.multinomial(target[kept], 1, generator=generator))


def keep_most(target, draft, generator):
    """Wrong: kept wherever the guess is as likely as one in five."""
    kept = int((target[:-1].gather(1, draft.tokens[:, None]) > 0.2).cumprod(dim=0).sum())
    return kept, int(torch.multinomial(target[kept], 1, generator=generator))


def keep_by_p(target, draft, generator):
    """Wrong: kept with probability p(d), not p(d) / q(d)."""
    keep = torch.rand(1, generator=generator) < target[0, draft.tokens[0]]
    left = (target[0] - draft.probabilities[0]).clamp(min=0)
    return int(keep), int(torch.multinomial(left, 1, generator=generator))


@pytest.mark.parametrize("q", [Q, P, torch.tensor([0.0, 0, 0, 0, 1]), None], ids=str)
def test_a_guess_changes_no_probability(q):
    assert one_step(accept, q) > 1e-3


@pytest.mark.parametrize("rule", [draw_anew, keep_most, keep_by_p])
def test_a_wrong_rule_is_seen(rule):
    assert one_step(rule, Q) < 1e-6


def test_guesses_from_the_models_own_distribution_are_all_kept():
    """Where p and q are equal, rounding included, nothing is rejected; where they differ by it, a draw still works."""
    target = torch.randn(5, 40, generator=torch.Generator().manual_seed(0)).softmax(dim=-1)
    generator = torch.Generator().manual_seed(1)
    for _ in range(200):
        draft = Draft(torch.multinomial(target[:4], 1, generator=generator)[:, 0], target[:4])
        assert accept(target, draft, generator)[0] == 4
    one, more = torch.tensor([[1.0, 0.0]] * 2), torch.tensor([[1.0 + 1e-3, 0.0]])
    outcomes = {accept(one, Draft(torch.tensor([0]), more), generator) for _ in range(5000)}
    assert outcomes == {(1, 0), (0, 0)}


class Words(nn.Module):
    """What `speculate` uses of a model, quick enough for thousands of texts: logits by the last two tokens."""

    def __init__(self):
        super().__init__()
        self.lm_head = nn.Linear(FEW * FEW, FEW, bias=False)
        nn.init.normal_(self.lm_head.weight, generator=torch.Generator().manual_seed(0))

    def hidden_states(self, ids, cache=None):
        text = ids if cache is None else cache.add(ids)
        pairs = FEW * F.pad(text, (1, 0))[:, :-1] + text
        return F.one_hot(pairs[:, -ids.shape[1] :], FEW * FEW).float()

    def forward(self, ids):
        return self.lm_head(self.hidden_states(ids))

    def new_cache(self, batch_size, max_length):
        return Text(max_length)


class Text:
    """The tokens themselves as a cache."""

    def __init__(self, max_length: int):
        self.kept, self.max_length, self.length = torch.zeros(1, 0, dtype=torch.long), max_length, 0

    def add(self, ids):
        self.kept = torch.cat([self.kept, ids], dim=1)
        self.length = self.kept.shape[1]
        return self.kept

    def rewind(self, count):
        self.kept = self.kept[:, :-count]
        self.length -= count


class Drawn(Drafter):
    """Draws each guess from a distribution that the token before it has, which isn't the model's."""

    def __init__(self, tokens: int):
        generator = torch.Generator().manual_seed(1)
        self.tokens, self.table = tokens, torch.randn(FEW, FEW, generator=generator).softmax(dim=-1)

    def propose(self, tokens, limit, sampling, generator):
        drawn, q = [tokens[0, -1]], []
        for _ in range(min(self.tokens, limit)):
            q.append(self.table[drawn[-1]])
            drawn.append(torch.multinomial(q[-1], 1, generator=generator)[0])
        return Draft(torch.stack(drawn[1:]), torch.stack(q))


def sampled(model, drafter: Drafter, draws: int, prompt: torch.Tensor = PROMPT, **sampling) -> float:
    """`chi_square` of texts of `NEW` tokens against the probability of each by the model's own logits."""
    texts = torch.cartesian_prod(*[torch.arange(FEW)] * NEW)
    whole = torch.cat([prompt.expand(len(texts), -1), texts], dim=1)
    with torch.no_grad():
        logits = model(whole)
    joint, chosen = torch.ones(len(texts)), Sampling(**sampling)
    for place in range(prompt.shape[1], whole.shape[1]):
        each = chosen.scores(logits[:, place - 1], whole[:, :place]).softmax(dim=-1)
        joint = joint * each.gather(1, whole[:, place : place + 1])[:, 0]
    torch.testing.assert_close(joint.sum(), torch.tensor(1.0))
    counts, generator, rounds = torch.zeros(len(texts)), torch.Generator().manual_seed(1), []
    for _ in range(draws):
        found = speculate(model, prompt, NEW, drafter, generator=generator, **sampling)
        digits = found.tokens[0, prompt.shape[1] :].tolist()
        counts[sum(digit * FEW ** (NEW - 1 - place) for place, digit in enumerate(digits))] += 1
        rounds += found.rounds
    drafted, kept = sum(len(each.drafted) for each in rounds), sum(each.accepted for each in rounds)
    assert 0 < kept < drafted and drafted > draws, "there must be guesses of both kinds"
    return chi_square(counts, joint)


@pytest.mark.parametrize(
    ("drafter", "sampling"),
    [
        (Drawn(1), dict(temperature=0.8)),
        (Drawn(3), dict(temperature=1.5, repetition_penalty=1.7)),
        (Drawn(3), dict(temperature=1.2, repetition_penalty=0.7, top_p=0.9)),
        (Drawn(2), dict(temperature=1.0, top_k=2, min_p=0.2)),
        (PromptLookup(tokens=3), dict(temperature=0.8)),
        (PromptLookup(tokens=2), dict(temperature=1.5, repetition_penalty=1.7, top_p=0.9)),
    ],
)
def test_sampled_texts_are_as_likely_as_the_model_says(drafter, sampling):
    assert sampled(Words(), drafter, 1500, **sampling) > 1e-3


@pytest.mark.parametrize("rule", [draw_anew, keep_most])
def test_wrongly_sampled_texts_are_seen(rule, monkeypatch):
    monkeypatch.setattr(speculative, "accept", rule)
    assert sampled(Words(), Drawn(3), 1500, temperature=0.8) < 1e-3


def test_a_penalty_that_forgets_the_guesses_is_seen(monkeypatch):
    """Each row of a verification has a past of its own; here, the text before all guesses stands for it."""
    real = speculative.verify

    def forgetful(logits, tokens, draft, sampling, generator):
        scores = sampling.scores(logits, tokens.expand(len(logits), -1))
        return accept(scores.softmax(dim=-1), draft, generator)

    given = dict(temperature=1.0, repetition_penalty=3.0)
    monkeypatch.setattr(speculative, "verify", forgetful)
    assert sampled(Words(), Drawn(3), 1500, torch.tensor([[0]]), **given) < 1e-3
    monkeypatch.setattr(speculative, "verify", real)
    assert sampled(Words(), Drawn(3), 1500, torch.tensor([[0]]), **given) > 1e-3


def small(vocabulary: int) -> DeepSeekForCausalLM:
    """One layer of V3's kind, with a module."""
    torch.manual_seed(5)
    config = DeepSeekConfig.preset("v3").replace(
        vocab_size=vocabulary, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, q_lora_rank=8,
        kv_lora_rank=8, qk_nope_head_dim=4, qk_rope_head_dim=4, v_head_dim=4, intermediate_size=16,
        first_k_dense_replace=1, moe_intermediate_size=8, n_routed_experts=4, num_experts_per_tok=2, n_group=1,
        topk_group=1, initializer_range=0.7, rope_scaling=None,
    )  # fmt: skip
    return DeepSeekForCausalLM(config, mtp=True).eval()


@pytest.mark.parametrize(
    ("tokens", "sampling"),
    [(2, dict(temperature=0.8)), (3, dict(temperature=1.2, repetition_penalty=1.7, top_p=0.9))],
    ids=["plain", "penalty"],
)
def test_texts_with_the_module_are_as_likely_as_the_model_says(tokens, sampling):
    model = small(FEW)
    assert sampled(model, MTPDrafter(model, tokens), 500, **sampling) > 1e-3


def test_the_same_seed_gives_the_same_text():
    model = small(50)
    for drafter in (MTPDrafter(model, 2), PromptLookup()):
        made = [
            speculate(model, PROMPT, 12, drafter, 1.0, generator=torch.Generator().manual_seed(seed))
            for seed in (0, 0, 1)
        ]
        assert made[0].rounds == made[1].rounds
        assert not torch.equal(made[0].tokens, made[2].tokens)
