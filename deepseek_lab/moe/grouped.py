"""Routed experts in training: rows sorted by expert, one expert at a time, forward and backward written out.

Rows are gathered, multiplied and squeezed while they are in the processor's cache; only what the way back needs is
kept: each row's gate and up. PyTorch has `grouped_mm` for the products. On a CPU it is no faster, it takes
neither fp64 nor widths that are not a multiple of 16 bytes, and PyTorch's counter of operations doesn't know it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from deepseek_lab.moe.swiglu import swiglu, swiglu_gradient

CACHED = 2**17  # numbers, half a megabyte: what stays in a core's cache


def grouped_experts(
    x: Tensor, experts: Tensor, weights: Tensor, gate_up_proj: Tensor, down_proj: Tensor, limit: float | None
) -> Tensor:
    """What `experts_looped` computes: (N, M), (N, K), (N, K) -> (N, M). Can be differentiated once."""
    if not experts.numel():
        return torch.zeros_like(x)
    chosen = experts.flatten()
    counts = torch.bincount(chosen, minlength=len(down_proj)).tolist()
    order = chosen.argsort(stable=True)  # stable: always the same sum in the same order
    token = order.div(experts.shape[1], rounding_mode="floor")
    rows = torch.arange(len(order), device=x.device)
    place = torch.empty_like(order).index_copy_(0, order, rows).view(experts.shape)  # of each token's K rows
    of_row = weights.flatten().index_select(0, order)[:, None]  # (S, 1)
    return _GroupedExperts.apply(x, of_row, gate_up_proj, down_proj, token, place, counts, limit)


class _GroupedExperts(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weights, gate_up_proj, down_proj, token, place, counts, limit):
        """S = N * K rows: row s is token `token[s]` at its expert; the rows of token t are `place[t]`."""
        gate_up = x.new_empty(len(token), gate_up_proj.shape[1])  # (S, 2F)
        y = x.new_empty(len(token), x.shape[1])  # (S, M)
        for experts, sizes, (tokens, w, both, output) in _handfuls(counts, token, weights, gate_up, y):
            for n, rows, h in zip(experts, tokens.split(sizes), both.split(sizes), strict=True):
                torch.mm(x.index_select(0, rows), gate_up_proj[n].T, out=h)
            # Weighing here instead of after `down` is the same sum, on rows F wide instead of M.
            hidden = (swiglu(*both.chunk(2, dim=-1), limit) * w).to(x.dtype)
            for n, h, out in zip(experts, hidden.split(sizes), output.split(sizes), strict=True):
                torch.mm(h, down_proj[n].T, out=out)
        ctx.save_for_backward(x, weights, gate_up_proj, down_proj, token, place, gate_up)
        ctx.counts, ctx.limit = counts, limit
        return F.embedding_bag(place, y, mode="sum")  # each token's K rows, added up

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, weights, gate_up_proj, down_proj, token, place, gate_up = ctx.saved_tensors
        wants_x, wants_weights, wants_gate_up, wants_down = ctx.needs_input_grad[:4]
        grad_gate_up = torch.empty_like(gate_up_proj) if wants_gate_up else None
        grad_down = torch.empty_like(down_proj) if wants_down else None
        grad_rows = x.new_empty(len(token), x.shape[1]) if wants_x else gate_up  # not written to, if not wanted
        grad_weights = torch.empty_like(weights)
        parts = token, weights, gate_up, grad_weights, grad_rows
        for experts, sizes, (tokens, w, both, grad_w, drows) in _handfuls(ctx.counts, *parts):
            dy = grad.index_select(0, tokens)
            grad_hidden = x.new_empty(len(dy), down_proj.shape[2])
            for n, d, out in zip(experts, dy.split(sizes), grad_hidden.split(sizes), strict=True):
                torch.mm(d, down_proj[n], out=out)
            hidden, squeezed = swiglu_gradient(both, (grad_hidden * w).to(x.dtype), ctx.limit)
            grad_w.copy_(torch.linalg.vecdot(grad_hidden, hidden)[:, None])
            hidden = (hidden * w).to(x.dtype)
            slices = (part.split(sizes) for part in (tokens, dy, hidden, squeezed, drows))
            for n, rows, d, h, s, out in zip(experts, *slices, strict=True):
                if wants_down:
                    torch.mm(d.T, h, out=grad_down[n])  # of an expert without rows: zeros
                if wants_gate_up:
                    torch.mm(s.T, x.index_select(0, rows), out=grad_gate_up[n])
                if wants_x:
                    torch.mm(s, gate_up_proj[n], out=out)
        grad_x = F.embedding_bag(place, grad_rows, mode="sum") if wants_x else None
        return grad_x, grad_weights if wants_weights else None, grad_gate_up, grad_down, None, None, None, None


def _handfuls(counts: list[int], token: Tensor, weights: Tensor, gate_up: Tensor, *others: Tensor):
    """Experts side by side whose rows fit into the cache together: (experts, rows of each, their slice of each tensor).

    Small experts are taken by the handful, because starting an operation costs more than a few rows.
    """
    handfuls, first = [], 0
    for n in range(len(counts)):
        if sum(counts[first : n + 1]) * gate_up.shape[1] >= CACHED or n == len(counts) - 1:
            handfuls.append((range(first, n + 1), counts[first : n + 1]))
            first = n + 1
    sizes = [sum(of_each) for _, of_each in handfuls]
    slices = zip(*(tensor.split(sizes) for tensor in (token, weights, gate_up, *others)), strict=True)
    return [(*handful, parts) for handful, parts in zip(handfuls, slices, strict=True)]
