"""Token after token: run the model, choose, append, repeat, with a cache so that each token is computed once.

`generate` returns when all is written; `generate_tokens` hands over each step's tokens as they come.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from deepseek_lab.config import is_whole, require, require_whole
from deepseek_lab.inference.sampling import Sampling
from deepseek_lab.model.cache import ModelCache
from deepseek_lab.model.decoder import DeepSeekForCausalLM, next_token_logits

# One step of decoding: the new tokens (B, 1), put into the cache -> the logits after them (B, V).
Step = Callable[[Tensor, ModelCache], Tensor]

# How much of a prompt is put into the cache at a time: memory for scores grows with the square of a prompt, and this
# bounds it. Measured with 4,096 tokens on two busy CPU cores, all at once against 512 at a time, memory beyond the
# weights and CPU time: the lab's model 860 and 130 MB, 4.5 and 4.2 s; of hidden size 256 with 8 heads, V2 1,315 and
# 230 MB, 7.4 and 11 s, V3 1,320 and 210 MB, 8.2 and 10 s, V3.2 190 and 105 MB, 12 and 7 s, V4 150 and 50 MB, 3.4 and
# 6.3 s. A caller with memory to spare asks for the whole prompt's length.
PREFILL_CHUNK = 512


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
    eos_token_id: int | None = None,
    prefill_chunk: int | None = None,
    step: Step | None = None,
) -> Tensor:
    """(B, T) -> (B, T + max_new_tokens): the prompt, and what the model writes after it.

    Temperature 0 takes the most likely token every time; above, tokens are drawn from softmax(logits / temperature)
    with `generator`, of which `top_k`, `top_p` and `min_p` leave out unlikely ones. `repetition_penalty` makes tokens
    that came before, in this call, less likely. `Sampling` says how, and raises `ValueError` for numbers that make no
    sense.

    A row that has written `eos_token_id` is filled with it from there on. When all rows have, the result ends: it is
    then shorter than T + max_new_tokens.

    `cache`, `prefill_chunk` and `step`: as in `generate_tokens`.
    """
    sampling = Sampling(temperature, top_k, top_p, min_p, repetition_penalty)
    new = generate_tokens(
        model, input_ids, max_new_tokens, sampling, cache, generator,
        eos_token_id=eos_token_id, prefill_chunk=prefill_chunk, step=step,
    )  # fmt: skip
    return torch.cat([input_ids, *new], dim=1)


def generate_tokens(
    model: DeepSeekForCausalLM,
    input_ids: Tensor,
    max_new_tokens: int,
    sampling: Sampling | None = None,
    cache: ModelCache | None = None,
    generator: torch.Generator | None = None,
    *,
    eos_token_id: int | None = None,
    prefill_chunk: int | None = None,
    step: Step | None = None,
) -> Iterator[Tensor]:
    """What follows the prompt (B, T), token by token: each (B, 1). Nothing is computed before it is asked for.

    A `cache` that holds tokens already takes `input_ids` to follow them; by default a new one is made. The last token
    is not put into the cache. The prompt is put into it `prefill_chunk` tokens at a time, `PREFILL_CHUNK` by default:
    the logits are the same as all at once, and the memory for scores is bounded by (chunk, T) instead of (T, T).
    `step`, given the newest tokens, puts them into the cache and returns the logits after them, in place of the
    model's own forward pass.

    Ends after `max_new_tokens`, or when each row has written `eos_token_id`; rows that ended earlier are filled with
    it. Raises `ValueError` at the call, before anything is put into the cache, for arguments that make no sense and
    for a cache without room for the prompt and `max_new_tokens - 1` more.
    """
    require_whole(0, max_new_tokens=max_new_tokens)
    takes = "None or a whole number of at least "
    require(eos_token_id is None or (is_whole(eos_token_id) and eos_token_id >= 0), "eos_token_id", eos_token_id,
            takes + "0")  # fmt: skip
    require(prefill_chunk is None or (is_whole(prefill_chunk) and prefill_chunk >= 1), "prefill_chunk", prefill_chunk,
            takes + "1")  # fmt: skip
    require(step is None or callable(step), "step", step, "None or a function of tokens and cache")
    # All of the prompt: a wrong id in its last chunk must not leave the others in the cache.
    model._check(input_ids, cache if max_new_tokens else None)
    if max_new_tokens == 0:
        return iter(())
    length = input_ids.shape[1] + max_new_tokens - 1
    if cache is None:
        cache = model.new_cache(len(input_ids), length)
    cache.check_step(len(input_ids), length)
    step = step or partial(next_token_logits, model)
    prefill = partial(_prefill, model, input_ids, cache, prefill_chunk)
    return _written(prefill, step, input_ids, max_new_tokens, sampling or Sampling(), cache, generator, eos_token_id)


def _prefill(model: DeepSeekForCausalLM, input_ids: Tensor, cache: ModelCache, chunk: int | None) -> Tensor:
    *first, last = input_ids.split(chunk or PREFILL_CHUNK, dim=1)
    for piece in first:
        model.hidden_states(piece, cache)
    return next_token_logits(model, last, cache)


def _written(
    prefill: Callable[[], Tensor], step: Step, input_ids: Tensor, max_new_tokens: int, sampling: Sampling,
    cache: ModelCache, generator: torch.Generator | None, eos: int | None,
) -> Iterator[Tensor]:  # fmt: skip
    batch, start = input_ids.shape
    tokens = torch.empty(batch, start + max_new_tokens, dtype=torch.int64, device=input_ids.device)
    tokens[:, :start] = input_ids
    ended = torch.zeros(batch, 1, dtype=torch.bool, device=input_ids.device)
    new = input_ids
    for end in range(start, start + max_new_tokens):
        # Left before each yield: a generator that waits inside this block would leave its caller in inference mode.
        with torch.inference_mode():
            logits = step(new, cache) if end > start else prefill()
            new = sampling.choose(logits, tokens[:, :end], generator)  # (B, 1)
            if eos is not None:
                new = new.masked_fill(ended, eos)
                ended = ended | (new == eos)
            tokens[:, end : end + 1] = new
        yield tokens[:, end : end + 1].clone()  # a tensor like any other, which autograd takes too
        if eos is not None and ended.all():
            return
