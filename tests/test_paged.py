"""The paged cache: any interleaving of chunks, steps, forks, frees and mates gives the logits of one full forward."""

from itertools import chain

import hypothesis.strategies as st
import pytest
import torch
from helpers import families
from helpers.compare import relative_error
from hypothesis import given, settings

from deepseek_lab.attention import MultiHeadAttention
from deepseek_lab.inference.blocks import Blocks, OutOfBlocks
from deepseek_lab.inference.paged import PagedCache
from deepseek_lab.inference.prefix_store import block_keys
from deepseek_lab.model.small import SmallDecoder

VOCAB = families.SHARED["vocab_size"]


class FullKeysAndValues(torch.nn.Module):
    """The small model with ordinary attention, called as the large ones are."""

    def __init__(self):
        super().__init__()
        self.inner = SmallDecoder([MultiHeadAttention(24, 4, 2, 6) for _ in range(2)], 24, 48, VOCAB).eval()
        self.layers = self.inner.layers

    def forward(self, ids, cache=None):
        if cache is None:
            return self.inner(ids)
        cache.check_step(*ids.shape)
        return self.inner(ids, cache.layers)


def build(family: str, seed: int = 0):
    torch.manual_seed(seed)
    return FullKeysAndValues() if family == "kv" else families.model(family, seed)


MODELS = {family: build(family) for family in ("kv", *families.CONFIGS)}
each_family = pytest.mark.parametrize("family", MODELS)


@torch.no_grad()
def feed(model, cache, new: dict) -> dict:
    """Give each sequence its new ids in one row; -> each one's logits (n, V)."""
    with cache.step([(sequence, len(ids)) for sequence, ids in new.items()]) as step:
        logits = model(torch.tensor([list(chain(*new.values()))]), cache=step)[0]
    return dict(zip(new, logits.split([len(ids) for ids in new.values()]), strict=True))


@each_family
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_interleaving_gives_the_logits_of_one_full_forward(family, data):
    model, draw = MODELS[family], data.draw
    cache = PagedCache(model, blocks=40, block_size=4, sequences=6)
    texts, logits = {}, {}  # sequence -> its ids, and the logits that came for each
    token = st.integers(0, VOCAB - 1)
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["new", "step", "step", "step", "fork", "free"]))
        if kind == "new" and len(texts) < 5:
            sequence = cache.new_sequence()
            texts[sequence], logits[sequence] = [], []
        elif kind == "fork" and 0 < len(texts) < 5:
            parent = draw(st.sampled_from(list(texts)))
            child = parent.fork()
            texts[child], logits[child] = list(texts[parent]), list(logits[parent])
        elif kind == "free" and texts:
            sequence = draw(st.sampled_from(list(texts)))
            sequence.free()
            check(model, texts.pop(sequence), logits.pop(sequence))
        elif texts:
            some = draw(st.lists(st.sampled_from(list(texts)), min_size=1, max_size=4, unique=True))
            new = {s: draw(st.lists(token, min_size=1, max_size=draw(st.sampled_from([1, 1, 9])))) for s in some}
            try:
                for sequence, rows in feed(model, cache, new).items():
                    texts[sequence] += new[sequence]
                    logits[sequence] += list(rows)
            except OutOfBlocks:
                continue
        held = {block for sequence in texts for block in sequence.table}
        assert cache.blocks.held == len(held)
        assert all(len(s.table) == cache.blocks_for(len(ids)) and s.length == len(ids) for s, ids in texts.items())
    for sequence, ids in texts.items():
        check(model, ids, logits[sequence])
        sequence.free()
    assert cache.blocks.held == 0 and len(cache.free_rows) == 6


@torch.no_grad()
def check(model, ids: list[int], rows: list) -> None:
    if ids:
        assert relative_error(torch.stack(rows), model(torch.tensor([ids]))[0]) < 1e-5


@each_family
def test_a_fork_copies_the_shared_block_only_when_it_writes(family):
    model = MODELS[family]
    cache = PagedCache(model, blocks=8, block_size=4, sequences=3)
    first = cache.new_sequence()
    feed(model, cache, {first: [1, 2, 3, 4, 5, 6]})
    second = first.fork()
    assert cache.blocks.held == 2 and second.table == first.table
    feed(model, cache, {second: [7]})
    assert cache.blocks.held == 3 and second.table[0] == first.table[0] and second.table[1] != first.table[1]
    feed(model, cache, {first: [8]})
    assert cache.blocks.held == 3  # the other has its own by now
    for sequence, ids in ((first, [1, 2, 3, 4, 5, 6, 8, 9]), (second, [1, 2, 3, 4, 5, 6, 7, 9])):
        row = feed(model, cache, {sequence: [9]})[sequence]
        assert relative_error(row, model(torch.tensor([ids]))[0, -1:]) < 1e-5


@each_family
def test_a_remembered_beginning_is_found_again_until_its_room_is_needed(family):
    model = MODELS[family]
    cache, ids = PagedCache(model, blocks=6, block_size=4, sequences=3), list(range(1, 13))
    keys = block_keys("model", ids, 4)
    writer = cache.new_sequence()
    for piece in (ids[:8], ids[8:]):
        feed(model, cache, {writer: piece})
        cache.remember(writer, keys)
    writer.free()
    assert cache.blocks.held == 0 and cache.blocks.remembered == 3
    reader = cache.start(keys, at_most=len(ids) - 1)
    assert reader.length == 8 and cache.blocks.held == 2
    row = feed(model, cache, {reader: ids[8:]})[reader]
    assert relative_error(row, model(torch.tensor([ids]))[0, 8:]) < 1e-5
    other = cache.start(block_keys("model", [9, *ids[1:]], 4), at_most=11)
    assert other.length == 0
    feed(model, cache, {other: list(range(12))})  # takes the idle third block
    assert cache.blocks.remembered == 2 and cache.blocks.available == 0
    reader.free()
    other.free()
    cache.blocks.forget_all()
    assert cache.blocks.available == 6 and not cache.snapshots


def test_v4_finds_a_beginning_only_where_its_windows_were_kept():
    model = MODELS["v4"]
    cache, ids = PagedCache(model, blocks=6, block_size=4, sequences=3), list(range(12))
    keys = block_keys("model", ids, 4)
    writer = cache.new_sequence()
    feed(model, cache, {writer: ids})
    cache.remember(writer, keys)  # at 12 tokens: nothing is known of the windows at 8
    assert cache.start(keys, at_most=11).length == 0
    assert cache.start(keys, at_most=12).length == 12
    assert cache.snapshot_bytes > 0


@each_family
def test_errors_say_what_is_wrong_and_leave_the_cache_as_it_was(family):
    model, ids = MODELS[family], [3, 1, 4, 1, 5]
    cache = PagedCache(model, blocks=3, block_size=4, sequences=2)
    a = cache.new_sequence()
    feed(model, cache, {a: ids})
    before = [tensor.clone() for layer in cache.storage + cache.state.layers for tensor in layer.values()]
    with pytest.raises(OutOfBlocks, match="2 blocks are needed, and 1 of 3 are free"):
        cache.step([(a, 8)])
    b = cache.new_sequence()
    with pytest.raises(OutOfBlocks, match="all 2 sequences are open: free one, or"):
        cache.new_sequence()
    for tokens, words in (
        ([], "sequences: got 0"), ([(a, 0)], "count: got 0"), ([(a, 1), (a, 1)], "one twice"),
        ([("a", 1)], "sequence: got 'str'"), ([(PagedCache(model, 1, 4).new_sequence(), 1)], "one of another cache"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            cache.step(tokens)
    with pytest.raises(ValueError, match=r"tokens: got 3, but it takes 2"), cache.step([(a, 1), (b, 1)]) as step:
        model(torch.tensor([[1, 2, 3]]), cache=step)
    with pytest.raises(ValueError, match=r"batch: got 2"), cache.step([(a, 1), (b, 1)]) as step:
        model(torch.tensor([[1], [2]]), cache=step)
    with pytest.raises(KeyboardInterrupt), torch.no_grad(), cache.step([(a, 2), (b, 2)]) as step:
        model(torch.tensor([[1, 2, 3, 4]]), cache=step)
        raise KeyboardInterrupt
    assert (a.length, b.length, len(a.table), len(b.table)) == (5, 0, 2, 0) and cache.blocks.held == 2
    after = [tensor for layer in cache.state.layers for tensor in layer.values()]
    assert all(torch.equal(x, y) for x, y in zip(before[len(before) - len(after) :], after, strict=True))
    row = feed(model, cache, {a: [9]})[a]
    assert relative_error(row, model(torch.tensor([[*ids, 9]]))[0, -1:]) < 1e-5
    a.free()
    with pytest.raises(ValueError, match="one that was freed"):
        cache.step([(a, 1)])
    with pytest.raises(ValueError, match="one that was freed"):
        a.free()


def test_a_cache_of_another_model_is_refused():
    model, other = MODELS["v3"], families.model("v3", seed=1)
    cache = PagedCache(other, blocks=3, block_size=4)
    with pytest.raises(ValueError, match="made for another model"), cache.step([(cache.new_sequence(), 1)]) as step:
        model(torch.tensor([[1]]), cache=step)
    with pytest.raises(ValueError, match="one that another model has made"):
        model(torch.tensor([[1]]), cache=other.new_cache(1, 4))


def test_memory_is_bounded_and_v4_needs_blocks_of_whole_entries():
    for family in ("v3", "v4"):
        cache = PagedCache.within(MODELS[family], 100_000, block_size=4, sequences=3)
        one = PagedCache(MODELS[family], 1, 4, 3)
        held = cache.nbytes + cache.state.nbytes  # as much again for snapshots
        least = one.nbytes + one.state.nbytes
        assert 100_000 - (one.nbytes - one.state.nbytes) < held <= 100_000
        with pytest.raises(ValueError, match=f"max_bytes: got 10, but it takes at least {least}"):
            PagedCache.within(MODELS[family], 10, block_size=4, sequences=3)
    with pytest.raises(ValueError, match="block_size: got 6, but it takes a multiple of 4"):
        PagedCache(MODELS["v4"], 4, block_size=6)


def test_blocks_know_who_holds_them():
    forgotten = []
    blocks = Blocks(2, on_forget=forgotten.append)
    first = blocks.take()
    blocks.share(first)
    assert blocks.remember("a", first) and not blocks.remember("b", first) and not blocks.remember("a", blocks.take())
    with pytest.raises(OutOfBlocks):
        blocks.take()
    blocks.give_back(first)
    assert blocks.held == 2
    blocks.give_back(first)
    assert blocks.held == 1 and blocks.find("a") == first
    with pytest.raises(ValueError, match="was given back already"):
        blocks.give_back(first)
    assert blocks.take() == first and forgotten == [first] and blocks.find("a") is None
    blocks.give_back(first)
    with pytest.raises(ValueError, match="not a free one"):
        blocks.share(first)


@pytest.mark.parametrize("family", families.CONFIGS)
@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(1, 7), st.integers(0, 7)), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_rewinding_is_as_if_the_tokens_had_never_come(family, steps, seed):
    model, generator = MODELS[family], torch.Generator().manual_seed(seed)
    cache, kept = model.new_cache(2, 60), torch.zeros(2, 0, dtype=torch.long)
    with torch.no_grad():
        for count, back in steps:
            new = torch.randint(VOCAB, (2, count), generator=generator)
            back = min(back, count)
            logits = model(new, cache=cache)
            kept = torch.cat([kept, new], dim=1)
            assert relative_error(logits, model(kept)[:, -count:]) < 1e-5
            cache.rewind(back // 2)
            cache.rewind(back - back // 2)
            kept = kept[:, : kept.shape[1] - back]
            assert cache.length == kept.shape[1]


def test_rewinding_too_far_is_refused():
    cache = MODELS["v3"].new_cache(1, 200)
    MODELS["v3"](torch.ones(1, 3, dtype=torch.long), cache=cache)
    with pytest.raises(ValueError, match="count: got 4, but it takes a whole number from 0 to the 3 tokens"):
        cache.rewind(4)
    cache = MODELS["v4"].new_cache(1, 200)
    for count in (3, 2):
        MODELS["v4"](torch.ones(1, count, dtype=torch.long), cache=cache)
    with pytest.raises(ValueError, match="count: got 3, but it takes a whole number from 0 to 2"):
        cache.rewind(3)
    MODELS["v4"](torch.ones(1, 65, dtype=torch.long), cache=cache)
    with pytest.raises(ValueError, match="count: got 1, but it takes a whole number from 0 to 0"):
        cache.rewind(1)
    assert cache.length == 70
