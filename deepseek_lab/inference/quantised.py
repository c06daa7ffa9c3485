"""A model that reads quantised latents: its cache, and what that does to its loss."""

import torch
import torch.nn.functional as F
from torch import Tensor

from deepseek_lab.attention.quantised_cache import BLOCK, QuantisedCache
from deepseek_lab.config import require, require_whole
from deepseek_lab.model.cache import ModelCache
from deepseek_lab.model.decoder import DeepSeekForCausalLM


def quantised_cache(
    model: DeepSeekForCausalLM,
    batch_size: int,
    max_length: int,
    bits: int = 8,
    block: int = BLOCK,
    quantise_k_pe: bool = False,
) -> ModelCache:
    """As `model.new_cache`, with the latents as integers of 8, 6 or 4 bits and a scale for every `block` numbers.

    V2, V3 and V3.2, whose indexer's keys stay as they are. The rotated key stays too, unless `quantise_k_pe`. Raises
    `ValueError` for V4, and for what can't be packed so.
    """
    takes = "deepseek_v2, deepseek_v3 or deepseek_v32: V4 keeps no latents"
    require(model.config.model_type != "deepseek_v4", "model_type", model.config.model_type, takes)
    layers = []
    for block_number, layer in enumerate(model.blocks):
        plain = layer.self_attn.new_cache(1, 1)  # what it keeps, in which dtype and where
        widths = {name: slot.shape[-1] for name, slot in plain.slots.items()}
        latent, rotated = model.config.kv_lora_rank, model.config.qk_rope_head_dim
        if set(widths) == {"c_kv", "k_pe"}:
            quantised = {"c_kv": latent} | ({"k_pe": rotated} if quantise_k_pe else {})
        else:
            known = set(widths) == {"entries", "index_keys"}
            require(known, f"layer {block_number}", sorted(widths), "an attention that caches latents")
            quantised = {"entries": latent + rotated if quantise_k_pe else latent}
        kind = next(iter(plain.slots.values()))
        layers.append(QuantisedCache(batch_size, max_length, widths, quantised, kind.dtype, kind.device, bits, block))
    return ModelCache(layers, model)


@torch.no_grad()
def quantised_loss(
    model: DeepSeekForCausalLM,
    windows: Tensor,
    bits: int | None,
    pieces: int = 8,
    block: int = BLOCK,
    quantise_k_pe: bool = False,
    batch: int = 16,
) -> Tensor:
    """Each window's mean loss in nats per token, read piece by piece through a cache: (N, T + 1) ids -> (N,).

    `bits` None is the plain cache. Every token reads the latents of those before it, and its own, from the cache.
    Compare two results window by window (`mean_difference`): windows differ far more than caches do. Raises
    `ValueError` for windows of another shape.
    """
    good = windows.dim() == 2 and windows.shape[0] >= 1 and windows.shape[1] >= 2
    require(good, "windows", tuple(windows.shape), "shape (N, T + 1), N >= 1, T >= 1")
    require_whole(1, pieces=pieces, batch=batch)
    losses, length = [], windows.shape[1] - 1
    for part in windows.to(model.lm_head.weight.device).long().split(batch):
        if bits is None:
            cache = model.new_cache(len(part), length)
        else:
            cache = quantised_cache(model, len(part), length, bits, block, quantise_k_pe)
        inputs, targets = part[:, :-1], part[:, 1:]
        logits = torch.cat([model(piece, cache=cache) for piece in inputs.tensor_split(min(pieces, length), 1)], dim=1)
        per_token = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none")
        losses.append(per_token.view(targets.shape).mean(dim=1))
    return torch.cat(losses)


def mean_difference(losses: Tensor, reference: Tensor) -> tuple[float, float]:
    """Mean of `losses - reference` over windows (N,), and its standard error; N >= 2."""
    require(losses.shape == reference.shape, "losses", tuple(losses.shape), f"shape {tuple(reference.shape)}")
    require(losses.dim() == 1 and len(losses) >= 2, "losses", tuple(losses.shape), "shape (N,), N >= 2")
    difference = (losses - reference).double()
    return difference.mean().item(), difference.std().item() / len(difference) ** 0.5
