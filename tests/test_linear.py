"""Our linear layer is PyTorch's: same numbers, same gradients, same errors, whichever library multiplies."""

import pytest
import torch
import torch.nn.functional as F
from helpers.compare import relative_error
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from deepseek_lab.linear import MANY, Linear, thin_pays, wide_pays

ROWS = st.sampled_from([0, 1, 2, 7, 8, 9, MANY - 1, MANY, MANY + 1, 700])


def gradients(layer, x, weigh):
    parameters = [x, *layer.parameters()]
    return torch.autograd.grad((layer(x) * weigh).sum(), parameters)


@settings(max_examples=60, deadline=None)
@given(
    ROWS, st.integers(1, 300), st.integers(1, 300), st.booleans(), st.sampled_from([torch.float32, torch.float64]),
    st.sampled_from(["rows", "columns", "expanded"]),
)  # fmt: skip
def test_equals_pytorchs_in_both_directions(rows, inner, outer, bias, dtype, layout):
    torch.manual_seed(0)
    ours = Linear(inner, outer, bias=bias, dtype=dtype)
    theirs = torch.nn.Linear(inner, outer, bias=bias, dtype=dtype)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(rows, inner, dtype=dtype)
    x = {"rows": x, "columns": x.T.contiguous().T, "expanded": x[:1].expand(rows, -1)}[layout] if rows else x
    x.requires_grad_()
    weigh = torch.randn(rows, outer, dtype=dtype)
    with torch.no_grad():
        assert ours(x).shape == (rows, outer)
        assert not rows or relative_error(ours(x), theirs(x)) <= 1e-5
    if rows:
        assert relative_error(ours(x), theirs(x)) <= 1e-5
    for mine, expected in zip(gradients(ours, x, weigh), gradients(theirs, x, weigh), strict=True):
        assert mine.shape == expected.shape and mine.dtype == expected.dtype
        assert not rows or relative_error(mine, expected) <= 1e-5


def test_which_way_is_taken():
    weight = torch.randn(400, 300)
    assert [thin_pays(rows, weight) for rows in (0, 1, 8, 9)] == [False, True, True, False]
    here = torch.backends.mkldnn.is_available()
    assert wide_pays(torch.randn(MANY, 300), weight) == here
    assert not wide_pays(torch.randn(MANY - 1, 300), weight)
    assert not wide_pays(torch.randn(MANY, 300).double(), weight.double())
    assert not wide_pays(torch.randn(MANY, 300, device="meta"), weight.to("meta"))
    with torch.backends.mkldnn.flags(enabled=False):
        assert not wide_pays(torch.randn(MANY, 300), weight)


class CountedProducts(TorchDispatchMode):
    """How many matrix products reach either library."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function.overloadpacket in (torch.ops.aten.mm, torch.ops.mkldnn._linear_pointwise)
        return function(*args, **kwargs or {})


@pytest.mark.parametrize("frozen", ["weight", "input", "none"])
def test_frozen_parts_cost_no_product(frozen):
    layer, x = Linear(16, 32, bias=False), torch.randn(MANY, 16, requires_grad=frozen != "input")
    layer.requires_grad_(frozen != "weight")
    with CountedProducts() as products:
        layer(x).sum().backward()
    assert products.count == (3 if frozen == "none" else 2)
    assert (layer.weight.grad is None) == (frozen == "weight") and (x.grad is None) == (frozen == "input")


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("shape", [(MANY, 6), (2, 3, 8), (4,), (12,), ()], ids=str)
def test_a_wrong_width_is_refused_as_by_pytorch(shape, grad):
    """(2, 3, 8) has as many numbers as (4, 12): nobody may take it for that."""
    with torch.set_grad_enabled(grad):
        if shape == (12,):
            layer = Linear(12, 5)
            assert torch.allclose(layer(torch.ones(12)), F.linear(torch.ones(12), layer.weight, layer.bias))
        else:
            with pytest.raises(RuntimeError):
                Linear(12, 5)(torch.randn(shape))


def test_autocast_decides_the_dtype():
    layer, x = Linear(16, 8), torch.randn(MANY, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
