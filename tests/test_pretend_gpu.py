"""Where there is no GPU: the tests that take a device, on one that refuses what a GPU refuses (`helpers.pretend`)."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # pytest runs in another process, which the device stays in
ROOT = Path(__file__).resolve().parents[1]
REFUSED = {
    "two devices": "there + torch.ones(3)",
    "a weight left behind": "nn.Linear(3, 3)(there)",
    "a table left behind": "there.index_select(0, torch.arange(2))",
    "NumPy without a way over": "there.numpy()",
    "NumPy's own way": "np.asarray(there)",
    "indices brought to the CPU": "torch.ones(3)[there.long()]",
    "values left behind": "there.index_put_((there.long(),), torch.ones(3))",
    "whole numbers multiplied": "there.long()[None] @ there.long()[:, None]",
}
ALLOWED = {
    "a number": "there * torch.tensor(2.0)",
    "CPU indices": "there[torch.tensor([0, 2])]",
    "a module brought along": "nn.Linear(3, 3).to(there.device)(there)",
    "in place, by a view": "there[1:].zero_()",
    "another dtype": "nn.Linear(3, 3).to(there.device).bfloat16()(there.bfloat16())",
    "random numbers": "torch.rand(3, device=there.device, generator=torch.Generator(there.device).manual_seed(0))",
    "numbers by themselves": "torch.arange(3, device=there.device) + there",
}
ASK = """
import sys
import numpy as np, torch
from torch import nn
from helpers import pretend
pretend.start()
for line in sys.stdin.read().splitlines():
    there = torch.arange(3.0).to(pretend.NAME)
    try:
        answer = eval(line)
        print("allowed", answer.device.type, answer.tolist() is not None)
    except (RuntimeError, TypeError) as error:
        print("refused", type(error).__name__)
"""


def test_what_is_refused_and_what_is_not():
    lines = "\n".join([*REFUSED.values(), *ALLOWED.values()])
    done = subprocess.run(
        [sys.executable, "-c", ASK], input=lines, cwd=ROOT / "tests", capture_output=True, text=True, check=True
    )
    answers = dict(zip([*REFUSED, *ALLOWED], done.stdout.splitlines(), strict=True))
    assert {name: answers[name].split()[0] for name in REFUSED} == dict.fromkeys(REFUSED, "refused"), answers
    assert {name: answers[name] for name in ALLOWED} == dict.fromkeys(ALLOWED, "allowed pretend True")


def test_parity_and_the_package_on_it():
    """Few examples of each: what is looked for is a tensor in the wrong place."""
    command = [sys.executable, "-m", "pytest", "--pretend-gpu", "--hypothesis-profile=quick", "-q", "-p", "no:nbval"]
    command += ["-o", "addopts=", "-p", "no:cacheprovider", "tests/parity", "tests/test_devices.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 80
