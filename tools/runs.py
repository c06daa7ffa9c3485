"""Training runs in parallel processes: what is done already is not run again, and each result is saved at once."""

import argparse
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import torch


def workers(about: str) -> int:
    """The command line of a tool that runs trainings: how many at once. `about` is shown by `--help`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args().workers


class Runs:
    """The rows of one `data/` file. `fields` are what makes a run the same run: the arguments of `run`, in order."""

    def __init__(self, output: Path, fields: Sequence[str], about: Mapping):
        self.output, self.fields = output, fields
        self.about = {**about, "python": platform.python_version(), "torch": torch.__version__}
        self.rows: list[dict] = json.loads(output.read_text())["runs"] if output.exists() else []

    def key(self, row: Mapping) -> tuple:
        """What makes a run the same run."""
        return tuple(row[name] for name in self.fields)

    def do(self, run: Callable[..., dict], jobs: Sequence[tuple], workers: int) -> None:
        """Run the jobs that are not done yet, in `workers` processes of one thread each, saving after each."""
        finished = {self.key(row) for row in self.rows}
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for future in as_completed([pool.submit(run, *job) for job in jobs if job not in finished]):
                self.rows.append(future.result())
                print({name: value for name, value in self.rows[-1].items() if not isinstance(value, list)}, flush=True)
                self.save()

    def save(self) -> None:
        """Write beside, then rename."""
        beside = self.output.with_suffix(".tmp")
        lines = ",\n".join("  " + json.dumps(row) for row in sorted(self.rows, key=self.key))
        beside.write_text('{"about": ' + json.dumps(self.about) + ',\n "runs": [\n' + lines + "\n]}\n")
        beside.replace(self.output)
