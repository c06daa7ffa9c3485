"""Speculative decoding: a drafter guesses some tokens, the model verifies all of them in one forward.

Decoding is slow because all weights are read for every single token: k + 1 tokens in one forward read them once, though
with a mixture of experts they visit more of them. If the model would have written the guesses itself, it has moved on
by k + 1 tokens. It pays as long as guessing and verifying cost less than the forwards that they save.

What is written is the model's own. At temperature 0 a guess is kept if it is the token that the model takes. Otherwise,
with p the model's distribution and q the one that the guess d was drawn from:

    keep d with probability min(1, p(d) / q(d)); else draw from max(p - q, 0), normalised

so that every token t comes with q(t) min(1, p(t) / q(t)) + (what is left) = p(t). Sources: Leviathan et al.
(https://arxiv.org/abs/2211.17192), Chen et al. (https://arxiv.org/abs/2302.01318).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from deepseek_lab.attention.compressed_cache import UNDO
from deepseek_lab.config import is_whole, require, require_whole
from deepseek_lab.inference.drafters import Draft, Drafter
from deepseek_lab.inference.sampling import Sampling
from deepseek_lab.model.cache import ModelCache
from deepseek_lab.model.decoder import DeepSeekForCausalLM

LONGEST = UNDO - 1  # tokens of a draft: V4's cache can take back no more


@dataclass(frozen=True)
class Round:
    """One forward of the model: which tokens were drafted, how many of them were kept, and what the model added.

    `start` is the place in the text of the first token that came out of it. `added` is None where the last token kept
    ended the text.
    """

    start: int
    drafted: tuple[int, ...]
    accepted: int
    added: int | None

    @classmethod
    def of(cls, start: int, draft: Draft, accepted: int, own: int, eos_token_id: int | None) -> "Round":
        """What `verify` said of a draft; nothing is kept behind a token `eos_token_id`."""
        drafted = tuple(draft.tokens.tolist())
        if eos_token_id in drafted[:accepted]:
            return cls(start, drafted, drafted.index(eos_token_id) + 1, None)
        return cls(start, drafted, accepted, own)

    @property
    def tokens(self) -> list[int]:
        """What came out of it."""
        return [*self.drafted[: self.accepted], *([] if self.added is None else [self.added])]

    @property
    def written(self) -> int:
        """How many tokens that is."""
        return len(self.tokens)


@dataclass(frozen=True)
class Speculation:
    """The prompt with what follows it, (1, T + n), and the rounds it took."""

    tokens: Tensor
    rounds: tuple[Round, ...]

    @property
    def forwards(self) -> int:
        """Forwards of the model, that of the prompt included; a drafter's own are not counted."""
        return len(self.rounds)

    @property
    def written(self) -> int:
        """n, the tokens that follow the prompt."""
        return sum(each.written for each in self.rounds)

    @property
    def acceptance(self) -> float:
        """Which share of the drafted tokens was kept, from 0 to 1; 0 if none were drafted."""
        drafted = sum(len(each.drafted) for each in self.rounds)
        return sum(each.accepted for each in self.rounds) / drafted if drafted else 0.0

    @property
    def tokens_per_forward(self) -> float:
        """1 without any luck, at most 1 + the drafter's tokens; 0 if nothing was written."""
        return self.written / self.forwards if self.forwards else 0.0


def speculate(
    model: DeepSeekForCausalLM,
    input_ids: Tensor,
    max_new_tokens: int,
    drafter: Drafter,
    temperature: float = 0.0,
    *,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float = 1.0,
    generator: torch.Generator | None = None,
    cache: ModelCache | None = None,
    eos_token_id: int | None = None,
) -> Speculation:
    """(1, T) -> what `generate` writes, in fewer forwards: the same tokens at temperature 0, equally distributed above.

    The two compute the same numbers in another order: of tokens that are equally likely up to rounding, either may
    come. A `cache` that holds tokens already takes `input_ids` to follow them; a drafter knows only those of this call,
    as a repetition penalty does. The cache needs room for T + `max_new_tokens` - 1 tokens, and holds all but the last
    one afterwards. A token `eos_token_id` ends the text early.

    Raises `ValueError` for more than one sequence, for numbers that make no sense, and, before anything is written, for
    a cache without enough room.
    """
    sampling = Sampling(temperature, top_k, top_p, min_p, repetition_penalty)
    cache = _checked(model, input_ids, max_new_tokens, drafter, cache, eos_token_id)
    end, tokens, pending, rounds = input_ids.shape[1] + max_new_tokens, input_ids, input_ids, []
    with torch.inference_mode():
        drafter.begin(end)
        while (left := end - tokens.shape[1]) > 0:
            draft, limit = Draft(tokens.new_empty(0)), min(left - 1, LONGEST)
            if rounds and limit:  # the first forward reads the prompt, and the last token is never worth a guess
                draft = drafter.propose(tokens, limit, sampling, generator)
            require(len(draft) <= limit, "draft", f"{len(draft)} tokens", f"at most {limit}, as it was told")
            hidden = model.hidden_states(torch.cat([pending, draft.tokens[None]], dim=1), cache)  # (1, P + k, M)
            logits = model.lm_head(hidden[0, -1 - len(draft) :])  # (k + 1, V): after the text, and after each guess
            accepted, own = verify(logits, tokens, draft, sampling, generator)
            done = Round.of(tokens.shape[1], draft, accepted, own, eos_token_id)
            forgotten = len(draft) + 1 - done.written  # all new tokens but the last stay in the cache
            if forgotten:
                cache.rewind(forgotten)
            drafter.observe(hidden[:, : hidden.shape[1] - forgotten])
            rounds.append(done)
            tokens = torch.cat([tokens, torch.tensor([done.tokens], device=tokens.device)], dim=1)
            pending = tokens[:, -1:]
            if eos_token_id == done.tokens[-1]:
                break
    return Speculation(tokens.clone(), tuple(rounds))  # the clone is a tensor like any other, which autograd takes too


def _checked(
    model: DeepSeekForCausalLM,
    input_ids: Tensor,
    max_new_tokens: int,
    drafter: Drafter,
    cache: ModelCache | None,
    eos_token_id: int | None,
) -> ModelCache:
    """The cache to use, if all arguments make sense together."""
    require(isinstance(input_ids, Tensor), "input_ids", type(input_ids).__name__, "a tensor of token ids")
    shape = tuple(input_ids.shape)
    require(len(shape) == 2 and shape[0] == 1 and shape[1] > 0, "input_ids", shape, "shape (1, tokens), not empty")
    require_whole(0, max_new_tokens=max_new_tokens)
    good = eos_token_id is None or (is_whole(eos_token_id) and eos_token_id >= 0)
    require(good, "eos_token_id", eos_token_id, "None or a whole number of at least 0")
    require(isinstance(drafter, Drafter), "drafter", type(drafter).__name__, "a Drafter, as MTPDrafter or PromptLookup")
    new = shape[1] + max_new_tokens - 1 if max_new_tokens else 0  # the last token is not put into the cache
    if cache is None:
        return model.new_cache(1, max(1, new))
    takes = f"at least {cache.length + new}: {cache.length} tokens are cached and up to {new} more are to be"
    require(cache.length + new <= cache.max_length, "max_length of the cache", cache.max_length, takes)
    return cache


def verify(
    logits: Tensor, tokens: Tensor, draft: Draft, sampling: Sampling, generator: torch.Generator | None
) -> tuple[int, int]:
    """How many of k guesses are kept, and the token that the model writes behind them.

    `logits` (k + 1, V): row i is what the model says after `tokens` (1, T) and i guesses. Each row has its own past,
    which a repetition penalty looks at.
    """
    places = torch.arange(len(draft) + 1, device=logits.device)
    # Guesses that a row doesn't know yet are replaced by a token that it knows: the penalty counts a token once.
    known = torch.where(places[:-1] < places[:, None], draft.tokens, tokens[0, 0])  # (k + 1, k)
    before = torch.cat([tokens.expand(len(places), -1), known], dim=1).long()
    scores = sampling.scores(logits, before)
    if sampling.temperature > 0:
        return accept(scores.softmax(dim=-1), draft, generator)
    wanted = scores.argmax(dim=-1)
    accepted = int((wanted[:-1] == draft.tokens).cumprod(dim=0).sum())
    return accepted, int(wanted[accepted])


def accept(target: Tensor, draft: Draft, generator: torch.Generator | None) -> tuple[int, int]:
    """The rule above: `target` (k + 1, V) are the model's distributions p after 0 to k guesses.

    Raises `ValueError` if the draft is of another vocabulary.
    """
    size, guesses = target.shape[1], draft.tokens.long()[:, None]  # (k, 1)
    q = F.one_hot(guesses[:, 0], size).to(target.dtype) if draft.probabilities is None else draft.probabilities
    require(q.shape[1] == size, "draft probabilities", tuple(q.shape), f"{size} tokens, as the model's")
    draws = torch.rand(len(draft), 1, generator=generator, device=target.device, dtype=target.dtype)
    # u < p(d) / q(d), without a division by 0
    kept = draws * q.gather(1, guesses) < target[:-1].gather(1, guesses)
    accepted = int(kept.cumprod(dim=0).sum())
    weights = target[accepted]
    if accepted < len(draft):
        left = (weights - q[accepted]).clamp(min=0)
        weights = left if left.sum() > 0 else weights  # p = q up to rounding: nothing is left to draw from
    return accepted, int(torch.multinomial(weights, 1, generator=generator))
