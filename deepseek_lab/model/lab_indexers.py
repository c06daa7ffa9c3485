"""Lightning indexers for the lab's own model: what sparse attention would read in it.

The lab's model has MLA, which reads everything. Beside one of its layers stand indexers that were trained, with the
model itself frozen, to foresee what that layer attends to, as in DeepSeek's warm-up: one over tokens (V3.2), and one
over compressed entries (V4) for each of a few rates. `tools/lab_indexers.py` trains them.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from deepseek_lab.attention.compressed import CompressedIndexer
from deepseek_lab.attention.compressor import compressed_rotary
from deepseek_lab.attention.sparse import LightningIndexer, indexer_loss, select
from deepseek_lab.attention.window import sees_entries
from deepseek_lab.config import DeepSeekConfig, require
from deepseek_lab.config_fields import SPARSE
from deepseek_lab.model.decoder import DeepSeekForCausalLM

LAYER = 3  # the last: a window of 16 tokens catches a third of what it looks at, in the one before nine tenths
HEADS, WIDTH = 16, 32
RATES = (4, 8, 16)  # tokens for each compressed entry


class LabIndexers(nn.Module):
    """`tokens`, an indexer over single tokens, and `entries[str(rate)]` over compressed entries."""

    def __init__(self, config: DeepSeekConfig):
        super().__init__()
        rope = config.qk_rope_head_dim
        self.tokens = LightningIndexer(config.hidden_size, config.q_lora_rank, rope, HEADS, WIDTH)
        self.entries = nn.ModuleDict({str(rate): CompressedIndexer(_as_v4(config, rate)) for rate in RATES})

    @classmethod
    def load(cls, config: DeepSeekConfig, path: Path) -> "LabIndexers":
        """From `data/lab_indexers.safetensors`."""
        indexers = cls(config)
        indexers.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
        return indexers.eval()

    def token_scores(self, seen: "LayerInput") -> Tensor:
        """(B, T, T), of later tokens too: `select` looks back only."""
        keys = self.tokens.keys(seen.hidden_states, seen.rotary)
        return self.tokens(seen.hidden_states, seen.query_latent, keys, seen.rotary)

    def entry_scores(self, seen: "LayerInput", rate: int) -> Tensor:
        """(B, T, E), an entry for every `rate` tokens, of later ones too.

        Raises `ValueError` for a rate without an indexer.
        """
        require(rate in RATES, "rate", rate, " or ".join(map(str, RATES)))
        indexer, x = self.entries[str(rate)], seen.hidden_states
        keys, _ = indexer.compressor(x, 0, indexer.compressor.nothing_yet(len(x)))
        rotary = compressed_rotary(indexer.compressor.config, torch.arange(x.shape[1], device=x.device))
        return indexer(x, seen.query_latent, keys, rotary)

    def losses(self, seen: "LayerInput") -> dict[str, Tensor]:
        """How far each indexer is from the layer's attention, in nats per query."""
        losses, weights = {"tokens": indexer_loss(self.token_scores(seen), seen.weights)}, seen.weights
        for rate in RATES:
            scores = self.entry_scores(seen, rate)
            tokens, entries = scores.shape[1:]
            of_entry = weights[..., : entries * rate].unflatten(-1, (entries, rate)).sum(dim=-1)
            complete = sees_entries(0, tokens, entries, rate, scores.device)
            losses[str(rate)] = indexer_loss(scores, of_entry, select(scores.detach(), entries, complete))
        return losses


class LayerInput:
    """What one layer of a model works on and where it looks, for some text: no gradient leads back into the model."""

    @torch.no_grad()
    def __init__(self, model: DeepSeekForCausalLM, input_ids: Tensor, layer: int = LAYER):
        attention, taken = model.blocks[layer].self_attn, []
        hook = attention.register_forward_pre_hook(lambda _module, inputs: taken.append(inputs[0]))
        try:
            model.hidden_states(input_ids)
        finally:
            hook.remove()
        self.hidden_states = taken[0]  # (B, T, M)
        self.rotary = attention.rotary(self.hidden_states, None)
        self.query_latent = attention.query_latent(self.hidden_states)  # (B, T, C_q)
        self.weights = attention.attention_weights(self.hidden_states)  # (B, H, T, T)


def _as_v4(config: DeepSeekConfig, rate: int) -> DeepSeekConfig:
    """What an indexer over entries needs to know, with the widths of the lab's model."""
    return DeepSeekConfig.preset("v4-flash").replace(
        hidden_size=config.hidden_size, q_lora_rank=config.q_lora_rank, qk_rope_head_dim=config.qk_rope_head_dim,
        num_attention_heads=1, head_dim=WIDTH, o_groups=1, index_n_heads=HEADS, index_head_dim=WIDTH,
        compress_rate_csa=rate, compress_rope_theta=config.rope_theta, rope_scaling=None, num_hidden_layers=1,
        layer_types=(SPARSE,), mlp_layer_types=("moe",),
    )  # fmt: skip
