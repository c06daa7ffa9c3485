"""A V3-shaped model that trains in seconds, and text for it. Run as a script, it is the training that a test kills."""

import sys
from pathlib import Path

import torch

from deepseek_lab import DeepSeekConfig
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.training.data import Documents, TokenCorpus, train_tokenizer
from deepseek_lab.training.pretrain import History, Recipe, pretrain

TINY = DeepSeekConfig.preset("lab").replace(
    vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, q_lora_rank=16, kv_lora_rank=16,
    qk_nope_head_dim=8, qk_rope_head_dim=8, v_head_dim=8, intermediate_size=48, moe_intermediate_size=16,
    n_routed_experts=6, num_experts_per_tok=2, initializer_range=0.1,
)  # fmt: skip
RECIPE = dict(batch=4, length=24, lr=1e-2, warmup=5)
LINES = [f"def add_{i}(x):\n    return x + {i}\n\n" for i in range(300)]


def corpus() -> TokenCorpus:
    """Three hundred little functions; every tenth is held out."""
    documents = Documents([x for i, x in enumerate(LINES) if i % 10], LINES[::10])
    return TokenCorpus.of(train_tokenizer(documents.train, TINY.vocab_size), documents)


def model(seed: int = 0, config: DeepSeekConfig = TINY) -> DeepSeekForCausalLM:
    """Always the same weights for the same seed."""
    torch.manual_seed(seed)
    return DeepSeekForCausalLM(config, mtp=True)


def quietly(loop, label):
    """Instead of a progress bar."""
    return loop


def train(folder: Path | None, steps: int, after_step=None, **more) -> tuple[DeepSeekForCausalLM, History]:
    """The training that the tests compare."""
    trained = model()
    recipe = Recipe(**RECIPE | {"steps": steps} | more)
    history = pretrain(
        trained, corpus(), recipe, folder=folder, save_every=7, validate_every=10, after_step=after_step,
        progress=quietly,
    )  # fmt: skip
    return trained, history


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(Path(sys.argv[1]), int(sys.argv[2]), after_step=lambda done, _: print(done, flush=True))
