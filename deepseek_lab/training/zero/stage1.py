"""ZeRO stage 1: every rank keeps the optimizer's state for its own shard of the parameters.

Per step and rank, for Ψ parameters in bf16 on N ranks: the model 2Ψ bytes, gradients 2Ψ, masters and two moments
12Ψ / N.

    gradients  reduce-scatter   each rank has the sum over the ranks, of its shard
    optimizer                   each rank updates its shard
    parameters all-gather       each rank has them all again

Source: ZeRO (https://arxiv.org/abs/1910.02054), sections 5.1 and 7.
"""

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn

from deepseek_lab.training.zero.engine import Engine, squared_norm
from deepseek_lab.training.zero.flat import Flat, Unit, make_units
from deepseek_lab.training.zero.state import load_shard_state, shard_state
from deepseek_lab.training.zero.uses import Uses


class Stage1(Engine):
    """Parameters and gradients whole, optimizer state sharded."""

    stage = 1

    def _place_parameters(self) -> None:
        self.units = make_units(self.model, self.unit_modules, self.ranks.size, self.ranks.rank, self._group_of)
        self.trained = [flat for unit in self.units for flat in unit.trained]
        self.buffers: dict[Flat, Tensor] = {}  # all parameters of a flat
        self.masters: dict[Flat, Tensor] = {}  # what the optimizer updates: this rank's shard, in full precision
        self.pieces: dict[Flat, list[nn.Parameter]] = {}  # the master, cut where the optimizer's group changes
        self._drop_gradients()
        for unit in self.units:
            for flat in unit.flats:
                wanted = flat in unit.trained
                # From the parameters as they were given: rounded to bf16 first, the master would have lost digits.
                master = self._at_optimizer(flat.pack(self.precise)[flat.own]) if wanted else None
                self._place(flat)
                if wanted:
                    shard = self.own_shard(flat)
                    same = shard.dtype == master.dtype and shard.device == master.device
                    self.masters[flat] = shard if same else master  # fp32 needs no second copy
                    for index, parameter in enumerate(flat.parameters):
                        parameter.register_post_accumulate_grad_hook(partial(self._arrived, unit, flat, index))
        self.uses = Uses(self.units, self)

    def _at_optimizer(self, tensor: Tensor) -> Tensor:
        """A copy where the optimizer's state lives: on the host, if offloaded."""
        copy = tensor.to("cpu" if self.offload else self.device, copy=True)
        return copy.pin_memory() if copy.device != self.device else copy

    def _place(self, flat: Flat) -> None:
        """Parameters become views of one buffer: an all-gather into it is all that they need to be new."""
        self.buffers[flat] = flat.pack(self.dtype)
        for parameter, view in zip(flat.parameters, flat.views(self.buffers[flat]), strict=True):
            parameter.data = view

    def own_shard(self, flat: Flat) -> Tensor:
        """This rank's parameters, in the model's precision."""
        return self.buffers[flat][flat.own]

    def _optimizer_groups(self) -> list[dict]:
        pieces = [[] for _ in self.groups]
        for flat in self.trained:
            groups, sizes = zip(*flat.runs(self._group_of.get), strict=True)
            self.pieces[flat] = [nn.Parameter(part) for part in self.masters[flat].split(sizes)]
            for group, piece in zip(groups, self.pieces[flat], strict=True):
                pieces[group].append(piece)
        return [{**group, "params": part} for group, part in zip(self.groups, pieces, strict=True)]

    # Gradients.

    def _start(self) -> None:
        self._drop_gradients()

    def _start_micro_batch(self, last: bool) -> None:
        self.last, self.reduced, self.sending = last, set(), []
        self.uses.start()

    @torch.no_grad()
    def _arrived(self, unit: Unit, flat: Flat, index: int, parameter: nn.Parameter) -> None:
        """Autograd has a parameter's gradient: put it in its place. Those that never come stay zeros."""
        if unit in self.reduced:
            raise RuntimeError(f"{flat.names[index]}: a gradient outside of a step, or after its unit's turn was over")
        self.ranks.meter.hold("gradients", parameter.grad.nbytes)
        flat.view(self._gradient_buffer(flat), index).add_(parameter.grad)
        self.ranks.meter.hold("gradients", -parameter.grad.nbytes)
        parameter.grad = None

    def _gradient_buffer(self, flat: Flat) -> Tensor:
        if flat not in self.gradients:
            self.gradients[flat] = torch.zeros(flat.padded, dtype=self.dtype, device=self.device)
        return self.gradients[flat]

    def before_forward(self, unit: Unit) -> None:
        """Nothing to do: the parameters are there."""

    def after_forward(self, unit: Unit) -> None:
        """Nothing to do: they stay."""

    def before_backward(self, unit: Unit) -> None:
        """Nothing to do."""

    def after_backward(self, unit: Unit, complete: list[Unit]) -> None:
        """While the way back goes on to the next unit, these gradients travel."""
        for each in complete:
            self._reduce(each)

    def _finish_micro_batch(self) -> None:
        self.uses.finish()
        for unit in self.units:  # those that took no part in the loss, on any rank
            if unit not in self.reduced:
                self._reduce(unit)
        self._receive()

    def _reduce(self, unit: Unit) -> None:
        """Once per step, in the last backward pass: until then, each rank adds up its own gradients."""
        self.reduced.add(unit)
        if self.last:
            self._receive()
            self._send(unit)

    def _send(self, unit: Unit) -> None:
        for flat in unit.trained:
            self.sending.append((flat, self.ranks.reduce_scatter(self._gradient_buffer(flat))))

    @torch.no_grad()
    def _receive(self) -> None:
        for flat, wait in self.sending:
            self._reduced(flat, wait())
        self.sending = []

    def _reduced(self, flat: Flat, shard: Tensor) -> None:
        """The sum over the ranks of this rank's shard has come."""
        self.gradients[flat][flat.own] = shard

    def _shard_gradient(self, flat: Flat) -> Tensor:
        return self.gradients[flat][flat.own]

    def _squared_norm(self) -> Tensor:
        return squared_norm(map(self._shard_gradient, self.trained), self.device)

    def _drop_gradients(self) -> None:
        self.gradients: dict[Flat, Tensor] = {}  # whole buffers

    def _gradients(self) -> Iterable[Tensor]:
        return self.gradients.values()

    # The update.

    @torch.no_grad()
    def _update(self, factor: float) -> None:
        """Flat by flat, so that a gradient in full precision exists for one at a time.

        An optimizer leaves alone what has no gradient. It must treat every number on its own, as AdamW does.
        """
        waits = []
        for flat in self.trained:
            master, pieces = self.masters[flat], self.pieces[flat]
            gradient = self._shard_gradient(flat).to(master.device, master.dtype).mul_(factor)
            for piece, part in zip(pieces, gradient.split([p.numel() for p in pieces]), strict=True):
                piece.grad = part
            self.optimizer.step()
            for piece in pieces:
                piece.grad = None
            waits.append(self.publish(flat))
        for wait in waits:
            wait()

    def publish(self, flat: Flat) -> Callable[[], None]:
        """This rank's new parameters, to all others."""
        self._refresh(flat)
        return self.ranks.all_gather(self.buffers[flat])

    def _refresh(self, flat: Flat) -> None:
        """From the master to the shard in the model's precision, where they are two."""
        shard = self.own_shard(flat)
        master = self.masters.get(flat, shard)  # what is frozen has none
        if shard.data_ptr() != master.data_ptr():
            shard.copy_(master)

    def shard_state(self) -> dict:
        """This rank's part of the training's state, for a checkpoint: see `state`."""
        return shard_state(self)

    def load_shard_state(self, state: dict) -> None:
        """Continue from a `shard_state` of this rank of as many; all ranks must call it."""
        load_shard_state(self, state)
