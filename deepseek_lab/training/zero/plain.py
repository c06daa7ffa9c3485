"""What ZeRO is compared with: every rank holds everything. On one rank, plain training; on N, data parallelism.

Nothing here is flat or sharded: autograd's own `.grad`, one all-reduce for each parameter, and an optimizer of the
parameters themselves. 16Ψ bytes per rank in mixed precision: parameters 2, gradients 2, masters 4, Adam's moments 8.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from deepseek_lab.training.zero.engine import Engine, squared_norm


class DataParallel(Engine):
    """Nothing sharded: stage 0. A parameter that got no gradient has one of zeros, as in the other stages."""

    stage = 0

    def _place_parameters(self) -> None:
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        host = self.offload and self.device.type != "cpu"
        separate = host or self.precise != self.dtype or any(p.dtype != self.precise for p in self.trained)
        place = "cpu" if host else self.device
        masters = [nn.Parameter(p.to(place, self.precise, copy=True)) if separate else p for p in self.trained]
        self.master_of: dict[nn.Parameter, nn.Parameter] = dict(zip(self.trained, masters, strict=True))
        for parameter in self.model.parameters():
            parameter.data = parameter.data.to(self.dtype)

    def _optimizer_groups(self) -> list[dict]:
        return [
            {**group, "params": [self.master_of[p] for p in group["params"] if p in self.master_of]}
            for group in self.groups
        ]

    def _start(self) -> None:
        self._drop_gradients()

    @torch.no_grad()
    def _finish_backward(self) -> None:
        for parameter in self.trained:
            if parameter.grad is None:  # on another rank, there may be one
                parameter.grad = torch.zeros_like(parameter)
            self.ranks.all_reduce(parameter.grad)

    def _squared_norm(self) -> Tensor:
        """Every rank has the whole gradient: rank 0 speaks for all."""
        return squared_norm((p.grad for p in self.trained if self.ranks.rank == 0), self.device)

    @torch.no_grad()
    def _update(self, factor: float) -> None:
        for parameter, master in self.master_of.items():
            master.grad = parameter.grad.to(master.device, master.dtype).mul_(factor)
        self.optimizer.step()
        for parameter, master in self.master_of.items():
            if master is not parameter:
                master.grad = None
                parameter.copy_(master)

    def _drop_gradients(self) -> None:
        for parameter in self.trained:
            parameter.grad = None

    def _gradients(self) -> Iterable[Tensor]:
        return [p.grad for p in self.trained]
