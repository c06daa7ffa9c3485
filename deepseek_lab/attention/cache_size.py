"""How much of each token attention has to keep, counted: numbers ("elements") first, then bytes.

Source: DeepSeek-V2 (https://arxiv.org/abs/2405.04434), Table 1. The modules' own caches hold exactly these counts
(`tests/test_cache_size.py`).
"""

from dataclasses import dataclass

from deepseek_lab.config import DeepSeekConfig, require


def multi_head_elements(num_key_value_heads: int, head_dim: int) -> int:
    """Numbers cached per token and layer by MHA (as many key/value heads as heads), GQA, or MQA (one)."""
    # one key and one value of width D for each key/value head
    return 2 * num_key_value_heads * head_dim


def latent_elements(kv_lora_rank: int, qk_rope_head_dim: int) -> int:
    """Numbers cached per token and layer by MLA: the latent, and the one rotated key. No heads in it."""
    return kv_lora_rank + qk_rope_head_dim


def cache_bytes(elements_per_token: float, layers: int, tokens: int, bits: int = 16, batch_size: int = 1) -> int:
    """Bytes to hold `tokens` tokens of each of `batch_size` sequences in all layers, at `bits` per number.

    Raises `ValueError` for a number below 0.
    """
    for field, value in (("layers", layers), ("tokens", tokens), ("bits", bits), ("batch_size", batch_size)):
        require(value >= 0, field, value, "a number of at least 0")
    return int(-(-elements_per_token * layers * tokens * batch_size * bits // 8))


@dataclass(frozen=True)
class CacheShape:
    """What decides the size of a model's cache."""

    name: str
    layers: int
    heads: int
    head_dim: int
    kv_lora_rank: int
    qk_rope_head_dim: int

    @classmethod
    def of(cls, name: str, config: DeepSeekConfig) -> "CacheShape":
        """The shape of a DeepSeek model."""
        layers, heads, width = config.num_hidden_layers, config.num_attention_heads, config.v_head_dim
        return cls(name, layers, heads, width, config.kv_lora_rank, config.qk_rope_head_dim)

    def elements(self, groups: int = 8) -> dict[str, int]:
        """Numbers per token and layer, had the model used each kind of attention: {"MHA": 32768, ...}."""
        return {
            "MHA": multi_head_elements(self.heads, self.head_dim),
            f"GQA-{groups}": multi_head_elements(groups, self.head_dim),
            "MQA": multi_head_elements(1, self.head_dim),
            "MLA": latent_elements(self.kv_lora_rank, self.qk_rope_head_dim),
        }


# Llama has no latent; for it we take MLA at V2's own proportions: C = 4 head widths, R = half a head width.
CACHE_SHAPES = {
    shape.name: shape
    for shape in (
        CacheShape.of("DeepSeek-V3", DeepSeekConfig.preset("v3")),
        CacheShape.of("DeepSeek-V2", DeepSeekConfig.preset("v2")),
        CacheShape.of("DeepSeek-V2-Lite", DeepSeekConfig.preset("v2-lite")),
        CacheShape("Llama-3-70B-like", 80, 64, 128, 512, 64),
        CacheShape("Llama-3-405B-like", 126, 128, 128, 512, 64),
    )
}
