"""Token after token: run the model, choose, append, repeat, with a cache so that each token is computed once."""

import torch
from torch import Tensor

from deepseek_lab.config import is_whole, require
from deepseek_lab.inference.sampling import Sampling
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
    *,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float = 1.0,
) -> Tensor:
    """(B, T) -> (B, T + max_new_tokens): the prompt, and what the model writes after it.

    Temperature 0 takes the most likely token every time; above, tokens are drawn from softmax(logits / temperature)
    with `generator`, of which `top_k`, `top_p` and `min_p` leave out unlikely ones. `repetition_penalty` makes tokens
    that came before, in this call, less likely. `Sampling` says how, and raises `ValueError` for numbers that make no
    sense.

    A `cache` that holds tokens already takes `input_ids` to follow them; by default a new one is made. The last token
    is not put into the cache.
    """
    require(
        is_whole(max_new_tokens) and max_new_tokens >= 0, "max_new_tokens", max_new_tokens, "a whole number from 0 on"
    )
    sampling = Sampling(temperature, top_k, top_p, min_p, repetition_penalty)
    if cache is None:
        cache = model.new_cache(len(input_ids), max(1, input_ids.shape[1] + max_new_tokens - 1))
    tokens, new = input_ids, input_ids
    for _ in range(max_new_tokens):
        new = sampling.choose(next_token_logits(model, new, cache), tokens, generator)
        tokens = torch.cat([tokens, new], dim=1)
    return tokens
