"""Causal attention for training on a CPU: block of queries by block of queries, no key read that can't be seen.

A block of queries looks at the keys up to its own end: of the (T, T) square of scores, little more than the half that
counts is ever made. Its weights are kept for the way back. PyTorch's CPU kernels either make the whole square or
compute every score twice.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 64  # queries
LONGEST = 1024  # tokens; beyond, keeping the weights takes too much memory


def blockwise_pays(q: Tensor, v: Tensor) -> bool:
    """Whether `attend_blockwise` is the faster way: training, on a CPU, in full precision, not too short or long."""
    trains = torch.is_grad_enabled() and (q.requires_grad or v.requires_grad)
    exact = q.dtype == v.dtype and q.dtype in (torch.float32, torch.float64)
    return trains and exact and q.device.type == "cpu" and BLOCK <= q.shape[2] <= LONGEST


def attend_blockwise(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """q, k (B, H, T, D) and v (B, H, T, D_v) -> (B, H, T, D_v): the outputs of `attend`. Can be differentiated once."""
    output = _Blockwise.apply(*(x.flatten(0, 1) for x in (q, k, v)), scale)
    return output.unflatten(0, q.shape[:2])


class _Blockwise(torch.autograd.Function):
    """The same with B and H in one dimension."""

    @staticmethod
    def forward(ctx, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        scaled = q * scale
        output = v.new_empty(v.shape)
        future = torch.full((BLOCK, BLOCK), float("-inf"), dtype=q.dtype).triu_(1)
        kept = []
        for start, end in _blocks(q.shape[1]):
            scores = torch.bmm(scaled[:, start:end], k[:, :end].mT)  # (B * H, block, end)
            scores[:, :, start:] += future[: end - start, : end - start]
            weights = scores.softmax(dim=-1)
            output[:, start:end] = torch.bmm(weights, v[:, :end])
            kept.append(weights)
        ctx.save_for_backward(scaled, k, v, output, *kept)
        ctx.scale = scale
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        """dv = w^T g; dw = g v^T; ds = w (dw - rowsum(dw w)), and that sum is g . output; dq = ds k; dk = ds^T q."""
        scaled, k, v, output, *kept = ctx.saved_tensors
        grad_q, grad_k, grad_v = torch.empty_like(scaled), torch.zeros_like(k), torch.zeros_like(v)
        means = torch.linalg.vecdot(grad, output)[..., None]
        for weights, (start, end) in zip(kept, _blocks(grad.shape[1]), strict=True):
            of_block = grad[:, start:end]
            grad_v[:, :end] += torch.bmm(weights.mT, of_block)
            grad_scores = torch.bmm(of_block, v[:, :end].mT).sub_(means[:, start:end]).mul_(weights)
            grad_q[:, start:end] = torch.bmm(grad_scores, k[:, :end])
            grad_k[:, :end] += torch.bmm(grad_scores.mT, scaled[:, start:end])
        return grad_q.mul_(ctx.scale), grad_k, grad_v, None


def _blocks(tokens: int) -> list[tuple[int, int]]:
    return [(start, min(start + BLOCK, tokens)) for start in range(0, tokens, BLOCK)]
