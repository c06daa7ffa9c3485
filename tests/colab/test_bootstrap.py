"""The first cell of every notebook, executed as Colab would: it fetches the course and replaces nothing.

The virtual environment holds the versions of Colab's image (August 2026), really installed, except two things. Colab
has Python 3.13; here it is the Python that runs the tests. And torch 2.11.0 has no small CPU wheel, so torch's code is
that of the tests' own environment under metadata that say 2.11.0: this shows that nothing is replaced and that the
course runs beside Colab's other packages, not that it runs on torch 2.11 itself.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbclient
import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TORCH = "2.11.0"
COLAB = {
    "transformers": "5.15.0", "numpy": "2.1.3", "matplotlib": "3.10.0", "ipywidgets": "7.7.1", "ipython": "7.34.0",
    "ipykernel": "6.17.1", "traitlets": "5.7.1", "anywidget": "0.9.21", "tqdm": "4.67.3", "platformdirs": "4.3.6",
}  # fmt: skip
TORCH_NEEDS = ("sympy", "networkx", "jinja2", "typing-extensions", "filelock", "fsspec")
VENV = ROOT / ".cache" / "colab-venv"
PYTHON = VENV / "bin" / "python"
CELLS = (
    "bootstrap", "setup", "one-head", "one-head-run", "one-head-figure", "rope", "growth", "latent", "absorb",
    "break", "plain-mla", "plain-rest", "plain-check", "official", "official-compare", "exercise-share",
)  # fmt: skip


def cells_of(path: Path) -> dict:
    return {cell.id: cell for cell in nbformat.read(path, 4).cells}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_badge_and_bootstrap_name_the_repository(path):
    cells, address = cells_of(path), PROJECT["urls"]["Repository"]
    badge = address.replace("https://github.com", "https://colab.research.google.com/github")
    assert f"({badge}/blob/main/notebooks/{path.name})" in next(iter(cells.values())).source
    assert f'"{address}"' in cells["bootstrap"].source
    assert cells["bootstrap"].source == cells_of(NOTEBOOKS[0])["bootstrap"].source


def test_ranges_accept_colabs_versions():
    ranges = {r.name: r.specifier for r in map(Requirement, PROJECT["dependencies"])}
    versions = {**COLAB, "torch": TORCH}
    for name, accepted in ranges.items():
        assert versions[name] in accepted, f"{name} {versions[name]}"


@pytest.fixture(scope="session")
def colab_python() -> Path:
    """A Python with Colab's versions, made once in .cache and again when the list changes."""
    wanted = [f"{name}=={version}" for name, version in COLAB.items()] + list(TORCH_NEEDS)
    stamp, mark = VENV / "stamp", hashlib.sha256(repr((wanted, sys.version)).encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != mark:
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        pip = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted]
        installed = subprocess.run(pip, capture_output=True, text=True)
        if installed.returncode:
            pytest.skip(f"Colab's versions can't be installed here: {installed.stderr.strip().splitlines()[-1]}")
        stamp.write_text(mark)
    site = next((VENV / "lib").glob("python3*")) / "site-packages"
    for name in ("torch", "torchgen", "functorch"):
        source = Path(torch.__file__).parents[1] / name
        (site / name).unlink(missing_ok=True)
        if source.exists():
            (site / name).symlink_to(source)
    info = site / f"torch-{TORCH}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {TORCH}\n")
    return PYTHON


@pytest.fixture
def remote(tmp_path) -> str:
    """The address of a bare repository that holds the files under test, uncommitted ones too."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True)
    if listed.returncode:
        pytest.skip("this is no git checkout, so there is nothing to clone")
    copy = tmp_path / "copy"
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "files"]):
        subprocess.run([*git, *arguments], cwd=copy, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", copy, tmp_path / "remote.git"], check=True)
    return (tmp_path / "remote.git").as_uri()


def installed(python: Path) -> dict[str, str]:
    listing = subprocess.check_output([python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"])
    return {package["name"]: package["version"] for package in json.loads(listing)}


def run_cells(sources: list[str], folder: Path, python: Path, env: dict) -> nbformat.NotebookNode:
    """Run the cells in a kernel of that Python, as a notebook in `folder`."""
    kernels = folder / "jupyter" / "kernels" / "colab"
    kernels.mkdir(parents=True, exist_ok=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernels / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "colab", "language": "python"}))
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    content = folder / "content"
    content.mkdir(exist_ok=True)
    resources = {"metadata": {"path": str(content)}}
    nbclient.NotebookClient(notebook, kernel_name="colab", timeout=300, resources=resources).execute(env=env)
    return notebook


def printed(cell) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def test_bootstrap_fetches_the_course_and_replaces_nothing(colab_python, remote, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    stub = tmp_path / "stub" / "google" / "colab"
    stub.mkdir(parents=True)
    (stub / "__init__.py").touch()
    env = {k: v for k, v in os.environ.items() if not re.match(r"PYTHON|VIRTUAL_ENV|PIP_", k)}
    env |= {"PYTHONPATH": str(tmp_path / "stub"), "PIP_NO_INDEX": "1", "DEEPSEEK_LAB_REPOSITORY": remote}
    before = installed(colab_python)
    assert before | {"torch": TORCH} == before and before["transformers"] == COLAB["transformers"]

    cells = cells_of(ROOT / "notebooks" / "01_attention.ipynb")
    where = "import deepseek_lab, google.colab\nprint(deepseek_lab.__file__)"
    sources = ["import google.colab", *(cells[cell_id].source for cell_id in CELLS), where]
    ran = run_cells(sources, tmp_path, colab_python, env)
    clone = tmp_path / "content" / "deepseek_lab_course"
    assert Path(printed(ran.cells[-1]).strip()) == clone / "deepseek_lab" / "__init__.py"
    outputs = dict(zip(CELLS, ran.cells[1:], strict=False))
    assert "equal to the plain version: True" in printed(outputs["plain-check"])
    assert printed(outputs["official-compare"]).count("equal to 1e-5: True") == 2
    assert any("image/png" in output.get("data", {}) for output in outputs["one-head-figure"].outputs)
    view = "application/vnd.jupyter.widget-view+json"
    assert any(view in output.get("data", {}) for output in outputs["growth"].outputs)
    assert installed(colab_python) == before

    # A restarted kernel finds the clone in its folder: no remote and no network needed.
    again = run_cells(
        [cells["bootstrap"].source, where], tmp_path, colab_python, env | {"DEEPSEEK_LAB_REPOSITORY": "file:///nowhere"}
    )
    assert Path(printed(again.cells[-1]).strip()) == clone / "deepseek_lab" / "__init__.py"
