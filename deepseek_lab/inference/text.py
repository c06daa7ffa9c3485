"""Text in, text out: what a model writes after some prompts."""

from collections.abc import Iterable, Sequence

from deepseek_lab.config import is_whole, require, require_whole
from deepseek_lab.inference.batching import Batcher
from deepseek_lab.inference.sampling import Sampling
from deepseek_lab.inference.stream import TextStream, prompt_ids, stop_strings
from deepseek_lab.model.decoder import DeepSeekForCausalLM


def complete_texts(
    model: DeepSeekForCausalLM,
    tokenizer,
    prompts: Sequence[str],
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    *,
    stop: str | Iterable[str] = (),
    max_batch: int = 16,
    **sampling,
) -> list[tuple[str, bool]]:
    """For each prompt, what follows it, and whether that is all: [(text, ended), ...].

    A text ended where the model ended it or before the first of the strings `stop`; else `max_new_tokens` cut it off.
    A begin token stands before each prompt. Up to `max_batch` prompts of any length run together; a text that has
    ended makes room for the next. Prompt number i draws with the seed `seed` + i, so that its text doesn't depend on
    the others. `sampling`: `top_k` and more, as in `Sampling`. Raises `ValueError` for what is no list of strings, or
    odd settings.
    """
    require(not isinstance(prompts, str), "prompts", prompts, "a list of strings")
    require(is_whole(seed), "seed", seed, "a whole number")
    require_whole(0, max_new_tokens=max_new_tokens)
    settings, stop = Sampling(temperature, **sampling), stop_strings(stop)
    ids, streams = [prompt_ids(tokenizer, prompt) for prompt in prompts], [TextStream(tokenizer, stop) for _ in prompts]
    if not prompts or max_new_tokens == 0:
        return [("", False)] * len(prompts)
    end, pieces = tokenizer.eos_token_id, [[] for _ in prompts]
    batcher = Batcher.sized_for(model, ids, max_new_tokens, max_batch)
    requests = [batcher.submit(each, max_new_tokens, settings, seed + i, end) for i, each in enumerate(ids)]
    open_texts = list(zip(requests, streams, pieces, strict=True))
    while open_texts:
        batcher.step()
        for request, stream, written in open_texts:
            for token in request.tokens[len(written) :]:
                written.append(stream.finish() if token == end else stream.feed(token))
            if stream.closed:
                batcher.cancel(request)
        open_texts = [each for each in open_texts if each[0].reason is None]
    closed = [stream.closed for stream in streams]
    return [
        ("".join(written) + stream.finish(), ended)
        for written, stream, ended in zip(pieces, streams, closed, strict=True)
    ]
