"""Every notebook on a GPU, unchanged: in fp32, as it computes by itself, and in bf16, by autocast around all its cells.

In fp32 every claim has to hold. In bf16 every cell has to run, and every claim has to hold but those that two ways of
computing are equal to more digits than bf16 has; which of these fell is said at the end. Outputs are not compared: a
GPU draws other random numbers, so that even in fp32 other tokens are sampled and other weights are trained.
"""

from pathlib import Path

import pytest
from helpers.run_notebook import run_notebook

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def each(dtype: str):
    """A test for each notebook, with a word on what it proves."""
    cases = [
        pytest.param(path, id=path.stem, marks=pytest.mark.gpu(f"notebook {path.stem} in {dtype}"))
        for path in NOTEBOOKS
    ]
    return pytest.mark.parametrize("path", cases)


@each("fp32")
def test_in_fp32(path, tell):
    run = run_notebook(path, "cuda")
    tell(f"notebook {path.stem} in fp32: {run.held} claims held, {len(run.fell)} fell")
    assert not run.raised
    assert not run.fell


@each("bf16")
def test_in_bf16(path, tell):
    run = run_notebook(path, "cuda", bf16=True)
    tell(f"notebook {path.stem} in bf16: {run.held} claims held, fell: {'; '.join(run.fell) or 'none'}")
    assert not run.raised
    assert not run.fell_for_more_than_digits
