"""Two answerers without a model: the sentence that shares most with the question, and a span drawn at random."""

import random
import re

from deepseek_lab.applications.qa.metrics import TOKEN, tokens
from deepseek_lab.config import require

SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])\s*|\n+")
LONGEST_SPAN = 6  # tokens: about as long as the longer answers


def sentences(context: str) -> list[str]:
    """The sentences of a text, and the lines of a list, in their order."""
    return [part.strip() for part in SENTENCE_END.split(context) if part.strip()]


def bm25_sentence(question: str, context: str) -> str:
    """The sentence of the context that BM25 ranks first for the question; the first one if none shares a token.

    Each sentence counts as a document. Raises `ValueError` for a context without text.
    """
    import bm25s  # asked for only here: without it, the rest works

    found = sentences(context)
    require(len(found) > 0, "context", context, "a text")
    index = bm25s.BM25()
    index.index([tokens(sentence) for sentence in found], show_progress=False)
    known = [token for token in dict.fromkeys(tokens(question)) if token in index.vocab_dict]
    if not known:
        return found[0]
    scores = index.get_scores(known)
    return found[int(scores.argmax())]


def random_span(context: str, rng: random.Random) -> str:
    """One to six neighbouring words or Chinese characters. Raises `ValueError` for a context without text."""
    places = [match.span() for match in TOKEN.finditer(context) if tokens(match[0])]
    require(len(places) > 0, "context", context, "a text")
    first = rng.randrange(len(places))
    last = min(first + rng.randrange(LONGEST_SPAN), len(places) - 1)
    return context[places[first][0] : places[last][1]]
