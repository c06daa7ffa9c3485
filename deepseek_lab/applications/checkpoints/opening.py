"""One name for a model: "lab", a folder, or a model on the hub, opened with the code that fits."""

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from deepseek_lab.applications.checkpoints.hub import (
    HUB_ID,
    Unavailable,
    count_numbers,
    fetch,
    first_sentence,
    refuse_too_large,
)
from deepseek_lab.applications.checkpoints.writers import OurWriter, TheirWriter, Writer, name_of_cache
from deepseek_lab.config import is_whole, require
from deepseek_lab.inference.stream import prompt_ids
from deepseek_lab.model.checkpoint import FLOATS, load_pretrained
from deepseek_lab.model.checkpoint_files import CheckpointError, list_tensors, read_json
from deepseek_lab.model.checkpoint_names import layer_of
from deepseek_lab.model.checkpoint_read import refuse_not_finite

LAB = "lab"
OURS = ("deepseek_v2", "deepseek_v3", "deepseek_v32", "deepseek_v4")  # as config.json's model_type names them
PROBE = " a b\n  c d.e"  # a text whose blanks show whether tokens can be decoded one by one
LAYERS = ("num_hidden_layers", "num_layers", "n_layers", "n_layer")  # how configs call the number of layers
BESIDE_TOKENIZER = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
LONGEST_NAME = 100  # characters of a name that a sentence shows


def open_writer(
    name: str | os.PathLike, *, lab: str | os.PathLike, device="cpu", dtype: torch.dtype | None = None
) -> Writer:
    """The model of this name, ready to write.

    "lab" is the folder `lab`, which the course ships. Another name is a folder with a checkpoint, or the id of a model
    on the Hugging Face hub, which is taken from the hub's cache or downloaded. DeepSeek-V2 to V4 run with this
    package's code, all others with transformers'. `dtype` is by default float32; on CUDA bfloat16, but for the lab's.

    Where the model can't be had, or has no room in memory or on the disk, the lab's model is opened instead: `name` of
    the result is then "lab", and `sentence` says why. So it is with anything that is wrong with a model from the hub.
    Raises `CheckpointError` for a folder that is there and can't be opened, and `ValueError` for what is no name.
    """
    path = os.fspath(name) if isinstance(name, (str, os.PathLike)) else None
    require(isinstance(path, str) and bool(path.strip()), "name", name, f'"{LAB}", a folder or a hub id')
    good = dtype is None or (isinstance(dtype, torch.dtype) and dtype in FLOATS)
    require(good, "dtype", dtype, f"None, {' or '.join(map(str, FLOATS))}")
    device = torch.device(device)
    if name == LAB:
        return _open_lab(lab, device, dtype)
    kind = dtype or (torch.bfloat16 if device.type == "cuda" else torch.float32)
    try:
        folder = _folder_here(path)
        return _open_if_it_fits(folder, path, device, kind) if folder else _open_from_hub(path, device, kind)
    except Unavailable as why:
        return _open_lab(
            lab, device, None, f"{_shown(path)} can't be used here: {why}, so the lab's own model goes on."
        )


def _folder_here(name: str) -> Path | None:
    """The folder of this name on this computer, None if nothing is there. Raises `CheckpointError` for a file."""
    try:
        folder = Path(name).expanduser()
        there, is_folder = folder.exists(), folder.is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # too long, nobody's home, or a folder that is closed to us
        reason = error.strerror if isinstance(error, OSError) and error.strerror else first_sentence(error)
        raise Unavailable(f"it can't be looked up as a folder ({reason})") from error
    if there and not is_folder:
        raise CheckpointError(
            f"{_shown(name)}: found a file, expected a folder with config.json. Give the file's folder"
        )
    return folder if is_folder else None


def _open_from_hub(name: str, device: torch.device, dtype: torch.dtype) -> Writer:
    if not HUB_ID.fullmatch(name):
        raise Unavailable("there is no such folder, and a model on the hub has a name like owner/model")
    folder = fetch(name, device, dtype)
    try:
        return _open_if_it_fits(folder, name, device, dtype)
    except Unavailable:
        raise
    except Exception as error:  # nobody here made these files: whatever is wrong with them, the lab's model goes on
        raise Unavailable(f"its files can't be opened ({first_sentence(error)})") from error


def _shown(name: str) -> str:
    """A name as a sentence shows it: in one line, and not at any length."""
    short = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."
    return short if short.isprintable() else repr(short)


def _open_lab(folder, device: torch.device, dtype: torch.dtype | None, sentence: str | None = None) -> Writer:
    """The lab's model: small enough to be run in float32 everywhere."""
    opened = _open_folder(Path(folder), LAB, device, dtype or torch.float32)
    return dataclasses.replace(opened, sentence=sentence or opened.sentence)


def _open_if_it_fits(folder: Path, name: str, device: torch.device, dtype: torch.dtype) -> Writer:
    refuse_too_large(count_numbers(folder), device, dtype)
    try:
        return _open_folder(folder, name, device, dtype)
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise Unavailable(f"it doesn't fit into the memory of {device}") from error


def _open_folder(folder: Path, name: str, device: torch.device, dtype: torch.dtype) -> Writer:
    raw = read_json(folder / "config.json")
    ours = raw.get("model_type") in OURS
    refuse_too_many_layers(folder, raw, list_tensors(folder), ours)
    if not ours:
        refuse_what_cannot_write(folder, raw)  # first: a reader's tokenizer would be refused for another reason
    tokenizer = open_tokenizer(folder)
    model = load_pretrained(folder, device, dtype) if ours else load_theirs(folder, raw, device, dtype)
    vocabulary, largest = raw.get("vocab_size"), max(tokenizer.get_vocab().values())
    if is_whole(vocabulary) and largest >= vocabulary:
        raise CheckpointError(
            f"{folder}: tokenizer.json has a token number {largest}, expected numbers below vocab_size of config.json, "
            f"{vocabulary}. The two don't belong together"
        )
    if ours:
        try:
            prompt_ids(tokenizer, "")
        except ValueError as error:
            raise CheckpointError(f"{folder}: {error}") from error
    sentence = _describe(name, model, raw, ours, device, dtype)
    begin, ends = tokenizer.bos_token_id if ours else begin_token(folder, tokenizer), end_tokens(folder, tokenizer)
    return (OurWriter if ours else TheirWriter)(name, sentence, model, tokenizer, begin, ends)


def _describe(name: str, model, raw: dict, ours: bool, device: torch.device, dtype: torch.dtype) -> str:
    number = sum(parameter.numel() for parameter in model.parameters())
    size = f"{number / 1e9:.1f} billion" if number >= 1e9 else f"{number / 1e6:.1f} million"
    who, code = "The lab's own model" if name == LAB else _shown(name), "this course's" if ours else "transformers'"
    kind = str(dtype).removeprefix("torch.")
    return f"{who}: {size} parameters of the kind {raw['model_type']}, run by {code} code in {kind} on {device}."


def refuse_too_many_layers(folder: Path, raw: dict, names: Iterable[str], ours: bool) -> None:
    """Raise `CheckpointError` if config.json asks for more layers than have tensors: all would be built before a check.

    Where a name in transformers' models has the layer's number is up to the model, and experts are numbered too: all
    numbers of a name together count there, which are at least as many as layers.
    """
    numbers = {
        layer_of(name) if ours else tuple(part for part in name.split(".") if part.isdecimal()) for name in names
    }
    numbered = numbers - {None, ()}
    for field in LAYERS:
        asked = raw.get(field)
        if is_whole(asked) and asked > len(numbered):
            raise CheckpointError(
                f"{folder / 'config.json'}: {field}: found {asked}, but the weights are those of at most "
                f"{len(numbered)} layers. Correct this field, or take the weights that belong to it"
            )


def open_tokenizer(folder: Path):
    """The tokenizer that a folder's tokenizer.json describes, to the letter. Raises `CheckpointError`.

    The class that tokenizer_config.json names isn't asked: for DeepSeek's checkpoints it is Llama's, which cuts texts
    in another way than their tokenizer.json does.
    """
    from transformers import PreTrainedTokenizerFast  # here: importing it takes a second

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file. Save the tokenizer beside the model")
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(
            folder, clean_up_tokenization_spaces=False, local_files_only=True
        )
        ids = tokenizer(PROBE, add_special_tokens=False).input_ids
        pieces = "".join(tokenizer.decode([token]) for token in ids)
    except Exception as error:  # tokenizers raises bare Exceptions
        where = _at_fault(path)
        raise CheckpointError(f"{where}: can't be read ({first_sentence(error)}). Download or copy it again") from error
    if pieces != PROBE:
        raise CheckpointError(f"{path}: found a tokenizer whose tokens are no pieces of bytes, expected byte-level BPE")
    return tokenizer


def _at_fault(path: Path) -> str:
    """Which file keeps a tokenizer from being opened. Raises `CheckpointError` if it is no JSON."""
    from tokenizers import Tokenizer

    try:
        Tokenizer.from_file(str(path))
    except Exception:  # as above
        return str(path)
    beside = [path.with_name(name) for name in BESIDE_TOKENIZER if path.with_name(name).exists()]
    for file in beside:
        read_json(file)
    return " or ".join(map(str, beside)) or str(path)


def refuse_what_cannot_write(folder: Path, raw: dict) -> None:
    """Raise `CheckpointError` for a kind of model that transformers has no code for that writes texts."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    kind = raw.get("model_type")
    if not isinstance(kind, str) or kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise CheckpointError(
            f"{folder / 'config.json'}: model_type: found {kind!r}, for which neither this course nor transformers has "
            "code that writes texts. Code that comes with a checkpoint is never run"
        )


def load_theirs(folder: Path, raw: dict, device: torch.device, dtype: torch.dtype):
    """A causal language model of transformers from safetensors files, whole and finite. Raises `CheckpointError`."""
    from transformers import AutoModelForCausalLM

    refuse_what_cannot_write(folder, raw)
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, trust_remote_code=False, local_files_only=True,
            output_loading_info=True,
        )  # fmt: skip
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever transformers' many models raise
        raise CheckpointError(f"{folder}: transformers can't open it ({first_sentence(error)})") from error
    missing = sorted(str(key) for part in ("missing_keys", "mismatched_keys") for key in report.get(part) or ())
    if missing:  # transformers would go on with random numbers
        raise CheckpointError(
            f"{folder}: found no fitting {missing[0]}, one of {len(missing)} weights that are missing"
        )
    for weight, tensor in model.named_parameters():
        refuse_not_finite(tensor.detach(), folder, weight)
    if name_of_cache(model) is None:
        raise CheckpointError(f"{folder}: found a {type(model).__name__}, expected a model that keeps keys and values")
    return model.to(device).eval()


def begin_token(folder: Path, tokenizer) -> int | None:
    """The token before each text: the tokenizer puts it there, or tokenizer_config.json asks for it; None without."""
    begin, path = tokenizer.bos_token_id, folder / "tokenizer_config.json"
    asked = path.exists() and read_json(path).get("add_bos_token") is True
    return begin if asked or tokenizer("a").input_ids[:1] == [begin] else None


def end_tokens(folder: Path, tokenizer) -> tuple[int, ...]:
    """All tokens that end a text: generation_config.json's, or else config.json's, and the tokenizer's own."""
    return tuple(
        dict.fromkeys([*_ends_in_files(folder), *([tokenizer.eos_token_id] if tokenizer.eos_token_id else [])])
    )


def _ends_in_files(folder: Path) -> Iterator[int]:
    for name in ("generation_config.json", "config.json"):
        if (folder / name).exists():
            found = read_json(folder / name).get("eos_token_id")
            if found is not None:
                ends = found if isinstance(found, list) else [found]
                good = all(is_whole(end) and end >= 0 for end in ends)
                if not good:
                    raise CheckpointError(f"{folder / name}: eos_token_id: found {found!r}, expected tokens' numbers")
                yield from ends
                return
