"""PyTorch's FSDP2: `fully_shard` on every block, ZeRO's stage 3 with each parameter sharded by its rows.

Where ours puts a unit's parameters into one flat buffer, FSDP2 cuts each along its first dimension and keeps it as a
`DTensor`, which knows its whole shape. An optimizer then sees parameters with names and shapes as before.
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy, fully_shard
from torch.distributed.tensor import DTensor

from deepseek_lab.config import require
from deepseek_lab.training.engines.base import LibraryEngine, LossFn, WholeLoss
from deepseek_lab.training.engines.unused import use_all
from deepseek_lab.training.zero.engine import MakeOptimizer
from deepseek_lab.training.zero.flat import default_units


def fsdp2_config(dtype: torch.dtype | None = None, offload: bool = False) -> dict:
    """Keyword arguments of `fully_shard`, here for every unit and the root.

    - `reshard_after_forward`: free the gathered parameters after the forward pass and gather them again in the backward
      pass: 3Ψ numbers sent per step. False keeps them: 2Ψ, and the memory of stage 2.
    - `mp_policy`: in bf16, compute and gather in it; shards, gradients and their sums over the ranks are in fp32.
      Inputs of modules aren't cast: rotary tables, which blocks are given, stay in the precision that they need.
    - `offload_policy`: shards, gradients and optimizer on the host.
    """
    half = dtype == torch.bfloat16
    mixed = MixedPrecisionPolicy(torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False)
    host = CPUOffloadPolicy(pin_memory=torch.cuda.is_available())  # there is nothing to pin for without a GPU
    return {
        "reshard_after_forward": True,
        "mp_policy": mixed if half else MixedPrecisionPolicy(),
        "offload_policy": host if offload else OffloadPolicy(),
    }


class FSDP2(LibraryEngine):
    """Everything sharded: (4Ψ + 4Ψ + 8Ψ) / N bytes, in bf16 too, because the shards are the fp32 masters themselves.

    Each block (child of a `ModuleList`) is a unit. What lies outside of such lists (embedding, last norm, head) belongs
    to the root: there, tied parameters stay one, and a `loss_fn` may read them without calling their module, as MTP
    does with the head. With several micro-batches, gradients are summed whole (4Ψ) and sent once, after the last;
    `options={"sync_every_micro_batch": True}` sends after each and never holds more than a unit's whole.

    A rank on which a unit has a parameter without a gradient would send less than the others; each unit's output
    therefore depends on all of its parameters (see `unused`). The units themselves must be called on all ranks or none.
    An error inside of `loss_fn` leaves units gathered that should not be: make a new engine then.
    """

    name = "fsdp2"
    dtypes = (torch.float32, torch.float64, torch.bfloat16)

    def _set_up(self, make_optimizer: MakeOptimizer, groups: list[dict]) -> None:
        config = fsdp2_config(self.dtype, self.offload) | {"sync_every_micro_batch": False}
        unknown = sorted(set(self.options) - set(config))
        require(not unknown, "options", unknown, f"of {sorted(config)}")
        config |= self.options
        self.sync_every = config.pop("sync_every_micro_batch")
        shards = torch.float32 if self.dtype == torch.bfloat16 else self.dtype
        for parameter in self.model.parameters():
            parameter.data = parameter.data.to(shards)
        group_of = {p: number for number, group in enumerate(groups) for p in group["params"]}
        number_of = {name: group_of.get(p) for name, p in self.model.named_parameters()}
        self.root = WholeLoss(self.model)
        mesh = init_device_mesh(self.device.type, (dist.get_world_size(),))
        blocks = sharded_blocks(self.model)
        for module in [*blocks, self.root]:
            module.register_forward_hook(_use_all_parameters(module, blocks))
            fully_shard(module, mesh=mesh, **config)
        # The parameters are others now.
        named = dict(self.model.named_parameters())
        members = [[named[name] for name, n in number_of.items() if n == number] for number in range(len(groups))]
        self.trained = [p for params in members for p in params]
        self.optimizer = make_optimizer([{**g, "params": params} for g, params in zip(groups, members, strict=True)])

    def _backward(self, loss_fn: LossFn, micro_batch: object, count: int, last: bool) -> Tensor:
        self.root.set_requires_gradient_sync(last or self.sync_every)
        loss = self.root(loss_fn, micro_batch)
        (loss / count).backward()  # FSDP2 takes the mean over the ranks
        return loss

    def _finish(self) -> float:
        return self._clip_and_update()

    def full_state_dict(self) -> dict[str, Tensor]:
        """As the base class says; in bf16, what comes back is fp32: the shards are."""
        whole = {}
        for name, tensor in self.model.state_dict().items():
            tensor = tensor.detach()
            if isinstance(tensor, DTensor):
                tensor = tensor.to(self.device).full_tensor()  # gloo and NCCL each gather on their own device alone
            whole[name] = tensor.cpu().clone()
        return whole


def sharded_blocks(model: nn.Module) -> list[nn.Module]:
    """The children of `ModuleList`s whose parameters no other module has: each becomes a unit of its own."""
    listed = {child for inner in model.modules() if isinstance(inner, nn.ModuleList) for child in inner}
    blocks = [unit[0] for unit in default_units(model) if len(unit) == 1 and unit[0] in listed]
    users: dict[nn.Parameter, set] = {}
    for inner in model.modules():
        for parameter in inner.parameters(recurse=False):
            users.setdefault(parameter, set()).add(inner)
    return [b for b in blocks if all(users[p] <= set(b.modules()) for p in b.parameters())]


def _use_all_parameters(module: nn.Module, blocks: list[nn.Module]):
    inner = {m for block in blocks if block is not module for m in block.modules()}
    owners = [m for m in module.modules() if m not in inner]

    def hook(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        if not (torch.is_grad_enabled() and isinstance(output, Tensor) and output.requires_grad):
            return output
        return use_all(output, (p for m in owners for p in m.parameters(recurse=False)))

    return hook
