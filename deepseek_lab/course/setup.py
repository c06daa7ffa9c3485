"""The first cell of every notebook: one device, one seed, no noise."""

from pathlib import Path

import torch

from deepseek_lab.course.data import ROOT, whole_data_path
from deepseek_lab.course.missing_names import explain_missing_names


def choose_device() -> torch.device:
    """CUDA when there is one, then Apple's MPS, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def setup(seed: int = 0) -> torch.device:
    """Seed PyTorch, silence transformers' notices, and return the device that the notebook runs on.

    From then on, a cell that lacks a name says which cells to run first.
    """
    import transformers  # here: it takes a second that tests of this module need not spend

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    # The first optimizer of a process loads 800 modules, for a second. Who interrupts that, in the first steps of a
    # training, has half of PyTorch until the kernel is restarted; so it is done here.
    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])
    explain_missing_names()
    torch.manual_seed(seed)
    return choose_device()


def data_path(name: str) -> Path:
    """The file or folder `data/name` of the course. Raises `FileNotFoundError` or `ValueError`, which say how to get
    it back, where it is missing or damaged."""
    return whole_data_path(ROOT, name)
