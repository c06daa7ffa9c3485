"""The cache, step by step: numbers by hand, numbers of the real cache, and an explorer."""

import pytest
import torch

from deepseek_lab import DeepSeekConfig
from deepseek_lab.attention.compressor import Compressor
from deepseek_lab.viz import compressed_cache
from deepseek_lab.viz.compressed_cache import PARTS, cache_steps, explore_compressed_cache, held, plot_cache_step
from deepseek_lab.viz.show import WIDGET_VIEW
from deepseek_lab.viz.theme import png

PNG = b"\x89PNG"


def test_steps_of_csa_by_hand():
    """Window 3, entries of 2 tokens that overlap, 10 numbers of 2 bytes each."""
    steps = cache_steps("abcde", window=3, ratio=2, overlap=True, width=10, bytes_per_number=2)
    assert [step.count for step in steps] == [0, 1, 2, 3, 4, 5]
    assert [step.window for step in steps] == [(0, 0), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5)]
    assert [list(step.entries) for step in steps[1:]] == [[], [(0, 2)], [(0, 2)], [(0, 2), (0, 4)], [(0, 2), (0, 4)]]
    assert [step.open_window for step in steps] == [(0, 0), (0, 1), (2, 2), (2, 3), (4, 4), (4, 5)]
    assert [step.left_over for step in steps] == [(0, 0), (0, 0), (0, 2), (0, 2), (2, 4), (2, 4)]
    assert [list(step.nbytes.values()) for step in steps] == [
        [0, 0, 0, 0],
        [20, 0, 80, 0],
        [40, 20, 0, 80],
        [40, 20, 80, 80],
        [40, 40, 0, 80],
        [40, 40, 80, 80],
    ]
    assert [step.full_nbytes for step in steps] == [0, 20, 40, 60, 80, 100]
    assert {step.largest_nbytes for step in steps} == {240}


def test_steps_without_overlap_and_without_entries():
    heavy = cache_steps("abcdefg", window=2, ratio=3, overlap=False, width=10, bytes_per_number=1)[7]
    assert heavy.entries == [(0, 3), (3, 6)] and heavy.left_over == (0, 0)
    assert heavy.nbytes == {"window": 10, "entries": 20, "open window": 20, "left over": 0}
    sliding = cache_steps("abcdefg", window=4, ratio=0, overlap=False, width=10, bytes_per_number=1)[7]
    assert sliding.window == (4, 7) and sliding.entries == []
    assert sliding.nbytes == {"window": 30, "entries": 0, "open window": 0, "left over": 0}
    assert cache_steps("ab", window=1, ratio=0, overlap=False, width=1, bytes_per_number=1)[2].window == (2, 2)


@pytest.mark.parametrize(("ratio", "overlap"), [(4, True), (16, False)])
def test_the_real_compressor_keeps_as_much(ratio, overlap):
    """Its open window, fed token by token, has the numbers that are counted here."""
    compressor = Compressor(DeepSeekConfig.preset("v4-flash").replace(hidden_size=8), 64, ratio, overlap)
    steps = cache_steps("x" * 20, 8, ratio, overlap, 64, 4)
    kept, entries = compressor.nothing_yet(1), 0
    for count in range(1, 21):
        new, kept = compressor(torch.randn(1, 1, 8), count - 1, kept)
        entries += new.shape[1]
        assert steps[count].nbytes["open window"] == 4 * (kept.kv.numel() + kept.gate.numel())
        if count >= ratio:
            assert steps[count].nbytes["left over"] == 4 * (kept.before_kv.numel() + kept.before_gate.numel())
        assert len(steps[count].entries) == entries


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(window=0), "window: got 0"),
        (dict(ratio=-1), "ratio: got -1"),
        (dict(width=0), "width: got 0"),
        (dict(bytes_per_number=0), "bytes_per_number: got 0"),
        (dict(ratio=0, overlap=True), "overlap: got True"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        cache_steps("abc", **(dict(window=2, ratio=2, overlap=False, width=4, bytes_per_number=2) | change))


def test_what_is_held_in_words():
    steps = cache_steps("abcde", window=3, ratio=2, overlap=True, width=1000, bytes_per_number=2)
    assert held(steps[3]) == {
        "window": "2 keys, 4 kB",
        "entries": "1 entry, 2 kB",
        "open window": "1 token, 8 kB",
        "left over": "2 tokens, 8 kB",
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "tokens", [[], ["a"], list("def f(x):\n    return x"), [" 猫", "😀", "$x_1$"] * 9, ["x"] * 300]
)
def test_any_step_can_be_drawn(tokens):
    for ratio, overlap in ((4, True), (16, False), (0, False)):
        steps = cache_steps(tokens, 8, ratio, overlap, 512, 2)
        for step in (steps[0], steps[-1]):
            assert png(plot_cache_step(step, "kind")).startswith(PNG)


def test_axes_stay_where_they_are():
    """What is drawn moves with the slider; the frame around it doesn't."""
    figures = [plot_cache_step(step, "CSA") for step in cache_steps("x" * 12, 8, 4, True, 512, 2)]
    for axes in zip(*(figure.axes for figure in figures), strict=True):
        assert len({(ax.get_position().bounds, ax.get_xlim(), ax.get_ylim()) for ax in axes}) == 1
    bars = figures[-1].axes[1].patches
    total = sum(bar.get_width() for bar in bars[: len(PARTS)])
    assert total == sum(cache_steps("x" * 12, 8, 4, True, 512, 2)[-1].nbytes.values())


def kinds(count: int) -> dict:
    return {
        "sliding": cache_steps("x" * count, 4, 0, False, 8, 2),
        "CSA": cache_steps("x" * count, 4, 4, True, 8, 2),
    }


def test_explorer_draws_the_chosen_step(shown, monkeypatch):
    drawn, made = [], {}
    monkeypatch.setattr(compressed_cache, "explore", lambda draw, alt, **controls: made.update(controls, draw=draw))
    monkeypatch.setattr(compressed_cache, "plot_cache_step", lambda step, title: drawn.append((step, title)))
    steps = kinds(8)
    explore_compressed_cache(steps)
    assert made["kind"].options == ("sliding", "CSA") and made["kind"].value == "sliding"
    assert made["count"].options == tuple(range(9)) and made["count"].value == 6
    made["draw"](kind="CSA", count=5)
    assert drawn == [(steps["CSA"][5], "CSA")]


def test_explorer_brings_a_still(shown):
    explore_compressed_cache(kinds(8), count=3)
    assert set(shown[0]) == {"text/plain", "image/png", WIDGET_VIEW}


def test_explorer_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"steps_by_kind: got \{'sliding': 9, 'CSA': 8\}"):
        explore_compressed_cache({"sliding": kinds(8)["sliding"], "CSA": kinds(7)["CSA"]})
    with pytest.raises(ValueError, match="steps_by_kind"):
        explore_compressed_cache({})
    with pytest.raises(ValueError, match="count: got 9, but it takes 0 to 8"):
        explore_compressed_cache(kinds(8), count=9)
