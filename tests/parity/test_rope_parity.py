"""RoPE and YaRN against transformers' rotary embeddings."""

import pytest
import torch
from helpers.compare import relative_error
from hypothesis import given
from hypothesis import strategies as st
from transformers import DeepseekV3Config
from transformers import logging as transformers_logging
from transformers.models.deepseek_v3 import modeling_deepseek_v3 as v3

from deepseek_lab import DeepSeekConfig
from deepseek_lab.attention.rope import (
    apply_rope,
    rope_amplitude,
    rope_cos_sin,
    rope_frequencies,
    softmax_scale,
)
from deepseek_lab.config import YarnScaling

transformers_logging.set_verbosity_error()


@given(
    half=st.integers(1, 64),
    theta=st.sampled_from([10.0, 1e4, 1.6e5]),
    factor=st.sampled_from([1.0, 4.0, 40.0]),
    trained=st.sampled_from([8, 512, 4096]),
    betas=st.sampled_from([(32, 1), (8, 2), (4, 4)]),
    mscales=st.sampled_from([(1.0, 1.0), (0.707, 1.0), (1.0, 0.0), (0.5, 0.7)]),
)
def test_yarn_frequencies_amplitude_and_scale(half, theta, factor, trained, betas, mscales):
    rope = {
        "rope_type": "yarn", "rope_theta": theta, "factor": factor, "original_max_position_embeddings": trained,
        "beta_fast": betas[0], "beta_slow": betas[1], "mscale": mscales[0], "mscale_all_dim": mscales[1],
    }  # fmt: skip
    official = DeepseekV3Config(qk_rope_head_dim=2 * half, rope_parameters=rope)
    config = DeepSeekConfig.from_hf(official)
    theirs = v3.DeepseekV3RotaryEmbedding(official)
    ours = rope_frequencies(2 * half, theta, config.rope_scaling)
    assert relative_error(ours, theirs.inv_freq) < 1e-6
    assert rope_amplitude(config.rope_scaling) == pytest.approx(theirs.attention_scaling)
    expected_scale = v3.yarn_apply_mscale(official.rope_parameters, official.qk_head_dim**-0.5)
    assert softmax_scale(config) == pytest.approx(expected_scale)


@given(tokens=st.integers(1, 9), half=st.integers(1, 9), interleaved=st.booleans(), start=st.integers(0, 10**5))
def test_rotation_is_theirs(device, tokens, half, interleaved, start):
    x = torch.randn(1, 2, tokens, 2 * half).to(device)
    cos, sin = rope_cos_sin(torch.arange(start, start + tokens, device=device), rope_frequencies(2 * half))
    ours = apply_rope(x, cos, sin, interleaved)
    twice = (torch.cat([cos, cos], -1)[None], torch.cat([sin, sin], -1)[None])
    rotate = v3.apply_rotary_pos_emb_interleave if interleaved else v3.apply_rotary_pos_emb
    theirs = rotate(x, x, *twice)[0]
    if interleaved:  # theirs also sorts even places before odd ones: the same numbers in another order
        ours = torch.cat([ours[..., 0::2], ours[..., 1::2]], dim=-1)
    assert relative_error(ours, theirs) < 1e-6


def test_the_two_pairings_differ_by_a_permutation_only():
    x = torch.randn(5, 8)
    cos, sin = rope_cos_sin(torch.arange(5), rope_frequencies(8))
    order = torch.tensor([0, 2, 4, 6, 1, 3, 5, 7])
    half_split = apply_rope(x[:, order], cos, sin, interleaved=False)
    assert torch.equal(half_split, apply_rope(x, cos, sin)[:, order])
    assert not torch.allclose(apply_rope(x, cos, sin, interleaved=False), apply_rope(x, cos, sin))


@given(shift=st.integers(0, 5000), seed=st.integers(0, 99))
def test_scores_depend_on_distance_alone(shift, seed):
    generator = torch.Generator().manual_seed(seed)
    q, k = torch.randn(2, 1, 32, generator=generator, dtype=torch.float64)
    frequencies = rope_frequencies(32).double()

    def score(t, s):
        (turned_q,), (turned_k,) = (
            apply_rope(x, *(f.double() for f in rope_cos_sin(torch.tensor([p]), frequencies)))
            for x, p in ((q, t), (k, s))
        )
        return turned_q @ turned_k

    assert score(7 + shift, 3 + shift) == pytest.approx(score(7, 3).item(), abs=2e-3)  # angles are fp32


def test_v3_yarn_keeps_fast_pairs_and_slows_slow_ones():
    plain, stretched = rope_frequencies(64), rope_frequencies(64, scaling=YarnScaling())
    assert torch.equal(plain[:10], stretched[:10])
    assert torch.allclose(plain[-8:] / 40, stretched[-8:])
    assert softmax_scale(DeepSeekConfig.preset("v3")) == pytest.approx(192**-0.5 * (0.1 * 3.6888795 + 1) ** 2)


@pytest.mark.parametrize("width", [0, 1, 3, 63])
def test_odd_width_is_refused(width):
    with pytest.raises(ValueError, match=f"rope width: got {width}, but it takes an even number"):
        rope_frequencies(width)


def test_cos_and_sin_of_another_width_are_refused():
    cos, sin = rope_cos_sin(torch.arange(3), rope_frequencies(8))
    with pytest.raises(ValueError, match="rope width: got 6, but it takes 8"):
        apply_rope(torch.randn(3, 6), cos, sin)
