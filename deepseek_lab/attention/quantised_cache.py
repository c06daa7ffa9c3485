"""A cache that keeps latents as integers of 8, 6 or 4 bits, with one scale for each block of numbers.

Sources: DeepSeek-V2 (https://arxiv.org/abs/2405.04434), section 3.2.3: the cache is quantised to 6 bits on average,
which is part of its 93.3 % reduction. DeepSeek's kernels for V3.2 (https://github.com/deepseek-ai/FlashMLA, README)
keep 512 numbers in FP8, a scale in fp32 for every 128 of them, and the rotated key in bf16: 656 bytes per token and
layer. This is that layout, with integers and blocks of 64.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from deepseek_lab.attention.cache import AttentionCache
from deepseek_lab.config import is_whole, require

# bits of a number -> how many numbers share how many bytes
GROUPS = {8: (1, 1), 6: (4, 3), 4: (2, 1)}
SCALE_BYTES = 4  # fp32: whatever the latents' range, no scale overflows
BLOCK = 64  # numbers that share a scale


def largest_level(bits: int) -> int:
    """Levels go from minus this to this: 127, 31 or 7. Symmetric, so that zero stays zero.

    Raises `ValueError` for other than 8, 6 or 4 bits.
    """
    require(bits in GROUPS, "bits", bits, f"one of {sorted(GROUPS)}")
    return 2 ** (bits - 1) - 1


def quantised_bytes(width: int, bits: int, block: int = BLOCK) -> int:
    """Bytes of one token's entry of `width` numbers: 416 for 512 numbers of 6 bits, of which 32 are the scales.

    Raises `ValueError` for numbers below 1, and for other than 8, 6 or 4 bits.
    """
    largest_level(bits)
    for field, value in (("width", width), ("block", block)):
        require(is_whole(value) and value >= 1, field, value, "a whole number of at least 1")
    numbers, count = GROUPS[bits]
    return -(-width // numbers) * count + -(-width // block) * SCALE_BYTES


def pack(levels: Tensor, bits: int) -> Tensor:
    """Levels (..., C) -> bytes (..., ceil(C / numbers) * count): with 6 bits, 4 numbers are in 3 bytes."""
    (numbers, count), half = GROUPS[bits], largest_level(bits)
    values = F.pad(levels.int() + half, (0, -levels.shape[-1] % numbers)).unflatten(-1, (-1, numbers))
    places = torch.arange(numbers, device=levels.device, dtype=torch.int32) * bits
    words = (values << places).sum(dim=-1, dtype=torch.int32)  # the bits don't overlap, so a sum joins them
    starts = torch.arange(count, device=levels.device, dtype=torch.int32) * 8
    return ((words[..., None] >> starts) & 255).to(torch.uint8).flatten(-2)


def unpack(packed: Tensor, bits: int, width: int) -> Tensor:
    """What `pack` was given, as int32 (..., `width`)."""
    (numbers, count), half = GROUPS[bits], largest_level(bits)
    starts = torch.arange(count, device=packed.device, dtype=torch.int32) * 8
    words = (packed.unflatten(-1, (-1, count)).int() << starts).sum(dim=-1, dtype=torch.int32)
    places = torch.arange(numbers, device=packed.device, dtype=torch.int32) * bits
    values = (words[..., None] >> places) & (2**bits - 1)
    return values.flatten(-2)[..., :width] - half


def quantise(x: Tensor, bits: int, block: int = BLOCK) -> tuple[Tensor, Tensor]:
    """Numbers (..., C) -> levels (..., C) int32, and scales (..., ceil(C / block)) fp32. C >= 1.

    The largest number of a block becomes the largest level, so every number is kept to half a step (one scale).
    Raises `ValueError` for NaN and infinity, which no scale could hold.
    """
    top, width = largest_level(bits), x.shape[-1]
    finite = bool(torch.isfinite(x.float()).all())
    require(finite, "numbers to quantise", "NaN or infinity among them", "finite numbers of fp32's range")
    block = min(block, width)
    blocks = F.pad(x.float(), (0, -width % block)).unflatten(-1, (-1, block))  # (..., n, block)
    # scale = max |x| / largest level
    scales = blocks.abs().amax(dim=-1) / top
    steps = torch.where(scales > 0, scales, 1.0)[..., None]
    levels = (blocks / steps).round().clamp(-top, top).int()
    return levels.flatten(-2)[..., :width], scales


def dequantise(levels: Tensor, scales: Tensor, block: int, dtype: torch.dtype) -> Tensor:
    """level * scale, (..., C) in `dtype`."""
    width = levels.shape[-1]
    steps = scales.repeat_interleave(min(block, width), dim=-1)[..., :width]
    return (levels * steps).to(dtype)


class QuantisedCache(AttentionCache):
    """An `AttentionCache` of vectors, of which the first numbers are kept as integers and the others as they are.

    It takes and returns what the plain cache does. What it returns is dequantised, the new tokens included, so that
    the same tokens in other pieces give the same. Each step dequantises the whole past: memory is saved, not time.
    """

    def __init__(
        self,
        batch_size: int,
        max_length: int,
        widths: dict[str, int],
        quantised: dict[str, int],
        dtype: torch.dtype,
        device: torch.device | str,
        bits: int = 8,
        block: int = BLOCK,
    ):
        """`widths`: name -> numbers of one token's entry; `quantised`: name -> how many of them, from the first on.

        As {"c_kv": 512, "k_pe": 64} and {"c_kv": 512}.
        """
        super().__init__(batch_size, max_length, {}, dtype, device)
        largest_level(bits)
        require(is_whole(block) and block >= 1, "block", block, "a whole number of at least 1")
        require(set(quantised) <= set(widths), "quantised", sorted(quantised), f"some of {sorted(widths)}")
        for name, count in quantised.items():
            fits = is_whole(count) and 1 <= count <= widths[name]
            require(fits, f"quantised {name}", count, f"a whole number from 1 to {widths[name]}")
        self.widths, self.quantised, self.bits, self.block = dict(widths), dict(quantised), bits, block
        self.dtype, self.device = dtype, torch.empty(0, device=device).device
        shapes: dict[str, tuple[int, torch.dtype]] = {}
        for name, width in widths.items():
            count = quantised.get(name, 0)
            if count:
                blocks = -(-count // block)
                shapes[f"{name}.levels"] = quantised_bytes(count, bits, block) - SCALE_BYTES * blocks, torch.uint8
                shapes[f"{name}.scales"] = blocks, torch.float32
            if count < width:
                shapes[name] = width - count, dtype
        with torch.inference_mode(False):  # as in AttentionCache
            self.slots = {
                name: torch.zeros(batch_size, max_length, width, dtype=kind, device=device)
                for name, (width, kind) in shapes.items()
            }

    def append(self, **entries: Tensor) -> tuple[Tensor, ...]:
        """Store new tokens' entries, each (B, T, width), and return every entry so far, dequantised: (B, S, width).

        As `AttentionCache.append`, a refused call leaves the cache as it was. Raises `ValueError` also for numbers
        that are not finite.
        """
        new_tokens = self._check(entries)
        stored: dict[str, Tensor] = {}
        for name, entry in entries.items():
            count = self.quantised.get(name, 0)
            if count:
                levels, scales = quantise(entry[..., :count].detach(), self.bits, self.block)
                stored |= {f"{name}.levels": pack(levels, self.bits), f"{name}.scales": scales}
            if count < self.widths[name]:
                stored[name] = entry[..., count:].detach()
        end = self.length + new_tokens
        for name, values in stored.items():
            self.slots[name][:, self.length : end] = values
        self.length = end
        return tuple(self.read(name) for name in entries)

    def read(self, name: str) -> Tensor:
        """The entries so far, dequantised: (B, S, width)."""
        count, parts = self.quantised.get(name, 0), []
        if count:
            packed, scales = (self.slots[f"{name}.{kind}"][:, : self.length] for kind in ("levels", "scales"))
            parts.append(dequantise(unpack(packed, self.bits, count), scales, self.block, self.dtype))
        if count < self.widths[name]:
            parts.append(self.slots[name][:, : self.length])
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def _check(self, entries: dict[str, Tensor]) -> int:
        """How many tokens these are, if they fit."""
        require(set(entries) == set(self.widths), "cache entries", sorted(entries), f"{sorted(self.widths)}")
        for name, entry in entries.items():
            takes = "3 dimensions: batch, tokens, ..."
            require(entry.dim() == 3, f"cache entry {name}", tuple(entry.shape), takes)
        new_tokens = next(iter(entries.values())).shape[1]
        for name, entry in entries.items():
            expected = (self.batch_size, new_tokens, self.widths[name])
            require(tuple(entry.shape) == expected, f"cache entry {name}", tuple(entry.shape), f"shape {expected}")
            kind, own = (entry.dtype, entry.device), (self.dtype, self.device)
            require(kind == own, f"cache entry {name}", kind, f"{own}, which the cache was made for")
        self.check_room(new_tokens)
        return new_tokens

    @property
    def elements_per_token(self) -> int:
        """Numbers kept for one token of one sequence, whatever their bits."""
        return sum(self.widths.values())

    @property
    def bytes_per_token(self) -> int:
        """Bytes kept for one token of one sequence, the scales included."""
        return sum(slot[0, 0].nbytes for slot in self.slots.values())
