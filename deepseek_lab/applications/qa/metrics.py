"""Exact match and F1 as SQuAD counts them, for English, Chinese and mixed text, with questions that have no answer.

Answers are compared without case, punctuation, articles and blanks. Tokens are words; in Chinese, where no blanks part
words, they are characters, as in CMRC 2018 and DRCD. Punctuation is deleted, as SQuAD does, so "9.1" counts as "91".
Sources: the evaluation scripts of SQuAD 2.0 (Rajpurkar et al. 2018) and of CMRC 2018 (Cui et al. 2019).
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

from deepseek_lab.applications.passages import Example
from deepseek_lab.config import require

PUNCTUATION = dict.fromkeys(
    [*map(ord, string.punctuation), *(code for code in range(0x10000) if unicodedata.category(chr(code))[0] == "P")]
)
ARTICLES = re.compile(r"\b(a|an|the)\b")
IDEOGRAPHS = "\u3400-\u9fff\uf900-\ufaff"  # written without blanks
TOKEN = re.compile(rf"[{IDEOGRAPHS}]|[^\s{IDEOGRAPHS}]+")


def tokens(text: str) -> list[str]:
    """The tokens that are compared: words and single Chinese characters, in lower case, without articles."""
    return TOKEN.findall(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)))


def exact_match(prediction: str, answers: Sequence[str]) -> bool:
    """Whether the prediction is one of the accepted answers. "" is right where there are none, and only there."""
    return any(tokens(prediction) == tokens(answer) for answer in answers or [""])


def f1(prediction: str, answers: Sequence[str]) -> float:
    """The best F1 score of the prediction's tokens with those of an accepted answer, from 0 to 1.

    "" gets 1 where there is no answer, and 0 elsewhere.
    """
    return max(_f1(tokens(prediction), tokens(answer)) for answer in answers or [""])


def _f1(predicted: list[str], expected: list[str]) -> float:
    if not predicted or not expected:
        return float(predicted == expected)
    shared = (Counter(predicted) & Counter(expected)).total()
    return 2 * shared / (len(predicted) + len(expected))  # the harmonic mean of precision and recall


def contains(prediction: str, answers: Sequence[str]) -> bool:
    """Whether an accepted answer's tokens stand in the prediction, in a row: a sentence that has the answer in it."""
    padded = f" {' '.join(tokens(prediction))} "
    return any(f" {' '.join(tokens(answer))} " in padded for answer in answers)


def score(predictions: Sequence[str], examples: Sequence[Example]) -> dict[str, dict[str, float]]:
    """Exact match and F1 in percent, and the number of examples, of all of them and of their groups.

    Groups: "all", "en", "zh", each of them also with " answerable" and " unanswerable"; those without examples are left
    out. A prediction of "" says that the context has no answer. Raises `ValueError` if there aren't as many predictions
    as examples, or none.
    """
    require(len(predictions) == len(examples) > 0, "number of predictions", len(predictions), f"{len(examples)} (> 0)")
    found: dict[str, list[tuple[bool, float]]] = {}
    for prediction, example in zip(predictions, examples, strict=True):
        pair = exact_match(prediction, example.answers), f1(prediction, example.answers)
        kind = "answerable" if example.answers else "unanswerable"
        for group in ("all", example.language):
            for name in (group, f"{group} {kind}"):
                found.setdefault(name, []).append(pair)
    return {name: _mean(pairs) for name, pairs in sorted(found.items())}


def _mean(pairs: list[tuple[bool, float]]) -> dict[str, float]:
    exact, overlap = zip(*pairs, strict=True)
    count = len(pairs)
    return {"exact": 100 * sum(exact) / count, "f1": 100 * sum(overlap) / count, "count": count}
