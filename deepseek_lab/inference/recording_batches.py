"""Recording continuous batching, step by step, and counting what static batching would need for the same requests."""

from collections.abc import Sequence
from dataclasses import dataclass

from deepseek_lab.config import require, require_whole
from deepseek_lab.inference.batching import ENDED, Batcher, Request, Step

READING, AGAIN, WRITING, EVICTED, WAITING = "reading", "reading again", "writing", "evicted", "waiting"


@dataclass(frozen=True)
class BatchRow:
    """One request in one step: what it did (`kind`), with how many tokens, and the blocks it held while the model ran.

    "reading again" is what an evicted request does with text that it held before. A request that was admitted but got
    no share of the step's tokens is waiting too, with blocks. `ended`: this was its last step.
    """

    request: int
    step: int
    kind: str
    tokens: int
    blocks: int
    ended: bool


@dataclass(frozen=True)
class BatchRecording:
    """A run: rows; for each step the tokens that the model read and the blocks held meanwhile; and the bounds."""

    rows: list[BatchRow]
    lengths: list[tuple[int, int]]  # of each request: tokens of the prompt, tokens written
    tokens: list[int]
    blocks_held: list[int]
    blocks: int
    block_size: int
    max_batch: int
    tokens_per_step: int

    @property
    def steps(self) -> int:
        """Steps of the batcher, those without work among them."""
        return len(self.tokens)

    @property
    def read_again(self) -> int:
        """Tokens that went through the model a second time, because of evictions."""
        return sum(row.tokens for row in self.rows if row.kind == AGAIN)

    @property
    def static(self) -> "StaticBatching":
        """What static batching would need for the same requests, within the same bounds."""
        return static_batching(self.lengths, self.max_batch, self.tokens_per_step, self.blocks, self.block_size)


def record_batching(batcher: Batcher, plan: Sequence[tuple[int, Sequence[int], int]]) -> BatchRecording:
    """Run a batcher that has nothing to do yet. `plan`: (step before which it comes, prompt, max_new_tokens), each.

    Raises `ValueError` for a batcher at work, an empty plan, or a request that the batcher can't take; the others are
    cancelled then.
    """
    require(not batcher.waiting and not batcher.running, "batcher", "one at work", "one with nothing to do")
    require(len(plan) > 0, "plan", "no requests", "at least one")
    require_whole(0, **{f"step of request {place}": begin for place, (begin, _, _) in enumerate(plan)})
    cache, inside = batcher.cache, _Inside(batcher)
    coming = sorted(range(len(plan)), key=lambda place: plan[place][0])
    requests: dict[int, Request] = {}
    rows, tokens, held, seen = [], [], [], {}
    hook = batcher.model.model.register_forward_pre_hook(inside)
    try:
        while coming or batcher.waiting or batcher.running:
            while coming and plan[coming[0]][0] <= len(tokens):
                place = coming.pop(0)
                requests[place] = batcher.submit(plan[place][1], plan[place][2])
            before = {place: request.state for place, request in requests.items()}
            inside.held, inside.tables = cache.blocks.held, {}
            step = batcher.step()
            rows += [
                _row(place, request, len(tokens), step, inside.tables.get(request, 0), seen)
                for place, request in requests.items()
                if before[place] != ENDED
            ]
            tokens.append(sum(work.count for work in step.work))
            held.append(inside.held)
    except BaseException:
        for request in requests.values():
            batcher.cancel(request)
        raise
    finally:
        hook.remove()
    lengths = [(len(requests[place].prompt), len(requests[place].tokens)) for place in range(len(plan))]
    return BatchRecording(
        rows, lengths, tokens, held, cache.blocks.count, cache.block_size, batcher.max_batch, batcher.tokens_per_step
    )


class _Inside:
    """Looks at the memory while the model runs: afterwards, requests that ended have given their blocks back."""

    def __init__(self, batcher: Batcher):
        self.batcher, self.held, self.tables = batcher, 0, {}

    def __call__(self, *_) -> None:
        self.held = self.batcher.cache.blocks.held
        self.tables = {request: len(request.sequence.table) for request in self.batcher.running}


def _row(place: int, request: Request, number: int, step: Step, blocks: int, seen: dict[int, int]) -> BatchRow:
    """`seen`: request -> how many of its tokens the model has read so far, evictions or not."""
    work = next((work for work in step.work if work.request is request), None)
    if work is None:
        return BatchRow(place, number, EVICTED if request in step.evicted else WAITING, 0, blocks, False)
    before = seen.get(place, 0)
    kind = AGAIN if work.first < before else READING if work.first < len(request.prompt) else WRITING
    seen[place] = max(before, work.first + work.count)
    return BatchRow(place, number, kind, work.count, blocks, request.state == ENDED)


@dataclass(frozen=True)
class StaticBatching:
    """What static batching needs: `slots` are places for tokens in the model's calls, `wasted` of which hold none."""

    batches: int
    steps: int
    slots: int
    wasted: int


def static_batching(
    lengths: Sequence[tuple[int, int]], max_batch: int, tokens_per_step: int, blocks: int, block_size: int
) -> StaticBatching:
    """The usual way, counted: requests in order, in batches that begin together and end with their longest.

    Prompts are padded to the batch's longest, and read in as many steps as `tokens_per_step` asks for; then every
    sequence takes a place in each step until the last has written its last token. Memory is reserved for the longest
    text of a batch, so that it bounds the batch. `lengths`: (prompt, written) of each; all are there from the start.
    Raises `ValueError` for numbers below 1.
    """
    require_whole(1, max_batch=max_batch, tokens_per_step=tokens_per_step, blocks=blocks, block_size=block_size)
    batches: list[list[tuple[int, int]]] = []
    for pair in lengths:
        grown = [*batches[-1], pair] if batches else [pair]
        if not batches or len(grown) > max_batch or _reserved(grown, block_size) > blocks:
            batches.append([pair])
        else:
            batches[-1] = grown
    steps = slots = used = 0
    for batch in batches:
        prompt, written = (max(pair[side] for pair in batch) for side in (0, 1))
        steps += -(-len(batch) * prompt // tokens_per_step) + written - 1  # the last prompt step writes the first token
        slots += len(batch) * (prompt + written - 1)
        used += sum(prompt + written - 1 for prompt, written in batch)
    return StaticBatching(len(batches), steps, slots, slots - used)


def _reserved(batch: Sequence[tuple[int, int]], block_size: int) -> int:
    """Blocks for the longest text that the batch may come to, for each of its sequences."""
    prompt, written = (max(pair[side] for pair in batch) for side in (0, 1))
    return len(batch) * -(-(prompt + written - 1) // block_size)
