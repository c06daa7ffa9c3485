"""A model with its tokenizer, whoever wrote its code: what follows a prompt, and answers to questions.

`OurWriter` runs this package's DeepSeek, `TheirWriter` any causal language model of transformers, and both mean the
same: the same weights give the same text, token for token, greedy or drawn.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from deepseek_lab.config import is_whole, require, require_whole
from deepseek_lab.inference import TextStream, complete_texts, stream_text
from deepseek_lab.inference.sampling import Sampling
from deepseek_lab.inference.stream import stop_strings

Question = str | Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Writer(ABC):
    """A model that writes. `sentence` says what was opened, or why it is the lab's model and not the one asked for.

    The token `begin` stands before each prompt, once, whether the prompt's text has it or not. A text ends with any of
    the tokens `ends`. `sampling` is `temperature`, `top_k`, `top_p` and more, as in `deepseek_lab.inference.sampling`.
    A prompt with a lone surrogate, or longer than the model can read with `max_new_tokens` after it, is a `ValueError`.
    """

    name: str  # "lab", or the folder or hub id that was asked for
    sentence: str
    model: nn.Module = field(repr=False)
    tokenizer: object = field(repr=False)
    begin: int | None  # the token before each text; None for a model that was trained without one
    ends: tuple[int, ...]

    @property
    def chats(self) -> bool:
        """Whether the model was trained for conversations: its tokenizer has a chat template."""
        return bool(self.tokenizer.chat_template)

    @abstractmethod
    def stream(
        self, prompt: str, max_new_tokens: int, *, stop: str | Iterable[str] = (), seed: int = 0, **sampling
    ) -> Iterator[str]:
        """What follows the prompt, as it is written. As `deepseek_lab.inference.stream_text`."""

    @abstractmethod
    def complete(
        self, prompts: Sequence[str], max_new_tokens: int, *, stop: str | Iterable[str] = (), seed: int = 0,
        max_batch: int = 16, **sampling,
    ) -> list[tuple[str, bool]]:  # fmt: skip
        """For each prompt, what follows it, and whether that is all. As `deepseek_lab.inference.complete_texts`."""

    def ask(self, question: Question, max_new_tokens: int, **how) -> Iterator[str]:
        """The answer to a question, or to the last message of a conversation, as it is written; `how` as in `stream`.

        Raises `ValueError` for a model without a chat template, and as `chat_prompt` does.
        """
        return self.stream(self.chat_prompt(question), max_new_tokens, **how)

    def chat_prompt(self, question: Question) -> str:
        """The text that the model was trained to see before its answer: its own chat template, filled in.

        A conversation is a list of messages, {"role": "user" (or "system", "assistant"), "content": text}. Raises
        `ValueError` for a model without a template, for what is no conversation, and for one that the template refuses.
        """
        require(self.chats, "ask", self.name, "a model with a chat template; this one goes on with texts: stream")
        messages = [{"role": "user", "content": question}] if isinstance(question, str) else question
        good = isinstance(messages, Sequence) and len(messages) > 0
        good = good and all(isinstance(m, Mapping) and {"role", "content"} <= {*m} for m in messages)
        require(good, "question", question, "a text, or a list of messages with role and content")
        try:
            return self.tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        except Exception as error:  # jinja's, or whatever a template does with what it doesn't expect
            raise ValueError(f"question: the chat template of {self.name} refuses it ({error})") from error

    def _without_begin(self, prompt: str) -> str:
        require(isinstance(prompt, str), "prompt", prompt, "a string")
        lone = next((f"{char!r} at {i}" for i, char in enumerate(prompt) if "\ud800" <= char <= "\udfff"), None)
        require(
            lone is None, "prompt", lone, "whole characters: this one is half of a surrogate pair, which is no text"
        )
        return prompt if self.begin is None else prompt.removeprefix(self.tokenizer.decode([self.begin]))

    def _ids(self, prompt: str, max_new_tokens: int) -> list[int]:
        """A prompt's tokens, with the begin token if this model's texts begin with one; there is room for the new."""
        require_whole(0, max_new_tokens=max_new_tokens)
        ids = self.tokenizer(self._without_begin(prompt), add_special_tokens=False).input_ids
        if self.begin is not None:
            ids = [self.begin, *ids]
        require(len(ids) > 0, "prompt", prompt, "a text: this model has no begin token to start from")
        most = getattr(self.model.config, "max_position_embeddings", None)
        length, bounded = len(ids) + max_new_tokens, is_whole(most) and most > 0
        fits = not bounded or length <= most
        require(fits, "prompt and max_new_tokens", f"{length} tokens", f"at most {most} with this model")
        return ids


class OurWriter(Writer):
    """This package's own DeepSeek."""

    def stream(self, prompt, max_new_tokens, *, stop=(), seed=0, **sampling) -> Iterator[str]:
        """As `deepseek_lab.inference.stream_text`."""
        self._ids(prompt, max_new_tokens)
        prompt, stop = self._without_begin(prompt), self._stops(stop)
        return stream_text(self.model, self.tokenizer, prompt, max_new_tokens, stop=stop, seed=seed, **sampling)

    def complete(
        self, prompts, max_new_tokens, *, stop=(), seed=0, max_batch=16, **sampling
    ) -> list[tuple[str, bool]]:  # fmt: skip
        """As `deepseek_lab.inference.complete_texts`."""
        require(not isinstance(prompts, str), "prompts", prompts, "a list of strings")
        for prompt in prompts:
            self._ids(prompt, max_new_tokens)
        prompts, stop = [self._without_begin(prompt) for prompt in prompts], self._stops(stop)
        return complete_texts(
            self.model, self.tokenizer, prompts, max_new_tokens, seed=seed, stop=stop, max_batch=max_batch, **sampling
        )

    def _stops(self, stop) -> tuple[str, ...]:
        """Stop strings, and the names of end tokens other than the tokenizer's: decoding gives a token its name."""
        others = [self.tokenizer.decode([end]) for end in self.ends if end != self.tokenizer.eos_token_id]
        return (*stop_strings(stop), *(name for name in others if name))


class TheirWriter(Writer):
    """A causal language model of transformers, a token at a time with its own cache."""

    def stream(self, prompt, max_new_tokens, *, stop=(), seed=0, **sampling) -> Iterator[str]:
        """As `deepseek_lab.inference.stream_text`."""
        stream, settings = TextStream(self.tokenizer, stop), Sampling(**sampling)
        require(is_whole(seed), "seed", seed, "a whole number")
        ids = self._ids(prompt, max_new_tokens)
        return self._pieces(stream, self._tokens([ids], max_new_tokens, settings, [seed]))

    def complete(
        self, prompts, max_new_tokens, *, stop=(), seed=0, max_batch=16, **sampling
    ) -> list[tuple[str, bool]]:  # fmt: skip
        """As `deepseek_lab.inference.complete_texts`; prompts of the same number of tokens run together."""
        require(not isinstance(prompts, str), "prompts", prompts, "a list of strings")
        require(is_whole(seed), "seed", seed, "a whole number")
        require_whole(1, max_batch=max_batch)
        settings, stop = Sampling(**sampling), stop_strings(stop)
        ids = [self._ids(prompt, max_new_tokens) for prompt in prompts]
        streams = [TextStream(self.tokenizer, stop) for _ in prompts]
        texts = [""] * len(ids)
        for rows in _of_one_length(ids, max_batch):
            tokens = self._tokens([ids[i] for i in rows], max_new_tokens, settings, [seed + i for i in rows])
            for new in tokens:
                for i, token in zip(rows, new, strict=True):
                    if not streams[i].closed:
                        texts[i] += streams[i].finish() if token in self.ends else streams[i].feed(token)
                if all(streams[i].closed for i in rows):
                    break
        closed = [stream.closed for stream in streams]
        return [(text + s.finish(), ended) for text, s, ended in zip(texts, streams, closed, strict=True)]

    def _pieces(self, stream: TextStream, tokens: Iterator[list[int]]) -> Iterator[str]:
        for (token,) in tokens:
            if piece := stream.finish() if token in self.ends else stream.feed(token):
                yield piece
            if stream.closed:
                return
        if piece := stream.finish():
            yield piece

    def _tokens(
        self, prompts: list[list[int]], max_new_tokens: int, settings: Sampling, seeds: list[int]
    ) -> Iterator[list[int]]:
        """Step by step, the new token of each prompt. All have the same length; each draws with its own seed."""
        device = next(self.model.parameters()).device
        generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        takes = inspect.signature(self.model.forward).parameters
        last = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}
        written = new = torch.tensor(prompts, device=device)  # (B, T)
        name, cache = name_of_cache(self.model), None
        for _ in range(max_new_tokens):
            # Left before each yield: a generator that waits inside would leave its caller in inference mode.
            with torch.inference_mode():
                out = self.model(input_ids=new, use_cache=True, **{name: cache}, **last)
                cache, new = out[name], _choose(out.logits[:, -1], written, settings, generators)
                written = torch.cat([written, new], dim=1)
            yield new[:, 0].tolist()


def name_of_cache(model) -> str | None:
    """What a model of transformers calls its keys and values; None if it keeps none."""
    takes = inspect.signature(model.forward).parameters
    return next((name for name in ("cache", "past_key_values") if name in takes), None)  # renamed in transformers 5.24


def _choose(logits: Tensor, written: Tensor, settings: Sampling, generators: list[torch.Generator]) -> Tensor:
    """(B, V), (B, T) -> (B, 1): each row draws from its own generator, so that it doesn't depend on the others."""
    if settings.temperature == 0:
        return settings.choose(logits, written)
    rows = [settings.choose(logits[i : i + 1], written[i : i + 1], g) for i, g in enumerate(generators)]
    return torch.cat(rows)


def _of_one_length(ids: list[list[int]], most: int) -> Iterator[list[int]]:
    """The numbers of up to `most` prompts of the same length, again and again until all were there."""
    lengths = sorted({len(each) for each in ids})
    for length in lengths:
        same = [i for i, each in enumerate(ids) if len(each) == length]
        for start in range(0, len(same), most):
            yield same[start : start + most]
