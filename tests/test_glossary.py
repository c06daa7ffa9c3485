"""The glossary: its order, its links to sections and to itself, and that each term stands where it says."""

import re
from collections import Counter
from pathlib import Path

import pytest

from deepseek_lab.applications.course_text import Section, link, sections

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
GLOSSARY = NOTEBOOKS / "GLOSSARY.md"
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
SOURCE = re.compile(r" Section \[(\d+\.?\d*)(, [^\]]+)?\]\((\d\d_\w+\.ipynb#\S+)\)\.\n*")  # stands last in each entry


def letters_and_entries(text: str) -> list[tuple[str, str, str]]:
    """(letter, term, definition), as they stand."""
    found = []
    for part in re.split(r"^## ", text, flags=re.M)[1:]:
        letter, *entries = re.split(r"^### ", part, flags=re.M)
        found += [(letter.strip(), *entry.split("\n", 1)) for entry in entries]
    return found


ENTRIES = letters_and_entries(GLOSSARY.read_text(encoding="utf-8"))
TERMS = [term for _, term, _ in ENTRIES]
each = pytest.mark.parametrize("term, body", [entry[1:] for entry in ENTRIES], ids=TERMS)


@pytest.fixture(scope="module")
def by_link() -> dict[str, Section]:
    return {section.link: section for section in sections(NOTEBOOKS)}


def words(text: str) -> list[str]:
    return re.sub(r"[^\w ]", " ", text.casefold()).split()


def same_mark_everywhere(term: str) -> bool:
    """Whether JupyterLab and GitHub name a heading's place alike (GitHub drops signs, and knows no large letters)."""
    return re.fullmatch(r"[A-Za-z0-9 -]+", term) is not None


def test_terms_are_in_order_and_none_stands_twice():
    assert len(TERMS) >= 100
    assert sorted(TERMS, key=words) == TERMS
    assert [term for term, count in Counter(map(str.casefold, TERMS)).items() if count > 1] == []
    assert all(term[0].upper() == letter for letter, term, _ in ENTRIES)


@each
def test_an_entry_explains_itself_in_few_sentences_and_names_its_section(term, body):
    assert len(SOURCE.findall(body)) == 1 and SOURCE.search(body).end() == len(body)
    definition = SOURCE.sub("", body).strip()
    assert "\n" not in definition and definition.endswith((".", ".)"))
    assert 15 < len(LINK.sub(r"\1", definition)) < 400


@each
def test_its_section_exists_and_has_the_term(term, body, by_link):
    number, heading, target = SOURCE.search(body).groups()
    assert target in by_link, "no such heading"
    section = by_link[target]
    assert section.notebook.startswith(f"0{number.split('.')[0]}_")
    if heading:  # a heading without a number, below a numbered one
        assert section.heading == heading.removeprefix(", ")
        assert numbered_above(section, by_link) == number
    else:
        assert section.heading.startswith(number + " ")
    text = f"{section.heading}\n{section.text}"
    for word in term.split():
        assert re.search(rf"(?<![^\W_]){re.escape(word.removesuffix('s'))}", text, re.I), f"{word} isn't there"


def numbered_above(section: Section, by_link: dict[str, Section]) -> str:
    """The number of the last numbered heading before this one, in its notebook."""
    number = ""
    for other in by_link.values():
        if other.notebook == section.notebook:
            if match := re.match(r"\d+\.\d+ ", other.heading):
                number = match[0].strip()
            if other == section:
                return number
    raise AssertionError(section.heading)


@each
def test_its_cross_references_lead_to_other_terms(term, body):
    marks = {"#" + other.replace(" ", "-"): other for other in TERMS if same_mark_everywhere(other)}
    targets = [target for _, target in LINK.findall(SOURCE.sub("", body))]
    assert all(target in marks and marks[target] != term for target in targets)


def test_links_to_sections_are_those_of_the_search():
    """One function makes them, so that what is known about JupyterLab stands in one place."""
    target = SOURCE.search(dict(zip(TERMS, (body for *_, body in ENTRIES), strict=True))["token"])[3]
    assert target == link("01_attention.ipynb", "1.1 One head, eight lines")


def test_the_notebooks_lead_to_it():
    """Relatively for JupyterLab, and by an address for Colab, which opens notebooks only."""
    away = "https://github.com/deepseek-lab/deepseek_lab/blob/main/notebooks/GLOSSARY.md"
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        source = path.read_text(encoding="utf-8")
        assert "](GLOSSARY.md)" in source and away in source, path.name
