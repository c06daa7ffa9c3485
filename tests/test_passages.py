"""Generated passages: every answer stands where it is said to, and nothing held out is trained on."""

import itertools
import random
import re
from collections import Counter

import pytest

from deepseek_lab.applications.passages import SPLITS, draw, examples
from deepseek_lab.applications.passages.base import LANGUAGES, kind, parse, spellings
from deepseek_lab.applications.passages.topics import KINDS
from deepseek_lab.applications.passages.values import maker

DRAWN = {split: draw(1, 1200, split) for split in SPLITS}
each_split = pytest.mark.parametrize("split", SPLITS)
each_text = pytest.mark.parametrize(
    ("one", "language"), [*itertools.product(KINDS, LANGUAGES)], ids=lambda value: getattr(value, "name", value)
)


@each_split
def test_answers_stand_where_they_are_said_to(split):
    for one in DRAWN[split]:
        assert one.split == split and one.context.strip() == one.context and one.question.strip()
        if one.answers:
            assert one.context[one.start :].startswith(one.answers[0]) and one.answers[0].strip() == one.answers[0]
            assert len(set(one.answers)) == len(one.answers) and all(one.answers)
        else:
            assert one.start == -1


@each_split
def test_answers_are_whole_words(split):
    """Nothing that goes on beside an answer belongs to it: no letter in English, no digit in either language."""
    for one in DRAWN[split]:
        if one.answers:
            before, after = one.context[: one.start][-1:], one.context[one.start + len(one.answers[0]) :][:1]
            inner = r"\w" if one.language == "en" else r"[0-9]"
            assert not re.search(inner, before) or not re.match(inner, one.answers[0]), one
            assert not re.match(inner, after) or not re.search(inner, one.answers[0][-1]), one


@each_split
def test_shares(split):
    """Both languages and all topics; about a quarter has no answer, in each language."""
    drawn = DRAWN[split]
    assert len({one.topic for one in drawn}) >= 20
    for language in LANGUAGES:
        of_language = [one for one in drawn if one.language == language]
        assert len(of_language) == len(drawn) // 2
        assert 0.18 < sum(not one.answers for one in of_language) / len(of_language) < 0.29
        assert 5 < sum(len(one.context) for one in of_language) / len(of_language) < 400


def test_unanswerable_questions_cannot_be_told_by_their_words():
    """A question's wording is asked with and without an answer, mostly about a name that stands in the passage."""
    train = [one for one in DRAWN["train"] if not one.answers]
    wordings = {one.template for one in draw(2, 6000, "train") if one.answers}
    assert sum(one.template in wordings for one in train) > 0.75 * len(train)
    present = sum(any(word in one.context for word in re.findall(r"[A-Z]\w{4,}", one.question)) for one in train)
    assert present > 0.2 * len(train)


def test_a_passage_answers_some_questions_and_not_others():
    by_passage: dict[str, list] = {}
    for one in DRAWN["train"]:
        by_passage.setdefault(one.context, []).append(one)
    mixed = sum(len({bool(one.answers) for one in group}) == 2 for group in by_passage.values())
    assert mixed > len(by_passage) / 4
    assert all(len({one.question for one in group}) == len(group) for group in by_passage.values())


def test_same_seed_same_examples():
    assert draw(3, 30, "train") == draw(3, 60, "train")[:30]
    assert draw(3, 30, "train") != draw(4, 30, "train")
    assert [*itertools.islice(examples(3, "new passage"), 9)] == draw(3, 9, "new passage")


def test_one_language_and_few_entities():
    assert {one.language for one in draw(1, 20, "train", language="zh")} == {"zh"}
    single, full = draw(1, 300, "train", entities=1), draw(1, 300, "train")
    assert sum(len(one.context) for one in single) < 0.8 * sum(len(one.context) for one in full)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"split": "test"}, "split"),
        ({"count": -1}, "count"),
        ({"language": "fr"}, "language"),
        ({"entities": 0}, "entities"),
    ],
)
def test_bad_arguments(options, named):
    with pytest.raises(ValueError, match=named):
        draw(**{"seed": 1, "count": 1, "split": "train"} | options)


@each_text
def test_every_relation_is_told_and_asked_in_many_ways(one, language):
    texts = one.texts[language]
    assert set(texts.relations) == set(one.values)
    for name, relation in texts.relations.items():
        told = [wording for wording in texts.sentences.train + texts.plain if states(wording, name)]
        spelled = {form for wording in told for form in wording.forms if name in form.relations}
        assert len(told) >= 3 and len(spelled) >= 4, name
        assert any(states(wording, name) for wording in texts.sentences.held), name
        assert len(relation.questions.train) >= 5 and relation.questions.held, name
        assert bool(relation.inverse.train) or not relation.inverse.held
        assert relation.labels


def states(wording, name: str) -> bool:
    return any(name in form.relations for form in wording.forms)


@each_text
def test_wordings_are_well_formed(one, language):
    """Sentences are about the thing and state something; questions name it, inverse ones name a value instead."""
    texts = one.texts[language]
    for wording in texts.sentences.train + texts.sentences.held + texts.plain:
        for form in wording.forms:
            assert form.relations and {"$s", "$p", "$o"} & set(form.slots), wording.name
            assert form.texts[-1].endswith(("。",) if language == "zh" else (".",)), wording.name
    for relation in texts.relations.values():
        for wording in relation.questions.train + relation.questions.held:
            assert all(set(form.slots) <= {"$s", "$p", "$o"} and form.slots for form in wording.forms), wording.name
        for wording in relation.inverse.train + relation.inverse.held:
            assert all(form.slots == ("$v",) for form in wording.forms), wording.name


def test_there_is_much_to_read_about():
    assert len({one.topic for one in KINDS}) >= 12
    assert sum(len(one.values) for one in KINDS) >= 60


def test_held_out_wordings_are_no_training_wordings():
    asked = {split: {one.template for one in DRAWN[split]} for split in SPLITS}
    assert asked["train"] & asked["new passage"] and not asked["train"] & asked["new template"]
    for one in KINDS:
        for texts in one.texts.values():
            sides = [[*group.train, *texts.plain * (group is texts.sentences)] for group in groups(texts)]
            trained = {form for side in sides for wording in side for form in wording.forms}
            held = {form for group in groups(texts) for wording in group.held for form in wording.forms}
            assert not trained & held, one.name


def groups(texts):
    return [texts.sentences, *(x for one in texts.relations.values() for x in (one.questions, one.inverse))]


def test_held_out_names_are_no_training_names():
    """Answers of the "new passage" split that are names were never seen; only small closed lists overlap."""
    closed = re.compile(r"\d{1,3}(?!\d)|.*day$|[周星期]{1,2}.|\d+月|" + "|".join(MONTHS))
    trained = {one.answers[0] for one in draw(5, 12_000, "train") if one.answers}
    held = [one.answers[0] for one in DRAWN["new passage"] if one.answers]
    seen = [answer for answer in held if answer in trained and not closed.match(answer)]
    assert len(seen) < 0.05 * len(held), Counter(seen).most_common(20)


MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September")
MONTHS += ("October", "November", "December")


@pytest.mark.parametrize("spec", ["person", "city", "company", "brand"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_names_are_disjoint_part_by_part(spec, language):
    rng = random.Random(0)
    drawn = {held: {maker(spec)(rng, held, language) for _ in range(1500)} for held in (False, True)}
    assert not drawn[False] & drawn[True]
    assert len(drawn[False]) > 500  # copied, not remembered


def test_the_article_s_passage_is_not_trained_on():
    assert not any("层次化注意力" in one.context for one in draw(6, 4000, "train", language="zh"))


def test_spellings_may_be_nested():
    assert spellings("{a|b{|c}} d") == ["a d", "b d", "bc d"]


@pytest.mark.parametrize(
    ("notation", "message"),
    [
        ("- $s is <age> old.", "no values"),
        ("? How old is $s?", "before any relation"),
        ("hello there", "can't read"),
    ],
)
def test_unreadable_notation(notation, message):
    with pytest.raises(ValueError, match=message):
        parse(notation, "x.en", {})


def test_unreadable_spec():
    one = kind("x", "x", "person", {"age": "ages 1 2"}, en="age = Age", zh="age = 年龄")
    with pytest.raises(ValueError, match="ages 1 2"):
        maker(one.values["age"])
