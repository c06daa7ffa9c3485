"""A disk of a few megabytes, for tests that fill it."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A real file system in memory, mounted on `folder`; the test is skipped where that is not permitted."""
    if not shutil.which("mount"):
        pytest.skip("no mount command")
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"may not mount a small disk: {result.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], capture_output=True, check=False)
