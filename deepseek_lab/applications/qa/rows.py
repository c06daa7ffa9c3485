"""From questions and contexts to rows of tokens, and from places among the tokens back to places in the text."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from deepseek_lab.config import require


@dataclass(frozen=True)
class Row:
    """Begin, question, end, context, end. `offsets` are the characters of each of the context's tokens."""

    ids: tuple[int, ...]
    first: int  # the place of the context's first token
    offsets: tuple[tuple[int, int], ...]

    def places(self, start: int, end: int) -> tuple[int, int]:
        """The first and the last token of `context[start:end]`. Raises `ValueError` if the row doesn't hold them."""
        touched = [i for i, (left, right) in enumerate(self.offsets) if left < end and right > start]
        fits = bool(touched) and self.offsets[touched[0]][0] <= start and self.offsets[touched[-1]][1] >= end
        require(fits, "answer", (start, end), "characters of this row's context")
        return self.first + touched[0], self.first + touched[-1]


def encode(tokenizer: PreTrainedTokenizerBase, question: str, context: str) -> Row:
    """All of the context in one row."""
    asked, told = tokenizer.backend_tokenizer.encode_batch([question, context], add_special_tokens=False)
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    return Row((begin, *asked.ids, end, *told.ids, end), len(asked.ids) + 2, tuple(told.offsets))


def stack(rows: Sequence[Sequence[int]], padding: int) -> tuple[Tensor, Tensor]:
    """Rows of ids, padded behind to the longest: ids and attention mask, both (B, T) of int64."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[padding] * (longest - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, mask


def by_length(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Numbers of rows of like length, at most `tokens` with padding in each batch; shorter rows first."""
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[number] > tokens:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def texts_of(examples: Iterable) -> Iterator[str]:
    """Contexts, each once, and questions: what a tokenizer is trained on."""
    last = None
    for example in examples:
        if example.context != last:
            yield example.context
        last = example.context
        yield example.question
