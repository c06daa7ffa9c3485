"""V4's attention against transformers' DeepseekV4Attention, in its three kinds of layers."""

import pytest
import torch
from helpers.compare import gradients_of, note, relative_error
from helpers.v4 import V4, clear, official_attention_name
from hypothesis import given
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode
from transformers import DynamicCache
from transformers import logging as transformers_logging
from transformers.models.deepseek_v4 import modeling_deepseek_v4 as v4

from deepseek_lab import DeepSeekConfig
from deepseek_lab.attention.compressed import CompressedAttention
from deepseek_lab.config_fields import LAYER_TYPES, SPARSE

transformers_logging.set_verbosity_error()


class ScoresSeen(TorchFunctionMode):
    """The scores that their indexer picks from; it returns none of them."""

    scores = None

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.Tensor.topk:
            self.scores = args[0]
        return function(*args, **(kwargs or {}))


@st.composite
def configs(draw):
    """Sixteen index heads or more: with few, many scores are exactly 0, and which of them wins is anybody's guess."""
    return V4(draw, layer_types=[draw(st.sampled_from(LAYER_TYPES))])


def pair(config, seed: int, device: str):
    """Their module and ours with the same random weights, and their rotary embedding."""
    torch.manual_seed(seed)
    theirs = v4.DeepseekV4Attention(config, layer_idx=0)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    for name, parameter in theirs.named_parameters():
        if name.endswith("norm.weight"):
            torch.nn.init.normal_(parameter, mean=1.0, std=0.3)
    ours = CompressedAttention(DeepSeekConfig.from_hf(config), 0)
    ours.load_state_dict({official_attention_name(name): tensor for name, tensor in theirs.state_dict().items()})
    return theirs.to(device), ours.to(device), v4.DeepseekV4RotaryEmbedding(config).to(device)


def run_official(theirs, rotary, x, cache=None, start=0):
    tokens, window = x.shape[1], theirs.sliding_window
    positions = torch.arange(start, start + tokens, device=x.device)[None]
    kept = min(start, window - 1) if cache is not None else start
    ahead = torch.arange(tokens, device=x.device)[:, None] + kept - torch.arange(kept + tokens, device=x.device)
    mask = torch.zeros(ahead.shape, device=x.device).masked_fill((ahead < 0) | (ahead >= window), float("-inf"))
    tables = {kind: rotary(x, positions, layer_type=kind) for kind in ("main", "compress")}
    with ScoresSeen() as seen:
        output = theirs(
            x, position_embeddings=tables, position_ids=positions.expand(len(x), -1),
            attention_mask=mask.expand(len(x), 1, -1, -1), past_key_values=cache,
        )[0]  # fmt: skip
    return output, seen.scores


@given(configs(), st.integers(1, 3), st.integers(1, 40), st.integers(0, 999))
def test_output_and_gradients(device, config, batch, tokens, seed):
    theirs, ours, rotary = pair(config, seed, device)
    x = torch.randn(batch, tokens, config.hidden_size).to(device)
    x_theirs, x_ours = x.clone().requires_grad_(), x.clone().requires_grad_()
    expected, scores = run_official(theirs, rotary, x_theirs)
    if not clear(scores, config.index_topk):
        return
    output = ours(x_ours)
    assert note(f"{ours.kind} forward", relative_error(output, expected)) < 1e-5
    direction = torch.randn_like(expected)
    (expected * direction).sum().backward()
    (output * direction).sum().backward()
    wanted = gradients_of(theirs, x_theirs)
    wanted = {official_attention_name(name): grad for name, grad in wanted.items() if grad is not None}
    found = gradients_of(ours, x_ours)
    largest = max(grad.abs().max().item() for grad in wanted.values())
    for name, grad in wanted.items():
        if found[name] is None:  # nothing was complete yet: theirs multiplies by an empty tensor
            assert grad.abs().max() == 0, name
            continue
        error = (found[name] - grad).abs().max().item() / max(grad.abs().max().item(), 0.01 * largest)
        assert note(f"{ours.kind} gradients", error) < 1e-5, name
    left = [grad for name, grad in found.items() if name not in wanted and grad is not None]
    assert all(grad.abs().max() == 0 for grad in left)


@given(configs(), st.integers(2, 40), st.data())
def test_chunks_and_single_tokens(device, config, tokens, data):
    """Prefill and decoding in random pieces: against theirs with its own cache, and against one full pass."""
    theirs, ours, rotary = pair(config, 0, device)
    x = torch.randn(2, tokens, config.hidden_size).to(device)
    with torch.no_grad():
        whole, whole_scores = run_official(theirs, rotary, x)
        their_cache, cache, start = DynamicCache(config=config), ours.new_cache(2, tokens), 0
        while start < tokens:
            end = data.draw(st.integers(start + 1, tokens))
            expected, scores = run_official(theirs, rotary, x[:, start:end], their_cache, start)
            output = ours(x[:, start:end], cache)
            if clear(scores, config.index_topk):
                assert note(f"{ours.kind} cached", relative_error(output, expected)) < 1e-5
            if clear(whole_scores, config.index_topk):
                assert note(f"{ours.kind} against full", relative_error(output, whole[:, start:end])) < 1e-5
            start = end
            assert cache.length == end


@given(configs(), st.integers(1, 40), st.integers(1, 300))
def test_a_cache_holds_window_entries_and_open_window_and_no_more(config, length, extra):
    _, ours, _ = pair(config, 0, "cpu")
    ratio, d, d_index = ours.ratio, config.head_dim, config.index_head_dim
    overlap = ours.kind == SPARSE

    def numbers(max_length: int) -> int:
        total = (config.sliding_window - 1) * d
        for width in ([d] if ratio else []) + ([d_index] if overlap else []):
            columns = 2 * width if overlap else width
            total += max_length // ratio * width  # entries
            total += 2 * (ratio - 1) * columns  # the open window's values and gates
            total += 2 * ratio * width if overlap else 0  # what the last complete one leaves for the next
        return total

    assert ours.new_cache(3, length).nbytes == 3 * 4 * numbers(length)
    grown = numbers(length + extra * max(ratio, 1)) - numbers(length)
    per_token = ours.new_cache(1, 1).elements_per_token  # a fraction: entries stand for several tokens
    assert grown == pytest.approx(extra * max(ratio, 1) * per_token, rel=1e-12)
