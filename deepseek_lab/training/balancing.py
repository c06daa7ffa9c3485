"""Training with experts kept busy: not at all, by an auxiliary loss, or by V3's bias."""

import torch
from torch import Tensor, nn

from deepseek_lab.config import is_number, require
from deepseek_lab.moe.balance import expert_load, max_violation, sequence_balance_loss, update_bias
from deepseek_lab.moe.router import TopKRouter, record_routing
from deepseek_lab.training.corpus import Corpus, random_windows
from deepseek_lab.training.loop import next_token_loss

METHODS = ("none", "aux", "bias")


class Balancing:
    """Plugs into `train`: `train(model, ..., loss=balancing.loss, after_step=balancing.after_step)`.

    `strength` is alpha for "aux" (weight of the auxiliary loss) and the update rate for "bias" (in units of the
    scores). `violations` collects MaxVio of each step's batch, mean over layers.
    """

    def __init__(self, model: nn.Module, method: str = "bias", strength: float = 0.0):
        require(method in METHODS, "method", method, " or ".join(METHODS))
        require(is_number(strength) and strength >= 0, "strength", strength, "a number of at least 0")
        self.method, self.strength = method, strength
        routers = [module for module in model.modules() if isinstance(module, TopKRouter)]
        require(len(routers) > 0, "model", type(model).__name__, "a model with at least one TopKRouter")
        if method == "bias":
            kinds = {router.topk_method for router in routers}
            require(kinds == {"noaux_tc"}, "topk_method", sorted(kinds), "noaux_tc: the others have no bias")
        self.violations: list[float] = []
        self._loads: dict[TopKRouter, Tensor] = {}

    def loss(self, model: nn.Module, windows: Tensor) -> Tensor:
        """Next-token loss, with the auxiliary loss added if that is the method; adds up each expert's load.

        Called once for each micro-batch of a step.
        """
        with record_routing(model) as records:
            loss = next_token_loss(model, windows)
        records = [(router, routing) for router, routing in records if isinstance(router, TopKRouter)]
        for router, routing in records:
            load = expert_load(routing.experts, router.n_routed_experts)
            self._loads[router] = self._loads.get(router, 0) + load
        if self.method == "aux":
            batch = len(windows)
            added = [sequence_balance_loss(*(_per_text(rows, batch) for rows in routing[:2])) for _, routing in records]
            loss = loss + self.strength * torch.stack(added).sum()
        return loss

    def after_step(self) -> None:
        """Update the biases, once per optimizer step, and start counting anew.

        Raises `ValueError` if `loss` wasn't called before.
        """
        require(len(self._loads) > 0, "after_step", "no load", "a step whose loss was computed by this object's `loss`")
        self.violations.append(sum(map(max_violation, self._loads.values())) / len(self._loads))
        if self.method == "bias":
            for router, load in self._loads.items():
                update_bias(router.e_score_correction_bias, load, self.strength)
        self._loads = {}


def _per_text(rows: Tensor, batch: int) -> Tensor:
    return rows.unflatten(0, (batch, -1))  # (B * T, …) -> (B, T, …)


@torch.no_grad()
def held_out_loads(model: nn.Module, corpus: Corpus, length: int, windows: int = 256, batch: int = 16) -> Tensor:
    """Each expert's load on the same held-out windows every time: (batches, layers, E) int64."""
    device = next(model.parameters()).device
    text = random_windows(corpus.validation, windows, length, torch.Generator().manual_seed(1234))
    loads = []
    for part in text.split(batch):
        with record_routing(model) as records:
            model(part[:, :-1].to(device))
        loads.append(torch.stack([expert_load(r.experts, r.scores.shape[-1]) for _, r in records]))
    return torch.stack(loads).cpu()


def violations(loads: Tensor) -> tuple[float, float]:
    """(MaxVio_global, MaxVio_batch), mean over layers, of loads (batches, layers, E)."""
    overall = [max_violation(load) for load in loads.sum(dim=0)]
    per_batch = [max_violation(load) for load in loads.flatten(0, 1)]
    return sum(overall) / len(overall), sum(per_batch) / len(per_batch)
