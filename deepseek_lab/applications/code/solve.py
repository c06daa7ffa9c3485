"""Solving a task by trying: sample programs, run each against the tests, and put the best on top."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from deepseek_lab.applications.code.completion import MAX_NEW_TOKENS, Writer, complete, complete_many
from deepseek_lab.applications.sandbox import Limits, Result, run_many
from deepseek_lab.config import require, require_whole

TEMPERATURE = 0.8  # of samples: high enough that they differ


@dataclass(frozen=True)
class Candidate:
    """One program, how often it was written, and what the sandbox said about it."""

    source: str
    times: int
    result: Result

    @property
    def passed(self) -> bool:
        """Whether it passed all tests."""
        return self.result.passed


def solve(
    writer: Writer,
    prompt: str,
    tests: Sequence[str],
    n: int = 10,
    *,
    temperature: float = TEMPERATURE,
    seed: int = 0,
    max_new_tokens: int = MAX_NEW_TOKENS,
    limits: Limits | None = None,
    allow_missing: bool = False,
) -> list[Candidate]:
    """`n` programs for the prompt, the likeliest one and n - 1 samples, run and ranked: the best comes first.

    Programs that are the same to the letter are run once. First come those that pass all tests, then those that pass
    more of them; among equals the one that was written more often, then the shorter one. `tests` are lines such as
    `assert f(2) == 4`; each runs in the sandbox, and `limits` and `allow_missing` are the sandbox's.

    Raises `ValueError` for no tests or an `n` below 1, and the sandbox's error where isolation is missing.
    """
    require_whole(1, n=n)
    good = isinstance(tests, (list, tuple)) and len(tests) > 0
    require(good, "tests", tests, "a list of lines that assert something")
    sources = [complete(writer, prompt, max_new_tokens).source]
    samples = complete_many(writer, [prompt] * (n - 1), max_new_tokens, temperature=temperature, seed=seed)
    written = Counter(sources + [each.source for each in samples])
    results = run_many([(source, tests) for source in written], limits or Limits(), allow_missing=allow_missing)
    found = [Candidate(source, times, result) for (source, times), result in zip(written.items(), results, strict=True)]
    return sorted(found, key=_rank)


def _rank(candidate: Candidate) -> tuple:
    passed = sum(outcome == "passed" for outcome in candidate.result.outcomes)
    return not candidate.passed, -passed, -candidate.times, len(candidate.source)
