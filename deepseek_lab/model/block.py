"""One layer of the model: attention, then feed-forward, each added to what was there."""

from torch import Tensor, nn

from deepseek_lab.attention import AttentionCache, MultiHeadLatentAttention
from deepseek_lab.attention.compressed import CompressedAttention
from deepseek_lab.attention.norm import RMSNorm
from deepseek_lab.attention.sparse_latent import SparseLatentAttention
from deepseek_lab.config import DeepSeekConfig
from deepseek_lab.model.hyper_connections import HyperConnection, write_back
from deepseek_lab.moe import DeepSeekMoE, SwiGLU


class DecoderBlock(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)). (B, T, M) -> (B, T, M). V2, V3 and V3.2.

    The first `first_k_dense_replace` layers have one wide SwiGLU, the others a mixture of experts.
    """

    def __init__(self, config: DeepSeekConfig, layer: int):
        super().__init__()
        sparse = config.model_type == "deepseek_v32"
        self.self_attn = SparseLatentAttention(config) if sparse else MultiHeadLatentAttention(config)
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
        """(B, T, M) -> (B, T, M); a cache gains the T tokens. `rotary` and `mask` are the same for all layers."""
        x = x + self.self_attn(self.input_layernorm(x), cache, rotary=rotary, mask=mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class StreamBlock(nn.Module):
    """The same with n residual streams and hyper-connections in place of the two sums: V4. (B, T, n, M), same again."""

    def __init__(self, config: DeepSeekConfig, layer: int):
        super().__init__()
        wiring = config.hidden_size, config.hc_mult, config.hc_sinkhorn_iters, config.hc_eps, config.rms_norm_eps
        self.self_attn = CompressedAttention(config, layer)
        self.mlp = DeepSeekMoE.from_config(config, layer)
        self.input_layernorm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.attn_hc, self.ffn_hc = HyperConnection(*wiring), HyperConnection(*wiring)

    def forward(
        self,
        streams: Tensor,
        input_ids: Tensor,
        cache: AttentionCache | None = None,
        rotary: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """(B, T, n, M) -> (B, T, n, M); a cache gains the T tokens. Hashed routers choose by `input_ids` (B, T)."""
        x, post, comb = self.attn_hc(streams)
        streams = write_back(streams, self.self_attn(self.input_layernorm(x), cache, rotary), post, comb)
        x, post, comb = self.ffn_hc(streams)
        return write_back(streams, self.mlp(self.post_attention_layernorm(x), input_ids), post, comb)
