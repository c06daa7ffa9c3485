"""Looking back at a training: copies of the weights at some steps, and how a text was routed at each of them."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from deepseek_lab.config import is_whole, require
from deepseek_lab.moe.router import record_routing


class Snapshots:
    """Copies of a model's weights after some steps (0: before the first). Call `after_step` after each step."""

    def __init__(self, model: nn.Module, steps: Sequence[int]):
        rising = all(is_whole(s) and s >= 0 for s in steps) and all(a < b for a, b in pairwise(steps))
        require(len(steps) > 0 and rising, "steps", list(steps), "rising whole numbers from 0 on")
        self.model, self.steps, self.done = model, list(steps), 0
        self.states: dict[int, dict[str, Tensor]] = {}
        self._keep()

    def after_step(self) -> None:
        """Count a step, and copy the weights if it is one of those asked for."""
        self.done += 1
        self._keep()

    def _keep(self) -> None:
        if self.done in self.steps:
            self.states[self.done] = {name: t.detach().clone() for name, t in self.model.state_dict().items()}

    def at(self, step: int) -> Callable[[Tensor], Tensor]:
        """The model as it was after that step: a function from token ids to logits.

        Raises `ValueError` for a step that wasn't kept.
        """
        require(step in self.states, "step", step, f"one of those kept, {sorted(self.states)}")
        return lambda ids: torch.func.functional_call(self.model, self.states[step], (ids,))


class RoutingHistory(NamedTuple):
    """How T tokens were routed at P steps, in L layers."""

    steps: list[int]  # P
    scores: Tensor  # (P, L, T, E)
    biases: Tensor  # (P, L, E)
    experts: Tensor  # (P, L, T, K)
    weights: Tensor  # (P, L, T, K)


@torch.no_grad()
def routing_history(snapshots: Snapshots, input_ids: Tensor) -> RoutingHistory:
    """Route one text (1, T) with the model as it was at each of the steps kept. On the CPU.

    Raises `ValueError` for several texts.
    """
    require(input_ids.dim() == 2 and len(input_ids) == 1, "input_ids", tuple(input_ids.shape), "shape (1, tokens)")
    names = {module: name for name, module in snapshots.model.named_modules()}
    found, biases = [], []
    for step, state in snapshots.states.items():
        with record_routing(snapshots.model) as records:
            snapshots.at(step)(input_ids)
        found.append([routing for _, routing in records])
        none = torch.zeros_like(found[-1][0].scores[0])  # of routers without a bias
        biases.append([state.get(f"{names[router]}.e_score_correction_bias", none) for router, _ in records])
    fields = [
        torch.stack([torch.stack([getattr(routing, field) for routing in routings]) for routings in found]).cpu()
        for field in ("scores", "experts", "weights")
    ]
    biases = torch.stack([torch.stack(of_step) for of_step in biases]).cpu()
    return RoutingHistory(list(snapshots.states), fields[0], biases, *fields[1:])
