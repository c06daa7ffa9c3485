"""Routers: the bias selects and never weighs, groups limit, and nothing bad is routed silently."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab import DeepSeekConfig
from deepseek_lab.moe import DeepSeekMoE, HashRouter, TopKRouter, record_routing
from deepseek_lab.moe.balance import device_fan_out


def router(**fields) -> TopKRouter:
    return TopKRouter(**dict(hidden_size=8, n_routed_experts=16, num_experts_per_tok=4) | fields)


def test_the_bias_chooses_and_never_weighs():
    gate, x = router(), torch.randn(50, 8)
    before = gate(x)
    gate.e_score_correction_bias[3] = 10.0  # expert 3 is now everybody's first choice
    after = gate(x)
    assert (after.experts == 3).any(dim=1).all() and not (before.experts == 3).any(dim=1).all()
    assert torch.equal(after.scores, before.scores)
    chosen = after.scores.gather(1, after.experts)
    assert torch.allclose(after.weights, chosen / chosen.sum(dim=1, keepdim=True))
    gate.e_score_correction_bias += 5.0  # the same for all: no choice changes
    same = gate(x)
    assert torch.equal(same.experts.sort().values, after.experts.sort().values)
    assert torch.allclose(same.weights.sort().values, after.weights.sort().values)


def test_the_bias_has_no_gradient_and_is_saved():
    gate = router()
    assert "e_score_correction_bias" in gate.state_dict()
    assert [name for name, _ in gate.named_parameters()] == ["weight"]
    gate(torch.randn(5, 8)).weights[:, 0].sum().backward()
    assert gate.weight.grad.any() and gate.e_score_correction_bias.grad is None


def test_minus_infinity_takes_an_expert_out():
    gate = router()
    gate.e_score_correction_bias[5] = -math.inf
    assert not (gate(torch.randn(200, 8)).experts == 5).any()


@given(
    groups=st.sampled_from([1, 2, 4, 8]),
    data=st.data(),
    method=st.sampled_from(["group_limited_greedy", "noaux_tc"]),
    seed=st.integers(0, 10**6),
)
def test_groups_bound_the_devices_that_a_token_visits(groups, data, method, seed):
    torch.manual_seed(seed)
    allowed = data.draw(st.integers(1, groups))
    k = data.draw(st.integers(1, allowed * 16 // groups))
    gate = router(num_experts_per_tok=k, n_group=groups, topk_group=allowed, topk_method=method)
    routing = gate(torch.randn(30, 8))
    assert device_fan_out(routing.experts, 16, groups).max() <= allowed
    assert all(len(set(row)) == k for row in routing.experts.tolist())  # no expert twice


def test_underflow_does_not_leave_the_groups():
    """Scores of exactly 0 tie with whatever is masked by 0; minus infinity keeps them apart."""
    gate = router(scoring_func="softmax", topk_method="group_limited_greedy", n_group=4, topk_group=1)
    gate.weight.data.zero_()
    gate.weight.data[9, 0] = 1.0
    routing = gate(torch.tensor([[1000.0] + [0.0] * 7]))
    assert routing.scores[0, 8].item() == 0.0
    assert routing.experts.sort().values.tolist() == [[8, 9, 10, 11]]


def test_v2_group_score_is_the_best_and_v3_the_best_two():
    scores = torch.tensor([[0.9, 0.0, 0.6, 0.5]])  # group 0 has the best expert, group 1 the best pair
    for method, group in (("group_limited_greedy", {0, 1}), ("noaux_tc", {2, 3})):
        gate = router(n_routed_experts=4, num_experts_per_tok=2, n_group=2, topk_group=1, topk_method=method)
        allowed = gate.selection_scores(scores).isfinite()[0]
        assert set(allowed.nonzero().flatten().tolist()) == group


BAD_FIELDS = [
    (dict(num_experts_per_tok=17), "num_experts_per_tok: got 17.*16"),
    (dict(num_experts_per_tok=0), "num_experts_per_tok: got 0"),
    (dict(num_experts_per_tok=2.0), "num_experts_per_tok: got 2.0"),
    (dict(n_routed_experts=True), "n_routed_experts: got True"),
    (dict(n_group=3), "n_group: got 3.*16"),
    (dict(n_group=0), "n_group: got 0"),
    (dict(n_group=4, topk_group=5), "topk_group: got 5.*4"),
    (dict(n_group=8, topk_group=1), "num_experts_per_tok: got 4.*at most 2"),
    (dict(scoring_func="relu"), "scoring_func: got 'relu'.*softmax"),
    (dict(topk_method="best"), "topk_method: got 'best'.*greedy"),
    (dict(routed_scaling_factor=math.nan), "routed_scaling_factor: got nan"),
    (dict(routed_scaling_factor=0), "routed_scaling_factor: got 0"),
    (dict(norm_topk_prob="false"), "norm_topk_prob: got 'false'"),
    (dict(scoring_func=["sigmoid"]), "scoring_func: got"),
    (dict(topk_method=None), "topk_method: got None"),
]


@pytest.mark.parametrize(("fields", "message"), BAD_FIELDS, ids=[str(fields) for fields, _ in BAD_FIELDS])
def test_bad_fields_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        router(**fields)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("scoring", ["softmax", "sigmoid", "sqrtsoftplus"])
@pytest.mark.parametrize("grad", [True, False])
def test_nan_is_never_routed(value, scoring, grad):
    """An infinite input makes logits of inf - inf = NaN, or scores without a finite sum; where not, nothing is lost."""
    gate = router(scoring_func=scoring, topk_method="greedy")
    x = torch.randn(6, 8)
    x[4, 2] = value
    with torch.set_grad_enabled(grad):
        try:
            routing = gate(x)
        except ValueError as error:
            assert "router scores: got" in str(error) and "token 4" in str(error)
        else:
            assert not math.isnan(value)
            assert routing.scores.isfinite().all() and routing.weights.isfinite().all()


def test_nan_in_weights_or_bias_is_named():
    gate = router()
    gate.weight.data[7, 0] = math.nan
    with pytest.raises(ValueError, match=r"router scores: got nan for token 0, expert 7, and 2 more"):
        gate(torch.randn(3, 8))
    gate = router()
    gate.e_score_correction_bias[2] = math.nan
    with pytest.raises(ValueError, match=r"e_score_correction_bias: got \{2: nan\}"):
        gate(torch.randn(3, 8))


@pytest.mark.parametrize("scale", [1, 100, 1000])
@pytest.mark.parametrize("scoring", ["softmax", "sigmoid", "sqrtsoftplus"])
def test_gradients_are_finite_for_any_finite_logits(scoring, scale):
    """softplus(-104) is 0 in fp32, and the gradient of a root at 0 is infinite."""
    gate = router(scoring_func=scoring)
    gate.weight.data *= scale
    x = torch.randn(20, 8, requires_grad=True)
    gate(x).weights.square().sum().backward()
    assert x.grad.isfinite().all() and gate.weight.grad.isfinite().all()


@pytest.mark.parametrize("change", ["half", "bfloat16", "double"])
def test_the_bias_keeps_its_precision(change):
    gate = router()
    gate.e_score_correction_bias.fill_(0.501)
    getattr(gate, change)()
    bias = gate.e_score_correction_bias
    assert bias.dtype == (torch.float64 if change == "double" else torch.float32)
    assert (
        torch.allclose(bias.float(), torch.tensor(0.501))
        and bias is dict(gate.named_buffers())["e_score_correction_bias"]
    )
    assert gate.weight.dtype == {"half": torch.float16, "bfloat16": torch.bfloat16, "double": torch.float64}[change]


def test_too_few_experts_left_is_an_error():
    gate = router()
    gate.e_score_correction_bias[4:] = -math.inf
    assert sorted(gate(torch.randn(1, 8)).experts[0].tolist()) == [0, 1, 2, 3]
    gate.e_score_correction_bias[3] = -math.inf
    with pytest.raises(ValueError, match=r"e_score_correction_bias: got 'minus infinity.*only 3 are left"):
        gate(torch.randn(1, 8))
    grouped = router(n_group=4, topk_group=1, num_experts_per_tok=3)
    grouped.e_score_correction_bias.fill_(-math.inf)[::4] = 0  # one expert left in each group
    with pytest.raises(ValueError, match="3 experts for every token in its open groups"):
        grouped(torch.randn(1, 8))
    gate.e_score_correction_bias.zero_()[1] = math.inf
    with pytest.raises(ValueError, match=r"e_score_correction_bias: got \{1: inf\}"):
        gate(torch.randn(1, 8))


@pytest.mark.parametrize("x", [None, [1.0], torch.ones(2, 8, dtype=torch.long)], ids=str)
def test_what_is_no_hidden_state_is_named(x):
    with pytest.raises(ValueError, match="hidden states: got"):
        router()(x)


def test_autocast_leaves_scores_in_fp32():
    gate, x = router(), torch.randn(20, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = gate(x).scores
    assert inside.dtype == torch.float32 and torch.equal(inside, gate(x).scores)


def test_wrong_width_and_no_tokens():
    with pytest.raises(ValueError, match=r"hidden states: got shape \(3, 9\).*width 8"):
        router()(torch.randn(3, 9))
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            routing = router()(torch.randn(0, 8))
            assert routing.experts.shape == routing.weights.shape == (0, 4)


def hash_router() -> HashRouter:
    return HashRouter(8, 16, 4, vocab_size=10)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (torch.tensor([0, 10]), r"input_ids: got \(0, 10\).*0 to 9"),
        (torch.tensor([-1, 3]), r"input_ids: got \(-1, 3\)"),
        (torch.tensor([1]), "one id for each token, shape"),
        (torch.tensor([1.0, 2.0]), "input_ids dtype: got torch.float32"),
        (None, "input_ids: got None"),
    ],
    ids=str,
)
def test_bad_token_ids_are_named(ids, message):
    with pytest.raises(ValueError, match=message):
        hash_router()(torch.randn(2, 8), ids)


def test_hash_routing_is_by_id_and_weighted_by_the_gate():
    gate, x = hash_router(), torch.randn(3, 8)
    routing = gate(x, torch.tensor([7, 7, 2]))
    assert torch.equal(routing.experts[0], routing.experts[1])
    assert torch.equal(routing.experts, gate.tid2eid[[7, 7, 2]])
    assert not torch.equal(routing.weights[0], routing.weights[1])
    assert all(len(set(row)) == 4 for row in gate.tid2eid.tolist())
    bad = {"tid2eid": gate.tid2eid + 16}
    gate.load_state_dict(bad, strict=False)
    with pytest.raises(ValueError, match="tid2eid"):
        gate(x, torch.tensor([7, 7, 2]))


@pytest.mark.parametrize(
    ("preset", "change", "message"),
    [
        ("v2", dict(norm_topk_prob=True), "norm_topk_prob: got True"),
        ("v2", dict(scoring_func="sigmoid"), "scoring_func: got 'sigmoid'.*softmax in deepseek_v2"),
        ("v2-lite", dict(topk_method="noaux_tc"), "topk_method: got 'noaux_tc'"),
        ("v3", dict(topk_method="greedy"), "topk_method: got 'greedy'.*noaux_tc in deepseek_v3"),
        ("v3", dict(n_routed_experts=100), "n_group: got 8.*100"),
    ],
)
def test_settings_that_official_code_ignores_are_refused(preset, change, message):
    config = DeepSeekConfig.preset(preset).replace(hidden_size=16, **change)
    with pytest.raises(ValueError, match=message):
        DeepSeekMoE.from_config(config)


def test_recording_collects_in_order_and_stops():
    layers = torch.nn.Sequential(*(DeepSeekMoE(router(), 4) for _ in range(3)))
    x = torch.randn(2, 5, 8)
    with record_routing(layers) as records:
        layers(x)
    layers(x)
    assert [router for router, _ in records] == [layer.gate for layer in layers]
    assert torch.equal(records[0][1].scores, layers[0].gate(x).scores)
    with pytest.raises(ValueError), record_routing(layers):  # hooks are removed after an error, too
        layers(torch.randn(2, 5, 9))
    assert not layers[0].gate._forward_hooks
