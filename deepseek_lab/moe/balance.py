"""Keeping experts equally busy, and measuring whether they are.

Load means rows: how many (token, expert) pairs an expert got. All functions take plain tensors, so they work on what
any router returned. Sources: DeepSeek-V2 2.2.3, DeepSeek-V3 2.1.2, Loss-Free Balancing (https://arxiv.org/abs/2408.15664).
"""

import math

import torch
from torch import Tensor

from deepseek_lab.config import is_number, is_whole, require


def expert_load(experts: Tensor, n_routed_experts: int) -> Tensor:
    """Rows that each expert got: (…, K) expert numbers -> (E,) int64. Loads of several batches may be added up.

    Raises `ValueError` for expert numbers outside 0 to E - 1.
    """
    _check_range(experts, n_routed_experts)
    return torch.bincount(experts.flatten(), minlength=n_routed_experts)


def max_violation(load: Tensor) -> float:
    """MaxVio: how far the busiest expert is above the mean, as a share of the mean. (E,) -> 0 (even) to E / K - 1.

    Over one batch this is MaxVio_batch, over a whole held-out set MaxVio_global. Raises `ValueError` for no load.
    """
    mean = load.double().mean().item()
    require(0 < mean < math.inf, "load", load.tolist(), "the rows of at least one token")
    return load.max().item() / mean - 1


def sequence_balance_loss(scores: Tensor, experts: Tensor) -> Tensor:
    """The auxiliary loss: 1 if experts are equally busy within each sequence, more if not. To be times a small alpha.

    scores (B, T, E), experts (B, T, K). f_i = E / (K T) * rows of expert i; P_i = mean over t of s_i / sum_j s_j;
    loss = sum_i f_i P_i, mean over sequences. f counts, and has no gradient: the gradient flows through P, away from
    experts with many rows. V2 weighs it with 0.003, V3 with 0.0001. Raises `ValueError` for other shapes.
    """
    fits = scores.dim() == experts.dim() == 3 and scores.shape[:2] == experts.shape[:2] and experts.numel() > 0
    got = f"{tuple(scores.shape)} and {tuple(experts.shape)}"
    require(fits, "scores and experts", got, "shapes (B, T, E) and (B, T, K), not empty")
    (batch, tokens, n_experts), per_token = scores.shape, experts.shape[2]
    _check_range(experts, n_experts)
    rows = torch.zeros(batch, n_experts, device=scores.device, dtype=scores.dtype)
    chosen = experts.flatten(1)
    rows.scatter_add_(1, chosen, torch.ones_like(chosen, dtype=scores.dtype))
    f = rows * (n_experts / (per_token * tokens))  # (B, E)
    p = (scores / (scores.sum(dim=-1, keepdim=True) + 1e-20)).mean(dim=1)  # (B, E)
    return (f * p).sum(dim=-1).mean()


@torch.no_grad()
def update_bias(bias: Tensor, load: Tensor, rate: float) -> None:
    """After each optimizer step: `bias` of experts below the mean load rises by `rate`, of those above it falls.

    In place, without gradient, in units of the scores. `load` (E,) counts the whole step: all micro-batches, and with
    several ranks all of them (all-reduce it first). V3 used 0.001, and 0 for the last tokens. Raises `ValueError` for a
    bias in less than fp32, and a load that is none.
    """
    require(is_number(rate) and rate >= 0, "rate", rate, "a number of at least 0")
    require(load.shape == bias.shape, "load", tuple(load.shape), f"shape {tuple(bias.shape)}, one count per expert")
    precise = bias.dtype in (torch.float32, torch.float64)
    require(precise, "bias dtype", bias.dtype, "torch.float32 at least: steps of 0.001 vanish in less")
    load = load.double()  # counts of a large step have no exact fp32
    fits = bool(load.isfinite().all()) and bool((load >= 0).all())
    require(fits, "load", load.tolist(), "counts, one for each expert")
    bias += rate * (load.mean() - load).sign().to(bias)


def device_fan_out(experts: Tensor, n_routed_experts: int, devices: int) -> Tensor:
    """To how many devices each token is sent: (…, K) -> (…), if device d holds the d-th part of the experts.

    With as many groups as devices, group-limited routing keeps this at most at `topk_group` (V2: 3 of 8; V3: 4). Raises
    `ValueError` if `devices` doesn't divide the experts.
    """
    divides = is_whole(devices) and devices >= 1 and n_routed_experts % devices == 0
    require(divides, "devices", devices, f"a divisor of the {n_routed_experts} experts")
    _check_range(experts, n_routed_experts)
    device = experts.div(n_routed_experts // devices, rounding_mode="floor")  # (…, K)
    visited = torch.zeros(*device.shape[:-1], devices, device=device.device, dtype=torch.bool)
    return visited.scatter(-1, device, True).sum(dim=-1)


def _check_range(experts: Tensor, n_routed_experts: int) -> None:
    kind = experts.dtype
    require(kind in (torch.int64, torch.int32), "experts dtype", kind, "torch.int64 or torch.int32")
    if experts.numel():
        (low, high), last = (int(end) for end in experts.aminmax()), n_routed_experts - 1
        require(low >= 0 and high <= last, "experts", (low, high), f"expert numbers from 0 to {last}")
