"""Token after token: run the model, choose, append, repeat, with a cache so that each token is computed once."""

import torch
from torch import Tensor

from deepseek_lab.config import is_number, is_whole, require
from deepseek_lab.model.cache import ModelCache
from deepseek_lab.model.decoder import DeepSeekForCausalLM, next_token_logits


@torch.inference_mode()
def generate(
    model: DeepSeekForCausalLM,
    input_ids: Tensor,
    max_new_tokens: int,
    temperature: float = 0.0,
    cache: ModelCache | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """(B, T) -> (B, T + max_new_tokens): the prompt, and what the model writes after it.

    Temperature 0 takes the most likely token every time; above, tokens are drawn from softmax(logits / temperature)
    with `generator`. A `cache` that holds tokens already takes `input_ids` to follow them; by default a new one is
    made. The last token is not put into the cache.
    """
    require(
        is_whole(max_new_tokens) and max_new_tokens >= 0, "max_new_tokens", max_new_tokens, "a whole number from 0 on"
    )
    require(is_number(temperature) and temperature >= 0, "temperature", temperature, "a number of at least 0")
    if cache is None:
        cache = model.new_cache(len(input_ids), max(1, input_ids.shape[1] + max_new_tokens - 1))
    tokens, new = [input_ids], input_ids
    for _ in range(max_new_tokens):
        new = choose(next_token_logits(model, new, cache), temperature, generator)
        tokens.append(new)
    return torch.cat(tokens, dim=1)


def choose(logits: Tensor, temperature: float, generator: torch.Generator | None = None) -> Tensor:
    """(B, V) -> the chosen tokens (B, 1)."""
    if temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    weights = (logits.float() / temperature).softmax(dim=-1)
    return torch.multinomial(weights, 1, generator=generator)
