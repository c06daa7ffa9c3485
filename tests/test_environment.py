"""pyproject.toml, constraints.txt and environment.yml agree; no file names one machine or one registry."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUNTIME = [Requirement(line) for line in PROJECT["dependencies"]]
DEV = [Requirement(line) for line in PROJECT["optional-dependencies"]["dev"]]
CONDA_NAMES = {"pytorch-cpu": "torch"}

# Put together here, so that this file does not hold them itself.
REGISTRIES = ["pypi" + ".org", "files." + "pythonhosted"]
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:work|root)" + "/")


def name_of(requirement):
    return canonicalize_name(requirement.name)


def pins():
    """Each line of constraints.txt that is no comment, as a Requirement."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


def conda_file():
    """(channels, Python's range, {name: specifier} of conda's packages, what it leaves to pip)."""
    file = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    plain = [Requirement(line) for line in file["dependencies"] if isinstance(line, str)]
    (to_pip,) = [line["pip"] for line in file["dependencies"] if isinstance(line, dict)]
    packages = {CONDA_NAMES.get(r.name, name_of(r)): r.specifier for r in plain}
    return file["channels"], packages.pop("python"), packages, to_pip


def test_conda_packages_are_pyprojects():
    _, _, packages, _ = conda_file()
    for tool in ("pip", "git"):
        assert packages.pop(tool) == SpecifierSet()
    assert packages == {name_of(r): r.specifier for r in RUNTIME}


def test_conda_channels_python_and_pip_part():
    channels, python, _, to_pip = conda_file()
    assert channels == ["conda-forge", "nodefaults"]
    assert python == SpecifierSet(PROJECT["requires-python"])
    assert to_pip == ["-e .[dev]"]


@pytest.mark.parametrize("requirement", RUNTIME + DEV, ids=name_of)
def test_each_dependency_is_pinned_within_its_range(requirement):
    pinned = {name_of(pin): pin.specifier for pin in pins()}
    (exact,) = pinned[name_of(requirement)]
    assert exact.operator == "=="
    assert requirement.specifier.contains(exact.version), f"{requirement} excludes the pin {exact}"


def test_pins_are_plain_versions_that_any_index_has():
    names = [name_of(pin) for pin in pins()]
    assert len(names) == len(set(names)), "a package is pinned twice"
    for pin in pins():
        assert pin.url is None, f"{pin}: an address or a path"
        assert re.fullmatch(r"==\d[\w.]*", str(pin.specifier)), f"{pin}: not a plain version"


def repository_texts():
    """(name, text) of each text file that git knows or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git checkout: nothing says which files are the repository's")
    for name in listed.decode().split("\0"):
        file = ROOT / name
        if name and file.is_file():
            content = file.read_bytes()
            if b"\0" not in content:
                yield name, content.decode("utf-8", "replace")


def test_no_registry_and_no_machine_in_any_file():
    seen, found = 0, []
    for name, text in repository_texts():
        seen += 1
        found += [f"{name}: {host}" for host in REGISTRIES if host in text]
        found += [f"{name}: {path}" for path in MACHINE_PATHS.findall(text)]
    assert seen > 5
    assert not found, found
