"""Examples drawn without end, for training and for two kinds of measuring."""

import random
from collections.abc import Iterator
from functools import cache

from deepseek_lab.applications.passages.ask import ask
from deepseek_lab.applications.passages.base import LANGUAGES, Example, Kind
from deepseek_lab.applications.passages.compose import compose
from deepseek_lab.applications.passages.topics import KINDS
from deepseek_lab.config import require, require_whole

SPLITS = ("train", "new passage", "new template")
QUESTIONS = 3  # asked of a passage, at most


def draw(
    seed: int, count: int, split: str, *, language: str | None = None, entities: int | None = None
) -> list[Example]:
    """`count` examples of a split; the same for the same seed, and fewer are the first of more.

    "train" and "new passage" have the same wordings, but no part of a name and no value is in both; "new template"
    has names of "train" in sentences and questions that no other split has. Both languages take turns unless one is
    asked for. Raises `ValueError` for a split or language that isn't there and for a count below 0.
    """
    require_whole(0, count=count)
    stream = examples(seed, split, language=language, entities=entities)
    return [next(stream) for _ in range(count)]


def examples(seed: int, split: str, *, language: str | None = None, entities: int | None = None) -> Iterator[Example]:
    """Examples of a split without end. `entities` is how many things a passage is about at most.

    Raises `ValueError` for another split or language.
    """
    require(split in SPLITS, "split", split, f"one of {', '.join(SPLITS)}")
    require(language in (None, *LANGUAGES), "language", language, "en, zh or None")
    if entities is not None:
        require_whole(1, entities=entities)
    return _stream(random.Random(f"{seed} {split}"), split, language, entities)


def _stream(rng: random.Random, split: str, language: str | None, entities: int | None) -> Iterator[Example]:
    languages = LANGUAGES if language is None else (language,)
    while True:
        for chosen in languages:
            yield from _passage_examples(rng, split, chosen, entities)


def _passage_examples(rng: random.Random, split: str, language: str, entities: int | None) -> list[Example]:
    """A passage and different questions about it: always as many, so that the languages stay in balance."""
    while True:
        kinds = list(_kinds(language))
        passage = compose(rng, kinds, language, split == "new passage", split == "new template", entities)
        found: dict[str, Example] = {}
        for _ in range(3 * QUESTIONS):
            example = ask(rng, passage, split)
            if example is not None:
                found[example.question] = example
            if len(found) == QUESTIONS:
                return list(found.values())


@cache
def _kinds(language: str) -> tuple[Kind, ...]:
    return tuple(kind for kind in KINDS if kind.texts[language].relations)
