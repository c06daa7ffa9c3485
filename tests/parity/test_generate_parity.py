"""Greedy `generate` writes what transformers' `generate` writes, token for token, in all four families.

With the prompt at once and in chunks, with a repetition penalty, and with an end token. Where two tokens or two
choices of an index are nearly a tie, rounding decides; the models are drawn so that there is none: sixteen index heads
(fewer are often all shut by ReLU, and then scores are equal), and random weights wide enough to tell logits apart.
"""

import pytest
import torch
from helpers.checkpoints import filled
from helpers.v4 import official_attention_name
from torch import Tensor
from transformers import (
    DeepseekV2Config,
    DeepseekV2ForCausalLM,
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    DeepseekV4Config,
    DeepseekV4ForCausalLM,
    DeepseekV32Config,
    DeepseekV32ForCausalLM,
)
from transformers import logging as transformers_logging

from deepseek_lab import DeepSeekConfig, DeepSeekForCausalLM, generate

transformers_logging.set_verbosity_error()
SHARED = dict(
    vocab_size=60, hidden_size=24, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2, q_lora_rank=12,
    moe_intermediate_size=12, n_routed_experts=8, num_experts_per_tok=2, max_position_embeddings=4096,
    bos_token_id=None, eos_token_id=None,
)  # fmt: skip
LATENT = dict(
    kv_lora_rank=10, qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=6, intermediate_size=20,
    first_k_dense_replace=1, n_group=2, topk_group=1,
)  # fmt: skip
INDEX = dict(index_n_heads=16, index_head_dim=8)
LAYERS = ["sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention"]
OFFICIAL = {
    "v2": (DeepseekV2Config, DeepseekV2ForCausalLM, LATENT | dict(topk_method="group_limited_greedy", head_dim=4)),
    "v3": (DeepseekV3Config, DeepseekV3ForCausalLM, LATENT),
    "v3.2": (DeepseekV32Config, DeepseekV32ForCausalLM, LATENT | INDEX | dict(index_topk=4)),
    "v4": (
        DeepseekV4Config, DeepseekV4ForCausalLM,
        INDEX | dict(
            head_dim=12, qk_rope_head_dim=4, o_groups=2, o_lora_rank=6, index_topk=2, sliding_window=5,
            num_key_value_heads=1, layer_types=LAYERS, mlp_layer_types=["hash_moe", "moe", "moe"],
            compress_rates={"compressed_sparse_attention": 2, "heavily_compressed_attention": 5},
        ),
    ),
}  # fmt: skip
NEW = 13


@pytest.fixture(scope="module", params=OFFICIAL)
def pair(request, device):
    """Their model and ours, with the same random weights."""
    kind = request.param
    config_class, model_class, fields = OFFICIAL[kind]
    config = config_class(**SHARED | fields)
    config._attn_implementation = "eager"
    theirs = filled(model_class(config))
    theirs.set_experts_implementation("eager")  # the others want widths that are multiples of 16 bytes
    weights = theirs.state_dict()
    for name in [name for name in weights if name.endswith("tid2eid")]:
        order = torch.rand(len(weights[name]), config.n_routed_experts).argsort(dim=-1)
        weights[name].copy_(order[:, : weights[name].shape[1]])
    ours = DeepSeekForCausalLM(DeepSeekConfig.from_hf(config)).eval()
    ours.load_state_dict({our_name(kind, name): tensor for name, tensor in weights.items()})
    return theirs.to(device), ours.to(device)


def our_name(kind: str, name: str) -> str:
    """V4's attention has official names here, transformers' own there."""
    before, attention, after = name.rpartition(".self_attn.")
    return before + attention + official_attention_name(after) if attention and kind == "v4" else name


def written_by(theirs, ids: Tensor, **more) -> Tensor:
    """Their greedy generation."""
    fixed = dict(max_new_tokens=NEW, do_sample=False, eos_token_id=None, pad_token_id=0)
    return theirs.generate(ids, attention_mask=torch.ones_like(ids), **fixed | more)


def prompts(device: str, batch: int, tokens: int) -> Tensor:
    generator = torch.Generator().manual_seed(tokens)
    return torch.randint(SHARED["vocab_size"], (batch, tokens), generator=generator).to(device)


@pytest.mark.parametrize("penalty", [1.0, 1.3])
@pytest.mark.parametrize("shape", [(1, 1), (3, 14)], ids=str)
def test_the_same_tokens(pair, device, shape, penalty):
    theirs, ours = pair
    ids = prompts(device, *shape)
    expected = written_by(theirs, ids, repetition_penalty=penalty)
    for chunk in (None, 4) if shape[1] > 1 else (None,):
        assert torch.equal(generate(ours, ids, NEW, repetition_penalty=penalty, prefill_chunk=chunk), expected), chunk
    assert len(expected[:, shape[1] :].unique()) > 4  # else this would say little


def test_the_same_end(pair, device):
    """Rows end at different steps, and the text with the last of them; with a penalty, that rows vary."""
    theirs, ours = pair
    ids = prompts(device, 3, 14)
    free = generate(ours, ids, NEW, repetition_penalty=1.3)[:, 14:].tolist()
    everywhere = set(free[0]) & set(free[1]) & set(free[2])
    for end in [free[1][3], *sorted(everywhere)[:1]]:
        expected = written_by(theirs, ids, repetition_penalty=1.3, eos_token_id=end, pad_token_id=end)
        assert torch.equal(generate(ours, ids, NEW, repetition_penalty=1.3, eos_token_id=end), expected)
        last = max(row.index(end) + 1 if end in row else NEW for row in free)
        assert expected.shape[1] == 14 + last
