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
from deepseek_lab.inference.blocks import OutOfBlocks
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
    drawn: tuple[int, Tensor | None] = (0, None)  # how many tokens there were at the last draw, and the state before it

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
        joined = disk is None or disk.cache is cache
        require(joined, "disk", "a PagedDisk of another cache", "None or PagedDisk(cache, store) of this cache")
        self.cache, self.model, self.disk = cache, cache.model, disk
        self.max_batch, self.tokens_per_step = max_batch, tokens_per_step
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []  # the longest admitted first
        self._count, self._weights = 0, weights_stamp(self.model)

    @classmethod
    def sized_for(
        cls, model: DeepSeekForCausalLM, prompts: Sequence[Sequence[int]], max_new_tokens: int, max_batch: int = 16
    ) -> "Batcher":
        """A batcher with a memory of its own, just large enough that none of these prompts has to be evicted.

        Raises `ValueError` for numbers below 1.
        """
        require_whole(1, max_new_tokens=max_new_tokens, max_batch=max_batch)
        size, at_once = whole_entries(model, 16), min(max_batch, len(prompts))
        longest = max(len(prompt) for prompt in prompts) + max_new_tokens - 1
        cache = PagedCache(model, at_once * max(1, -(-longest // size)), size, at_once)
        return cls(cache, at_once, max(256, at_once))

    def submit(
        self, prompt: Sequence[int], max_new_tokens: int, sampling: Sampling | None = None, seed: int = 0,
        eos_token_id: int | None = None,
    ) -> Request:  # fmt: skip
        """Put a request at the end of the queue. Raises `ValueError` for one that could never be answered."""
        prompt = prompt.tolist() if hasattr(prompt, "tolist") else list(prompt)
        require(len(prompt) > 0, "prompt", "no tokens", "at least one")
        size = self.model.config.vocab_size
        good = all(is_whole(token) and 0 <= token < size for token in prompt)
        require(good, "prompt", prompt, f"whole numbers, ids from 0 to {size - 1}")
        require_whole(1, max_new_tokens=max_new_tokens)
        require(is_whole(seed) and -(2**63) <= seed < 2**63, "seed", seed, "a whole number of 64 bits")
        good = eos_token_id is None or (is_whole(eos_token_id) and eos_token_id >= 0)
        require(good, "eos_token_id", eos_token_id, "None or a whole number of at least 0")
        good = sampling is None or isinstance(sampling, Sampling)
        require(good, "sampling", sampling, "None or a Sampling")
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
        try:
            return self._step()
        except BaseException:  # memory, Ctrl-C, a token that can't be drawn
            self._recover()
            raise

    def _recover(self) -> None:
        """A request is its prompt, its tokens and its generator's state; the rest is computed again."""
        for request in reversed(self.running):
            request.reason = request.reason or self._end_of(request)
            if request.sequence is not None and not request.sequence.freed:
                request.sequence.free()
            request.sequence = None
            if request.reason is not None:  # it had just ended
                request.state = ENDED
                continue
            request.state, request.evictions = WAITING, request.evictions + 1
            count, state = request.drawn
            if count == len(request.tokens) and state is not None:  # drawn, and then lost
                request.generator.set_state(state)
            if request not in self.waiting:
                self.waiting.appendleft(request)
        self.running.clear()

    def _step(self) -> Step:
        evicted = self._start_again_if_weights_changed()
        admitted = self._admit()
        plan = self._plan()
        evicted += self._make_room(plan)
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
            if not self.cache.free_rows and self.running:
                break
            self._open(request)
            self.waiting.popleft()
            admitted.append(request)
        return admitted

    def _open(self, request: Request) -> None:
        ids = request.ids
        request.keys = block_keys(self.disk.fingerprint if self.disk else "this model", ids, self.cache.block_size)
        request.sequence = self.cache.start(request.keys, at_most=len(ids) - 1)
        if self.disk:
            try:
                self.disk.load(request.sequence, request.keys, at_most=len(ids) - 1)
            except BaseException:
                request.sequence.free()
                request.sequence = None
                raise
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
            if len(self.running) == 1:  # `submit` made sure that it fits alone
                raise OutOfBlocks("sequences outside this batcher hold the memory that its oldest request needs")
            evicted.append(self._evict_youngest())
            plan.pop(evicted[-1], None)
        return evicted

    def _evict_youngest(self) -> Request:
        youngest = self.running.pop()
        youngest.sequence.free()
        youngest.sequence, youngest.state = None, WAITING
        youngest.evictions += 1
        self.waiting.appendleft(youngest)
        return youngest

    def _start_again_if_weights_changed(self) -> list[Request]:
        """What the cache holds and remembers belongs to the weights that it was computed with."""
        stamp, evicted = weights_stamp(self.model), []
        if stamp != self._weights:
            self._weights = stamp
            while self.running:
                evicted.append(self._evict_youngest())
            self.cache.blocks.forget_all()
            if self.disk:
                self.disk.renew()
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
            tokens = []
            if writers:  # inside: if a token can't be chosen, the cache is as before
                logits = F.linear(hidden[torch.tensor(rows, device=device)], self.model.lm_head.weight)
                tokens = self._choose(writers, logits)
        for request in plan:
            self._remember(request)
        ended = []
        for request, token in zip(writers, tokens, strict=True):
            request.tokens.append(token)
            reason = self._end_of(request)
            if reason:
                self._end(request, reason)
                ended.append(request)
        return ended

    @staticmethod
    def _end_of(request: Request) -> str | None:
        if request.tokens and request.tokens[-1] == request.eos_token_id:
            return "eos"
        return "length" if len(request.tokens) == request.max_new_tokens else None

    def _choose(self, writers: list[Request], logits: Tensor) -> list[int]:
        likeliest = logits.argmax(dim=-1).tolist()
        for i, request in enumerate(writers):
            if request.sampling != Sampling():
                if request.generator is not None:
                    request.drawn = len(request.tokens), request.generator.get_state()
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
    if len(prompts) == 0:
        return []
    batcher = Batcher.sized_for(model, prompts, max_new_tokens, max_batch)
    requests = [
        batcher.submit(prompt, max_new_tokens, sampling, seed + i, eos_token_id) for i, prompt in enumerate(prompts)
    ]
    batcher.run()
    return [request.tokens for request in requests]


def weights_stamp(model: torch.nn.Module) -> tuple:
    """Another one after a weight was written (not through `.data`) or moved. Takes microseconds."""
    tensors = [*model.parameters(), *model.buffers()]
    return tuple((t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors)


def whole_entries(model: DeepSeekForCausalLM, at_least: int) -> int:
    """The least block size from `at_least` on that V4's compression rates divide."""
    slots = [slot for block in model.blocks for slot in block.self_attn.cache_slots().values()]
    rate = math.lcm(*(slot.tokens for slot in slots if slot.tokens))
    return -(-at_least // rate) * rate
