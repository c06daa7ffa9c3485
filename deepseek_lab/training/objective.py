"""What pretraining minimises: the next token, the one after it (MTP), and evenly used experts.

Source: DeepSeek-V3 (https://arxiv.org/abs/2412.19437), sections 2.1.2, 2.2 and 4.2.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from deepseek_lab.attention.rope import rotary_table
from deepseek_lab.config import require
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.moe import TopKRouter, record_routing
from deepseek_lab.moe.balance import expert_load, sequence_balance_loss
from deepseek_lab.training.cross_entropy import head_cross_entropy


@dataclass
class Losses:
    """The parts of one batch's loss, scalars in nats per token, and each router's load (rows per expert)."""

    next_token: Tensor
    mtp: list[Tensor]  # one for each module
    balance: Tensor  # 1 times the number of mixture-of-experts layers, if experts are evenly used
    loads: dict[TopKRouter, Tensor]

    def total(self, mtp_weight: float, balance_weight: float) -> Tensor:
        """next token + mtp_weight * mean over modules of theirs + balance_weight * balance."""
        loss = self.next_token + balance_weight * self.balance
        return loss + mtp_weight * torch.stack(self.mtp).mean() if self.mtp else loss


def pretraining_losses(model: DeepSeekForCausalLM, windows: Tensor) -> Losses:
    """All parts for a batch of windows (B, T + 1): T inputs, each followed by its target.

    Raises `ValueError` for another shape.
    """
    require(windows.dim() == 2 and windows.shape[1] >= 2, "windows", tuple(windows.shape), "shape (B, T + 1), T >= 1")
    inputs, targets = windows[:, :-1], windows[:, 1:]
    head = model.lm_head.weight
    with record_routing(model) as records:
        hidden = model.hidden_states(inputs)
        next_token = head_cross_entropy(hidden.flatten(0, 1), head, targets.flatten())
        mtp = mtp_losses(model, hidden, windows)
    balance = next_token.new_zeros(())
    loads: dict[TopKRouter, Tensor] = {}
    for router, routing in records:
        balance = balance + sequence_balance_loss(*(x.unflatten(0, (len(windows), -1)) for x in routing[:2]))
        loads[router] = expert_load(routing.experts, router.n_routed_experts)
    return Losses(next_token, mtp, balance, loads)


def mtp_losses(model: DeepSeekForCausalLM, hidden: Tensor, windows: Tensor) -> list[Tensor]:
    """Cross-entropy of each multi-token prediction module, from the model's `hidden` (B, T, M) for `windows`.

    Module k (from 1) sees, at position t, what the module before it computed there and the token at t + k, and predicts
    the token at t + k + 1. The last k positions have no such token and are left out; a module for which none is left
    adds nothing.
    """
    losses = []
    for depth, module in enumerate(model.mtp_modules, start=1):
        length = windows.shape[1] - 1 - depth
        if length < 1:
            break
        embeddings = model.model.embed_tokens(windows[:, depth : depth + length])
        rotary = rotary_table(model.config, 0, length, hidden.device)
        hidden = module(hidden[:, :length], embeddings, rotary=rotary)  # (B, T - k, M)
        targets = windows[:, depth + 1 :]
        losses.append(head_cross_entropy(hidden.flatten(0, 1), model.lm_head.weight, targets.flatten()))
    return losses


@torch.no_grad()
def held_out_loss(model: DeepSeekForCausalLM, tokens: Tensor, length: int, batch: int = 16) -> float:
    """Mean loss in nats per token over all of `tokens`, cut in windows of `length` side by side.

    Every token but the first is predicted once, from at most `length` tokens before it. Raises `ValueError` for fewer
    than 2 tokens.
    """
    require(len(tokens) >= 2, "tokens", len(tokens), "at least 2")
    device, training = model.lm_head.weight.device, model.training
    model.eval()
    total, count = 0.0, len(tokens) - 1
    whole = count // length
    windows = tokens[: whole * length + 1].unfold(0, length + 1, length) if whole else tokens[:0].view(0, 1)
    for part in [*windows.split(batch), tokens[whole * length :][None]]:
        part = part.to(device).long()
        predicted = part[:, 1:].numel()
        if predicted:
            hidden = model.hidden_states(part[:, :-1])
            loss = head_cross_entropy(hidden.flatten(0, 1), model.lm_head.weight, part[:, 1:].flatten())
            total += loss.item() * predicted
    model.train(training)
    return total / count
