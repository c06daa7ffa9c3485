"""Figures about a training: numbers, pictures, and a live one that leaves one fixed line behind."""

from types import SimpleNamespace

import numpy as np
import pytest

from deepseek_lab.viz import training as viz
from deepseek_lab.viz.show import WIDGET_VIEW
from deepseek_lab.viz.theme import png

CURVES = {"next token": list(np.linspace(7, 3, 60)), "the one after it (MTP)": list(np.linspace(7, 4, 60))}


def history(steps: int) -> SimpleNamespace:
    return SimpleNamespace(loss=[3.0] * steps, mtp_loss=[], validation={})


def test_smoothed_is_the_mean_of_the_last_ones():
    assert viz.smoothed([1, 2, 3, 4], 2).tolist() == [1, 1.5, 2.5, 3.5]
    assert viz.smoothed([1, 2, 3], 10).tolist() == [1, 1.5, 2]
    assert viz.smoothed([5.0], 3).tolist() == [5] and viz.smoothed([], 3).tolist() == []


def test_curves_show_what_they_are_given():
    figure = viz.plot_training(CURVES, {30: 5.0, 60: 4.0}, steps=100)
    (axes,) = figure.axes
    assert [text.get_text().strip() for text in axes.texts] == [*CURVES, "held-out text"]
    assert axes.get_xlim() == (0, 130) and len(axes.lines) == 5
    assert png(figure).startswith(b"\x89PNG")
    assert png(viz.plot_training({"next token": [], "the one after it (MTP)": []})).startswith(b"\x89PNG")


def test_names_at_the_end_of_curves_keep_a_distance():
    (axes,) = viz.plot_training(CURVES, {60: 3.1}, steps=60).axes
    places = sorted(text.xy[1] for text in axes.texts)
    low, high = axes.get_ylim()
    assert len(places) == 3 and min(np.diff(places)) > 0.09 * (high - low)


def test_samples_are_shown_under_the_curve():
    figure = viz.plot_sample(CURVES, {0: "x$y$", 30: "def f():\n\treturn 1"}, 30)
    top, bottom = figure.axes
    assert bottom.texts[0].get_text() == "def f():\n    return 1" and top.lines[-1].get_xdata() == [30, 30]
    assert bottom.get_title(loc="left") == "after 30 steps it writes"
    assert viz.plot_sample(CURVES, {1: ""}, 1).axes[1].get_title(loc="left") == "after 1 step it writes"
    assert png(viz.plot_sample(CURVES, {0: "$", 30: ""}, 0)) and png(viz.plot_sample(CURVES, {30: "😀\x00\ufffd"}, 30))
    with pytest.raises(ValueError, match="step: got 7, but it takes one of 30"):
        viz.plot_sample(CURVES, {30: ""}, 7)


def test_text_fits_its_box():
    fitted = viz.fit_text("a" * 200 + "\n" + "b\n" * 50)
    assert max(map(len, fitted.split("\n"))) <= viz.SAMPLE_WIDTH and fitted.count("\n") == viz.SAMPLE_LINES
    assert fitted.endswith("…") and viz.fit_text("a\n\n  b") == "a\n\n  b" and viz.fit_text("$1") == r"\$1"


def test_bars_have_their_values_beside_them():
    figure = viz.plot_bars({"gzip": 1.97, "lab": 1.5}, "bits per byte", own=["lab"])
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == [" 1.97", " 1.50"]
    assert [bar.get_width() for bar in axes.patches] == [1.97, 1.5]
    assert axes.patches[0].get_facecolor() != axes.patches[1].get_facecolor()


def test_the_live_figure_leaves_one_fixed_line(monkeypatch):
    shown = []
    monkeypatch.setattr(viz, "display", lambda bundle, raw=False: shown.append(bundle))
    live = viz.LiveTraining(tokens_per_step=100)
    for step in live.progress(range(3), "training"):
        live.after_step(step + 1, history(step + 1))
    (bundle,) = shown
    assert bundle["text/plain"] == "training: 3 steps" and set(bundle) == {"text/plain", WIDGET_VIEW}
    bar, status, picture = live._bar, live._status, live._picture
    assert (bar.value, bar.max, bar.bar_style) == (3, 3, "success")
    assert status.value.startswith("step 3 of 3 · loss 3.00 · ") and status.value.endswith(" tokens/s · 0:00 left")
    assert bytes(picture.value).startswith(b"\x89PNG")


def test_a_resumed_training_counts_its_own_steps_for_speed(monkeypatch):
    monkeypatch.setattr(viz, "display", lambda bundle, raw=False: None)
    live = viz.LiveTraining(tokens_per_step=100)
    list(live.progress(range(50, 100), "training"))
    assert live.status(60, 2.0, [2.0]) == "step 60 of 100 · loss 2.00 · 500 tokens/s · 0:08 left"
    assert list(viz.LiveTraining(1).progress(range(0), "nothing")) == []
