"""The whole model: token ids in, a score for every possible next token out.

embedding, L blocks of attention and feed-forward, a norm, an output head. Equal to transformers'
`DeepseekV2ForCausalLM`, `DeepseekV3ForCausalLM`, `DeepseekV32ForCausalLM` and `DeepseekV4ForCausalLM` on the same
weights (`tests/parity/test_model_parity.py`, `test_whole_models_parity.py`). Sources: DeepSeek-V2
(https://arxiv.org/abs/2405.04434), DeepSeek-V3 (https://arxiv.org/abs/2412.19437), the reports on V3.2 and V4.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepseek_lab.attention.cache import positions_of
from deepseek_lab.attention.dot_product import causal_mask
from deepseek_lab.attention.norm import RMSNorm
from deepseek_lab.attention.rope import rotary_at
from deepseek_lab.config import DeepSeekConfig, require
from deepseek_lab.model.block import DecoderBlock, StreamBlock
from deepseek_lab.model.cache import ModelCache
from deepseek_lab.model.hyper_connections import HyperHead
from deepseek_lab.model.mtp import MultiTokenPrediction


class DeepSeekModel(nn.Module):
    """Everything but the output head: (B, T) ids -> (B, T, M). V2, V3 and V3.2.

    `layers` holds the L blocks, and after them, as in the official checkpoints, the multi-token prediction modules.
    """

    def __init__(self, config: DeepSeekConfig, mtp: bool):
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderBlock(config, layer) for layer in range(config.num_hidden_layers))
        if mtp:
            self.layers.extend(MultiTokenPrediction(config) for _ in range(config.num_nextn_predict_layers))
        self.norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def forward(self, input_ids: Tensor, cache: ModelCache | None = None, mask: Tensor | None = None) -> Tensor:
        """(B, T) -> (B, T, M), after the last norm. A cache gains the T tokens; `mask` says what a query may see."""
        rotary = rotary_at(self.config, positions_of(cache, input_ids.shape[1], input_ids.device))
        x = self.embed_tokens(input_ids)
        blocks = self.layers[: self.config.num_hidden_layers]
        for block, block_cache in zip(blocks, cache.layers if cache else [None] * len(blocks), strict=True):
            x = block(x, block_cache, rotary, mask)
        return self.norm(x)


class DeepSeekStreamModel(nn.Module):
    """V4: every token starts as `hc_mult` equal streams, and the last layer's are made one by a head of their own."""

    def __init__(self, config: DeepSeekConfig, mtp: bool):
        super().__init__()
        require(not mtp, "mtp", True, "False: V4's prediction modules are not part of this package")
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(StreamBlock(config, layer) for layer in range(config.num_hidden_layers))
        self.hc_head = HyperHead(config.hidden_size, config.hc_mult, config.hc_eps, config.rms_norm_eps)
        self.norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def forward(self, input_ids: Tensor, cache: ModelCache | None = None, mask: Tensor | None = None) -> Tensor:
        """(B, T) -> (B, T, M), after the last norm. A cache gains the T tokens. Raises `ValueError` for a mask."""
        require(mask is None, "attention_mask", "a mask", "None in V4: compressed entries would mix padding in")
        positions = positions_of(cache, input_ids.shape[1], input_ids.device)
        streams = self.embed_tokens(input_ids)[:, :, None].expand(-1, -1, self.config.hc_mult, -1)
        tables = {}  # one for windows alone, one for layers with entries
        for i, block in enumerate(self.layers):
            plain, attention = self.config.compress_ratio(i) == 0, block.self_attn
            if plain not in tables:
                tables[plain] = attention.rotary_at(positions)
            streams = block(streams, input_ids, cache.layers[i] if cache else None, tables[plain])
        return self.norm(self.hc_head(streams))


class DeepSeekForCausalLM(nn.Module):
    """A DeepSeek model, V2 to V4. `model(input_ids)`: (B, T) -> logits (B, T, V).

    Under `torch.device("meta")` it has shapes and no memory: 671 billion parameters in seconds. With `mtp`, it also
    holds the config's `num_nextn_predict_layers` multi-token prediction modules (`deepseek_lab.model.mtp`); they serve
    training and drafting, and the logits don't depend on them.
    """

    def __init__(self, config: DeepSeekConfig, mtp: bool = False):
        super().__init__()
        self.config = config
        self.model = (DeepSeekStreamModel if config.model_type == "deepseek_v4" else DeepSeekModel)(config, mtp)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight
        self.reset_parameters()

    def forward(
        self, input_ids: Tensor, cache: ModelCache | None = None, attention_mask: Tensor | None = None
    ) -> Tensor:
        """With a `cache`, the tokens follow those it holds, and are added to it.

        `attention_mask` (B, T): 1 for tokens, 0 for padding, which nobody looks at; without a cache only, and not in
        V4. What comes out at padding means nothing. Raises `ValueError` for ids outside the vocabulary and for what
        doesn't fit.
        """
        return self.lm_head(self.hidden_states(input_ids, cache, attention_mask))

    def hidden_states(
        self, input_ids: Tensor, cache: ModelCache | None = None, attention_mask: Tensor | None = None
    ) -> Tensor:
        """What the output head sees: (B, T) -> (B, T, M).

        Raises `ValueError` for a cache and an `attention_mask` together.
        """
        self._check(input_ids, cache)
        mask = None
        if attention_mask is not None:
            require(cache is None, "attention_mask", "a mask and a cache", "one of the two")
            mask = padding_mask(attention_mask, input_ids.shape)
        length = cache.length if isinstance(cache, ModelCache) else None
        try:
            return self.model(input_ids, cache, mask)
        except BaseException:  # memory ran out, Ctrl-C: some layers have the tokens, others don't
            if length is not None:  # a PagedStep sees to itself
                cache.after_error(length)
            raise

    def new_cache(self, batch_size: int, max_length: int) -> ModelCache:
        """An empty cache for `max_length` tokens of each of `batch_size` sequences."""
        return ModelCache([block.self_attn.new_cache(batch_size, max_length) for block in self.blocks], self)

    @property
    def blocks(self) -> list[nn.Module]:
        """The L decoder blocks."""
        return list(self.model.layers[: self.config.num_hidden_layers])

    @property
    def mtp_modules(self) -> list[nn.Module]:
        """The multi-token prediction modules that this model was made with."""
        return list(self.model.layers[self.config.num_hidden_layers :])

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Every matrix from a normal distribution of width `initializer_range`. Norms start at 1, biases at 0."""
        for module in self.modules():
            initialise(module, self.config.initializer_range)

    def _check(self, input_ids: Tensor, cache: ModelCache | None) -> None:
        require(isinstance(input_ids, Tensor), "input_ids", type(input_ids).__name__, "a tensor of token ids")
        shape, kind = tuple(input_ids.shape), input_ids.dtype
        require(len(shape) == 2 and input_ids.numel() > 0, "input_ids", shape, "shape (batch, tokens), not empty")
        require(kind in (torch.int64, torch.int32), "input_ids dtype", kind, "torch.int64 or torch.int32")
        if cache is not None:
            made = hasattr(cache, "check_owner") and hasattr(cache, "layers")
            require(made, "cache", type(cache).__name__, "what new_cache, or a PagedCache's step, made")
            cache.check_step(*shape)
            layers, takes = len(cache.layers), self.config.num_hidden_layers
            require(layers == takes, "cache", f"{layers} layers", f"{takes}")
            cache.check_owner(self)
        if not input_ids.is_meta:
            (low, high), size = (int(end) for end in input_ids.aminmax()), self.config.vocab_size
            require(low >= 0 and high < size, "input_ids", (low, high), f"ids from 0 to {size - 1}")


def padding_mask(attention_mask: Tensor, shape: tuple[int, int]) -> Tensor:
    """(B, T) of ones and zeros -> (B, 1, T, T), True where a token may look: back, at tokens, and at itself.

    Raises `ValueError` for any other mask.
    """
    require(isinstance(attention_mask, Tensor), "attention_mask", type(attention_mask).__name__, "a tensor")
    got = tuple(attention_mask.shape)
    require(got == tuple(shape), "attention_mask", got, f"shape {tuple(shape)}, as input_ids")
    binary = bool(((attention_mask == 0) | (attention_mask == 1)).all())
    require(binary, "attention_mask", "other numbers", "ones and zeros")
    real = attention_mask.bool()
    tokens = real.shape[1]
    itself = torch.eye(tokens, dtype=torch.bool, device=real.device)  # else padding at the start would see nothing
    return ((causal_mask(tokens, tokens, real.device) & real[:, None, :]) | itself)[:, None]


@torch.no_grad()
def initialise(module: nn.Module, std: float) -> None:
    """Fill a module's own parameters: matrices and stacks of matrices random, norms and scales 1, biases 0."""
    for name, parameter in module.named_parameters(recurse=False):
        if name in ("bias", "ape", "attn_sink", "base", "hc_base"):
            nn.init.zeros_(parameter)
        elif parameter.dim() >= 2:
            nn.init.normal_(parameter, std=std)
        else:
            nn.init.ones_(parameter)


def next_token_logits(model: DeepSeekForCausalLM, input_ids: Tensor, cache: ModelCache | None = None) -> Tensor:
    """The logits after the last token only, (B, T) -> (B, V): the head is not run for the others."""
    return F.linear(model.hidden_states(input_ids, cache)[:, -1], model.lm_head.weight)
