"""Real ranks for tests: processes in one gloo group that run some jobs, one after the other."""

import importlib
import tempfile
import traceback
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

LIMIT = 120  # seconds that all jobs of one launch may take


def run_ranks(world_size: int, module: str, jobs: list[tuple[str, dict]]) -> list[list]:
    """What `module.function(rank, **arguments)` returned for every job, on every rank: results[job][rank].

    One launch for all jobs, because starting a process costs seconds. Whatever happens, no process outlives the call.
    """
    with tempfile.TemporaryDirectory() as folder:
        context = mp.get_context("spawn")
        processes = [
            context.Process(target=_rank, args=(rank, world_size, folder, module, jobs), daemon=True)
            for rank in range(world_size)
        ]
        try:
            for process in processes:
                process.start()
            for process in processes:
                process.join(LIMIT)
        finally:
            for process in processes:
                if process.is_alive():
                    process.kill()
                    process.join()
        errors = [path.read_text() for path in sorted(Path(folder).glob("error-*"))]
        assert not errors, "\n".join(errors)
        assert all(process.exitcode == 0 for process in processes), [process.exitcode for process in processes]
        by_rank = [torch.load(Path(folder) / f"result-{rank}", weights_only=False) for rank in range(world_size)]
    return [list(results) for results in zip(*by_rank, strict=True)]


def _rank(rank: int, world_size: int, folder: str, module: str, jobs: list[tuple[str, dict]]) -> None:
    torch.set_num_threads(1)
    try:
        store = dist.FileStore(f"{folder}/store", world_size)
        limit = timedelta(seconds=LIMIT // 2)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world_size, timeout=limit)
        functions = importlib.import_module(module)
        torch.save([getattr(functions, name)(rank, **given) for name, given in jobs], f"{folder}/result-{rank}")
        dist.barrier()  # a rank that leaves early takes the connections of the others with it
        dist.destroy_process_group()
    except BaseException:
        Path(f"{folder}/error-{rank}").write_text(f"rank {rank}: {traceback.format_exc()}")
        raise
