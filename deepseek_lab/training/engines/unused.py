"""Parameters that get no gradient on some rank, such as those of an expert that no token went to.

The ranks send gradients in one order, and each must send the same. A library that leaves out what got no gradient makes
ranks wait for each other for ever, or, worse, add up what doesn't belong together.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def use_all(output: Tensor, parameters: Iterable[nn.Parameter]) -> Tensor:
    """`output`, from which a backward pass also reaches all these parameters, with gradients of zeros."""
    return _Use.apply(output, *dict.fromkeys(p for p in parameters if p.requires_grad))


class _Use(torch.autograd.Function):
    @staticmethod
    def forward(ctx, output: Tensor, *parameters: Tensor) -> Tensor:
        ctx.parameters = [(p.shape, p.dtype, p.device) for p in parameters]
        return output.view_as(output)

    @staticmethod
    def backward(ctx, grad: Tensor):
        # One number that stands for a whole tensor of zeros: autograd adds it to the true gradient, if there is one.
        return grad, *(torch.zeros((), dtype=d, device=place).expand(shape) for shape, d, place in ctx.parameters)
