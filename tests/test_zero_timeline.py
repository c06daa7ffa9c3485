"""Timelines of real steps on two real ranks: what must come before what, and that nobody notices the recording.

Two ranks are started once and do all jobs (`helpers.timeline_jobs`); one rank runs in here.
"""

from collections import Counter
from itertools import pairwise

import pytest
import torch
from helpers import timeline_jobs
from helpers.ranks import run_ranks
from helpers.zero_jobs import adamw, make_model
from torch import nn

from deepseek_lab.training.zero import zero
from deepseek_lab.training.zero.flat import make_units
from deepseek_lab.training.zero.timeline import record_timeline, unit_names

pytestmark = pytest.mark.slow  # ranks are started

UNITS = ["embed", "layers.0", "layers.1", "layers.2", "norm + head"]
STAGES = (1, 2, 3)
CASES = [(stage, "odd", 1) for stage in STAGES] + [(stage, "odd", 2) for stage in STAGES]
CASES += [(3, "tied", 1), (3, "mtp", 1), (3, "frozen", 1)]
JOBS = {case: ("timeline", dict(zip(("stage", "kind", "count"), case, strict=True))) for case in CASES}
JOBS |= {("plain", stage): ("timeline", dict(stage=stage, record=False)) for stage in STAGES}
JOBS["broken"] = ("broken", {})

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_stage = pytest.mark.parametrize("stage", STAGES)


@pytest.fixture(scope="module")
def results() -> dict:
    """results[case] is what each rank returned."""
    return dict(zip(JOBS, run_ranks(2, "helpers.timeline_jobs", list(JOBS.values())), strict=True))


def of_kind(result: dict, kind: str) -> list[dict]:
    return [event for event in result["events"] if event["kind"] == kind]


def by_unit(result: dict, kind: str) -> dict[str, list[dict]]:
    found = {}
    for event in of_kind(result, kind):
        found.setdefault(event["unit"], []).append(event)
    return found


@every_case
def test_times_are_in_order(results, case):
    for result in results[case]:
        starts = [event["start"] for event in result["events"]]
        assert starts == sorted(starts) and starts[0] >= 0
        assert all(event["end"] >= event["start"] for event in result["events"])
        computing = [e for e in result["events"] if e["kind"] in ("forward", "backward", "update")]
        assert all(one["end"] <= other["start"] for one, other in pairwise(computing)), "one at a time"


@every_case
def test_both_ranks_do_the_same_on_one_clock(results, case):
    first, second = ([(e["kind"], e["unit"]) for e in result["events"]] for result in results[case])
    assert Counter(first) == Counter(second)
    origins = [{event["origin"] for event in result["events"]} for result in results[case]]
    assert len(origins[0]) == len(origins[1]) == 1
    spans = [(r["events"][0]["origin"] + r["events"][0]["start"], r["events"][0]["origin"] + r["events"][-1]["end"])
             for r in results[case]]  # fmt: skip
    assert max(start for start, _ in spans) < min(end for _, end in spans), "the two steps overlap"


@every_stage
@pytest.mark.parametrize("count", [1, 2])
def test_number_of_events(results, stage, count):
    """Once for each unit; forward and backward for each micro-batch, and so what follows from them."""
    units = len(UNITS)
    expected = {
        "forward": units * count,
        "backward": units * count,
        "reduce": units * (count if stage > 1 else 1),
        "update": units,
        "gather": 2 * units * count if stage == 3 else units,
        "release": 2 * units * count if stage == 3 else 0,
    }
    for result in results[stage, "odd", count]:
        assert Counter(e["kind"] for e in result["events"]) == {k: n for k, n in expected.items() if n}
        assert {e["unit"] for e in result["events"]} == set(UNITS)


@every_stage
def test_units_take_their_turns(results, stage):
    for result in results[stage, "odd", 1]:
        assert [e["unit"] for e in of_kind(result, "forward")] == UNITS
        assert [e["unit"] for e in of_kind(result, "backward")] == UNITS[::-1]
        assert [e["unit"] for e in of_kind(result, "reduce")] == UNITS[::-1]
        assert [e["unit"] for e in of_kind(result, "update")] == UNITS


def test_stage_3_gathers_before_each_use_and_releases_after(results):
    for result in results[3, "odd", 1]:
        gathers, releases = by_unit(result, "gather"), by_unit(result, "release")
        for unit in UNITS:
            uses = by_unit(result, "forward")[unit] + by_unit(result, "backward")[unit]
            for gather, use, release in zip(gathers[unit], uses, releases[unit], strict=True):
                assert gather["end"] <= use["start"] <= use["end"] <= release["start"]


def test_stage_3_asks_for_the_next_unit_before_it_computes_one(results):
    """In the order that the step before has shown: forward, and back."""
    for result in results[3, "odd", 1]:
        gathers = by_unit(result, "gather")
        for kind, order, turn in (("forward", UNITS, 0), ("backward", UNITS[::-1], 1)):
            uses = by_unit(result, kind)
            for unit, following in pairwise(order):
                assert gathers[following][turn]["start"] < uses[unit][0]["end"], (kind, unit)


@every_case
def test_gradients_travel_on_the_way_back_and_new_parameters_after_the_update(results, case):
    for result in results[case]:
        backward, updates = of_kind(result, "backward"), of_kind(result, "update")
        first, last = backward[0]["start"], updates[0]["start"]
        assert all(first < reduce["start"] < last for reduce in of_kind(result, "reduce"))
        if case[0] < 3:
            for gather, update in zip(of_kind(result, "gather"), updates, strict=True):
                assert gather["unit"] == update["unit"] and gather["start"] >= update["end"]
        else:
            assert all(gather["start"] < last for gather in of_kind(result, "gather"))


def test_a_reduce_follows_its_units_backward(results):
    for stage in STAGES:
        for result in results[stage, "odd", 1]:
            backward = by_unit(result, "backward")
            for reduce in of_kind(result, "reduce"):
                assert reduce["start"] >= backward[reduce["unit"]][0]["end"]


def test_shared_and_frozen_parameters(results):
    """A tied embedding is gathered for the head too; what is frozen is gathered, and neither reduced nor updated."""
    for result in results[3, "tied", 1]:
        assert Counter(e["unit"] for e in of_kind(result, "gather"))["embed"] == 4
        assert len(by_unit(result, "reduce")["embed"]) == 1
    for result in results[3, "frozen", 1]:
        gathered, reduced = (Counter(e["unit"] for e in of_kind(result, kind)) for kind in ("gather", "reduce"))
        assert gathered["layers.1"] == 4 and gathered["layers.2"] == 2, "trained and frozen numbers are two buffers"
        assert "layers.2" not in reduced and reduced["layers.1"] == 1


@every_stage
def test_recording_changes_no_result(results, stage):
    for recorded, plain in zip(results[stage, "odd", 1], results["plain", stage], strict=True):
        assert recorded["losses"] == plain["losses"]
        assert all(torch.equal(recorded["weights"][name], plain["weights"][name]) for name in plain["weights"])


def test_an_error_ends_the_recording(results):
    for result in results["broken"]:
        assert result["said"].startswith("loss_fn's result") and result["events"] == []
        assert result["loss"] == results["broken"][0]["loss"] > 0


@every_stage
def test_one_rank_alone(stage):
    """It sends nothing: what would be sent takes no time."""
    result = timeline_jobs.timeline(0, stage)
    sent = of_kind(result, "gather") + of_kind(result, "reduce")
    assert len(sent) == len(UNITS) * (3 if stage == 3 else 2)
    assert all(event["start"] == event["end"] for event in sent)


def test_names_of_units():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    assert list(unit_names(model, make_units(model, None, 1, 0, {})).values()) == ["model"]
    assert list(unit_names(model, make_units(model, [list(model)], 1, 0, {})).values()) == ["0 + 1"]
    model = make_model("mtp")
    names = list(unit_names(model, make_units(model, None, 1, 0, {})).values())
    assert names[:4] == UNITS[:4] and "norm + head" in names


def test_an_engine_that_shards_nothing_is_refused():
    engine = zero(make_model("odd"), 0, adamw)
    takes = "engine: got 'DataParallel', but it takes one of stage 1, 2 or 3"
    with pytest.raises(ValueError, match=takes), record_timeline(engine):
        pass
