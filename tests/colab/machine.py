"""A stand-in for a Colab machine: its versions, its kernel, and a remote to clone from, all on this computer.

What it can't be: Colab's Python is 3.13, while this environment has the Python that runs the tests; Colab's page draws
the outputs, and nothing does here. torch 2.11 is not installed either: its code is that of the tests' own torch, under
a label that says 2.11. So this shows that the course replaces nothing, installs nothing, and runs beside Colab's other
versions; it says nothing about torch 2.11 itself.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest
import torch
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".cache" / "colab-venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

# googlecolab/backend-info, pip-freeze.txt and os-info.txt of 19 August 2026
COLAB_PYTHON = "3.13.15"
COLAB_TORCH = "2.11.0"
COLAB = {
    "transformers": "5.15.0",
    "tokenizers": "0.22.2",  # the newest that its transformers takes
    "safetensors": "0.8.0",
    "huggingface_hub": "1.27.0",
    "numpy": "2.1.3",
    "matplotlib": "3.10.0",
    "ipywidgets": "7.7.1",
    "anywidget": "0.9.21",
    "tqdm": "4.67.3",
    "platformdirs": "4.11.3",
    "ipython": "7.34.0",
    "ipykernel": "6.17.1",
    "traitlets": "5.7.1",
    "jupyter_client": "7.4.9",
    "notebook": "6.5.7",  # which ipywidgets 7 needs; the newest one would bring JupyterLab
}
TORCH_NEEDS = ["filelock", "fsspec", "jinja2", "networkx", "sympy", "typing_extensions"]
TORCH_PARTS = ["torch", "torchgen", "functorch", "nvidia", "triton"]  # the last two: with CUDA only

INSTALLED = """
import importlib.metadata, json
print(json.dumps({found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}))
"""
COLAB_MODULES = {
    "google/colab/__init__.py": "from google.colab import output\n",
    # What anywidget asks of Colab when it shows a widget
    "google/colab/output.py": (
        "class _widgets:\n    _installed_url = None\n\n\n"
        "def enable_custom_widget_manager():\n    _widgets._installed_url = 'https://example.org/manager.js'\n"
    ),
    "colab_kernel_launcher.py": (
        "import google.colab\nfrom ipykernel import kernelapp\n\nkernelapp.launch_new_instance()\n"
    ),
}


def prepare() -> None:
    """Leaves an environment with Colab's versions in .cache; the first time this installs for a minute (500 MB)."""
    wanted = {"packages": COLAB, "torch": [COLAB_TORCH, str(torch_home())], "python": [sys.version, str(VENV)]}
    stamp = VENV / "stamp.json"
    if stamp.exists() and json.loads(stamp.read_text()) == wanted:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    install([f"{name}=={version}" for name, version in COLAB.items()] + TORCH_NEEDS)
    borrow_torch()
    stamp.write_text(json.dumps(wanted))


def install(packages: list[str]) -> None:
    """With pip, from wherever this machine's pip takes packages; a machine that reaches no index skips the test."""
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--retries=1", *packages]
    pip = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if pip.returncode and re.search(load_course().NO_NETWORK, pip.stdout, re.I):
        pytest.skip("pip reached no package index, and .cache/colab-venv, with Colab's versions, is not there yet")
    assert pip.returncode == 0, pip.stdout[-3000:]


def load_course():
    """course.py, which knows pip's words for a lost network."""
    spec = importlib.util.spec_from_file_location("course_in_colab_test", ROOT / "course.py")
    course = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(course)
    return course


def torch_home() -> Path:
    """The folder that the tests' own torch is installed in."""
    return Path(torch.__file__).resolve().parents[1]


def borrow_torch() -> None:
    """Link the tests' own torch into the environment, labelled as the version that Colab has."""
    site = site_packages()
    for part in TORCH_PARTS:
        if (torch_home() / part).exists():
            (site / part).symlink_to(torch_home() / part, target_is_directory=True)
    label = site / f"torch-{COLAB_TORCH}.dist-info"
    label.mkdir()
    (label / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {COLAB_TORCH}\n")


def site_packages() -> Path:
    """Where the environment's packages lie."""
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.check_output([str(PYTHON), "-c", ask], text=True).strip())


def installed() -> dict[str, str]:
    """name -> version of everything in the environment."""
    return json.loads(subprocess.check_output([str(PYTHON), "-I", "-c", INSTALLED], text=True))


def remote(folder: Path) -> str:
    """The address of a bare repository that holds the files under test, committed or not."""
    list_files = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(list_files, cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("the course's folder is no git checkout, so there is nothing to clone")
    for name in filter(None, listing.stdout.split("\0")):
        if (ROOT / name).is_file():  # not deleted since
            (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "tree" / name)
    git = ["git", "-c", "user.name=tests", "-c", "user.email=tests@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "--all", "--force"], ["commit", "-q", "-m", "the files under test"]):
        subprocess.run([*git, *command], cwd=folder / "tree", check=True)
    subprocess.run(["git", "clone", "-q", "--bare", "tree", "remote.git"], cwd=folder, check=True)
    return (folder / "remote.git").as_uri()


class Colab:
    """One machine: a folder like /content, and kernels that start in it as Colab starts its own."""

    def __init__(self, folder: Path):
        self.content, self.modules, self.home = folder / "content", folder / "modules", folder / "home"
        for place in (self.content, self.home):
            place.mkdir(parents=True)
        for name, text in COLAB_MODULES.items():
            (self.modules / name).parent.mkdir(parents=True, exist_ok=True)
            (self.modules / name).write_text(text)
        kernel = {
            "display_name": "Colab",
            "language": "python",
            "argv": [str(PYTHON), "-m", "colab_kernel_launcher", "-f", "{connection_file}"],
        }
        (folder / "kernels/colab").mkdir(parents=True)
        (folder / "kernels/colab/kernel.json").write_text(json.dumps(kernel))
        self.specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")])

    def run(self, cells: dict[str, str], repository: str) -> dict[str, list]:
        """Run the cells, a dict of id -> source, in a new kernel without network; id -> the cell's outputs."""
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(source, id=name) for name, source in cells.items()]
        nbclient.NotebookClient(
            notebook,
            km=AsyncKernelManager(kernel_spec_manager=self.specs, kernel_name="colab"),
            resources={"metadata": {"path": str(self.content)}},
            timeout=120,
        ).execute(env=self.environment(repository))
        return {cell.id: cell.outputs for cell in notebook.cells}

    def environment(self, repository: str) -> dict[str, str]:
        """Colab's modules on the path, a home of its own, and nowhere for pip or transformers to fetch from."""
        ours = {
            "PYTHONPATH": str(self.modules),
            "HOME": str(self.home),
            "XDG_DATA_HOME": str(self.home),
            "DEEPSEEK_LAB_REPOSITORY": repository,
            "PIP_NO_INDEX": "1",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        }
        here = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON", "VIRTUAL"))}
        return {**here, **ours}
