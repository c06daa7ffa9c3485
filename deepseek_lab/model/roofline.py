"""What limits decoding: operations or bytes. Counts for one step of each kind of attention, and what machines can do.

Sources: Williams, Waterman and Patterson, "Roofline" (2009); FlashMLA's deep dive, which counts MLA so
(https://github.com/deepseek-ai/FlashMLA/blob/main/docs/20250422-new-kernel-deep-dive.md).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from deepseek_lab.attention.cache_size import CacheShape, cache_bytes
from deepseek_lab.attention.latent import attention_flops
from deepseek_lab.config import DeepSeekConfig, is_number, require, require_whole
from deepseek_lab.model.accounting import parameters

KINDS = ("MHA", "GQA-8", "MQA", "MLA expanded", "MLA absorbed")


@dataclass(frozen=True)
class Work:
    """Operations, and bytes read from or written to memory, of one layer's attention core in one decoding step.

    The core goes from queries and cache to the heads' outputs. Queries and outputs themselves are left out: they don't
    grow with the context.
    """

    flops: int  # a multiply-add is two
    cache_bytes: int  # read
    scratch_bytes: int = 0  # keys and values made from latents: written, then read
    weight_bytes: int = 0  # read once for the whole batch

    @property
    def bytes(self) -> int:
        """All bytes moved."""
        return self.cache_bytes + self.scratch_bytes + self.weight_bytes

    @property
    def intensity(self) -> float:
        """Operations per byte."""
        return self.flops / self.bytes


def decode_work(
    config: DeepSeekConfig,
    kind: str,
    context: int,
    batch_size: int = 1,
    queries: int = 1,
    bits: int = 16,
    weights: bool = False,
) -> Work:
    """One step of `queries` new tokens (2 where a draft is verified) over `context` cached ones, for one layer.

    `kind` is one of `KINDS`: had the model's heads used keys and values of width `v_head_dim` (MHA, GQA, MQA), or its
    own MLA in either form. `weights` adds what becomes of the up-projections W_UK and W_UV: their bytes, and in the
    absorbed form the operations on queries and outputs; the expanded form multiplies every cached token with them and
    counts those operations always. `bits` of every number moved. Raises `ValueError` for another kind, and numbers
    below 1.
    """
    require(kind in KINDS, "kind", kind, f"one of {', '.join(KINDS)}")
    _check_latent(config)
    require_whole(1, context=context, batch_size=batch_size, queries=queries, bits=bits)

    def moved(elements: int) -> int:
        return cache_bytes(elements, 1, context, bits, batch_size)

    heads, shape = config.num_attention_heads, CacheShape.of("", config)
    if not kind.startswith("MLA"):
        # a score and a weighted value for every pair: 2 H (D + D)
        flops = 4 * heads * shape.head_dim * queries * context * batch_size
        return Work(flops, moved(shape.elements()[kind]))
    absorb = kind == "MLA absorbed"
    flops = attention_flops(config, queries, context, absorb)
    if absorb and not weights:
        flops -= attention_flops(config, queries, 0, absorb)  # what doesn't depend on the context
    scratch = 0 if absorb else 2 * moved(cached_elements(config, "MHA from MLA"))
    up = heads * (config.qk_nope_head_dim + config.v_head_dim) * config.kv_lora_rank
    weight_bytes = cache_bytes(up, 1, 1, bits) if weights else 0
    return Work(flops * batch_size, moved(shape.elements()["MLA"]), scratch, weight_bytes)


@dataclass(frozen=True)
class Machine:
    """What a machine can do at best: operations per second, and bytes per second from its memory."""

    name: str
    peak_flops: float
    bandwidth: float
    source: str

    @property
    def ridge(self) -> float:
        """Operations per byte from which on the operations are the limit."""
        return self.peak_flops / self.bandwidth

    def seconds(self, work: Work) -> float:
        """The least time for this work: operations and transfers overlap."""
        return max(work.flops / self.peak_flops, work.bytes / self.bandwidth)


# bf16 on tensor cores, dense
MACHINES = {
    machine.name: machine
    for machine in (
        Machine("H100 SXM", 1979e12 / 2, 3.35e12, "NVIDIA's H100 data sheet: 1,979 TFLOPS with sparsity, half dense"),
        Machine("H800 SXM", 990e12, 3.35e12, "FlashMLA's deep dive"),
        Machine("H800 SXM, throttled", 865e12, 3.35e12, "FlashMLA's deep dive: at about 1600 MHz under load"),
    )
}


def attainable(intensity: float, peak_flops: float, bandwidth: float) -> float:
    """The roofline: operations per second that work of this intensity (operations per byte) can reach.

    Raises `ValueError` for numbers not above 0.
    """
    for field, value in (("intensity", intensity), ("peak_flops", peak_flops), ("bandwidth", bandwidth)):
        require(is_number(value) and value > 0, field, value, "a number above 0")
    return min(peak_flops, intensity * bandwidth)


def measure_machine(device: torch.device | str = "cpu", seconds: float = 1.0) -> Machine:
    """This machine's point: its best rates of fp32 matrix products and of copies, measured in about `seconds`.

    A copy of n bytes moves 2 n: it reads and it writes. Needs 256 MiB of memory. With torch's threads as they are set.
    Raises `ValueError` for `seconds` not above 0.
    """
    require(is_number(seconds) and seconds > 0, "seconds", seconds, "a number above 0")
    device = torch.device(device)
    side = 1024 if device.type == "cpu" else 8192
    a, b = torch.rand(2, side, side, device=device)
    product = torch.empty_like(a)
    flops = 2 * side**3 / _best_seconds(lambda: torch.mm(a, b, out=product), device, seconds / 2)
    source, target = torch.zeros(2, 2**25, device=device)  # 128 MiB each, larger than caches
    bandwidth = 2 * source.nbytes / _best_seconds(lambda: target.copy_(source), device, seconds / 2)
    return Machine(f"this machine ({device.type}, fp32)", flops, bandwidth, "measured")


def _best_seconds(call: Callable[[], object], device: torch.device, seconds: float) -> float:
    """The fastest of the calls that fit into `seconds`, at least three, after one unmeasured."""
    synchronise = getattr(torch, device.type).synchronize  # torch.cpu has one too
    call()
    synchronise()
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        start = time.perf_counter()
        call()
        synchronise()
        times.append(time.perf_counter() - start)
    return min(times)


def _check_latent(config: DeepSeekConfig) -> None:
    takes = "deepseek_v2, deepseek_v3 or deepseek_v32: V4 keeps no latents"
    require(config.model_type != "deepseek_v4", "model_type", config.model_type, takes)


def cached_elements(config: DeepSeekConfig, kind: str) -> int:
    """Numbers per token and layer: kinds of `CacheShape.elements`, or "MHA from MLA", every head's key and value.

    Raises `ValueError` for another kind.
    """
    _check_latent(config)
    found = CacheShape.of("", config).elements()
    found["MHA from MLA"] = config.num_attention_heads * (config.qk_head_dim + config.v_head_dim)
    require(kind in found, "kind", kind, f"one of {', '.join(found)}")
    return found[kind]


def weight_bytes(config: DeepSeekConfig, bits: int = 8) -> int:
    """Bytes of all parameters at `bits` each: 671 GB for V3 at 8. Without scales, and without prediction modules."""
    return -(-parameters(config) * bits // 8)


def tokens_that_fit(memory_bytes: float, weight_bytes: float, cache_bytes_per_token: float) -> int:
    """Tokens for whose cache there is room beside the weights, and nothing else; 0 where the weights don't fit.

    Raises `ValueError` for numbers below 0.
    """
    room = {"memory_bytes": memory_bytes, "weight_bytes": weight_bytes}
    for field, value in room.items():
        require(is_number(value) and value >= 0, field, value, "a number of at least 0")
    fits = is_number(cache_bytes_per_token) and cache_bytes_per_token > 0
    require(fits, "cache_bytes_per_token", cache_bytes_per_token, "a number above 0")
    return max(0, int((memory_bytes - weight_bytes) // cache_bytes_per_token))


def sequences_that_fit(
    config: DeepSeekConfig, memory_bytes: float, tokens: int, kind: str = "MLA", bits: int = 16, weight_bits: int = 8
) -> int:
    """Sequences of `tokens` tokens that fit beside the weights. `weight_bits` 0: the weights are elsewhere.

    Raises `ValueError` for numbers below that.
    """
    require_whole(1, tokens=tokens, bits=bits)
    require_whole(0, weight_bits=weight_bits)
    per_token = cache_bytes(cached_elements(config, kind), config.num_hidden_layers, 1, bits)
    return tokens_that_fit(memory_bytes, weight_bytes(config, weight_bits), per_token) // tokens
