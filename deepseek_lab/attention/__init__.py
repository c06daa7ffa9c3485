"""Attention as DeepSeek uses it. Shapes: B batch, T query tokens, S key tokens, H heads, G key/value heads, D head
width, C latent width (`kv_lora_rank`), R rope width (`qk_rope_head_dim`), M model width (`hidden_size`)."""

from deepseek_lab.attention.cache import AttentionCache
from deepseek_lab.attention.latent import MultiHeadLatentAttention
from deepseek_lab.attention.multi_head import MultiHeadAttention

__all__ = ["AttentionCache", "MultiHeadAttention", "MultiHeadLatentAttention"]
