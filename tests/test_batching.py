"""Continuous batching: every request gets the tokens that it would get alone, whatever happens beside it."""

import gc
import os
import random
from pathlib import Path

import pytest
import torch
from helpers import families

from deepseek_lab.inference.batching import ENDED, Batcher, generate_batch
from deepseek_lab.inference.generate import generate
from deepseek_lab.inference.paged import PagedCache
from deepseek_lab.inference.paged_disk import PagedDisk
from deepseek_lab.inference.prefix_store import PrefixStore
from deepseek_lab.inference.sampling import Sampling

VOCAB = families.SHARED["vocab_size"]
each_family = pytest.mark.parametrize("family", families.CONFIGS)
WARM = Sampling(temperature=0.9, top_k=20, repetition_penalty=1.2)


def alone(model, prompt: list[int], count: int, sampling=None, seed: int = 0, eos: int | None = None) -> list[int]:
    """The same request through plain `generate`, which knows nothing of blocks or mates."""
    s, generator = sampling or Sampling(), torch.Generator().manual_seed(seed)
    settings = dict(top_k=s.top_k, top_p=s.top_p, min_p=s.min_p, repetition_penalty=s.repetition_penalty)
    tokens = generate(model, torch.tensor([prompt]), count, s.temperature, generator=generator, **settings)
    tokens = tokens[0, len(prompt) :].tolist()
    return tokens[: tokens.index(eos) + 1] if eos in tokens else tokens


def prompts_of(count: int, seed: int = 0, longest: int = 30) -> list[list[int]]:
    draw = random.Random(seed)
    return [[draw.randrange(VOCAB) for _ in range(draw.randint(1, longest))] for _ in range(count)]


@each_family
def test_a_batch_of_ragged_prompts_is_what_each_would_get_alone(family):
    model, prompts = families.model(family), prompts_of(9)
    for sampling in (None, WARM):
        written = generate_batch(model, prompts, 8, sampling, seed=5, max_batch=4)
        assert written == [alone(model, p, 8, sampling, 5 + i) for i, p in enumerate(prompts)]
    end = written[0][3]
    written = generate_batch(model, prompts, 8, WARM, seed=5, eos_token_id=end)
    assert written == [alone(model, p, 8, WARM, 5 + i, end) for i, p in enumerate(prompts)]
    assert len(written[0]) <= 4 and generate_batch(model, [], 8) == []


@each_family
def test_nothing_is_computed_twice_and_nothing_is_padding(family):
    model, prompts, seen = families.model(family), prompts_of(6, seed=1), []
    hook = model.model.register_forward_pre_hook(lambda module, args: seen.append(args[0].numel()))
    generate_batch(model, prompts, 5)
    hook.remove()
    assert sum(seen) == sum(len(prompt) + 4 for prompt in prompts)


@each_family
def test_when_memory_runs_out_the_youngest_is_computed_again(family):
    model, prompts = families.model(family), prompts_of(5, seed=2, longest=12)
    cache = PagedCache(model, blocks=8, block_size=4, sequences=4)
    batcher = Batcher(cache, max_batch=4, tokens_per_step=9)
    requests = [batcher.submit(p, 14, WARM, seed=i) for i, p in enumerate(prompts)]
    steps = []
    while batcher.waiting or batcher.running:
        oldest = batcher.running[0] if batcher.running else None
        steps.append(batcher.step())
        assert oldest not in steps[-1].evicted and steps[-1].work
        assert sum(work.count for work in steps[-1].work) <= 9
    assert sum(request.evictions for request in requests) > 0
    assert [r.tokens for r in requests] == [alone(model, p, 14, WARM, i) for i, p in enumerate(prompts)]
    assert steps[0].admitted[0].number == 0 and cache.blocks.held == 0


def test_a_long_prompt_does_not_hold_up_those_who_write():
    model = families.model("v3")
    batcher = Batcher(PagedCache(model, 40, 4, 3), max_batch=3, tokens_per_step=8)
    short = batcher.submit([1, 2], 20)
    batcher.step()
    long = batcher.submit(list(range(60)), 2)
    while not long.tokens:
        before = len(short.tokens)
        batcher.step()
        assert len(short.tokens) == before + 1 or short.state == ENDED
    assert len(short.tokens) >= 8  # 60 tokens, 7 in each step


@each_family
def test_a_prompt_that_begins_like_another_is_read_from_there_on(family, tmp_path):
    model = families.model(family)
    first, second = [*range(18), 3], [*range(18), 4, 5]
    expected = [alone(model, prompt, 6) for prompt in (first, second)]
    for disk in (False, True):
        tokens, found = [], []
        for prompt in (first, second, first):
            if disk or not tokens:  # on disk: a new memory, as in another process
                cache = PagedCache(model, 20, 4, 2)
                store = PagedDisk(cache, PrefixStore(tmp_path / "store", 10**7)) if disk else None
                batcher = Batcher(cache, 2, disk=store)
            request = batcher.submit(prompt, 6)
            batcher.run()
            tokens.append(request.tokens)
            found.append(request.found)
        assert tokens == [expected[0], expected[1], expected[0]]
        assert found == [0, 16, 16]


def test_what_another_model_left_on_disk_is_not_found(tmp_path):
    store = PrefixStore(tmp_path, 10**7)
    for seed, found in ((0, 0), (1, 0), (0, 8), (1, 8)):
        model = families.model("v3", seed)
        cache = PagedCache(model, 20, 4, 2)
        batcher = Batcher(cache, 2, disk=PagedDisk(cache, store))
        request = batcher.submit(range(10), 5)
        batcher.run()
        assert request.found == found and request.tokens == alone(model, list(range(10)), 5)


@each_family
def test_a_cancelled_request_gives_everything_back(family):
    model = families.model(family)
    cache = PagedCache(model, 20, 4, 2)
    batcher = Batcher(cache, 2, tokens_per_step=6)
    requests = [batcher.submit(prompt, 10) for prompt in prompts_of(4, seed=3)]
    for _ in range(3):
        batcher.step()
    for request in (requests[0], requests[3], requests[3]):
        batcher.cancel(request)
    assert requests[0].reason == requests[3].reason == "cancelled"
    batcher.run()
    assert [r.reason for r in requests] == ["cancelled", "length", "length", "cancelled"]
    assert cache.blocks.held == 0 and len(cache.free_rows) == 2
    assert requests[1].tokens == alone(model, requests[1].prompt, 10)


def test_what_can_never_be_answered_is_refused_at_once():
    batcher = Batcher(PagedCache(families.model("v3"), 4, 4, 2), 2)
    for arguments, words in (
        (([], 3), "prompt: got 'no tokens'"), (([VOCAB], 3), "prompt: got"), (([1], 0), "max_new_tokens: got 0"),
        (([1] * 10, 8), "got '5 blocks', but it takes at most the 4 blocks"), (([1], 3, None, 0.5), "seed: got 0.5"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            batcher.submit(*arguments)
    assert not batcher.waiting
    for settings, words in (((3, 9), "max_batch: got 3"), ((2, 1), "tokens_per_step: got 1")):
        with pytest.raises(ValueError, match=words):
            Batcher(PagedCache(families.model("v3"), 4, 4, 2), *settings)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads resident memory from Linux's /proc")
@pytest.mark.parametrize(("family", "count"), [("v3", 2000), ("v4", 200)])
def test_soak(family, count):
    """Many requests with random lengths, settings and cancellations in little memory: right answers, no leak."""
    model, draw = families.model(family), random.Random(0)
    kinds = [(prompt, draw.randint(1, 12), draw.choice([None, WARM]), draw.randrange(9)) for prompt in prompts_of(60)]
    expected = [alone(model, *kind) for kind in kinds]
    cache = PagedCache(model, blocks=26, block_size=4, sequences=12)
    batcher, before, ended = Batcher(cache, max_batch=12, tokens_per_step=64), None, 0
    open_requests = {}
    for number in range(count):
        kind = draw.randrange(len(kinds))
        open_requests[batcher.submit(*kinds[kind])] = kind
        if draw.random() < 0.1:
            batcher.cancel(draw.choice(list(open_requests)))
        while len(batcher.waiting) > 20 or (number == count - 1 and (batcher.waiting or batcher.running)):
            batcher.step()
        for request in [r for r in open_requests if r.state == ENDED]:
            answer = expected[open_requests.pop(request)]
            assert request.tokens == answer or (
                request.reason == "cancelled" and request.tokens == answer[: len(request.tokens)]
            )
            ended += 1
        if number == count // 4:
            gc.collect()
            before = resident_bytes()
    assert ended == count and not open_requests
    assert cache.blocks.held == 0 and len(cache.free_rows) == 12 and cache.blocks.available == 26
    gc.collect()
    assert resident_bytes() - before < 20 * 2**20
