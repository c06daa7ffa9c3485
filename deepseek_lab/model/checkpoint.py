"""Checkpoints in DeepSeek's own format, in and out.

`load_pretrained` reads what DeepSeek releases: safetensors in one file or many, bf16 or FP8, with or without prediction
modules. `save_pretrained` writes what transformers opens with no code of ours. Everything that can be wrong with a
checkpoint raises one `CheckpointError`, most of it before a weight is read.
"""

import os
from pathlib import Path

import torch

from deepseek_lab.config import DeepSeekConfig, is_whole, require
from deepseek_lab.model.checkpoint_files import CheckpointError, find_folder, list_tensors, read_json
from deepseek_lab.model.checkpoint_match import by_official_name, match
from deepseek_lab.model.checkpoint_names import copied_tensors, official_name, official_tensors
from deepseek_lab.model.checkpoint_read import allocate, build, fill, refuse_not_finite, refuse_other_head
from deepseek_lab.model.checkpoint_write import replacing, write_json, write_weights
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.model.fp8 import block_size

FLOATS = {torch.float64: "float64", torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}


def load_pretrained(
    directory_or_hub_id: str | os.PathLike, device="cpu", dtype: torch.dtype = torch.float32, mtp: bool = False
) -> DeepSeekForCausalLM:
    """A model with the weights of an official checkpoint, in `dtype` on `device`, ready to run (`eval`) or to train.

    Takes a folder, or a hub id like "deepseek-ai/DeepSeek-V2-Lite", which is downloaded into the hub's cache unless it
    is there. Weights are read piece by piece: the peak of memory is the model and a few dozen MiB. FP8 weights are
    multiplied by their scales. With `mtp`, the multi-token prediction modules are loaded too.

    Raises `CheckpointError` (a `ValueError`) that names file and tensor, what was found and what was expected.
    """
    require(dtype in FLOATS, "dtype", dtype, " or ".join(str(kind) for kind in FLOATS))
    require(torch.device(device).type != "meta", "device", device, "one with memory")
    folder = find_folder(directory_or_hub_id)
    path = folder / "config.json"
    raw = read_json(path)
    try:
        config, block = DeepSeekConfig.from_hf(raw), block_size(raw)
        model = build(config, mtp)
    except (ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path}: {error}. Correct this field, or fetch the file again") from error
    stored = by_official_name(list_tensors(folder), config)
    pairs = match(folder, stored, model, block)
    allocate(model, device, dtype)
    fill(model, pairs, block)
    head = official_name("lm_head.weight", config)
    if config.tie_word_embeddings and head in stored:
        refuse_other_head(model, stored[head])
    return model.eval()


def save_pretrained(
    model: DeepSeekForCausalLM, directory: str | os.PathLike, tokenizer=None, max_shard_bytes: int = 5_000_000_000
) -> None:
    """Write a checkpoint for `load_pretrained`, and for `transformers.AutoModelForCausalLM.from_pretrained(directory)`.

    Weights keep their dtype. Prediction modules are written as the official files have them, with copies of embedding
    and head. A `tokenizer` is saved beside them by its own `save_pretrained`. The directory holds the old checkpoint
    until the new one is complete. Raises `CheckpointError` if it can't be written, or holds numbers that aren't finite.
    """
    require(isinstance(model, DeepSeekForCausalLM), "model", type(model).__name__, "a DeepSeekForCausalLM")
    fits = is_whole(max_shard_bytes) and max_shard_bytes >= 1
    require(fits, "max_shard_bytes", max_shard_bytes, "a whole number of at least 1")
    require(not model.lm_head.weight.is_meta, "model", "one on the meta device", "one with weights")
    directory = Path(directory)
    tensors = official_tensors(model)
    for name, tensor in tensors.items():
        refuse_not_finite(tensor, directory, name)
    dtype = FLOATS[model.model.embed_tokens.weight.dtype]
    ends = {name: getattr(model.config, name) for name in ("bos_token_id", "eos_token_id")}
    with replacing(directory) as staged:
        write_json(staged / "config.json", {**model.config.to_hf(), "torch_dtype": dtype})
        write_json(staged / "generation_config.json", {"_from_model_config": True, **ends})
        write_weights(staged, {**tensors, **copied_tensors(model)}, max_shard_bytes)
        if tokenizer is not None:
            tokenizer.save_pretrained(staged)
