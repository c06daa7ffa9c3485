"""Text for pretraining, from the learner's own disk: a tokenizer trained on it, and its tokens packed side by side.

The text is Python: the standard library, and the sources of whatever packages are installed. Nothing is downloaded,
and nothing of it ships with the course. Every 20th file of the standard library is held out for validation. Packages
carry copies of standard modules, changed a little (setuptools has distutils, backports have whole modules): a file with
many lines of a held-out one is not trained on, or validation would measure memory.
"""

import random
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.normalizers import Normalizer
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from deepseek_lab.config import is_whole, require
from deepseek_lab.training.corpus import HELD_OUT_EVERY, SKIPPED_FOLDERS, standard_library_files

BEGIN, END, PAD = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"  # DeepSeek's own spelling
LARGEST_FILE = 200_000  # bytes; longer ones are mostly tables
SHARE_OF_A_PACKAGE = 1_000_000  # bytes: no package may fill the corpus alone
TABLES = "encodings"  # a folder of the standard library that holds tables, not programs
COPIED = 0.2  # share of a file's lines in held-out files, from which on it counts as a copy
TELLING = 16  # characters, from which on a line is not in two files by chance

# Where text is cut before BPE merges anything, as in DeepSeek-V3's tokenizer: numbers in threes; a word with the space
# before it; a run of signs; line ends with the blanks before them; the indentation that follows.
NUMBERS = r"\p{N}{1,3}"
WORDS = r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


@dataclass(frozen=True)
class Documents:
    """Source files as text, to train on and to validate on."""

    train: list[str]
    validation: list[str]


def python_documents(packages: bool = True, limit_bytes: int | None = None) -> Documents:
    """The standard library, and with `packages` the installed packages too, in a fixed shuffled order.

    The same files come in the same order on every machine that has the same packages. `limit_bytes` cuts the training
    part. What is held out, or was taken from there, and what came before is left out of the training part. Raises
    `ValueError` for a Python without its sources.
    """
    files = [path for path in standard_library_files() if path.parent.name != TABLES]
    require(len(files) >= HELD_OUT_EVERY, "standard library", f"{len(files)} .py files", "a Python with its sources")
    validation = list(_texts(files[::HELD_OUT_EVERY]))
    sources = [path for number, path in enumerate(files) if number % HELD_OUT_EVERY]
    if packages:
        sources += installed_files()
    random.Random(0).shuffle(sources)
    held_out = {line for text in validation for line in telling_lines(text)}
    train, seen, size = [], set(), 0
    for text in _texts(sources):
        lines = telling_lines(text)
        if text in seen or len(lines & held_out) > COPIED * len(lines):
            continue
        seen.add(text)
        train.append(text)
        size += len(text.encode("utf-8"))
        if limit_bytes is not None and size >= limit_bytes:
            break
    return Documents(train, validation)


def telling_lines(text: str) -> set[str]:
    """The different lines of a text that are long enough to be told from others by."""
    return {line for line in map(str.strip, text.splitlines()) if len(line) >= TELLING}


def installed_files(root: Path | None = None) -> list[Path]:
    """Python files of installed packages, without tests: of each package a random part of at most 1 MB."""
    root = root or Path(sysconfig.get_path("purelib"))
    chosen = []
    for package in sorted(path for path in root.iterdir() if path.is_dir() and path.name != "deepseek_lab"):
        files = [p for p in sorted(package.rglob("*.py")) if not SKIPPED_FOLDERS & set(p.relative_to(root).parts)]
        random.Random(package.name).shuffle(files)
        size = 0
        for path in files:
            bytes_ = path.stat().st_size
            if bytes_ <= LARGEST_FILE and size + bytes_ <= SHARE_OF_A_PACKAGE:
                chosen.append(path)
                size += bytes_
    return chosen


def _texts(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if text.strip():
            yield text


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer: no text is unknown to it, and decoding gives the text back exactly.

    Ids 0, 1, 2 are begin, end and padding. Raises `ValueError` for a vocabulary that can't hold 256 bytes and those.
    """
    return PreTrainedTokenizerFast(
        tokenizer_object=byte_level_bpe(texts, vocab_size, cuts=(NUMBERS, WORDS)),
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def byte_level_bpe(
    texts: Iterable[str], vocab_size: int, cuts: Sequence[str], normalizer: Normalizer | None = None
) -> Tokenizer:
    """A trained byte-level BPE. No token reaches over a border that the patterns `cuts` make, one after another.

    Ids 0, 1, 2 are begin, end and padding. Raises `ValueError` for a vocabulary that can't hold 256 bytes and those.
    """
    least = 256 + 3
    takes = f"a whole number of at least {least}"
    require(is_whole(vocab_size) and vocab_size >= least, "vocab_size", vocab_size, takes)
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in cuts]
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[BEGIN, END, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def pack(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> Tensor:
    """All texts' tokens in one row, each text between a begin and an end token: (tokens,) of int32.

    Windows cut from it may hold the end of one text and the start of the next. As in DeepSeek-V3, attention is not kept
    from looking across: the begin token tells the model. Raises `ValueError` for no texts.
    """
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    encoded = tokenizer.backend_tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    parts = [torch.tensor([begin, *part.ids, end], dtype=torch.int32) for part in encoded]
    require(len(parts) > 0, "texts", "none", "at least one text")
    return torch.cat(parts)


@dataclass(frozen=True)
class TokenCorpus:
    """Packed tokens to train on and to validate on, and how many bytes of text the latter are."""

    train: Tensor
    validation: Tensor
    validation_bytes: int

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerFast, documents: Documents) -> "TokenCorpus":
        """Encode both parts."""
        size = sum(len(text.encode("utf-8")) for text in documents.validation)
        return cls(pack(tokenizer, documents.train), pack(tokenizer, documents.validation), size)


class PackedWindows:
    """Windows of `length + 1` tokens, each used once before any comes a second time.

    `batch_at(step)` depends on nothing but the seed and the step, so that a resumed training sees what it would have
    seen. Each pass starts at another token, so the same windows never come again.
    """

    def __init__(self, tokens: Tensor, length: int, batch: int, seed: int = 0):
        require(is_whole(length) and length >= 1, "length", length, "a whole number of at least 1")
        require(is_whole(batch) and batch >= 1, "batch", batch, "a whole number of at least 1")
        self.tokens, self.length, self.batch, self.seed = tokens, length, batch, seed
        # One window less than would fit, so that a pass may start up to `length` tokens late.
        self.windows = (len(tokens) - 1) // length - 1
        takes = f"at least {(batch + 1) * length + 1}, enough for one batch of {batch} windows of {length}"
        require(self.windows >= batch, "tokens", len(tokens), takes)
        self._pass, self._order, self._shift = -1, torch.empty(0), 0

    def batch_at(self, step: int) -> Tensor:
        """(batch, length + 1) of int64."""
        steps = self.windows // self.batch  # of a pass
        self._start_pass(step // steps)
        first = (step % steps) * self.batch
        starts = self._order[first : first + self.batch] * self.length + self._shift
        return self.tokens[starts[:, None] + torch.arange(self.length + 1)].long()

    def _start_pass(self, number: int) -> None:
        if number != self._pass:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
            self._order = torch.randperm(self.windows, generator=generator)
            self._shift = int(torch.randint(self.length, (), generator=generator))
            self._pass = number
