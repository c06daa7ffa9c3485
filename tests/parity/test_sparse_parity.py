"""Sparse attention against transformers' DeepseekV32Indexer and DeepseekV32Attention, top-k far below the length."""

import torch
from helpers.compare import gradients_of, note, relative_error
from hypothesis import given
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode
from transformers import DeepseekV32Config, DynamicCache
from transformers import logging as transformers_logging
from transformers.models.deepseek_v32 import modeling_deepseek_v32 as v32

from deepseek_lab import DeepSeekConfig
from deepseek_lab.attention.sparse_latent import SparseLatentAttention

transformers_logging.set_verbosity_error()
FORGOTTEN = 1e-4  # scores closer than this may change places by rounding


@st.composite
def configs(draw):
    """Sixteen index heads or more: with few, many scores are exactly 0, and which of them wins is anybody's guess."""
    heads, rope = draw(st.integers(1, 4)), 2 * draw(st.integers(1, 6))
    config = DeepseekV32Config(
        hidden_size=draw(st.integers(4, 40)), num_hidden_layers=1, num_attention_heads=heads, num_key_value_heads=heads,
        q_lora_rank=draw(st.integers(4, 24)), kv_lora_rank=draw(st.integers(4, 20)),
        qk_nope_head_dim=draw(st.integers(1, 16)), qk_rope_head_dim=rope, v_head_dim=draw(st.integers(1, 16)),
        attention_bias=draw(st.booleans()), index_topk=draw(st.integers(1, 8)), index_n_heads=draw(st.integers(16, 24)),
        index_head_dim=rope + draw(st.integers(0, 12)), rope_parameters={"rope_type": "default", "rope_theta": 1e4},
        max_position_embeddings=4096,
    )  # fmt: skip
    config._attn_implementation = draw(st.sampled_from(["eager", "sdpa"]))
    return config


def pair(config, seed: int, device: str):
    """Their module and ours with the same random weights, and their rotary embedding."""
    torch.manual_seed(seed)
    theirs = v32.DeepseekV32Attention(config, layer_idx=0)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.dim() == 1), std=0.3)
    fields = (
        "hidden_size num_attention_heads q_lora_rank kv_lora_rank qk_nope_head_dim qk_rope_head_dim v_head_dim "
        "attention_bias"
    )
    shape = {name: getattr(config, name) for name in fields.split()}
    ours = SparseLatentAttention(
        DeepSeekConfig(**shape, rope_scaling=None), config.index_topk, config.index_n_heads, config.index_head_dim
    )
    ours.load_state_dict(theirs.state_dict())
    return theirs.to(device), ours.to(device), v32.DeepseekV32RotaryEmbedding(config).to(device)


class ScoresSeen(TorchFunctionMode):
    """The scores that their indexer picks from; it returns none of them."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.Tensor.topk:
            self.scores = args[0]
        return function(*args, **(kwargs or {}))


def run_official(theirs, rotary, x, cache=None, start=0):
    tokens = x.shape[1]
    positions = torch.arange(start, start + tokens, device=x.device)[None]
    mask = torch.full((tokens, start + tokens), float("-inf"), device=x.device).triu(start + 1)
    mask = mask.expand(len(x), 1, -1, -1)
    with ScoresSeen() as seen:
        output = theirs(x, position_embeddings=rotary(x, positions), attention_mask=mask, past_key_values=cache)[0]
    return output, seen.scores


def clear(scores, topk: int) -> bool:
    """Whether the last score that is picked is clearly above the first that isn't, for every query."""
    if scores.shape[-1] <= topk:
        return True
    best = scores.topk(topk + 1, dim=-1).values
    gap = best[..., topk - 1] - best[..., topk]
    return bool((gap.nan_to_num(nan=1.0) > FORGOTTEN * scores[scores.isfinite()].abs().max()).all())


@given(configs(), st.integers(1, 3), st.integers(1, 40), st.integers(0, 999))
def test_scores_output_and_gradients(device, config, batch, tokens, seed):
    theirs, ours, rotary = pair(config, seed, device)
    x = torch.randn(batch, tokens, config.hidden_size).to(device)
    x_theirs, x_ours = x.clone().requires_grad_(), x.clone().requires_grad_()
    expected, their_scores = run_official(theirs, rotary, x_theirs)
    table = ours.rotary(x, None)
    scores = ours.indexer(x, ours.query_latent(x), ours.indexer.keys(x, table), table)
    visible = their_scores.isfinite()
    assert note("index scores", relative_error(scores[visible], their_scores[visible])) < 1e-5
    if not clear(their_scores, config.index_topk):
        return
    output = ours(x_ours)
    assert note("sparse forward", relative_error(output, expected)) < 1e-5
    direction = torch.randn_like(expected)
    (expected * direction).sum().backward()
    (output * direction).sum().backward()
    wanted = {name: grad for name, grad in gradients_of(theirs, x_theirs).items() if grad is not None}
    found = gradients_of(ours, x_ours)
    largest = max(grad.abs().max().item() for grad in wanted.values())
    for name, grad in wanted.items():
        error = (found[name] - grad).abs().max().item() / max(grad.abs().max().item(), 0.01 * largest)
        assert note("sparse gradients", error) < 1e-5, name
    assert all(found[name] is None for name in found.keys() - wanted.keys()), "the indexer has no gradient from here"


@given(configs(), st.integers(2, 30), st.data())
def test_chunks_and_single_tokens(device, config, tokens, data):
    """Prefill and decoding in random pieces, each piece against theirs with its own cache."""
    theirs, ours, rotary = pair(config, 0, device)
    x = torch.randn(2, tokens, config.hidden_size).to(device)
    their_cache, cache = DynamicCache(config=config), ours.new_cache(2, tokens)
    assert cache.elements_per_token == config.kv_lora_rank + config.qk_rope_head_dim + config.index_head_dim
    start = 0
    with torch.no_grad():
        while start < tokens:
            end = data.draw(st.integers(start + 1, tokens))
            expected, scores = run_official(theirs, rotary, x[:, start:end], their_cache, start)
            output = ours(x[:, start:end], cache)
            if clear(scores, config.index_topk):
                assert note("sparse cached", relative_error(output, expected)) < 1e-5
            start = end
