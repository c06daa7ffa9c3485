"""Completing code: a head, a docstring or half a body in, the function's own text out, and nothing behind it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from deepseek_lab.applications.code.function_end import FunctionText, as_prompt
from deepseek_lab.config import require, require_whole

MAX_NEW_TOKENS = 256


class Writer(Protocol):
    """What writes: see `deepseek_lab.applications.checkpoints`."""

    def stream(self, prompt: str, max_new_tokens: int, **sampling) -> Iterator[str]:
        """The text behind one prompt, piece by piece."""

    def complete(self, prompts: Sequence[str], max_new_tokens: int, **sampling) -> list[tuple[str, bool]]:
        """The texts behind several prompts, each with whether it is whole."""


@dataclass(frozen=True)
class Completion:
    """What a model wrote behind a prompt. `prompt` is as the model read it: with the line end behind a head."""

    prompt: str
    text: str
    ended: bool  # the function ended, or the model did; else `max_new_tokens` cut it off

    @property
    def source(self) -> str:
        """Prompt and text."""
        return self.prompt + self.text


def stream(
    writer: Writer,
    prompt: str,
    max_new_tokens: int = MAX_NEW_TOKENS,
    *,
    temperature: float = 0.0,
    seed: int = 0,
    **sampling,
) -> Iterator[str]:
    """The rest of the function that the prompt begins, as it is written. Ends with the function.

    Behind a head, a docstring or a comment the line end may be left out. `sampling`: `top_k`, `top_p` and more, as in
    `deepseek_lab.inference.sampling.Sampling`. Raises `ValueError` at the call for an empty prompt or odd settings.
    """
    prompt = checked(prompt)
    pieces = writer.stream(prompt, max_new_tokens, temperature=temperature, seed=seed, **sampling)
    return _function(FunctionText(prompt), pieces)


def _function(function: FunctionText, pieces: Iterator[str]) -> Iterator[str]:
    for piece in pieces:
        if certain := function.feed(piece):
            yield certain
        if function.ended:
            break
    if rest := function.finish():
        yield rest


def complete(
    writer: Writer,
    prompt: str,
    max_new_tokens: int = MAX_NEW_TOKENS,
    *,
    temperature: float = 0.0,
    seed: int = 0,
    **sampling,
) -> Completion:
    """The function that the prompt begins, whole. The same as all pieces of `stream`."""
    (found,) = complete_many(writer, [prompt], max_new_tokens, temperature=temperature, seed=seed, **sampling)
    return found


def complete_many(
    writer: Writer,
    prompts: Sequence[str],
    max_new_tokens: int = MAX_NEW_TOKENS,
    *,
    temperature: float = 0.0,
    seed: int = 0,
    **sampling,
) -> list[Completion]:
    """Several functions at once, in the order of their prompts. Prompt number i draws with the seed `seed` + i.

    Raises `ValueError` for a string in place of a list, or odd settings.
    """
    require(not isinstance(prompts, str), "prompts", prompts, "a list of strings")
    prompts = [checked(prompt) for prompt in prompts]
    require_whole(0, max_new_tokens=max_new_tokens)
    if not prompts:
        return []
    written = writer.complete(prompts, max_new_tokens, temperature=temperature, seed=seed, **sampling)
    return [_cut(prompt, text, ended) for prompt, (text, ended) in zip(prompts, written, strict=True)]


def _cut(prompt: str, text: str, ended: bool) -> Completion:
    function = FunctionText(prompt)
    kept = function.feed(text)
    return Completion(prompt, kept + function.finish(), ended or function.ended)


def checked(prompt: str) -> str:
    """The prompt as models know it. Raises `ValueError` for what is no text, or nothing but blanks."""
    require(isinstance(prompt, str), "prompt", prompt, "a string")
    require(bool(prompt.strip()), "prompt", prompt, "the beginning of a function: a head, a comment")
    return as_prompt(prompt)
