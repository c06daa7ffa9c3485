"""A DeepSeek model that marks an answer in a text instead of writing one.

The trunk is DeepSeek-V3's: multi-head latent attention, SwiGLU, a mixture of experts, tensors under their official
names. Three things are not DeepSeek's. Two are BERT's (https://arxiv.org/abs/1810.04805, section 4.2): every token
looks at all others, before and behind it, and instead of the output head there is a span head, `qa_outputs`, that says
of each token how well the answer starts there, and how well it ends there. The third is older (exact match features:
https://arxiv.org/abs/1704.00051, section 3.2): a token is told whether it stands in the other text too, in the question
or in the context, and whether the token beside it does; without that, a small model finds out too late. A row is

    begin, question, end, context, end

and "not in the context" is an answer that starts and ends at the begin token, as in SQuAD 2.0
(https://arxiv.org/abs/1806.03822).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.conversion_mapping import (
    get_checkpoint_conversion_mapping,
    register_checkpoint_conversion_mapping,
)
from transformers.modeling_outputs import QuestionAnsweringModelOutput

from deepseek_lab.applications.qa.config import MODEL_TYPE, QuestionAnsweringConfig
from deepseek_lab.config import require
from deepseek_lab.model.decoder import DeepSeekModel, initialise

# In files, routed experts have three matrices each, as in the official checkpoints; in the model, two stacks for all.
OFFICIAL_NAMES = get_checkpoint_conversion_mapping("deepseek_v3")
register_checkpoint_conversion_mapping(MODEL_TYPE, OFFICIAL_NAMES, overwrite=True)


class DeepSeekForQuestionAnswering(PreTrainedModel):
    """`model(input_ids, attention_mask)` -> `start_logits` and `end_logits`, both (B, T).

    `attention_mask` (B, T) is 1 for tokens and 0 for padding, which nobody looks at; what comes out at padding means
    nothing. With `start_positions` and `end_positions` (B,), the places of the first and last token of the answer (0
    and 0: not in the context), there is a `loss` too: cross-entropy in nats, mean of start and end, over the begin
    token and the context's. Raises `ValueError` for what doesn't fit.
    """

    config_class = QuestionAnsweringConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"

    def __init__(self, config: QuestionAnsweringConfig):
        super().__init__(config)
        self.model = DeepSeekModel(config.shape(), mtp=False)
        self.match_embedding = nn.Embedding(3, config.hidden_size)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        initialise(module, self.model.config.initializer_range)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        return_dict: bool | None = None,
    ) -> QuestionAnsweringModelOutput | tuple[Tensor, ...]:
        """Logits of start and end, (B, T) each, and the loss where the answer's positions (B,) are given; see above."""
        real = check_rows(input_ids, attention_mask, self.config.vocab_size)
        start_logits, end_logits = self.span_logits(self.hidden_states(input_ids, real))
        loss = None
        require((start_positions is None) == (end_positions is None), "positions", "one of two", "start and end")
        if start_positions is not None:
            allowed = answer_places(input_ids, real, self.model.config.eos_token_id)
            loss = span_loss(start_logits, end_logits, allowed, start_positions, end_positions)
        output = QuestionAnsweringModelOutput(loss=loss, start_logits=start_logits, end_logits=end_logits)
        return output.to_tuple() if return_dict is False else output

    def hidden_states(self, input_ids: Tensor, real: Tensor) -> Tensor:
        """What the span head sees: (B, T) ids and booleans -> (B, T, M)."""
        tokens = input_ids.shape[1]
        mask = real[:, None, None, :].expand(-1, 1, tokens, tokens)
        x = self.model.embed_tokens(input_ids)
        x = x + self.match_embedding(matches(input_ids, real, self.model.config.eos_token_id))
        rotary = self.model.layers[0].self_attn.rotary(x, None)
        for block in self.model.layers:
            x = block(x, rotary=rotary, mask=mask)
        return self.model.norm(x)

    def span_logits(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """How well the answer starts, and ends, at each token: (B, T, M) -> (B, T) twice."""
        start, end = self.qa_outputs(hidden).unbind(dim=-1)
        return start, end


def check_rows(input_ids: Tensor, attention_mask: Tensor | None, vocab_size: int) -> Tensor:
    """Where there are tokens, (B, T) of booleans. Raises `ValueError` for ids and masks that don't fit."""
    require(isinstance(input_ids, Tensor), "input_ids", type(input_ids).__name__, "a tensor of token ids")
    shape = tuple(input_ids.shape)
    require(len(shape) == 2 and input_ids.numel() > 0, "input_ids", shape, "shape (batch, tokens), not empty")
    whole = input_ids.dtype in (torch.int64, torch.int32)
    require(whole, "input_ids dtype", input_ids.dtype, "torch.int64 or torch.int32")
    low, high = (int(end) for end in input_ids.aminmax())
    require(low >= 0 and high < vocab_size, "input_ids", (low, high), f"ids from 0 to {vocab_size - 1}")
    if attention_mask is None:
        return torch.ones_like(input_ids, dtype=torch.bool)
    require(isinstance(attention_mask, Tensor), "attention_mask", type(attention_mask).__name__, "a tensor")
    got = tuple(attention_mask.shape)
    require(got == shape, "attention_mask", got, f"shape {shape}, as input_ids")
    binary = bool(((attention_mask == 0) | (attention_mask == 1)).all())
    require(binary, "attention_mask", "other numbers", "ones and zeros")
    real = attention_mask.bool()
    require(bool(real.any(dim=1).all()), "attention_mask", "a row of zeros", "at least one token in each row")
    return real


def answer_places(input_ids: Tensor, real: Tensor, end_token_id: int) -> Tensor:
    """Where an answer may start or end, (B, T) of booleans: at the first token, and after the first end token.

    The first stands for "not in the context"; the end token that closes the row is none.
    """
    ends = input_ids == end_token_id
    after_question = ends.cumsum(dim=1) - ends.long() >= 1
    places = real & after_question & ~ends
    first = real & (real.cumsum(dim=1) == 1)
    return places | first


def matches(input_ids: Tensor, real: Tensor, end_token_id: int) -> Tensor:
    """What a token has in common with the other text, the context or the question: (B, T) of 0, 1 or 2.

    0: nothing, or it belongs to neither; 1: it stands there too; 2: it stands there with the same token beside it.
    """
    ends = input_ids == end_token_id
    behind = ends.cumsum(dim=1) >= 1
    text = real & ~ends & (real.cumsum(dim=1) > 1)
    told, asked = text & behind, text & ~behind
    apart = (asked[:, :, None] & told[:, None, :]) | (told[:, :, None] & asked[:, None, :])
    same = apart & (input_ids[:, :, None] == input_ids[:, None, :])  # (B, T, T)
    pairs = (same[:, :-1, :-1] & same[:, 1:, 1:]).any(dim=2)  # this token and the next
    in_pair = F.pad(pairs, (0, 1)) | F.pad(pairs, (1, 0))
    return same.any(dim=2).long() + in_pair.long()


def span_loss(start_logits: Tensor, end_logits: Tensor, allowed: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """Cross-entropy in nats of the right start and the right end, mean of both and over rows; a scalar.

    Logits and `allowed` are (B, T), the right places (B,). Raises `ValueError` for a place where no answer may be.
    """
    for name, places in (("start_positions", starts), ("end_positions", ends)):
        got, takes = tuple(places.shape), (len(allowed),)
        require(got == takes, name, got, f"shape {takes}, one place for each row")
        inside = bool(((places >= 0) & (places < allowed.shape[1])).all())
        fits = inside and bool(allowed.gather(1, places[:, None]).all())
        require(fits, name, places.tolist(), "places of the context, or the begin token's")
    losses = [
        F.cross_entropy(logits.float().masked_fill(~allowed, float("-inf")), places)
        for logits, places in ((start_logits, starts), (end_logits, ends))
    ]
    return (losses[0] + losses[1]) / 2
