"""Writing with the lid open: for each token what the model looked at, which experts worked, and what is kept.

Nothing is computed twice: hooks read the numbers off the very pass that writes the token (`viz.writing` draws them).
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from deepseek_lab.attention.cache import AttentionCache
from deepseek_lab.attention.cache_size import multi_head_elements
from deepseek_lab.attention.dot_product import softmax
from deepseek_lab.attention.latent import MultiHeadLatentAttention
from deepseek_lab.config import is_whole, require, require_whole
from deepseek_lab.inference.generate import PREFILL_CHUNK
from deepseek_lab.inference.sampling import Sampling
from deepseek_lab.inference.stream import prompt_ids
from deepseek_lab.model.decoder import DeepSeekForCausalLM, next_token_logits
from deepseek_lab.moe import DeepSeekMoE, record_routing

BEGIN, END = "<begin>", "<end>"
LIKELIEST = 5  # tokens that are named with their probabilities
FAMILIES = ("deepseek_v2", "deepseek_v3")


@dataclass(frozen=True)
class Scene:
    """What stays as it is while a text is written. `expert_layers`: the layers, from 0, that have `experts` to choose.

    `token_bytes` are kept of each token, in all layers; `full_bytes` is what the keys and values of every head would
    take, in the same numbers.
    """

    prompt: tuple[str, ...]  # the pieces, a begin token first
    layers: int
    expert_layers: tuple[int, ...]
    experts: int
    token_bytes: int
    full_bytes: int


@dataclass(frozen=True)
class WrittenToken:
    """One token, and the pass that wrote it: the model stands at the newest of S tokens and looks back.

    `attention` (L, S): the weight of each token in each layer, heads averaged. `chosen` and `weights`, both
    (layers with experts, K): the experts of the token that the model stands at. `cache_bytes`: held of the S tokens,
    layer by layer. `probability` and `likeliest` are the model's own, whatever the temperature makes of them.
    """

    piece: str
    probability: float
    likeliest: tuple[tuple[str, float], ...]
    attention: Tensor
    chosen: Tensor
    weights: Tensor
    cache_bytes: tuple[int, ...]


def watch_writing(
    model: DeepSeekForCausalLM, tokenizer, prompt: str, max_new_tokens: int, temperature: float = 0.0, seed: int = 0
) -> tuple[Scene, Iterator[WrittenToken]]:
    """What `generate` writes after a begin token and the prompt, and how: a token as soon as it is asked for.

    Ends after `max_new_tokens`, or with the model's end token. Raises `ValueError` for an empty prompt, for a text that
    the model has no positions for, for numbers that make no sense, and for models other than V2 and V3, whose attention
    reads everything.
    """
    family = model.config.model_type
    require(family in FAMILIES, "model", family, " or ".join(FAMILIES))
    require(isinstance(prompt, str) and prompt, "prompt", prompt, "at least one character")
    require_whole(1, max_new_tokens=max_new_tokens)
    require(is_whole(seed), "seed", seed, "a whole number")
    ids, sampling = prompt_ids(tokenizer, prompt), Sampling(temperature)
    room = model.config.max_position_embeddings
    words = f"at most {room - max_new_tokens}, since {max_new_tokens} more are to be written and {room} is all"
    require(len(ids) + max_new_tokens <= room, "tokens of the prompt", len(ids), words)
    spell = partial(_spell, tokenizer)
    cache = model.new_cache(1, len(ids) + max_new_tokens - 1)
    scene, end = scene_of(model, tuple(map(spell, ids)), cache), tokenizer.eos_token_id
    return scene, _written(model, ids, cache, sampling, seed, end, spell)


def scene_of(model: DeepSeekForCausalLM, prompt: tuple[str, ...], cache) -> Scene:
    """The scene of this model, prompt and cache."""
    config = model.config
    expert_layers = tuple(i for i, block in enumerate(model.blocks) if isinstance(block.mlp, DeepSeekMoE))
    full = multi_head_elements(config.num_attention_heads, config.v_head_dim) * len(model.blocks)
    width = model.lm_head.weight.itemsize
    experts = config.n_routed_experts if expert_layers else 0
    kept = cache.elements_per_token * width
    return Scene(prompt, len(model.blocks), expert_layers, experts, kept, full * width)


def newest_weights(
    attention: MultiHeadLatentAttention, hidden_states: Tensor, cache: AttentionCache, rotary: tuple[Tensor, Tensor]
) -> Tensor:
    """Where the newest cached token looks: (B, H, S). `hidden_states` (B, T, M) and `rotary` are those of its pass.

    In the absorbed form, against the latents as they are kept: the work grows with S, not with its square.
    """
    q_nope, q_pe = attention.queries(hidden_states[:, -1:], rotary=tuple(part[-1:] for part in rotary))
    c_kv, k_pe = (cache.slots[name][:, None, : cache.length] for name in ("c_kv", "k_pe"))  # (B, 1, S, ...)
    w_uk, _ = attention.up_projections()
    q_latent = torch.einsum("bhtd,hdc->bhtc", q_nope, w_uk)
    return softmax((q_latent @ c_kv.mT + q_pe @ k_pe.mT) * attention.scale, c_kv.dtype)[:, :, 0]


def _written(
    model: DeepSeekForCausalLM, ids: list[int], cache, sampling: Sampling, seed: int, end: int, spell
) -> Iterator[WrittenToken]:
    device = model.lm_head.weight.device
    generator = torch.Generator(device).manual_seed(seed)
    tokens = torch.tensor([ids], device=device)
    new = tokens
    for _ in range(cache.max_length - len(ids) + 1):
        # Left before each yield: a generator that waits inside this block would leave its caller in inference mode.
        with torch.inference_mode(), ExitStack() as hooks:
            *first, last = new.split(PREFILL_CHUNK, dim=1)
            for piece in first:
                model.hidden_states(piece, cache)
            looks = [_watch(block.self_attn, hooks) for block in model.blocks]
            routes = hooks.enter_context(record_routing(model))
            logits = next_token_logits(model, last, cache)  # (1, V)
            new = sampling.choose(logits, tokens, generator)
            tokens = torch.cat([tokens, new], dim=1)
            written = _token(model, logits[0], int(new), looks, routes, cache, spell)
        yield written
        if int(new) == end:
            return


def _watch(attention: nn.Module, hooks: ExitStack) -> list[Tensor]:
    """A list that gets the layer's weights (H, S) when it next runs."""
    found: list[Tensor] = []

    def look(module: nn.Module, inputs: tuple, named: dict, _output: Tensor) -> None:
        hidden_states, cache = inputs
        found.append(newest_weights(module, hidden_states, cache, named["rotary"])[0])

    hooks.callback(attention.register_forward_hook(look, with_kwargs=True).remove)
    return found


def _token(model, logits: Tensor, token: int, looks: list, routes: list, cache, spell) -> WrittenToken:
    shares = logits.float().softmax(dim=-1)
    best = shares.topk(min(LIKELIEST, len(shares)))
    ranked = tuple(
        (spell(each), share) for each, share in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    )
    attention = torch.stack([found[0].float().mean(dim=0) for found in looks]).cpu()
    chosen = [routing.experts.view(-1, routing.experts.shape[-1])[-1] for _, routing in routes]
    weights = [routing.weights.view(-1, routing.weights.shape[-1])[-1] for _, routing in routes]
    none = torch.zeros(0, 0)
    width = model.lm_head.weight.itemsize
    held = tuple(layer.elements_per_token * layer.length * width for layer in cache.layers)
    return WrittenToken(
        spell(token), float(shares[token]), ranked, attention,
        torch.stack(chosen).cpu() if chosen else none.long(), torch.stack(weights).float().cpu() if weights else none,
        held,
    )  # fmt: skip


def _spell(tokenizer, token: int) -> str:
    """The text of a token; what is a part of a character is U+FFFD."""
    names = {tokenizer.bos_token_id: BEGIN, tokenizer.eos_token_id: END}
    return names.get(token) or tokenizer.decode([token])
