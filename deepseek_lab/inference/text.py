"""Text in, text out: what a model writes after some prompts."""

from collections.abc import Sequence

import torch

from deepseek_lab.inference.generate import generate
from deepseek_lab.model.decoder import DeepSeekForCausalLM


def complete_texts(
    model: DeepSeekForCausalLM,
    tokenizer,
    prompts: Sequence[str],
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[tuple[str, bool]]:
    """For each prompt, what follows it and whether the model ended its text there: [(text, ended), ...].

    A begin token stands before each prompt. Prompts of the same number of tokens run together. The same seed gives the
    same texts, for the same prompts in the same order.
    """
    device, begin, end = model.lm_head.weight.device, tokenizer.bos_token_id, tokenizer.eos_token_id
    generator = torch.Generator(device).manual_seed(seed)
    by_length: dict[int, list[tuple[int, list[int]]]] = {}
    for number, prompt in enumerate(prompts):
        ids = [begin, *tokenizer(prompt, add_special_tokens=False).input_ids]
        by_length.setdefault(len(ids), []).append((number, ids))
    answers: list[tuple[str, bool]] = [("", False)] * len(prompts)
    for length, group in by_length.items():
        ids = torch.tensor([ids for _, ids in group], device=device)
        written = generate(model, ids, max_new_tokens, temperature, generator=generator)[:, length:].tolist()
        for (number, _), new in zip(group, written, strict=True):
            ended = end in new
            answers[number] = tokenizer.decode(new[: new.index(end)] if ended else new), ended
    return answers
