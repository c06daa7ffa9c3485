"""One training step on N ranks: our ZeRO stages beside PyTorch's DDP and FSDP2 and DeepSpeed's stages.

    python benchmarks/zero.py                    # 2 ranks on this machine
    python benchmarks/zero.py --ranks 4 --rounds 11
    python benchmarks/zero.py --offload          # a GPU: 1.1B parameters in bf16, with and without offloading

Same model, same text, same optimizer, in the same processes: in each round every engine makes one step, one after the
other, and the slowest rank counts. Medians over the rounds, and the ratio to DDP's, round by round. Losses must agree.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from functools import partial
from importlib.util import find_spec

import torch
import torch.distributed as dist

from deepseek_lab import DeepSeekConfig, DeepSeekForCausalLM
from deepseek_lab.training.corpus import python_corpus
from deepseek_lab.training.data import PackedWindows
from deepseek_lab.training.engines import make_engine
from deepseek_lab.training.launch.worker import next_token_loss
from deepseek_lab.training.zero import zero

CONFIG = DeepSeekConfig.preset("lab").replace(
    hidden_size=384, num_hidden_layers=6, intermediate_size=1024, moe_intermediate_size=192, q_lora_rank=192,
    kv_lora_rank=128, num_attention_heads=6,
)  # fmt: skip
LARGE = CONFIG.replace(
    hidden_size=2048, num_hidden_layers=16, intermediate_size=5632, moe_intermediate_size=1024, num_attention_heads=16,
    q_lora_rank=768, kv_lora_rank=512, qk_nope_head_dim=64, qk_rope_head_dim=32, v_head_dim=64,
)  # fmt: skip
PEERS = {1: "deepspeed 1", 2: "deepspeed 2", 3: "deepspeed 3"}


def adamw(groups):
    """The same for all."""
    return torch.optim.AdamW(groups, lr=1e-3)


def engines() -> dict:
    """A name and an engine each, all of the same weights."""
    kinds = {"ddp": ("ddp", None), "zero1": ("zero1", None), "zero2": ("zero2", None), "zero3": ("zero3", None)}
    kinds["fsdp2"] = ("fsdp2", None)
    if find_spec("deepspeed"):
        kinds |= {name: ("deepspeed", {"zero_optimization": {"stage": stage}}) for stage, name in PEERS.items()}
    made = {}
    for name, (kind, options) in kinds.items():
        torch.manual_seed(0)
        made[name] = make_engine(kind, DeepSeekForCausalLM(CONFIG), adamw, clip=1.0, options=options)
    return made


def compare(rounds: int, batch: int, length: int) -> None:
    """What every rank does."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // int(os.environ["WORLD_SIZE"])))
    dist.init_process_group("gloo")
    rank, ranks = dist.get_rank(), dist.get_world_size()
    windows, made = PackedWindows(python_corpus().train, length, batch * ranks), engines()
    parameters = sum(p.numel() for p in DeepSeekForCausalLM(CONFIG).parameters())
    seconds, losses = {name: [] for name in made}, {name: [] for name in made}
    for number in range(rounds + 2):
        mine = [windows.batch_at(number).chunk(ranks)[rank]]
        order = list(made)[number % len(made) :] + list(made)[: number % len(made)]  # nobody is always the first
        for name in order:
            dist.barrier()
            begun = time.perf_counter()
            losses[name].append(made[name].step(mine, next_token_loss))
            took = torch.tensor(time.perf_counter() - begun)
            dist.all_reduce(took, dist.ReduceOp.MAX)
            if number >= 2:  # the first two warm up
                seconds[name].append(took.item())
    if rank == 0:
        _print(parameters, ranks, batch, length, seconds, losses)
    dist.barrier()
    dist.destroy_process_group()


def _print(parameters: int, ranks: int, batch: int, length: int, seconds: dict, losses: dict) -> None:
    apart = max(abs(a - b) for values in losses.values() for a, b in zip(values[:6], losses["ddp"][:6], strict=True))
    print(f"{parameters / 1e6:.1f}M parameters, {ranks} ranks, {batch} windows of {length} tokens each, fp32, clipped")
    print(f"losses of the first six steps agree to {apart:.1e}\n\n| engine | ms per step | to DDP | spread of it |")
    print("|---|---|---|---|")
    for name, values in seconds.items():
        ratios = sorted(a / b for a, b in zip(values, seconds["ddp"], strict=True))
        low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
        median = statistics.median(values) * 1e3
        print(f"| {name} | {median:.0f} | {statistics.median(ratios):.2f} | {low:.2f} to {high:.2f} |")


def offloading(rounds: int, batch: int, length: int) -> None:
    """On one GPU: peak memory and step time, with and without the optimizer's state on the host."""
    if not torch.cuda.is_available():
        raise SystemExit("--offload compares the memory of a GPU, and there is none here")
    windows = PackedWindows(python_corpus().train, length, batch)
    print("| stage | offload | peak GiB on the GPU | s per step | parameters |\n|---|---|---|---|---|")
    for stage in (2, 3):
        for offload in (False, True):
            torch.manual_seed(0)
            with torch.device("cuda"):
                model = DeepSeekForCausalLM(LARGE)
            parameters = sum(p.numel() for p in model.parameters())
            engine = zero(model, stage, partial(torch.optim.AdamW, lr=1e-4), dtype=torch.bfloat16, offload=offload)
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            seconds = []
            for step in range(rounds):
                begun = time.perf_counter()
                engine.step([windows.batch_at(step).cuda()], next_token_loss)
                torch.cuda.synchronize()
                seconds.append(time.perf_counter() - begun)
            peak, median = torch.cuda.max_memory_allocated() / 2**30, statistics.median(seconds[2:])
            print(f"| {stage} | {offload} | {peak:.2f} | {median:.2f} | {parameters / 1e9:.2f}B |", flush=True)
            del engine, model
            torch.cuda.empty_cache()


def main() -> None:
    """Start the ranks, or be one."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=2, help="windows per rank")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--offload", action="store_true")
    given = parser.parse_args()
    if given.offload:
        offloading(given.rounds, given.batch, given.length)
    elif "RANK" in os.environ:
        compare(given.rounds, given.batch, given.length)
    else:
        command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(given.ranks)]
        raise SystemExit(subprocess.run([sys.executable, *command, *sys.argv]).returncode)


if __name__ == "__main__":
    main()
