"""One training step on N ranks: our ZeRO stages beside PyTorch's DDP and FSDP2 and DeepSpeed's stages.

    python benchmarks/zero.py                    # 2 ranks on this machine's processor
    python benchmarks/zero.py --ranks 4 --rounds 11

Same model, same text, same optimizer, in the same processes: in each round every engine makes one step, one after the
other, and the slowest rank counts. Losses must agree. On a GPU, also 1.1B parameters in bf16 there, with and without
the optimizer's state on the host: seconds and peak memory.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from rows import Row, parser, report

from deepseek_lab import DeepSeekConfig, DeepSeekForCausalLM
from deepseek_lab.course.machine import usable_cores
from deepseek_lab.training.corpus import python_corpus
from deepseek_lab.training.data import PackedWindows
from deepseek_lab.training.engines import CompilerMissing, DeepSpeedMissing, make_engine
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
TINY = DeepSeekConfig.preset("lab").replace(num_hidden_layers=2)
BATCH, LENGTH = 2, 128  # windows of a rank
AGREE = 1e-3  # losses of the first six steps
ENGINES = {
    **{name: (name, None) for name in ("ddp", "zero1", "zero2", "zero3", "fsdp2")},
    **{f"deepspeed{n}": ("deepspeed", {"zero_optimization": {"stage": n}}) for n in (1, 2, 3)},
}
WHO = {"ddp": "PyTorch, DDP", "fsdp2": "PyTorch, FSDP2"} | {f"deepspeed{n}": f"DeepSpeed, stage {n}" for n in (1, 2, 3)}
PAIRS = (
    ("zero1", "deepspeed1"), ("zero2", "deepspeed2"), ("zero3", "deepspeed3"), ("zero3", "fsdp2"),
    ("zero1", "ddp"), ("zero2", "ddp"), ("zero3", "ddp"),
)  # fmt: skip
# With MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TRIM_THRESHOLD_=4000000000 in the environment, on two cores: 390 ms, and
# 404 without; DDP 337 ms, and 357. The other 50 ms are stage 3's second all-gather, on the cores that compute.
AGAINST_DDP = (
    " Stage 3 sends 3Ψ numbers in a step, DDP 2Ψ; here the cores that send are those that compute. Tried: letting "
    "glibc keep freed memory, so that no page is taken anew. Both get faster by a few percent, the ratio stays."
)


def adamw(groups):
    """The same for all."""
    return torch.optim.AdamW(groups, lr=1e-3)


def engines(config: DeepSeekConfig, tiny: bool) -> tuple[dict, dict[str, str]]:
    """A name and an engine each, all of the same weights; and why there is none, for those that can't be made."""
    made, missing = {}, {}
    for name, (kind, options) in ENGINES.items():
        if tiny and kind == "deepspeed":
            missing[name] = "its import alone takes longer than tiny sizes may"
            continue
        torch.manual_seed(0)
        try:
            made[name] = make_engine(kind, DeepSeekForCausalLM(config), adamw, clip=1.0, options=options)
        except (DeepSpeedMissing, CompilerMissing) as error:
            missing[name] = str(error)
    return made, missing


def compare(rounds: int, tiny: bool, results: Path) -> None:
    """What every rank does. Rank 0 writes `results`."""
    torch.set_num_threads(max(1, usable_cores() // int(os.environ["WORLD_SIZE"])))
    dist.init_process_group("gloo")
    rank, ranks, config = dist.get_rank(), dist.get_world_size(), TINY if tiny else CONFIG
    windows = PackedWindows(python_corpus().train, 16 if tiny else LENGTH, BATCH * ranks)
    made, missing = engines(config, tiny)
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
        apart = max(abs(a - b) for own in losses.values() for a, b in zip(own[:6], losses["ddp"][:6], strict=True))
        parameters = sum(p.numel() for p in DeepSeekForCausalLM(config).parameters())
        found = {"seconds": seconds, "missing": missing, "apart": apart, "parameters": parameters, "ranks": ranks}
        results.write_text(json.dumps(found), encoding="utf-8")
    made.clear()  # engines end before the group that they use
    dist.barrier()
    dist.destroy_process_group()


def run_ranks(rounds: int, tiny: bool, ranks: int) -> dict:
    """Start the ranks, and wait for what they found."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
        command += [__file__, "--rounds", str(rounds), "--results", str(results), *["--tiny"] * tiny]
        # With a GPU in sight DeepSpeed would take it, and the others not. Libraries warn about their own future.
        quiet = {"PYTHONWARNINGS": "ignore", "TORCH_CPP_LOG_LEVEL": "ERROR"}
        ended = subprocess.run(command, env={**os.environ, **quiet, "CUDA_VISIBLE_DEVICES": ""}).returncode
        if ended:
            raise RuntimeError(f"the ranks ended with code {ended}; what they said stands above")
        return json.loads(results.read_text(encoding="utf-8"))


def rows(rounds: int = 9, tiny: bool = False, ranks: int = 2) -> Iterator[Row]:
    """A row for each of our stages and each engine that it is compared with: seconds of a step."""
    found = run_ranks(rounds, tiny, ranks)
    assert found["apart"] < AGREE, f"not the same training: losses differ by {found['apart']}"
    seconds, size = found["seconds"], f"{found['parameters'] / 1e6:.1f}M parameters, {found['ranks']} ranks"
    for ours, theirs in PAIRS:
        group, name = "ZeRO, training step", f"stage {ours[-1]}, {size}"
        if theirs in found["missing"]:
            yield Row(group, name, WHO[theirs], [], [], f"Not measured: {found['missing'][theirs]}.")
            continue
        note = f"Losses of the first six steps agree to {found['apart']:.0e}."
        if theirs == "ddp":
            note = "DDP shards nothing: each rank keeps all of the optimizer's state."
            note += AGAINST_DDP * (ours == "zero3")
        yield Row(group, name, WHO[theirs], seconds[ours], seconds[theirs], note)
    if torch.cuda.is_available() and not tiny:
        for stage in (2, 3):
            for offload in (False, True):
                yield on_a_gpu(stage, offload, rounds)


def on_a_gpu(stage: int, offload: bool, rounds: int) -> Row:
    """Peak memory and step time of a large model, with or without the optimizer's state on the host."""
    windows = PackedWindows(python_corpus().train, LENGTH, BATCH)
    torch.manual_seed(0)
    with torch.device("cuda"):
        model = DeepSeekForCausalLM(LARGE)
    parameters = sum(p.numel() for p in model.parameters())
    engine = zero(model, stage, partial(torch.optim.AdamW, lr=1e-4), dtype=torch.bfloat16, offload=offload)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    seconds = []
    for step in range(rounds + 2):
        begun = time.perf_counter()
        engine.step([windows.batch_at(step).cuda()], next_token_loss)
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
    peak = torch.cuda.max_memory_allocated() / 2**30
    del engine, model
    torch.cuda.empty_cache()
    name = f"stage {stage}, {parameters / 1e9:.2f}B parameters, bf16, state on the {'host' if offload else 'GPU'}"
    note = f"Peak {peak:.2f} GiB on the GPU, {statistics.median(seconds[2:]):.2f} s."
    return Row("ZeRO on a GPU, training step", name, "", seconds[2:], [], note)


def main() -> None:
    """Start the ranks, or be one."""
    arguments = parser(__doc__, rounds=9)
    arguments.add_argument("--ranks", type=int, default=2)
    arguments.add_argument("--results", type=Path, help="where rank 0 writes: given by this script to its ranks")
    options = arguments.parse_args()
    if options.results:
        compare(options.rounds, options.tiny, options.results)
    else:
        report(rows(options.rounds, options.tiny, options.ranks), options)


if __name__ == "__main__":
    main()
