"""A mixture-of-experts layer: ours against transformers' DeepseekV3MoE in its three ways of running experts.

    python benchmarks/moe.py

Same weights, same tokens; the ways take turns in one process; medians. Training is forward and backward of one layer on
random tokens. Decoding is a few tokens through a stack of such layers, as many as it takes that the weights (256 MB)
don't stay in the processor's cache: in a real model they don't either, since every layer has its own. `batched_mm`
copies the weights of every row, so it is left out of training where that would need more than 6 GB.
"""

import argparse

import torch
from torch import nn
from transformers import DeepseekV3Config
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE

from deepseek_lab import DeepSeekConfig
from deepseek_lab.course.measure import interleaved_medians
from deepseek_lab.course.setup import choose_device
from deepseek_lab.moe import DeepSeekMoE

SIZES = [(256, 16, 2, 256, 2048), (512, 64, 6, 192, 2048), (1024, 128, 8, 256, 1024)]  # M, E, K, F, training tokens
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
    theirs = DeepseekV3MoE(config).to(device)
    theirs.experts.config = config
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    ours = DeepSeekMoE.from_config(DeepSeekConfig.from_hf(config)).to(device)
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


def report(label: str, alternatives: dict, rounds: int) -> None:
    """One line of the table: milliseconds, the ratio to the best peer, and the largest difference from eager."""
    expected = alternatives["eager"]().detach()
    errors = [(way().detach() - expected).abs().max() / expected.abs().max() for way in alternatives.values()]
    ms = {name: 1000 * seconds for name, seconds in interleaved_medians(alternatives, rounds=rounds).items()}
    ratio = min(ms[name] for name in PEERS if name in ms) / ms["ours"]
    columns = [f"{ms[name]:11.2f}" if name in ms else f"{'too large':>11}" for name in ("ours", *PEERS)]
    print(f"{label:40}", *columns, f"{ratio:7.2f} x {max(errors).item():10.1e}", flush=True)


def main() -> None:
    """Measure every size, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds, device = parser.parse_args().rounds, choose_device()
    torch.manual_seed(0)
    print("decode n x L: n tokens through L layers")
    print(f"torch {torch.__version__}, {device.type}, {torch.get_num_threads()} threads, medians, milliseconds")
    names = (f"{name:>11}" for name in ("ours", *PEERS))
    print(f"{'':40}", *names, f"{'best / ours':>9} {'difference':>10}")
    for size in SIZES:
        hidden, experts, k, width, tokens = size
        shape = f"M {hidden}, {experts} experts, K {k}"
        layer_bytes = 4 * experts * 3 * hidden * width
        copied = 4 * tokens * k * 3 * hidden * width
        pairs = [pair(size, device)]
        fits = [name for name in PEERS if name != "batched_mm" or copied < 6e9]
        x = torch.randn(1, tokens, hidden, device=device)
        report(f"{shape}, train {tokens}", ways(pairs, x, fits, backward=True), rounds)
        for ours, theirs, _ in pairs:  # gradients would take as much memory again
            ours.zero_grad()
            theirs.zero_grad()
        pairs += [pair(size, device) for _ in range(int(STACK_BYTES / layer_bytes))]
        with torch.inference_mode():
            for few in (1, 2, 4, 8):
                x = torch.randn(1, few, hidden, device=device)
                label = f"{shape}, decode {few} x {len(pairs)}"
                report(label, ways(pairs, x, list(PEERS), backward=False), rounds)


if __name__ == "__main__":
    main()
