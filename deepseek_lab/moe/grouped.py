"""Routed experts in training: rows sorted by expert, one expert at a time, forward and backward written out.

Rows are gathered, multiplied and squeezed while they are in the processor's cache; only what the way back needs is
kept: each row's gate and up. PyTorch has `grouped_mm` for the products. On a CPU it is no faster, it takes
neither fp64 nor widths that are not a multiple of 16 bytes, and PyTorch's counter of operations doesn't know it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from deepseek_lab.moe.swiglu import swiglu

CACHED = 2**17  # numbers, half a megabyte


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
        for rows, experts in _handfuls(counts, gate_up.shape[1]):
            for n, part in experts:
                torch.mm(x.index_select(0, token[part]), gate_up_proj[n].T, out=gate_up[part])
            # Weighing here instead of after `down` is the same sum, on rows F wide instead of M.
            hidden = (swiglu(*gate_up[rows].chunk(2, dim=-1), limit) * weights[rows]).to(x.dtype)
            for n, part in experts:
                torch.mm(hidden[_within(part, rows)], down_proj[n].T, out=y[part])
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
        grad_rows = x.new_empty(len(token), x.shape[1]) if wants_x else None
        grad_weights = torch.empty_like(weights)
        for rows, experts in _handfuls(ctx.counts, gate_up.shape[1]):
            dy = grad.index_select(0, token[rows])
            grad_hidden = x.new_empty(len(dy), down_proj.shape[2])
            for n, part in experts:
                own = _within(part, rows)
                torch.mm(dy[own], down_proj[n], out=grad_hidden[own])
            hidden, squeezed, grad_weights[rows] = _squeeze(gate_up[rows], grad_hidden, weights[rows], ctx.limit)
            for n, part in experts:  # of an expert without rows, the product of no rows writes zeros
                own = _within(part, rows)
                if wants_down:
                    torch.mm(dy[own].T, hidden[own], out=grad_down[n])
                if wants_gate_up:
                    torch.mm(squeezed[own].T, x.index_select(0, token[part]), out=grad_gate_up[n])
                if wants_x:
                    torch.mm(squeezed[own], gate_up_proj[n], out=grad_rows[part])
        grad_x = F.embedding_bag(place, grad_rows, mode="sum") if wants_x else None
        return grad_x, grad_weights if wants_weights else None, grad_gate_up, grad_down, None, None, None, None


def _handfuls(counts: list[int], width: int) -> list[tuple[slice, list[tuple[int, slice]]]]:
    """Experts side by side whose rows, `width` numbers each, fit into the cache.

    For each handful, all its rows, and [(expert, its rows)]. Small experts are taken together, because starting an
    operation costs more than a few rows.
    """
    handfuls, experts, start, end = [], [], 0, 0
    for n, count in enumerate(counts):
        experts.append((n, slice(end, end + count)))
        end += count
        if (end - start) * width >= CACHED or n == len(counts) - 1:
            handfuls.append((slice(start, end), experts))
            experts, start = [], end
    return handfuls


def _within(part: slice, rows: slice) -> slice:
    return slice(part.start - rows.start, part.stop - rows.start)


def _squeeze(gate_up: Tensor, grad: Tensor, weights: Tensor, limit: float | None) -> tuple[Tensor, Tensor, Tensor]:
    """SwiGLU's way back, from d loss / d hidden (S, F), with hidden = weight * silu(gate) * up.

    Returns hidden (S, F), and d loss / d gate and up (S, 2F), d loss / d weight (S, 1). `grad` is used up.
    """
    gate, up = gate_up.chunk(2, dim=-1)
    if limit is not None:
        gate, up = gate.clamp(max=limit), up.clamp(min=-limit, max=limit)
    silu = F.silu(gate)
    hidden = silu * up
    grad_weights = torch.linalg.vecdot(grad, hidden)[:, None].to(weights.dtype)
    hidden, grad = ((part * weights).to(gate_up.dtype) for part in (hidden, grad))
    squeezed = torch.empty_like(gate_up)
    grad_gate, grad_up = squeezed.chunk(2, dim=-1)
    torch.mul(grad, silu, out=grad_up)
    grad_gate.copy_(torch.ops.aten.silu_backward(grad.mul_(up), gate))
    if limit is not None:  # what was clamped has no gradient
        unclamped_gate, unclamped_up = gate_up.chunk(2, dim=-1)
        grad_gate.masked_fill_(unclamped_gate > limit, 0)
        grad_up.masked_fill_(unclamped_up.abs() > limit, 0)
    return hidden, squeezed, grad_weights
