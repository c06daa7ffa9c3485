"""One layer of the model: attention, then feed-forward, each added to what was there."""

from torch import Tensor, nn

from deepseek_lab.attention import AttentionCache, MultiHeadLatentAttention
from deepseek_lab.attention.norm import RMSNorm
from deepseek_lab.config import DeepSeekConfig
from deepseek_lab.moe import DeepSeekMoE, SwiGLU


class DecoderBlock(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)). (B, T, M) -> (B, T, M).

    The first `first_k_dense_replace` layers have one wide SwiGLU, the others a mixture of experts.
    """

    def __init__(self, config: DeepSeekConfig, layer: int):
        super().__init__()
        self.self_attn = MultiHeadLatentAttention(config)
        dense = layer < config.first_k_dense_replace
        self.mlp = SwiGLU(config.hidden_size, config.intermediate_size) if dense else DeepSeekMoE.from_config(config)
        self.input_layernorm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def forward(
        self,
        x: Tensor,
        cache: AttentionCache | None = None,
        rotary: tuple[Tensor, Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cache, rotary=rotary, mask=mask)
        return x + self.mlp(self.post_attention_layernorm(x))
