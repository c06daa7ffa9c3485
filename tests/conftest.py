"""Settings for every test: offline, the learner's own progress untouched, hypothesis without a clock, which run when.

`slow` tests are those that run a notebook, a browser or an installation, by their place, and those that say so, because
they start ranks or a compiler or take over five seconds: `-m "not slow"` leaves them out. Tests that take a `device`
run on the CPU, and on a GPU where there is one. With `--gpu`, only what needs a GPU runs; where there is none it is
skipped, with a reason that says what is unproved.
"""

import os
import sys
from pathlib import Path

import hypothesis
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # tests import their shared helpers as `helpers.…`

ROOT = Path(__file__).parents[1]
SLOW_PLACES = [ROOT / name for name in ("notebooks", "tests/browser", "tests/colab", "tests/gpu")]
LONG = 5  # seconds, in a quick run: what takes more is to be shortened or marked
ON_A_GPU = ROOT / "tests" / "gpu"  # runs with --gpu only: minutes of a GPU's time

os.environ["HF_HUB_OFFLINE"] = "1"
hypothesis.settings.register_profile("course", deadline=None, max_examples=25, derandomize=True, database=None)
hypothesis.settings.register_profile("quick", hypothesis.settings.get_profile("course"), max_examples=5)
hypothesis.settings.load_profile("course")
torch.set_num_threads(1)  # the tensors are tiny: two threads would mostly wait for each other


def pytest_addoption(parser):
    group = parser.getgroup("course")
    group.addoption("--gpu", action="store_true", help="run what needs a GPU, and nothing else")
    group.addoption(
        "--pretend-gpu", action="store_true", help="--gpu, on a device that only refuses what a GPU refuses"
    )


def gpu_device(config) -> str:
    """The device that stands for a GPU: "cuda", or "pretend" where the command line asks for it."""
    return "pretend" if config.getoption("--pretend-gpu") else "cuda"


def gpu_is_there(config) -> bool:
    return config.getoption("--pretend-gpu") or torch.cuda.is_available()


def pytest_configure(config):
    if config.getoption("--pretend-gpu"):
        from helpers import pretend

        pretend.start()


def pytest_generate_tests(metafunc):
    """Tests that take a `device` run on the CPU and on a GPU."""
    if "device" in metafunc.fixturenames:
        gpu = pytest.param(gpu_device(metafunc.config), marks=pytest.mark.gpu)
        metafunc.parametrize("device", ["cpu", gpu], indirect=True, scope="module")


@pytest.hookimpl(tryfirst=True)  # before -m is looked at
def pytest_collection_modifyitems(config, items):
    """Mark what is slow by its place, and keep what this machine and the command line have in mind."""
    alone, there = config.getoption("--gpu") or config.getoption("--pretend-gpu"), gpu_is_there(config)
    kept = []
    for item in items:
        if any(place in item.path.parents for place in SLOW_PLACES):
            item.add_marker(pytest.mark.slow)
        gpu = item.get_closest_marker("gpu")
        wanted = bool(gpu) if alone else not gpu or (there and ON_A_GPU not in item.path.parents)
        if wanted and gpu and not there:
            item.add_marker(pytest.mark.skip(reason=f"unproved here, without a GPU: {proves(item, gpu)}"))
        if wanted:
            kept.append(item)
    items[:] = kept


def proves(item, gpu) -> str:
    """What a test on a GPU would prove: what its mark says, else the first line of its module's docstring."""
    return gpu.args[0] if gpu.args else (item.module.__doc__ or item.path.stem).strip().splitlines()[0]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter, config):
    yield  # the list of what was skipped comes first
    if config.getoption("markexpr") == "not slow":
        passed = terminalreporter.stats.get("passed", [])
        if long := [report.nodeid for report in passed if report.duration > LONG]:
            terminalreporter.write_line(f"Over {LONG} s, and not marked slow: {', '.join(long)}")
    if config.getoption("--gpu") and not gpu_is_there(config):
        terminalreporter.write_line("Nothing was proved: PyTorch finds no GPU here. See the skips above.", yellow=True)


@pytest.fixture(autouse=True, scope="session")
def own_data_folder(tmp_path_factory):
    """Exercises record progress in the user's data folder: give the tests, and the kernels they start, their own."""
    before = os.environ.get("XDG_DATA_HOME")
    os.environ["XDG_DATA_HOME"] = str(tmp_path_factory.mktemp("data-home"))
    yield
    os.environ.pop("XDG_DATA_HOME") if before is None else os.environ.update(XDG_DATA_HOME=before)


@pytest.fixture(scope="module")
def device(request) -> str:
    """Each device, in turn. For the whole module, because hypothesis asks for it before it draws examples."""
    return request.param


@pytest.fixture
def shown(monkeypatch) -> list:
    """What the figures' `display` was given."""
    from deepseek_lab.viz import show

    outputs = []
    monkeypatch.setattr(show, "display", lambda bundle, raw=False: outputs.append(bundle))
    return outputs
