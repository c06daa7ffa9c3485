"""After each module of parity tests: the largest error that each of its checks saw."""

import json

import pytest
from helpers.compare import WORST


@pytest.fixture(scope="module", autouse=True)
def report_worst():
    WORST.clear()
    yield
    if WORST:
        print("\nlargest relative errors:", json.dumps({k: float(f"{v:.2g}") for k, v in WORST.items()}))
