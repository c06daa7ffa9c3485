"""The runner of notebooks on a GPU, tried on the CPU: what it counts, what it passes over, and what it reports."""

import ast
from pathlib import Path

import nbformat
import pytest
from helpers.run_notebook import OTHERWISE, Run, is_about_digits, run_notebook

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
pytestmark = pytest.mark.slow  # notebooks are run
CELLS = {
    "imports": "import torch\nfrom torch import nn\nfrom deepseek_lab.course.setup import setup",
    "setup": "device = setup(seed=0)",
    "product": "x = torch.randn(8, 8, device=device)\ny = x @ x\nassert y.shape == (8, 8)",
    "digits": "error = (y.double() - x.double() @ x.double()).abs().max()\nassert error < 1e-5, 'too far'\nafter = 1",
    "behind": "assert after == 1",
    "loop": "for n in range(2):\n    assert n == 0",
    "training": (
        "torch.manual_seed(0)\nlayer = nn.Linear(8, 1).to(device)\n"
        "optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)\nlosses = []\n"
        "for _ in range(30):\n    loss = (layer(x).squeeze() - x.sum(1)).square().mean()\n"
        "    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n    losses.append(loss.item())\n"
        "assert losses[-1] < losses[0] / 4"
    ),
    "raises": "raise ValueError('a bare one')",
    "meant": "raise ValueError('shown on purpose')",
    "last": "assert y.dtype == torch.float32",
}


@pytest.fixture
def notebook(tmp_path):
    cells = [nbformat.v4.new_code_cell(source, id=name) for name, source in CELLS.items()]
    cells[list(CELLS).index("meant")].metadata["tags"] = ["raises-exception"]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "tried.ipynb")
    return tmp_path / "tried.ipynb"


def test_in_fp32(notebook):
    before = notebook.read_bytes()
    run = run_notebook(notebook, "cpu")
    assert run == Run(6, ["n == 0"], {"raises": "ValueError: a bare one"})
    assert run.fell_for_more_than_digits == ["n == 0"]
    assert notebook.read_bytes() == before


def test_in_bf16(notebook):
    """Products are rounded, and a training sees its own new weights all the same."""
    run = run_notebook(notebook, "cpu", bf16=True)
    assert run == Run(4, ["error < 1e-05", "n == 0", "y.dtype == torch.float32"], {"raises": "ValueError: a bare one"})
    assert run.fell_for_more_than_digits == ["n == 0", "y.dtype == torch.float32"]


def test_on_a_pretended_gpu(notebook):
    assert run_notebook(notebook, "pretend").held == 6


@pytest.mark.parametrize(
    "claim",
    [
        "worst < 1e-05 and len(pairs) == 8", "torch.equal(plain, cached) and few == 59", "all(same) and any(evicted)",
        "all((torch.equal(w, four[0]) for w in four))", "math.isclose(a, 4 * b)", "equal == causal",
        "moved.abs().max() > 0 and same.abs().max() < 1e-05", "max(errors) < 1e-05", "same_text and same_attention",
    ],
)  # fmt: skip
def test_claims_about_digits(claim):
    assert is_about_digits(claim)


@pytest.mark.parametrize(
    "claim",
    [
        "error > 0.1", "not torch.allclose(piece, whole, atol=1e-05)", "not torch.equal(*latents)", "off < 0.01",
        "min(before) > 20 and same > 2 * other", "errors[64] == 0", "abs(share - 0.563) < 0.001",
        "ratio > 1000000.0", "first.text == '1e-05'", "0 < error", "all((n > 0 for n in errors))", "blind",
    ],
)  # fmt: skip
def test_claims_about_more(claim):
    assert not is_about_digits(claim)


def test_exceptions_are_claims_of_notebooks():
    cells = [cell.source for path in NOTEBOOKS for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    claims = {ast.unparse(n.test) for cell in cells for n in ast.walk(ast.parse(cell)) if isinstance(n, ast.Assert)}
    assert claims >= OTHERWISE
