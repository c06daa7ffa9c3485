"""Figures about a training: its curve while it runs, and afterwards with what the model wrote on the way."""

import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import ipywidgets as widgets
import numpy as np
from IPython.display import display
from matplotlib.figure import Figure

from deepseek_lab.viz.show import FITS, WIDGET_VIEW
from deepseek_lab.viz.theme import BLUE, GREY, INK, ORANGE, RED, SKY, new_figure, png, styled

REDRAW = 1.0  # seconds; drawing takes a twentieth of one
SAMPLE_LINES, SAMPLE_WIDTH = 14, 66
HELD_OUT = "held-out text"
CURVES = {"next token": BLUE, "the one after it (MTP)": ORANGE}


def smoothed(values: Sequence[float], width: int) -> np.ndarray:
    """Mean of each value and those up to `width - 1` before it: the same length."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - width, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _draw_curves(axes, curves: Mapping[str, Sequence[float]], validation: Mapping[int, float], steps: int) -> None:
    ends = {}
    for name, values in curves.items():
        if not len(values):
            continue
        color, done = CURVES.get(name, SKY), np.arange(1, len(values) + 1)
        axes.plot(done, values, color=color, lw=0.6, alpha=0.3)
        smooth = smoothed(values, max(1, steps // 50))
        axes.plot(done, smooth, color=color)
        ends[name] = (done[-1], smooth[-1])
    right = max((step for step, _ in ends.values()), default=0)
    if validation:
        axes.plot(list(validation), list(validation.values()), "o", color=RED, ms=6)
        ends[HELD_OUT] = (max(right, *validation), validation[max(validation)])
    low, high = axes.get_ylim()
    place, places = low, {}
    for name, (_, value) in sorted(ends.items(), key=lambda end: end[1][1]):  # from the lowest up, none on another
        places[name] = place = max(value, place + 0.1 * (high - low))
    aside = (5 if validation else 0, 0)  # points: clear of the last dot
    for name, (step, _) in ends.items():
        color = RED if name == HELD_OUT else CURVES.get(name, SKY)
        axes.annotate(f" {name}", (step, places[name]), aside, color=color, va="center", textcoords="offset points",
                      annotation_clip=False)  # fmt: skip
    axes.set(xlabel="training step", ylabel="loss, nats per token", xlim=(0, steps * 1.3))
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= steps])


@styled
def plot_training(
    curves: Mapping[str, Sequence[float]], validation: Mapping[int, float] | None = None, steps: int | None = None
) -> Figure:
    """Loss over steps: each step faintly, and smoothed; held-out losses as points. `steps` is how long the axis is."""
    figure = new_figure(7.0, 3.4)
    _draw_curves(figure.subplots(), curves, validation or {}, steps or max(map(len, curves.values()), default=1) or 1)
    return figure


@styled
def plot_sample(curves: Mapping[str, Sequence[float]], samples: Mapping[int, str], step: int) -> Figure:
    """The loss curve with a mark at one of the samples' steps, and under it what the model wrote then.

    Raises `ValueError` for another step.
    """
    if step not in samples:
        raise ValueError(f"step: got {step}, but it takes one of {', '.join(map(str, samples))}")
    figure = new_figure(7.0, 5.4)
    top, bottom = figure.subplots(2, 1, height_ratios=(2, 3))
    steps = max(map(len, curves.values()))
    _draw_curves(top, curves, {}, steps)
    top.axvline(step, color=INK, lw=1, ls="--")
    bottom.axis("off")
    done = f"after {step} step{'s' * (step > 1)}" if step else "before the first step"
    bottom.set_title(f"{done} it writes")
    bottom.text(0, 1, fit_text(samples[step]), family="monospace", fontsize=9.5, va="top", transform=bottom.transAxes)
    return figure


def fit_text(text: str, lines: int = SAMPLE_LINES, width: int = SAMPLE_WIDTH) -> str:
    """Text that fits a box: long lines broken, the rest cut off, what can't be drawn replaced by a dot."""
    drawable = "".join(c if (c.isprintable() and ord(c) < 0x2500) or c == "\n" else "·" for c in text.expandtabs(4))
    broken = [part for line in drawable.split("\n") for part in textwrap.wrap(line, width, **_WHOLE) or [""]]
    # A dollar sign would start a formula.
    return "\n".join(broken[:lines] + (["…"] if len(broken) > lines else [])).replace("$", r"\$")


_WHOLE = dict(replace_whitespace=False, drop_whitespace=False)


@styled
def plot_bars(values: Mapping[str, float], label: str, own: Sequence[str] = (), form: str = "{:.2f}") -> Figure:
    """A bar for each name, its value beside it; the course's `own` in blue."""
    figure = new_figure(7.0, 0.9 + 0.42 * len(values))
    axes = figure.subplots()
    places = np.arange(len(values))[::-1]
    axes.barh(places, list(values.values()), color=[BLUE if name in own else GREY for name in values], height=0.62)
    for place, value in zip(places, values.values(), strict=True):
        axes.annotate(" " + form.format(value), (value, place), va="center")
    axes.set_yticks(places, list(values))
    axes.margins(x=0.12)
    axes.set(xlabel=label, xlim=(0, None))
    return figure


class LiveTraining:
    """A figure that grows while a model trains, and a bar with speed and time left.

    `pretrain(..., progress=live.progress, after_step=live.after_step)`. What a notebook keeps of it is one fixed line.
    """

    def __init__(self, tokens_per_step: int):
        self.tokens_per_step = tokens_per_step
        self._bar = widgets.IntProgress(layout={"width": "480px", "max_width": FITS})
        self._status = widgets.HTML()
        self._picture = widgets.Image(format="png", layout={"width": "700px", "max_width": FITS})
        self._started, self._drawn, self._first = 0.0, 0.0, 0

    def progress(self, steps: Iterable[int], label: str) -> Iterator[int]:
        """Show bar and figure, and hand out the steps."""
        steps = list(steps)
        last = steps[-1] + 1 if steps else 0
        self._bar.max, self._first = max(last, 1), last - len(steps)
        box = widgets.VBox([self._bar, self._status, self._picture])
        view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
        line = f"{label}: {len(steps)} steps"
        display(box) if "google.colab" in sys.modules else display({"text/plain": line, WIDGET_VIEW: view}, raw=True)
        self._started = time.perf_counter()
        yield from steps
        self._bar.value, self._bar.bar_style = self._bar.max, "success"

    def after_step(self, done: int, history) -> None:
        """Draw, unless that was done a moment ago."""
        now = time.perf_counter()
        if now - self._drawn < REDRAW and done < self._bar.max:
            return
        self._drawn, self._bar.value = now, done
        self._status.value = self.status(done, now - self._started, history.loss)
        curves = dict(zip(CURVES, (history.loss, history.mtp_loss), strict=True))
        self._picture.value = png(plot_training(curves, history.validation, self._bar.max))

    def status(self, done: int, seconds: float, losses: Sequence[float]) -> str:
        """Step, loss, speed, time left."""
        rate = (done - self._first) / max(seconds, 1e-9)
        left = round((self._bar.max - done) / rate)
        recent = sum(losses[-20:]) / len(losses[-20:])
        speed = f"{rate * self.tokens_per_step:,.0f} tokens/s"
        return f"step {done} of {self._bar.max} · loss {recent:.2f} · {speed} · {left // 60}:{left % 60:02} left"
