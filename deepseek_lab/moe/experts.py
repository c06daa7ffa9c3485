"""The routed experts: E small SwiGLUs, of which each token visits K.

Written twice. `experts_looped` is the definition: expert by expert, pick its tokens, run it, add the results up.
`Experts` runs: in training, rows sorted by expert (`grouped`); in decoding, a few rows by as few operations as can be.
"""

from collections.abc import Sequence
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepseek_lab.config import is_whole, require
from deepseek_lab.linear import FEW, thin_pays
from deepseek_lab.moe.grouped import grouped_experts
from deepseek_lab.moe.swiglu import check_swiglu, swiglu


def experts_looped(
    x: Tensor, experts: Tensor, weights: Tensor, gate_up_proj: Tensor, down_proj: Tensor, limit: float | None = None
) -> Tensor:
    """To read. (N, M) tokens, (N, K) experts and weights -> (N, M).

    `gate_up_proj` (E, 2F, M) holds each expert's gate above its up matrix; `down_proj` is (E, M, F).
    """
    output = torch.zeros_like(x)
    # unbind, not gate_up_proj[e]: the gradient of an index is a tensor of zeros for all experts, E times over.
    for e, (gate_up, down) in enumerate(zip(gate_up_proj.unbind(), down_proj.unbind(), strict=True)):
        token, slot = (experts == e).nonzero(as_tuple=True)
        gate, up = (x[token] @ gate_up.T).chunk(2, dim=-1)  # (n, F) each
        y = swiglu(gate, up, limit) @ down.T  # (n, M)
        output = output.index_add(0, token, (y * weights[token, slot, None]).to(x.dtype))
    return output


class Experts(nn.Module):
    """All routed experts of a layer. Parameters as transformers holds them: one stack for all experts.

    `forward(x, experts, weights)`: (N, M), (N, K), (N, K) -> (N, M). Its cost follows N * K and not E. Raises
    `ValueError` for shapes and dtypes that don't fit and for expert numbers outside 0 to E - 1. It can be
    differentiated once, by `backward` or `torch.autograd.grad`, not by `torch.func`.
    """

    def __init__(self, n_routed_experts: int, hidden_size: int, intermediate_size: int, limit: float | None = None):
        super().__init__()
        many = is_whole(n_routed_experts) and n_routed_experts >= 1
        require(many, "n_routed_experts", n_routed_experts, "a whole number of at least 1")
        check_swiglu(hidden_size, intermediate_size, limit)
        self.n_routed_experts, self.limit = n_routed_experts, limit
        self.gate_up_proj = nn.Parameter(torch.empty(n_routed_experts, 2 * intermediate_size, hidden_size))
        self.down_proj = nn.Parameter(torch.empty(n_routed_experts, hidden_size, intermediate_size))
        for weight in (self.gate_up_proj, self.down_proj):
            nn.init.normal_(weight, std=weight.shape[-1] ** -0.5)

    def forward(self, x: Tensor, experts: Tensor, weights: Tensor) -> Tensor:
        """(N, M) tokens, (N, K) experts and their weights -> (N, M), the weighted sum of what the experts say."""
        stacks = self.gate_up_proj, self.down_proj
        self._check(x, experts, weights)
        few = len(x) <= FEW and not torch.is_grad_enabled()
        run = self._decode if few else self._grouped
        device = x.device.type
        if not torch.is_autocast_enabled(device):
            if x.dtype != self.down_proj.dtype:
                raise ValueError(f"expert input: got {x.dtype}, but it takes {self.down_proj.dtype}, as the weights")
            return run(x, experts, weights, *stacks)
        cast = torch.get_autocast_dtype(device)  # autocast doesn't look into our own products
        with torch.autocast(device, enabled=False):
            return run(x.to(cast), experts, weights, *(stack.to(cast) for stack in stacks)).to(x.dtype)

    def _check(self, x: Tensor, experts: Tensor, weights: Tensor) -> None:
        """Comparisons only: a message is put together when it is needed."""
        width, whole = self.gate_up_proj.shape[-1], (torch.int64, torch.int32)
        if x.dim() != 2 or x.shape[1] != width or not x.is_floating_point():
            got = f"{x.dtype} of shape {tuple(x.shape)}"
            raise ValueError(f"expert input: got {got}, but it takes floating-point numbers (tokens, {width})")
        if experts.dim() != 2 or experts.shape != weights.shape or len(experts) != len(x):
            got = f"shapes {tuple(experts.shape)} and {tuple(weights.shape)}"
            raise ValueError(f"experts and weights: got {got}, but they take one shape, ({len(x)}, experts per token)")
        if experts.dtype not in whole:
            raise ValueError(f"experts: got {experts.dtype}, but it takes torch.int64 or torch.int32")

    def _grouped(self, x: Tensor, experts: Tensor, weights: Tensor, gate_up_proj: Tensor, down_proj: Tensor) -> Tensor:
        if experts.numel():
            self._check_range(*(int(end) for end in experts.aminmax()))
        return grouped_experts(x, experts, weights, gate_up_proj, down_proj, self.limit)

    def _decode(self, x: Tensor, experts: Tensor, weights: Tensor, gate_up_proj: Tensor, down_proj: Tensor) -> Tensor:
        """The same for a few tokens, where starting an operation costs more than what it computes."""
        chosen = experts.flatten().tolist()
        if not chosen:
            return torch.zeros_like(x)
        self._check_range(min(chosen), max(chosen))
        if len(x) == 1:  # one row for each expert: nothing to sort
            gate, up = _visit(x.repeat(len(chosen), 1), gate_up_proj, chosen, [1] * len(chosen)).chunk(2)
            hidden = (swiglu(gate, up, self.limit) * weights).to(x.dtype).T  # (K, F)
            return _visit(hidden, down_proj, chosen, [1] * len(chosen)).sum(dim=1)[None]
        order = sorted(range(len(chosen)), key=chosen.__getitem__)  # rows of one expert side by side
        visited, sizes = zip(*((e, len(list(rows))) for e, rows in groupby(chosen[row] for row in order)), strict=True)
        order = torch.tensor(order, device=x.device)
        rows = x.index_select(0, order.div(experts.shape[1], rounding_mode="floor"))
        gate, up = _visit(rows, gate_up_proj, visited, sizes).chunk(2)  # (F, S) each
        hidden = (swiglu(gate, up, self.limit) * weights.flatten()[order]).to(x.dtype).T  # (S, F)
        y = _visit(hidden, down_proj, visited, sizes).T  # (S, M)
        return torch.empty_like(y).index_copy(0, order, y).view(*experts.shape, -1).sum(dim=1)

    def _check_range(self, low: int, high: int) -> None:
        last = self.n_routed_experts - 1
        require(low >= 0 and high <= last, "experts", (low, high), f"expert numbers from 0 to {last}")


def _visit(rows: Tensor, weight: Tensor, visited: Sequence[int], sizes: Sequence[int]) -> Tensor:
    """Each slice of rows (S, I) times the transposed matrix (O, I) of the expert visited -> columns (O, S).

    What `thin_linear` does, for many matrices: what can be done for all of them at once, is.
    """
    columns = rows.contiguous().T  # (I, S), a view: see thin_linear
    if not thin_pays(1, weight[0]):
        parts = columns.split(sizes, dim=1)
        return torch.cat([F.linear(part.T, weight[e]).T for e, part in zip(visited, parts, strict=True)], dim=1)
    halves, parts = weight.unflatten(1, (2, -1)), columns.expand(2, -1, -1).split(sizes, dim=2)
    products = [torch.bmm(halves[e], part) for e, part in zip(visited, parts, strict=True)]  # (2, O / 2, n) each
    return torch.cat(products, dim=2).flatten(0, 1)
