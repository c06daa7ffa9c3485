"""Exercises that answer at once: `check` runs the learner's function against the real one on random inputs.

An exercise knows the real function, the wrong ones that people typically write, hints, and a solution. Nothing here
raises: whatever the learner's function does, the answer is a sentence.
"""

import copy
import dis
import inspect
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from deepseek_lab.course import progress
from deepseek_lab.course.compare import first_difference


@dataclass(frozen=True)
class Mistake:
    """A typical wrong answer: what it computes, and what to tell the person who wrote it."""

    wrong: Callable
    message: str


@dataclass
class Exercise:
    """One exercise. `cases` yields argument tuples, given a seeded generator; `reference` is the real function."""

    name: str
    cases: Callable[[torch.Generator], Iterator[tuple]]
    reference: Callable
    hints: Sequence[str]
    solution_code: str
    mistakes: Sequence[Mistake] = ()
    also: Callable[[Callable], str | None] | None = None  # a last test of a right answer: a sentence if it fails
    _hints_shown: int = field(default=0, repr=False)

    def check(self, answer: Callable) -> None:
        """Run `answer` on random inputs and print what was found. Progress is recorded when it is right."""
        print(f"{self.name}: {self.verdict(answer)}")

    def verdict(self, answer: Callable) -> str:
        """The sentence that `check` prints."""
        if not callable(answer):
            return f"check takes your function, but got a {type(answer).__name__}."
        try:
            return self._verdict(answer)
        except (Exception, SystemExit) as error:  # not on an input of `cases`: there, the sentence names the input
            return f"not yet. Your function stopped with {describe(error)}."

    def _verdict(self, answer: Callable) -> str:
        count = 0
        for args in self.cases(torch.Generator().manual_seed(0)):
            inputs = describe_inputs(self.reference, args)
            try:
                result = answer(*copy.deepcopy(args))  # copies: the answer may change its inputs
            except (Exception, SystemExit) as error:
                return f"not yet. For {inputs}, your function stopped with {describe(error)}."
            if result is None or result is ...:
                nothing = f"not yet. For {inputs}, your function returned nothing. Does it end with a return?"
                return NOT_ATTEMPTED if is_empty(answer) else nothing
            expected = self.reference(*args)
            if difference := first_difference(result, expected):
                return f"not yet. For {inputs}, {difference}.{self._advice(args, result)}"
            count += 1
        if self.also and (objection := self.also(answer)):
            return f"not yet. The values are right, but {objection}"
        progress.record(self.name)
        return f"correct on {count} random inputs."

    def hint(self) -> None:
        """Print the next hint; after the last one, the first again."""
        number = self._hints_shown % len(self.hints)
        self._hints_shown += 1
        print(f"Hint {number + 1} of {len(self.hints)}: {self.hints[number]}")

    def solution(self) -> None:
        """Print a solution."""
        print(self.solution_code)

    def _advice(self, args: tuple, result: object) -> str:
        for mistake in self.mistakes:
            if first_difference(result, mistake.wrong(*copy.deepcopy(args))) is None:
                return f" {mistake.message}"
        return ""


FEW = 6  # numbers of a tensor that a sentence names one by one
LONG = 40  # characters of a text, from which on a sentence quotes its beginning only
NOT_ATTEMPTED = "not attempted yet. Write your answer in place of the ..., then run this cell again."


def is_empty(answer: Callable) -> bool:
    """Whether nothing stands in a function: it is one, and all it does is to return a constant, such as `...`."""
    code = getattr(answer, "__code__", None)
    return code is not None and {step.opname for step in dis.get_instructions(code)} <= DOES_NOTHING


DOES_NOTHING = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}


def describe(error: BaseException) -> str:
    """An exception in one line: its kind, its words, and the learner's line that raised it."""
    words = str(error).strip().split("\n")[0]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    # Frames of PyTorch and of the package say nothing to a learner; the last one of theirs does.
    own = [f for f in frames if "site-packages" not in f.filename and "deepseek_lab" not in f.filename]
    where = f' in the line "{own[-1].line}"' if own and own[-1].line else ""
    return f"{type(error).__name__}{': ' + words if words else ''}{where}"


def describe_inputs(function: Callable, args: tuple) -> str:
    """The inputs of a case in a few words, with the reference's parameter names: larger tensors by their shape."""
    names = inspect.signature(function).parameters
    return ", ".join(_describe_input(name, value) for name, value in zip(names, args, strict=True))


def _describe_input(name: str, value: object) -> str:
    if isinstance(value, str) and len(value) > LONG:
        return f"{name}={value[: LONG // 2]!r}... ({len(value)} characters)"
    if not isinstance(value, torch.Tensor):
        return f"{name}={value!r}"
    if value.dim() == 1 and value.numel() <= FEW:
        return f"{name}=[{', '.join(f'{number:.4g}' for number in value.tolist())}]"
    return f"{name} of shape {tuple(value.shape)}"
