"""A linear layer for a CPU: few rows, as in decoding, and many, as in training.

PyTorch hands its products to MKL, which is not the fastest there: not for a handful of rows, where all the time goes
into reading the weights, and on an AMD processor not for thousands. What is computed is the same.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

FEW = 8  # rows
SMALL = 2**16  # numbers: one core reads fewer of them before a second one has started
MANY = 256  # rows


def thin_pays(rows: int, weight: Tensor) -> bool:
    """Whether `thin_linear` has something to gain for so many rows and this matrix (O, I)."""
    many = rows > FEW or rows == 0
    return not many and weight.shape[0] % 2 == 0 and weight.numel() >= SMALL and weight.device.type == "cpu"


def thin_linear(x: Tensor, weight: Tensor) -> Tensor:
    """x (n, I) @ weight.T (I, O) -> (n, O), like `F.linear`, but on a CPU up to three times as fast for few rows.

    MKL gives a product with one row to one core. Cut the matrix in two halves, a batch of two, and each core reads
    one. The transposed rows must stay a view: copied into columns, two rows take four times as long. Where weights are
    in the processor's cache already, nothing is gained.
    """
    if not thin_pays(len(x), weight):
        return F.linear(x, weight)
    halves = weight.view(2, -1, weight.shape[1])  # (2, O / 2, I)
    return torch.bmm(halves, x.T.expand(2, -1, -1)).view(len(weight), len(x)).T


def wide_pays(x: Tensor, weight: Tensor) -> bool:
    """Whether `wide_product` can be had for these rows and this matrix, and gains something."""
    has_it = torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled
    return has_it and len(x) >= MANY and all(t.device.type == "cpu" and t.dtype == torch.float32 for t in (x, weight))


def wide_product(x: Tensor, weight: Tensor) -> Tensor:
    """x (n, I) @ weight.T (I, O) -> (n, O), by oneDNN, the other library of products that PyTorch carries.

    On an AMD processor 5 to 30 % faster than MKL. For training alone: oneDNN prepares itself for each number of rows
    that it meets, and there it meets the same one at every step.
    """
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")


class _WideProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return wide_product(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        """y = x W^T: dx = dy W, dW = dy^T x."""
        x, weight = ctx.saved_tensors
        wants_x, wants_weight = ctx.needs_input_grad
        return wide_product(grad, weight.T) if wants_x else None, grad.T @ x if wants_weight else None


class Linear(nn.Linear):
    """`nn.Linear` that takes `thin_linear` for few rows without gradients, `wide_product` for many with gradients.

    The latter can be differentiated once, by `backward` or `torch.autograd.grad`, not by `torch.func`.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x W^T + b: (…, in_features) -> (…, out_features)."""
        fits = x.dim() > 0 and x.shape[-1] == self.in_features
        if x.device.type != "cpu" or torch.is_autocast_enabled("cpu") or not fits:
            return super().forward(x)
        rows = x.reshape(-1, self.in_features)
        if not torch.is_grad_enabled():
            y = thin_linear(rows, self.weight)
        else:
            y = _WideProduct.apply(rows, self.weight) if wide_pays(rows, self.weight) else F.linear(rows, self.weight)
        y = y.view(*x.shape[:-1], self.out_features)
        return y if self.bias is None else y + self.bias
