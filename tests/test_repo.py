"""Notebooks and house rules: what can be checked without running anything."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MODULES = sorted((ROOT / "deepseek_lab").rglob("*.py"))
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

# Imports go downwards only: a part may know the parts named here, and itself.
MAY_IMPORT = {
    "checks": set(),
    "config_fields": {"checks"},
    "config_files": {"checks", "config_fields"},
    "config": {"checks", "config_fields", "config_files"},
    "linear": set(),
    "attention": {"config", "config_fields", "linear"},
    "moe": {"config", "linear"},
    "model": {"config", "config_fields", "linear", "attention", "moe"},
    "inference": {"config", "attention", "moe", "model"},
    "training": {"config", "linear", "attention", "moe", "model"},
    "applications": {"config", "moe", "model", "inference", "training"},
    "viz": set(),
    "course": set(),
    "exercises": {"config", "config_fields", "attention", "moe", "model", "inference", "training", "course"},
    "__init__": {"config", "attention", "moe", "model", "inference", "training", "applications"},
}

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


def test_readme_links_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    assert links
    for link in links:
        assert link.startswith("https://") or (ROOT / link.split("#")[0]).exists(), link
    for path in NOTEBOOKS:
        assert path.name in text, f"{path.name} is missing from the README's table"


def imported_parts(path: Path) -> set[str]:
    """The parts of deepseek_lab that a module imports."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        parts |= {name.split(".")[1] for name in names if name.startswith("deepseek_lab.")}
    return parts


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_downwards(path):
    part = path.relative_to(ROOT / "deepseek_lab").parts[0].removesuffix(".py")
    assert imported_parts(path) - {part} <= MAY_IMPORT[part]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_names_are_documented(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            nested = any(
                node in ast.walk(f) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) and f is not node
            )
            overrides = node.name in ("forward", "backward")
            assert nested or overrides or ast.get_docstring(node), f"{path.name}: {node.name}"


def test_no_file_is_long():
    for path in [*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "tools").glob("*.py"), ROOT / "course.py"]:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff(command):
    result = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_readme_code_runs(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    for code in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S):
        exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == "576\n20\npassed\n"
