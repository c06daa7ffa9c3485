"""Rotary position embedding (RoPE): position is the angle by which pairs of numbers are turned.

A query at position t and a key at position s are turned by t and s; their dot product then depends on t - s alone.
Sources: RoFormer (https://arxiv.org/abs/2104.09864); YaRN (https://arxiv.org/abs/2309.00071); DeepSeek-V3's
`inference/model.py`.
"""

import math

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from deepseek_lab.config import DeepSeekConfig, YarnScaling, require


def rope_frequencies(width: int, theta: float = 10000.0, scaling: YarnScaling | None = None) -> Tensor:
    """Radians per token for each of the `width / 2` pairs: (R/2,), fp32, fastest pair first.

    With `scaling`, pairs that turn many times within the trained context are left alone, pairs that hardly turn are
    slowed down by `scaling.factor`, and the pairs between are blended. Raises `ValueError` for an odd width.
    """
    require(width >= 2 and width % 2 == 0, "rope width", width, "an even number of at least 2 (RoPE turns pairs)")
    require(theta > 1, "rope_theta", theta, "a number above 1")
    # freq_i = theta ** (-2i / R)
    frequencies = 1.0 / (theta ** (torch.arange(0, width, 2, dtype=torch.float32) / width))
    if scaling is None:
        return frequencies

    def pair_that_turns(times: float) -> float:
        trained = scaling.original_max_position_embeddings
        return width * math.log(trained / (times * 2 * math.pi)) / (2 * math.log(theta))

    first = max(math.floor(pair_that_turns(scaling.beta_fast)), 0)
    last = min(math.ceil(pair_that_turns(scaling.beta_slow)), width - 1)
    ramp = (torch.arange(width // 2, dtype=torch.float32) - first) / (last - first or 0.001)
    slow = ramp.clamp(0, 1)
    return frequencies * (1 - slow) + frequencies / scaling.factor * slow


def yarn_mscale(factor: float, mscale: float) -> float:
    """YaRN's correction of the softmax temperature: 0.1 mscale ln(factor) + 1."""
    return 0.1 * mscale * math.log(factor) + 1.0 if factor > 1 else 1.0


def rope_amplitude(scaling: YarnScaling | None) -> float:
    """The factor on cos and sin. It is 1 for every released V2 and V3, whose two mscales are equal."""
    if scaling is None:
        return 1.0
    if scaling.attention_factor is not None:
        return scaling.attention_factor
    if scaling.mscale and scaling.mscale_all_dim:
        return yarn_mscale(scaling.factor, scaling.mscale) / yarn_mscale(scaling.factor, scaling.mscale_all_dim)
    return yarn_mscale(scaling.factor, 1.0)


def softmax_scale(config: DeepSeekConfig) -> float:
    """What attention scores are multiplied with: 1/sqrt(head width), times YaRN's mscale squared."""
    scale = config.qk_head_dim**-0.5
    scaling = config.rope_scaling
    if scaling is not None and scaling.mscale_all_dim:
        # Squared, because the correction belongs to the query and to the key.
        scale *= yarn_mscale(scaling.factor, scaling.mscale_all_dim) ** 2
    return scale


def rope_cos_sin(positions: Tensor, frequencies: Tensor, amplitude: float = 1.0) -> tuple[Tensor, Tensor]:
    """cos and sin of each pair's angle at each position: positions (T,) and (R/2,) -> two of (T, R/2), fp32.

    Always fp32: in bf16 neighbouring positions above 256 would get the same angle.
    """
    angles = positions[:, None].float() * frequencies.to(positions.device)  # (T, R/2)
    return angles.cos() * amplitude, angles.sin() * amplitude


def rotary_table(config: DeepSeekConfig, start: int, count: int, device) -> tuple[Tensor, Tensor]:
    """cos and sin for `count` positions from `start` on, as a model's attention needs them: two of (T, R/2), fp32."""
    return rotary_at(config, torch.arange(start, start + count, device=device))


def rotary_at(config: DeepSeekConfig, positions: Tensor) -> tuple[Tensor, Tensor]:
    """`rotary_table` for any positions (T,)."""
    frequencies = rope_frequencies(config.qk_rope_head_dim, config.rope_theta, config.rope_scaling)
    return rope_cos_sin(positions, frequencies, rope_amplitude(config.rope_scaling))


def apply_rope(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool = True) -> Tensor:
    """Turn the pairs of `x` (..., T, R); cos and sin are (T, R/2). Same shape and dtype as `x`.

    Which two numbers form a pair is a convention of the checkpoint: `interleaved` pairs neighbours (0, 1), (2, 3),
    ... as DeepSeek's MLA does; otherwise number i is paired with number i + R/2, as Llama and DeepSeek's indexer do.
    Can be differentiated once. Raises `ValueError` for an odd width or one that cos and sin were not made for.
    """
    width = x.shape[-1]
    require(width % 2 == 0, "rope width", width, "an even number (RoPE turns pairs)")
    require(x.is_floating_point(), "rope input dtype", x.dtype, "a floating-point dtype")
    require(cos.shape[-1] * 2 == width, "rope width", width, f"{cos.shape[-1] * 2}, which cos and sin are for")
    return (_Turn.apply if torch.is_grad_enabled() else _turn)(x, cos, sin, interleaved)


class _Turn(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool) -> Tensor:
        ctx.save_for_backward(cos, sin)
        ctx.interleaved = interleaved
        return _turn(x, cos, sin, interleaved)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        """The way back turns the gradient back: by the same angle with the other sign."""
        cos, sin = ctx.saved_tensors
        return _turn(grad, cos, -sin, ctx.interleaved), None, None, None


def _turn(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool) -> Tensor:
    width, exact = x.shape[-1], x if x.dtype == torch.float64 else x.float()
    pairs = exact.unflatten(-1, (width // 2, 2) if interleaved else (2, width // 2))
    first, second = pairs.unbind(-1 if interleaved else -2)  # each (..., T, R/2)
    # (a, b) -> (a cos - b sin, a sin + b cos) is (a + ib)(cos + i sin): one operation instead of six.
    # Rounded to x.dtype at the end, so that bf16 loses accuracy once and not three times.
    turn = torch.complex(cos, sin).to(torch.promote_types(exact.dtype, torch.complex64))
    turned = torch.view_as_real(torch.complex(first, second) * turn)  # (..., T, R/2, 2)
    return (turned if interleaved else turned.transpose(-1, -2)).flatten(-2).to(x.dtype)
