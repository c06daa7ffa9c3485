"""What tests on a GPU measured, printed behind the run."""

import pytest

LINES = pytest.StashKey[list]()


@pytest.fixture
def tell(request):
    """Say a line that is printed at the end, whether the test passes or not."""
    return request.config.stash.setdefault(LINES, []).append


def pytest_terminal_summary(terminalreporter, config):
    if config.stash.get(LINES, []):
        terminalreporter.section("measured on this GPU")
        for line in config.stash[LINES]:
            terminalreporter.write_line(line)
