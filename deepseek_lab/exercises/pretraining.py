"""Exercises of notebook 04: a unit for losses, counting an attention layer, FP8 blocks, what MTP predicts."""

import math

import torch
from torch import Tensor

from deepseek_lab.attention import MultiHeadLatentAttention
from deepseek_lab.config import DeepSeekConfig
from deepseek_lab.course.exercises import Exercise, Mistake
from deepseek_lab.exercises.overview import report
from deepseek_lab.model import fp8
from deepseek_lab.training import ngram


def _integers(generator: torch.Generator, *ranges: tuple[int, int]) -> list[int]:
    return [int(torch.randint(low, high + 1, (), generator=generator)) for low, high in ranges]


# --- 1. Bits per byte ---


def _bits_per_byte(loss: float, tokens: int, text: str) -> float:
    return ngram.bits_per_byte(loss, tokens, len(text.encode("utf-8")))


def _bits_per_byte_cases(generator: torch.Generator):
    for text in ("def f(x):\n", "naïve ", "漢字 😀", "    return x", "é"):
        yield 1 + 4 * torch.rand((), generator=generator).item(), _integers(generator, (3, 50))[0], text * 20


bits_per_byte = Exercise(
    name="bits_per_byte",
    cases=_bits_per_byte_cases,
    reference=_bits_per_byte,
    mistakes=[
        Mistake(lambda loss, tokens, text: loss * tokens / len(text.encode()), "That is nats. One bit is ln 2 nats."),
        Mistake(
            lambda loss, tokens, text: loss * tokens / len(text) / math.log(2),
            "len(text) counts characters. A character may be up to four bytes in UTF-8.",
        ),
        Mistake(
            lambda loss, tokens, text: loss * len(text.encode()) / tokens / math.log(2),
            "Tokens and bytes have changed places: the whole text costs loss * tokens.",
        ),
        Mistake(
            lambda loss, tokens, text: loss * tokens / len(text.encode()) * math.log(2),
            "From nats to bits, divide by ln 2: a bit is the smaller unit, so there are more of them.",
        ),
    ],
    hints=[
        "How many nats does the whole text cost?",
        'The number of bytes is len(text.encode("utf-8")).',
        "One bit is ln 2 = 0.69 nats.",
    ],
    solution_code=(
        "import math\n\n\ndef bits_per_byte(loss, tokens, text):\n"
        "    nats = loss * tokens\n"
        '    return nats / math.log(2) / len(text.encode("utf-8"))'
    ),
)


# --- 2. The weights of an attention layer ---


def _attention_weights(M: int, H: int, Cq: int, C: int, D: int, R: int, Dv: int) -> int:
    config = DeepSeekConfig.preset("v3").replace(
        hidden_size=M, num_attention_heads=H, q_lora_rank=Cq, kv_lora_rank=C, qk_nope_head_dim=D, qk_rope_head_dim=R,
        v_head_dim=Dv,
    )  # fmt: skip
    with torch.device("meta"):
        layer = MultiHeadLatentAttention(config)
    return sum(weight.numel() for weight in layer.parameters() if weight.dim() == 2)


def _attention_weights_cases(generator: torch.Generator):
    yield 7168, 128, 1536, 512, 128, 64, 128  # V3
    for _ in range(4):
        M, H, Cq, C, D, half, Dv = _integers(
            generator, (16, 99), (2, 8), (4, 40), (4, 40), (4, 20), (1, 8), (4, 20)
        )  # fmt: skip
        yield M, H, Cq, C, D, 2 * half, Dv


def _weights(M, H, Cq, C, D, R, Dv, queries=None, latents=None, up=None, out=None):
    queries = M * Cq + Cq * H * (D + R) if queries is None else queries
    latents = M * (C + R) if latents is None else latents
    up = C * H * (D + Dv) if up is None else up
    return queries + latents + up + (H * Dv * M if out is None else out)


attention_weights = Exercise(
    name="attention_weights",
    cases=_attention_weights_cases,
    reference=_attention_weights,
    mistakes=[
        Mistake(
            lambda M, H, Cq, C, D, R, Dv: _weights(M, H, Cq, C, D, R, Dv, latents=M * C),
            "The rotated key is missing: kv_a_proj_with_mqa makes C + R numbers.",
        ),
        Mistake(
            lambda M, H, Cq, C, D, R, Dv: _weights(M, H, Cq, C, D, R, Dv, queries=M * Cq + Cq * H * D),
            "Each head's query has D + R numbers: R of them get rotated.",
        ),
        Mistake(
            lambda M, H, Cq, C, D, R, Dv: _weights(M, H, Cq, C, D, R, Dv, up=C * H * (D + R + Dv)),
            "The rotated key doesn't come from the latent: kv_b_proj makes D + Dv numbers per head.",
        ),
        Mistake(
            lambda M, H, Cq, C, D, R, Dv: _weights(M, H, Cq, C, D, R, Dv, queries=M * H * (D + R)),
            "Queries are compressed, too: from M to Cq, then from Cq to H heads.",
        ),
        Mistake(
            lambda M, H, Cq, C, D, R, Dv: _weights(M, H, Cq, C, D, R, Dv, out=0),
            "o_proj is missing: it brings the heads' H * Dv numbers back to M.",
        ),
        Mistake(
            lambda M, H, Cq, C, D, R, Dv: _weights(M, H, Cq, C, D, R, Dv) + Cq + C,
            "You counted the two latents' norms as well. Only the five matrices are asked for.",
        ),
        Mistake(
            lambda M, H, Cq, C, D, R, Dv: _weights(M, H, Cq, C, D, R, Dv, latents=M * (C + H * R)),
            "The rotated key is made once for all heads, not once for each.",
        ),
    ],
    hints=[
        "There are five matrices: q_a, q_b, kv_a, kv_b, o. Each has (numbers in) * (numbers out) weights.",
        "q_a: M to Cq. q_b: Cq to H * (D + R). o: H * Dv to M.",
        "kv_a: M to C + R. kv_b: C to H * (D + Dv).",
    ],
    solution_code=(
        "def attention_weights(M, H, Cq, C, D, R, Dv):\n"
        "    queries = M * Cq + Cq * H * (D + R)\n"
        "    keys_values = M * (C + R) + C * H * (D + Dv)\n"
        "    return queries + keys_values + H * Dv * M"
    ),
)


# --- 3. FP8 blocks ---


def _dequantise(weight: Tensor, scale: Tensor, block: int) -> Tensor:
    return fp8.dequantise(weight, scale, (block, block))


def _dequantise_cases(generator: torch.Generator):
    yield torch.randn(4, 6, generator=generator), torch.rand(2, 3, generator=generator), 2
    for _ in range(4):
        block, down, across = _integers(generator, (2, 4), (1, 3), (1, 3))
        rows, columns = down * block + 1, across * block + block - 1  # the last blocks are cut off
        scale = 0.1 + torch.rand(down + 1, across + 1, generator=generator)
        yield torch.randn(rows, columns, generator=generator), scale, block


def _spread(scale: Tensor, block: int, weight: Tensor) -> Tensor:
    wide = scale.repeat_interleave(block, 0).repeat_interleave(block, 1)
    return wide[: weight.shape[0], : weight.shape[1]]


dequantise = Exercise(
    name="dequantise",
    cases=_dequantise_cases,
    reference=_dequantise,
    mistakes=[
        Mistake(
            lambda weight, scale, block: weight / _spread(scale, block, weight),
            "The name weight_scale_inv misleads: it is what quantising divided by, so here you multiply.",
        ),
        Mistake(
            lambda weight, scale, block: weight * scale.repeat(block, block)[: weight.shape[0], : weight.shape[1]],
            "repeat lays copies of the whole table side by side. repeat_interleave repeats each scale.",
        ),
        Mistake(
            lambda weight, scale, block: weight * scale[0, 0],
            "That is the first block's scale. Each block has its own.",
        ),
    ],
    hints=[
        "Row i and column j lie in the block (i // block, j // block).",
        "scale.repeat_interleave(block, dim=0) repeats each row of scales `block` times. Then the columns.",
        "The last blocks may be cut off: keep only as many rows and columns as weight has.",
    ],
    solution_code=(
        "def dequantise(weight, scale, block):\n"
        "    rows, columns = weight.shape\n"
        "    wide = scale.repeat_interleave(block, dim=0)\n"
        "    wide = wide.repeat_interleave(block, dim=1)\n"
        "    return weight * wide[:rows, :columns]"
    ),
)


# --- 4. What an MTP module sees and predicts ---


def _mtp_tokens(windows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    length = windows.shape[1] - 1 - k
    return windows[:, k : k + length], windows[:, k + 1 :]


def _mtp_tokens_cases(generator: torch.Generator):
    for k in (1, 1, 2, 3):
        rows, length = _integers(generator, (1, 3), (k + 3, 12))
        yield torch.randint(100, (rows, length), generator=generator), k


mtp_tokens = Exercise(
    name="mtp_tokens",
    cases=_mtp_tokens_cases,
    reference=_mtp_tokens,
    mistakes=[
        Mistake(
            lambda windows, k: (windows[:, : -1 - k], windows[:, k + 1 :]),
            "Those are the tokens at t itself: the model has seen them already. The module sees the one at t + k.",
        ),
        Mistake(
            lambda windows, k: (windows[:, k:-1], windows[:, k:-1]),
            "The module sees the very token that it is to predict. Its loss would fall to 0, and teach it nothing.",
        ),
        Mistake(
            lambda windows, k: (windows[:, 1:-1], windows[:, 2:]),
            "That is right for k = 1. Module k looks k tokens ahead.",
        ),
        Mistake(
            lambda windows, k: (windows[:, k:], windows[:, k + 1 :]),
            "The last token is only ever predicted: nothing follows it, so the module doesn't get it.",
        ),
        Mistake(
            lambda windows, k: (windows[:, k + 1 :], windows[:, k:-1]),
            "The two have changed places: first the tokens that the module gets, then those that it is to predict.",
        ),
    ],
    hints=[
        "Write down a window of five tokens, a b c d e, and k = 1. Position 0: the module sees b and predicts c.",
        "What it sees starts at windows[:, k]; what it predicts starts one later.",
        "Both end so that each token seen has one to predict: the last token is only ever predicted.",
    ],
    solution_code=("def mtp_tokens(windows, k):\n    return windows[:, k:-1], windows[:, k + 1:]"),
)


NOTEBOOK = "4 · The whole model"
ALL = [bits_per_byte, attention_weights, dequantise, mtp_tokens]


def progress() -> None:
    """Print which of this notebook's exercises are solved, and how many of the course."""
    report(NOTEBOOK)
