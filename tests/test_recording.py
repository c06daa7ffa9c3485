"""Recordings of the paged cache and of batching: frames agree with the real cache, and nothing is lost in them."""

import hypothesis.strategies as st
import pytest
import torch
from helpers import families
from hypothesis import given, settings

from deepseek_lab import DeepSeekConfig
from deepseek_lab.inference import recording
from deepseek_lab.inference.batching import Batcher
from deepseek_lab.inference.generate import generate
from deepseek_lab.inference.paged import PagedCache
from deepseek_lab.inference.recording import SCENE, record_paging
from deepseek_lab.inference.recording_batches import AGAIN, EVICTED, record_batching, static_batching
from deepseek_lab.inference.recording_slots import cache_layouts

VOCAB = families.SHARED["vocab_size"]
MODELS = {family: families.model(family) for family in families.CONFIGS}
each_family = pytest.mark.parametrize("family", MODELS)


def token_of(character: str) -> int:
    return ord(character) % VOCAB


def record(cache: PagedCache, actions, monkeypatch) -> tuple[list, list]:
    """The frames; and beside each, what the cache itself says at that moment."""
    real = []

    class Watched(recording._Recorder):
        def frame(self, sentence):
            made = super().frame(sentence)
            tables = [(name, tuple(s.table), s.length) for name, s in self.open.items()]
            real.append((tuple(cache.blocks.references), cache.blocks.held, cache.blocks.available, tables))
            return made

    monkeypatch.setattr(recording, "_Recorder", Watched)
    return record_paging(cache, actions, token_of), real


def check(frames, real, actions, cache) -> None:
    """Frames against the cache, and texts against the actions."""
    texts = {}
    assert len(frames) == len(real) == len(actions) + 1
    for frame, (references, held, available, tables), action in zip(frames, real, [None, *actions], strict=True):
        assert tuple(map(len, frame.holders)) == references
        assert sum(map(bool, frame.holders)) == held and len(frame.holders) - held == available
        assert [(s.name, s.table, s.length) for s in frame.sequences] == tables
        if action and "refused" not in frame.sentence:
            follow(texts, action, frame)
        assert {s.name for s in frame.sequences} == set(texts)
        for s in frame.sequences:
            assert "".join("".join(frame.written[block]) for block in s.table) == texts[s.name]
            assert s.length == len(texts[s.name])
            assert all(s.name in frame.holders[block] for block in s.table)
        for holders, written, known in zip(frame.holders, frame.written, frame.remembered, strict=True):
            assert holders or bool(written) == known
        assert frame.block_bytes * len(frame.holders) == cache.nbytes - cache.state.nbytes
    assert cache.blocks.held == 0 and len(cache.free_rows) == cache.sequences


def follow(texts: dict, action: tuple, frame) -> None:
    """What the open sequences' texts should be after an action."""
    kind, name, *rest = action
    if kind == "new":
        texts[name] = ""
    elif kind == "feed":
        texts[name] += rest[0]
    elif kind == "fork":
        texts[rest[0]] = texts[name]
    elif kind == "free":
        del texts[name]
    elif kind == "start":
        length = next(s.length for s in frame.sequences if s.name == name)
        assert length < len(rest[0])
        texts[name] = rest[0][:length]


@each_family
def test_frames_of_the_scene_are_what_the_cache_holds(family, monkeypatch):
    cache, seen = PagedCache(MODELS[family], 8, 4, 3), []
    hook = MODELS[family].model.register_forward_pre_hook(lambda module, args: seen.append(args[0].numel()))
    frames, real = record(cache, SCENE, monkeypatch)
    hook.remove()
    check(frames, real, SCENE, cache)
    fed = [len(a[2]) for a, f in zip(SCENE, frames[1:], strict=True) if a[0] == "feed" and "refused" not in f.sentence]
    assert seen == fed, "the model read each text"


def test_the_scene_shows_what_it_is_for():
    frames = record_paging(PagedCache(MODELS["v3"], 8, 4, 3), token_of=token_of)
    said = [frame.sentence for frame in frames]
    assert said[4] == (
        "B begins with text that is remembered: blocks 0, 1 and 2 into its table, 12 tokens that needn't be read."
    )
    assert frames[4].holders[:4] == (("A", "B"), ("A", "B"), ("A", "B"), ("A",))
    assert said[7] == "C forks from A: the same table, blocks 0, 1, 2 and 3. Nothing is copied yet."
    assert said[8] == "C reads 1 token: block 3 is A's as well, so it is copied to block 5 first."
    assert frames[8].changed == (5,) and frames[8].written[3] == ("t", "i") and frames[8].written[5] == ("t", "i", "n")
    assert said[9] == "A reads 1 token: there is room in block 3."
    assert said[12] == "C ends: blocks 5 and 6 are free; blocks 0, 1 and 2 are still held by others."
    assert said[15] == "B ends: block 4 is free; blocks 0, 1 and 2 stay as they are, idle: their text may come again."
    assert said[16].endswith("They were idle.")
    assert said[19].startswith("E wants to read 23 tokens: refused, nothing is changed.") and "4 of 8" in said[19]
    assert frames[19].holders == frames[18].holders
    assert "what block 2 remembered, idle longest, is forgotten" in said[21]
    assert frames[20].remembered[:3] == (True,) * 3 and frames[21].remembered[:3] == (True, True, False)
    assert frames[22].sequences[-1].table == (0, 1)


NAMES = st.sampled_from("ABC")
TEXTS = st.text("ab", min_size=1, max_size=9)
ACTION = st.one_of(
    st.tuples(st.sampled_from(["new", "remember", "free"]), NAMES), st.tuples(st.just("fork"), NAMES, NAMES),
    st.tuples(st.just("feed"), NAMES, TEXTS), st.tuples(st.just("start"), NAMES, TEXTS),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(actions=st.lists(ACTION, max_size=25), family=st.sampled_from(["v3", "v4"]))
def test_frames_of_any_actions_are_what_the_cache_holds(actions, family):
    opened, possible = set(), []
    for action in actions:  # leave out those that make no sense
        kind, name, *rest = action
        new = rest[0] if kind == "fork" else name if kind in ("new", "start") else None
        if (kind in ("new", "start") or name in opened) and new not in opened:
            possible.append(action)
            opened |= {new} if new else set()
            opened -= {name} if kind == "free" else set()
    cache = PagedCache(MODELS[family], 6, 4, 3)
    with pytest.MonkeyPatch.context() as patch:
        frames, real = record(cache, possible, patch)
    check(frames, real, possible, cache)


def test_actions_that_make_no_sense_are_refused_and_leave_nothing_open():
    cache = PagedCache(MODELS["v3"], 6, 4, 3)
    for actions, words in (
        ([("new", "A"), ("sing", "A")], "action: got 'sing', but it takes one of new, feed"),
        ([("new", "A"), ("feed", "B", "x")], "sequence: got 'B', but it takes one that is open: A"),
        ([("new", "A"), ("new", "A")], "sequence: got 'A', but it takes a name that none has"),
    ):
        with pytest.raises(ValueError, match=words):
            record_paging(cache, actions, token_of)
        assert cache.blocks.held == 0 and len(cache.free_rows) == 3
    cache.new_sequence()
    with pytest.raises(ValueError, match="cache: got '0 blocks held'"):
        record_paging(cache, SCENE, token_of)


def test_more_sequences_than_there_is_room_for():
    frames = record_paging(
        PagedCache(MODELS["v3"], 6, 4, 1), [("new", "A"), ("new", "B"), ("fork", "A", "C")], token_of
    )
    assert "refused" in frames[2].sentence and "refused" in frames[3].sentence
    assert [s.name for s in frames[3].sequences] == ["A"]


# Batching.

PLAN = [(0, [1] * 9, 12), (0, [2] * 5, 4), (0, [3] * 14, 20), (2, [4] * 3, 6), (3, [5] * 10, 8), (40, [6] * 6, 12)]


@each_family
@pytest.mark.parametrize("bounds", [(10, 4, 16), (40, 3, 5)])
def test_rows_are_what_happened(family, bounds):
    blocks, max_batch, tokens_per_step = bounds
    cache, counted = PagedCache(MODELS[family], blocks, 4, max_batch), []
    hook = MODELS[family].model.register_forward_pre_hook(
        lambda module, args: counted.append((args[0].numel(), cache.blocks.held))
    )
    run = record_batching(Batcher(cache, max_batch, tokens_per_step), PLAN)
    hook.remove()
    assert run.lengths == [(len(prompt), count) for _, prompt, count in PLAN]
    busy = [(tokens, held) for tokens, held in zip(run.tokens, run.blocks_held, strict=True) if tokens]
    assert busy == counted and max(run.blocks_held) <= blocks and max(run.tokens) <= tokens_per_step
    for place, (begin, prompt, count) in enumerate(PLAN):
        rows = [row for row in run.rows if row.request == place]
        assert [row.step for row in rows] == list(range(begin, rows[-1].step + 1)), "no step is missing"
        assert [row.ended for row in rows] == [False] * (len(rows) - 1) + [True]
        first = sum(row.tokens for row in rows if row.kind != AGAIN)
        assert len(prompt) + count - 1 - first in range(0, len(prompt)), "all but what was found is read once"
        last = rows[-1]
        assert last.blocks == cache.blocks_for(len(prompt) + count - 1)
    assert sum(row.tokens for row in run.rows) == sum(run.tokens)
    evictions = sum(row.kind == EVICTED for row in run.rows)
    assert (evictions > 0 and run.read_again > 0) if blocks == 10 else evictions == run.read_again == 0
    assert cache.blocks.held == 0 and run.tokens[run.tokens.index(0) :][0] == 0, (
        "the last request comes when all is done"
    )


def test_recording_changes_no_answer():
    model = MODELS["v3"]
    batcher = Batcher(PagedCache(model, 10, 4, 4), 4, 16)
    submitted, submit = [], batcher.submit
    batcher.submit = lambda *given: submitted.append(submit(*given)) or submitted[-1]
    record_batching(batcher, PLAN)
    for request, (_, prompt, count) in zip(submitted, PLAN, strict=True):
        assert request.tokens == generate(model, torch.tensor([prompt]), count)[0, len(prompt) :].tolist()


def test_recording_refuses_what_is_at_work_and_leaves_no_hook():
    batcher = Batcher(PagedCache(MODELS["v3"], 10, 4, 4), 4, 16)
    with pytest.raises(ValueError, match="plan: got 'no requests'"):
        record_batching(batcher, [])
    with pytest.raises(ValueError, match="prompt and max_new_tokens: got '25 blocks'"):
        record_batching(batcher, [(0, [1], 100)])
    batcher.submit([1], 3)
    with pytest.raises(ValueError, match="batcher: got 'one at work'"):
        record_batching(batcher, PLAN)
    with pytest.raises(ValueError, match="step of request 0: got -1"):
        record_batching(Batcher(PagedCache(MODELS["v3"], 10, 4, 4), 4), [(-1, [1], 1)])
    batcher = Batcher(PagedCache(MODELS["v3"], 10, 4, 4), 4, 16)
    with pytest.raises(ValueError, match="prompt: got 'no tokens'"):
        record_batching(batcher, [(0, [1], 9), (3, [], 1)])
    assert not batcher.running and not batcher.waiting and batcher.cache.blocks.held == 0
    assert not MODELS["v3"].model._forward_pre_hooks


def test_static_batching_by_hand():
    lengths = [(4, 3), (2, 5), (8, 1)]
    both = static_batching(lengths, max_batch=2, tokens_per_step=100, blocks=100, block_size=4)
    # two sequences of 4 + 5 - 1 places, of which 4 + 3 - 1 and 2 + 5 - 1 hold tokens; then one of 8 alone
    assert (both.batches, both.steps, both.slots, both.wasted) == (2, 5 + 1, 16 + 8, 4)
    slow = static_batching(lengths, max_batch=2, tokens_per_step=4, blocks=100, block_size=4)
    assert slow.steps == (2 + 4) + 2  # 8 places of prompts in 2 steps, then 4; then 8 in 2
    small = static_batching(lengths, max_batch=2, tokens_per_step=100, blocks=3, block_size=4)
    assert (small.batches, small.wasted, small.steps) == (3, 0, 3 + 5 + 1)  # two texts of 8 places don't fit 3 blocks
    assert static_batching(lengths, max_batch=2, tokens_per_step=100, blocks=4, block_size=4).batches == 2
    with pytest.raises(ValueError, match="max_batch: got 0"):
        static_batching(lengths, 0, 1, 1, 1)


# Slots.


def test_layouts_are_the_modules_own():
    v3, v32, v4 = (DeepSeekConfig.preset(name) for name in ("v3", "v3.2", "v4-pro"))
    layouts = cache_layouts(v3, v32, v4)
    assert list(layouts) == ["MHA", "GQA-8", "MLA", "V3.2", "V4"]
    assert {sum(layers for _, layers, _ in layout) for layout in layouts.values()} == {61}
    assert [(kind, layers) for kind, layers, _ in layouts["V4"]] == [("HCA", 31), ("CSA", 30)]
    assert layouts["MLA"][0][2] == {"c_kv": ((512,), 1, 0.0), "k_pe": ((64,), 1, 0.0)}
    with pytest.raises(ValueError, match="groups: got 7"):
        cache_layouts(v3, v32, v4, groups=7)
