"""Notebooks and house rules: what can be checked without running anything. Who imports whom: `test_imports.py`."""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FOLDERS = ("deepseek_lab", "tests", "tools", "benchmarks")
SOURCES = [ROOT / "course.py", *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
LONGEST_FILE, LONGEST_FUNCTION = 400, 60  # lines
parse = cache(ast.parse)  # several tests read the same files
REASON = re.compile(r"\s*# long: \S+ \S+ \S+")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path: Path) -> list:
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


@notebooks
def test_every_cell_was_executed_in_order(path):
    """A cell without outputs and count passes nbval unseen, so this comes first."""
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        assert not any(output.output_type == "error" for output in cell.outputs), cell.id


@notebooks
def test_file_is_normalised(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    assert path.stat().st_size <= 500_000
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    for cell in notebook.cells:
        assert re.fullmatch(r"[a-z][a-z0-9-]*", cell.id), "cell ids are words, fixed by hand"
        assert set(cell.metadata) <= {"tags", "measured"}, cell.id
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            assert len(data) == 1 or WIDGET_VIEW not in data, cell.id
    assert path.read_text(encoding="utf-8").endswith("}\n")


@notebooks
def test_cells_are_small(path):
    for cell in code_cells(path):
        lines = cell.source.split("\n")
        assert len(lines) <= 15, f"{cell.id}: {len(lines)} lines"
        assert max(map(len, lines)) <= 79, f"{cell.id}: {max(lines, key=len)}"


@notebooks
def test_links_lead_somewhere(path):
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "markdown":
            for link in re.findall(r"\]\(([^)\s]+)\)", cell.source):
                assert re.match(r"https://", link) or (path.parent / link.split("#")[0]).exists(), link


@notebooks
def test_times_are_not_compared(path):
    """Only cells that are not compared may print times; their tag says so."""
    for cell in code_cells(path):
        uses_clock = re.search(r"perf_counter|interleaved_|time\.time", cell.source)
        if uses_clock and cell.outputs:
            assert "nbval-ignore-output" in cell.metadata.get("tags", []), cell.id


@pytest.mark.parametrize("page", PAGES)
def test_links_of_pages_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.+)$", text, re.M)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    assert links
    for link in links:
        target, _, anchor = link.partition("#")
        assert link.startswith("https://") or (ROOT / target).exists(), link
        assert target or anchor in anchors, link


def test_files_that_contributing_names_are_there():
    """Between backticks: a path from the repository's root, or a file anywhere in it."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<=`)[\w./]+(?:/|\.(?:py|md|cfg|css|js|toml|txt|yml|cff|ipynb))(?=`)", text))
    there = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*")}
    missing = {name for name in named if "NN" not in name and not (ROOT / name).exists() and name not in there}
    assert len(named) > 10 and not missing


def test_every_notebook_is_in_the_readmes_table():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(path.name in text for path in NOTEBOOKS)


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    newest = re.search(r"^## \[([\d.]+)\] - ([\d-]+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert project["version"] == citation["version"] == newest[1]
    assert str(citation["date-released"]) == newest[2]
    assert project["license"] == citation["license"] == "MIT"
    assert citation["repository-code"] == project["urls"]["Repository"]
    holder = re.search(r"Copyright \(c\) \d{4} The (.+)", (ROOT / "LICENSE").read_text(encoding="utf-8"))
    assert holder[1] in citation["authors"][0]["name"]


def undocumented(source: str) -> list[str]:
    """Public classes, functions, methods and properties without a docstring, and a module without one.

    What lies inside a function is its own business, and so are the `forward` and `backward` of a class whose name
    begins with an underscore: PyTorch calls them.
    """
    missing = []

    def look(node: ast.AST, place: str, private: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                setter = any(isinstance(mark, ast.Attribute) and mark.attr == "setter" for mark in child.decorator_list)
                theirs = private and child.name in ("forward", "backward")
                needed = not (child.name.startswith("_") or setter or theirs)
                missing.extend([place + child.name] if needed and not (ast.get_docstring(child) or "").strip() else [])
                if isinstance(child, ast.ClassDef):
                    look(child, f"{place}{child.name}.", child.name.startswith("_"))
            elif isinstance(child, (ast.stmt, ast.ExceptHandler)):
                look(child, place, private)  # an `if` or a `try` around definitions

    tree = parse(source)
    look(tree, "", False)
    return missing if ast.get_docstring(tree) else ["the module", *missing]


def test_public_names_are_documented():
    """In the package, the tools and the benchmarks. Tests say what they test by their names."""
    paths = [path for path in SOURCES if path.relative_to(ROOT).parts[0] not in ("tests", "course.py")]
    found = {str(path.relative_to(ROOT)): undocumented(path.read_text(encoding="utf-8")) for path in paths}
    assert not {path: names for path, names in found.items() if names}


def test_every_file_says_what_it_is():
    assert not [str(path) for path in SOURCES if not ast.get_docstring(parse(path.read_text(encoding="utf-8")))]


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("def f(): pass", "f"),
        ("async def f(): pass", "f"),
        ("def f(): ' '", "f"),
        ("class A: pass", "A"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    size: int", "A"),
        ("class A:\n    'A.'\n    def f(self): pass", "A.f"),
        ("class A:\n    'A.'\n    def forward(self): pass", "A.forward"),
        ("class A:\n    'A.'\n    @property\n    def p(self): pass", "A.p"),
        ("class A:\n    'A.'\n    @classmethod\n    def c(cls): pass", "A.c"),
        ("class A:\n    'A.'\n    class B: pass", "A.B"),
        ("class _A:\n    def f(self): pass", "_A.f"),
        ("if True:\n    def f(): pass", "f"),
        ("try:\n    pass\nexcept OSError:\n    def f(): pass", "f"),
    ],
)
def test_a_missing_docstring_is_found(source, missing):
    assert undocumented(f"'M.'\n{source}") == [missing]
    assert undocumented(source) == ["the module", missing]


@pytest.mark.parametrize(
    "source",
    [
        "def _f(): pass",
        "def f():\n    'F.'\n    def g(): pass\n    class C: pass",
        "class A:\n    'A.'\n    def _f(self): pass\n    def __len__(self): pass",
        "class A:\n    'A.'\n    @p.setter\n    def p(self, x): pass",
        "class _A:\n    def forward(self): pass",
    ],
)
def test_what_needs_no_docstring(source):
    assert undocumented(f"'M.'\n{source}") == []


def overlong(source: str) -> list[str]:
    """Functions and methods longer than a screen without their reason, and reasons that aren't needed or say nothing.

    A reason is a comment on the line above `def`, or above its decorators: `# long: why it is better not split`.
    """
    lines, wrong, used = source.splitlines(), [], set()
    for node in ast.walk(parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = node.end_lineno - node.lineno + 1
            above = {node.lineno - 1, min(part.lineno for part in [node, *node.decorator_list]) - 1}
            reasons = {n for n in above if n >= 1 and REASON.match(lines[n - 1])}
            if length > LONGEST_FUNCTION:
                used |= reasons
                wrong += [] if reasons else [f"{node.name}: {length} lines"]
    unused = [n for n, line in enumerate(lines, 1) if line.strip().startswith("# long:") and n not in used]
    return wrong + [f"line {n}: a reason that isn't needed, or none" for n in unused]


def test_functions_are_seen_whole():
    found = {str(path.relative_to(ROOT)): overlong(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert not {path: names for path, names in found.items() if names}


@pytest.mark.parametrize("head", ["def f():", "async def f():", "@mark(\n    1,\n)\ndef f():"])
@pytest.mark.parametrize("indent", ["", "    "])
def test_a_long_function_is_found(head, indent):
    def source(lines: int, reason: str = "") -> str:
        text = f"{reason}{head}\n" + "    x = 1\n" * (lines - 1)
        return "\n".join([*(["class A:"] if indent else []), *(indent + line for line in text.splitlines())])

    good = "# long" + ": one table, row by row\n"  # in two pieces, so that this line isn't taken for one
    assert overlong(source(60)) == overlong(source(61, good)) == []
    assert overlong(source(61)) == ["f: 61 lines"]
    assert overlong(source(61, good + "\n"))[0] == "f: 61 lines", "not right above"
    assert overlong(source(61, good[:8] + "\n"))[0] == "f: 61 lines", "no words"
    assert len(overlong(source(60, good))) == 1, "not needed"


def test_no_file_is_long():
    paths = [*SOURCES, *(path for ending in ("*.js", "*.css") for path in (ROOT / "deepseek_lab").rglob(ending))]
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert not {path: count for path, count in lines.items() if count > LONGEST_FILE}


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff(command):
    result = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_readme_code_runs(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    for code in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S):
        exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == "576\n20\npassed\n"
