"""Which experts a token goes to, and with what weight: the routers of DeepSeek-V2, -V3 and -V4.

All do the same four steps: score every expert, limit the choice to some groups, choose the K best, weigh them. The
models differ in how they do each.

| | score | groups by | chosen by | weights |
|---|---|---|---|---|
| V2-Lite | softmax | none | score | score |
| V2 | softmax | best expert | score | score * 16 |
| V3 | sigmoid | sum of best two | score + bias | score / sum of the K * 2.5 |
| V4 | sqrt(softplus) | none | score + bias, or the token's id | score / sum of the K * 1.5 or 2.5 |
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepseek_lab.config import DeepSeekConfig, is_number, is_whole, require
from deepseek_lab.linear import thin_linear

SCORING = {
    "softmax": lambda logits: logits.softmax(dim=-1),
    "sigmoid": torch.sigmoid,
    # Below a logit of -103 softplus is 0 in fp32, where the root's gradient is infinite; the clamp makes it 0.
    "sqrtsoftplus": lambda logits: F.softplus(logits).clamp_min(torch.finfo(logits.dtype).tiny).sqrt(),
}
# How many of a group's experts speak for it when groups are ranked; 0: there are no groups.
BEST_OF_GROUP = {"greedy": 0, "group_limited_greedy": 1, "noaux_tc": 2}


class Routing(NamedTuple):
    """What a router decides for N tokens."""

    scores: Tensor  # (N, E) how well each expert fits each token, before bias, groups and normalisation
    experts: Tensor  # (N, K) int64, the chosen experts, in no particular order
    weights: Tensor  # (N, K) what each chosen expert's output is multiplied by


class _Router(nn.Module):
    """What all routers share: the gate's matrix, the scores, and the weights of the chosen."""

    def __init__(
        self,
        hidden_size: int,
        n_routed_experts: int,
        num_experts_per_tok: int,
        scoring_func: str,
        norm_topk_prob: bool,
        routed_scaling_factor: float,
    ):
        super().__init__()
        sizes = dict(
            hidden_size=hidden_size, n_routed_experts=n_routed_experts, num_experts_per_tok=num_experts_per_tok
        )
        for field, value in sizes.items():
            require(is_whole(value) and value >= 1, field, value, "a whole number of at least 1")
        most = f"at most n_routed_experts, {n_routed_experts}"
        require(num_experts_per_tok <= n_routed_experts, "num_experts_per_tok", num_experts_per_tok, most)
        require(str(scoring_func) in SCORING, "scoring_func", scoring_func, " or ".join(SCORING))
        scale_fits = is_number(routed_scaling_factor) and routed_scaling_factor > 0
        require(scale_fits, "routed_scaling_factor", routed_scaling_factor, "a number above 0")
        require(isinstance(norm_topk_prob, bool), "norm_topk_prob", norm_topk_prob, "true or false")
        self.hidden_size, self.n_routed_experts, self.num_experts_per_tok = sizes.values()
        self.scoring_func, self.norm_topk_prob = scoring_func, norm_topk_prob
        self.routed_scaling_factor = routed_scaling_factor
        self.weight = nn.Parameter(torch.empty(n_routed_experts, hidden_size))
        nn.init.normal_(self.weight, std=hidden_size**-0.5)

    def scores(self, x: Tensor) -> Tensor:
        """(…, M) -> (N, E), in fp32 at least: in bf16, close scores would come out equal."""
        if not isinstance(x, Tensor) or not x.is_floating_point():
            got = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"hidden states: got {got}, but they take a tensor of floating-point numbers")
        if x.dim() == 0 or x.shape[-1] != self.hidden_size:
            raise ValueError(f"hidden states: got shape {tuple(x.shape)}, but they take width {self.hidden_size}")
        if torch.is_autocast_enabled(x.device.type):
            with torch.autocast(x.device.type, enabled=False):
                return self.scores(x)
        precise = torch.promote_types(x.dtype, torch.float32)
        linear = F.linear if torch.is_grad_enabled() else thin_linear
        logits = linear(x.reshape(-1, self.hidden_size).to(precise), self.weight.to(precise))
        return SCORING[self.scoring_func](logits)

    def weigh(self, scores: Tensor, experts: Tensor) -> Tensor:
        """The weights of the chosen experts, (N, K): from their scores alone, whatever they were chosen by."""
        weights = scores.gather(1, experts)
        if self.norm_topk_prob:
            weights = weights / (weights.sum(dim=-1, keepdim=True) + 1e-20)
        return weights * self.routed_scaling_factor

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{self.hidden_size} -> {self.num_experts_per_tok} of {self.n_routed_experts}, {self.scoring_func}"


class TopKRouter(_Router):
    """Each token goes to the K experts that fit it best: V2, V3, and V4 after its first layers.

    `topk_method`: "greedy" takes the K best scores. "group_limited_greedy" (V2) first keeps the `topk_group` groups
    whose best expert is best. "noaux_tc" (V3, V4) chooses by score + `e_score_correction_bias`, and ranks groups by the
    sum of their best two. The bias is a buffer: no gradient, saved with the model, changed by `balance.update_bias`.

    Raises `ValueError` naming the field, what it got and what it takes. Sources: DeepSeek-V2 2.2.2; DeepSeek-V3 2.1.2;
    transformers' `DeepseekV2TopkRouter`, `DeepseekV3TopkRouter` and `DeepseekV4TopKRouter`.
    """

    def __init__(
        self,
        hidden_size: int,
        n_routed_experts: int,
        num_experts_per_tok: int,
        *,
        scoring_func: str = "sigmoid",
        topk_method: str = "noaux_tc",
        n_group: int = 1,
        topk_group: int = 1,
        norm_topk_prob: bool = True,
        routed_scaling_factor: float = 1.0,
    ):
        super().__init__(
            hidden_size, n_routed_experts, num_experts_per_tok, scoring_func, norm_topk_prob, routed_scaling_factor
        )
        require(str(topk_method) in BEST_OF_GROUP, "topk_method", topk_method, " or ".join(BEST_OF_GROUP))
        self.topk_method = topk_method
        self.n_group, self.topk_group = n_group, topk_group
        if BEST_OF_GROUP[topk_method]:
            check_groups(n_routed_experts, num_experts_per_tok, n_group, topk_group)
        if topk_method == "noaux_tc":
            self.register_buffer("e_score_correction_bias", torch.zeros(n_routed_experts))

    @classmethod
    def from_config(cls, config: DeepSeekConfig) -> "TopKRouter":
        """The router of a DeepSeek layer. `ValueError` for settings that the official code ignores."""
        official = {
            "deepseek_v2": ("softmax", ("greedy", "group_limited_greedy")),
            "deepseek_v3": ("sigmoid", ("noaux_tc",)),
            "deepseek_v32": ("sigmoid", ("noaux_tc",)),
            "deepseek_v4": ("sqrtsoftplus", ("noaux_tc",)),
        }
        scoring, methods = official[config.model_type]
        require(
            config.scoring_func == scoring, "scoring_func", config.scoring_func, f"{scoring} in {config.model_type}"
        )
        takes = f"{' or '.join(methods)} in {config.model_type}"
        require(config.topk_method in methods, "topk_method", config.topk_method, takes)
        v2_normalises = config.model_type == "deepseek_v2" and config.norm_topk_prob
        require(
            not v2_normalises, "norm_topk_prob", True, "false in deepseek_v2: its official codes disagree about true"
        )
        fields = ["scoring_func", "topk_method", "n_group", "topk_group", "norm_topk_prob", "routed_scaling_factor"]
        return cls(
            config.hidden_size,
            config.n_routed_experts,
            config.num_experts_per_tok,
            **{field: getattr(config, field) for field in fields},
        )

    def selection_scores(self, scores: Tensor) -> Tensor:
        """What the choice looks at, (N, E): scores, plus the bias if there is one, minus infinity where not allowed.

        V2's official code writes 0 instead of minus infinity. The weights are the same, because a softmax is never
        below 0; but where it underflows to 0, minus infinity still keeps the choice inside the groups.
        """
        if self.topk_method == "noaux_tc":
            scores = scores + self.e_score_correction_bias
        if BEST_OF_GROUP[self.topk_method] and self.topk_group < self.n_group:
            allowed = self._allowed(scores)
            scores = scores.masked_fill(~allowed, float("-inf"))
        return scores

    def _allowed(self, scores: Tensor) -> Tensor:
        """(N, E) bool: the experts of the `topk_group` best groups."""
        groups = scores.unflatten(-1, (self.n_group, -1))  # (N, groups, E / groups)
        speakers = min(BEST_OF_GROUP[self.topk_method], groups.shape[-1])
        ranks = groups.topk(speakers, dim=-1).values.sum(dim=-1)  # (N, groups)
        best = ranks.topk(self.topk_group, dim=-1, sorted=False).indices
        allowed = torch.zeros_like(ranks, dtype=torch.bool).scatter(1, best, True)
        return allowed[..., None].expand_as(groups).flatten(1)

    def forward(self, x: Tensor, input_ids: Tensor | None = None) -> Routing:
        """(…, M) -> `Routing` of the N tokens in it. `input_ids` is for hash routers. Raises `ValueError` for NaN."""
        scores = self.scores(x)
        best, experts = self.selection_scores(scores).topk(self.num_experts_per_tok, dim=-1, sorted=False)
        # One number to look at: topk takes NaN for the largest, so a NaN anywhere in a token's row is among its best.
        if not math.isfinite(best.detach().sum()):
            self._refuse(scores)
        return Routing(scores, experts, self.weigh(scores, experts))

    def _refuse(self, scores: Tensor) -> None:
        """Say why no choice can be made. Otherwise such tokens would go somewhere, and nobody would notice."""
        _require_finite(scores)
        bias = self.e_score_correction_bias.tolist()
        bad = {expert: value for expert, value in enumerate(bias) if not value < math.inf}
        require(not bad, "e_score_correction_bias", bad, "numbers, or minus infinity to take an expert out")
        left = sum(value > -math.inf for value in bias)
        takes = (
            f"{self.num_experts_per_tok} experts for every token in its open groups, but only {left} are left in all"
        )
        require(False, "e_score_correction_bias", "minus infinity for too many experts", takes)

    def _apply(self, fn, recurse=True):
        """Whatever `.half()` or `.bfloat16()` does to the model, the bias stays in fp32.

        It moves by 0.001 a step, and bf16 has no number between 0.5 and 0.504.
        """
        before = self._buffers.get("e_score_correction_bias")
        super()._apply(fn, recurse)
        after = self._buffers.get("e_score_correction_bias")
        if after is not None and after.dtype.itemsize < before.dtype.itemsize:
            self.e_score_correction_bias = before.to(after.device)
        return self


class HashRouter(_Router):
    """A table says which experts each token id goes to (V4's first layers). The learned gate still weighs them.

    `tid2eid` (V, K) is a buffer of expert numbers, fixed before training. Source: transformers' `DeepseekV4HashRouter`.
    """

    def __init__(
        self,
        hidden_size: int,
        n_routed_experts: int,
        num_experts_per_tok: int,
        vocab_size: int,
        *,
        scoring_func: str = "sqrtsoftplus",
        norm_topk_prob: bool = True,
        routed_scaling_factor: float = 1.0,
    ):
        super().__init__(
            hidden_size, n_routed_experts, num_experts_per_tok, scoring_func, norm_topk_prob, routed_scaling_factor
        )
        require(is_whole(vocab_size) and vocab_size >= 1, "vocab_size", vocab_size, "a whole number of at least 1")
        # Until a checkpoint brings its own table: K neighbours, so that ids in a row take all experts in turn.
        first = torch.arange(vocab_size)[:, None] * num_experts_per_tok
        table = (first + torch.arange(num_experts_per_tok)) % n_routed_experts
        self.register_buffer("tid2eid", table)

    @classmethod
    def from_config(cls, config: DeepSeekConfig) -> "HashRouter":
        """The router of one of V4's hashed layers."""
        fields = ["scoring_func", "norm_topk_prob", "routed_scaling_factor"]
        return cls(
            config.hidden_size,
            config.n_routed_experts,
            config.num_experts_per_tok,
            config.vocab_size,
            **{field: getattr(config, field) for field in fields},
        )

    def forward(self, x: Tensor, input_ids: Tensor | None = None) -> Routing:
        """(…, M) and ids (…) -> `Routing` of the N tokens in it. Raises `ValueError` for ids outside the table."""
        scores = self.scores(x)
        require(input_ids is not None, "input_ids", None, "the token ids: a hash router chooses by them")
        shape, tokens = tuple(x.shape[:-1]), len(scores)
        require(input_ids.shape == shape, "input_ids", tuple(input_ids.shape), f"one id for each token, shape {shape}")
        ids, kind = input_ids.reshape(-1), input_ids.dtype
        require(kind in (torch.int64, torch.int32), "input_ids dtype", kind, "torch.int64 or torch.int32")
        if tokens:
            low, high, size = int(ids.min()), int(ids.max()), len(self.tid2eid)
            require(low >= 0 and high < size, "input_ids", (low, high), f"ids from 0 to {size - 1}, the hash table's")
        experts = self.tid2eid[ids].long()
        if tokens:
            (low, high), last = (int(end) for end in experts.aminmax()), self.n_routed_experts - 1
            require(low >= 0 and high <= last, "tid2eid", (low, high), f"expert numbers from 0 to {last}")
        _require_finite(scores)
        return Routing(scores, experts, self.weigh(scores, experts))


def check_groups(n_routed_experts: int, num_experts_per_tok: int, n_group: int, topk_group: int) -> None:
    """Raise `ValueError` unless experts split evenly into groups, and the allowed groups hold enough of them."""
    for field, value in (("n_group", n_group), ("topk_group", topk_group)):
        require(is_whole(value) and value >= 1, field, value, "a whole number of at least 1")
    divides = n_routed_experts % n_group == 0
    require(divides, "n_group", n_group, f"a divisor of n_routed_experts, {n_routed_experts}")
    require(topk_group <= n_group, "topk_group", topk_group, f"at most n_group, {n_group}")
    reach = topk_group * n_routed_experts // n_group
    takes = f"at most {reach}: {topk_group} of {n_group} groups hold no more experts"
    require(num_experts_per_tok <= reach, "num_experts_per_tok", num_experts_per_tok, takes)


def _require_finite(scores: Tensor) -> None:
    """Raise `ValueError` that names the first score that is NaN or infinite."""
    if not math.isfinite(scores.detach().sum()):  # scores are not negative, so nothing cancels
        bad = (~scores.isfinite()).nonzero()
        token, expert = bad[0].tolist()
        where = f"{scores[token, expert].item()} for token {token}, expert {expert}, and {len(bad) - 1} more"
        raise ValueError(f"router scores: got {where}, but they take finite numbers")


@contextmanager
def record_routing(model: nn.Module) -> Iterator[list[tuple[nn.Module, Routing]]]:
    """Inside `with record_routing(model) as records:` each call of a router appends (router, `Routing`), in order."""
    records: list[tuple[nn.Module, Routing]] = []
    routers = [module for module in model.modules() if isinstance(module, _Router)]
    hooks = [r.register_forward_hook(lambda router, _x, routing: records.append((router, routing))) for r in routers]
    try:
        yield records
    finally:
        for hook in hooks:
            hook.remove()
