"""transformers.pipeline("question-answering"): the old call, the old results, windows, and how it is registered."""

import itertools
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, pipeline

import deepseek_lab  # noqa: F401 - registers the pipeline
from deepseek_lab.applications.passages import draw
from deepseek_lab.applications.qa import Answer, QuestionAnsweringPipeline, answer
from deepseek_lab.applications.qa.spans import Span, merged, trimmed, window_logits
from deepseek_lab.applications.qa.windows import windows

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "data" / "checkpoints" / "qa"
QUESTION, CONTEXT = "Where does Ann Zorblin work?", "Ann Zorblin works in Harlow. Ben Zorblin works in Dunwick."


@pytest.fixture(scope="module")
def qa():
    return pipeline("question-answering", model=str(SHIPPED))


def is_result(result, context=CONTEXT):
    assert list(result) == ["score", "start", "end", "answer"]
    assert [type(value) for value in result.values()] == [float, int, int, str]
    assert 0 <= result["score"] <= 1 and result["answer"] == context[result["start"] : result["end"]]
    return True


def test_it_is_ours_and_finds_the_answer(qa):
    assert isinstance(qa, QuestionAnsweringPipeline)
    assert is_result(qa(question=QUESTION, context=CONTEXT))


@pytest.mark.parametrize(
    ("call", "count"),
    [
        (lambda qa: qa(question=QUESTION, context=CONTEXT), None),
        (lambda qa: qa(QUESTION, CONTEXT), None),
        (lambda qa: qa({"question": QUESTION, "context": CONTEXT}), None),
        (lambda qa: qa([{"question": QUESTION, "context": CONTEXT}]), None),
        (lambda qa: qa(question=[QUESTION], context=[CONTEXT]), None),
        (lambda qa: qa(SimpleNamespace(question_text=QUESTION, context_text=CONTEXT)), None),
        (lambda qa: qa(QuestionAnsweringPipeline.create_sample(QUESTION, CONTEXT)), None),
        (lambda qa: qa(X={"question": QUESTION, "context": CONTEXT}), None),
        (lambda qa: qa(data=[{"question": QUESTION, "context": CONTEXT}]), None),
        (lambda qa: qa(question=[QUESTION, QUESTION], context=CONTEXT), 2),
        (lambda qa: qa(question=[QUESTION, QUESTION], context=[CONTEXT, CONTEXT]), 2),
        (lambda qa: qa([{"question": QUESTION, "context": CONTEXT}] * 3), 3),
        (lambda qa: qa({"question": QUESTION, "context": CONTEXT}, {"question": QUESTION, "context": CONTEXT}), 2),
        (lambda qa: qa([{"question": QUESTION, "context": CONTEXT}] * 3, batch_size=2), 3),
        (lambda qa: list(qa({"question": QUESTION, "context": CONTEXT} for _ in range(2))), 2),
        (lambda qa: qa(question=QUESTION, context=CONTEXT, top_k=3), 3),
        (lambda qa: qa(question=QUESTION, context=CONTEXT, topk=3), 3),
    ],
)
def test_calls_of_transformers_4(qa, call, count):
    """A dict for one question, also in a list of one; a list for several, or for several answers."""
    found = call(qa)
    if count is None:
        assert is_result(found)
    else:
        assert isinstance(found, list) and len(found) == count and all(map(is_result, found))


def test_several_questions_with_several_answers(qa):
    found = qa(question=[QUESTION, "Who works in Dunwick?"], context=CONTEXT, top_k=2)
    assert [len(part) for part in found] == [2, 2]
    assert all(first["score"] >= second["score"] for first, second in found)


def test_there_are_no_more_answers_than_spans(qa):
    assert is_result(qa(question="Who?", context="Ann", top_k=1), "Ann")
    assert len(qa(question="Who?", context="安好", top_k=9, handle_impossible_answer=True)) == 4  # 3 spans and none


def test_not_in_the_context(qa):
    elsewhere = "In which year was the Morvane Bridge opened?"
    assert qa(question=elsewhere, context=CONTEXT)["answer"]  # as in transformers 4: the best there is
    found = qa(question=elsewhere, context=CONTEXT, top_k=500, handle_impossible_answer=True)
    (null,) = [result for result in found if not result["answer"]]
    assert (null["start"], null["end"]) == (0, 0) and is_result(null)
    without = qa(question=elsewhere, context=CONTEXT, top_k=500)
    assert without == [result for result in found if result["answer"]]


def test_answers_have_at_most_so_many_tokens_and_whole_words(qa):
    short = qa(question=QUESTION, context=CONTEXT, top_k=500, max_answer_len=1, align_to_words=False)
    (window,) = windows(qa.tokenizer, QUESTION, CONTEXT)
    tokens = {trimmed(CONTEXT, *offset) for offset in window.offsets}
    assert {(result["start"], result["end"]) for result in short} == tokens
    whole = qa(question=QUESTION, context=CONTEXT, top_k=500, max_answer_len=1)
    words = set(CONTEXT.replace(".", " .").split())
    assert {result["answer"] for result in whole} <= words


@pytest.mark.parametrize(
    ("args", "options", "error", "words"),
    [
        ((), {"question": "", "context": CONTEXT}, ValueError, "question"),
        ((), {"question": None, "context": CONTEXT}, ValueError, "question"),
        ((), {"question": QUESTION, "context": ""}, ValueError, "context"),
        ((), {"question": QUESTION, "context": None}, ValueError, "context"),
        ((), {"question": QUESTION, "context": " \n"}, ValueError, "context"),
        ((), {"question": 3, "context": CONTEXT}, ValueError, "question"),
        ((), {"question": {"a": 1}, "context": CONTEXT}, ValueError, "question"),
        ((), {"question": "\ud800", "context": CONTEXT}, ValueError, "question: got .* half of a surrogate pair"),
        ((), {"question": QUESTION, "context": "a\udfff"}, ValueError, "context: got .* at 1"),
        ((), {"question": QUESTION}, ValueError, "context"),
        ((), {}, ValueError, "question and context"),
        ((), {"question": [QUESTION, QUESTION], "context": [CONTEXT]}, ValueError, "contexts"),
        ((), {"question": [], "context": CONTEXT}, ValueError, "at least one"),
        (({"context": CONTEXT},), {}, KeyError, "question"),
        (({"question": QUESTION},), {}, KeyError, "context"),
        ((7,), {}, ValueError, "a dict"),
        ((QUESTION,), {}, ValueError, "a dict"),
        ((), {"question": QUESTION, "context": CONTEXT, "top_k": 0}, ValueError, "top_k"),
        ((), {"question": QUESTION, "context": CONTEXT, "top_k": 1.5}, ValueError, "top_k"),
        ((), {"question": QUESTION, "context": CONTEXT, "max_answer_len": 0}, ValueError, "max_answer_len"),
        ((), {"question": "who " * 90, "context": CONTEXT}, ValueError, "max_question_len"),
        ((), {"question": QUESTION, "context": CONTEXT, "max_question_len": 2}, ValueError, "max_question_len"),
        ((), {"question": QUESTION, "context": CONTEXT, "max_seq_len": 5}, ValueError, "max_seq_len"),
        ((), {"question": QUESTION, "context": CONTEXT, "max_seq_len": 40, "doc_stride": 39}, ValueError, "doc_stride"),
        ((), {"question": QUESTION, "context": CONTEXT, "doc_stride": -1}, ValueError, "doc_stride"),
        ((), {"question": QUESTION, "context": CONTEXT, "colour": 1}, ValueError, "colour"),
    ],
)
def test_what_does_not_fit_is_refused(qa, args, options, error, words):
    with pytest.raises(error, match=words):
        qa(*args, **options)


def test_windows_cover_the_context_and_overlap(qa):
    context = " ".join(example.context for example in draw(41, 12, "train", language="en"))
    cut = windows(qa.tokenizer, QUESTION, context, max_seq_len=80, doc_stride=20)
    assert len(cut) > 5 and max(len(window.inputs["input_ids"]) for window in cut) == 80
    for before, after in itertools.pairwise(cut):
        shared = [offset for offset in before.offsets if offset in after.offsets]
        assert len(shared) >= 20 and after.offsets[0] in before.offsets
    covered = {character for window in cut for left, right in window.offsets for character in range(left, right)}
    assert covered == set(range(len(context)))


def test_one_window_is_the_row_itself(qa):
    (window,) = windows(qa.tokenizer, QUESTION, CONTEXT)
    assert window.inputs["input_ids"] == qa.tokenizer(QUESTION, CONTEXT)["input_ids"]
    assert windows(qa.tokenizer, QUESTION, CONTEXT, 300, 7) == [window]
    assert qa(question=QUESTION, context=CONTEXT) == qa(question=QUESTION, context=CONTEXT, max_seq_len=300)


def test_a_long_context_is_read_to_its_end(qa):
    example = next(e for e in draw(1, 50, "train", language="en", entities=1) if e.answers and e.topic != "rivers")
    filler = " ".join({e.context: 0 for e in draw(43, 3000, "train", language="en") if e.topic == "rivers"})[:5000]
    assert len(filler) > 4000
    found = qa(question=example.question, context=f"{filler}\n{example.context}", top_k=5)
    assert all(is_result(result, f"{filler}\n{example.context}") for result in found)
    assert any(result["start"] > len(filler) for result in found)
    assert len({(result["start"], result["end"]) for result in found}) == len(found)


@pytest.mark.parametrize(
    "context",
    [
        "x",
        "。",
        "😀",
        "Ann\r\nworks\r\n\tin Harlow.\r\n",
        "  Ann 😀 works in “Harlow”…  ",
        "安娜在上海工作。" * 3,
        "\ufeffAnn",
        "e\u0301 A\u200d B",
    ],
)
def test_odd_contexts(qa, context):
    assert is_result(qa(question=QUESTION, context=context), context)
    found = answer(qa.model, qa.tokenizer, QUESTION, context)
    assert found.text == context[found.start : found.end] and found.in_context == bool(found.text)


def test_batches_give_what_single_calls_give(qa):
    samples = [{"question": e.question, "context": e.context} for e in draw(44, 9, "new passage")]
    for alone, together in zip(map(qa, samples), qa(samples, batch_size=4), strict=True):
        assert alone["answer"] == together["answer"] and alone["score"] == pytest.approx(together["score"], abs=1e-4)


def test_answer_compares_windows_as_squad_does(qa, monkeypatch):
    """The best span of all windows, against the window that is least sure that there is no answer."""
    cut = windows(qa.tokenizer, QUESTION, CONTEXT * 20, 60, 10)
    logits = [window_logits(qa.model, window) for window in cut]
    null = min(float(start[0] + end[0]) for start, end in logits)
    best = max(
        float(start[a] + end[b])
        for window, (start, end) in zip(cut, logits, strict=True)
        for a in window.places
        for b in window.places
        if a <= b < a + 40
    )
    low, high = (
        answer(
            qa.model, qa.tokenizer, QUESTION, CONTEXT * 20, threshold=best - null + nudge, max_seq_len=60, doc_stride=10
        )
        for nudge in (-1e-3, 1e-3)
    )
    assert low.in_context and not high.in_context
    assert (high.text, high.start, high.end) == ("", 0, 0) and 0 <= high.score <= 1
    assert isinstance(low, Answer) and low.text == (CONTEXT * 20)[low.start : low.end]
    with pytest.raises(ValueError, match="threshold"):
        answer(qa.model, qa.tokenizer, QUESTION, CONTEXT, threshold="x")


def test_the_same_characters_of_two_windows_are_one_answer():
    spans = [Span(3, 7, 0.2, 1.0), Span(4, 7, 0.5, 2.0), Span(0, 3, 0.3, 0.0)]
    assert merged(spans, "Ann Ben") == [Span(4, 7, 0.5, 2.0), Span(0, 3, 0.3, 0.0)]


CHECK = """
import sys
{first}
{second}
assert ("transformers" in sys.modules) == ("transformers" in {first!r} + {second!r})
from transformers import AutoConfig, pipeline
assert AutoConfig.from_pretrained({folder!r}).model_type == "deepseek_lab_qa"
print(pipeline("question-answering", model={folder!r})(question="Who works?", context="Ann works.")["answer"])
"""


@pytest.mark.parametrize(
    ("first", "second"),
    [("import deepseek_lab", ""), ("import transformers.pipelines", "import deepseek_lab")],
    ids=["before transformers", "after transformers"],
)
def test_importing_the_package_is_enough(first, second, tmp_path):
    """Without a hub, and without loading transformers until it is asked for."""
    code = CHECK.format(first=first, second=second, folder=str(SHIPPED))
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        timeout=300,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip()


def test_models_that_write_token_types_work_too(tmp_path, qa):
    """A BERT as anyone has one: its tokenizer makes token_type_ids."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForQuestionAnswering, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *sorted(set(CONTEXT.replace(".", " .").split())), "Where", "does", "?"]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"], model_max_length=64,
    )  # fmt: skip
    torch.manual_seed(0)
    bert = BertForQuestionAnswering(
        BertConfig(
            vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
        )
    )
    other = pipeline("question-answering", model=bert, tokenizer=fast)
    assert is_result(other(question=QUESTION, context=CONTEXT))


def test_auto_classes_open_the_shipped_folder():
    model = AutoModelForQuestionAnswering.from_pretrained(SHIPPED)
    inputs = AutoTokenizer.from_pretrained(SHIPPED)(QUESTION, CONTEXT, return_tensors="pt")
    output = model(**inputs)
    assert output.start_logits.shape == output.end_logits.shape == inputs["input_ids"].shape
