"""Multi-token prediction (MTP): a further layer that guesses the token after the next one.

In training it is a second question about every position; in decoding it drafts a token that the model then checks.
Source: DeepSeek-V3 (https://arxiv.org/abs/2412.19437), section 2.2; the order of the two halves is that of the official
checkpoints and of transformers' `MtpLayer`, to which this is equal (`tests/parity/test_mtp_parity.py`).
"""

import torch
from torch import Tensor, nn

from deepseek_lab.attention import AttentionCache
from deepseek_lab.attention.norm import RMSNorm
from deepseek_lab.config import DeepSeekConfig
from deepseek_lab.linear import Linear
from deepseek_lab.model.block import DecoderBlock


class MultiTokenPrediction(DecoderBlock):
    """h' = norm(block(W [enorm(embedding); hnorm(h)])): (B, T, M) and (B, T, M) -> (B, T, M).

    h at position t is what the model (or the module before) computed there, final norm included; the embedding is that
    of the token at t + 1. The model's own head turns h' into logits for the token at t + 2. The block is always a
    mixture of experts. Embedding and head are the model's: an official checkpoint stores copies of them beside each
    module.
    """

    def __init__(self, config: DeepSeekConfig):
        super().__init__(config.replace(first_k_dense_replace=0), layer=0)
        width, eps = config.hidden_size, config.rms_norm_eps
        self.enorm = RMSNorm(width, eps=eps)
        self.hnorm = RMSNorm(width, eps=eps)
        self.eh_proj = Linear(2 * width, width, bias=False)
        self.shared_head = nn.ModuleDict({"norm": RMSNorm(width, eps=eps)})

    def forward(
        self,
        hidden_states: Tensor,
        embeddings: Tensor,
        cache: AttentionCache | None = None,
        rotary: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """`hidden_states` (B, T, M) and `embeddings` (B, T, M) of the tokens one later -> (B, T, M)."""
        # The V3 paper writes the two halves in the other order; the released weights want the embedding first.
        x = self.eh_proj(torch.cat([self.enorm(embeddings), self.hnorm(hidden_states)], dim=-1))
        return self.shared_head["norm"](super().forward(x, cache, rotary))
