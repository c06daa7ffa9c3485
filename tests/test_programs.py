"""Generated programs: all are right, wrong ones are noticed, and nothing held out is trained on."""

import ast
import copy
import hashlib
import itertools
import os
import random
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from deepseek_lab.applications.programs import FAMILIES, HELD_OUT_FAMILIES, SPLITS, draw, fine_tuning_texts
from deepseek_lab.applications.programs.base import HELD_OUT_WORDINGS, ClassFamily, fill, spell, spellings
from deepseek_lab.applications.programs.draw import FAR, NEAR, families, one_program

ROOT = Path(__file__).resolve().parents[1]
TOPICS = {"sorting", "searching", "strings", "numbers", "lists", "dictionaries", "recursion", "classes"}
BODIES = [(family, variant) for family in FAMILIES for variant in family.bodies]
PATIENCE = 20_000  # rounds of loops and calls, after which a mutant counts as endless
CLASSIC_HEADS = (
    *("quicksort(arr)", "bubble_sort(arr)", "merge_sort(arr)", "insertion_sort(arr)", "selection_sort(arr)"),
    *("binary_search(arr, target)", "linear_search(arr, target)", "two_sum(nums, target)", "find_max(numbers)"),
    *("fibonacci(n)", "fib(n)", "factorial(n)", "is_prime(n)", "gcd(a, b)", "lcm(a, b)", "power(base, exponent)"),
    *("reverse_string(s)", "is_palindrome(s)", "is_anagram(s, t)", "count_vowels(text)", "count_words(text)"),
    *("flatten(lst)", "flatten(nested)", "remove_duplicates(lst)", "is_leap_year(year)", "permutations(nums)"),
)

each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


class Endless(Exception):
    """A program ran for too long."""


def sources(family, variant: str) -> str:
    """A whole function or class with this body."""
    return family.head(family.name, family.signatures[0]) + family.body(variant, family.name, family.signatures[0])


def failures(code, tests) -> int:
    """How many of the tests fail. A program that can't be run fails them all."""
    rounds = itertools.count()

    def tick() -> bool:
        if next(rounds) > PATIENCE:
            raise Endless
        return True

    failed = 0
    for test in tests:
        names = {"_tick": tick}
        try:
            exec(code, names)
            exec(test, names)
        except Exception:
            failed += 1
    return failed


# Every program is right


@each_family
@pytest.mark.parametrize("split", SPLITS)
def test_ten_programs_pass_their_own_tests(family, split):
    if family not in families(split):
        assert (family.name in HELD_OUT_FAMILIES) != (split == "new family")
        return
    rng = random.Random(family.name)
    drawn = [one_program(family, split, rng) for _ in range(10)]
    for program in drawn:
        assert program.source == program.prompt + program.body
        assert (program.family, program.topic, program.split) == (family.name, family.topic, split)
        assert failures(compile(program.source, "program", "exec"), program.tests) == 0, program.source
    assert len({program.source for program in drawn}) > 3
    assert len({program.tests for program in drawn}) > 1 or family.name == "Switch"


@pytest.mark.parametrize("family, variant", BODIES, ids=lambda part: getattr(part, "name", ""))
def test_every_body_is_drawn_right_and_short(family, variant):
    rng = random.Random(0)
    tests = {test for _ in range(10) for test in family.tests(rng, family.name)}
    assert failures(compile(sources(family, variant), "program", "exec"), sorted(tests)) == 0
    assert len([line for line in variant.splitlines() if line.strip()]) <= 12
    assert not any("\n" in test for test in tests)


def test_all_bodies_are_drawn():
    for family in FAMILIES:
        split = "new family" if family.name in HELD_OUT_FAMILIES else "train"
        drawn = {one_program(family, split, random.Random(seed)).body.count("\n") for seed in range(20)}
        assert drawn == {len(textwrap.dedent(variant).strip("\n").splitlines()) for variant in family.bodies}


@each_family
def test_sources_are_well_formed(family):
    """One function or class of the right name; and no local variable has the name of an argument by chance."""
    for variant in family.bodies:
        tree = ast.parse(sources(family, variant))
        assert [node.name for node in tree.body] == [family.name]
        arguments = {name for signature in family.signatures for name in signature.split(", ")}
        neutral = ast.parse(family.head("f_", "a_, b_, c_") + family.body(variant, "f_", "a_, b_, c_"))
        locals_ = {node.id for node in ast.walk(neutral) if isinstance(node, ast.Name)} - {"x1", "x2", "y1", "y2"}
        locals_ |= {node.arg for node in ast.walk(neutral) if isinstance(node, ast.arg)}
        assert not arguments & locals_, (family.name, arguments & locals_)
        assert not set(family.names.split()) & locals_


def test_sorting_bodies_sort_a_thousand_lists():
    rng = random.Random(1)
    given = [[rng.randint(-99, 99) for _ in range(rng.randint(0, 20))] for _ in range(1000)]
    names = ("quicksort", "bubble_sort", "merge_sort", "insertion_sort", "selection_sort")
    for family in FAMILIES:
        for variant in family.bodies if family.name in names else ():
            scope = {}
            exec(sources(family, variant), scope)
            assert all(scope[family.name](list(values)) == sorted(values) for values in given)


# Wrong programs are noticed

SWAPPED = {
    ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Mod: ast.FloorDiv,
    ast.FloorDiv: ast.Mult, ast.Div: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip


class Ticks(ast.NodeTransformer):
    """Count each call and each round of a loop."""

    def visit(self, node):
        self.generic_visit(node)
        if isinstance(node, (ast.For, ast.While, ast.FunctionDef)):
            node.body.insert(0, ast.parse("_tick()").body[0])
        return node


def mutants(source: str):
    """Trees of the source with one thing changed: an operator, a number, a condition, or a statement left out."""
    tree = ast.parse(source)
    for number, node in enumerate(ast.walk(tree)):
        for field, value in ast.iter_fields(node):
            if field == "body" and isinstance(value, list) and not isinstance(node, (ast.Module, ast.ClassDef)):
                changes = [(place, ast.Pass()) for place in range(len(value))]
            elif field == "ops" and type(value[0]) in SWAPPED:
                changes = [(0, SWAPPED[type(value[0])]())]
            elif type(value) in SWAPPED:
                changes = [(None, SWAPPED[type(value)]())]
            elif isinstance(node, ast.Constant) and type(value) is int:
                changes = [(None, value + 1)]
            elif field == "test" and isinstance(node, ast.If):
                changes = [(None, ast.UnaryOp(ast.Not(), copy.deepcopy(value)))]
            else:
                changes = []
            for place, change in changes:
                mutant = copy.deepcopy(tree)
                changed = next(itertools.islice(ast.walk(mutant), number, None))
                if place is None:
                    setattr(changed, field, change)
                else:
                    getattr(changed, field)[place] = change
                yield mutant


def compiled(tree: ast.AST):
    """The tree as code that counts its rounds."""
    return compile(ast.fix_missing_locations(Ticks().visit(tree)), "mutant", "exec")


# Mutants that do the same as the original: another pivot, a larger bound, a `return None` that is left out.
EQUIVALENT = {
    "quicksort": 1, "counting_sort": 1, "missing_number": 1, "is_prime": 2, "divisors": 1, "most_common": 2,
    "two_sum": 2, "first_greater": 1, "majority_element": 1, "first_unique_char": 1,
}  # fmt: skip
HOLLOW = ("a", "None", "0", "1", "-1", "True", "False", "''", "[]", "{}")

# Whose bodies pass whose tests: those that ask for the same, or for less of the same.
SORTS = ("quicksort", "bubble_sort", "merge_sort", "insertion_sort", "selection_sort", "counting_sort")
ALSO_RIGHT = {(one, other) for one in SORTS[:5] for other in SORTS if one != other} | {
    ("linear_search", "binary_search"), ("last_index", "binary_search"), ("sort_by_absolute", "counting_sort"),
    ("count_occurrences", "count_letter"), ("count_letter", "count_occurrences"), ("sum_nested", "sum_list"),
    ("count_items", "char_frequencies"), ("char_frequencies", "count_items"), ("reverse_list", "reverse_string"),
    ("reverse_string", "reverse_list"),
}  # fmt: skip


def test_changed_bodies_fail():
    """The tests of a single drawn program notice every change that makes a difference."""
    alive, count = Counter(), 0
    for family, variant in BODIES:
        tests = family.tests(random.Random(5), family.name)
        for mutant in mutants(sources(family, variant)):
            count += 1
            alive[family.name] += not failures(compiled(mutant), tests)
    assert +alive == EQUIVALENT
    assert count > 1000


@pytest.mark.parametrize("answer", HOLLOW)
def test_answers_without_a_program_fail(answer):
    """Returning the argument as it came, or always the same, fails several tests of each function."""
    code = compile(f"def solution(a, *_):\n    return {answer}\n", "hollow", "exec")
    for family in FAMILIES:
        if not isinstance(family, ClassFamily):
            assert failures(code, family.tests(random.Random(9), "solution")) >= 2, family.name


def test_bodies_of_other_families_fail():
    tests = {family.name: family.tests(random.Random(9), "solution") for family in FAMILIES}
    passed = set()
    for family, variant in BODIES:
        signature = family.signatures[0]
        tree = ast.parse(family.head("solution", signature) + family.body(variant, "solution", signature))
        code = compiled(tree)
        for other in FAMILIES:
            if other is not family and not any(failures(code, [test]) for test in tests[other.name]):
                passed.add((family.name, other.name))
    assert passed == ALSO_RIGHT


# Nothing held out is trained on


def sentences(family, held_out: bool) -> set[str]:
    """All the sentences that a family's wordings stand for, with neutral names."""
    return {
        fill(sentence, "f_", "a_, b_, c_") for line in family.wording_lines(held_out) for sentence in spellings(line)
    }


def test_enough_families_of_each_topic():
    assert {family.topic for family in FAMILIES} == TOPICS
    assert len(FAMILIES) >= 64 and len({family.name for family in FAMILIES}) == len(FAMILIES)
    assert min(Counter(family.topic for family in families("train")).values()) >= 8
    assert set(NEAR) | set(FAR) == HELD_OUT_FAMILIES <= {family.name for family in FAMILIES}
    assert families("train") == families("new wording")
    assert len(families("train")) + len(HELD_OUT_FAMILIES) == len(FAMILIES)


def test_wordings_are_plenty_and_different():
    """No sentence stands in two families, nor on both sides of a split."""
    seen = Counter()
    for family in FAMILIES:
        train, held_out = sentences(family, False), sentences(family, True)
        assert len(family.wording_lines(False)) >= 6 - HELD_OUT_WORDINGS and len(family.wording_lines(True)) == 2
        assert not train & held_out
        assert len(train) >= 9 or family.name in HELD_OUT_FAMILIES, (family.name, len(train))
        for sentence in train | held_out:
            assert sentence.strip() == sentence and "  " not in sentence and not set(sentence) & set('{}|"\\')
            assert sentence[-1] in ".?!" or "!" in sentence, sentence
        seen.update(train | held_out)
    assert seen.most_common(1)[0][1] == 1, seen.most_common(3)


def test_names_are_different():
    """A bare head says of which family it is, and no name says nothing."""
    names = Counter(name for family in FAMILIES for name in family.names.split())
    assert names.most_common(1)[0][1] == 1
    assert not set(names) & {name for family in FAMILIES for name in family.vague_names}


def test_splits_share_nothing():
    drawn = {split: draw(0, 3000, split) for split in SPLITS}
    prompts = {split: {program.prompt for program in programs} for split, programs in drawn.items()}
    for one, other in itertools.combinations(SPLITS, 2):
        assert not prompts[one] & prompts[other]
    owners = {(program.prompt, program.family) for programs in drawn.values() for program in programs}
    assert len(owners) == len({prompt for prompt, _ in owners})
    bare = [program for program in drawn["new wording"] if program.prompt.count("\n") == 1]
    assert not bare


def test_each_family_is_drawn_equally_often():
    for split in SPLITS:
        count = len(families(split))
        assert set(Counter(program.family for program in draw(2, 3 * count, split)).values()) == {3}


def test_drawing_is_the_same_for_the_same_seed():
    assert draw(3, 300, "train")[:40] == draw(3, 40, "train") != draw(4, 40, "train")
    assert fine_tuning_texts(3, 40)[:9] == fine_tuning_texts(3, 9) != fine_tuning_texts(4, 9)
    command = (
        "from deepseek_lab.applications.programs import *; import hashlib;"
        "print(hashlib.sha256(repr([draw(3, 300, s) for s in SPLITS]).encode()).hexdigest())"
    )
    here = hashlib.sha256(repr([draw(3, 300, split) for split in SPLITS]).encode()).hexdigest()
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    there = subprocess.run([sys.executable, "-c", command], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert there.stdout.strip() == here, there.stderr


@pytest.mark.parametrize("head", CLASSIC_HEADS)
def test_classic_heads_are_trained_on_alone(head):
    name, signature = head.removesuffix(")").split("(")
    (family,) = (family for family in families("train") if name in family.names.split())
    assert family.telling and signature in family.signatures


@pytest.mark.parametrize("head", ["def quicksort(arr):\n", "def fibonacci(n):\n", "class Stack:\n", "class Queue:\n"])
def test_bare_heads_are_drawn(head):
    name = head.split()[1].split("(")[0].rstrip(":")
    (family,) = (family for family in FAMILIES if family.name == name)
    rng = random.Random(0)
    assert any(one_program(family, "train", rng).prompt == head for _ in range(1000))


def test_texts_are_modules_that_pass_their_tests():
    kinds = Counter()
    for text in fine_tuning_texts(1, 600):
        tree = ast.parse(text)
        exec(compile(tree, "text", "exec"), {})
        assert text.endswith("\n") and not text.endswith("\n\n") and "\t" not in text and "\n\n\n\n" not in text
        kinds[sum(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in tree.body)] += 1
        kinds["tested"] += "assert" in text
    assert set(kinds) == {1, 2, 3, "tested"} and kinds[1] > 350 and 40 < kinds["tested"] < 150


def test_texts_have_nothing_that_is_held_out():
    names = {name for family in families("new family") for name in family.names.split()}
    lines = [line for family in FAMILIES for line in family.wording_lines(held_out=True)]
    lines += [line for family in families("new family") for line in family.wording_lines(held_out=False)]
    held_out = [sentence for line in lines for sentence in spellings(line)]
    assert "What push put in last, pop takes out first; with peek, is_empty and size." in held_out
    for text in fine_tuning_texts(2, 300):
        there = {line.strip(' "#').removesuffix(".") for line in text.splitlines()}
        for node in ast.parse(text).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                assert node.name not in names
                arguments = [part.arg for part in node.args.args] if isinstance(node, ast.FunctionDef) else []
                signature = ", ".join([*arguments, "a_", "b_", "c_"][:3])
                assert not there & {fill(sentence, node.name, signature).removesuffix(".") for sentence in held_out}


def test_programs_are_short_in_tokens():
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "data/checkpoints/lab").backend_tokenizer
    for split in SPLITS:
        encoded = tokenizer.encode_batch_fast([program.source for program in draw(0, 1500, split)])
        lengths = sorted(len(part.ids) for part in encoded)
        assert lengths[int(0.95 * len(lengths))] <= 200 and lengths[-1] <= 250


def test_prompts_are_read_alone_as_in_the_whole():
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "data/checkpoints/lab")
    for program in draw(0, 300, "train"):
        prompt, source = tokenizer(program.prompt).input_ids, tokenizer(program.source).input_ids
        assert source[: len(prompt)] == prompt


@pytest.mark.parametrize("count, split", [(-1, "train"), (1.5, "train"), (1, "test"), (1, "")])
def test_what_cannot_be_drawn_is_refused(count, split):
    with pytest.raises(ValueError, match=r"count|split"):
        draw(0, count, split)


def test_alternatives_are_spelled_out():
    assert list(spellings("{a|b} c{| d}")) == ["a c", "a c d", "b c", "b c d"]
    assert {spell("{a|b} c", random.Random(seed)) for seed in range(20)} == {"a c", "b c"}
