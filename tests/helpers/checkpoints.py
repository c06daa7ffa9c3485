"""Small models for checkpoint tests, and their files looked at and changed from outside."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from hypothesis import assume
from safetensors.torch import load_file, save_file

from deepseek_lab import DeepSeekConfig, DeepSeekForCausalLM

TINY = dict(
    vocab_size=50, hidden_size=32, num_hidden_layers=3, num_attention_heads=2, q_lora_rank=12, kv_lora_rank=16,
    qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=8, intermediate_size=40, moe_intermediate_size=20,
    n_routed_experts=8, num_experts_per_tok=3, first_k_dense_replace=1, n_group=2, topk_group=1,
    max_position_embeddings=4096,
)  # fmt: skip
ONLY = "model.safetensors"


def tiny(**changes) -> DeepSeekConfig:
    """A small V3; with `model_type="deepseek_v2"` a small V2."""
    if changes.get("model_type") == "deepseek_v2":
        v2 = dict(scoring_func="softmax", topk_method="group_limited_greedy", norm_topk_prob=False)
        changes = {**v2, "num_nextn_predict_layers": 0, "rope_interleave": True, **changes}
    return DeepSeekConfig(**{**TINY, **changes})


@torch.no_grad()
def filled(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Random numbers in every parameter and buffer: norms are not 1, and biases not 0, as in trained weights."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point() and "inv_freq" not in name:
            mean = 1.0 if name.endswith("norm.weight") else 0.0
            tensor.copy_(mean + 0.3 * torch.randn(tensor.shape, generator=generator))
    return module.eval()


def model_of(config: DeepSeekConfig, mtp: bool = False, dtype: torch.dtype = torch.float32) -> DeepSeekForCausalLM:
    """A filled model of this config."""
    return filled(DeepSeekForCausalLM(config, mtp)).to(dtype)


def ids(config, seed: int = 0) -> torch.Tensor:
    """(2, 9) token ids."""
    return torch.randint(config.vocab_size, (2, 9), generator=torch.Generator().manual_seed(seed))


def assert_same_weights(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    """Every parameter and buffer, to the bit."""
    first, second = ours.state_dict(), theirs.state_dict()
    assert first.keys() == second.keys()
    for name in first:
        assert first[name].dtype == second[name].dtype, name
        assert torch.equal(first[name], second[name]), name


def stored(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of all files."""
    return {name: tensor for file in sorted(folder.glob("*.safetensors")) for name, tensor in load_file(file).items()}


def assume_experts_are_matrices(folder: Path) -> None:
    """Leave out what transformers 5.15 writes wrongly: an expert of width 1, as a vector."""
    assume(all(tensor.ndim == 2 for name, tensor in stored(folder).items() if ".experts." in name))


def rewrite(folder: Path, change: Callable[[dict], object], file: str = ONLY) -> None:
    """Let `change` work on the dict of a file's tensors, and write it back."""
    tensors = load_file(folder / file)
    change(tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / file, {"format": "pt"})


def edit_json(folder: Path, file: str = "config.json", **changes) -> None:
    """Change fields of a JSON file."""
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**content, **changes}))


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, and what is in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
