"""Programs that a model wrote: how often they work, how many tries that takes, and which of several is best."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deepseek_lab.viz.decode import spread
from deepseek_lab.viz.masks import drawable
from deepseek_lab.viz.show import explore, slider, typed
from deepseek_lab.viz.theme import BLUE, GREY, INK, ORANGE, RED, SKY, new_figure, styled

LINES, COLUMNS = 14, 62  # of a program that are drawn
SHOWN = 6  # candidates in a figure
LONGEST = 200  # characters that a field of the explorer takes


class EstimateLike(Protocol):
    """See `applications.code.Estimate`."""

    value: float
    low: float
    high: float


class CandidateLike(Protocol):
    """See `applications.code.Candidate`."""

    source: str
    times: int
    passed: bool
    result: object


@styled
def plot_scores(scores: Mapping[str, Mapping[str, EstimateLike]], title: str) -> Figure:
    """A dot with its interval for each model and each split: `scores[model][split]`."""
    models, splits = list(scores), list(next(iter(scores.values())))
    figure = new_figure(7.0, 0.62 * len(splits) + 1.1)
    axes = figure.subplots()
    for row, split in enumerate(splits):
        for number, model in enumerate(models):
            each, color = scores[model][split], (BLUE, ORANGE, GREY)[number]
            y = row + 0.3 * (number - (len(models) - 1) / 2)
            axes.plot([100 * each.low, 100 * each.high], [y, y], color=color, linewidth=5, alpha=0.35)
            axes.plot(100 * each.value, y, "o", color=color, markersize=8)
            side = ("right", -6) if each.value > 0.6 else ("left", 6)
            edge = each.low if each.value > 0.6 else each.high
            words = f"{model}: {100 * each.value:.0f} %"
            place = {"xytext": (side[1], 0), "textcoords": "offset points", "ha": side[0], "va": "center"}
            axes.annotate(words, (100 * edge, y), color=INK, fontsize=10, **place)
    axes.set(xlim=(-2, 102), ylim=(len(splits) - 0.45, -0.55), xlabel="prompts answered by a program that works (%)")
    axes.set_yticks(range(len(splits)), splits)
    axes.set_title(title)
    return figure


@styled
def plot_pass_at_k(curves: Mapping[float, Sequence[float]], k: int) -> Figure:
    """pass@k against k, a line for each temperature; beside it, for the chosen k, against the temperature.

    `curves[temperature][k - 1]` is pass@k.
    """
    figure = new_figure(7.2, 3.4)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2), sharey=True)
    temperatures = sorted(curves)
    tries = len(curves[temperatures[0]])
    best = max(temperatures, key=lambda temperature: curves[temperature][k - 1])
    for temperature in temperatures:
        curve = [100 * value for value in curves[temperature]]
        chosen = temperature == best
        color = BLUE if chosen else GREY
        left.plot(range(1, len(curve) + 1), curve, color=color, linewidth=2.5 if chosen else 1.2)
    low, high = left.get_ylim()
    ends = {temperature: 100 * curves[temperature][-1] for temperature in temperatures}
    for temperature, place in spread(ends, 0.06 * (high - low)).items():
        color = BLUE if temperature == best else GREY
        left.annotate(f" {temperature:g}", (tries, place), color=color, va="center", fontsize=10, annotation_clip=False)
    left.axvline(k, color=ORANGE, linewidth=1.5)
    left.set(xlabel="k, programs that may be tried", ylabel="pass@k (%)", title="a line per temperature")
    values = [100 * curves[temperature][k - 1] for temperature in temperatures]
    right.plot(temperatures, values, "o-", color=ORANGE)
    right.plot(best, max(values), "o", color=BLUE, markersize=9)
    right.set(xlabel="temperature", title=f"pass@{k}: best at {best:g}")
    return figure


def explore_pass_at_k(curves: Mapping[float, Sequence[float]], k: int = 1) -> None:
    """`plot_pass_at_k` with a slider for k."""
    tries = [n for n in (1, 2, 3, 5, 10, 20) if n <= len(next(iter(curves.values())))]
    explore(
        lambda k: plot_pass_at_k(curves, k),
        "pass@k against k for several temperatures, and against the temperature for one k",
        k=slider("k", tries, k),
    )


@styled
def plot_candidates(candidates: Sequence[CandidateLike], title: str = "") -> Figure:
    """The candidates of a `solve`, best first: how often each was written, what it passed; and the text of the best."""
    best = candidates[0]
    tests = len(best.result.outcomes)
    lines = [drawable_line(line) for line in best.source.rstrip("\n").split("\n")]
    lines = lines if len(lines) <= LINES else [*lines[: LINES - 1], "..."]
    rows = list(candidates[:SHOWN])
    figure = new_figure(7.2, 1.1 + 0.21 * max(len(lines), 1.6 * len(rows)))
    text, bars = figure.subplots(1, 2, width_ratios=(3, 1.5))
    text.axis("off")
    words = "passes every test" if best.passed else f"passes {passed_tests(best)} of {tests} tests"
    text.set_title(f"the best: {words}", color=BLUE if best.passed else RED)
    font = {"family": "monospace", "fontsize": 9, "va": "top", "parse_math": False, "clip_on": True}
    text.text(0, 1, "\n".join(lines), transform=text.transAxes, **font)
    _draw_bars(bars, rows, tests)
    more = len(candidates) - len(rows)
    bars.set_title(f"{len(candidates)} different" + (f", {more} not shown" if more else ""))
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def _draw_bars(axes: Axes, rows: Sequence[CandidateLike], tests: int) -> None:
    """A bar for each candidate: tests passed; in words, how often it was written."""
    for row, each in enumerate(rows):
        passed = passed_tests(each)
        axes.barh(row, tests, color="#EEEEEE", height=0.7)
        axes.barh(row, passed, color=SKY if each.passed else ORANGE, height=0.7)
        axes.text(0.03 * tests, row, f"{passed} of {tests}, written {each.times}x", va="center", fontsize=9)
    axes.set(xlim=(0, tests), ylim=(max(len(rows), 3) - 0.5, -0.5), xlabel="tests passed")
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines["left"].set_visible(False)


def passed_tests(candidate: CandidateLike) -> int:
    """How many tests a candidate passed."""
    return sum(outcome == "passed" for outcome in candidate.result.outcomes)


def drawable_line(line: str) -> str:
    """A line of code as it can be drawn: signs for what can't, and not too long."""
    line = line.replace("\t", "    ")
    kept = len(line) - len(line.lstrip(" "))
    line = " " * kept + drawable(line[kept:]).replace("·", " ")
    return line if len(line) <= COLUMNS else line[: COLUMNS - 1] + "…"


def explore_candidates(
    solve: Callable[[str, str, str, int, float], Sequence[CandidateLike]],
    head: str,
    words: str,
    test: str,
    tries: Sequence[int] = (1, 2, 5, 10),
    temperatures: Sequence[float] = (0.2, 0.5, 0.8, 1.1),
    start: tuple[int, float] = (5, 0.8),
) -> None:
    """`plot_candidates` for a task that is typed: a head, what it shall do in words, and a test.

    `solve(head, words, test, tries, temperature)` returns the candidates; a `ValueError` of it is shown as a sentence.
    """

    def draw(head: str, words: str, test: str, tries: int, temperature: float) -> Figure:
        for name, value in (("head", head), ("words", words), ("test", test)):
            if len(value) > LONGEST:
                raise ValueError(f"{name}: got {len(value)} characters, but it takes at most {LONGEST}")
        title = f"{tries} at temperature {temperature:g}, tested by: {drawable_line(test.strip())}"
        return plot_candidates(solve(head, words, test, tries, temperature), title)

    explore(
        draw,
        "the best of several programs for a task, and how many tests each of them passed",
        head=typed("head", head),
        words=typed("in words", words),
        test=typed("a test", test),
        tries=slider("programs", list(tries), start[0]),
        temperature=slider("temperature", list(temperatures), start[1]),
    )
