"""A linear layer for a handful of rows, as in decoding, where all the time goes into reading the weights."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEW = 8  # rows
SMALL = 2**16  # numbers: one core reads fewer of them before a second one has started


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
    halves = weight.unflatten(0, (2, -1))  # (2, O / 2, I)
    return torch.bmm(halves, x.T.expand(2, -1, -1)).view(len(weight), len(x)).T


class ThinLinear(nn.Linear):
    """`nn.Linear` without bias that decodes fast: without gradients, few rows take `thin_linear`."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__(in_features, out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return F.linear(x, self.weight)
        return thin_linear(x.reshape(-1, self.in_features), self.weight).view(*x.shape[:-1], self.out_features)
