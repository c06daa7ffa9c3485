"""Ask the course: the notebooks' own text, cut into sections, searched with BM25, and read for an answer.

    sections(folder)      the text cells of a folder's notebooks, cut at their headings
    CourseIndex(...)      which sections share rare words with a question (bm25s)
    ask_course(...)       a reader's answer from the best of them, with a link to the section

BM25 compares words, not meanings: a question in other words than the course's own finds little. One in Chinese finds
what it has in Latin letters and digits, such as names of fields and numbers, and nothing if it has none.
BM25: Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework"; https://github.com/xhluca/bm25s.
"""

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from deepseek_lab.config import require, require_whole

# A heading says in few words what a section is about: its words count as often as if they stood there three times.
HEADING_WEIGHT = 3
# Words that say how something is asked, not what about, beside the ones that bm25s lists.
ASKING = (
    *("tell", "explain", "describe", "please", "show", "give", "mean", "means", "many", "much", "long"),
    *("course", "notebook", "deepseek"),
)

HEADING = re.compile(r"(#{1,6})\s+(\S.*?)\s*#*\s*")
FENCE = re.compile(r"\s*(```|~~~)")
# A number with its commas and its point; a word with underscores, inner points, dashes and apostrophes.
WORD = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\w)|\w+(?:[.-]\w+)*(?:'[st]\b)?", re.A)
# A dollar begins a formula if no blank follows, and ends it if none is before and no digit follows: prices are none.
MATH = re.compile(r"(?<!\\)\$\$.*?\$\$|(?<!\\)\$(?=\S)(?:\\.|[^$\\\n])+(?<=\S)\$(?!\d)", re.S)
SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|\n+")


@dataclass(frozen=True)
class Section:
    """A part of a notebook from one heading to the next, as plain text."""

    notebook: str  # the file's name
    heading: str
    text: str
    link: str  # from the folder of the notebooks: file#heading, for JupyterLab and GitHub


@dataclass(frozen=True)
class CourseAnswer:
    """What the course says to a question. `text` is "" where it has no answer; `section` is then the nearest one."""

    text: str
    score: float  # the reader's, from 0 to 1
    section: Section | None  # None: no word of the question stands in the course
    passage: str  # the sentences of the section that the answer stands in

    @property
    def found(self) -> bool:
        """Whether the course has an answer."""
        return bool(self.text)

    @property
    def link(self) -> str | None:
        """Where the section is, from the folder of the notebooks."""
        return self.section and self.section.link

    def __str__(self) -> str:
        if self.section is None:
            return "The course has no answer: it uses none of the question's words."
        where = f'{self.section.notebook}, "{self.section.heading}"'
        return f"{self.text} ({where})" if self.found else f"The course has no answer. The nearest section: {where}."


def sections(folder: str | os.PathLike) -> list[Section]:
    """The sections of all notebooks of a folder, in their order; text before a first heading belongs to none.

    Code cells are left out. Raises `ValueError` for a folder without notebooks and a file that is none.
    """
    files = sorted(Path(folder).glob("*.ipynb"))
    require(len(files) > 0, "folder", str(folder), "a folder with notebooks (*.ipynb)")
    return [section for file in files for section in _sections_of(file)]


def _sections_of(file: Path) -> list[Section]:
    found: list[tuple[str, list[str]]] = []
    for source in _text_cells(file):
        in_code = False
        for line in source.split("\n"):
            in_code ^= FENCE.match(line) is not None
            heading = None if in_code else HEADING.fullmatch(line)
            if heading:
                found.append((plain_text(heading[2]), []))
            elif found:
                found[-1][1].append(line)
        if found:
            found[-1][1].append("")  # what stands in another cell is another paragraph
    return [
        Section(file.name, heading, plain_text("\n".join(lines)), link(file.name, heading)) for heading, lines in found
    ]


def _text_cells(file: Path) -> list[str]:
    try:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        sources = [cell["source"] for cell in cells if cell["cell_type"] == "markdown"]
        # A notebook's format allows both: one string, or its lines.
        return [source if isinstance(source, str) else "".join(source) for source in sources]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{file}: not a notebook ({type(error).__name__}: {error})") from error


def link(notebook: str, heading: str) -> str:
    """A notebook's name, and the mark that JupyterLab and nbconvert give to a heading: its blanks are dashes."""
    # As in nbconvert's filters/strings.py. JupyterLab 4.6 scrolls to it in a notebook that is open already; one that
    # the link opens begins at its top, and the same link once more leads to the heading. It compares letters with what
    # a browser makes of them, so a heading with others than ASCII has no mark that leads to it.
    return notebook + "#" + quote(heading.replace(" ", "-"), safe="?/:@!$&'()*+,;=")


def plain_text(markdown: str) -> str:
    """Markdown as it is read aloud: no pictures, addresses, marks or commands of LaTeX. Paragraphs stay apart."""
    text = re.sub(r"\[!\[.*?\]\(.*?\)\]\(.*?\)|!\[.*?\]\(.*?\)|<!--.*?-->", "", markdown, flags=re.S)
    text = re.sub(r"\[([^\]]*)\]\([^)\s]*\)", r"\1", text)
    text = re.sub(r" \(<?https?://[^\s>)]+>?\)|<?https?://[^\s>)]+>?|</?[a-zA-Z][^>]*>", "", text)
    text = MATH.sub(lambda formula: _plain_formula(formula[0]), text)
    text = re.sub(r"^\s*\|?[\s:|-]*-[\s:|-]*\|?\s*$", "", text, flags=re.M)  # the line under a table's head
    text = re.sub(r"^\s*(?:#{1,6}|[-*+]|\d+\.|>)\s+", "", text, flags=re.M)
    text = re.sub(r"\*\*|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)|`+(?:python)?", "", text)
    text = re.sub(r"\\([^\w\s])", r"\1", text)
    lines = [" ".join(line.replace("|", " ").split()) for line in text.split("\n")]
    return re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip()


def _plain_formula(formula: str) -> str:
    """The letters and numbers of an inline formula. One that stands alone can't be read aloud."""
    if formula.startswith("$$"):
        return ""
    return " ".join(re.sub(r"\\[a-zA-Z]+|\\.|[{}^_$]", " ", formula).split())


def words(text: str) -> list[str]:
    """What is compared, in lower case: words but for frequent ones, identifiers (`kv_lora_rank`) and numbers (93.3).

    "1,152" is 1152. Words with dashes are themselves and their parts. Only Latin letters and digits: what is written
    without blanks between words, as Chinese is, can't be cut without a dictionary.
    """
    left_out = {*_bm25s().stopwords.STOPWORDS_EN_PLUS, *ASKING}
    text = text.lower().replace("’", "'")
    whole = [word.replace(",", "").removesuffix("'s") for word in WORD.findall(text)]
    found = whole + [part for word in whole if "-" in word for part in word.split("-")]
    return [word for word in found if word not in left_out and (len(word) > 1 or word.isdigit())]


def _bm25s():
    """The library, asked for only by who searches: without it, the rest of the package works."""
    try:
        import bm25s
    except ImportError as error:
        raise ImportError("Searching the course needs bm25s, which is not installed: pip install bm25s") from error
    return bm25s


class CourseIndex:
    """Sections, to be searched by words. Raises `ImportError` where bm25s is missing."""

    def __init__(self, sections: Sequence[Section]):
        require(len(sections) > 0, "sections", "none", "at least one section")
        self.sections = list(sections)
        tokens = [HEADING_WEIGHT * words(section.heading) + words(section.text) for section in self.sections]
        self._known = {word for each in tokens for word in each}
        require(len(self._known) > 0, "sections", "none with a word", "sections with text")
        self._ranking = _bm25s().BM25()
        self._ranking.index(tokens, show_progress=False)

    def search(self, query: str, k: int = 5) -> list[tuple[Section, float]]:
        """The up to `k` sections that fit best, the best first, with their BM25 scores, all above 0.

        None for a query without a word that the course uses. Raises `ValueError` for an empty one.
        """
        require(isinstance(query, str) and bool(query.strip()), "query", query, "a text that isn't empty")
        require_whole(1, k=k)
        known = [word for word in words(query) if word in self._known]
        if not known:
            return []
        scores = self._ranking.get_scores(known)
        best = np.argsort(-scores, kind="stable")[:k]  # of equals the earlier in the course
        return [(self.sections[i], float(scores[i])) for i in best if scores[i] > 0]


def ask_course(index: CourseIndex, question: str, answer_with: Callable, k: int = 3) -> CourseAnswer:
    """The best answer that a reader finds in the `k` sections that fit the question best.

    `answer_with(question, context)` gives `text`, `score` (0 to 1) and `in_context`, as a trained reader from
    `deepseek_lab.applications.qa` does. A reader is easily sure of itself in the wrong place, so answers are ranked by
    its score times how well the section fits, as a share of the best one's fit. Raises `ValueError` for an empty
    question.
    """
    require(callable(answer_with), "answer_with", answer_with, "a function of question and context")
    hits = [(section, fit) for section, fit in index.search(question, k) if section.text]
    if not hits:
        return CourseAnswer("", 0.0, None, "")
    read = [(section, fit / hits[0][1], answer_with(question, section.text)) for section, fit in hits]
    found = [
        (answer.score * fit, section, answer) for section, fit, answer in read if answer.in_context and answer.text
    ]
    if not found:
        return CourseAnswer("", 0.0, hits[0][0], "")
    _, section, answer = max(found, key=lambda each: each[0])
    return CourseAnswer(answer.text, float(answer.score), section, passage_around(section.text, answer.text))


def passage_around(text: str, answer: str, sentences: int = 1) -> str:
    """The sentences of `text` in which `answer` stands first, and `sentences` more on both sides; "" if it doesn't."""
    start = text.find(answer)
    if start < 0 or not answer:
        return ""
    cuts = [0, *(match.end() for match in SENTENCE_END.finditer(text)), len(text)]
    first = max(i for i, cut in enumerate(cuts[:-1]) if cut <= start)
    last = next(i for i, cut in enumerate(cuts) if cut >= start + len(answer) and i > first)
    piece = text[cuts[max(0, first - sentences)] : cuts[min(len(cuts) - 1, last + sentences)]]
    return " ".join(piece.split())
