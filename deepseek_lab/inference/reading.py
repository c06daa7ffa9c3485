"""What each kind of attention would read of a text: spans of tokens, scores, and what is kept, to be drawn.

The scores are real: attention weights of one layer of the lab's model where everything is read, and the scores of the
indexers trained beside that layer where there is a choice. Which tokens a window or a summary covers needs no weights.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from deepseek_lab.attention.dot_product import causal_mask
from deepseek_lab.attention.sparse import select
from deepseek_lab.attention.window import mask_of, sees_entries, sees_near
from deepseek_lab.config import require, require_whole
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.model.lab_indexers import RATES, LabIndexers, LayerInput

VARIANTS = ("dense", "window", "summaries", "DSA", "CSA", "HCA")
# The settings that matter for each.
USES = {
    "dense": set(), "window": {"window"}, "summaries": {"window", "compression"}, "DSA": {"topk"},
    "CSA": {"window", "compression", "topk"}, "HCA": {"window", "compression"},
}  # fmt: skip


@dataclass(frozen=True)
class Branch:
    """One way in which queries read: n entries, each standing for the tokens of its span."""

    name: str
    spans: list[tuple[int, int]]  # first token, and the one behind the last
    scores: Tensor | None  # (T, n) in fp32, what the choice saw; minus infinity where there was nothing to see yet
    kept: Tensor  # (T, n) of booleans: what each query reads


class LabReader:
    """The lab's model, its tokenizer and its indexers: `branches(text, variant, ...)`."""

    def __init__(self, model: DeepSeekForCausalLM, tokenizer, indexers: LabIndexers, limit: int = 96):
        require_whole(1, limit=limit)
        self.model, self.tokenizer, self.indexers, self.limit = model, tokenizer, indexers, limit

    def tokens(self, text: str) -> tuple[Tensor, list[str]]:
        """Ids (1, T), a begin token first, and the piece of text that each stands for; at most `limit` of them.

        Raises `ValueError` for what is no text.
        """
        require(isinstance(text, str), "text", type(text).__name__, "a string")
        ids = self.tokenizer(text, add_special_tokens=False).input_ids[: self.limit - 1]
        pieces = [self.tokenizer.decode([token]) for token in ids]
        device = self.model.lm_head.weight.device
        return torch.tensor([[self.tokenizer.bos_token_id, *ids]], device=device), ["<begin>", *pieces]

    @torch.no_grad()
    def branches(self, text: str, variant: str, window: int, compression: int, topk: int) -> list[Branch]:
        """What `variant` reads of the text. `compression`: tokens per entry; `topk`: tokens (DSA) or entries (CSA).

        Raises `ValueError` for another variant, and rates without an indexer.
        """
        require(variant in VARIANTS, "variant", variant, " or ".join(VARIANTS))
        require_whole(1, window=window, compression=compression, topk=topk)
        trained = variant != "CSA" or compression in RATES
        require(
            trained, "compression", compression, f"{' or '.join(map(str, RATES))}: an indexer was trained for these"
        )
        ids, pieces = self.tokens(text)
        tokens = len(pieces)
        one_by_one = [(i, i + 1) for i in range(tokens)]
        if variant == "dense":
            seen = causal_mask(tokens, tokens)
            weights = LayerInput(self.model, ids).weights[0].float().mean(dim=0).cpu()
            return [Branch("every token", one_by_one, weights.masked_fill(~seen, float("-inf")), seen)]
        if variant == "DSA":
            scores = self.indexers.token_scores(LayerInput(self.model, ids)).float().cpu()
            seen = causal_mask(tokens, tokens)
            chosen = mask_of(select(scores, topk), tokens)[0]
            return [Branch("chosen tokens", one_by_one, scores[0].masked_fill(~seen, float("-inf")), chosen)]
        near = Branch("window", one_by_one, None, sees_near(tokens, tokens, window))
        if variant == "window":
            return [near]
        entries = tokens // compression
        seen = sees_entries(0, tokens, entries, compression)
        spans = [(e * compression, (e + 1) * compression) for e in range(entries)]
        if variant != "CSA":
            return [near, Branch("summaries" if variant == "summaries" else "entries", spans, None, seen)]
        spans = [(max(0, first - compression), stop) for first, stop in spans]  # windows overlap
        scores = self.indexers.entry_scores(LayerInput(self.model, ids), compression).float().cpu()
        chosen = mask_of(select(scores, topk, seen), entries)[0] if entries else seen
        return [near, Branch("chosen entries", spans, scores[0].masked_fill(~seen, float("-inf")), chosen)]
