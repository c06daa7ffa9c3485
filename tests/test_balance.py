"""Balance: the auxiliary loss against Mixtral's, the bias rule, MaxVio by hand, and EPLB's own example."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

from deepseek_lab.moe import TopKRouter
from deepseek_lab.moe.balance import (
    device_fan_out,
    expert_load,
    max_violation,
    sequence_balance_loss,
    update_bias,
)
from deepseek_lab.moe.placement import gpu_load, place_experts


@given(
    batch=st.integers(1, 4), tokens=st.integers(1, 30), n=st.integers(1, 12), data=st.data(), seed=st.integers(0, 99)
)
def test_auxiliary_loss_equals_mixtrals_for_each_sequence(batch, tokens, n, data, seed):
    """Theirs counts K where ours counts 1, and takes all tokens as one sequence."""
    k = data.draw(st.integers(1, n))
    logits = torch.randn(batch, tokens, n, generator=torch.Generator().manual_seed(seed)).requires_grad_()
    scores = logits.softmax(dim=-1)
    ours = sequence_balance_loss(scores, scores.topk(k, dim=-1).indices)
    theirs = sum(load_balancing_loss_func((row,), n, k) for row in logits) / batch / k
    assert torch.allclose(ours, theirs, rtol=1e-5)
    gradients = [torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (ours, theirs)]
    assert torch.allclose(*gradients, atol=1e-7)


def test_auxiliary_loss_is_one_when_even_and_pushes_away_from_the_busy():
    experts = torch.tensor([[[0], [1], [2], [3]]])
    assert sequence_balance_loss(torch.full((1, 4, 4), 0.3), experts).item() == pytest.approx(1.0)
    logits = torch.zeros(1, 4, 4, requires_grad=True)
    sequence_balance_loss(logits.sigmoid(), torch.zeros(1, 4, 1, dtype=torch.long)).backward()
    assert (logits.grad[..., 0] > 0).all() and (logits.grad[..., 1:] < 0).all()


def test_bias_rises_for_the_idle_and_falls_for_the_busy():
    bias = torch.tensor([0.0, 0.5, -0.5, 0.0])
    update_bias(bias, torch.tensor([10, 2, 2, 6]), rate=0.1)  # the mean is 5
    assert torch.allclose(bias, torch.tensor([-0.1, 0.6, -0.4, -0.1]))
    update_bias(bias, torch.tensor([5, 5, 5, 5]), rate=0.1)  # even: nothing to do
    assert torch.allclose(bias, torch.tensor([-0.1, 0.6, -0.4, -0.1]))


@given(seed=st.integers(0, 10**6))
def test_the_bias_alone_makes_a_router_even(seed):
    """On fixed inputs, nothing else trained, from experts that nobody chose."""
    torch.manual_seed(seed)
    gate, x = TopKRouter(16, 8, 2), torch.randn(512, 16) + 1.0  # a common direction favours some experts
    before = max_violation(expert_load(gate(x).experts, 8))
    for step in range(300):
        update_bias(gate.e_score_correction_bias, expert_load(gate(x).experts, 8), rate=0.02 * (1 - step / 300))
    after = max_violation(expert_load(gate(x).experts, 8))
    assert after < 0.1 and after < before


def test_the_rule_holds_for_large_counts_and_refuses_half_precision():
    bias = torch.zeros(3)
    update_bias(bias, torch.tensor([2**24 + 1, 2**24, 2**24]), rate=0.5)  # fp32 has no 2**24 + 1
    assert bias.tolist() == [-0.5, 0.5, 0.5]
    for dtype in (torch.bfloat16, torch.float16):
        with pytest.raises(ValueError, match="bias dtype: got"):
            update_bias(torch.zeros(3, dtype=dtype), torch.ones(3), rate=0.5)


def test_max_violation_by_hand():
    assert max_violation(torch.tensor([4, 4, 4, 4])) == 0
    assert max_violation(torch.tensor([8, 4, 4, 0])) == 1.0
    assert max_violation(torch.tensor([16, 0, 0, 0])) == 3.0  # all to one: E / K - 1 with K = 1
    with pytest.raises(ValueError, match="load"):
        max_violation(torch.zeros(4))


def test_load_counts_rows():
    assert expert_load(torch.tensor([[0, 2], [2, 3]]), 5).tolist() == [1, 0, 2, 1, 0]
    assert expert_load(torch.zeros(0, 2, dtype=torch.long), 3).tolist() == [0, 0, 0]
    for bad in (5, -1):
        with pytest.raises(ValueError, match="experts: got"):
            expert_load(torch.tensor([bad]), 5)


def test_fan_out_by_hand():
    experts = torch.tensor([[0, 1, 2], [0, 4, 7], [6, 7, 5]])
    assert device_fan_out(experts, 8, devices=4).tolist() == [2, 3, 2]
    with pytest.raises(ValueError, match="devices: got 3"):
        device_fan_out(experts, 8, devices=3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: update_bias(torch.zeros(4), torch.zeros(3), 0.1), r"load: got \(3,\)"),
        (lambda: update_bias(torch.zeros(2), torch.tensor([1.0, float("nan")]), 0.1), "load: got"),
        (lambda: update_bias(torch.zeros(2), torch.tensor([1, -1]), 0.1), "load: got"),
        (lambda: max_violation(torch.tensor([1.0, float("inf")])), "load: got"),
        (lambda: expert_load(torch.zeros(3), 4), "experts dtype: got torch.float32"),
        (lambda: device_fan_out(torch.tensor([[8]]), 8, 4), r"experts: got \(8, 8\)"),
        (lambda: gpu_load(README_LOAD[:1], place_experts(README_LOAD, 16, 4, 2, 8), 8), r"load: got \(1, 12\)"),
        (lambda: gpu_load(README_LOAD, place_experts(README_LOAD, 16, 4, 2, 8), 7), "gpus: got 7"),
        (lambda: update_bias(torch.zeros(4), torch.zeros(4), -1), "rate: got -1"),
        (lambda: update_bias(torch.zeros(4), torch.zeros(4), float("nan")), "rate: got nan"),
        (lambda: sequence_balance_loss(torch.zeros(6, 4), torch.zeros(6, 2)), "scores and experts"),
        (lambda: sequence_balance_loss(torch.zeros(2, 0, 4), torch.zeros(2, 0, 2)), "scores and experts"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


README_LOAD = torch.tensor(
    [[90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86], [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27]]
)
README_PLAN = [
    [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
    [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
]


def test_placement_is_the_one_of_the_official_readme():
    plan = place_experts(README_LOAD, places=16, groups=4, nodes=2, gpus=8)
    assert plan.expert_at.tolist() == README_PLAN


@given(
    nodes=st.integers(1, 4), per_node=st.integers(1, 3), groups=st.integers(1, 12), size=st.integers(1, 4),
    per_gpu=st.integers(1, 6), seed=st.integers(0, 10**6),
)  # fmt: skip
def test_placement_invariants(nodes, per_node, groups, size, per_gpu, seed):
    """Every expert lives somewhere, the three tables agree, no row is lost, and groups stay within their node."""
    experts, gpus = groups * size, nodes * per_node
    places = gpus * per_gpu
    load = torch.randint(0, 1000, (2, experts), generator=torch.Generator().manual_seed(seed))
    if places < experts:
        with pytest.raises(ValueError, match="places"):
            place_experts(load, places, groups, nodes, gpus)
        return
    plan = place_experts(load, places, groups, nodes, gpus)
    assert plan.expert_at.shape == (2, places) and (plan.copies >= 1).all() and (plan.copies.sum(dim=1) == places).all()
    for layer in range(2):
        for expert in range(experts):
            own = [p for p in plan.places_of[layer, expert].tolist() if p >= 0]
            assert len(own) == plan.copies[layer, expert] == len(set(own))
            assert all(plan.expert_at[layer, place] == expert for place in own)
    assert torch.allclose(gpu_load(load, plan, gpus).sum(dim=1), load.sum(dim=1).double())
    if groups % nodes == 0:
        per_node_places = plan.expert_at.view(2, nodes, -1)
        for layer in range(2):
            homes = [set((own // size).tolist()) for own in per_node_places[layer]]
            assert sum(len(home) for home in homes) == groups  # no group on two nodes


def test_copies_help():
    """The busiest GPU has less to do than with experts in order, and than without copies."""
    plain = README_LOAD.double().view(2, 4, 3).sum(dim=-1)  # 12 experts on 4 GPUs, in order
    planned = gpu_load(README_LOAD, place_experts(README_LOAD, 16, 4, 2, 4), 4)
    assert (planned.max(dim=1).values < plain.max(dim=1).values).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(load=torch.ones(12)), "load: got"),
        (dict(load=-README_LOAD), "load: got.*negative"),
        (dict(load=README_LOAD * float("nan")), "load: got.*not finite"),
        (dict(places=17), "places: got 17.*8 GPUs"),
        (dict(places=8), "places: got 8.*12 experts"),
        (dict(groups=8), "groups: got 8.*12 experts"),
        (dict(gpus=7), "gpus: got 7.*2 nodes"),
        (dict(nodes=0), "nodes: got 0"),
    ],
)
def test_bad_placements_are_named(changes, message):
    fields = dict(load=README_LOAD, places=16, groups=4, nodes=2, gpus=8) | changes
    with pytest.raises(ValueError, match=message):
        place_experts(**fields)
