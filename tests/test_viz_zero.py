"""Pictures of ZeRO: memory by formula and as measured, and timelines, by hand and of real steps."""

import pytest
from helpers import timeline_jobs

from deepseek_lab.training.zero.memory import model_state_bytes
from deepseek_lab.training.zero.timeline import Event
from deepseek_lab.viz import timeline, zero_memory
from deepseek_lab.viz.engines import plot_drift, plot_engines
from deepseek_lab.viz.show import WIDGET_VIEW
from deepseek_lab.viz.theme import png
from deepseek_lab.viz.timeline import aligned, explore_timeline, moment, plot_timeline, spoken, steps, units_of
from deepseek_lab.viz.timeline_figure import plot_moment, stacked
from deepseek_lab.viz.zero_memory import RANKS, bytes_by_stage, describe_fit, explore_memory, plot_measured, plot_memory

PNG = b"\x89PNG"
MODELS = {"lab": 3.66e6, "7.5B": 7.5e9, "671B": 671e9}


def total_of(parameters: float, precision: str = "mixed", offload: bool = False):
    return lambda ranks, stage: sum(model_state_bytes(parameters, ranks, stage, precision, offload).values())


# Memory.


@pytest.mark.parametrize(
    ("name", "ranks", "words"),
    [
        ("671B", 64, "168 GB per rank: no single card here holds it; from 128 ranks on, one of 141 GB does."),
        ("671B", 128, "83.9 GB per rank: a card of 141 GB holds it, but not stage 2: 1.42 TB."),
        ("7.5B", 64, "1.88 GB per rank: a card of 24 GB holds it, and stage 2 as well: 16.6 GB."),
        ("lab", 2, "29.3 MB per rank: a card of 24 GB holds it, and would without any sharding: 58.6 MB."),
    ],
)
def test_which_card_holds_it(name, ranks, words):
    assert describe_fit(name, ranks, total_of(MODELS[name])) == f"{name} on {ranks} ranks: stage 3 needs {words}"


def test_what_nothing_holds():
    said = describe_fit("X", 1, total_of(1e15))
    assert said == "X on 1 rank: stage 3 needs 1.6e+04 TB per rank: no single card here holds it, up to 2,048 ranks."


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("offload", [False, True])
@pytest.mark.parametrize("ranks", [1, 64, 2048])
def test_memory_of_any_size_can_be_drawn(ranks, offload):
    for name, parameters in MODELS.items():
        for precision in ("mixed", "fp32"):
            given = parameters, ranks, precision, offload
            host = bytes_by_stage(model_state_bytes, *given, "host") if offload else None
            figure = plot_memory(bytes_by_stage(model_state_bytes, *given), name, host, note="7 GB " * 40)
            assert png(figure).startswith(PNG)


def test_bars_are_the_bytes():
    by_stage = bytes_by_stage(model_state_bytes, 7.5e9, 64, "mixed", False)
    made_of, fits = plot_memory(by_stage, "7.5B").axes
    bars = [bar.get_width() for bar in made_of.patches]
    assert bars == [each for held in by_stage.values() for each in held.values()]
    dots = [line.get_xdata()[0] for line in fits.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([120e9, 31.40625e9, 16.640625e9, 1.875e9])
    labels = [text.get_text() for text in made_of.texts]
    assert labels[:4] == ["120 GB", "31.4 GB", "16.6 GB", "1.88 GB"]


def test_offloaded_bytes_are_hollow():
    given = 1e9, 4, "mixed", True
    host = bytes_by_stage(model_state_bytes, *given, "host")
    axes = plot_memory(bytes_by_stage(model_state_bytes, *given), "1B", host).axes[0]
    hollow = [bar.get_width() for bar in axes.patches if bar.get_hatch()]
    assert hollow == [12e9, 3e9, 3e9, 3.5e9]
    assert "500 MB\n+ 3.5 GB" in [text.get_text() for text in axes.texts]


@pytest.mark.filterwarnings("error")
def test_measured_bars_and_marks():
    measured = {(s, n): model_state_bytes(1000, n, s, "fp32") for s in (3, 0, 1, 2) for n in (4, 1, 2)}
    formula = {key: sum(held.values()) * 1.01 for key, held in measured.items()}
    figure = plot_measured(measured, formula, "measured")
    axes = figure.axes[0]
    assert [bar.get_height() for bar in axes.patches] == [b for key in sorted(measured) for b in measured[key].values()]
    assert [line.get_ydata()[0] for line in axes.lines] == [formula[key] for key in sorted(measured)]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "2", "4"] * 4
    assert png(figure).startswith(PNG)
    with pytest.raises(ValueError, match=r"formula: got none for \[\(3, 4\)\]"):
        plot_measured(measured, {key: total for key, total in formula.items() if key != (3, 4)})
    with pytest.raises(ValueError, match="measured: got nothing"):
        plot_measured({}, formula)


def controls_of(monkeypatch, module, explorer, *arguments, **named) -> dict:
    """The controls of an explorer, and "draw"."""
    made = {}
    monkeypatch.setattr(module, "explore", lambda draw, alt, **controls: made.update(controls, draw=draw))
    explorer(*arguments, **named)
    return made


def test_memory_explorer_draws_what_is_chosen(monkeypatch):
    made = controls_of(monkeypatch, zero_memory, explore_memory, model_state_bytes, MODELS, "671B", 128)
    assert made["name"].value == "671B" and made["name"].options == tuple(MODELS)
    assert made["ranks"].value == 128 and made["ranks"].options == tuple(RANKS) and RANKS[-1] == 2048
    drawn = []
    monkeypatch.setattr(zero_memory, "plot_memory", lambda *given: drawn.append(given))
    made["draw"](name="7.5B", ranks=64, precision="mixed", offload=False)
    made["draw"](name="7.5B", ranks=64, precision="fp32", offload=True)
    (plain, title, host, cards, note), (fp32, other, on_host, _, _) = drawn
    assert sum(plain[1].values()) == 31.40625e9 and title == "7.5B, mixed precision" and host is None
    assert cards == (24, 80, 141) and note.startswith("7.5B on 64 ranks: stage 3 needs 1.88 GB")
    assert other == "7.5B, fp32, optimizer on the host" and fp32[3]["parameters"] == 0
    assert on_host[3]["parameters"] == 4 * 7.5e9 / 64


def test_memory_explorer_brings_a_still(shown):
    explore_memory(model_state_bytes, MODELS)
    assert set(shown[0]) == {"text/plain", "image/png", WIDGET_VIEW}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(name="8B"), r"name: got '8B', but it takes one of \['lab'"),
        (dict(ranks=3), "ranks: got 3"),
        (dict(precision="fp8"), "precision: got 'fp8'"),
        (dict(offload=None), "offload: got None"),
        (dict(models={}), "name: got None"),
    ],
)
def test_memory_explorer_refuses_what_is_not_there(change, message, shown):
    with pytest.raises(ValueError, match=message):
        explore_memory(**(dict(state_bytes=model_state_bytes, models=MODELS) | change))
    assert not shown


# Timelines.


def event(kind: str, unit: str, start: float, end: float, origin: float = 100.0) -> dict:
    return {"kind": kind, "unit": unit, "start": start, "end": end, "origin": origin}


def step_of_stage_3() -> list[dict]:
    """Two layers, by hand."""
    a, b = "layers.0", "layers.1"
    return [
        event("gather", a, 0, 1), event("gather", b, 1, 3), event("forward", a, 1.5, 4), event("release", a, 4, 4),
        event("forward", b, 5, 6), event("release", b, 6, 6),
        event("gather", b, 6, 7), event("gather", a, 7, 9), event("backward", b, 8, 10), event("release", b, 10, 10),
        event("reduce", b, 10, 12), event("backward", a, 11, 13), event("release", a, 13, 13),
        event("reduce", a, 13, 14), event("update", a, 15, 16), event("update", b, 16, 17),
    ]  # fmt: skip


def test_moments_of_stage_3_by_hand():
    events = step_of_stage_3()
    units = units_of(events)
    assert units == ["layers.0", "layers.1"] and len(steps(events)) == 12
    found = [moment(events, units, 3, index) for index in range(12)]
    assert [tuple(each.parameters.values()) for each in found] == [
        ("arriving", "shard"),
        ("whole", "arriving"),
        ("whole", "arriving"),
        ("shard", "whole"),
        ("shard", "arriving"),
        ("arriving", "whole"),
        ("arriving", "whole"),
        ("whole", "shard"),
        ("whole", "shard"),
        ("shard", "shard"),
        ("shard", "shard"),
        ("shard", "shard"),
    ]
    assert [tuple(each.gradients.values()) for each in found] == [
        *[("none", "none")] * 6,
        ("none", "whole"),
        ("none", "travelling"),
        ("whole", "travelling"),
        ("travelling", "shard"),
        ("shard", "shard"),
        ("shard", "shard"),
    ]
    assert [each.sentence for each in found[:10]] == [
        "Rank 0 asks for layer 0's parameters: until they have arrived, it computes nothing.",
        "Rank 0 asks for layer 1's parameters: they travel while it computes layer 0's forward.",
        "Rank 0 computes layer 0's forward while layer 1's parameters arrive.",
        "Rank 0 computes layer 1's forward; nothing travels.",
        "Rank 0 asks for layer 1's parameters: until they have arrived, it computes nothing.",
        "Rank 0 asks for layer 0's parameters: they travel while it computes layer 1's backward.",
        "Rank 0 computes layer 1's backward while layer 0's parameters arrive.",
        "Rank 0 sends layer 1's gradients to be added up: they travel while it computes layer 0's backward.",
        "Rank 0 computes layer 0's backward while layer 1's gradients travel.",
        "Rank 0 sends layer 0's gradients to be added up: until they have arrived, it computes nothing.",
    ]
    assert found[10].sentence == "Rank 0 updates its shard of layer 0; nothing travels."


def test_moments_of_stages_1_and_2():
    events = [
        event("forward", "embed", 0, 1), event("forward", "norm + head", 1, 2), event("backward", "norm + head", 2, 3),
        event("reduce", "norm + head", 3, 5), event("backward", "embed", 4, 6), event("reduce", "embed", 6, 7),
        event("update", "embed", 8, 9), event("gather", "embed", 9, 12), event("update", "norm + head", 10, 11),
        event("gather", "norm + head", 11, 13),
    ]  # fmt: skip
    units = ["embed", "norm + head"]
    for stage, after in ((1, "whole"), (2, "shard")):
        assert moment(events, units, stage, 0).parameters == dict.fromkeys(units, "whole")
        assert moment(events, units, stage, 4).gradients == {"embed": "whole", "norm + head": "travelling"}
        assert moment(events, units, stage, 6).gradients == dict.fromkeys(units, after)
        assert moment(events, units, stage, 8).parameters == {"embed": "arriving", "norm + head": "whole"}
    assert moment(events, units, 1, 7, rank=1).sentence == (
        "Rank 1 asks for the embedding's new parameters: they travel while it updates its shard of the head."
    )
    assert moment(events, units, 1, 9).sentence == (
        "Rank 0 asks for the head's new parameters: the step ends when they have arrived."
    )


def test_moments_with_several_micro_batches_and_frozen_units():
    """A second gradient is whole again beside the shard of the first; a frozen unit never has one."""
    events = [
        event("backward", "layers.1", 0, 1), event("reduce", "layers.1", 1, 2), event("backward", "layers.0", 1, 2),
        event("backward", "layers.1", 3, 4), event("reduce", "layers.1", 4, 5),
    ]  # fmt: skip
    states = [moment(events, ["layers.0", "layers.1"], 2, index).gradients["layers.1"] for index in range(5)]
    assert states == ["whole", "travelling", "travelling", "whole", "travelling"]
    assert {moment(events, ["layers.0"], 2, index).gradients["layers.0"] for index in range(5)} == {"none"}


def test_what_travels_is_counted():
    events = [event("gather", unit, 0, 9) for unit in ("embed", "layers.0", "layers.0")]
    events += [event("reduce", "layers.3", 0, 9), event("forward", "embed", 1, 2)]
    said = moment(events, ["embed"], 3, 4).sentence
    assert said == (
        "Rank 0 computes the embedding's forward while the parameters of 2 units arrive and layer 3's gradients travel."
    )
    assert [spoken(unit) for unit in ("layers.12", "mtp.0", "a + b")] == ["layer 12", "mtp.0", "a and b"]
    alone = [event("gather", "layers.0", 1, 1)]
    assert moment(alone, ["layers.0"], 3, 0).sentence.endswith("it is alone, so nothing travels.")
    assert moment(alone, ["layers.0"], 3, 0).parameters == {"layers.0": "whole"}


def test_ranks_share_a_clock():
    ours, theirs = aligned([[Event("forward", "embed", 2, 3, 100.0)], [event("forward", "embed", 1, 2, 100.5)]])
    assert (ours[0]["start"], ours[0]["end"]) == (0.5, 1.5) and (theirs[0]["start"], theirs[0]["end"]) == (0, 1)
    for nothing in ([], [[]], [step_of_stage_3(), []]):
        with pytest.raises(ValueError, match="timelines: got"):
            aligned(nothing)


def test_what_overlaps_lies_in_rows_of_its_own():
    events = [event("gather", "x", start, end) for start, end in ((0, 4), (1, 2), (2, 3), (3, 5), (4, 6))]
    assert [row for row, _ in stacked(events)] == [0, 1, 1, 1, 0]


@pytest.fixture(scope="module")
def real() -> dict:
    """Real steps of one rank, for which nothing travels, and the step by hand on four."""
    alone = {stage: [timeline_jobs.timeline(0, stage)["events"]] for stage in (1, 2, 3)}
    return alone | {"by hand": [step_of_stage_3()] * 4}


@pytest.mark.filterwarnings("error")
def test_any_moment_can_be_drawn(real):
    for stage, ranks in real.items():
        assert png(plot_timeline(ranks, f"stage {stage}")).startswith(PNG)
        lanes = aligned(ranks)
        number = 3 if stage == "by hand" else stage
        for index in (0, len(steps(lanes[0])) // 2, -1):
            found = moment(lanes[0], units_of(lanes[0]), number, index)
            assert png(plot_moment(lanes, found, "title", 0)).startswith(PNG)


@pytest.mark.filterwarnings("error")
def test_many_units_can_be_drawn():
    events = [event("forward", f"layers.{number}", number, number + 1) for number in range(61)]
    found = moment(events, units_of(events), 1, 30)
    assert png(plot_moment([events], found, "61 layers", 0)).startswith(PNG)


def test_a_bar_for_each_event():
    axes = plot_timeline([step_of_stage_3()] * 2).axes[0]
    bars = [patch for patch in axes.patches if patch.get_width() > 0 and patch.get_height() < 0.3]
    assert len(bars) >= 2 * 12
    words = [text.get_text() for text in axes.texts]
    assert words.count("rank 0 computes") == words.count("rank 1 computes") == 1
    assert words.count("0") == words.count("1") == 12


def test_the_stepper_follows_its_controls(monkeypatch):
    short = [event("forward", "layers.0", 0, 1), event("update", "layers.0", 2, 3)]
    timelines = {3: [step_of_stage_3()] * 2, 1: [short, short]}
    made = controls_of(monkeypatch, timeline, explore_timeline, timelines)
    chosen, place = made["stage"], made["index"]
    assert chosen.options == (("stage 1", 1), ("stage 3", 3)) and chosen.value == 3
    assert len(place.options) == 12 and place.options[0] == ("1 of 12", 0)
    assert place.value == 2, "the first computation during which something travels"
    drawn = []
    monkeypatch.setattr(timeline, "plot_moment", lambda lanes, found, title, rank: drawn.append((found, title)))
    chosen.value = 1
    assert len(place.options) == 2 and place.value == 0
    made["draw"](stage=1, index=1)
    assert drawn[0][1] == "Stage 1" and drawn[0][0].sentence.startswith("Rank 0 updates its shard of layer 0")


def test_the_stepper_draws_anew(shown, monkeypatch):
    """As it is on the page: another stage, with another number of events, brings another picture."""
    boxes = []
    monkeypatch.setattr("deepseek_lab.viz.show.show_widget", lambda box, *rest: boxes.append(box))
    short = [event("forward", "layers.0", 0, 1), event("update", "layers.0", 2, 3)]
    explore_timeline({1: [short], 3: [step_of_stage_3()]}, index=11)
    chosen, place, note, picture = boxes[0].children
    seen = [picture.value]
    for control, value in ((place, 5), (chosen, 1), (place, 1), (chosen, 3)):
        control.value = value
        assert picture.value not in seen and note.value == ""
        seen.append(picture.value)


def test_the_stepper_brings_a_still(shown, real):
    explore_timeline({stage: real[stage] for stage in (1, 2, 3)})
    assert set(shown[0]) == {"text/plain", "image/png", WIDGET_VIEW}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(stage=2), r"stage: got 2, but it takes one of \[3\]"),
        (dict(timelines={}), "stage: got None"),
        (dict(index=12), "index: got 12, but it takes 0 to 11"),
        (dict(rank=1), "rank: got 1, but it takes 0 to 0"),
        (dict(timelines={3: [[]]}), "timelines: got"),
    ],
)
def test_the_stepper_refuses_what_is_not_there(change, message, shown):
    with pytest.raises(ValueError, match=message):
        explore_timeline(**(dict(timelines={3: [step_of_stage_3()]}) | change))
    assert not shown


def test_losses_of_engines_and_what_they_differ_by():
    losses = {"plain": [3.0, 2.0], "a": [3.0, 2.0 + 1e-6], "b": [3.0, 2.0]}
    figure = plot_engines(losses, "plain")
    curves, differences = figure.axes
    assert [list(line.get_ydata()) for line in curves.lines] == list(losses.values())
    drawn = [line.get_ydata() for line in differences.lines[:2]]
    assert drawn[0][1] == pytest.approx(1e-6, rel=1e-3)
    assert drawn[1][1] == 1e-9  # nothing at all, where a logarithmic axis ends
    for wrong in ("c", None):
        with pytest.raises(ValueError, match="losses: got"):
            plot_engines(losses, wrong)
    with pytest.raises(ValueError, match="of the same length"):
        plot_engines({**losses, "short": [1.0]}, "plain")


def test_drift_is_drawn_in_percent():
    left, right = plot_drift([0, 5], [0.0, 1e-3], [0.0, 0.25]).axes
    assert list(left.lines[0].get_ydata()) == [1e-9, 1e-3]
    assert list(right.lines[0].get_ydata()) == [0, 25]
