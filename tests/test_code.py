"""Completing, sampling and ranking programs, with a writer whose words are known."""

import random
from collections.abc import Iterator, Sequence

import pytest

from deepseek_lab.applications.code import complete, complete_many, measure, solve, stream, summary
from deepseek_lab.applications.programs import draw
from deepseek_lab.applications.sandbox import Limits

GOOD, BAD, LOUD = "    return x * 2\n", "    return x + 2\n", "    return x * 2  # really\n"
TESTS = ["assert f(2) == 4", "assert f(3) == 6", "assert f(0) == 0"]


class Scripted:
    """A writer that writes what it was told: greedily the first text, with a temperature the others in turn."""

    def __init__(self, *texts: str, ended: bool = True):
        self.texts, self.ended, self.prompts = texts, ended, []

    def stream(
        self, prompt: str, max_new_tokens: int, *, temperature: float = 0.0, seed: int = 0, **_
    ) -> Iterator[str]:
        """In pieces of one to four characters."""
        self.prompts.append(prompt)
        rng, text = random.Random(seed), self._text(temperature, seed)
        while text:
            size = rng.randint(1, 4)
            yield text[:size]
            text = text[size:]

    def complete(self, prompts: Sequence[str], max_new_tokens: int, *, temperature: float = 0.0, seed: int = 0, **_):
        """All at once."""
        self.prompts += prompts
        return [(self._text(temperature, seed + i), self.ended) for i in range(len(prompts))]

    def _text(self, temperature: float, seed: int) -> str:
        return self.texts[0] if temperature == 0 else self.texts[seed % len(self.texts)]


def test_a_completion_ends_with_its_function():
    found = complete(Scripted(GOOD + "\n\ndef g(x):\n    return x\n", ended=False), "def f(x):")
    assert (found.prompt, found.text, found.ended) == ("def f(x):\n", GOOD, True)
    assert found.source == "def f(x):\n" + GOOD
    cut = complete(Scripted("    return x *", ended=False), "def f(x):")
    assert (cut.text, cut.ended) == ("    return x *", False)


def test_streams_give_the_same_piece_by_piece():
    writer = Scripted(GOOD + "\n\nprint(f(2))\n", "    if x:\n\n        return x\n# end\n")
    for seed in range(6):
        for temperature in (0.0, 1.0):
            pieces = list(stream(writer, "def f(x):", temperature=temperature, seed=seed))
            assert all(pieces)
            assert "".join(pieces) == complete(writer, "def f(x):", temperature=temperature, seed=seed).text


def test_a_stream_that_has_ended_asks_for_no_more():
    asked = []

    class Counting(Scripted):
        def stream(self, *arguments, **keywords):
            for piece in super().stream(*arguments, **keywords):
                asked.append(piece)
                yield piece

    list(stream(Counting(GOOD + "x = 1\n" * 1000), "def f(x):"))
    assert len("".join(asked)) < len(GOOD) + 10


@pytest.mark.parametrize("prompt", ["", "  \n", None, 7, b"def f(x):"])
def test_what_is_no_prompt_is_refused_at_the_call(prompt):
    for function in (complete, stream):
        with pytest.raises(ValueError, match="prompt"):
            function(Scripted(GOOD), prompt)


def test_several_prompts_need_a_list():
    with pytest.raises(ValueError, match="prompts"):
        complete_many(Scripted(GOOD), "def f(x):")
    assert complete_many(Scripted(GOOD), []) == []


def test_solve_puts_the_best_on_top_and_counts_equal_programs_once():
    writer = Scripted(BAD, GOOD, GOOD, LOUD, "    return (\n", "    while True:\n        pass\n")
    found = solve(writer, "def f(x):", TESTS, n=7, limits=Limits(seconds=1.0), allow_missing=True)
    assert found[0].source == "def f(x):\n" + GOOD and found[0].times == 2 and found[0].passed
    assert found[1].source == "def f(x):\n" + LOUD and found[1].times == 1 and found[1].passed
    assert found[2].source == "def f(x):\n" + BAD and found[2].times == 2, "passes one test of three: better than none"
    assert not any(each.passed for each in found[2:])
    assert sum(each.times for each in found) == 7
    assert len({each.source for each in found}) == len(found) == 5


def test_solve_with_one_try_is_the_likeliest_program():
    (found,) = solve(Scripted(GOOD, BAD), "def f(x):", TESTS, n=1, allow_missing=True)
    assert found.passed and found.times == 1


@pytest.mark.parametrize(("tests", "n"), [([], 3), ("assert f(2) == 4", 3), (TESTS, 0), (TESTS, 2.0)])
def test_solve_refuses_what_makes_no_sense(tests, n):
    with pytest.raises(ValueError, match=r"^(tests|n): got"):
        solve(Scripted(GOOD), "def f(x):", tests, n, allow_missing=True)


class KnowsSome:
    """Writes the right body for programs whose number is even; of its samples for the others, every fifth is right."""

    def __init__(self, programs):
        self.bodies = {program.prompt: (number, program.body) for number, program in enumerate(programs)}

    def complete(self, prompts, max_new_tokens, *, temperature=0.0, seed=0, **_):
        """By the prompt."""
        return [(self._text(prompt, temperature, seed + i), True) for i, prompt in enumerate(prompts)]

    def _text(self, prompt, temperature, seed):
        number, body = self.bodies[prompt]
        right = number % 2 == 0 or (temperature > 0 and seed % 5 == 0)
        return body if right else "    pass\n"


def test_measuring_counts_what_works():
    programs = draw(3, 8, "new wording")
    measured = measure(KnowsSome(programs), programs, n=5, allow_missing=True)
    assert [each.greedy for each in measured] == [True, False] * 4
    assert [sum(each.samples) for each in measured] == [5, 1] * 4
    found = summary(measured, ks=(1, 5))
    assert found["greedy"].value == 0.5
    assert found["pass@1"].value == pytest.approx((1 + 0.2) / 2)
    assert found["pass@5"].value == 1.0
    assert found["greedy"].low < 0.5 < found["greedy"].high
    with pytest.raises(ValueError, match="measured"):
        summary([])
