"""Measuring a code model on programs with unit tests: greedy, pass@1, pass@k, with intervals."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from deepseek_lab.applications.code.completion import MAX_NEW_TOKENS, Writer, complete_many
from deepseek_lab.applications.code.pass_at_k import Estimate, estimate, pass_at_k
from deepseek_lab.applications.code.solve import TEMPERATURE
from deepseek_lab.applications.programs import Program
from deepseek_lab.applications.sandbox import Limits, run_many
from deepseek_lab.config import require, require_whole

LIMITS = Limits(seconds=1.5)  # a right answer takes milliseconds; many wrong ones never end
AT_ONCE = 16  # programs whose answers are written together


@dataclass(frozen=True)
class Measured:
    """One program's prompt, and how the model did on it."""

    program: Program
    answers: tuple[str, ...]  # the greedy one, then the samples: whole sources
    passed: tuple[bool, ...]  # which of them passed all tests

    @property
    def greedy(self) -> bool:
        """Whether the likeliest program works."""
        return self.passed[0]

    @property
    def samples(self) -> tuple[bool, ...]:
        """Which of the samples work."""
        return self.passed[1:]


def measure(
    writer: Writer,
    programs: Sequence[Program],
    n: int = 10,
    *,
    temperature: float = TEMPERATURE,
    seed: int = 0,
    max_new_tokens: int = MAX_NEW_TOKENS,
    allow_missing: bool = False,
    progress: Callable[[Iterable], Iterable] = iter,
) -> list[Measured]:
    """For each program the model's likeliest answer and `n` samples, each run against the program's tests.

    `progress` wraps the loop over programs. Raises the sandbox's error where isolation is missing and `allow_missing`
    is False.
    """
    require_whole(0, n=n)
    measured = []
    for start in progress(range(0, len(programs), AT_ONCE)):
        part = programs[start : start + AT_ONCE]
        prompts, many = [each.prompt for each in part], [each.prompt for each in part for _ in range(n)]
        greedy = complete_many(writer, prompts, max_new_tokens)
        samples = complete_many(writer, many, max_new_tokens, temperature=temperature, seed=seed + start * n)
        for number, (program, first) in enumerate(zip(part, greedy, strict=True)):
            answers = [each.source for each in (first, *samples[number * n : (number + 1) * n])]
            measured.append(Measured(program, tuple(answers), _run(program, answers, allow_missing)))
    return measured


def _run(program: Program, answers: Sequence[str], allow_missing: bool) -> tuple[bool, ...]:
    """Which answers pass all tests. Equal ones are run once."""
    different = list(dict.fromkeys(answers))
    results = run_many([(source, program.tests) for source in different], LIMITS, allow_missing=allow_missing)
    passed = {source: result.passed for source, result in zip(different, results, strict=True)}
    return tuple(passed[source] for source in answers)


def summary(measured: Sequence[Measured], ks: Sequence[int] = (1, 10)) -> dict[str, Estimate]:
    """`{"greedy": ..., "pass@1": ..., "pass@10": ...}`; intervals by drawing whole families again.

    Raises `ValueError` if nothing was measured.
    """
    require(len(measured) > 0, "measured", "nothing", "at least one program")
    rows = {"greedy": _by_family(measured, lambda each: float(each.greedy))}
    for k in ks:
        rows[f"pass@{k}"] = _by_family(measured, lambda each, k=k: pass_at_k(len(each.samples), sum(each.samples), k))
    return {name: estimate(groups) for name, groups in rows.items()}


def _by_family(measured: Sequence[Measured], value: Callable[[Measured], float]) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = {}
    for each in measured:
        groups.setdefault(each.program.family, []).append(value(each))
    return groups
