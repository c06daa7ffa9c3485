"""The tests with other versions of the libraries: the oldest that pyproject.toml allows, or the newest that there are.

    python3.11 tools/try_versions.py oldest
    python3.13 tools/try_versions.py newest
    python3.13 tools/try_versions.py newest -m "not slow" tests     # what follows goes to pytest

The packages go into a folder of their own in .cache/, several GB of it on Linux, where pip brings torch for NVIDIA's
GPUs. Left out is what other tests pin or what has no other versions: the browser, the installation, Colab, the style.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WITH_BOUNDS = {"deepspeed", "bm25s"}  # of the packages for development; the others are tools, and stay the newest
LEFT_OUT = ("tests/browser", "tests/colab", "tests/test_course_install.py", "tests/test_repo.py")


def requirements(which: str, project: dict) -> list[str]:
    """What pip is asked for: each lower bound as the version, "torch>=2.11" as "torch==2.11.*"; or all as it stands."""
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    if which == "newest":
        return asked
    bound = len(project["dependencies"])
    return [
        _oldest(line) if i < bound or re.match(r"[\w-]+", line)[0] in WITH_BOUNDS else line
        for i, line in enumerate(asked)
    ]


def _oldest(line: str) -> str:
    version = re.search(r">=([\d.]+)", line)[1]
    exact = version if version.count(".") > 1 else version + ".*"
    return line.replace(f">={version}", f"=={exact}")


def make(folder: Path, wanted: list[str]) -> Path:
    """A virtual environment of this Python with these packages and the course. -> its Python."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(python), "-m", "pip", "install", "-q"]
    subprocess.run([*pip, *wanted], check=True)
    subprocess.run([*pip, "--no-deps", "-e", str(ROOT)], check=True)
    return python


def main() -> int:
    """Read the command line. -> pytest's exit code, or pip's."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("which", choices=("oldest", "newest"))
    options, for_pytest = arguments.parse_known_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    folder = ROOT / ".cache" / "versions" / f"{options.which}-{sys.version_info.major}.{sys.version_info.minor}"
    try:
        python = make(folder, requirements(options.which, project))
    except subprocess.CalledProcessError as error:
        print(f"Not installed: pip or venv says why, above. {folder} may be deleted.", file=sys.stderr)
        return error.returncode
    ignore = [f"--ignore={path}" for path in LEFT_OUT]
    return subprocess.run([str(python), "-m", "pytest", *ignore, *for_pytest], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
