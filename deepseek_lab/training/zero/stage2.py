"""ZeRO stage 2: every rank also keeps the gradients of its own shard only.

Per step and rank, for Ψ parameters in bf16 on N ranks: the model 2Ψ bytes, gradients, masters and moments 14Ψ / N.

Stage 1 holds all gradients until the step. Here, as soon as the way back has left a unit, its gradients are reduced,
and freed. With accumulation that is once for every micro-batch, so m of them send (m + 1) Ψ numbers instead of 2 Ψ.
"""

from collections.abc import Iterable

from torch import Tensor

from deepseek_lab.training.zero.flat import Flat, Unit
from deepseek_lab.training.zero.stage1 import Stage1


class Stage2(Stage1):
    """Parameters whole, gradients and optimizer state sharded."""

    stage = 2

    def _gradient_buffer(self, flat: Flat) -> Tensor:
        """Lives from a unit's first gradient to the end of its reduce-scatter."""
        if flat not in self.gradients:
            self.ranks.meter.hold("gradients", super()._gradient_buffer(flat).nbytes)
        return self.gradients[flat]

    def _reduce(self, unit: Unit) -> None:
        self.reduced.add(unit)
        self._receive()  # the unit before: at most two units' gradients are whole at any time
        self._send(unit)
        if self.device.type == "cpu":
            self._receive()  # there, sending needs a second buffer: with a third, three would be whole

    def _reduced(self, flat: Flat, shard: Tensor) -> None:
        """A sum over ranks, added to those of earlier micro-batches; the whole buffer is freed."""
        if flat in self.shards_of_gradients:
            self.shards_of_gradients[flat] += shard
        else:
            self.shards_of_gradients[flat] = shard
        self.ranks.meter.hold("gradients", -self.gradients.pop(flat).nbytes)

    def _shard_gradient(self, flat: Flat) -> Tensor:
        return self.shards_of_gradients[flat]

    def _drop_gradients(self) -> None:
        super()._drop_gradients()
        self.shards_of_gradients: dict[Flat, Tensor] = {}

    def _gradients(self) -> Iterable[Tensor]:
        return [*self.gradients.values(), *self.shards_of_gradients.values()]
