"""A course folder with nothing in it but what course.py looks at, and course.py loaded from it."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "mein Kürs ü 课"
posix_only = pytest.mark.skipif(os.name != "posix", reason="signals and fake programs as on Linux and macOS")


def new_folder(parent):
    """A course with nothing in it but what course.py looks at."""
    folder = parent / FOLDER
    (folder / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / "course.py", folder)
    (folder / "pyproject.toml").write_text("[project]\nname = 'tiny'\n")
    (folder / "constraints.txt").write_text("alpha==1.0\n")
    return folder


def load(folder):
    """course.py of that folder as a module, as a fresh process would see it."""
    spec = importlib.util.spec_from_file_location("course_under_test", folder / "course.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain_venv(folder):
    """A .venv that starts at once: its pip can be imported and does nothing."""
    command = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder / ".venv")]
    subprocess.run(command, check=True)
    site = next((folder / ".venv").glob("[Ll]ib/**/site-packages"))
    (site / "pip.py").touch()


class Course:
    """A loaded course.py whose pip and venv are counted and cost nothing."""

    def __init__(self, folder, monkeypatch):
        self.module = load(folder)
        self.folder = folder
        self.pip_result = (0, "")
        self.calls = []
        monkeypatch.setattr(self.module, "run_pip", self.run_pip)
        monkeypatch.setattr(self.module, "make_venv", self.make_venv)

    def run_pip(self):
        self.calls.append("pip")
        return self.pip_result

    def make_venv(self, reason):
        self.calls.append("venv")
        print(reason)
        plain_venv(self.folder)

    def prepare(self):
        """What one start did: the list of ["venv"] and ["pip"]."""
        self.calls.clear()
        self.module.prepare()
        return list(self.calls)


def message(call, *arguments):
    """The sentence a call ends with; the shell sees exit code 1."""
    with pytest.raises(SystemExit) as stopped:
        call(*arguments)
    assert isinstance(stopped.value.code, str)
    return stopped.value.code


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
