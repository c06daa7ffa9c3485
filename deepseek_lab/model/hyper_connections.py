"""Manifold-constrained hyper-connections (mHC): several residual streams instead of one, mixed so that none grows.

An ordinary model keeps one vector per token, and each layer adds to it. Hyper-connections keep n of them. A layer
reads a weighted sum of the streams, and its output is written back to all of them, each with its own weight; between
reading and writing, the streams are also mixed with each other by an n x n matrix. The weights are computed from the
token itself.

Sixty mixing matrices in a row are a product of sixty matrices, and that can explode. So each one is kept doubly
stochastic: no number below 0, every row and every column summing to 1. Such a matrix never makes the largest number
larger, and a product of such matrices is one again. Source: DeepSeek-V4; equal to transformers'
`DeepseekV4HyperConnection` and `DeepseekV4HyperHead`, with their parameter names
(`tests/parity/test_hyper_connections_parity.py`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepseek_lab.config import is_number, is_whole, require


def sinkhorn(logits: Tensor, iterations: int = 20, eps: float = 1e-6) -> Tensor:
    """(…, n, n) of any numbers -> (…, n, n) doubly stochastic: no number below 0, rows and columns summing to 1.

    Sinkhorn and Knopp: make every row sum to 1, then every column, and again. The last step is on columns, so theirs
    are exact up to `eps` and those of the rows approach 1. Raises `ValueError` for matrices that aren't square.
    """
    require(logits.dim() >= 2 and logits.shape[-1] == logits.shape[-2], "matrix", tuple(logits.shape), "(…, n, n)")
    require(is_whole(iterations) and iterations >= 1, "iterations", iterations, "a whole number of at least 1")
    matrix = logits.softmax(dim=-1) + eps
    matrix = matrix / (matrix.sum(dim=-2, keepdim=True) + eps)
    for _ in range(iterations - 1):
        matrix = matrix / (matrix.sum(dim=-1, keepdim=True) + eps)
        matrix = matrix / (matrix.sum(dim=-2, keepdim=True) + eps)
    return matrix


class _Streams(nn.Module):
    """What reads n streams: their shape, and their projection to a few numbers per token."""

    def __init__(self, hidden_size: int, hc_mult: int, hc_eps: float, rms_norm_eps: float):
        super().__init__()
        for field, value in (("hidden_size", hidden_size), ("hc_mult", hc_mult)):
            require(is_whole(value) and value >= 1, field, value, "a whole number of at least 1")
        for field, value in (("hc_eps", hc_eps), ("rms_norm_eps", rms_norm_eps)):
            require(is_number(value) and value >= 0, field, value, "a number of at least 0")
        self.hidden_size, self.hc_mult = hidden_size, hc_mult
        self.hc_eps, self.rms_norm_eps = hc_eps, rms_norm_eps

    def _project(self, streams: Tensor, weight: Tensor) -> Tensor:
        """(B, T, n, M) and (O, n M) -> (B, T, O): all streams of a token side by side, normed, projected. In fp32."""
        shape = (self.hc_mult, self.hidden_size)
        if streams.dim() != 4 or streams.shape[2:] != shape:
            raise ValueError(f"streams: got shape {tuple(streams.shape)}, but they take (batch, tokens, {shape})")
        flat = streams.flatten(2).to(torch.promote_types(streams.dtype, torch.float32))
        flat = flat * torch.rsqrt(flat.square().mean(dim=-1, keepdim=True) + self.rms_norm_eps)
        return F.linear(flat, weight.to(flat.dtype))

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{self.hc_mult} streams of {self.hidden_size}"


class HyperConnection(_Streams):
    """The wiring around one sub-layer (attention, or feed-forward) of a model with n = `hc_mult` streams.

    `x, post, comb = connection(streams)` gives what the sub-layer reads, (B, T, M), and the weights for
    `streams = write_back(streams, output, post, comb)`. `fn`, `base` and `scale` make n reading weights, n writing
    weights and n x n mixing weights per token.
    """

    def __init__(
        self,
        hidden_size: int,
        hc_mult: int = 4,
        hc_sinkhorn_iters: int = 20,
        hc_eps: float = 1e-6,
        rms_norm_eps: float = 1e-6,
    ):
        super().__init__(hidden_size, hc_mult, hc_eps, rms_norm_eps)
        n, whole = hc_mult, is_whole(hc_sinkhorn_iters)
        require(whole and hc_sinkhorn_iters >= 1, "hc_sinkhorn_iters", hc_sinkhorn_iters, "at least 1")
        self.hc_sinkhorn_iters = hc_sinkhorn_iters
        self.fn = nn.Parameter(torch.empty((2 + n) * n, n * hidden_size))
        nn.init.normal_(self.fn, std=0.02)
        self.base = nn.Parameter(torch.zeros((2 + n) * n))
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, streams: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, n, M) -> the sub-layer's input (B, T, M), `post` (B, T, n) and `comb` (B, T, n, n)."""
        read, write, mix = self.weights(streams)
        x = (read[..., None] * streams).sum(dim=2).to(streams.dtype)
        return x, write, mix

    def weights(self, streams: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Per token, in fp32 at least: reading weights (B, T, n), writing (B, T, n) and mixing (B, T, n, n)."""
        n = self.hc_mult
        projected = self._project(streams, self.fn)
        base, scale = self.base.to(projected.dtype), self.scale.to(projected.dtype)
        sizes = [n, n, n * n]
        read, write, mix = (
            part * scale[i] + offset
            for i, (part, offset) in enumerate(zip(projected.split(sizes, dim=-1), base.split(sizes), strict=True))
        )
        mix = sinkhorn(mix.unflatten(-1, (n, n)), self.hc_sinkhorn_iters, self.hc_eps)
        return read.sigmoid() + self.hc_eps, 2 * write.sigmoid(), mix


def write_back(streams: Tensor, output: Tensor, post: Tensor, comb: Tensor) -> Tensor:
    """The streams after a sub-layer: stream j is sum_i comb[i, j] stream_i + post[j] output.

    (B, T, n, M), (B, T, M), (B, T, n), (B, T, n, n) -> (B, T, n, M). Note which way `comb` is read: transposed.
    """
    mixed = comb.to(streams.dtype).mT @ streams
    return post.to(streams.dtype)[..., None] * output[..., None, :] + mixed


class HyperHead(_Streams):
    """After the last layer: n streams become one. (B, T, n, M) -> (B, T, M)."""

    def __init__(self, hidden_size: int, hc_mult: int = 4, hc_eps: float = 1e-6, rms_norm_eps: float = 1e-6):
        super().__init__(hidden_size, hc_mult, hc_eps, rms_norm_eps)
        self.hc_fn = nn.Parameter(torch.empty(hc_mult, hc_mult * hidden_size))
        nn.init.normal_(self.hc_fn, std=0.02)
        self.hc_base = nn.Parameter(torch.zeros(hc_mult))
        self.hc_scale = nn.Parameter(torch.ones(1))

    def forward(self, streams: Tensor) -> Tensor:
        """Their weighted sum; the weights depend on what flows in them. (B, T, n, M) -> (B, T, M)."""
        projected = self._project(streams, self.hc_fn)
        scale, base = self.hc_scale.to(projected.dtype), self.hc_base.to(projected.dtype)
        read = (projected * scale + base).sigmoid() + self.hc_eps
        return (read[..., None] * streams).sum(dim=2).to(streams.dtype)
