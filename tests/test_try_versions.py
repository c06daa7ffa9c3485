"""Which versions `tools/try_versions.py` asks for."""

import importlib.util
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("try_versions", ROOT / "tools" / "try_versions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_oldest_and_newest(tool):
    project = {
        "dependencies": ["torch>=2.11", "tokenizers>=0.22.2"],
        "optional-dependencies": {"dev": ["jupyterlab>=4.4,<5", "deepspeed>=0.18; sys_platform == 'linux'"]},
    }
    assert tool.requirements("oldest", project) == [
        "torch==2.11.*", "tokenizers==0.22.2", "jupyterlab>=4.4,<5", "deepspeed==0.18.*; sys_platform == 'linux'",
    ]  # fmt: skip
    assert tool.requirements("newest", project)[0] == "torch>=2.11"


def test_each_package_that_the_course_needs_has_an_oldest_version(tool):
    oldest = [Requirement(line) for line in tool.requirements("oldest", PROJECT)]
    assert all("==" in str(r.specifier) for r in oldest[: len(PROJECT["dependencies"])])
    assert {r.name for r in oldest if "==" in str(r.specifier)} >= tool.WITH_BOUNDS


def test_what_is_left_out_is_there(tool):
    assert all((ROOT / path).exists() for path in tool.LEFT_OUT)
