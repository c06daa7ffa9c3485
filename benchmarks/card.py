"""What this device reaches at best: the rate of a large matrix product, and of a copy. Shares are taken of these."""

import functools

import torch

from deepseek_lab.course.measure import interleaved_medians


def work_dtype(device: torch.device) -> torch.dtype:
    """What a benchmark computes in: bf16 on CUDA, fp32 elsewhere (on most CPUs bf16 products are slow)."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


@functools.cache
def matrix_rate(device: torch.device) -> float:
    """Operations per second of a large product, in the dtype of `work_dtype`."""
    size = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(size, size, device=device, dtype=work_dtype(device)) for _ in range(2))
    return 2 * size**3 / interleaved_medians({"product": lambda: a @ b})["product"]


@functools.cache
def copy_rate(device: torch.device) -> float:
    """Bytes per second that a large copy moves, reading and writing."""
    block = torch.zeros(2**29 if device.type == "cuda" else 2**27, dtype=torch.uint8, device=device)
    target = torch.zeros_like(block)
    return 2 * block.nbytes / interleaved_medians({"copy": lambda: target.copy_(block)})["copy"]
