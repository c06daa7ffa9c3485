"""What every rank does: the same training under any engine. Started by torchrun, by us or by hand:

torchrun --nproc-per-node 2 -m deepseek_lab.training.launch.worker FOLDER
"""

import json
import os
import socket
import sys
import time
import traceback
from contextlib import nullcontext
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from deepseek_lab.config import DeepSeekConfig, require
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.training import sharded
from deepseek_lab.training.data import PackedWindows
from deepseek_lab.training.engines import counting_sent, make_engine
from deepseek_lab.training.launch.job import DTYPES, HELD, Job, Report, read_job, write_json
from deepseek_lab.training.launch.watch import Watch
from deepseek_lab.training.pretrain import parameter_groups
from deepseek_lab.training.zero import Engine
from deepseek_lab.training.zero.timeline import record_timeline

START = 60.0  # seconds that the slowest rank may take to import and to connect


def next_token_loss(model: nn.Module, windows: Tensor) -> Tensor:
    """Cross-entropy of windows (B, T + 1), in nats per token, in fp32 at least."""
    logits = model(windows[:, :-1]).flatten(0, 1)
    return F.cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), windows[:, 1:].flatten())


def main(folder: Path) -> None:
    """Train as `folder` says, and write there this rank's events, and its report or why there is none."""
    rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    fail = partial(_fail, folder, rank)
    address, port = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT")
    require(address and port, "MASTER_ADDR and MASTER_PORT", (address, port), "what torchrun sets: start with torchrun")
    store = dist.TCPStore(address, int(port), is_master=False, timeout=timedelta(seconds=START))
    watch = Watch(rank, size, store, START, fail, orphan=0 if os.environ.get(HELD) else None).start()
    try:
        job, tokens = read_job(folder)
        require(job.world_size == size, "world_size", job.world_size, f"the {size} that torchrun started")
        train(rank, job, tokens, folder, watch)
    except Exception as error:
        words, mine = watch.explain(error)
        if mine:
            traceback.print_exc()
        fail(words, mine)


def _fail(folder: Path, rank: int, words: str, mine: bool = False) -> None:
    """End this process at once: an orderly end would wait for the ranks that are lost."""
    write_json(folder / f"error-{rank}.json", {"rank": rank, "words": words, "mine": mine})
    print(f"{words}", file=sys.stderr, flush=True)
    os._exit(1)


def train(rank: int, job: Job, tokens: Tensor, folder: Path, watch: Watch) -> None:
    """All steps of one rank."""
    device = choose_device(job)
    windows = PackedWindows(tokens, job.length, job.batch, job.seed)
    limit = timedelta(seconds=20 * job.patience)  # the watch is faster, and says more
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=limit)
    with (folder / f"events-{rank}.jsonl").open("w", encoding="utf-8") as events:

        def tell(**event) -> None:
            events.write(json.dumps({"rank": rank, **event}) + "\n")
            events.flush()

        tell(pid=os.getpid(), host=socket.gethostname())
        engine = build(job, device, watch)
        first, losses, norms, seconds, timeline = 0, [], [], [], None
        if job.checkpoints is not None:
            with watch.slowly("reading a checkpoint"):
                facts = sharded.load(Path(job.checkpoints), engine)
                first = steps_done(job, len(tokens), facts) if facts else 0
        watch.patience = job.patience

        def loss_fn(model: nn.Module, windows: Tensor) -> Tensor:
            loss = next_token_loss(model, windows)
            watch.tick()  # who has come so far waits for the others in C++, where nobody can see it
            return loss

        for step in range(first, job.steps):
            watch.enter(f"step {step}")
            batch = windows.batch_at(step).to(device)
            mine = batch.view(job.accumulate, job.world_size, -1, job.length + 1)[:, rank]
            begun = time.perf_counter()
            with observed(job, engine, step, first) as seen:
                loss = engine.step(list(mine), loss_fn)
            timeline = seen
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - begun)
            losses.append(loss)
            norms.append(engine.grad_norm)
            tell(step=step, loss=loss, seconds=seconds[-1])
            due = job.save_every is not None and (step + 1) % job.save_every == 0
            if job.checkpoints is not None and (due or step + 1 == job.steps):
                with watch.slowly(f"writing the checkpoint of step {step + 1}"):
                    sharded.save(Path(job.checkpoints), engine, {"steps": step + 1, **recipe_of(job, len(tokens))})
                tell(saved=step + 1)
    peak = engine.peak_transient_bytes if isinstance(engine, Engine) else None
    report = Report(
        rank, socket.gethostname(), str(device), first, losses, norms, seconds, engine.bytes(), engine.bytes_sent,
        peak, [asdict(event) for event in timeline] if timeline else None,
    )  # fmt: skip
    watch.enter("the end")
    dist.barrier()  # a rank that leaves early takes the connections of the others with it
    watch.finish()
    report.write(folder / f"report-{rank}.json")
    dist.destroy_process_group()


def build(job: Job, device: torch.device, watch: Watch):
    """The engine that the job asks for, with a model that tells the watch of every module it passes."""
    config = DeepSeekConfig.from_hf(job.config)
    with watch.slowly("building the engine"):
        torch.manual_seed(job.seed)
        model = DeepSeekForCausalLM(config).to(device)
        for module in model.modules():
            module.register_forward_pre_hook(watch.tick)
        return engine_of(job, model)


def observed(job: Job, engine, step: int, first: int):
    """What watches a step: a timeline the last one, if wanted; a count of what is sent the first of a library's."""
    if job.timeline and step == job.steps - 1:
        return record_timeline(engine)
    if step == first and not isinstance(engine, Engine):
        return counting_sent()
    return nullcontext()


def recipe_of(job: Job, tokens: int) -> dict:
    """What must not change when a training goes on; ranks, engine, micro-batches and the number of steps may."""
    names = ("batch", "length", "lr", "betas", "weight_decay", "clip", "seed")
    return {name: getattr(job, name) for name in names} | {"betas": list(job.betas), "tokens": tokens}


def steps_done(job: Job, tokens: int, facts: dict) -> int:
    """Of the training that a checkpoint is of. Raises `ValueError` if it isn't this one."""
    for name, now in recipe_of(job, tokens).items():
        takes = f"{facts[name]!r}, as in the checkpoint in {job.checkpoints}, or another folder"
        require(facts[name] == now, name, now, takes)
    return facts["steps"]


def choose_device(job: Job) -> torch.device:
    """A GPU for each rank of this host, or the CPU for all of them.

    Raises `ValueError` if the job wants more GPUs than there are.
    """
    local, here = int(os.environ.get("LOCAL_RANK", 0)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    enough = torch.cuda.is_available() and torch.cuda.device_count() >= here
    require(enough or job.device != "cuda", "device", "cuda", f"'cpu', or {here} GPUs on {socket.gethostname()}")
    if not enough or job.device == "cpu":
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # DeepSpeed would take a GPU that it sees
        return torch.device("cpu")
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


def engine_of(job: Job, model: nn.Module):
    """The engine that the job asks for."""

    def adamw(groups: list[dict]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(groups, lr=job.lr, betas=tuple(job.betas), weight_decay=job.weight_decay)

    dtype = DTYPES[job.dtype] if job.dtype else None
    return make_engine(
        job.engine, model, adamw, clip=job.clip, dtype=dtype, offload=job.offload,
        groups=parameter_groups(model, job.weight_decay), options=job.options,
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
