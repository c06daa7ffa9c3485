"""A mixture-of-experts layer: ours against transformers' DeepseekV3MoE in its three ways of running experts.

    python benchmarks/moe.py

Same weights, same tokens; the ways take turns in one process; medians. Training is forward and backward of one layer on
random tokens. Decoding is a few tokens through a stack of such layers, as many as it takes that the weights (256 MB)
don't stay in the processor's cache: in a real model they don't either, since every layer has its own. `batched_mm`
copies the weights of every row, so it is left out of training where that would need more than 6 GB. A way that takes
three times the best one's time is tried and not repeated. On a GPU all compute in bf16, and the notes have the share of
the card's measured matrix rate (training) and of its copy rate (decoding, which reads the chosen experts' weights).
"""

import statistics
from collections.abc import Iterator

import torch
from card import copy_rate, matrix_rate, work_dtype
from rows import Row, against_best, difference, main, percent, race
from torch import nn
from transformers import DeepseekV3Config
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE

from deepseek_lab import DeepSeekConfig
from deepseek_lab.course.setup import choose_device
from deepseek_lab.moe import DeepSeekMoE

SIZES = [(256, 16, 2, 256, 2048), (512, 64, 6, 192, 2048), (1024, 128, 8, 256, 1024)]  # M, E, K, F, training tokens
TINY = [(32, 4, 2, 16, 8)]
PEERS = ("eager", "grouped_mm", "batched_mm")
STACK_BYTES = 256e6


def pair(size: tuple, device: torch.device) -> tuple[nn.Module, nn.Module, DeepseekV3Config]:
    """(ours, theirs, their config) with the same random weights."""
    hidden, experts, k, width, _ = size
    config = DeepseekV3Config(
        hidden_size=hidden, n_routed_experts=experts, num_experts_per_tok=k, moe_intermediate_size=width,
        n_group=1, topk_group=1, n_shared_experts=1,
    )  # fmt: skip
    config._experts_implementation = "eager"
    theirs = DeepseekV3MoE(config).to(device, work_dtype(device))
    theirs.experts.config = config
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    ours = DeepSeekMoE.from_config(DeepSeekConfig.from_hf(config)).to(device, work_dtype(device))
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs, config


def ways(pairs: list, x: torch.Tensor, peers: list[str], backward: bool) -> dict:
    """The same tokens through the stack of layers, ours and in each of their ways."""

    def run(name: str):
        for ours, theirs, config in pairs:
            module = ours if name == "ours" else theirs
            config._experts_implementation = name
            output = module(x)
            if backward:
                module.zero_grad()
                output.square().sum().backward()
        return output

    return {name: (lambda name=name: run(name)) for name in ["ours", *peers]}


def compare(group: str, case: str, alternatives: dict, rounds: int, share=None) -> Row:
    """The row of one case. `share`: the note on what part of the device's rate so many seconds are."""
    expected = alternatives["eager"]().detach()
    error = max(difference(way, expected) for name, way in alternatives.items() if name != "eager")
    assert error < (1e-5 if choose_device().type == "cpu" else 5e-2), f"not the same layer: {error}"
    seconds, left_out = race(alternatives, rounds)
    notes = [left_out] if left_out else []
    if share:
        notes.insert(0, share(statistics.median(seconds["ours"])))
    return against_best(group, case, seconds, "transformers", " ".join(notes))


def training(size: tuple, pairs: list, rounds: int, device: torch.device) -> Row:
    """Forward and backward of one layer."""
    hidden, experts, k, width, tokens = size
    copied = 4 * tokens * k * 3 * hidden * width
    peers = [name for name in PEERS if name != "batched_mm" or copied < 6e9]
    x = torch.randn(1, tokens, hidden, device=device, dtype=work_dtype(device))
    operations = 6 * tokens * (3 * hidden * width * (k + 1) + experts * hidden)  # the shared expert is as wide

    def share(seconds: float) -> str:
        return f"{percent(operations / seconds / matrix_rate(device))} of the rate of large matrix products."

    case = f"hidden {hidden}, {experts} experts, {k} each, {tokens:,} tokens"
    row = compare("MoE layer, training", case, ways(pairs, x, peers, backward=True), rounds, share)
    for ours, theirs, _ in pairs:  # gradients would take as much memory again
        ours.zero_grad()
        theirs.zero_grad()
    return row


@torch.inference_mode()
def decoding(size: tuple, few: int, pairs: list, rounds: int, device: torch.device) -> Row:
    """A few tokens through a stack of layers."""
    hidden, experts, k, width, _ = size
    x = torch.randn(1, few, hidden, device=device, dtype=work_dtype(device))
    element = x.element_size()

    def share(seconds: float) -> str:
        """Counts each layer's shared and chosen experts once, as one token reads them."""
        read = len(pairs) * 3 * hidden * width * (k + 1) * element
        return f"Reads weights at {percent(read / seconds / copy_rate(device))} of the rate of a copy."

    case = f"hidden {hidden}, {experts} experts, {k} each, {few} token{'s' * (few > 1)}, {len(pairs)} layers"
    alternatives = ways(pairs, x, list(PEERS), backward=False)
    return compare("MoE layer, decoding", case, alternatives, rounds, share if few == 1 else None)


def rows(rounds: int = 9, tiny: bool = False) -> Iterator[Row]:
    """Rows for every size: one of training, four of decoding."""
    torch.manual_seed(0)
    device = choose_device()
    for size in TINY if tiny else SIZES:
        hidden, experts, _, width, _ = size
        pairs = [pair(size, device)]
        yield training(size, pairs, rounds, device)
        layer_bytes = 4 * experts * 3 * hidden * width
        pairs += [pair(size, device) for _ in range(1 if tiny else int(STACK_BYTES / layer_bytes))]
        for few in (1,) if tiny else (1, 2, 4, 8):
            yield decoding(size, few, pairs, rounds, device)


if __name__ == "__main__":
    main(__doc__, rows, rounds=9)
