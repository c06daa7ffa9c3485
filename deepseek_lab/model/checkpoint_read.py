"""Weights from files into a model, a piece at a time, so that there is never more than the model in memory.

A model is built without memory, given it once, in the dtype and on the device where it is to stay, and filled from the
files row by row.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from deepseek_lab.config import DeepSeekConfig
from deepseek_lab.model.checkpoint_files import CheckpointError, StoredTensor, open_safetensors
from deepseek_lab.model.checkpoint_names import official_name, official_tensors, stacked_tensors
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.model.fp8 import dequantise

PIECE = 2**21  # numbers read at once: enough to be fast, and 8 MiB in fp32
MAPPED = 2**24  # bytes read from a file before it is opened anew


class Reader:
    """Rows of tensors, from one file after another.

    safetensors maps files into memory, and the pages read count as this process's memory until the file is closed. So
    it is closed and opened again every 16 MiB, which costs a millisecond.
    """

    def __init__(self):
        self.path: Path | None = None
        self.file = None
        self.bytes_read = 0

    def rows(self, tensor: StoredTensor, start: int, stop: int) -> Tensor:
        """Rows from `start` up to `stop`, in the file's dtype."""
        if tensor.file != self.path or self.bytes_read > MAPPED:
            self.file = open_safetensors(tensor.file)
            self.path, self.bytes_read = tensor.file, 0
        piece = self.file.get_slice(tensor.name)[start:stop]
        self.bytes_read += piece.nbytes
        return piece


class _NothingToFill(TorchFunctionMode):
    """On the meta device, random initial weights are nowhere; PyTorch would load 70 MB of code to find that out."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func.__name__ == "normal_":  # of tensors, or of nn.init
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def build(config: DeepSeekConfig, mtp: bool) -> DeepSeekForCausalLM:
    """A model on the meta device: all shapes, no memory."""
    with torch.device("meta"), _NothingToFill():
        return DeepSeekForCausalLM(config, mtp)


def allocate(model: DeepSeekForCausalLM, device, dtype: torch.dtype) -> None:
    """Memory for a model that was built on the meta device. A router's bias is in fp32, whatever the dtype."""
    made = {old: nn.Parameter(torch.empty(old.shape, dtype=dtype, device=device)) for old in model.parameters()}
    for module in model.modules():
        for name, old in list(module.named_parameters(recurse=False)):
            setattr(module, name, made[old])  # tied weights stay one
        for name, old in list(module.named_buffers(recurse=False)):
            kind = torch.float32 if old.is_floating_point() else old.dtype
            setattr(module, name, torch.empty(old.shape, dtype=kind, device=device))


def fill(
    model: DeepSeekForCausalLM, pairs: list[tuple[StoredTensor, StoredTensor | None]], block: tuple[int, int]
) -> None:
    """Read each tensor, with its scales if it is in FP8, into its place."""
    places = {**official_tensors(model), **stacked_tensors(model)}
    reader = Reader()
    for tensor, scale in pairs:
        read_into(places[official_name(tensor.name, model.config)], reader, tensor, scale, block)


def refuse_other_head(model: DeepSeekForCausalLM, tensor: StoredTensor) -> None:
    """Raise `CheckpointError` if a file's output head is not the embedding, though `config.json` says that it is."""
    embedding, reader = model.model.embed_tokens.weight.detach(), Reader()
    for start, rows in pieces(embedding):
        if not torch.equal(reader.rows(tensor, start, start + len(rows)).to(rows), rows):
            raise CheckpointError(
                f"{tensor}: found other numbers than in model.embed_tokens.weight, expected the same: config.json has "
                "tie_word_embeddings true. Set it to false if the two were trained apart"
            )


def read_into(
    place: Tensor, reader: Reader, tensor: StoredTensor, scale: StoredTensor | None, block: tuple[int, int]
) -> None:
    """Copy one tensor piece by piece. Raises `CheckpointError` for what isn't finite."""
    scales = None
    if scale is not None:
        scales = reader.rows(scale, 0, scale.shape[0]).clone()
        refuse_not_finite(scales, scale.file, scale.name)
    for start, rows in pieces(place, multiple_of=block[0]):
        piece = reader.rows(tensor, start, start + len(rows))
        if scales is not None:
            piece = dequantise(piece, scales[start // block[0] :], block)
        rows.copy_(piece)
    refuse_not_finite(place, tensor.file, tensor.name)


def pieces(tensor: Tensor, multiple_of: int = 1) -> Iterator[tuple[int, Tensor]]:
    """A tensor a few rows at a time, as views: (number of the first row, rows). The last piece may be smaller."""
    step = max(1, PIECE // tensor[0].numel())
    step = -(-step // multiple_of) * multiple_of
    for start in range(0, len(tensor), step):
        yield start, tensor[start : start + step]


def refuse_not_finite(values: Tensor, where: Path, name: str) -> None:
    """Raise `CheckpointError` with the count of a tensor's NaN and infinities and the place of the first, if any."""
    count, first = 0, None
    for start, rows in pieces(values):
        if math.isfinite(rows.sum(dtype=torch.float32)):  # one number to look at, without a copy of the tensor
            continue
        fine = rows.isfinite()
        if name.endswith("e_score_correction_bias"):
            fine |= rows.isneginf()  # a router's bias may take an expert out of the choice
        bad = (~fine).nonzero()
        count += len(bad)
        if first is None and len(bad):
            first = [start + int(bad[0, 0]), *bad[0, 1:].tolist()]
    if count:
        wide = "" if values.dtype != torch.float16 else ", or too large for torch.float16 (then load in torch.float32)"
        raise CheckpointError(
            f"{where}: {name}: found {count} numbers that are NaN or infinite{wide}, the first at {first}, expected "
            "none. Take a checkpoint from before the training diverged, or fetch the file again if it was downloaded"
        )
