"""Where experts live: the busy ones get copies, and copies are spread over GPUs so that all have the same to do.

The bias balances choices over time. At any one moment some experts are busier, and with one expert per GPU the busiest
sets the pace. So DeepSeek keeps 32 extra copies and moves them as the load shifts. This is the algorithm of their
EPLB (https://github.com/deepseek-ai/EPLB), written anew; ties are broken as it does, so the plans are the same.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from deepseek_lab.config import is_whole, require


class Placement(NamedTuple):
    """A plan for L layers, E experts and P places (copies)."""

    expert_at: Tensor  # (L, P) which expert lives at each place; places are numbered GPU by GPU
    places_of: Tensor  # (L, E, most copies) where each expert's copies are, -1 for none
    copies: Tensor  # (L, E) how many copies each expert has


def place_experts(load: Tensor, places: int, groups: int, nodes: int, gpus: int) -> Placement:
    """Plan which expert's copies go to which GPU, from the load (L, E) that each expert had, in rows.

    Where groups divide evenly among nodes, a group stays within one node: a token whose router is limited to a few
    groups then crosses between few nodes. Otherwise groups and nodes are ignored. Raises `ValueError` naming the field.
    """
    require(load.dim() == 2 and load.numel() > 0, "load", tuple(load.shape), "shape (layers, experts), not empty")
    fits = bool(load.isfinite().all()) and bool((load >= 0).all())
    require(fits, "load", "numbers that are negative or not finite", "counts")
    for field, value in (("places", places), ("groups", groups), ("nodes", nodes), ("gpus", gpus)):
        require(is_whole(value) and value >= 1, field, value, "a whole number of at least 1")
    layers, experts = load.shape
    if groups % nodes:
        groups = nodes = 1
    require(experts % groups == 0, "groups", groups, f"a divisor of the {experts} experts")
    require(gpus % nodes == 0, "gpus", gpus, f"a multiple of the {nodes} nodes")
    require(places % gpus == 0, "places", places, f"a multiple of the {gpus} GPUs")
    require(places >= experts, "places", places, f"at least one for each of the {experts} experts")

    load = load.float().cpu()  # fp32, as theirs: close calls then come out the same
    plans = [_place_layer(row, places, groups, nodes, gpus) for row in load]
    expert_at = torch.tensor([[expert for expert, _ in plan] for plan in plans])
    copies = torch.stack([torch.bincount(row, minlength=experts) for row in expert_at])
    places_of = torch.full((layers, experts, int(copies.max())), -1)
    for layer, plan in enumerate(plans):
        for place, (expert, copy) in enumerate(plan):
            places_of[layer, expert, copy] = place
    return Placement(expert_at, places_of, copies)


def gpu_load(load: Tensor, placement: Placement, gpus: int) -> Tensor:
    """Rows that each GPU gets if an expert's copies share its rows evenly: (L, E) -> (L, gpus).

    Raises `ValueError` for a load of another shape, and if `gpus` doesn't divide the places.
    """
    shape = (len(placement.copies), placement.copies.shape[1])
    require(load.shape == shape, "load", tuple(load.shape), f"shape {shape}, as planned")
    places = placement.expert_at.shape[1]
    require(is_whole(gpus) and gpus >= 1 and places % gpus == 0, "gpus", gpus, f"a divisor of the {places} places")
    each = load.double() / placement.copies  # (L, E)
    return each.gather(1, placement.expert_at).unflatten(1, (gpus, -1)).sum(dim=-1)


def _place_layer(load: Tensor, places: int, groups: int, nodes: int, gpus: int) -> list[tuple[int, int]]:
    """One layer: for every place, (expert, number of the copy)."""
    members = torch.arange(len(load)).view(groups, -1)  # the experts of each group
    plan = []
    for own_groups in _pack(load.view(groups, -1).sum(dim=-1), nodes):
        own = members[own_groups].flatten()
        copies = _copy(load[own], places // nodes)
        items = torch.tensor([item for item, _ in copies])
        each = load[own][items] / torch.bincount(items)[items]
        for gpu in _pack(each, gpus // nodes):
            plan += [(int(own[copies[place][0]]), copies[place][1]) for place in gpu]
    return plan


def _pack(weights: Tensor, bins: int) -> list[list[int]]:
    """Items into bins of equal count: heaviest first, each to the lightest bin that has room."""
    room = len(weights) // bins
    if room == 1:
        return [[item] for item in range(len(weights))]
    packed, total = [[] for _ in range(bins)], torch.zeros(bins)
    # Not a stable sort, as theirs: which of two equal items comes first is up to PyTorch.
    for item in weights.sort(descending=True).indices.tolist():
        lightest = min((b for b in range(bins) if len(packed[b]) < room), key=total.__getitem__)
        packed[lightest].append(item)
        total[lightest] += weights[item]
    return packed


def _copy(weights: Tensor, count: int) -> list[tuple[int, int]]:
    """One of each item, then one more of whichever has most weight per copy, until there are `count`: (item, copy)."""
    copies, number = [(item, 0) for item in range(len(weights))], torch.ones_like(weights)
    while len(copies) < count:
        item = int((weights / number).argmax())
        copies.append((item, int(number[item])))
        number[item] += 1
    return copies
