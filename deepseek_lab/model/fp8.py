"""Weights in 8 bits: e4m3 numbers, and one fp32 scale for each block of 128 x 128 of them.

That is how DeepSeek-V3 is released: `X.weight` in `float8_e4m3fn` and beside it `X.weight_scale_inv`, which the
weights are multiplied by. Sources: DeepSeek-V3 (https://arxiv.org/abs/2412.19437), section 3.3.2; `weight_dequant` in
DeepSeek's `inference/kernel.py`.
"""

from torch import Tensor

from deepseek_lab.config import is_whole, require


def block_size(config_json: dict) -> tuple[int, int]:
    """Rows and columns of one block, from the `quantization_config` of a `config.json`; 128 x 128 if it has none.

    Raises `ValueError` for another method, or what is no block.
    """
    settings = config_json.get("quantization_config") or {}
    require(isinstance(settings, dict), "quantization_config", settings, "an object")
    method = settings.get("quant_method", "fp8")
    require(method == "fp8", "quantization_config.quant_method", method, "'fp8', the only one supported")
    block = settings.get("weight_block_size", [128, 128])
    fits = isinstance(block, (list, tuple)) and len(block) == 2 and all(is_whole(n) and n >= 1 for n in block)
    require(fits, "quantization_config.weight_block_size", block, "two whole numbers: rows and columns of a block")
    return tuple(block)


def scale_shape(shape: tuple[int, int], block: tuple[int, int]) -> tuple[int, int]:
    """How many scales a matrix has, down and across; the last blocks may be cut off."""
    return tuple(-(-size // step) for size, step in zip(shape, block, strict=True))


def dequantise(weight: Tensor, scale: Tensor, block: tuple[int, int]) -> Tensor:
    """e4m3 (O, I) and scales, at least (ceil(O / rows), ceil(I / columns)) -> fp32 (O, I)."""
    rows, columns = weight.shape
    by_column = scale[: -(-rows // block[0])].repeat_interleave(block[1], dim=1)[:, :columns]
    # W[i, j] = scale[i // rows, j // columns] * q[i, j]
    return by_column.repeat_interleave(block[0], dim=0)[:rows].mul_(weight.float())
