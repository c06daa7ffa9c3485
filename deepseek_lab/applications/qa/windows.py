"""A question and its context as the rows that a model reads: one if it fits, else windows that overlap."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from deepseek_lab.config import is_whole, require, require_whole

LONGEST_WINDOW, OVERLAP, LONGEST_QUESTION = 384, 128, 64  # tokens
LONGEST_SHOWN = 20  # blanks that an error shows of a text that has nothing else


@dataclass(frozen=True)
class Window:
    """A row of tokens. For each token of the context in it: its place, its characters, and which word it belongs to."""

    inputs: dict[str, list[int]]  # what the model takes: input_ids, attention_mask, and what else the tokenizer makes
    places: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    words: tuple[int | None, ...]


def check_text(name: str, text) -> None:
    """Raise `ValueError` unless it is a text with something in it."""
    require(isinstance(text, str), name, text, "a text")
    require(bool(text.strip()), name, text[:LONGEST_SHOWN], "a text that isn't empty")
    lone = next((f"{char!r} at {i}" for i, char in enumerate(text) if "\ud800" <= char <= "\udfff"), None)
    require(lone is None, name, lone, "whole characters: this one is half of a surrogate pair, which is no text")


def windows(
    tokenizer: PreTrainedTokenizerBase,
    question: str,
    context: str,
    max_seq_len: int | None = None,
    doc_stride: int | None = None,
    max_question_len: int = LONGEST_QUESTION,
) -> list[Window]:
    """Windows of at most `max_seq_len` tokens with the question in each; neighbours share `doc_stride` of the context.

    The defaults are 384 or what the tokenizer allows, and 128 or half of what the question leaves. Raises `ValueError`
    for texts that are empty or no texts, a question longer than `max_question_len`, and a stride that leaves no room.
    """
    check_text("question", question)
    check_text("context", context)
    require(tokenizer.is_fast, "tokenizer", type(tokenizer).__name__, "a fast one, which knows places in the text")
    if max_seq_len is None:
        max_seq_len = min(tokenizer.model_max_length, LONGEST_WINDOW)
    require_whole(1, max_seq_len=max_seq_len, max_question_len=max_question_len)
    length = len(tokenizer(question, add_special_tokens=False)["input_ids"])
    takes = f"at most max_question_len, {max_question_len} tokens"
    require(length <= max_question_len, "question", f"{length} tokens", takes)
    room = max_seq_len - length - tokenizer.num_special_tokens_to_add(pair=True)
    require(room >= 1, "max_seq_len", max_seq_len, f"at least {max_seq_len - room + 1}, for this question")
    if doc_stride is None:
        doc_stride = min(OVERLAP, room // 2)
    fits = is_whole(doc_stride) and 0 <= doc_stride < room
    takes = f"a whole number from 0 to {room - 1}: max_seq_len, {max_seq_len}, less the question"
    require(fits, "doc_stride", doc_stride, takes)
    encoded = tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=max_seq_len,
        stride=doc_stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    return [_window(tokenizer, encoded, number) for number in range(len(encoded["input_ids"]))]


def _window(tokenizer: PreTrainedTokenizerBase, encoded, number: int) -> Window:
    inputs = {name: encoded[name][number] for name in tokenizer.model_input_names if name in encoded}
    places = [place for place, part in enumerate(encoded.sequence_ids(number)) if part == 1]
    offsets, words = encoded["offset_mapping"][number], encoded.word_ids(number)
    return Window(inputs, tuple(places), tuple(tuple(offsets[p]) for p in places), tuple(words[p] for p in places))
