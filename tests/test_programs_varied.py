"""Programs with other names and words: they are right as they stand, and have nothing that is held out."""

import ast
import doctest
import random

import pytest

from deepseek_lab.applications.programs.draw import families, fine_tuning_texts
from deepseek_lab.applications.programs.vary import held_out, hint, hinted, varied

trained = pytest.mark.parametrize("family", families("train"), ids=lambda family: family.name)


@trained
def test_every_variation_passes_its_tests_and_its_examples(family):
    rng = random.Random(family.name)
    for _ in range(8):
        program, namespace = varied(family, rng), {}
        exec(compile(program.source, "program", "exec"), namespace)
        for line in program.tests:
            exec(line, dict(namespace))
        text = ast.get_docstring(ast.parse(program.source).body[0]) or ""
        for example in doctest.DocTestParser().get_examples(text):
            found, wanted = eval(example.source, namespace), ast.literal_eval(example.want)
            assert found == (pytest.approx(wanted) if isinstance(wanted, float) else wanted), program.source


@trained
def test_held_out_sentences_are_never_written(family):
    rng, sentences = random.Random(0), held_out(family)
    assert sentences
    for _ in range(30):
        program = varied(family, rng)
        words = {line.strip(' "#').removesuffix(".") for line in program.prompt.splitlines()}
        arguments = program.prompt.partition("(")[2].partition(")")[0].split(", ")
        names = dict(zip("abc", (part.partition(":")[0] for part in arguments), strict=False))
        for sentence in sentences:
            for letter, name in {**names, "f": program.entry_point}.items():
                sentence = sentence.replace(f"${letter}", name)
            assert sentence not in words


def test_variations_differ_in_all_that_they_may():
    prompts = [varied(family, random.Random(seed)).prompt for family in families("train") for seed in range(5)]
    shares = {
        mark: sum(mark in prompt for prompt in prompts) / len(prompts) for mark in ("->", ">>>", "#", '"""\n    ')
    }
    assert all(0.05 < share < 0.5 for share in shares.values()), shares
    assert len(set(prompts)) > 0.95 * len(prompts)
    texts = fine_tuning_texts(5, 300)
    assert 20 < sum("->" in text or ">>>" in text for text in texts) < 150


@pytest.mark.parametrize(
    ("value", "name"),
    [(3, "int"), (True, "bool"), ([1, 2], "list[int]"), (["a"], "list[str]"), ([1, "a"], "list"), ([], "list"),
     ([True, 1], "list"), ({"a": 1}, "dict"), ((1, 2), "tuple"), (None, "None"), (2.5, "float")],
)  # fmt: skip
def test_hints(value, name):
    assert hint(value) == name
    assert hinted("f", "x, y", (value, "a"), value) == f"def f(x: {name}, y: str) -> {name}:\n"
