"""The runner of notebooks on a GPU, tried on the CPU: what it counts, what it passes over, and what it reports."""

import nbformat
import pytest
from helpers.run_notebook import Run, run_notebook

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
