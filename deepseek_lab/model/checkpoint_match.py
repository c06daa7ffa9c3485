"""What a checkpoint holds against what a model takes: all that can be known before a weight is read."""

from pathlib import Path

from deepseek_lab.config import DeepSeekConfig
from deepseek_lab.model.checkpoint_files import CheckpointError, StoredTensor
from deepseek_lab.model.checkpoint_names import (
    copied_tensors,
    deciding_fields,
    layer_of,
    official_name,
    official_tensors,
    shape_in_words,
    stacked_tensors,
    unstacked_names,
)
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.model.fp8 import scale_shape

FP8, SCALE = "F8_E4M3", "_scale_inv"
WHOLE = ("I64", "I32")
DTYPES = ("F64", "F32", "F16", "BF16")
CORRECT = "Correct config.json, or take the weights that belong to it"


def match(
    folder: Path, stored: dict[str, StoredTensor], model: DeepSeekForCausalLM, block: tuple[int, int]
) -> list[tuple[StoredTensor, StoredTensor | None]]:
    """The tensors to read, each with its scales if it is in FP8. Raises `CheckpointError` for anything that's amiss."""
    config = model.config
    stacks, copies = stacked_tensors(model), copied_tensors(model)
    if config.tie_word_embeddings:
        copies[official_name("lm_head.weight", config)] = model.model.embed_tokens.weight
    missing = official_tensors(model)
    takes = {**missing, **stacks, **copies}
    weights = {name: tensor for name, tensor in stored.items() if not _ignored(name, stored, model)}
    scales = {name: weights.pop(name) for name in list(weights) if name.endswith(SCALE)}
    for name in takes:  # in the model's order: the first tensor that doesn't fit tells most
        if name in weights:
            _check_dtype(weights[name], scales.get(name + SCALE), block, takes[name].is_floating_point())
            _check_shape(weights[name], tuple(takes[name].shape))
    pairs, extra = [], []
    for name, tensor in weights.items():  # in the files' order, in which they are read
        scale = scales.pop(name + SCALE, None)
        if name not in takes:
            extra.append(name)
        elif name not in copies:
            pairs.append((tensor, scale))
            for part in unstacked_names(name, takes[name], config) if name in stacks else (name,):
                if missing.pop(part, None) is None:
                    raise CheckpointError(f"{tensor}: found {part} as well, expected one of the two. {CORRECT}")
    for scale in scales.values():
        weight = scale.name.removesuffix(SCALE)
        raise CheckpointError(f"{scale}: found scales, but no {weight} that they belong to. Save the two together")
    if extra or missing:
        raise CheckpointError(f"{folder}: {_what_is_amiss(extra, list(missing), stored, config)}. {CORRECT}")
    return pairs


def by_official_name(stored: dict[str, StoredTensor], config: DeepSeekConfig) -> dict[str, StoredTensor]:
    """The same under the names of official files, whoever wrote them.

    Raises `CheckpointError` if two are one tensor.
    """
    renamed: dict[str, StoredTensor] = {}
    for name, tensor in stored.items():
        official = official_name(name, config)
        other = renamed.setdefault(official, tensor)
        if other is not tensor:
            raise CheckpointError(f"{tensor}: found {other.name} as well, expected {official} once. {CORRECT}")
    return renamed


def _ignored(name: str, stored: dict[str, StoredTensor], model: DeepSeekForCausalLM) -> bool:
    """Tables that old files hold though they can be computed, and prediction modules that the model doesn't have."""
    v4_prediction = model.config.model_type == "deepseek_v4" and name.startswith("mtp.")
    if name.endswith("rotary_emb.inv_freq") or v4_prediction:
        return True
    layer, first = layer_of(name), model.config.num_hidden_layers
    if model.mtp_modules or layer is None or not 0 <= layer - first < model.config.num_nextn_predict_layers:
        return False
    return f"model.layers.{layer}.eh_proj.weight" in stored  # else it is a decoder layer too many


def _check_shape(tensor: StoredTensor, expected: tuple[int, ...]) -> None:
    if tensor.shape != expected:
        words = shape_in_words(tensor.name)
        raise CheckpointError(
            f"{tensor}: found shape {tensor.shape}, expected {expected}, which is {words} in config.json. {CORRECT}"
        )


def _check_dtype(tensor: StoredTensor, scale: StoredTensor | None, block: tuple[int, int], floating: bool) -> None:
    """A floating-point number of 16 bits or more, or FP8 with its scales; or whole numbers, for a table of experts."""
    if not floating:
        if tensor.dtype not in WHOLE:
            takes = " or ".join(WHOLE)
            raise CheckpointError(
                f"{tensor}: found dtype {tensor.dtype}, expected {takes}: numbers of experts. {CORRECT}"
            )
        return
    if tensor.dtype != FP8:
        if scale is not None:
            raise CheckpointError(f"{scale}: found scales, but the weight is {tensor.dtype}, expected {FP8}. {CORRECT}")
        if tensor.dtype not in DTYPES:
            takes = f"{', '.join(DTYPES)} or {FP8} with scales"
            raise CheckpointError(f"{tensor}: found dtype {tensor.dtype}, expected {takes}. Convert it to one of them")
        return
    if scale is None or len(tensor.shape) != 2:
        found = f"{FP8} of shape {tensor.shape} and {'no' if scale is None else 'with'} scales"
        raise CheckpointError(f"{tensor}: found {found}, expected a matrix and {tensor.name + SCALE}. Save both")
    expected = scale_shape(tensor.shape, block)
    if (scale.dtype, scale.shape) != ("F32", expected):
        blocks = f"one scale for each block of {block[0]} x {block[1]}"
        raise CheckpointError(
            f"{scale}: found {scale.dtype} of shape {scale.shape}, expected F32 of shape {expected}, {blocks}. "
            "Correct quantization_config.weight_block_size in config.json, or take the scales that belong to it"
        )


def _what_is_amiss(
    extra: list[str], missing: list[str], stored: dict[str, StoredTensor], config: DeepSeekConfig
) -> str:
    """Tensors without a place and places without a tensor, and what in `config.json` decides that."""
    found = [f"no {_first_few(missing)}"] if missing else []
    if extra:
        found.append(f"{_first_few(extra)}, which this model has no place for")
    name = (missing or extra)[0]
    layer = layer_of(name)
    whole_layer = bool(missing) and layer is not None and layer not in map(layer_of, stored)
    because = f"config.json has {deciding_fields(name, config, whole_layer)}"
    if missing and layer is not None and layer >= config.num_hidden_layers:
        because += "; load with mtp=False if the prediction module isn't needed"
    return f"found {', and '.join(found)}. {because}"


def _first_few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more ({len(names)} in all)" if len(names) > 3 else "")
