"""Settings for every test: offline, the learner's own progress untouched, hypothesis without a clock."""

import os
import sys
from pathlib import Path

import hypothesis
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # tests import their shared helpers as `helpers.…`

os.environ["HF_HUB_OFFLINE"] = "1"
hypothesis.settings.register_profile("course", deadline=None, max_examples=25, derandomize=True, database=None)
hypothesis.settings.load_profile("course")
torch.set_num_threads(1)  # the tensors are tiny: two threads would mostly wait for each other


@pytest.fixture(autouse=True, scope="session")
def own_data_folder(tmp_path_factory):
    """Exercises record progress in the user's data folder: give the tests, and the kernels they start, their own."""
    before = os.environ.get("XDG_DATA_HOME")
    os.environ["XDG_DATA_HOME"] = str(tmp_path_factory.mktemp("data-home"))
    yield
    os.environ.pop("XDG_DATA_HOME") if before is None else os.environ.update(XDG_DATA_HOME=before)


def devices() -> list[str]:
    """The devices present, for tests that take one."""
    return ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])


@pytest.fixture(params=devices())
def device(request) -> str:
    """Each device present, in turn."""
    return request.param


@pytest.fixture
def shown(monkeypatch) -> list:
    """What the figures' `display` was given."""
    from deepseek_lab.viz import show

    outputs = []
    monkeypatch.setattr(show, "display", lambda bundle, raw=False: outputs.append(bundle))
    return outputs
