"""Exercises of notebook 01: sharing keys (GQA), counting the cache, absorbing W_UK into the query."""

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from deepseek_lab.attention.cache_size import cache_bytes, latent_elements
from deepseek_lab.course.exercises import Exercise, Mistake
from deepseek_lab.exercises.overview import report


def _integers(generator: torch.Generator, *ranges: tuple[int, int]) -> list[int]:
    return [int(torch.randint(low, high + 1, (), generator=generator)) for low, high in ranges]


# --- 1. GQA: one key/value head serves several query heads ---


def _share_keys_cases(generator: torch.Generator):
    for _ in range(6):
        batch, groups, repeats, tokens, half = _integers(generator, (1, 3), (2, 4), (2, 4), (1, 7), (1, 4))
        yield torch.randn(batch, groups, tokens, 2 * half, generator=generator), groups * repeats


def _repeat_interleave(k: Tensor, num_heads: int) -> Tensor:
    return k.repeat_interleave(num_heads // k.shape[1], dim=1)


share_keys = Exercise(
    name="share_keys",
    cases=_share_keys_cases,
    reference=_repeat_interleave,
    mistakes=[
        Mistake(
            lambda k, num_heads: k.repeat(1, num_heads // k.shape[1], 1, 1),
            "You tiled the whole list of heads (0, 1, 0, 1). Neighbouring query heads share a key head: 0, 0, 1, 1.",
        ),
        Mistake(
            lambda k, num_heads: k.repeat_interleave(num_heads // k.shape[1], dim=2),
            "You repeated tokens (dimension 2) instead of heads (dimension 1).",
        ),
        Mistake(
            lambda k, num_heads: k.repeat_interleave(num_heads, dim=1),
            "You repeated each key head num_heads times. It serves num_heads / G query heads.",
        ),
    ],
    hints=[
        "With 6 query heads and 2 key heads, query heads 0, 1, 2 use key head 0, and 3, 4, 5 use key head 1.",
        "How many query heads does one key head serve? k.shape[1] is the number of key heads.",
        "torch.Tensor.repeat_interleave repeats each entry of one dimension and keeps the copies together.",
    ],
    solution_code=(
        "def share_keys(k, num_heads):\n"
        "    repeats = num_heads // k.shape[1]\n"
        "    return k.repeat_interleave(repeats, dim=1)"
    ),
)


# --- 2. Bytes of a cache ---


def _mla_bytes(tokens: int, layers: int, kv_lora_rank: int, qk_rope_head_dim: int, bits: int) -> int:
    return cache_bytes(latent_elements(kv_lora_rank, qk_rope_head_dim), layers, tokens, bits)


def _mla_bytes_cases(generator: torch.Generator):
    yield 131072, 61, 512, 64, 16  # V3, 128K tokens, bf16
    yield 131072, 60, 512, 64, 6  # V2's cache as it was served: less than a byte for each number
    for bits in (8, 16, 32):
        tokens, layers, rank, half = _integers(generator, (1, 10**6), (1, 80), (16, 1024), (4, 64))
        yield tokens, layers, rank, 2 * half, bits
    yield 5, 2, 16, 8, 8  # so small that nothing is lost in the tolerance


mla_cache_bytes = Exercise(
    name="mla_cache_bytes",
    cases=_mla_bytes_cases,
    reference=_mla_bytes,
    mistakes=[
        Mistake(
            lambda t, n, c, r, bits: cache_bytes(c, n, t, bits),
            "The latent alone is not enough: the rotated key is cached too (512 + 64 = 576 in V3).",
        ),
        Mistake(lambda t, n, c, r, bits: _mla_bytes(t, n, c, r, bits) * 8, "Those are bits. A byte has 8 of them."),
        Mistake(
            lambda t, n, c, r, bits: t * n * (c + r) * (bits // 8),
            "Multiply first and divide at the end: bits // 8 makes whole bytes of each number, and none of 6 bits.",
        ),
        Mistake(
            lambda t, n, c, r, bits: _mla_bytes(t, n, c, r, 16),
            "You took 2 bytes for each number, whatever `bits` says. A number of `bits` bits takes bits / 8 bytes.",
        ),
        Mistake(
            lambda t, n, c, r, bits: 2 * _mla_bytes(t, n, c, r, bits),
            "Keys and values are made from the same latent: there is no factor 2.",
        ),
        Mistake(lambda t, n, c, r, bits: _mla_bytes(t, 1, c, r, bits), "Every layer has its own cache."),
    ],
    hints=[
        "Count first, without bytes: how many numbers does one layer keep of one token?",
        "Numbers per token and layer: kv_lora_rank + qk_rope_head_dim. How many tokens, how many layers?",
        "A number of `bits` bits takes bits / 8 bytes.",
    ],
    solution_code=(
        "def mla_cache_bytes(tokens, layers, kv_lora_rank, qk_rope_head_dim, bits):\n"
        "    numbers = tokens * layers * (kv_lora_rank + qk_rope_head_dim)\n"
        "    return numbers * bits // 8"
    ),
)


# --- 3. Absorb W_UK into the query ---


def _absorb_cases(generator: torch.Generator):
    for _ in range(6):
        batch, heads, queries, keys = _integers(generator, (1, 3), (2, 4), (1, 5), (6, 9))
        width, latent = _integers(generator, (3, 8), (10, 16))
        q_nope = torch.randn(batch, heads, queries, width, generator=generator)
        c_kv = torch.randn(batch, keys, latent, generator=generator)
        yield q_nope, torch.randn(heads, width, latent, generator=generator), c_kv


def _expanded_scores(q_nope: Tensor, w_uk: Tensor, c_kv: Tensor) -> Tensor:
    k = torch.einsum("hdc,bsc->bhsd", w_uk, c_kv)
    return torch.einsum("bhtd,bhsd->bhts", q_nope, k)


def _absorbed_queries(q_nope: Tensor, w_uk: Tensor) -> Tensor:
    return torch.einsum("bhtd,hdc->bhtc", q_nope, w_uk)


def _makes_keys(answer) -> str | None:
    """The point is the cost, so count it: one query over 64 latents of 24 numbers, 4 heads of width 16."""
    heads, width, latent, keys = 4, 16, 24, 64
    with FlopCounterMode(display=False) as counter:
        answer(torch.randn(1, heads, 1, width), torch.randn(heads, width, latent), torch.randn(1, keys, latent))
    absorbed = 2 * heads * (width * latent + keys * latent)
    flops = counter.get_total_flops()
    if flops <= absorbed:
        return None
    return (
        f"for one query your function needs {flops:,} operations where {absorbed:,} are enough: it still makes a "
        "key for every latent. Bring the query to the latents instead."
    )


absorb_scores = Exercise(
    name="absorb_scores",
    cases=_absorb_cases,
    reference=_expanded_scores,
    also=_makes_keys,
    mistakes=[
        Mistake(
            lambda q, w, c: torch.einsum("bhtd,gdc,bsc->bhts", q, w, c),
            "Every head has its own W_UK. Your einsum sums over all heads' matrices: use the same letter for both h.",
        ),
        Mistake(
            lambda q, w, c: _expanded_scores(q, w, c) * q.shape[-1] ** -0.5,
            "These are scaled. The exercise asks for the plain products q . k, before any scale.",
        ),
        Mistake(
            lambda q, w, c: _expanded_scores(q, w, c).softmax(-1),
            "These went through a softmax. The exercise asks for the scores before it.",
        ),
        Mistake(
            lambda q, w, c: _absorbed_queries(q, w),
            "This is the query in the latent's space, half of the way. Now multiply it with the latents.",
        ),
    ],
    hints=[
        "q . (W c) = (q W) . c: bring the query into the latent's space once, then compare it with the latents.",
        'First step: torch.einsum("bhtd,hdc->bhtc", q_nope, w_uk).',
        'Second step: sum over c, for every query t and every latent s: "bhtc,bsc->bhts".',
    ],
    solution_code=(
        "def absorb_scores(q_nope, w_uk, c_kv):\n"
        '    q_latent = torch.einsum("bhtd,hdc->bhtc", q_nope, w_uk)\n'
        '    return torch.einsum("bhtc,bsc->bhts", q_latent, c_kv)'
    ),
)


# --- 4. How many queries until expanding pays ---


def _crossover(C: int, R: int, D: int, D_v: int) -> int:
    # The least T for which T query rows make the expanded form as cheap: per key and head, counted in multiply-adds,
    # expanding costs C (D + D_v) once + T (D + R + D_v); absorbing costs T (C + R + C).
    once = C * (D + D_v)
    saved = (C + R + C) - (D + R + D_v)
    return -(-once // saved)


def _crossover_cases(generator: torch.Generator):
    yield 512, 64, 128, 128
    yield 512, 64, 128, 64  # 118.15: rounding to the nearest is one short
    yield 256, 32, 128, 128  # exactly 256: "at least as cheap" counts
    for _ in range(4):
        rank, rope, nope, v = _integers(generator, (256, 1024), (16, 64), (32, 128), (32, 128))
        yield rank, rope, nope, v


expanding_pays = Exercise(
    name="expanding_pays",
    cases=_crossover_cases,
    reference=_crossover,
    mistakes=[
        Mistake(
            lambda c, r, d, v: c * (d + v) / (2 * c - d - v),
            "Right formula, but a number of queries is whole. Round up.",
        ),
        Mistake(
            lambda c, r, d, v: c * (d + v) // (2 * c - d - v),
            "One short: at this number the expanded form still costs more. Round up.",
        ),
        Mistake(
            lambda c, r, d, v: c * (d + v) // (2 * c - d - v) + 1,
            "One too many: at one query less both forms cost the same, and that is at least as cheap.",
        ),
        Mistake(
            lambda c, r, d, v: -(-c * (d + v) // (2 * c + r)),
            "You left out what the expanded form itself pays for every query: D + R + D_v per key and head.",
        ),
    ],
    hints=[
        "Count multiply-adds per key and per head. Expanding makes a key and a value once: C * (D + D_v).",
        "Then every query pays D + R (score) + D_v (weighted value) expanded, and C + R + C absorbed.",
        "Find the least whole T with C * (D + D_v) + T * (D + R + D_v) <= T * (C + R + C).",
    ],
    solution_code=(
        "import math\n\n\n"
        "def expanding_pays(C, R, D, D_v):\n"
        "    once = C * (D + D_v)\n"
        "    saved_per_query = (C + R + C) - (D + R + D_v)\n"
        "    return math.ceil(once / saved_per_query)"
    ),
)


NOTEBOOK = "1 · Attention"
ALL = (share_keys, mla_cache_bytes, absorb_scores, expanding_pays)


def progress() -> None:
    """Print which of this notebook's exercises are solved, and how many of the course."""
    report(NOTEBOOK)
