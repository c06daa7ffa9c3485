"""Exact match and F1, recomputed by hand, and the two answerers that need no model."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab.applications.passages import Example, draw
from deepseek_lab.applications.qa.baselines import bm25_sentence, random_span, sentences
from deepseek_lab.applications.qa.metrics import contains, exact_match, f1, score, tokens

TEXT = st.text(alphabet="ab 中文,.，。A1the", max_size=12)


def example(answers: tuple[str, ...], language: str = "en") -> Example:
    return Example("", "", answers, 0 if answers else -1, language, "topic", "train", "template")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Eiffel  Tower!", ["eiffel", "tower"]),
        ("a theory, an ant", ["theory", "ant"]),  # articles are whole words
        ("12,400 m", ["12400", "m"]),
        ("state-of-the-art", ["stateoftheart"]),
        ("多头潜在注意力。", list("多头潜在注意力")),
        ("《红楼梦》", list("红楼梦")),
        ("DeepSeek-V3有671B参数，128K", ["deepseekv3", "有", "671b", "参", "数", "128k"]),
        ("10 年", ["10", "年"]),
        ("", []),
        ("the, 。", []),
    ],
)
def test_tokens(text, expected):
    assert tokens(text) == expected


@pytest.mark.parametrize(
    ("prediction", "answers", "exact", "overlap"),
    [
        ("in 1987", ("1987",), False, 2 / 3),  # precision 1/2, recall 1
        ("1987", ("1987",), True, 1),
        ("the Harbour bridge", ("Harbour Bridge", "bridge"), True, 1),
        ("Anna Maria Berg", ("Anna Berg", "Berg"), False, 4 / 5),  # 2 shared of 3 and 2
        ("red red", ("red",), False, 2 / 3),  # a token counts as often as it stands in both
        ("Paris", ("Rome",), False, 0),
        ("杭州市", ("杭州",), False, 4 / 5),
        ("10年", ("10 年",), True, 1),
        ("", (), True, 1),
        ("Paris", (), False, 0),
        ("", ("Paris",), False, 0),
    ],
)
def test_exact_match_and_f1_by_hand(prediction, answers, exact, overlap):
    assert exact_match(prediction, answers) is exact
    assert f1(prediction, answers) == pytest.approx(overlap)


@given(TEXT, TEXT)
def test_f1_is_a_share_and_symmetric(one, other):
    assert 0 <= f1(one, [other]) <= 1
    assert f1(one, [other]) == f1(other, [one])
    assert (f1(one, [other]) == 1) == (sorted(tokens(one)) == sorted(tokens(other)))
    assert f1(one, ["zz", other]) >= f1(one, [other])
    if exact_match(one, [other]):
        assert f1(one, [other]) == 1


def test_contains_takes_whole_tokens_in_a_row():
    assert contains("It was founded in 1987 by Ann Lee.", ("ann lee",))
    assert not contains("It was founded in 1987.", ("198",))
    assert not contains("Ann B. Lee", ("Ann Lee",))
    assert contains("总部位于杭州。", ("杭州",))
    assert not contains("anything", ())


def test_score_by_groups():
    examples = [example(("1987",)), example(()), example(("杭州",), "zh"), example((), "zh")]
    found = score(["1987", "", "杭州市", "北京"], examples)
    assert found["all"] == {"exact": 50, "f1": pytest.approx(100 * (1 + 1 + 0.8 + 0) / 4), "count": 4}
    assert found["en"] == {"exact": 100, "f1": 100, "count": 2}
    assert found["zh answerable"] == {"exact": 0, "f1": pytest.approx(80), "count": 1}
    assert found["all unanswerable"] == {"exact": 50, "f1": 50, "count": 2}
    assert "zh" not in score([""], [example(())])


@pytest.mark.parametrize("predictions", [[], ["a", "b"]])
def test_score_wants_a_prediction_for_each_example(predictions):
    with pytest.raises(ValueError, match="number of predictions"):
        score(predictions, [example(())])


def test_sentences():
    assert sentences("It costs 3.5 euros. Really? Yes.\n\nHeight: 8 m") == [
        *("It costs 3.5 euros.", "Really?", "Yes.", "Height: 8 m")
    ]
    assert sentences("甲成立于1987年。总部位于杭州！好") == ["甲成立于1987年。", "总部位于杭州！", "好"]


def test_bm25_finds_the_sentence_with_the_rare_words():
    context = "The mill is old. The bridge was built in 1801 by Ann Lee. The road is long."
    assert bm25_sentence("Who built the bridge?", context) == "The bridge was built in 1801 by Ann Lee."
    assert bm25_sentence("谁创立了南山电子？", "北海集团很大。南山电子由李明创立。") == "南山电子由李明创立。"
    assert bm25_sentence("Zebra?", context) == "The mill is old."
    with pytest.raises(ValueError, match="context"):
        bm25_sentence("Who?", " \n")


def test_baselines_are_far_from_good():
    examples = draw(4, 200, "new passage")
    found = [bm25_sentence(one.question, one.context) for one in examples]
    pairs = [(text, one) for text, one in zip(found, examples, strict=True) if one.answers]
    assert 0.4 < sum(contains(text, one.answers) for text, one in pairs) / len(pairs) < 0.9
    assert score(found, examples)["all"]["exact"] < 5
    spans = [random_span(one.context, random.Random(number)) for number, one in enumerate(examples)]
    assert all(span in one.context and tokens(span) for span, one in zip(spans, examples, strict=True))
    assert score(spans, examples)["all"]["exact"] < 5
    with pytest.raises(ValueError, match="context"):
        random_span("。", random.Random(0))
