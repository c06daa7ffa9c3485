"""Four kinds of text that every learner has on disk, so that experts have something to specialise in.

Python is the standard library; prose is the language reference that `help()` shows; C++ is the headers that come with
torch; tables are the font metrics that come with matplotlib.
"""

import random
import sysconfig
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from deepseek_lab.config import require
from deepseek_lab.training.corpus import Corpus, standard_library_files

LEAST_BYTES = 100_000  # a domain with less than this on the learner's disk is left out
HELD_OUT_EVERY = 10  # every 10th document is validation text
LINES, MOST_SEEN = 8, 0.05  # a piece, and the share of a document's pieces that may stand in the training text, too


@cache
def domain_corpora() -> dict[str, Corpus]:
    """Each domain as bytes, split by document, and cut so that all have the same length.

    A document is no validation text if the training text has more than a twentieth of it word for word.

    Raises `ValueError` where fewer than two domains are found. A domain whose files are missing is left out.
    """
    readers = {"Python": _python, "prose": _prose, "C++": _cpp, "tables": _tables}
    split = {name: _split(list(read())) for name, read in readers.items()}
    # Where copies were left out, the validation text may be what is too short: it is to be a tenth of the other.
    size = {name: min(len(kept), HELD_OUT_EVERY * len(held_out)) for name, (kept, held_out) in split.items()}
    found = {name: parts for name, parts in split.items() if size[name] >= LEAST_BYTES}
    require(len(found) >= 2, "domains", sorted(found), "two kinds of text or more in this Python's installation")
    lengths = [min(len(parts[i]) for parts in found.values()) for i in (0, 1)]
    return {
        name: Corpus(*(part[:length] for part, length in zip(parts, lengths, strict=True)))
        for name, parts in found.items()
    }


@cache
def mixed_corpus() -> Corpus:
    """All domains in equal shares, one after the other: random windows are of each domain equally often."""
    corpora = domain_corpora().values()
    return Corpus(torch.cat([c.train for c in corpora]), torch.cat([c.validation for c in corpora]))


def _split(documents: list[bytes]) -> tuple[Tensor, Tensor]:
    random.Random(0).shuffle(documents)  # so that a cut takes some of everything, not one folder
    kept = [d for i, d in enumerate(documents) if i % HELD_OUT_EVERY]
    seen = {hash(piece) for document in kept for piece in _pieces(document, step=1)}
    held_out = b"".join(d for d in documents[::HELD_OUT_EVERY] if _share_seen(d, seen) <= MOST_SEEN)
    return tuple(torch.frombuffer(bytearray(part or b" "), dtype=torch.uint8) for part in (b"".join(kept), held_out))


def _pieces(document: bytes, step: int) -> list[tuple[bytes, ...]]:
    lines = document.splitlines()
    return [tuple(lines[i : i + LINES]) for i in range(0, max(1, len(lines) - LINES + 1), step)]


def _share_seen(document: bytes, seen: set[int]) -> float:
    """How much of it the training text has word for word: almost all, for some of Python's tables of characters."""
    pieces = _pieces(document, step=LINES)
    return sum(hash(piece) in seen for piece in pieces) / len(pieces)


def _python() -> Iterable[bytes]:
    topics = Path(sysconfig.get_path("stdlib")) / "pydoc_data"
    return (path.read_bytes() for path in standard_library_files() if path.parent != topics)


def _prose() -> Iterable[bytes]:
    try:
        from pydoc_data.topics import topics
    except ImportError:  # some Linux distributions package it apart
        return []
    # Topics quote each other at length: kept whole, much of the held-out text would also be training text.
    paragraphs = list(dict.fromkeys(p for name in sorted(topics) for p in topics[name].split("\n\n")))
    return ("\n\n".join(paragraphs[i : i + 20]).encode("utf-8") for i in range(0, len(paragraphs), 20))


def _cpp() -> Iterable[bytes]:
    return _files("torch", "include/c10", "*.h")


def _tables() -> Iterable[bytes]:
    return _files("matplotlib", "mpl-data/fonts/afm", "*.afm")


def _files(package: str, folder: str, pattern: str) -> Iterable[bytes]:
    spec = find_spec(package)
    root = Path(spec.origin).parent / folder if spec and spec.origin else Path("nowhere")
    return (path.read_bytes() for path in sorted(root.rglob(pattern)) if path.is_file())
