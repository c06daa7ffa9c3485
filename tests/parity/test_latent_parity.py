"""MLA against transformers' DeepseekV2Attention and DeepseekV3Attention: forward, every gradient, decoding, bf16."""

import pytest
import torch
from helpers.compare import gradients_of, note, relative_error
from hypothesis import given
from hypothesis import strategies as st
from transformers import DeepseekV2Config, DeepseekV3Config, DynamicCache
from transformers import logging as transformers_logging
from transformers.models.deepseek_v2 import modeling_deepseek_v2 as v2
from transformers.models.deepseek_v3 import modeling_deepseek_v3 as v3

from deepseek_lab import DeepSeekConfig
from deepseek_lab.attention import MultiHeadLatentAttention

OFFICIAL = {
    "deepseek_v2": (DeepseekV2Config, v2.DeepseekV2Attention, v2.DeepseekV2RotaryEmbedding),
    "deepseek_v3": (DeepseekV3Config, v3.DeepseekV3Attention, v3.DeepseekV3RotaryEmbedding),
}
transformers_logging.set_verbosity_error()  # random YaRN settings make it remark on each


@st.composite
def configs(draw):
    """A random small configuration of either model, as the official config class."""
    heads = draw(st.integers(1, 5))
    yarn = {
        "rope_type": "yarn",
        "factor": draw(st.sampled_from([1.0, 2.0, 40.0])),
        "original_max_position_embeddings": draw(st.sampled_from([16, 64, 4096])),
        "beta_fast": draw(st.sampled_from([32, 8])),
        "beta_slow": 1,
        "mscale": draw(st.sampled_from([1.0, 0.707])),
        "mscale_all_dim": draw(st.sampled_from([1.0, 0.707, 0.0])),
    }
    rope = draw(st.sampled_from([{"rope_type": "default"}, yarn])) | {"rope_theta": draw(st.sampled_from([1e4, 500.0]))}
    kind = draw(st.sampled_from(sorted(OFFICIAL)))
    even = 2 if kind == "deepseek_v2" else 1  # theirs views pairs as complex numbers, which must start at even places
    fields = dict(
        hidden_size=heads * draw(st.integers(4, 24)),
        num_attention_heads=heads,
        num_key_value_heads=heads,
        q_lora_rank=draw(st.sampled_from([None, 4, 24])),
        # A norm over one number gives its sign: its gradient is 0, and what is left of it is rounding.
        kv_lora_rank=even * draw(st.integers(4, 20)),
        qk_nope_head_dim=even * draw(st.integers(1, 20)),
        qk_rope_head_dim=2 * draw(st.integers(1, 8)),
        v_head_dim=draw(st.integers(1, 20)),
        attention_bias=draw(st.booleans()),
        max_position_embeddings=4096,
        rope_parameters=rope,
    )
    if kind == "deepseek_v3":
        fields["rope_interleave"] = draw(st.booleans())
    config = OFFICIAL[kind][0](**fields)
    config._attn_implementation = "eager"
    return config


def pair(official_config, seed: int, device: str):
    """Their module and ours with the same random weights, and their rotary embedding."""
    _, attention, rotary = OFFICIAL[official_config.model_type]
    torch.manual_seed(seed)
    theirs = attention(official_config, layer_idx=0)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.dim() == 1), std=0.3)  # norm weights around 1
    ours = MultiHeadLatentAttention(DeepSeekConfig.from_hf(official_config))
    ours.load_state_dict(theirs.state_dict())
    return theirs.to(device), ours.to(device), rotary(official_config).to(device)


def run_official(theirs, rotary, x, cache=None, start=0):
    """Their output for (B, T, M), with the causal mask that their model would pass."""
    tokens = x.shape[1]
    positions = torch.arange(start, start + tokens, device=x.device)[None]
    mask = torch.full((tokens, start + tokens), torch.finfo(x.dtype).min, dtype=x.dtype, device=x.device)
    mask = mask.triu(start + 1)[None, None]
    return theirs(x, position_embeddings=rotary(x, positions), attention_mask=mask, past_key_values=cache)[0]


@given(
    config=configs(),
    batch=st.integers(1, 3),
    tokens=st.integers(1, 33),
    absorb=st.booleans(),
    seed=st.integers(0, 999),
)
def test_forward_and_gradients(device, config, batch, tokens, absorb, seed):
    theirs, ours, rotary = pair(config, seed, device)
    x = torch.randn(batch, tokens, config.hidden_size).to(device)
    x_theirs, x_ours = x.clone().requires_grad_(), x.clone().requires_grad_()
    expected = run_official(theirs, rotary, x_theirs)
    output = ours(x_ours, absorb=absorb)
    assert note(f"forward {config.model_type}", relative_error(output, expected)) < 1e-5

    direction = torch.randn_like(expected)
    (expected * direction).sum().backward()
    (output * direction).sum().backward()
    their_grads = gradients_of(theirs, x_theirs)
    our_grads = gradients_of(ours, x_ours)
    assert our_grads.keys() == their_grads.keys()
    # Some gradients are exactly 0 (queries, when there is one token): what is computed for them is rounding of the
    # others, so a gradient counts as at least a hundredth of the largest.
    largest = max(grad.abs().max().item() for grad in their_grads.values())
    for name, grad in their_grads.items():
        error = (our_grads[name] - grad).abs().max().item() / max(grad.abs().max().item(), 0.01 * largest)
        assert note(f"gradients {config.model_type}", error) < 1e-5, name


@given(config=configs(), tokens=st.integers(2, 20), data=st.data())
def test_decoding_matches_their_cached_decoding(device, config, tokens, data):
    theirs, ours, rotary = pair(config, tokens, device)
    x = torch.randn(2, tokens, config.hidden_size).to(device)
    cache, their_cache = ours.new_cache(2, tokens), DynamicCache()
    start = 0
    with torch.no_grad():
        while start < tokens:  # any chunking
            chunk = x[:, start : start + data.draw(st.integers(1, tokens - start))]
            expected = run_official(theirs, rotary, chunk, their_cache, start)
            output = ours(chunk, cache, absorb=data.draw(st.sampled_from([True, False, None])))
            assert note(f"decoding {config.model_type}", relative_error(output, expected)) < 1e-5
            start += chunk.shape[1]
    assert relative_error(cache.slots["c_kv"], their_cache.layers[0].keys[:, 0]) < 1e-5


def test_attention_weights_are_theirs(device):
    config = DeepseekV3Config(hidden_size=32, num_attention_heads=4, num_key_value_heads=4)
    config._attn_implementation = "eager"
    theirs, ours, rotary = pair(config, 0, device)
    x = torch.randn(2, 9, 32).to(device)
    positions = torch.arange(9, device=device)[None]
    mask = torch.full((9, 9), torch.finfo(x.dtype).min, device=device).triu(1)[None, None]
    expected = theirs(x, position_embeddings=rotary(x, positions), attention_mask=mask)[1]
    assert relative_error(ours.attention_weights(x), expected) < 1e-5


@pytest.mark.parametrize("kind", sorted(OFFICIAL))
@pytest.mark.parametrize("absorb", [True, False])
def test_bf16_within_two_percent(kind, absorb, device):
    fields = dict(hidden_size=128, num_attention_heads=4, num_key_value_heads=4, q_lora_rank=48, kv_lora_rank=64)
    widths = dict(qk_nope_head_dim=32, qk_rope_head_dim=16, v_head_dim=32)
    rope = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}
    config = OFFICIAL[kind][0](**fields, **widths, **rope)
    config._attn_implementation = "eager"
    theirs, ours, rotary = pair(config, 0, device)
    for parameter in ours.parameters():  # scores of ordinary size: at 0.3 softmax is one-hot, and a tie-break
        parameter.data.mul_(0.3 if parameter.dim() == 2 else 1.0)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 37, 128, device=device)
    exact = run_official(theirs, rotary, x)
    theirs, ours = theirs.bfloat16(), ours.bfloat16()
    error_ours = note(f"bf16 {kind}", relative_error(ours(x.bfloat16(), absorb=absorb), exact))
    in_bf16 = run_official(theirs, rotary, x.bfloat16())
    assert error_ours < 2e-2
    assert note(f"bf16 {kind}, theirs", relative_error(in_bf16, exact)) < 2e-2  # the bound is bf16's, not ours
    between = relative_error(ours(x.bfloat16(), absorb=absorb), in_bf16)
    assert note(f"bf16 {kind}, ours against theirs", between) < 2e-2


@pytest.mark.parametrize("preset", ["v2-lite", "v2", "v3"])
def test_at_released_widths(device, preset):
    """The real widths, YaRN included, with fewer heads so that it fits in a test."""
    config = DeepSeekConfig.preset(preset)
    official_config = OFFICIAL[config.model_type][0](
        hidden_size=512, num_attention_heads=4, num_key_value_heads=4, q_lora_rank=config.q_lora_rank,
        kv_lora_rank=512, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128,
        max_position_embeddings=163840,
        rope_parameters={
            "rope_type": "yarn", "rope_theta": 1e4, "factor": 40.0, "original_max_position_embeddings": 4096,
            "beta_fast": 32, "beta_slow": 1, "mscale": config.rope_scaling.mscale,
            "mscale_all_dim": config.rope_scaling.mscale_all_dim,
        },
    )  # fmt: skip
    official_config._attn_implementation = "eager"
    theirs, ours, rotary = pair(official_config, 0, device)
    assert ours.config.rope_scaling == config.rope_scaling
    for module in (theirs, ours):
        for parameter in module.parameters():
            parameter.data.mul_(0.2 if parameter.dim() == 2 else 1.0)
    x = torch.randn(1, 65, 512).to(device)
    expected = run_official(theirs, rotary, x)
    for absorb in (True, False):
        assert note(f"released widths {preset}", relative_error(ours(x, absorb=absorb), expected)) < 1e-5
