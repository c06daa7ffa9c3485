"""A small decoder whose parts are given from outside, so that kinds of attention or experts can be compared in it."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepseek_lab.config import require
from deepseek_lab.moe.swiglu import SwiGLU


class SmallBlock(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x))."""

    def __init__(self, hidden_size: int, attention: nn.Module, feed_forward: nn.Module):
        super().__init__()
        self.input_layernorm = nn.RMSNorm(hidden_size, eps=1e-6)
        self.self_attn = attention
        self.post_attention_layernorm = nn.RMSNorm(hidden_size, eps=1e-6)
        self.mlp = feed_forward

    def forward(self, x: Tensor, cache=None) -> Tensor:
        """(B, T, M) -> (B, T, M); a cache of its attention's kind gains the T tokens."""
        x = x + self.self_attn(self.input_layernorm(x), cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class SmallDecoder(nn.Module):
    """Embedding, one block per given attention module, norm, and the embedding again as output head.

    An attention module takes `(hidden_states, cache)`; `new_cache` and `attention_weights` are passed on to it. The
    feed-forward parts are dense, `intermediate_size` wide, unless `feed_forwards` brings one module for each layer.
    """

    def __init__(
        self,
        attentions: Sequence[nn.Module],
        hidden_size: int,
        intermediate_size: int | None = None,
        vocab_size: int = 256,
        feed_forwards: Sequence[nn.Module] | None = None,
    ):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocab_size, hidden_size)
        given = (intermediate_size is not None) + (feed_forwards is not None)
        require(given == 1, "intermediate_size, feed_forwards", f"{given} of them", "one of the two")
        if feed_forwards is None:
            feed_forwards = [SwiGLU(hidden_size, intermediate_size) for _ in attentions]
        parts, many = len(feed_forwards), len(attentions)
        require(parts == many, "feed_forwards", f"{parts} modules", f"one for each of the {many} attention modules")
        pairs = zip(attentions, feed_forwards, strict=True)
        self.layers = nn.ModuleList(SmallBlock(hidden_size, *pair) for pair in pairs)
        self.norm = nn.RMSNorm(hidden_size, eps=1e-6)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Matrices from a normal distribution that keeps the size of what goes through them.

        DeepSeek's 0.02 is made for widths in the thousands; at width 128 it leaves attention scores near zero for
        the whole of a short training. Matrices that write to the residual stream start smaller with depth.
        """
        for name, weight in self.named_parameters():
            if weight.dim() >= 2:  # experts are stacks of matrices
                writes = name.endswith(("o_proj.weight", "down_proj.weight", "experts.down_proj"))
                depth = 2 * len(self.layers) if writes else 1
                nn.init.normal_(weight, std=(weight.shape[-1] * depth) ** -0.5)

    def forward(self, input_ids: Tensor, cache: Sequence | None = None) -> Tensor:
        """(B, T) -> logits (B, T, V). `cache` is what `new_cache` returned."""
        x = self.embed(input_ids)
        for layer, layer_cache in zip(self.layers, cache or [None] * len(self.layers), strict=True):
            x = layer(x, layer_cache)
        return F.linear(self.norm(x), self.embed_tokens.weight)

    def embed(self, input_ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, M). Raises `ValueError` for a wrong shape or ids outside the vocabulary."""
        shape, size = tuple(input_ids.shape), self.embed_tokens.num_embeddings
        require(
            input_ids.dim() == 2 and input_ids.numel() > 0,
            "input_ids",
            shape,
            "shape (batch, tokens), not empty",
        )
        kind = input_ids.dtype
        require(kind in (torch.int64, torch.int32), "input_ids dtype", kind, "torch.int64 or torch.int32")
        low, high = int(input_ids.min()), int(input_ids.max())
        require(low >= 0 and high < size, "input_ids", (low, high), f"ids from 0 to {size - 1}")
        return self.embed_tokens(input_ids)

    @torch.no_grad()
    def attention_weights(self, input_ids: Tensor) -> Tensor:
        """Who looks at whom in every layer and head: (B, T) -> (B, L, H, T, T), in fp32 or better."""
        x, maps = self.embed(input_ids), []
        for layer in self.layers:
            weights = layer.self_attn.attention_weights(layer.input_layernorm(x))
            maps.append(weights.to(torch.promote_types(weights.dtype, torch.float32)))
            x = layer(x)
        return torch.stack(maps, dim=1)

    def new_cache(self, batch_size: int, max_length: int) -> list:
        """One empty cache per layer."""
        return [layer.self_attn.new_cache(batch_size, max_length) for layer in self.layers]
