"""RMSNorm: divide a vector by its root mean square, then scale each number. Source: https://arxiv.org/abs/1910.07467."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

PIECE = 2**19  # numbers, two megabytes: what stays in a processor's cache
FEW = 2**16  # numbers, as in decoding


class RMSNorm(nn.RMSNorm):
    """y = x / sqrt(mean(x²) + eps) * weight, over the last dimension. (…, M) -> (…, M).

    What `nn.RMSNorm` computes, gradients too. On a CPU PyTorch makes it of many small operations, each going through
    memory once; the one written here takes a fifth of the time in training.
    """

    def __init__(self, width: int, eps: float):
        super().__init__(width, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """(…, M) -> (…, M), of x's dtype."""
        precise = x.dtype == self.weight.dtype and x.dtype in (torch.float32, torch.float64)
        if precise and x.device.type == "cpu" and x.shape[-1:] == self.weight.shape:
            if x.numel() <= FEW and not torch.is_grad_enabled():  # all in cache: what counts is how often one starts
                return torch.rms_norm(x, self.normalized_shape, self.weight, self.eps)
            return _RMSNorm.apply(x, self.weight, self.eps)
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


class _RMSNorm(torch.autograd.Function):
    """Some rows at a time, in place as far as possible: what counts is how often memory is gone through."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        """r = 1 / sqrt(mean(x²) + eps); y = x r weight."""
        x = x.contiguous()
        y, r = torch.empty_like(x), x.new_empty(*x.shape[:-1], 1)
        for rows, scale, output in _pieces(x, r, y):
            torch.linalg.vector_norm(rows, dim=-1, keepdim=True, out=scale)
            scale.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
            torch.mul(rows, scale, out=output).mul_(weight)
        ctx.save_for_backward(x, weight, r)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        """With n = x r: dx = r (g w - n mean(g n w)), dweight = sum over rows of g n."""
        x, weight, r = ctx.saved_tensors
        grad_x, grad_weight = torch.empty_like(x), torch.zeros_like(weight)
        for rows, scale, g, output in _pieces(x, r, grad.contiguous(), grad_x):
            n = rows * scale
            product = g * n
            grad_weight += product.sum(dim=0)
            mean = (product @ weight).div_(x.shape[-1])[:, None]
            torch.mul(g, weight, out=output).addcmul_(n, mean, value=-1).mul_(scale)
        return grad_x, grad_weight, None


def _pieces(x: Tensor, r: Tensor, *others: Tensor):
    """The same rows of each: (n, M), (n, 1), (n, M), ..."""
    rows, width = max(1, PIECE // x.shape[-1]), x.shape[-1]
    wide = [tensor.view(-1, width).split(rows) for tensor in (x, *others)]
    return zip(wide[0], r.view(-1, 1).split(rows), *wide[1:], strict=True)
