"""The loss of the output head without ever holding all logits.

Logits are the largest tensor of a small model's training: tokens x vocabulary. Here they are made, used and dropped
some rows at a time, and since the loss's own gradient is simple, the gradients are computed on the way.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from deepseek_lab.config import require
from deepseek_lab.linear import wide_pays, wide_product

ROWS = 512  # tokens at a time
IGNORE = -100  # a target that doesn't count, as in PyTorch


def head_cross_entropy(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy, in nats, of softmax(hidden head^T). (N, M), (V, M), (N,) -> scalar.

    Equal to `F.cross_entropy(hidden @ head.T, targets)`; targets of -100 don't count, and if none counts, the loss is
    0. Can be differentiated once. Raises `ValueError` for targets outside the vocabulary.
    """
    if targets.numel():
        (low, high), size = (int(end) for end in targets.where(targets != IGNORE, 0).aminmax()), len(head)
        require(low >= 0 and high < size, "targets", (low, high), f"ids from 0 to {size - 1}, or {IGNORE}")
    device = hidden.device.type
    if torch.is_autocast_enabled(device):
        cast = torch.get_autocast_dtype(device)
        with torch.autocast(device, enabled=False):
            return _HeadCrossEntropy.apply(hidden.to(cast), head.to(cast), targets)
    return _HeadCrossEntropy.apply(hidden, head, targets)


class _HeadCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        count = int((targets != IGNORE).sum()) or 1
        wants_hidden, wants_head, _ = ctx.needs_input_grad
        grad_hidden = torch.empty_like(hidden) if wants_hidden else None
        precise = torch.promote_types(hidden.dtype, torch.float32)
        # Added up over the blocks in fp32: in bf16, what comes late would be rounded away.
        grad_head = torch.zeros_like(head, dtype=precise) if wants_head else None
        total = torch.zeros((), dtype=precise, device=hidden.device)
        product = wide_product if wide_pays(hidden, head) else F.linear
        for start in range(0, len(hidden), ROWS):
            rows, wanted = hidden[start : start + ROWS], targets[start : start + ROWS, None]
            scores = product(rows, head).to(precise)  # (n, V); from here on in place: nothing else is as large
            counted, wanted = (wanted != IGNORE).to(precise), wanted.clamp_min(0)
            of_target, top = scores.gather(1, wanted), scores.amax(dim=1, keepdim=True)
            mass = scores.sub_(top).exp_().sum(dim=1, keepdim=True)
            total += ((mass.log() + top - of_target) * counted).sum()  # log sum exp(scores) - score of the target
            if not (wants_hidden or wants_head):
                continue
            # d loss / d logits = (softmax - one at the target) / count
            share = counted / count
            scores.mul_(share / mass).scatter_add_(1, wanted, -share)
            grad = scores.to(hidden.dtype)
            if wants_hidden:
                grad_hidden[start : start + ROWS] = product(grad, head.T)
            if wants_head:
                grad_head += grad.T @ rows
        ctx.save_for_backward(grad_hidden, grad_head.to(head.dtype) if wants_head else None)
        return total / count

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        return (*(None if saved is None else saved * grad.to(saved.dtype) for saved in ctx.saved_tensors), None)
