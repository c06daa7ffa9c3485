"""What a training step of ZeRO does and when, from the events of real ranks: a timeline, and one step after another.

An event has a kind, a unit, a start, an end and an origin, as in `training.zero.timeline.Event`: such objects, or dicts
that came back through JSON. A rank's events are a list of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from matplotlib.figure import Figure

from deepseek_lab.viz.show import choice, explore, slider
from deepseek_lab.viz.timeline_figure import draw_timeline, plot_moment

COMPUTES, SENDS = ("forward", "backward", "update"), ("gather", "reduce")


@dataclass(frozen=True)
class Moment:
    """One rank's state when an event begins.

    `parameters` says of each unit whether it is "whole" here, "arriving", or a "shard"; `gradients` whether there are
    "none", "whole" ones, "travelling" ones (still whole), or a "shard" of the sum over the ranks. In stage 1, a whole
    buffer stays whole after it has travelled. A tied parameter counts with the unit that it is kept in.
    """

    event: Mapping
    parameters: Mapping[str, str]
    gradients: Mapping[str, str]
    sentence: str


def aligned(timelines: Sequence[Iterable]) -> list[list[dict]]:
    """Each rank's events as dicts, in order of their start, in seconds after the first event of all ranks.

    Raises `ValueError` where a rank has none.
    """
    ranks = [[dict(e) if isinstance(e, Mapping) else asdict(e) for e in events] for events in timelines]
    if not ranks or not all(ranks):
        raise ValueError(f"timelines: got {list(map(len, ranks))} events, but it takes at least one of each rank")
    zero = min(event["origin"] + event["start"] for events in ranks for event in events)
    for events in ranks:
        for event in events:
            shift = event["origin"] - zero
            event |= {"start": event["start"] + shift, "end": event["end"] + shift, "origin": zero}
    return [sorted(events, key=lambda event: event["start"]) for events in ranks]


def steps(events: Iterable[Mapping]) -> list[Mapping]:
    """The events to step through: all but releases, which take no time."""
    return [event for event in events if event["kind"] != "release"]


def units_of(events: Iterable[Mapping]) -> list[str]:
    """The units in the order of their first forward; then those that have none."""
    ordered = sorted(events, key=lambda event: event["kind"] != "forward")
    return list(dict.fromkeys(event["unit"] for event in ordered))


def moment(events: Sequence[Mapping], units: Sequence[str], stage: int, index: int, rank: int = 0) -> Moment:
    """What a rank's memory holds, and what it does, when number `index` of its `steps` begins. `events` in order."""
    event = steps(events)[index]
    parameters = {unit: _parameters(events, unit, stage, event["start"]) for unit in units}
    gradients = {unit: _gradients(events, unit, stage, event["start"]) for unit in units}
    return Moment(event, parameters, gradients, _sentence(events, event, stage, rank))


def _begun(events: Sequence[Mapping], kind: str, unit: str, now: float) -> list[Mapping]:
    return [e for e in events if e["kind"] == kind and e["unit"] == unit and e["start"] <= now]


def _parameters(events: Sequence[Mapping], unit: str, stage: int, now: float) -> str:
    gathers = _begun(events, "gather", unit, now)
    if any(now < gather["end"] for gather in gathers):
        return "arriving"
    if stage < 3:
        return "whole"
    releases = _begun(events, "release", unit, now)
    return "whole" if gathers and (not releases or releases[-1]["start"] <= gathers[-1]["start"]) else "shard"


def _gradients(events: Sequence[Mapping], unit: str, stage: int, now: float) -> str:
    backwards, reduces = (_begun(events, kind, unit, now) for kind in ("backward", "reduce"))
    trained = any(e["kind"] == "reduce" and e["unit"] == unit for e in events)
    if not trained or not (backwards or reduces):
        return "none"
    if not reduces or (backwards and backwards[-1]["start"] > reduces[-1]["start"]):
        return "whole"
    if now < reduces[-1]["end"]:
        return "travelling"
    return "whole" if stage == 1 else "shard"


def _sentence(events: Sequence[Mapping], event: Mapping, stage: int, rank: int) -> str:
    """What a rank does while what travels; for what travels, what the rank does until it has arrived."""
    kind, unit, now = event["kind"], spoken(event["unit"]), event["start"]
    who = f"Rank {rank}"
    if kind in COMPUTES:
        under_way = [e for e in events if e["kind"] in SENDS and e["start"] <= now < e["end"]]
        return f"{who} {_doing(event)}{_meanwhile(under_way)}."
    new = "" if stage == 3 else "new "
    what = f"asks for {unit}'s {new}parameters" if kind == "gather" else f"sends {unit}'s gradients to be added up"
    if event["start"] == event["end"]:
        return f"{who} {what}: it is alone, so nothing travels."
    following = next((e for e in events if e["kind"] in COMPUTES and e["start"] >= now), None)
    if following is None:
        return f"{who} {what}: the step ends when they have arrived."
    if following["start"] < event["end"]:
        return f"{who} {what}: they travel while it {_doing(following)}."
    if kind == "gather" and following["unit"] != event["unit"]:
        return f"{who} {what}: they are there before it {_doing(following)}."
    return f"{who} {what}: until they have arrived, it computes nothing."


def _doing(event: Mapping) -> str:
    unit = spoken(event["unit"])
    return f"updates its shard of {unit}" if event["kind"] == "update" else f"computes {unit}'s {event['kind']}"


def _meanwhile(under_way: Sequence[Mapping]) -> str:
    parts = []
    for kind, of_one, of_many in (
        ("gather", "{}'s parameters arrive", "the parameters of {} units arrive"),
        ("reduce", "{}'s gradients travel", "the gradients of {} units travel"),
    ):
        found = list(dict.fromkeys(spoken(e["unit"]) for e in under_way if e["kind"] == kind))
        parts += [of_one.format(*found) if len(found) == 1 else of_many.format(len(found))] if found else []
    return f" while {' and '.join(parts)}" if parts else "; nothing travels"


def spoken(unit: str) -> str:
    """A unit's name in a sentence: "layers.1" is "layer 1"."""
    word, _, number = unit.rpartition(".")
    if word == "layers" and number.isdigit():
        return f"layer {number}"
    return {"embed": "the embedding", "norm + head": "the head"}.get(unit, unit.replace(" + ", " and "))


def plot_timeline(timelines: Sequence[Iterable], title: str = "") -> Figure:
    """One step of each rank in two lanes, what it computes and what travels; `timelines` are the events of each rank.

    Units are named in their bars where there is room. Raises `ValueError` where a rank has no events.
    """
    return draw_timeline(aligned(timelines), title)


def explore_timeline(
    timelines: Mapping[int, Sequence[Iterable]], stage: int | None = None, index: int | None = None, rank: int = 0
) -> None:
    """The timeline stepper: one rank's step of ZeRO, event by event, for each stage in `timelines`.

    `timelines`: stage -> the events of rank 0, 1, ... It begins with `stage`, by default the highest, at number `index`
    of the rank's events, by default the first computation during which something travels. Raises `ValueError` for what
    isn't there.
    """
    stages = {each: aligned(ranks) for each, ranks in sorted(timelines.items())}
    stage = max(stages, default=None) if stage is None else stage
    if stage not in stages:
        raise ValueError(f"stage: got {stage!r}, but it takes one of {list(stages)}")
    if not 0 <= rank < min(map(len, stages.values())):
        raise ValueError(f"rank: got {rank!r}, but it takes 0 to {min(map(len, stages.values())) - 1}")
    units = {each: units_of(ranks[rank]) for each, ranks in stages.items()}
    found = {
        each: [moment(ranks[rank], units[each], each, number, rank) for number in range(len(steps(ranks[rank])))]
        for each, ranks in stages.items()
    }
    if index is None:
        busy = (e.event["kind"] in COMPUTES and " while " in e.sentence for e in found[stage])
        index = next((number for number, both in enumerate(busy) if both), 0)
    if not 0 <= index < len(found[stage]):
        raise ValueError(f"index: got {index!r}, but it takes 0 to {len(found[stage]) - 1}")

    def numbers(stage: int) -> list[tuple[str, int]]:
        return [(f"{number + 1} of {len(found[stage])}", number) for number in range(len(found[stage]))]

    chosen = choice("stage", [(f"stage {each}", each) for each in stages], stage)
    place = slider("event", numbers(stage), index)
    # Before `explore` looks: a stage has its own number of events, and begins with the first.
    chosen.observe(lambda change: setattr(place, "options", numbers(change["new"])), "value")
    explore(
        lambda stage, index: plot_moment(stages[stage], found[stage][index], f"Stage {stage}", rank),
        "what one rank computes and what travels in one step of ZeRO, event by event, and what its memory holds",
        stage=chosen,
        index=place,
    )
