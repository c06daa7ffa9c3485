"""Text from the learner's disk, a tokenizer that loses nothing, and windows that come once."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab.training import data
from deepseek_lab.training.data import (
    BEGIN,
    END,
    Documents,
    PackedWindows,
    TokenCorpus,
    installed_files,
    pack,
    python_documents,
    train_tokenizer,
)

TEXTS = [f"def f_{i}(x):\n    return x * {i}\n" for i in range(200)]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, 320)


@given(text=st.text(max_size=80))
def test_any_text_comes_back_exactly(tokenizer, text):
    assert tokenizer.decode(tokenizer(text).input_ids) == text


@pytest.mark.parametrize(
    "text", ["", "\n", "\t\t  x", "😀 ü 漢字", "0123456789", "a" * 1000, "\x00", "\r\n \r", "def f(x):\n"]
)
def test_hard_texts_come_back_exactly(tokenizer, text):
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_numbers_are_cut_in_threes_and_indentation_is_one_token():
    tokenizer = train_tokenizer(["x = 123456\n        y = 1\n" * 50], 330)
    pieces = [tokenizer.decode([i]) for i in tokenizer("        y = 123456").input_ids]
    assert "       " in pieces and pieces[-2:] == ["123", "456"]


def test_special_tokens_come_first_and_the_size_is_kept(tokenizer, tmp_path):
    assert len(tokenizer) == 320
    assert tokenizer.convert_ids_to_tokens([0, 1, 2]) == [BEGIN, END, data.PAD]
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (0, 1, 2)
    tokenizer.save_pretrained(tmp_path)
    from transformers import AutoTokenizer

    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again(TEXTS[7]).input_ids == tokenizer(TEXTS[7]).input_ids
    assert again.decode(again(TEXTS[7]).input_ids) == TEXTS[7]


def test_training_a_tokenizer_twice_gives_the_same():
    first, second = (train_tokenizer(TEXTS, 300) for _ in range(2))
    assert first.get_vocab() == second.get_vocab()


@pytest.mark.parametrize("size", [258, 300.5, True])
def test_small_vocabularies_are_refused(size):
    with pytest.raises(ValueError, match=r"vocab_size: got .*at least 259"):
        train_tokenizer(TEXTS, size)


def test_texts_are_packed_between_begin_and_end(tokenizer):
    packed = pack(tokenizer, TEXTS[:3])
    assert packed.dtype == torch.int32
    assert int((packed == 0).sum()) == int((packed == 1).sum()) == 3 and packed[0] == 0 and packed[-1] == 1
    assert tokenizer.decode(packed).count(BEGIN) == 3
    assert tokenizer.decode(packed, skip_special_tokens=True) == "".join(TEXTS[:3])
    with pytest.raises(ValueError, match="texts: got 'none'"):
        pack(tokenizer, [])


def test_a_corpus_counts_its_validation_bytes(tokenizer):
    corpus = TokenCorpus.of(tokenizer, Documents(TEXTS, ["é😀"]))
    assert corpus.validation_bytes == 6 and len(corpus.validation) >= 3


@given(tokens=st.integers(30, 400), length=st.integers(1, 12), batch=st.integers(1, 4), seed=st.integers(0, 99))
def test_every_window_comes_once_before_any_comes_twice(tokens, length, batch, seed):
    source = torch.arange(tokens, dtype=torch.int32)
    if (tokens - 1) // length - 1 < batch:
        with pytest.raises(ValueError, match=f"tokens: got {tokens}, but it takes at least"):
            PackedWindows(source, length, batch, seed)
        return
    windows = PackedWindows(source, length, batch, seed)
    steps = windows.windows // batch
    for number in (0, 1):
        seen = torch.cat([windows.batch_at(number * steps + step) for step in range(steps)])
        assert seen.dtype == torch.int64 and torch.equal(seen, seen[:, :1] + torch.arange(length + 1))
        assert len(seen[:, 0].unique()) == len(seen) == steps * batch
        assert len((seen[:, 0] % length).unique()) == 1


def test_a_batch_depends_on_seed_and_step_alone():
    source = torch.arange(500, dtype=torch.int32)
    first, second = PackedWindows(source, 5, 4, seed=3), PackedWindows(source, 5, 4, seed=3)
    forward = [first.batch_at(step) for step in range(60)]
    backward = [second.batch_at(step) for step in reversed(range(60))]
    assert all(torch.equal(a, b) for a, b in zip(forward, reversed(backward), strict=True))
    assert not torch.equal(PackedWindows(source, 5, 4, seed=4).batch_at(0), forward[0])


def test_documents_are_this_pythons_own():
    documents = python_documents(packages=False, limit_bytes=2_000_000)
    assert 2_000_000 <= sum(len(text.encode()) for text in documents.train) < 3_000_000
    assert not set(documents.train) & set(documents.validation)
    assert documents == python_documents(packages=False, limit_bytes=2_000_000)
    assert any("def " in text for text in documents.validation)


def test_copies_of_held_out_files_are_not_trained_on(tmp_path, monkeypatch):
    lines = [f"    remember_number_{i} = compute_something_long({i})" for i in range(100)]
    for number in range(40):
        (tmp_path / f"m{number:02}.py").write_text(
            "\n".join(f"    own_line_of_module_{number} = {i}" for i in range(9))
        )
    (tmp_path / "m00.py").write_text("\n".join(lines))  # held out
    (tmp_path / "m05.py").write_text(
        "\n".join(["# a copy with a new head, and other indentation", *map(str.strip, lines)])
    )
    (tmp_path / "m06.py").write_text(
        "\n".join(["import x", *[f"something_else_{i} = None" for i in range(50)], *lines[:3]])
    )
    (tmp_path / "m07.py").write_text((tmp_path / "m08.py").read_text())
    monkeypatch.setattr(data, "standard_library_files", lambda: sorted(tmp_path.glob("*.py")))
    documents = python_documents(packages=False)
    assert documents.validation == [(tmp_path / name).read_text() for name in ("m00.py", "m20.py")]
    kept = {text for text in documents.train}
    assert (tmp_path / "m05.py").read_text() not in kept and (tmp_path / "m06.py").read_text() in kept
    assert len(documents.train) == len(kept) == 36  # of 40, two are held out, one is their copy, one comes twice


def test_packages_are_capped_and_tests_left_out(tmp_path):
    for number in range(50):
        for folder in ("big", "big/tests", "small", "deepseek_lab"):
            path = tmp_path / folder / f"m{number}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"x = {number}\n" * 20_000 if folder == "big" else f"x = {number}\n")
    (tmp_path / "small" / "table.py").write_text("x\n" * 200_000)
    (tmp_path / "loose.py").write_text("x = 1\n")
    files = installed_files(tmp_path)
    assert {path.parent.name for path in files} == {"big", "small"}
    assert sum(path.stat().st_size for path in files if path.parent.name == "big") <= 1_000_000
    assert not any(path.name in ("table.py", "loose.py") for path in files)


def test_unreadable_files_are_left_out(tmp_path):
    good, latin, empty = (tmp_path / name for name in ("good.py", "latin.py", "empty.py"))
    good.write_text("x = 1\n")
    latin.write_bytes(b"# caf\xe9\n")
    empty.write_text(" \n")
    assert list(data._texts([good, latin, empty, tmp_path / "gone.py"])) == ["x = 1\n"]
