"""RMSNorm is PyTorch's: values and gradients, for any shape, size and layout, and where nothing is differentiated."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from deepseek_lab.attention.norm import RMSNorm

FP64 = torch.float64
LAYOUTS = ("dense", "every other", "part of a wider one", "across")
leading = st.lists(st.integers(1, 5), min_size=1, max_size=3)


def pair(width: int, eps: float = 1e-6, dtype=torch.float32) -> tuple[RMSNorm, nn.RMSNorm]:
    """Ours and PyTorch's with the same random weight."""
    ours, theirs = RMSNorm(width, eps=eps).to(dtype), nn.RMSNorm(width, eps=eps, dtype=dtype)
    nn.init.normal_(ours.weight, mean=1.0, std=0.5)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def run(norm: nn.Module, x: Tensor, direction: Tensor) -> dict[str, Tensor]:
    """The output, and the gradients of x and of the weight."""
    leaf = x.detach().requires_grad_()
    output = norm(leaf)
    dx, dw = torch.autograd.grad(output, (leaf, norm.weight), direction)
    return {"y": output.detach(), "dx": dx, "dw": dw}


def natural_sizes(norm: nn.Module, x: Tensor, direction: Tensor) -> dict[str, float]:
    """The largest number that goes into each result. dx is a difference, and 0 but for eps where the width is 1."""
    x, direction, weight = x.double(), direction.double(), norm.weight.detach().double()
    r = (x.square().mean(dim=-1, keepdim=True) + norm.eps).rsqrt()
    sizes = {"y": x * r * weight, "dx": direction * weight * r, "dw": direction * x * r}
    return {name: size.abs().max().item() for name, size in sizes.items()}


def assert_same(norm: nn.Module, x: Tensor, direction: Tensor, other: nn.Module, bound: float):
    """Ours against another norm, in whose precision the other one computes."""
    precise = other.weight.dtype
    ours, theirs = run(norm, x, direction), run(other, x.to(precise), direction.to(precise))
    for name, size in natural_sizes(norm, x, direction).items():
        assert ours[name].shape == theirs[name].shape and ours[name].dtype == x.dtype
        error = (ours[name] - theirs[name]).abs().max().item()
        assert error <= bound * size, f"{name}: {error / (size or 1.0)}"


def lay_out(x: Tensor, layout: str) -> Tensor:
    """The same numbers, in another order in memory."""
    width = x.shape[-1]
    if layout == "every other":
        return x.new_zeros(*x.shape[:-1], 2 * width)[..., ::2].copy_(x)
    if layout == "part of a wider one":
        return x.new_zeros(*x.shape[:-1], width + 3)[..., 1:-2].copy_(x)
    return x.movedim(-1, 0).contiguous().movedim(0, -1) if layout == "across" else x


@given(
    shape=leading, width=st.integers(1, 70), eps=st.sampled_from([1e-6, 1e-3]), size=st.sampled_from([1e-3, 1.0, 1e4]),
    layout=st.sampled_from(LAYOUTS), seed=st.integers(0, 999),
)  # fmt: skip
def test_is_pytorchs(shape, width, eps, size, layout, seed):
    """In fp64, where a difference would show; and in fp32, against PyTorch's fp32 and against fp64."""
    torch.manual_seed(seed)
    x, direction = (lay_out(t, layout) for t in torch.randn(2, *shape, width, dtype=FP64))
    ours, theirs = pair(width, eps, FP64)
    assert_same(ours, size * x, direction, theirs, 1e-14)
    single, their_single = (norm(width, eps=eps) for norm in (RMSNorm, nn.RMSNorm))
    for norm in (single, their_single):
        norm.load_state_dict(ours.state_dict())
    theirs.load_state_dict(single.state_dict())  # rounded once, for all
    x, direction = (size * x).float(), direction.float()
    assert_same(single, x, direction, their_single, 2e-6)
    assert_same(single, x, direction, theirs, 2e-6)


def test_a_single_vector():
    """No dimension in front of the width."""
    ours, theirs = pair(7)
    assert_same(ours, torch.randn(7), torch.randn(7), theirs, 1e-6)


@pytest.mark.parametrize("shape", [(0, 7), (2, 0, 7)])
def test_no_rows(shape):
    ours, _ = pair(7)
    got = run(ours, torch.zeros(shape), torch.zeros(shape))
    assert got["y"].shape == got["dx"].shape == shape
    assert torch.equal(got["dw"], torch.zeros(7))


def test_rows_of_zeros():
    """x = 0: the output is 0, the gradient of the weight too, and that of x is the direction / sqrt(eps)."""
    ours, theirs = pair(9)
    x, direction = torch.randn(4, 9), torch.randn(4, 9)
    x[1:3] = 0
    assert_same(ours, x, direction, theirs, 1e-6)
    got = run(ours, torch.zeros(4, 9), direction)
    assert not got["y"].any() and not got["dw"].any()
    torch.testing.assert_close(got["dx"], direction * ours.weight.detach() * 1e3)


@pytest.mark.parametrize("width", [1, 8, 4096])
@pytest.mark.parametrize("size", [1e-30, 1e-20, 1e-10, 1e10, 1e14, 1e17])
def test_tiny_and_huge_values(size, width):
    """Against fp64: from 1e15 on PyTorch's own fp32 loses half of dx, because r cubed is too small for fp32."""
    torch.manual_seed(0)
    ours, _ = pair(width)
    _, exact = pair(width, dtype=FP64)
    exact.load_state_dict(ours.state_dict())
    assert_same(ours, size * torch.randn(3, width), torch.randn(3, width), exact, 1e-5)


@pytest.mark.parametrize("size", [1e20, 1e30, float("inf")])
def test_where_squares_overflow_it_does_what_pytorch_does(size):
    """The squares are infinite, so y is 0; where x itself is infinite, NaN."""
    ours, theirs = pair(8)
    x, direction = torch.full((2, 8), size), torch.randn(2, 8)
    got, wanted = run(ours, x, direction), run(theirs, x, direction)
    for name in ("y", "dw"):
        torch.testing.assert_close(got[name], wanted[name], equal_nan=True)


def test_gradients_by_finite_differences():
    ours, _ = pair(5, eps=1e-3, dtype=FP64)
    x = torch.randn(2, 3, 5, dtype=FP64, requires_grad=True)
    weight = ours.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: torch.func.functional_call(ours, {"weight": w}, x), (x, weight))


def test_a_second_derivative_is_refused():
    """It would be wrong: what the first one is made of is not recorded."""
    ours, _ = pair(5)
    x = torch.randn(2, 5, requires_grad=True)
    (gradient,) = torch.autograd.grad(ours(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("weight_dtype", ["same", torch.float32])
def test_half_precision(dtype, weight_dtype, device):
    """What PyTorch does, bit for bit; a weight in fp32 is rounded first. The sum of squares is made in fp32."""
    ours, _ = pair(64)
    ours = ours.to(device, dtype if weight_dtype == "same" else weight_dtype)
    x = (30 * torch.randn(3, 5, 64, device=device)).to(dtype)
    output = ours(x)
    assert output.dtype == dtype
    assert torch.equal(output, F.rms_norm(x, (64,), ours.weight.to(dtype), 1e-6))
    exact = F.rms_norm(x.double(), (64,), ours.weight.double(), 1e-6)
    assert (output - exact).abs().max() < 0.02 * exact.abs().max()


def test_frozen_parts():
    """A frozen weight gets no gradient and changes no other; nor does a frozen input."""
    ours, _ = pair(6)
    x, direction = torch.randn(3, 6), torch.randn(3, 6)
    both = run(ours, x, direction)
    ours.weight.requires_grad_(False)
    leaf = x.clone().requires_grad_()
    ours(leaf).backward(direction)
    assert ours.weight.grad is None and torch.equal(leaf.grad, both["dx"])
    ours.weight.requires_grad_(True)
    ours(x).backward(direction)
    assert torch.equal(ours.weight.grad, both["dw"])


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients(mode):
    ours, _ = pair(6)
    x = torch.randn(3, 6)
    with mode():
        output = ours(x)
    assert not output.requires_grad
    assert torch.equal(output, ours(x))


def test_input_stays_as_it_was():
    """Some of it works in place: on its own numbers only."""
    ours, _ = pair(6)
    x, direction = torch.randn(3, 6), torch.randn(3, 6)
    before = [t.clone() for t in (x, direction, ours.weight)]
    first, second = run(ours, x, direction), run(ours, x, direction)
    assert all(torch.equal(a, b) for a, b in zip(before, (x, direction, ours.weight), strict=True))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("width", [4, 1])
def test_another_width_is_refused(width):
    with pytest.raises((RuntimeError, ValueError)):
        RMSNorm(5, eps=1e-6)(torch.randn(2, width))
