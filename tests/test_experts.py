"""Looped experts against grouped ones: values and all gradients, odd loads, three dtypes, and a cost that ignores E."""

import copy

import pytest
import torch
from helpers.compare import relative_error
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from deepseek_lab.linear import thin_pays
from deepseek_lab.moe import DeepSeekMoE, Experts, SwiGLU, TopKRouter, experts_looped

BOUND = {torch.float64: 1e-12, torch.float32: 1e-5}
BOUND_BF16 = 2.5e-2  # of what a number would be if nothing in its sums cancelled; 1.4e-2 is the most in 20,000 draws


def choices(load: str, tokens: int, n_experts: int, k: int) -> torch.Tensor:
    """(N, K) different experts for each token: any, a favourite few, or one expert for everybody."""
    k = 1 if load == "all to one" else k
    if load == "all to one":
        return torch.full((tokens, 1), n_experts - 1)
    pool = n_experts if load == "any" else max(k, n_experts // 2)  # the other half gets no token
    return torch.rand(tokens, pool).topk(k, dim=1).indices


def both_ways(experts: Experts, x, chosen, weights):
    """Output and gradients (x, weights, both parameters) of the grouped and of the looped form."""
    results = []
    for grouped in (True, False):
        leaves = [t.detach().clone().requires_grad_() for t in (x, weights, experts.gate_up_proj, experts.down_proj)]
        own_x, own_weights, gate_up, down = leaves
        if grouped:
            parameters = {"gate_up_proj": gate_up, "down_proj": down}
            output = torch.func.functional_call(experts, parameters, (own_x, chosen, own_weights))
        else:
            output = experts_looped(own_x, chosen, own_weights, gate_up, down, experts.limit)
        # Not a sum: its gradient is an expanded one, another case below.
        output.backward(torch.linspace(-1, 1, output.numel()).to(output.dtype).view_as(output))
        results.append([output, *(leaf.grad for leaf in leaves)])
    return zip(*results, strict=True)


def without_cancelling(experts: Experts, x, chosen, weights):
    """What `both_ways` returns, in fp64, if all numbers were positive and no limit cut them: the scale of rounding."""
    leaves = [t.detach().double().abs() for t in (x, weights, experts.gate_up_proj, experts.down_proj)]
    own_x, own_weights, gate_up, down = (leaf.requires_grad_() for leaf in leaves)
    output = experts_looped(own_x, chosen, own_weights, gate_up, down, None)
    output.backward(torch.linspace(-1, 1, output.numel()).double().abs().view_as(output))
    return [output, *(leaf.grad for leaf in leaves)]


@given(
    dtype=st.sampled_from([*BOUND, torch.bfloat16]),
    load=st.sampled_from(["any", "half idle", "all to one"]),
    tokens=st.integers(0, 40),
    n_experts=st.integers(1, 12),
    data=st.data(),
    width=st.integers(1, 33),
    inner=st.integers(1, 17),
    limit=st.sampled_from([None, 0.5]),
    seed=st.integers(0, 10**6),
)
def test_grouped_equals_looped(dtype, load, tokens, n_experts, data, width, inner, limit, seed):
    torch.manual_seed(seed)
    k = data.draw(st.integers(1, n_experts))
    experts = Experts(n_experts, width, inner, limit).to(dtype)
    x, chosen = torch.randn(tokens, width).to(dtype), choices(load, tokens, n_experts, k)
    weights = torch.rand(chosen.shape).to(torch.promote_types(dtype, torch.float32))
    if tokens == 0:
        assert experts(x, chosen, weights).shape == (0, width)
        return
    largest = without_cancelling(experts, x, chosen, weights)

    def assert_same(ours, looped, magnitude):
        if dtype == torch.bfloat16:
            assert (ours.double() - looped.double()).abs().max() <= BOUND_BF16 * magnitude.max()
        else:
            assert relative_error(ours, looped) <= BOUND[dtype]

    for (grouped, looped), magnitude in zip(both_ways(experts, x, chosen, weights), largest, strict=True):
        assert_same(grouped, looped, magnitude)
    looped = experts_looped(x, chosen, weights, experts.gate_up_proj, experts.down_proj, limit)
    with torch.no_grad():  # decoding has a way of its own
        for few in range(1, min(tokens, 10) + 1):
            assert_same(experts(x[:few], chosen[:few], weights[:few]), looped[:few], largest[0][:few])


@pytest.mark.parametrize("load", ["any", "all to one"])
@pytest.mark.parametrize("width", [384, 383])  # an odd matrix has no halves
def test_decoding_with_matrices_large_enough_for_two_cores(load, width):
    torch.manual_seed(0)
    experts = Experts(6, width, 256)
    assert thin_pays(1, experts.gate_up_proj[0]) and thin_pays(1, experts.down_proj[0]) == (width == 384)
    x, chosen = torch.randn(9, width), choices(load, 9, 6, 3)
    weights = torch.rand(chosen.shape)
    looped = experts_looped(x, chosen, weights, experts.gate_up_proj, experts.down_proj)
    transposed = copy.deepcopy(experts)  # the same numbers in another order in memory
    transposed.gate_up_proj.data = experts.gate_up_proj.data.mT.contiguous().mT
    with torch.no_grad():
        for few in range(1, 10):
            for module in (experts, transposed):
                assert relative_error(module(x[:few], chosen[:few], weights[:few]), looped[:few]) <= 1e-5


def test_gradients_against_finite_differences():
    torch.manual_seed(0)
    experts = Experts(4, 5, 3).double()
    chosen = choices("half idle", 6, 4, 2)
    x, weights = torch.randn(6, 5).double().requires_grad_(), torch.rand(6, 2).double().requires_grad_()

    def run(x, weights, gate_up, down):
        parameters = {"gate_up_proj": gate_up, "down_proj": down}
        return torch.func.functional_call(experts, parameters, (x, chosen, weights))

    assert torch.autograd.gradcheck(run, (x, weights, experts.gate_up_proj, experts.down_proj))


def test_an_expanded_gradient_is_taken():
    """The gradient of a sum has stride 0: PyTorch's own grouped_mm refuses it."""
    experts, x = Experts(4, 8, 8), torch.randn(5, 8, requires_grad=True)
    experts(x, choices("any", 5, 4, 2), torch.rand(5, 2)).sum().backward()
    assert x.grad.isfinite().all() and experts.gate_up_proj.grad.any()


def test_idle_experts_have_a_zero_gradient():
    experts = Experts(6, 8, 4)
    experts(torch.randn(9, 8), torch.full((9, 1), 2), torch.ones(9, 1)).sum().backward()
    busy = experts.down_proj.grad.flatten(1).any(dim=1)
    assert busy.tolist() == [False, False, True, False, False, False]


def flops(module, x, backward: bool) -> int:
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(backward):
        output = module(x)
        if backward:
            output.sum().backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("tokens", [1, 64])
def test_cost_does_not_follow_the_number_of_experts(tokens, backward):
    width, inner, k, counted = 32, 16, 4, set()
    x = torch.randn(tokens, width)
    for n_experts in (8, 32, 128):
        layer = DeepSeekMoE(TopKRouter(width, n_experts, k), inner, n_shared_experts=1)
        # x needs no gradient, so two of the six products have two parts in backward: both down matrices.
        router = (2 if backward else 1) * 2 * tokens * n_experts * width
        counted.add(flops(layer, x, backward) - router)
    products = 3 + (3 + 1 if backward else 0)  # forward; three weights and the input of down
    assert counted == {(k + 1) * products * 2 * tokens * width * inner}


def test_frozen_experts_cost_no_gradient():
    layer, x = DeepSeekMoE(TopKRouter(16, 4, 2), 8), torch.randn(20, 16)
    trained = flops(layer, x, backward=True)
    layer.zero_grad()
    layer.experts.requires_grad_(False)
    layer.shared_experts.requires_grad_(False)
    assert flops(layer, x, backward=True) < trained
    assert layer.gate.weight.grad.any() and layer.experts.down_proj.grad is None


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("tokens", [1, 8, 9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_runs_in_its_dtype(dtype, tokens, grad):
    """As under a trainer: what comes out is close to fp32, has the dtype that went in, and has gradients."""
    torch.manual_seed(0)
    layer, x = DeepSeekMoE(TopKRouter(16, 4, 4), 8), torch.randn(tokens, 16).to(dtype)
    exact = layer(x.float())
    with torch.set_grad_enabled(grad), torch.autocast("cpu", dtype=torch.bfloat16):
        chosen = layer.gate(x)
        routed = layer.experts(x, chosen.experts, chosen.weights)
        output = layer(x)
    assert routed.dtype == dtype and relative_error(output, exact) < 0.03
    assert relative_error(output, exact) > 1e-4, "autocast was not heeded"
    if grad:
        output.float().sum().backward()
        assert layer.experts.down_proj.grad.dtype == torch.float32 and layer.experts.down_proj.grad.any()


def test_dense_layers_run_their_modules():
    """Hooks and replaced layers work in decoding, too."""
    layer, seen = SwiGLU(8, 4), []
    layer.up_proj.register_forward_hook(lambda *_: seen.append(1))
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            assert layer(torch.randn(8)).shape == (8,) and layer(torch.randn(2, 3, 8)).shape == (2, 3, 8)
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("x", "chosen", "message"),
    [
        (torch.randn(3, 7), torch.zeros(3, 2, dtype=torch.long), r"expert input: got.*\(3, 7\).*8"),
        (torch.randn(3, 8), torch.zeros(4, 2, dtype=torch.long), "experts and weights"),
        (torch.randn(3, 8), torch.full((3, 2), 4), r"experts: got \(4, 4\).*0 to 3"),
        (
            torch.randn(3, 8).bfloat16(),
            torch.zeros(3, 2, dtype=torch.long),
            "expert input: got torch.bfloat16.*float32",
        ),
        (torch.ones(3, 8, dtype=torch.long), torch.zeros(3, 2, dtype=torch.long), "expert input: got torch.int64"),
        (torch.randn(3, 8), torch.zeros(3, 2), "experts: got torch.float32"),
        (torch.randn(3, 8), torch.zeros(3, 2, dtype=torch.bool), "experts: got torch.bool"),
        (torch.randn(3, 8), torch.full((3, 2), -1), r"experts: got \(-1, -1\).*0 to 3"),
    ],
)
@pytest.mark.parametrize("grad", [True, False])
def test_bad_input_is_named(x, chosen, message, grad):
    with torch.set_grad_enabled(grad), pytest.raises(ValueError, match=message):
        Experts(4, 8, 4)(x, chosen, torch.ones(chosen.shape))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (dict(moe_intermediate_size=0), "moe_intermediate_size: got 0"),
        (dict(n_shared_experts=-1), "n_shared_experts: got -1"),
        (dict(swiglu_limit=-1.0), "swiglu_limit: got -1.0"),
        (dict(swiglu_limit=float("nan")), "swiglu_limit: got nan"),
        (dict(swiglu_limit="10"), "swiglu_limit: got '10'"),
        (dict(gate=torch.nn.Linear(8, 4)), "gate: got 'Linear'"),
    ],
)
def test_layers_refuse_bad_sizes(fields, message):
    with pytest.raises(ValueError, match=message):
        DeepSeekMoE(**dict(gate=TopKRouter(8, 4, 2), moe_intermediate_size=4) | fields)


@pytest.mark.parametrize("sizes", [(0, 8, 4), (True, 8, 4), ("4", 8, 4), (4, 8, 0), (4, 8.0, 4)], ids=str)
def test_experts_refuse_bad_sizes(sizes):
    with pytest.raises(ValueError, match=r"(n_routed_experts|hidden_size|intermediate_size): got"):
        Experts(*sizes)


def test_a_layer_without_shared_experts_is_its_routed_part():
    torch.manual_seed(0)
    layer = DeepSeekMoE(TopKRouter(8, 4, 2), 4, n_shared_experts=0)
    x = torch.randn(2, 3, 8)
    routing = layer.gate(x)
    routed = layer.experts(x.flatten(0, 1), routing.experts, routing.weights)
    assert torch.equal(layer(x), routed.view_as(x)) and layer.shared_experts is None
    assert layer(torch.randn(2, 0, 8)).shape == (2, 0, 8)
