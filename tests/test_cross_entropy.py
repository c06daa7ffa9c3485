"""The loss without all logits: the value and gradients of F.cross_entropy, any shape, in a fraction of the memory."""

import weakref

import pytest
import torch
import torch.nn.functional as F
from helpers.compare import relative_error
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from deepseek_lab.training.cross_entropy import IGNORE, ROWS, head_cross_entropy

FP64 = torch.float64


def plain(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """What it is equal to, with all logits."""
    return F.cross_entropy(hidden @ head.T, targets)


def problem(rows: int, width: int, vocabulary: int, seed: int = 0, ignored: float = 0.0, dtype=torch.float32):
    """Random hidden states, head and targets; a share of the targets is ignored, but not all."""
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(rows, width, generator=generator, dtype=FP64).to(dtype)
    head = torch.randn(vocabulary, width, generator=generator, dtype=FP64).to(dtype)
    targets = torch.randint(vocabulary, (rows,), generator=generator)
    off = torch.rand(rows, generator=generator) < ignored
    off[-1:] = False
    return hidden, head, targets.masked_fill(off, IGNORE)


def run(loss_function, hidden: Tensor, head: Tensor, targets: Tensor, scale: float = 1.0):
    """The loss, and the gradients of `scale` times it."""
    leaves = [x.detach().clone().requires_grad_() for x in (hidden, head)]
    loss = loss_function(*leaves, targets)
    (scale * loss).backward()
    return loss.detach(), *(leaf.grad for leaf in leaves)


rows = st.sampled_from([1, 2, 3, 20, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS, 2 * ROWS + 37])


@settings(max_examples=60)
@given(
    rows=rows, width=st.integers(1, 24), vocabulary=st.integers(1, 40), seed=st.integers(0, 999),
    ignored=st.sampled_from([0.0, 0.3, 0.95]), scale=st.sampled_from([1.0, -7.5, 1e-3]),
)  # fmt: skip
def test_value_and_gradients(rows, width, vocabulary, seed, ignored, scale):
    """fp64 to 1e-12, and fp32 as near to fp64 as fp32 goes."""
    given = problem(rows, width, vocabulary, seed, ignored, FP64)
    exact = run(plain, *given, scale)
    for dtype, bound in ((FP64, 1e-12), (torch.float32, 1e-5)):
        hidden, head, targets = given
        got = run(head_cross_entropy, hidden.to(dtype), head.to(dtype), targets, scale)
        sizes = 1.0, abs(scale), abs(scale)  # where V = 1 all of them are 0
        for name, ours, theirs, size in zip(("loss", "d hidden", "d head"), got, exact, sizes, strict=True):
            assert ours.shape == theirs.shape and ours.dtype == dtype
            floor = max(theirs.abs().max().item(), 1e-3 * size)
            assert (ours - theirs).abs().max().item() <= bound * floor, name


def test_one_token_of_vocabulary():
    """V = 1: there is nothing to be wrong about."""
    loss, *gradients = run(head_cross_entropy, *problem(5, 3, 1))
    assert loss == 0
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("rows", [0, 1, 7, ROWS + 5])
def test_nothing_counts(rows):
    """All ignored, or no rows at all: the loss is 0 and so are the gradients, where PyTorch's is NaN."""
    hidden, head, targets = problem(rows, 4, 9)
    targets.fill_(IGNORE)
    loss, *gradients = run(head_cross_entropy, hidden, head, targets)
    assert loss == 0
    assert [g.shape for g in gradients] == [hidden.shape, head.shape]
    assert not any(gradient.any() for gradient in gradients)


def test_ignored_rows_get_no_gradient_and_change_nothing():
    hidden, head, targets = problem(ROWS + 100, 8, 11, ignored=0.5)
    loss, grad_hidden, grad_head = run(head_cross_entropy, hidden, head, targets)
    off = targets == IGNORE
    assert not grad_hidden[off].any() and grad_hidden[~off].any(dim=1).all()
    hidden[off] = 1e3
    assert torch.equal(run(head_cross_entropy, hidden, head, targets)[0], loss)
    assert relative_error(run(head_cross_entropy, hidden[~off], head, targets[~off])[2], grad_head) < 1e-5


@pytest.mark.parametrize("frozen", ["hidden", "head", "both"])
def test_frozen_parts(frozen):
    """What needs no gradient gets none, and the other's is the same."""
    hidden, head, targets = problem(ROWS + 9, 6, 13)
    expected = run(plain, hidden, head, targets)
    hidden.requires_grad_(frozen == "head")
    head.requires_grad_(frozen == "hidden")
    loss = head_cross_entropy(hidden, head, targets)
    assert relative_error(loss, expected[0]) < 1e-6
    assert loss.requires_grad == (frozen != "both")
    if frozen != "both":
        loss.backward()
        wanted = {"head": expected[1], "hidden": expected[2]}[frozen]
        got, none = (hidden.grad, head.grad) if frozen == "head" else (head.grad, hidden.grad)
        assert none is None and relative_error(got, wanted) < 1e-5


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients(mode):
    hidden, head, targets = problem(ROWS + 9, 6, 13)
    head.requires_grad_()
    with mode():
        loss = head_cross_entropy(hidden, head, targets)
    assert not loss.requires_grad
    assert relative_error(loss, plain(hidden, head, targets)) < 1e-6


def test_as_a_part_of_a_sum_used_twice():
    """Two uses of one head, as next-token loss and MTP: gradients add up."""
    hidden, head, targets = problem(40, 6, 13)
    both = [run(lambda h, w, t, f=f: f(h, w, t) + 0.3 * f(2 * h, w, t), hidden, head, targets) for f in FUNCTIONS]
    for ours, theirs in zip(*both, strict=True):
        assert relative_error(ours, theirs) < 1e-5


FUNCTIONS = (head_cross_entropy, plain)


def test_rows_apart_in_memory():
    hidden, head, targets = problem(60, 8, 13)
    wide = torch.randn(60, 20)[:, 3:11].copy_(hidden)
    for ours, theirs in zip(run(head_cross_entropy, wide, head.T.contiguous().T, targets),
                            run(plain, hidden, head, targets), strict=True):  # fmt: skip
        assert relative_error(ours, theirs) < 1e-5


def test_huge_scores_do_not_overflow():
    """Scores of 1e4: exp of them is infinite, the loss is not."""
    hidden, head, targets = problem(30, 6, 13)
    for ours, theirs in zip(*(run(f, 1e4 * hidden, head, targets) for f in FUNCTIONS), strict=True):
        assert ours.isfinite().all() and relative_error(ours, theirs) < 1e-5


def test_gradients_by_finite_differences():
    hidden, head, targets = problem(5, 3, 4, ignored=0.4, dtype=FP64)
    leaves = hidden.requires_grad_(), head.requires_grad_()
    assert torch.autograd.gradcheck(lambda h, w: head_cross_entropy(h, w, targets), leaves)


def test_a_second_derivative_is_refused():
    hidden, head, targets = problem(5, 3, 4)
    hidden.requires_grad_()
    (gradient,) = torch.autograd.grad(head_cross_entropy(hidden, head, targets), hidden, create_graph=True)
    with pytest.raises(RuntimeError):
        gradient.sum().backward()


@pytest.mark.parametrize("way", ["autocast", "bf16"])
def test_bf16(way, device):
    """Products in bf16, softmax and sum in fp32: as near to fp32 as PyTorch's. Gradients in the inputs' dtype."""
    hidden, head, targets = (x.to(device) for x in problem(ROWS + 200, 32, 50, ignored=0.2))
    exact = run(plain, hidden, head, targets)
    if way == "bf16":
        hidden, head = hidden.bfloat16(), head.bfloat16()
    errors = []
    for function in FUNCTIONS:
        with torch.autocast(device, torch.bfloat16, enabled=way == "autocast"):
            got = run(function, hidden, head, targets)
        if function is head_cross_entropy:
            assert got[0].dtype == torch.float32
            assert got[1].dtype == hidden.dtype and got[2].dtype == head.dtype
        errors.append([relative_error(ours, wanted) for ours, wanted in zip(got, exact, strict=True)])
    assert all(ours <= 2 * theirs + 1e-3 for ours, theirs in zip(*errors, strict=True)), errors
    assert max(errors[0]) < 0.03


@pytest.mark.parametrize("target", [9, -1, -101])
def test_targets_outside_the_vocabulary(target):
    hidden, head, targets = problem(5, 3, 9)
    targets[2] = target
    with pytest.raises((IndexError, ValueError, RuntimeError)):
        head_cross_entropy(hidden.requires_grad_(), head, targets)


class Peak(TorchDispatchMode):
    """The most bytes held at once by what is made inside, and the numbers in the largest tensor."""

    def __init__(self):
        super().__init__()
        self.live = self.bytes = self.largest = 0
        self.seen = weakref.WeakSet()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(output):
            if isinstance(tensor, Tensor):
                self.add(tensor)
        return output

    def add(self, tensor: Tensor) -> None:
        """Count a tensor's memory until it is given back."""
        storage = tensor.untyped_storage()
        if storage in self.seen:
            return
        self.seen.add(storage)
        self.largest = max(self.largest, tensor.numel())
        self.live += storage.nbytes()
        self.bytes = max(self.bytes, self.live)
        weakref.finalize(storage, self.drop, storage.nbytes())

    def drop(self, size: int) -> None:
        """Memory was given back."""
        self.live -= size


def peak(function, rows: int, width: int, vocabulary: int) -> Peak:
    hidden, head, targets = problem(rows, width, vocabulary)
    hidden.requires_grad_(), head.requires_grad_()
    with Peak() as seen:
        function(hidden, head, targets).backward()
    return seen


def test_memory_does_not_grow_with_tokens_times_vocabulary():
    width, vocabulary = 8, 500
    few, many = (peak(head_cross_entropy, rows, width, vocabulary) for rows in (4 * ROWS, 16 * ROWS))
    assert many.largest <= ROWS * vocabulary
    # Twelve more blocks of rows: only the hidden states' own gradient grows, once while made and once when handed on.
    grown = 12 * ROWS * width * 4
    assert many.bytes - few.bytes <= 2 * grown + 12 * ROWS * 16
    assert many.bytes <= 5 * ROWS * vocabulary * 4 + 3 * 16 * ROWS * width * 4
    every_logit = peak(plain, 16 * ROWS, width, vocabulary)  # the measure would have seen it
    assert every_logit.largest >= 16 * ROWS * vocabulary
    assert every_logit.bytes >= 16 * ROWS * vocabulary * 4 > 2 * many.bytes
