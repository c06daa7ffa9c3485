"""Figures: the numbers behind them, that they can be drawn, and what a page is given to show."""

import base64

import ipywidgets as widgets
import numpy as np
import pytest

from deepseek_lab.viz import show as show_module
from deepseek_lab.viz.attention import (
    AttentionMaps,
    describe_row,
    induction_scores,
    plot_attention,
    plot_head_scores,
    plot_map,
    previous_token_scores,
)
from deepseek_lab.viz.attention_explorer import MAX_TOKENS, AttentionExplorer, explore_attention
from deepseek_lab.viz.cache import (
    bytes_by_context,
    longest_context,
    name_bytes,
    name_tokens,
    plot_cache_growth,
    plot_decode_cost,
    plot_variants,
    variant_losses,
)
from deepseek_lab.viz.show import WIDGET_VIEW, explore, progress, show
from deepseek_lab.viz.theme import new_figure, png

PNG = b"\x89PNG"


def even_maps(count: int, layers: int = 2, heads: int = 3) -> np.ndarray:
    even = np.tril(np.ones((count, count)))
    return np.broadcast_to(even / even.sum(-1, keepdims=True), (layers, heads, count, count))


def maps_of(text: str) -> AttentionMaps:
    labels = list(text)
    return AttentionMaps(labels, even_maps(len(labels)))


def one_look(count: int, target) -> np.ndarray:
    """(1, 1, T, T): each row t puts everything on column target(t)."""
    weights = np.zeros((1, 1, count, count))
    for row in range(count):
        weights[0, 0, row, max(0, target(row))] = 1
    return weights


def test_scores_are_1_for_a_perfect_head_and_0_for_another():
    previous, repeat = one_look(20, lambda t: t - 1), one_look(20, lambda t: t - 10 + 1)
    assert previous_token_scores(previous).item() == 1 and previous_token_scores(repeat).item() < 0.1
    assert induction_scores(repeat, period=10).item() == 1 and induction_scores(previous, period=10).item() == 0


def test_scores_of_looking_evenly_are_chance():
    count, period = 30, 12
    even = even_maps(count)
    assert previous_token_scores(even)[0, 0] == pytest.approx(np.mean([1 / (t + 1) for t in range(1, count)]))
    expected = np.mean([1 / (t + 1) for t in range(period, count)])
    assert induction_scores(even, period)[1, 2] == pytest.approx(expected)


def test_maps_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"weights: got shape \(2, 3, 5, 5\), but it takes \(layers, heads, 4, 4\)"):
        AttentionMaps(list("abcd"), even_maps(5))


def test_a_row_in_words():
    weights = one_look(4, lambda t: t - 1)
    words = describe_row(AttentionMaps(list("ab\nd"), weights), 0, 0, 3)
    assert words.startswith("Layer 1, head 1: token 3 “d” looks at “⏎” (1 back) 100%")


@pytest.mark.parametrize("text", ["a", "one two\n  three", "x" * 120, "\n\n\n", "$$x$"])
def test_attention_figures_can_be_drawn(text):
    maps = maps_of(text)
    assert png(plot_attention(maps, 1, 2, len(text) - 1)).startswith(PNG)
    assert png(plot_map(maps.labels[:30], maps.weights[0, 0, :30, :30], "title")).startswith(PNG)
    scores = {"a": maps.weights[..., -1, 0], "b": maps.weights[..., 0, 0]}
    assert png(plot_head_scores(scores, {"a": 0.1, "b": 0.2})).startswith(PNG)


def test_the_same_numbers_give_the_same_bytes():
    assert png(plot_attention(maps_of("def f"), 0, 0, 2)) == png(plot_attention(maps_of("def f"), 0, 0, 2))


def test_cache_growth_numbers():
    curves = bytes_by_context({"MLA": 576}, layers=61, bits=16)
    assert curves["MLA"][0] == 512 * 61 * 576 * 2
    assert longest_context(576, 61, 16, 80e9) == int(80e9 / 70_272) == 1_138_433
    assert [name_bytes(x) for x in (70_272, 8e10, 4.2e12, 12)] == ["70.3 kB", "80 GB", "4.2 TB", "12 B"]
    assert [name_tokens(x) for x in (512, 4096, 131072, 2**20)] == ["512", "4K", "128K", "1M"]
    assert png(plot_cache_growth("name", {"MHA": 32768, "MLA": 576}, 61, 16, 80)).startswith(PNG)


RUNS = [
    {"kind": kind, "cached_elements": size, "steps": 200, "seed": seed, "validation_loss": 1 + seed / 10}
    for kind in ("MHA", "MLA")
    for size in (32, 64)
    for seed in (0, 1, 2, 100)
]


def test_variant_losses_are_mean_and_range_over_the_seeds():
    table = variant_losses(RUNS, steps=200)
    assert list(table) == ["MHA", "MLA"]
    assert [point[0] for point in table["MLA"]] == [32, 64]
    assert table["MLA"][0][1:] == pytest.approx((1.1, 1.0, 1.2))  # seed 100, for tuning, is left out
    with pytest.raises(ValueError, match="got 2 seeds of MLA at 64 elements, but it takes 3"):
        variant_losses([run for run in RUNS if run != RUNS[-2]], steps=200)
    assert png(plot_variants({"left": table, "right": table}, {"MLA": (64, 1.3)})).startswith(PNG)


def test_decode_cost_can_be_drawn():
    assert png(plot_decode_cost([128, 512], {"expanded": [1, 4], "absorbed": [1, 1]}, "cpu")).startswith(PNG)


def test_a_figure_is_shown_as_png_with_words(shown):
    show(new_figure(), "what it shows")
    (bundle,) = shown
    assert bundle["text/plain"] == "[figure: what it shows]"
    assert base64.b64decode(bundle["image/png"]).startswith(PNG)


def test_explore_redraws_and_survives_a_refusal(monkeypatch):
    def draw(number):
        if number == 3:
            raise ValueError("number: got 3")
        figure = new_figure(2, 1)
        figure.subplots().set_title(str(number))
        return figure

    boxes = []
    monkeypatch.setattr(show_module, "show_widget", lambda widget, *rest: boxes.append(widget))
    control = widgets.IntSlider(value=1, min=0, max=5)
    explore(draw, "numbers", number=control)
    _, note, picture = boxes[0].children
    first = picture.value
    control.value = 2
    second = picture.value
    assert second != first and bytes(second).startswith(PNG)
    control.value = 3  # refused: the last good picture stays, and a sentence says why
    assert picture.value == second and "number: got 3" in note.value
    control.value = 1
    assert picture.value == first and note.value == ""


def test_a_widget_comes_with_its_still(shown):
    explore(lambda number: new_figure(2, 1), "numbers", number=widgets.IntSlider(value=1))
    assert set(shown[0]) == {"text/plain", "image/png", WIDGET_VIEW}


def test_progress_shows_one_fixed_line_and_yields_everything(shown):
    assert list(progress(range(5), "training")) == [0, 1, 2, 3, 4]
    assert list(progress([], "nothing")) == []
    assert shown[0]["text/plain"] == "training: 5 steps"


def test_explorer_follows_the_text():
    widget = AttentionExplorer(maps_of, "hello", layer=1, head=2, query=4)
    assert widget.labels == list("hello") and widget.shape == [2, 3, 5]
    assert len(widget.weights) == 2 * 3 * 5 * 5 and widget.weights[24 + 0] == round(255 / 5)
    widget.text = "ab"
    assert widget.labels == ["a", "b"] and widget.query == 1 and not widget.note
    widget.text = ""
    assert widget.note == "Type at least one character." and widget.labels == ["a", "b"]
    widget.text = "x" * (MAX_TOKENS + 50)
    assert len(widget.labels) == MAX_TOKENS and str(MAX_TOKENS) in widget.note


def test_explorer_never_cuts_a_character_in_two():
    texts = []
    widget = AttentionExplorer(lambda text: texts.append(text) or maps_of(text), "a", 0, 0, 0)
    widget.text = "x" * (MAX_TOKENS - 2) + "😀"
    assert texts[-1] == "x" * (MAX_TOKENS - 2)


@pytest.mark.parametrize(
    "place, words", [((2, 0, 0), "layer: got 2"), ((0, 3, 0), "head: got 3"), ((0, 0, 5), "query: got 5")]
)
def test_explorer_refuses_what_is_not_there(place, words, shown):
    with pytest.raises(ValueError, match=words):
        explore_attention(maps_of, "hello", *place)
    explore_attention(maps_of, "hello", 1, 2, 4)
    assert set(shown[0]) == {"text/plain", "image/png", WIDGET_VIEW}
