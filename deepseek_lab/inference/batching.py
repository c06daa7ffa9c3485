"""Continuous batching: many requests through one paged cache, each joining and leaving when it is its turn.

Every step is one call of the model with one row of tokens: the newest token of each request that is writing, and pieces
of prompts that are still being read, up to a budget. A request that ends makes room at once; if memory runs out, the
youngest gives its blocks back and is computed again later. What a request writes doesn't depend on its mates. Sources:
Orca (https://www.usenix.org/conference/osdi22/presentation/yu), PagedAttention (https://arxiv.org/abs/2309.06180),
Sarathi-Serve for prompts in pieces (https://arxiv.org/abs/2403.02310).
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from deepseek_lab.config import is_whole, require, require_whole
from deepseek_lab.inference.paged import PagedCache, PagedSequence
from deepseek_lab.inference.paged_disk import PagedDisk
from deepseek_lab.inference.prefix_store import block_keys
from deepseek_lab.inference.sampling import Sampling
from deepseek_lab.model.decoder import DeepSeekForCausalLM

WAITING, RUNNING, ENDED = "waiting", "running", "ended"


@dataclass(eq=False)
class Request:
    """One text to be written. `tokens` grows while the batcher runs."""

    number: int
    prompt: list[int]
    max_new_tokens: int
    sampling: Sampling
    generator: torch.Generator | None
    eos_token_id: int | None
    tokens: list[int] = field(default_factory=list)
    state: str = WAITING
    reason: str | None = None  # why it ended: "length", "eos" or "cancelled"
    evictions: int = 0
    found: int = 0  # tokens of the prompt that were in memory or on disk when it was first admitted
    sequence: PagedSequence | None = None
    keys: list[str] = field(default_factory=list)

    @property
    def ids(self) -> list[int]:
        """The prompt, and what was written."""
        return self.prompt + self.tokens

    @property
    def pending(self) -> int:
        """Tokens that the cache doesn't hold: 1 while writing, more while reading."""
        return len(self.prompt) + len(self.tokens) - self.sequence.length


@dataclass(frozen=True)
class Work:
    """One request's share of a step: tokens from position `first` on."""

    request: Request
    first: int
    count: int


@dataclass(frozen=True)
class Step:
    """What one step did."""

    work: list[Work]
    admitted: list[Request]
    evicted: list[Request]
    ended: list[Request]
    blocks_held: int


class Batcher:
    """Runs requests over a `PagedCache`: `submit` some, then `step` or `run`.

    At most `max_batch` requests run at once, and at most `tokens_per_step` tokens go through the model in one step:
    writing requests first, so that a long prompt doesn't hold them up; then prompts, the oldest first. With `disk`,
    beginnings of texts are looked for there, and put there. Each request draws with its own seed.
    """

    def __init__(
        self, cache: PagedCache, max_batch: int = 16, tokens_per_step: int = 256, disk: PagedDisk | None = None
    ):
        require_whole(1, max_batch=max_batch, tokens_per_step=tokens_per_step)
        fits = max_batch <= cache.sequences
        require(fits, "max_batch", max_batch, f"at most {cache.sequences}, the sequences of the cache")
        enough = max_batch <= tokens_per_step
        require(enough, "tokens_per_step", tokens_per_step, f"at least max_batch, {max_batch}: one for each who writes")
        self.cache, self.model, self.disk = cache, cache.model, disk
        self.max_batch, self.tokens_per_step = max_batch, tokens_per_step
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []  # the longest admitted first
        self._count = 0

    @classmethod
    def sized_for(
        cls, model: DeepSeekForCausalLM, prompts: Sequence[Sequence[int]], max_new_tokens: int, max_batch: int = 16
    ) -> "Batcher":
        """A batcher with a memory of its own, just large enough that none of these prompts has to be evicted."""
        require_whole(1, max_new_tokens=max_new_tokens, max_batch=max_batch)
        size, at_once = whole_entries(model, 16), min(max_batch, len(prompts))
        longest = max(len(prompt) for prompt in prompts) + max_new_tokens - 1
        return cls(PagedCache(model, at_once * max(1, -(-longest // size)), size, at_once), at_once)

    def submit(
        self, prompt: Sequence[int], max_new_tokens: int, sampling: Sampling | None = None, seed: int = 0,
        eos_token_id: int | None = None,
    ) -> Request:  # fmt: skip
        """Put a request at the end of the queue. Raises `ValueError` for one that could never be answered."""
        prompt, size = [int(token) for token in prompt], self.model.config.vocab_size
        require(len(prompt) > 0, "prompt", "no tokens", "at least one")
        require(all(0 <= token < size for token in prompt), "prompt", prompt, f"ids from 0 to {size - 1}")
        require_whole(1, max_new_tokens=max_new_tokens)
        require(is_whole(seed), "seed", seed, "a whole number")
        needed, blocks = self.cache.blocks_for(len(prompt) + max_new_tokens - 1), self.cache.blocks.count
        takes = f"at most the {blocks} blocks of the cache"
        require(needed <= blocks, "prompt and max_new_tokens", f"{needed} blocks", takes)
        sampling, generator = sampling or Sampling(), None
        if sampling.temperature > 0:
            generator = torch.Generator(self.model.lm_head.weight.device).manual_seed(seed)
        request = Request(self._count, prompt, max_new_tokens, sampling, generator, eos_token_id)
        self._count += 1
        self.waiting.append(request)
        return request

    def cancel(self, request: Request) -> None:
        """End a request now. What it wrote stays; one that has ended stays as it is."""
        if request.state == WAITING:
            self.waiting.remove(request)
        if request.state != ENDED:
            self._end(request, "cancelled")

    def run(self) -> None:
        """Step until no request is left."""
        while self.waiting or self.running:
            self.step()

    @torch.inference_mode()
    def step(self) -> Step:
        """Admit, make room, run the model once, choose a token for each request whose text it has read."""
        admitted = self._admit()
        plan = self._plan()
        evicted = self._make_room(plan)
        work = [Work(request, request.sequence.length, count) for request, count in plan.items()]
        ended = self._run_model(plan) if plan else []
        return Step(work, admitted, evicted, ended, self.cache.blocks.held)

    def _admit(self) -> list[Request]:
        """First come, first served: the next one enters when there is room for its whole text so far and a token."""
        admitted = []
        while self.waiting and len(self.running) < self.max_batch:
            request = self.waiting[0]
            promised = sum(self.cache.needed(other.sequence, other.pending) for other in self.running)
            needed = self.cache.blocks_for(len(request.prompt) + len(request.tokens))
            if promised + needed > self.cache.blocks.available and self.running:
                break
            self.waiting.popleft()
            self._open(request)
            admitted.append(request)
        return admitted

    def _open(self, request: Request) -> None:
        ids = request.ids
        request.keys = block_keys(self.disk.fingerprint if self.disk else "this model", ids, self.cache.block_size)
        request.sequence = self.cache.start(request.keys, at_most=len(ids) - 1)
        if self.disk:
            self.disk.load(request.sequence, request.keys, at_most=len(ids) - 1)
        if not request.evictions:
            request.found = request.sequence.length
        request.state = RUNNING
        self.running.append(request)

    def _plan(self) -> dict[Request, int]:
        """How many tokens of whom: those who write first, then those who read, as far as the budget goes."""
        plan, left = {}, self.tokens_per_step
        for request in sorted(self.running, key=lambda request: request.pending > 1):  # stable: the oldest first
            count = min(request.pending, left)
            if count:
                plan[request] = self._piece(request, count)
                left -= plan[request]
        return plan

    def _piece(self, request: Request, count: int) -> int:
        """A piece of a V4 prompt stops at the last whole block: there its windows are remembered."""
        start, size = request.sequence.length, self.cache.block_size
        boundary = (len(request.prompt) - 1) // size * size
        stops = self.cache.has_state and start < boundary < start + count
        return boundary - start if stops else count

    def _make_room(self, plan: dict[Request, int]) -> list[Request]:
        """Evict the youngest until the others' tokens fit. The oldest always stays, so that somebody gets on."""
        evicted = []
        while sum(self.cache.needed(r.sequence, count) for r, count in plan.items()) > self.cache.blocks.available:
            youngest = self.running.pop()
            plan.pop(youngest, None)
            youngest.sequence.free()
            youngest.sequence, youngest.state = None, WAITING
            youngest.evictions += 1
            self.waiting.appendleft(youngest)
            evicted.append(youngest)
        return evicted

    def _run_model(self, plan: dict[Request, int]) -> list[Request]:
        ids, last, at, device = [], [], -1, self.model.lm_head.weight.device
        for request, count in plan.items():
            start = request.sequence.length
            ids += request.ids[start : start + count]
            at += count
            last.append(at)
        writers = [request for request, count in plan.items() if count == request.pending]
        rows = [row for row, (request, count) in zip(last, plan.items(), strict=True) if count == request.pending]
        with self.cache.step([(request.sequence, count) for request, count in plan.items()]) as step:
            hidden = self.model.hidden_states(torch.tensor([ids], device=device), cache=step)[0]
        for request in plan:
            self._remember(request)
        if not writers:
            return []
        logits = F.linear(hidden[torch.tensor(rows, device=device)], self.model.lm_head.weight)
        ended = []
        for request, token in zip(writers, self._choose(writers, logits), strict=True):
            request.tokens.append(token)
            reason = "eos" if token == request.eos_token_id else None
            if reason is None and len(request.tokens) == request.max_new_tokens:
                reason = "length"
            if reason:
                self._end(request, reason)
                ended.append(request)
        return ended

    def _choose(self, writers: list[Request], logits: Tensor) -> list[int]:
        likeliest = logits.argmax(dim=-1).tolist()
        for i, request in enumerate(writers):
            if request.sampling != Sampling():
                before = torch.tensor([request.ids], device=logits.device)
                likeliest[i] = request.sampling.choose(logits[i : i + 1], before, request.generator).item()
        return likeliest

    def _remember(self, request: Request) -> None:
        """While the prompt is read, its complete blocks become known to others."""
        sequence = request.sequence
        if sequence.length <= len(request.prompt):
            self.cache.remember(sequence, request.keys)
            if self.disk:
                self.disk.save(sequence, request.keys)

    def _end(self, request: Request, reason: str) -> None:
        if request.state == RUNNING:
            self.running.remove(request)
            request.sequence.free()
        request.sequence, request.state, request.reason = None, ENDED, reason


def generate_batch(
    model: DeepSeekForCausalLM, prompts: Sequence[Sequence[int]], max_new_tokens: int, sampling: Sampling | None = None,
    seed: int = 0, eos_token_id: int | None = None, max_batch: int = 16,
) -> list[list[int]]:  # fmt: skip
    """What the model writes after each prompt, whatever their lengths: no padding, nothing computed twice.

    Prompt number i draws with the seed `seed` + i, so that its tokens don't depend on the others.
    """
    if not prompts:
        return []
    batcher = Batcher.sized_for(model, prompts, max_new_tokens, max_batch)
    requests = [
        batcher.submit(prompt, max_new_tokens, sampling, seed + i, eos_token_id) for i, prompt in enumerate(prompts)
    ]
    batcher.run()
    return [request.tokens for request in requests]


def whole_entries(model: DeepSeekForCausalLM, at_least: int) -> int:
    """The least block size from `at_least` on that V4's compression rates divide."""
    slots = [slot for block in model.blocks for slot in block.self_attn.cache_slots().values()]
    rate = math.lcm(*(slot.tokens for slot in slots if slot.tokens))
    return -(-at_least // rate) * rate
