"""A training step of the whole model: ours against transformers' DeepseekV3ForCausalLM.

    python benchmarks/train.py              # tokens per second, on a GPU if there is one
    python benchmarks/train.py --memory     # peak memory of each, in a process of its own
    python benchmarks/train.py --compile    # on a GPU: both sides compiled by torch.compile

Same config, weights, batch and optimizer (fused AdamW); the models take turns in one process; medians. Theirs runs its
experts in each way that can train at this size; `batched_mm` copies the weights of every row, and needs many times the
memory and time. On a GPU both run in bf16 by autocast, and the share of the card's measured matrix rate is printed.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from card import matrix_rate
from rows import Row, against_best, parser, percent, report
from torch import Tensor, nn
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

from deepseek_lab import DeepSeekConfig
from deepseek_lab.course.measure import interleaved_seconds
from deepseek_lab.course.setup import choose_device
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.training.cross_entropy import head_cross_entropy

LAB = DeepSeekConfig.preset("lab")
WIDE = LAB.replace(
    hidden_size=512, num_attention_heads=8, q_lora_rank=192, kv_lora_rank=128, intermediate_size=1536,
    moe_intermediate_size=256, n_routed_experts=16,
)  # fmt: skip
SIZES = {"the lab's size": LAB, "hidden 512": WIDE}
BATCH, LENGTH = 8, 256
TINY = {"tiny": LAB.replace(num_hidden_layers=2)}
PEERS = ("grouped_mm", "eager")


def official(config: DeepSeekConfig, experts: str) -> DeepseekV3ForCausalLM:
    """Their model of this shape, without a cache."""
    torch.manual_seed(0)
    model = DeepseekV3ForCausalLM(DeepseekV3Config(**config.to_hf(), use_cache=False))
    model.set_experts_implementation(experts)
    return model


def their_loss(model: nn.Module, windows: Tensor) -> Tensor:
    """The next token's cross-entropy, from their logits."""
    logits = model(windows[:, :-1]).logits
    return F.cross_entropy(logits.float().flatten(0, 1), windows[:, 1:].flatten())


def our_loss(model: nn.Module, windows: Tensor) -> Tensor:
    """The next token's cross-entropy, without all logits at once."""
    hidden = model.hidden_states(windows[:, :-1])
    return head_cross_entropy(hidden.flatten(0, 1), model.lm_head.weight, windows[:, 1:].flatten())


def stepper(model: nn.Module, loss: Callable, windows: Tensor, compiled: bool = False) -> Callable[[], float]:
    """One training step, as a function of nothing."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    model.train()
    run = torch.compile(loss) if compiled else loss
    device = windows.device.type

    def step() -> float:
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            value = run(model, windows)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        return value.item()

    return step


def models(config: DeepSeekConfig, which: list[str], device: torch.device) -> dict[str, tuple[nn.Module, Callable]]:
    """Ours and theirs with the same weights, and the loss of each."""
    first = official(config, PEERS[0])
    found = {}
    for name in which:
        if name == "ours":
            ours = DeepSeekForCausalLM(config)
            ours.load_state_dict(first.state_dict())
            found[name] = ours.to(device), our_loss
        else:
            found[name] = official(config, name).to(device), their_loss
    return found


def rows(rounds: int = 15, tiny: bool = False, compiled: bool = False) -> Iterator[Row]:
    """A row for each size: seconds of a training step."""
    device = choose_device()
    batch, length = (2, 32) if tiny else (BATCH, LENGTH)
    for size, config in (TINY if tiny else SIZES).items():
        torch.manual_seed(1)
        windows = torch.randint(config.vocab_size, (batch, length + 1), device=device)
        pairs = models(config, ["ours", *PEERS], device)
        steps = {name: stepper(*pair, windows, compiled) for name, pair in pairs.items()}
        losses = {name: step() for name, step in steps.items()}
        spread = max(losses.values()) - min(losses.values())
        assert spread < (1e-5 if device.type == "cpu" else 1e-2) * losses["ours"], f"not the same model: {losses}"
        seconds = interleaved_seconds(steps, rounds=rounds, warmup=1 if tiny else 3)
        rate = batch * length / statistics.median(seconds["ours"])
        share = product_flops(pairs["ours"][0], config) * rate / matrix_rate(device)
        note = f"{rate:,.0f} tokens/s, {percent(share)} of the rate of large matrix products on this device."
        case = f"{size}, {batch} windows of {length} tokens" + ", compiled" * compiled
        yield against_best("training step, whole model", case, seconds, "transformers", note)


def product_flops(model: nn.Module, config: DeepSeekConfig) -> float:
    """Operations of a token's matrix products with weights, forward and backward: 6 for each weight that it uses."""
    used = config.num_experts_per_tok / config.n_routed_experts
    weights = sum(p.numel() * (used if ".experts." in n else 1) for n, p in model.named_parameters() if p.dim() > 1)
    return 6 * (weights - config.vocab_size * config.hidden_size)  # the embedding is a look-up


def peak(size: str, name: str) -> None:
    """Print how many MB three steps of one model add to the process at most."""
    import resource

    device = choose_device()
    windows = torch.randint(SIZES[size].vocab_size, (BATCH, LENGTH + 1), device=device)
    step = stepper(*models(SIZES[size], [name], device)[name], windows)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        step()
    if device.type == "cuda":
        print(f"{torch.cuda.max_memory_allocated() / 1e6:.0f}")
    else:
        print(f"{(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3:.0f}")


def memory() -> None:
    """Peak memory, each model alone in a new process."""
    for size in SIZES:
        found = []
        for name in ("ours", *PEERS):
            command = [sys.executable, __file__, "--peak", size, name]
            found.append(f"{name} {subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()}")
        print(f"{size}: MB that training adds: {', '.join(found)}")


def main() -> None:
    """Read the command line."""
    arguments = parser(__doc__, rounds=15)
    arguments.add_argument("--compile", action="store_true")
    arguments.add_argument("--memory", action="store_true")
    arguments.add_argument("--peak", nargs=2, metavar=("SIZE", "MODEL"), help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.peak:
        peak(*options.peak)
    elif options.memory:
        memory()
    else:
        report(rows(options.rounds, options.tiny, options.compile), options)


if __name__ == "__main__":
    main()
