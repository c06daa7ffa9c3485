"""A model on the Hugging Face hub: its files from the cache of this computer, or downloaded if there is room for them.

One attempt with a short timeout: without a network, the answer comes in seconds. What keeps a model from being used is
`Unavailable`, with the reason as a part of a sentence.
"""

import math
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch

from deepseek_lab.model.checkpoint_files import INDEX, SINGLE, CheckpointError, list_tensors, read_json

FILES = ["*.json", "*.jinja", "*.safetensors"]  # no pickles, no code
TIMEOUT = 10  # seconds for the hub to answer
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
ROOM = 1.1  # memory for the weights, and a tenth more for the cache of a text and what is being computed


class Unavailable(Exception):
    """Why a model can't be used here, as it follows on "can't be used here: "."""


def fetch(hub_id: str, device: torch.device, dtype: torch.dtype) -> Path:
    """The folder in the hub's cache that holds the model's files. Raises `Unavailable`."""
    import huggingface_hub  # only for who needs it: importing it takes a while

    try:
        cached = Path(huggingface_hub.snapshot_download(hub_id, allow_patterns=FILES, local_files_only=True))
        if is_whole_folder(cached):
            return cached
    except Exception:  # not there, or only in part; the hub says the same in many classes
        pass
    try:
        info = huggingface_hub.HfApi().model_info(hub_id, files_metadata=True, timeout=TIMEOUT)
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
        _refuse_what_is_no_model(sizes)
        refuse_too_large(_numbers_of(info, sizes), device, dtype)
        _refuse_full_disk(sizes)
        # Not by the commit's name: the cache would not know it again as the newest.
        return Path(huggingface_hub.snapshot_download(hub_id, allow_patterns=FILES, etag_timeout=TIMEOUT))
    except Unavailable:
        raise
    except Exception as error:  # the hub has many, from lost networks to gated models
        raise Unavailable(_reason(error)) from error


def is_whole_folder(folder: Path) -> bool:
    """Whether all files are there, so that no network is needed. What is in them is another question."""
    try:
        weights = set(read_json(folder / INDEX)["weight_map"].values()) if (folder / INDEX).exists() else {SINGLE}
    except (CheckpointError, LookupError, AttributeError, TypeError):
        return False
    return all((folder / str(name)).is_file() for name in ("config.json", "tokenizer.json", *weights))


def refuse_too_large(numbers: float, device: torch.device, dtype: torch.dtype) -> None:
    """Raise `Unavailable` for so many weights if the device's free memory can't hold them in `dtype`."""
    needed, free = numbers * dtype.itemsize * ROOM, free_memory(device)
    if needed > free:
        kind = str(dtype).removeprefix("torch.")
        raise Unavailable(
            f"in {kind} it takes about {_gigabytes(needed)} of memory, and {_gigabytes(free)} are free on {device}"
        )


def count_numbers(folder: Path) -> int:
    """How many weights the safetensors files of a folder hold, from their headers. Raises `CheckpointError`."""
    return sum(math.prod(tensor.shape) for tensor in list_tensors(folder).values())


def free_memory(device: torch.device) -> float:
    """Bytes that a new model may take on the device; infinitely many where nothing says how many there are."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    try:
        import psutil  # comes with Jupyter
    except ImportError:
        return math.inf
    return float(psutil.virtual_memory().available)


def _numbers_of(info, sizes: dict[str, int]) -> float:
    """Weights of a model on the hub: what it counted itself, or else bytes as if they were 16-bit numbers."""
    counted = getattr(info.safetensors, "total", None)
    return counted or sum(size for name, size in sizes.items() if name.endswith(".safetensors")) / 2


def _refuse_what_is_no_model(names: Iterable[str]) -> None:
    if not any(name.endswith(".safetensors") for name in names):
        raise Unavailable("it has no safetensors files, and other weights can hold code and are not opened")
    if "tokenizer.json" not in names:
        raise Unavailable("it has no tokenizer.json")


def _refuse_full_disk(sizes: dict[str, int]) -> None:
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE).expanduser()
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    needed = sum(size for name, size in sizes.items() if any(Path(name).match(pattern) for pattern in FILES))
    free = shutil.disk_usage(there).free
    if needed > free:
        raise Unavailable(f"its files are {_gigabytes(needed)}, and {_gigabytes(free)} are free on the disk of {cache}")


def _reason(error: Exception) -> str:
    """What went wrong, as a part of a sentence."""
    from huggingface_hub import errors

    kinds = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "the hub is switched off (HF_HUB_OFFLINE), and its cache on this computer doesn't hold the model"
    if isinstance(error, errors.GatedRepoError):
        return "it is given only to those who accept its terms, on its page, and then log in with `hf auth login`"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "the hub has no model of this name, or shows it only to some"
    # The hub's own class, and what httpx calls everything from an unknown host to a timeout.
    if isinstance(error, (errors.LocalEntryNotFoundError, ConnectionError, TimeoutError)) or "TransportError" in kinds:
        return (
            f"the hub can't be reached ({type(error).__name__}), and its cache on this computer doesn't hold the model"
        )
    if isinstance(error, errors.HfHubHTTPError):
        return f"the hub answered with an error ({first_sentence(error).split(' for url')[0]})"
    return f"fetching it failed ({type(error).__name__}: {first_sentence(error)})"


def first_sentence(error: Exception) -> str:
    """What an exception says first, without a full stop, to be put in brackets; its class where it says nothing."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    what, *_ = lines[0].split(". ")
    return "".join(char if char.isprintable() else " " for char in what).rstrip(". ")


def _gigabytes(bytes_: float) -> str:
    return f"{bytes_ / 1e9:,.1f} GB"
