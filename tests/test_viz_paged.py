"""Figures of cached inference: slots and bytes, blocks and who holds them, batches in time, speed and rooflines."""

import math
from itertools import pairwise

import numpy as np
import pytest
from helpers import families
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab import DeepSeekConfig
from deepseek_lab.attention import MultiHeadAttention, MultiHeadLatentAttention
from deepseek_lab.attention.compressed import CompressedAttention
from deepseek_lab.attention.sparse_latent import SparseLatentAttention
from deepseek_lab.inference.batching import Batcher
from deepseek_lab.inference.paged import PagedCache
from deepseek_lab.inference.recording import PageFrame, SequenceFrame, record_paging
from deepseek_lab.inference.recording_batches import record_batching
from deepseek_lab.inference.recording_slots import cache_layouts
from deepseek_lab.viz import batching, decode_cache, paged_cache
from deepseek_lab.viz.batching import KINDS, describe_batching, explore_batching, plot_batching
from deepseek_lab.viz.cache import name_bytes
from deepseek_lab.viz.decode import colors_of, plot_decode_speed, plot_roofline, spread
from deepseek_lab.viz.decode_cache import explore_held, held_bytes, held_slots, plot_held
from deepseek_lab.viz.paged_cache import describe_pages, explore_pages, page_counts, plot_pages
from deepseek_lab.viz.show import WIDGET_VIEW
from deepseek_lab.viz.theme import KIND_COLORS, png

PNG = b"\x89PNG"
MODEL = families.model("v3", num_hidden_layers=2)
SMALL = dict(hidden_size=16, num_attention_heads=8, q_lora_rank=8)
V3 = DeepSeekConfig.preset("v3").replace(**SMALL, num_hidden_layers=3)
V32 = DeepSeekConfig.preset("v3.2").replace(**SMALL, num_hidden_layers=3)
V4 = families.CONFIGS["v4"]
LAYOUTS = cache_layouts(V3, V32, V4, groups=4)
TEXT = list("What the cache keeps")


def controls_of(monkeypatch, module, explorer, *arguments, **named) -> dict:
    """The controls of an explorer, and "draw"."""
    made = {}
    monkeypatch.setattr(module, "explore", lambda draw, alt, **controls: made.update(controls, draw=draw))
    explorer(*arguments, **named)
    return made


def words_of(figure) -> list[str]:
    return [text.get_text() for text in figure.texts + [text for axes in figure.axes for text in axes.texts]]


# Slots and bytes.


def real_bytes(name: str, count: int) -> int:
    """What real caches made for so many tokens hold, at 16 bits a number."""
    if name == "V4":
        layers = [CompressedAttention(V4, layer) for layer in range(3)]
    else:
        made = {
            "MHA": lambda: MultiHeadAttention(16, 8, 8, V3.v_head_dim),
            "GQA-4": lambda: MultiHeadAttention(16, 8, 4, V3.v_head_dim),
            "MLA": lambda: MultiHeadLatentAttention(V3),
            "V3.2": lambda: SparseLatentAttention(V32),
        }
        layers = [made[name]()] * 3
    caches = [layer.bfloat16().new_cache(1, count) for layer in layers]
    return sum(cache.nbytes for cache in caches)


@pytest.mark.parametrize("name", LAYOUTS)
def test_bytes_are_those_of_real_caches(name):
    for count in (1, 2, 3, 4, 7, 8, 17):
        assert held_bytes(LAYOUTS[name], count) == real_bytes(name, count)


def test_slots_of_v4_by_hand():
    """Windows of 5 tokens, which keep 4; entries of 2 (CSA) and 4 tokens (HCA); kinds of layers: one of each."""
    slots = {slot.name: slot for slot in held_slots(LAYOUTS["V4"], 7)}
    assert list(slots) == [
        "window", "CSA entries", "CSA indexer's entries", "CSA open window", "HCA entries", "HCA open window",
    ]  # fmt: skip
    assert slots["window"].entries == ((3, 4), (4, 5), (5, 6), (6, 7)) and slots["window"].layers == 3
    assert slots["CSA entries"].entries == ((0, 2), (2, 4), (4, 6)) and slots["CSA entries"].nbytes == 3 * 8 * 2
    assert slots["HCA entries"].entries == ((0, 4),) and slots["HCA open window"].entries == ((4, 5), (5, 6), (6, 7))
    assert slots["CSA open window"].entries == ((6, 7),) and not slots["CSA open window"].grows
    assert slots["CSA open window"].nbytes == held_slots(LAYOUTS["V4"], 0)[3].nbytes > 0
    with pytest.raises(ValueError, match="count: got -1"):
        held_slots(LAYOUTS["V4"], -1)


def test_slots_of_the_others():
    assert [(s.name, s.elements, s.entries) for s in held_slots(LAYOUTS["MLA"], 2)] == [
        ("latent", 512, ((0, 1), (1, 2))), ("rotated key", 64, ((0, 1), (1, 2))),
    ]  # fmt: skip
    assert [(s.name, s.elements) for s in held_slots(LAYOUTS["V3.2"], 2)] == [
        ("latent and key", 576), ("indexer's key", 128),
    ]  # fmt: skip
    assert held_bytes(LAYOUTS["MHA"], 5) == 3 * 5 * 2 * 8 * 128 * 2 and held_bytes(LAYOUTS["MHA"], 0) == 0


@pytest.mark.filterwarnings("error")
def test_any_moment_of_any_layout_can_be_drawn():
    texts = (TEXT, 0), (TEXT, 13), ([" 猫", "😀", "$x_1$"] * 9, 27), (["x"] * 200, 200), ([], 0)
    for name in ("MHA", "V4"):
        for tokens, count in texts:
            assert png(plot_held(tokens, LAYOUTS, name, count)).startswith(PNG)


def test_bars_and_words_are_the_bytes():
    figure = plot_held(TEXT, LAYOUTS, "MLA", 13, "a note")
    bars = [bar.get_width() for bar in figure.axes[0].patches]
    assert bars == [held_bytes(layout, 13) for layout in LAYOUTS.values()]
    said = words_of(figure)
    assert "MLA, after 13 of 20 tokens" in said and "a note" in said and "latent" in said and "512 numbers" in said
    expected = held_bytes(LAYOUTS["MLA"], 13)
    ratio = 2 * 8 * 128 / 576
    assert f"{name_bytes(expected)}, {name_bytes(expected / 3)} a layer, {ratio:.3g} times less" in said
    boxes = figure.axes[1].patches
    assert len(boxes) == 2 * 13


def test_axes_stay_where_they_are():
    figures = [plot_held(TEXT, LAYOUTS, name, count) for name in LAYOUTS for count in (0, 9, 20)]
    for axes in zip(*(figure.axes for figure in figures), strict=True):
        assert len({(ax.get_position().bounds, ax.get_xlim(), ax.get_ylim()) for ax in axes}) == 1


def test_the_cache_stepper_follows_its_controls(monkeypatch, shown):
    made = controls_of(monkeypatch, decode_cache, explore_held, TEXT, LAYOUTS, "MLA")
    assert made["name"].options == tuple(LAYOUTS) and made["name"].value == "MLA"
    assert made["count"].options == tuple(range(21)) and made["count"].value == 15
    places = [("V4", count) for count in range(7)] + [(name, 13) for name in LAYOUTS]
    drawn = {png(made["draw"](name=name, count=count)) for name, count in places}
    assert len(drawn) == len(places), "each place of each control draws another picture"
    for change, words in (
        (dict(name="MQA"), "name: got 'MQA'"),
        (dict(count=21), "count: got 21, but it takes 0 to 20"),
    ):
        with pytest.raises(ValueError, match=words):
            explore_held(TEXT, LAYOUTS, **change)


def test_explorers_bring_a_still(shown):
    explore_held(TEXT, LAYOUTS)
    explore_pages(record_paging(PagedCache(MODEL, 4, 4, 2), [("new", "A")], ord))
    explore_batching(run, [10], [2], [8])
    assert [set(bundle) for bundle in shown] == [{"text/plain", "image/png", WIDGET_VIEW}] * 3


# Pages.


@pytest.fixture(scope="module")
def frames() -> list:
    return record_paging(PagedCache(MODEL, 8, 4, 3), token_of=lambda character: ord(character) % 61)


def test_counts_by_hand():
    a, b = SequenceFrame("A", (0, 1), 7), SequenceFrame("B", (0, 2), 5)
    frame = PageFrame("", (a, b), (("A", "B"), ("A",), ("B",), (), ()), ((),) * 5, (True, False, False, True, False),
                      (), 4, 1000)  # fmt: skip
    assert page_counts(frame) == {"held": 3, "idle": 1, "free": 1, "unshared": 4}
    assert describe_pages(frame) == "3 of 5 blocks held, 3 kB; 4 if nothing were shared; 1 idle, 1 free."


def test_more_than_there_are(frames):
    assert page_counts(frames[8])["unshared"] == 12
    assert "12 if nothing were shared, more than there are" in describe_pages(frames[8])


@pytest.mark.filterwarnings("error")
def test_any_frame_can_be_drawn(frames):
    for frame in frames[::4]:
        assert png(plot_pages(frame)).startswith(PNG)
    many = record_paging(PagedCache(MODEL, 40, 16, 9), [
        action for name in "$ABCDEFGH" for action in (("new", name), ("feed", name, "$x_1$😀" * 8))
    ], lambda character: ord(character) % 61)  # fmt: skip
    assert png(plot_pages(many[-1])).startswith(PNG)


def test_who_holds_a_block_is_written_on_it(frames):
    """A head for each holder, in the holder's colour: the same in block and table."""
    frame = frames[8]
    axes = plot_pages(frame, "ABC").axes[0]
    said = [text.get_text() for text in axes.texts]
    holders = sum(map(len, frame.holders))
    assert sum(said.count(name) for name in "ABC") == holders + 3 and said.count("free") == 2
    assert "14 tokens" in said and frame.sentence in said and describe_pages(frame) in said
    heads = [text for text in axes.texts if text.get_text() == "A"]
    places = {tuple(round(x, 3) for x in text.get_position()) for text in heads}
    assert len(places) == len(heads) == 5
    tokens = [text.get_text() for text in axes.texts if text.get_family() == ["monospace"]]
    assert "".join(tokens) == "once·upon·a·tihilltin"


def test_shared_blocks_have_as_many_colors_as_holders(frames):
    frame = frames[8]
    axes = plot_pages(frame, "ABC").axes[0]
    colors = {patch.get_facecolor()[:3] for patch in axes.patches if patch.get_y() < 1.2 and patch.get_x() < 1.5}
    stripes = [patch for patch in axes.patches if patch.get_height() == pytest.approx(paged_cache.BODY / 3)]
    assert len(stripes) == 3 * 3, "three blocks of three"
    assert len(colors & {tuple(color) for color in map(_rgb, (c for c, _ in paged_cache.COLORS[:3]))}) == 3


def _rgb(color: str) -> tuple[float, ...]:
    return tuple(int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))


def test_the_paging_stepper_draws_each_frame(frames, monkeypatch):
    made = controls_of(monkeypatch, paged_cache, explore_pages, frames, 4, "Pages")
    assert made["index"].value == 4 and len(made["index"].options) == len(frames)
    figures = [made["draw"](index=index) for index in range(len(frames))]
    assert len({png(figure) for figure in figures[:12]}) == 12, "each action draws another picture"
    assert len({tuple(figure.get_size_inches()) for figure in figures}) == 1
    assert f"Pages: 4 of {len(frames) - 1} actions" in words_of(figures[4])
    for index in (-1, len(frames)):
        with pytest.raises(ValueError, match=f"index: got {index}"):
            explore_pages(frames, index)


# Batching.

PLAN = [(0, [1] * 9, 12), (0, [2] * 5, 4), (0, [3] * 14, 20), (2, [4] * 3, 6), (3, [5] * 10, 8)]


def run(blocks: int, max_batch: int, tokens_per_step: int):
    return record_batching(Batcher(PagedCache(MODEL, blocks, 4, max_batch), max_batch, tokens_per_step), PLAN)


@pytest.mark.filterwarnings("error")
def test_bars_are_what_was_recorded():
    recording = run(10, 4, 16)
    timeline, memory = plot_batching(recording, "title").axes
    bars = [(bar.get_x(), bar.get_y(), bar.get_facecolor()[:3]) for bar in timeline.patches]
    assert [(x, round(y - 0.12)) for x, y, _ in bars] == [
        (row.step, row.request) for row in sorted(recording.rows, key=lambda row: (row.request, row.step))
    ]
    assert [bar.get_height() for bar in memory.patches] == recording.blocks_held
    assert len(timeline.lines) == len(PLAN), "each request's end is marked"
    said = words_of(plot_batching(recording, "title"))
    assert {*KINDS, "request 4", "10 + 8", "all 10 blocks", *describe_batching(recording)} <= set(said)
    read = [row.tokens for row in recording.rows if row.kind.startswith("reading")]
    assert sorted(int(word) for word in said if word.isdigit()) == sorted(read)
    assert {row.kind for row in recording.rows} == set(KINDS), "all kinds are in this run"


def test_batching_in_words():
    recording = run(40, 2, 20)
    here, static = describe_batching(recording)
    total = sum(len(prompt) + count - 1 for _, prompt, count in PLAN)
    assert here == f"Here: {recording.steps} steps, {total} tokens through the model, no padding."
    counted = recording.static
    assert static.startswith(f"Static batching: 3 batches, {counted.steps} steps, {counted.slots} places for tokens, ")
    # batches of two, two and one: what the shorter prompt and the shorter answer leave empty
    assert counted.wasted == (9 - 5) + (12 - 4) + (14 - 3) + (20 - 6) and f"{counted.wasted} of them empty" in static
    assert static.endswith(f"({100 * counted.wasted / counted.slots:.0f}%).")
    assert "of them a second time" in describe_batching(run(10, 4, 16))[0]


def test_the_batching_explorer_runs_what_is_chosen(monkeypatch):
    ran = []

    def watched(*given):
        ran.append(given)
        return run(*given)

    options = [10, 14], [2, 4], [6, 16]
    made = controls_of(monkeypatch, batching, explore_batching, watched, *options, start=(14, 4, 16))
    assert [made[name].value for name in ("blocks", "max_batch", "tokens_per_step")] == [14, 4, 16]
    drawn = {
        png(made["draw"](blocks=a, max_batch=b, tokens_per_step=c))
        for a in options[0] for b in options[1] for c in options[2]
    }  # fmt: skip
    assert len(drawn) == len(ran) == 8
    made["draw"](blocks=10, max_batch=2, tokens_per_step=6)
    assert len(ran) == 8, "what was run once is kept"
    with pytest.raises(ValueError, match=r"max_batch: got 3, but it takes one of \[2, 4\]"):
        explore_batching(run, *options, start=(14, 3, 16))


@pytest.mark.filterwarnings("error")
def test_a_long_run_can_be_drawn():
    recording = record_batching(Batcher(PagedCache(MODEL, 40, 4, 2), 2, 2), [(0, [1] * 30, 60), (0, [2] * 30, 9)])
    assert recording.steps > 60 and png(plot_batching(recording)).startswith(PNG)


# Speed and rooflines.


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8), st.floats(0.01, 0.3))
def test_labels_are_spread_in_order_and_no_further_than_needed(places, gap):
    found = spread(places, gap)
    ordered = sorted(found, key=found.get)
    assert all(found[b] - found[a] > gap * 0.999 for a, b in pairwise(ordered))
    assert [places[name] for name in ordered] == sorted(places.values())
    values = sorted(places.values())
    if all(b - a > gap * 1.001 for a, b in pairwise(values)):
        assert found == pytest.approx(places)
    assert sum(found.values()) == pytest.approx(sum(places.values()), abs=1e-6), "pushed as far up as down"


SPEEDS = {"no cache": [30, 8, None], "GQA-8": [95, 92, 85], "MLA absorbed": [96, 95, 86], "transformers": [9, 9, 8]}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unit", ["tokens per second", "milliseconds per token"])
def test_lines_of_speed(unit):
    figure = plot_decode_speed([128, 1024, 4096], SPEEDS, "here", unit)
    axes = figure.axes[0]
    lines = [line for line in axes.lines if line.get_marker() == "o"]
    assert [list(line.get_ydata()) for line in lines] == [[30, 8], [95, 92, 85], [96, 95, 86], [9, 9, 8]]
    assert axes.get_ylabel() == unit and set(SPEEDS) | {"here"} == set(words_of(figure))
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["128", "1K", "4K"]
    heights = sorted(text.xyann[1] for text in axes.texts)
    assert min(b - a for a, b in pairwise(heights)) > 0.06
    assert png(figure).startswith(PNG)


def test_speeds_that_make_no_line_are_refused():
    for speeds, words in (
        ({}, "speeds: got none"), ({"a": [1]}, "speeds of a: got"), ({"a": [None, None]}, "speeds of a"),
        ({"a": [0, 1]}, "speeds of a"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            plot_decode_speed([1, 2], speeds)


def test_kinds_keep_their_colors():
    colors = colors_of(["MHA", "GQA-8", "MQA", "MLA absorbed", "MLA expanded", "one", "two"])
    assert [colors[name] for name in ("MHA", "GQA-8", "MQA", "MLA absorbed")] == list(KIND_COLORS.values())
    assert len(set(colors.values())) == 7


POINTS = {"MHA": 1.0, "GQA-8": 16.0, "MQA": 128.0, "MLA expanded": 204.0, "MLA absorbed": 242.0}
MACHINES = {"a laptop": (1e11, 1e10), "a card": (1e15, 4e12), "another": (1e15, 4.1e12)}


@pytest.mark.filterwarnings("error")
def test_points_lie_on_roofs():
    measured = {"a laptop": {"MHA": 5e9}}
    figure = plot_roofline(POINTS, MACHINES, "roofs", measured)
    axes = figure.axes[0]
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "o"]
    expected = [(x, min(1, x * bandwidth / peak)) for x in POINTS.values() for peak, bandwidth in MACHINES.values()]
    np.testing.assert_allclose(sorted(dots), sorted([*expected, (1.0, 0.05)]))
    roofs = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert sorted(line.get_xdata()[1] for line in roofs) == pytest.approx([10, 1e15 / 4.1e12, 250])
    said = words_of(figure)
    assert {"roofs", "MHA\n1", "MLA\nabsorbed\n242", "a laptop, ridge at 10", "a card, ridge at 250"} <= set(said)
    names = sorted(text.xyann[0] for text in axes.texts if "\n" in text.get_text())
    assert min(b - a for a, b in pairwise(names)) > 0.13
    slopes = {text.get_rotation() for text in axes.texts if "ridge" in text.get_text()}
    assert len(slopes) == 1 and 0 < slopes.pop() < math.degrees(math.pi / 2)
    assert png(figure).startswith(PNG)


def test_rooflines_without_anything_are_refused():
    for given_, words in (
        (({}, MACHINES), "points and machines: got"), ((POINTS, {}), "points and machines"),
        (({"MHA": 0}, MACHINES), "points and machines"), ((POINTS, MACHINES, "", {"x": {}}), "measured: got 'x'"),
        ((POINTS, MACHINES, "", {"a card": {"MLA": 1}}), "measured: got 'a card'"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            plot_roofline(*given_)
