"""The first cell of every notebook: one device, one seed, no noise."""

from pathlib import Path

import torch


def choose_device() -> torch.device:
    """CUDA when there is one, then Apple's MPS, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def setup(seed: int = 0) -> torch.device:
    """Seed PyTorch, silence transformers' notices, and return the device that the notebook runs on."""
    import transformers  # here: it takes a second that tests of this module need not spend

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(seed)
    return choose_device()


def data_path(name: str) -> Path:
    """The file `data/name` of the course. Raises `FileNotFoundError` that says how to get it back."""
    path = Path(__file__).resolve().parents[2] / "data" / name
    if not path.exists():
        raise FileNotFoundError(
            f"data/{name} is missing from the course folder. Bring it back: git checkout -- data/{name}"
        )
    return path
