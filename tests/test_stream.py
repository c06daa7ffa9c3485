"""Text as it is written: whole characters, nothing of a stop string, the same text in the end, and little decoded."""

from itertools import permutations
from pathlib import Path

import pytest
import torch
from helpers import tiny
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from deepseek_lab.inference import TextStream, complete_texts, stream_text
from deepseek_lab.inference import stream as stream_module
from deepseek_lab.inference.batching import Batcher
from deepseek_lab.training.data import train_tokenizer

LAB = AutoTokenizer.from_pretrained(Path(__file__).resolve().parents[1] / "data" / "checkpoints" / "lab")
BYTES = LAB("".join(chr(c) for c in range(32, 256)), add_special_tokens=False).input_ids
MARKS = "e\u0301\u0323 👩‍👩‍👧‍👦 漢字 \ufffd नमस्ते \U0001f1e9\U0001f1ea 🏽"
# Bytes of characters, of nothing, ids past the vocabulary, special tokens, words.
tokens = st.lists(st.sampled_from(BYTES) | st.integers(0, len(LAB) + 9) | st.integers(3, 258), max_size=40)
texts = st.text(st.sampled_from([*MARKS, *"abc \n"]) | st.characters(codec="utf-8"), max_size=20)


def encode(text: str) -> list[int]:
    return LAB(text, add_special_tokens=False).input_ids


def pieces(ids, stop=(), tokenizer=LAB) -> tuple[list[str], TextStream]:
    stream = TextStream(tokenizer, stop)
    return [*(stream.feed(token) for token in ids), stream.finish()], stream


@given(tokens)
def test_pieces_of_any_tokens_are_the_text(ids):
    assert "".join(pieces(ids)[0]) == LAB.decode(ids)


@given(texts)
def test_no_piece_has_a_part_of_a_character(text):
    """And each comes as soon as its last byte is there."""
    ids, sent = encode(text), 0
    found, stream = pieces(ids)
    assert "".join(found) == text and stream.stopped is None
    for count, piece in enumerate(found, start=1):
        sent += len(piece)
        assert text.startswith("".join(found[:count]))
        whole = LAB.decode(ids[:count])
        assert sent >= len(whole) - whole.endswith("\ufffd")


def test_marks_in_bytes():
    """Every character cut into single bytes, as a model may write it."""
    alphabet, text = train_tokenizer([], 259), MARKS.replace("\ufffd", "")
    ids = alphabet(text, add_special_tokens=False).input_ids
    assert len(ids) == len(text.encode())
    found, _ = pieces(ids, tokenizer=alphabet)
    assert [piece for piece in found if piece] == list(text)


def test_few_tokens_and_none():
    assert pieces([])[0] == [""]
    assert pieces(encode("a"))[0] == ["a", ""]
    smile = encode("😀")
    assert len(smile) > 1
    assert pieces(smile)[0] == [""] * (len(smile) - 1) + ["😀", ""]
    assert pieces(smile[:1])[0] == ["", "\ufffd"]
    assert pieces([*smile[:1], *[2**20] * 5, *smile[1:]])[0][-2:] == ["😀", ""]  # ids without text come between


def test_bytes_that_are_no_character_are_passed_on_as_soon_as_that_is_certain():
    (first, *_) = encode("😀")
    found, _ = pieces([first] * 5)
    assert found == ["", *["\ufffd"] * 4, "\ufffd"]


def expected(text: str, stop: list[str]) -> tuple[str, str | None]:
    """Character by character: the first stop string to be complete ends the text; of several the longest."""
    for end in range(1, len(text) + 1):
        if done := [s for s in stop if text[:end].endswith(s)]:
            longest = max(done, key=len)
            return text[: end - len(longest)], longest
    return text, None


@given(st.text("ab漢😀", max_size=30), st.lists(st.text("ab漢😀", min_size=1, max_size=4), max_size=4))
def test_stop_strings(text, stop):
    """They span tokens, overlap, are parts of one another, and begin in the middle of a run of bytes."""
    found, stream = pieces(encode(text), stop)
    assert ("".join(found), stream.stopped) == expected(text, stop)
    for count in range(1, len(found)):
        given_so_far, so_far = "".join(found[:count]), LAB.decode(encode(text)[:count]).rstrip("\ufffd")
        before, stopped = expected(so_far, stop)
        assert before.startswith(given_so_far)
        held = before[len(given_so_far) :]
        assert stopped or any(s.startswith(held) and held != s for s in stop) or not held


@given(tokens, st.lists(st.sampled_from(["\ufffd", "a\ufffd", "\ufffd\ufffd", "漢", " ", "return"]), max_size=3))
def test_stop_strings_among_any_tokens(ids, stop):
    found, stream = pieces(ids, stop)
    assert ("".join(found), stream.stopped) == expected(LAB.decode(ids), stop)


def test_several_stop_strings_in_one_token():
    (token,) = encode(" return")
    for stop in permutations(["turn", "tur", "etur", "rn"]):
        found, stream = pieces([token], stop)
        assert found == [" r", ""] and stream.stopped == "etur"


def test_a_stop_string_may_be_complete_only_at_the_end():
    found, stream = pieces([*encode("ba"), encode("😀")[0]], ["a\ufffd"])
    assert "".join(found) == "b" and stream.stopped == "a\ufffd"


def test_what_comes_after_the_end():
    stream = TextStream(LAB, "b")
    (token,) = encode("a")
    assert not stream.closed and stream.feed(token) == "a"
    assert "".join(map(stream.feed, encode("bc"))) == "" and stream.stopped == "b" and stream.closed
    assert stream.finish() == stream.finish() == ""
    with pytest.raises(ValueError, match="the stream is finished"):
        stream.feed(token)


class Counting:
    """A tokenizer that notes how many tokens it decodes."""

    bos_token_id, eos_token_id = LAB.bos_token_id, LAB.eos_token_id

    def __init__(self):
        self.counts = []

    def __call__(self, text, add_special_tokens):
        return LAB(text, add_special_tokens=add_special_tokens)

    def decode(self, ids):
        self.counts.append(len(ids))
        return LAB.decode(ids)


@pytest.mark.parametrize("text", ["return x\n" * 300, "漢😀" * 300, None])
def test_a_token_costs_the_same_however_long_the_text_is(text):
    """Words, characters of many tokens, and bytes that never become a character."""
    counting, stop = Counting(), "y" * 50
    ids = encode("😀")[:1] * 1000 if text is None else encode(text)
    stream = TextStream(counting, stop)
    for token in ids:
        before = len(counting.counts)
        stream.feed(token)
        assert sum(counting.counts[before:]) <= 8 and len(stream._tail) <= 3 and len(stream._held) < 50
    assert stream.finish() == LAB.decode(ids)[-1:] or text


def test_text_waits_only_where_a_stop_string_may_begin():
    found, _ = pieces(encode("a\nb\n\nc"), ["\n\n"])
    assert "".join(found) == "a\nb"
    found, _ = pieces(encode("x\n"), ["\n\n"])
    assert found[-2:] == ["", "\n"]


@pytest.fixture(scope="module")
def model():
    trained, _ = tiny.train(None, 20)
    return trained


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(tiny.LINES, tiny.TINY.vocab_size)


def test_a_stream_is_the_completion(model, tokenizer):
    for wanted in ({}, {"temperature": 1.5, "seed": 3, "top_k": 50}, {"repetition_penalty": 1.3}):
        for prompt, count in (("def add", 30), ("", 5), ("é😀", 1), ("x", 0)):
            found = list(stream_text(model, tokenizer, prompt, count, **wanted))
            ((text, ended),) = complete_texts(model, tokenizer, [prompt], count, **wanted)
            assert "".join(found) == text and all(found)
            stop = text[3:5] or "q"
            found = list(stream_text(model, tokenizer, prompt, count, stop=stop, **wanted))
            assert "".join(found) == text.split(stop)[0]
            again = complete_texts(model, tokenizer, [prompt], count, stop=[stop], **wanted)
            assert again == [(text.split(stop)[0], ended or stop in text)]


def test_rows_of_a_batch_stop_each_for_itself(model, tokenizer):
    prompts = ["a", "b", "c", "d", "e"]
    whole = complete_texts(model, tokenizer, prompts, 9, temperature=1.0)
    stop = [whole[0][0][2:4], whole[1][0][3:5]]
    texts = complete_texts(model, tokenizer, prompts, 9, temperature=1.0, stop=stop)
    seen = set()
    for (text, ended), (all_of_it, ended_itself) in zip(texts, whole, strict=True):
        before, stopped = expected(all_of_it, stop)
        assert (text, ended) == (before, ended_itself or stopped is not None)
        seen.add("stopped" if stopped else "ended" if ended_itself else "cut off")
    assert seen == {"stopped", "ended", "cut off"}


def fake_tokens(*rows):
    """In place of generate_tokens: these tokens, and how many steps were asked for."""
    asked = []

    def generate_tokens(*arguments, **more):
        for step in zip(*rows, strict=True):
            asked.append(step)
            yield torch.tensor(step)[:, None]

    return generate_tokens, asked


def test_nothing_is_computed_after_the_last_row_has_ended(monkeypatch):
    (a, b), (smile, *_) = encode("a b"), encode("😀")
    scripts, steps = [[a, 1, b, b, b], [b, smile, 1, b, b]], []

    def choose(batcher, writers, logits):
        steps.append([request.number for request in writers])
        return [scripts[request.number][len(request.tokens)] for request in writers]

    with monkeypatch.context() as patch:
        patch.setattr(Batcher, "_choose", choose)
        model = tiny.model(config=tiny.TINY.replace(vocab_size=2048))
        assert complete_texts(model, LAB, ["x", "y"], 5) == [("a", True), (" b\ufffd", True)]
    assert steps == [[0, 1], [0, 1], [1]]
    fake, asked = fake_tokens([a, b, a, a])
    monkeypatch.setattr(stream_module, "generate_tokens", fake)
    assert list(stream_text(tiny.model(), LAB, "x", 4, stop="b")) == ["a", " "] and len(asked) == 2
    fake, asked = fake_tokens([a, a, a])
    monkeypatch.setattr(stream_module, "generate_tokens", fake)
    reader = stream_text(tiny.model(), LAB, "x", 3)
    assert asked == [] and next(reader) == "a" and len(asked) == 1  # nothing is computed before it is asked for


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stop": ""}, "stop: got ''"), ({"stop": ["a", ""]}, "stop: got"), ({"stop": [1]}, "stop: got"),
        ({"stop": None}, "stop: got None"), ({"stop": b"a"}, "stop: got"), ({"prompt": 5}, "prompt: got 5"),
        ({"prompt": ["a"]}, "prompt: got"), ({"max_new_tokens": -1}, "max_new_tokens: got -1"),
        ({"max_new_tokens": 1.5}, "max_new_tokens"), ({"seed": "x"}, "seed: got 'x'"),
        ({"temperature": -1}, "temperature: got -1"), ({"top_k": 0}, "top_k: got 0"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_at_the_call(model, tokenizer, change, words):
    arguments = {"prompt": "a", "max_new_tokens": 3, **change}
    with pytest.raises(ValueError, match=words):
        stream_text(model, tokenizer, **arguments)
    arguments["prompts"] = [arguments.pop("prompt")]
    with pytest.raises(ValueError, match=words):
        complete_texts(model, tokenizer, **arguments)


def test_tokenizers_that_cannot_serve(model):
    class NoEnd(Counting):
        eos_token_id = None

    class Tidy(Counting):
        clean_up_tokenization_spaces = True

    for tokenizer, words in ((NoEnd(), "eos_token_id of the tokenizer: got None"), (Tidy(), "clean_up")):
        with pytest.raises(ValueError, match=words):
            stream_text(model, tokenizer, "a", 3)
        with pytest.raises(ValueError, match=words):
            complete_texts(model, tokenizer, ["a"], 3)
    with pytest.raises(ValueError, match="prompts: got 'abc'"):
        complete_texts(model, LAB, "abc", 3)
    with pytest.raises(ValueError, match="token_id: got -1"):
        TextStream(LAB).feed(-1)
    with pytest.raises(TypeError, match="warmth"):
        stream_text(model, LAB, "a", 3, warmth=2)
