"""Who guesses the next tokens, for the model to verify: its own multi-token prediction module, or the text so far.

A drafter need not be right: a wrong guess costs time, and never changes what is written (`inference.speculative`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from deepseek_lab.config import require, require_whole
from deepseek_lab.inference.sampling import Sampling
from deepseek_lab.model.decoder import DeepSeekForCausalLM


@dataclass(frozen=True)
class Draft:
    """k guessed tokens (k,), and the probabilities (k, V) that each was drawn from.

    `probabilities` None: the tokens were not drawn, each was the only one possible. Drafts of no tokens are allowed.
    Raises `ValueError` for shapes that don't belong together.
    """

    tokens: Tensor
    probabilities: Tensor | None = None

    def __post_init__(self):
        shape = tuple(self.tokens.shape)
        require(len(shape) == 1, "draft tokens", shape, "shape (k,)")
        if self.probabilities is not None:
            got = tuple(self.probabilities.shape)
            require(len(got) == 2 and got[0] == shape[0], "draft probabilities", got, f"shape ({shape[0]}, vocabulary)")

    def __len__(self) -> int:
        return len(self.tokens)


class Drafter:
    """What `speculate` asks. One drafter serves one text at a time; `begin` makes it ready for the next.

    A drafter of your own needs `propose` alone.
    """

    def begin(self, max_length: int) -> None:
        """A new text starts, which will have at most `max_length` tokens, those of the prompt included."""

    def observe(self, hidden: Tensor) -> None:
        """What the output head saw at the tokens that have just been verified: (1, n, M).

        Before each call of `propose` all tokens so far but the last have been observed, once each, in order.
        """

    def propose(self, tokens: Tensor, limit: int, sampling: Sampling, generator: torch.Generator | None) -> Draft:
        """At most `limit` (1 or more) guesses of what follows `tokens` (1, T): all tokens of this call so far."""
        raise NotImplementedError(f"{type(self).__name__}.propose")


class MTPDrafter(Drafter):
    """The model's own prediction module guesses `tokens` tokens. For models made with `mtp=True`: V2, V3 and V3.2.

    The module takes h at t, as the model computed it, and the token at t + 1, and guesses the token at t + 2
    (`deepseek_lab.model.mtp`). When the model has just chosen a token, its h at the token before is known, so one step
    of the module gives a guess. It has a cache of its own, with one entry for each such pair.

    Trained for one guess, the module is asked for further ones by giving it its own output in place of h, as serving
    code for DeepSeek's models does (the checkpoints of V3 have a single module). Those entries are forgotten again: h
    of these tokens is known once the model has verified them. Of several modules the first is used.

    With a temperature, guesses are drawn as the model's own tokens are, penalty and cuts included.
    """

    def __init__(self, model: DeepSeekForCausalLM, tokens: int = 1):
        require(len(model.mtp_modules) > 0, "model", "one without MTP modules", "one made with mtp=True")
        require_whole(1, tokens=tokens)
        self.model, self.module, self.tokens = model, model.mtp_modules[0], tokens
        self.cache, self.waiting = None, []

    def begin(self, max_length: int) -> None:
        """An empty cache; what the module kept of another text is dropped."""
        self.cache, self.waiting = self.module.self_attn.new_cache(1, max_length), []

    def observe(self, hidden: Tensor) -> None:
        """Kept until the token after the last of them is known, which the next call of `propose` brings."""
        self.waiting.append(hidden)

    def propose(self, tokens: Tensor, limit: int, sampling: Sampling, generator: torch.Generator | None) -> Draft:
        """The module's guesses, the first of them from h at the last token but one."""
        hidden, self.waiting = torch.cat(self.waiting, dim=1), []
        hidden = self._step(hidden, tokens[:, -hidden.shape[1] :])
        verified, before, probabilities = self.cache.length, tokens.long(), []
        for number in range(min(self.tokens, limit)):
            if number:
                hidden = self._step(hidden, before[:, -1:])
            scores = sampling.scores(self.model.lm_head(hidden[:, -1]), before)
            if sampling.temperature == 0:
                new = scores.argmax(dim=-1, keepdim=True)
            else:
                probabilities.append(scores.softmax(dim=-1))
                new = torch.multinomial(probabilities[-1], 1, generator=generator)
            before = torch.cat([before, new], dim=1)
        if self.cache.length > verified:
            self.cache.rewind(self.cache.length - verified)
        return Draft(before[0, tokens.shape[1] :], torch.cat(probabilities) if probabilities else None)

    def _step(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """h at n places (1, n, M) and the token after each (1, n) -> the module's own output at the last (1, 1, M)."""
        return self.module(hidden, self.model.model.embed_tokens(tokens), cache=self.cache)[:, -1:]


class PromptLookup(Drafter):
    """Guesses that what followed the last few tokens before follows them again. No model, no probabilities.

    The last `ngram` tokens are looked for earlier in the text, the newest place first; if they are nowhere, one token
    less, down to a single one. The `tokens` tokens behind the place are the draft; where they reach the end of the
    text, they go on with the draft itself, so that a text that repeats itself is continued. If even the last token is
    new, nothing is drafted. Only tokens of this call are searched, not those that a cache held before.

    Source: prompt lookup decoding (https://github.com/apoorvumang/prompt-lookup-decoding), which transformers has as
    `prompt_lookup_num_tokens`.
    """

    def __init__(self, ngram: int = 3, tokens: int = 4):
        require_whole(1, ngram=ngram, tokens=tokens)
        self.ngram, self.tokens = ngram, tokens

    def propose(self, tokens: Tensor, limit: int, sampling: Sampling, generator: torch.Generator | None) -> Draft:
        """The same whatever `sampling` says."""
        text = tokens[0]
        for length in range(min(self.ngram, len(text) - 1), 0, -1):
            windows = text[:-1].unfold(0, length, 1)  # every run of `length` tokens that something follows
            places = (windows == text[-length:]).all(dim=1).nonzero()
            if len(places):
                source = int(places[-1]) + length
                period = len(text) - source
                offsets = torch.arange(min(self.tokens, limit), device=text.device) % period
                return Draft(text[source + offsets].long())
        return Draft(text.new_empty(0, dtype=torch.long))
