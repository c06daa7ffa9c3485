"""Choosing a span of the context from the model's logits, in one window or in several."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deepseek_lab.applications.qa.windows import Window, windows
from deepseek_lab.config import is_number, require, require_whole

LONGEST_ANSWER = 40  # tokens


@dataclass(frozen=True)
class Span:
    """A candidate: characters of the context, how probable, and its logits' sum, by which windows can be compared."""

    start: int
    end: int
    score: float
    logit: float


@dataclass(frozen=True)
class Answer:
    """`text` is `context[start:end]`, or "" where `in_context` is false. `score` is a probability."""

    text: str
    start: int
    end: int
    score: float
    in_context: bool


def best_spans(
    start_logits: Tensor,
    end_logits: Tensor,
    places: Sequence[int],
    offsets: Sequence[tuple[int, int]],
    top_k: int = 1,
    max_answer_len: int = LONGEST_ANSWER,
    words: Sequence[int | None] | None = None,
) -> tuple[list[Span], Span]:
    """The `top_k` best spans of one row, best first, and the span that stands for "not in the context".

    Logits are (T,); `places` and `offsets` are those of the context's tokens. score = p(start) p(end), each by a
    softmax over the first token and the context's. A span has at most `max_answer_len` tokens; with `words`, it then
    grows to whole words. Raises `ValueError` for numbers below 1.
    """
    require_whole(1, top_k=top_k, max_answer_len=max_answer_len)
    chosen = [0, *places]
    start, end = (logits[chosen].double() for logits in (start_logits, end_logits))
    p_start, p_end = start.softmax(dim=0), end.softmax(dim=0)
    null = Span(0, 0, float(p_start[0] * p_end[0]), float(start[0] + end[0]))
    if not places:
        return [], null
    sums = start[1:, None] + end[None, 1:]  # (context, context)
    fits = torch.ones_like(sums, dtype=torch.bool).triu().tril(max_answer_len - 1)
    found = sums.masked_fill(~fits, float("-inf")).flatten().topk(min(top_k, int(fits.sum())))
    spans = []
    for logit, flat in zip(found.values.tolist(), found.indices.tolist(), strict=True):
        first, last = divmod(flat, len(places))
        score = float(p_start[first + 1] * p_end[last + 1])
        if words is not None:
            first, last = whole_words(words, first, last)
        spans.append(Span(offsets[first][0], offsets[last][1], score, logit))
    return spans, null


def whole_words(words: Sequence[int | None], first: int, last: int) -> tuple[int, int]:
    """The tokens from `first` to `last`, and those that belong to the same words."""
    while first > 0 and words[first] is not None and words[first - 1] == words[first]:
        first -= 1
    while last + 1 < len(words) and words[last] is not None and words[last + 1] == words[last]:
        last += 1
    return first, last


def trimmed(context: str, start: int, end: int) -> tuple[int, int]:
    """The same characters without white space at both ends: tokens begin with the space before them."""
    text = context[start:end]
    if not text.strip():
        return start, end
    return start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())


def merged(spans: Iterable[Span], context: str) -> list[Span]:
    """Spans of all windows, best first, trimmed; of those with the same characters the best."""
    best: dict[tuple[int, int], Span] = {}
    for span in spans:
        place = trimmed(context, span.start, span.end)
        if place not in best or span.score > best[place].score:
            best[place] = Span(*place, span.score, span.logit)
    return sorted(best.values(), key=lambda span: span.score, reverse=True)


@torch.no_grad()
def window_logits(model, window: Window) -> tuple[Tensor, Tensor]:
    """Start and end logits of one window, (T,) twice."""
    inputs = {name: torch.tensor([values], device=model.device) for name, values in window.inputs.items()}
    output = model(**inputs)
    return output.start_logits[0].float().cpu(), output.end_logits[0].float().cpu()


def answer(model, tokenizer, question: str, context: str, *, threshold: float | None = None, **options) -> Answer:
    """The answer that the context gives to the question, or that it gives none.

    The best span of all windows, of whole words, is compared with "not in the context" of the window that is least sure
    of it; it has to be better by `threshold` (in logits; default: the model's own `null_threshold`). `options` are
    those of `windows`.
    Raises `ValueError` for what doesn't fit.
    """
    if threshold is None:
        threshold = getattr(model.config, "null_threshold", 0.0)
    require(is_number(threshold), "threshold", threshold, "a number")
    candidates, nulls = [], []
    for window in windows(tokenizer, question, context, **options):
        start, end = window_logits(model, window)
        spans, null = best_spans(start, end, window.places, window.offsets, words=window.words)
        candidates += spans
        nulls.append(null)
    null = min(nulls, key=lambda span: span.logit)
    best = max(candidates, key=lambda span: span.logit, default=None)
    if best is None or best.logit - null.logit <= threshold:
        return Answer("", 0, 0, min(span.score for span in nulls), False)
    start, end = trimmed(context, best.start, best.end)
    return Answer(context[start:end], start, end, best.score, True)
