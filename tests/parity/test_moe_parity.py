"""Routers, experts and whole layers against transformers' V2, V3 and V4 classes: same experts, weights, gradients."""

import pytest
import torch
from helpers.compare import gradients_of, note, relative_error
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import DeepseekV2Config, DeepseekV3Config, DeepseekV4Config
from transformers.models.deepseek_v2 import modeling_deepseek_v2 as v2
from transformers.models.deepseek_v3 import modeling_deepseek_v3 as v3
from transformers.models.deepseek_v4 import modeling_deepseek_v4 as v4

from deepseek_lab import DeepSeekConfig
from deepseek_lab.moe import DeepSeekMoE, HashRouter, TopKRouter


@st.composite
def v2_v3_configs(draw, kind):
    """A random small official config; groups as the model has them, K at most what the allowed groups hold."""
    groups = draw(st.sampled_from([1, 2, 4, 8]))
    per_group = draw(st.integers(2, 6))  # theirs asks each group for its best two
    allowed = draw(st.integers(1, groups))
    fields = dict(
        hidden_size=draw(st.integers(1, 48)),
        moe_intermediate_size=draw(st.integers(1, 24)),
        n_routed_experts=groups * per_group,
        num_experts_per_tok=draw(st.integers(1, allowed * per_group)),
        n_shared_experts=draw(st.integers(1, 3)),
        n_group=groups,
        topk_group=allowed,
        routed_scaling_factor=draw(st.sampled_from([1.0, 2.5, 16.0])),
        norm_topk_prob=False,
        num_attention_heads=1,  # unused here, but their config checks that it divides hidden_size
        num_key_value_heads=1,
    )
    if kind == "v2":
        fields["topk_method"] = draw(st.sampled_from(["greedy", "group_limited_greedy"]))
        return DeepseekV2Config(**fields)
    return DeepseekV3Config(**fields | {"norm_topk_prob": draw(st.booleans())})


@st.composite
def v4_configs(draw):
    experts = draw(st.integers(1, 40))
    return DeepseekV4Config(
        hidden_size=draw(st.integers(1, 48)),
        moe_intermediate_size=draw(st.integers(1, 24)),
        n_routed_experts=experts,
        num_experts_per_tok=draw(st.integers(1, experts)),
        routed_scaling_factor=draw(st.sampled_from([1.0, 1.5, 2.5])),
        scoring_func=draw(st.sampled_from(["sqrtsoftplus", "sigmoid"])),
        swiglu_limit=draw(st.sampled_from([0.5, 10.0])),
        vocab_size=50,
        num_hidden_layers=4,
    )


def fill(module: nn.Module, seed: int) -> nn.Module:
    """Random weights, and a correction bias large enough to change many choices."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point():
            scale = 0.3 if name.endswith("bias") else tensor.shape[-1] ** -0.5
            tensor.data.normal_(std=scale, generator=generator)
    return module


def inputs(config, seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, config.hidden_size, generator=torch.Generator().manual_seed(seed + 1))


def assert_same_routing(check, device, our_router, their_router, *inputs):
    """Same set of experts for each token, and the same weight for each of them."""
    inputs = [tensor.to(device) for tensor in inputs]
    ours, (_, their_weights, their_experts) = (router.to(device)(*inputs) for router in (our_router, their_router))
    assert torch.equal(ours.experts.sort(dim=-1).values, their_experts.sort(dim=-1).values)
    dense = [
        torch.zeros(len(e), our_router.n_routed_experts, device=device).scatter(1, e, w)
        for e, w in ((ours.experts, ours.weights), (their_experts, their_weights))
    ]
    assert note(check, relative_error(*dense)) <= 1e-6


@given(
    config=st.one_of(v2_v3_configs("v2"), v2_v3_configs("v3")), seed=st.integers(0, 10**6), tokens=st.integers(1, 40)
)
def test_v2_and_v3_routers(device, config, seed, tokens):
    kind, official = (
        ("v2", v2.DeepseekV2TopkRouter) if isinstance(config, DeepseekV2Config) else ("v3", v3.DeepseekV3TopkRouter)
    )
    theirs = fill(official(config), seed)
    ours = TopKRouter.from_config(DeepSeekConfig.from_hf(config))
    ours.load_state_dict(theirs.state_dict())
    x = inputs(config, seed, 1, tokens)
    assert_same_routing(f"{kind} router", device, ours, theirs, x)
    with torch.no_grad():  # few tokens take another way through the gate's matrix
        assert_same_routing(f"{kind} router", device, ours, theirs, x)


def v4_router(config, **more) -> dict:
    fields = ["num_experts_per_tok", "scoring_func", "routed_scaling_factor"]
    return dict(
        hidden_size=config.hidden_size,
        n_routed_experts=config.num_local_experts,
        **{field: getattr(config, field) for field in fields},
        **more,
    )


@given(config=v4_configs(), seed=st.integers(0, 10**6), tokens=st.integers(1, 40))
def test_v4_routers(device, config, seed, tokens):
    theirs = fill(v4.DeepseekV4TopKRouter(config), seed)
    ours = TopKRouter(**v4_router(config))
    ours.load_state_dict(theirs.state_dict())
    x = inputs(config, seed, 1, tokens)
    assert_same_routing("v4 router", device, ours, theirs, x)


def hash_table(config, seed: int) -> torch.Tensor:
    """For each token id, K different experts."""
    noise = torch.rand(config.vocab_size, config.num_local_experts, generator=torch.Generator().manual_seed(seed))
    return noise.topk(config.num_experts_per_tok, dim=-1).indices


@given(config=v4_configs(), seed=st.integers(0, 10**6), tokens=st.integers(1, 40))
def test_v4_hash_routers(device, config, seed, tokens):
    theirs = fill(v4.DeepseekV4HashRouter(config), seed)
    theirs.tid2eid.copy_(hash_table(config, seed))
    ours = HashRouter(**v4_router(config, vocab_size=config.vocab_size))
    ours.load_state_dict(theirs.state_dict())
    x = inputs(config, seed, 1, tokens)
    ids = torch.randint(config.vocab_size, (1, tokens), generator=torch.Generator().manual_seed(seed))
    assert_same_routing("v4 hash router", device, ours, theirs, x, ids)


def compare_layers(check, device, *layers_and_inputs):
    """Forward, then the gradient of everything, of which one expert's share may be exactly zero."""
    ours, theirs, x, *ids = (each.to(device) for each in layers_and_inputs)
    outputs, gradients = [], []
    for module in (ours, theirs):
        module.zero_grad()
        own_x = x.clone().requires_grad_()
        output = module(own_x, *ids)
        output.backward(inputs_like(output))
        outputs.append(output)
        gradients.append(gradients_of(module, own_x))
    assert note(f"{check} forward", relative_error(*outputs)) <= 1e-5
    assert gradients[0].keys() == gradients[1].keys()
    largest = max(g.abs().max().item() for g in gradients[1].values() if g is not None)
    for name, theirs_grad in gradients[1].items():
        ours_grad = gradients[0][name]
        if theirs_grad is None:
            assert ours_grad is None or not ours_grad.any(), name
            continue
        # A gradient that is 0 in theory (a router with one expert to choose) is rounding: it counts as a hundredth.
        floor = max(theirs_grad.abs().max().item(), largest / 100)
        error = (ours_grad - theirs_grad).abs().max().item() / floor if floor else 0.0
        assert note(f"{check} gradients", error) <= 1e-5, name
    with torch.no_grad():  # the way that decoding takes
        assert note(f"{check} decoding", relative_error(ours(x, *ids), outputs[1])) <= 1e-5


def inputs_like(output: torch.Tensor) -> torch.Tensor:
    drawn = torch.randn(output.shape, generator=torch.Generator().manual_seed(7), dtype=output.dtype)
    return drawn.to(output.device)


def eager(config):
    config._experts_implementation = "eager"
    return config


@given(
    config=st.one_of(v2_v3_configs("v2"), v2_v3_configs("v3")), seed=st.integers(0, 10**6), tokens=st.integers(1, 20)
)
def test_v2_and_v3_layers(device, config, seed, tokens):
    kind, official = ("v2", v2.DeepseekV2Moe) if isinstance(config, DeepseekV2Config) else ("v3", v3.DeepseekV3MoE)
    theirs = fill(official(eager(config)), seed)
    ours = DeepSeekMoE.from_config(DeepSeekConfig.from_hf(config))
    ours.load_state_dict(theirs.state_dict())
    compare_layers(kind, device, ours, theirs, inputs(config, seed, 2, tokens))


@given(config=v4_configs(), seed=st.integers(0, 10**6), tokens=st.integers(1, 20), hashed=st.booleans())
def test_v4_layers(device, config, seed, tokens, hashed):
    """With the clamp, and with experts found by token id."""
    config.mlp_layer_types = ["hash_moe" if hashed else "moe"] * config.num_hidden_layers
    theirs = fill(v4.DeepseekV4SparseMoeBlock(eager(config), layer_idx=0), seed)
    router = v4_router(config)
    gate = HashRouter(**router, vocab_size=config.vocab_size) if hashed else TopKRouter(**router)
    if hashed:
        theirs.gate.tid2eid.copy_(hash_table(config, seed))
    ours = DeepSeekMoE(gate, config.moe_intermediate_size, swiglu_limit=config.swiglu_limit)
    ours.load_state_dict(theirs.state_dict())
    ids = torch.randint(config.vocab_size, (2, tokens), generator=torch.Generator().manual_seed(seed))
    compare_layers("v4", device, ours, theirs, 4 * inputs(config, seed, 2, tokens), ids)


@pytest.mark.parametrize("preset", ["v2-lite", "v2", "v3"])
def test_routers_at_the_released_widths(device, preset):
    config = DeepSeekConfig.preset(preset)
    ours = fill(TopKRouter.from_config(config), 0)
    kind, official = (
        (DeepseekV3Config, v3.DeepseekV3TopkRouter) if preset == "v3" else (DeepseekV2Config, v2.DeepseekV2TopkRouter)
    )
    fields = [
        "hidden_size",
        "n_routed_experts",
        "num_experts_per_tok",
        "n_group",
        "topk_group",
        "topk_method",
        "norm_topk_prob",
    ]
    theirs = official(kind(**{f: getattr(config, f) for f in [*fields, "routed_scaling_factor"]}))
    theirs.load_state_dict(ours.state_dict())
    x = inputs(config, 1, 1, 300)
    assert_same_routing(f"{preset} at full width", device, ours, theirs, x)
    few = x[:, :5]
    with torch.no_grad():  # few tokens through a wide gate: both cores
        assert_same_routing(f"{preset}, few tokens", device, ours, theirs, few)


def test_bf16_is_as_close_to_fp32_as_theirs(device):
    config = eager(
        DeepseekV3Config(hidden_size=64, moe_intermediate_size=32, n_routed_experts=16, num_experts_per_tok=4)
    )
    theirs = fill(v3.DeepseekV3MoE(config), 0)
    ours = DeepSeekMoE.from_config(DeepSeekConfig.from_hf(config))
    ours.load_state_dict(theirs.state_dict())
    theirs, ours, x = theirs.to(device), ours.to(device), inputs(config, 0, 1, 64).to(device).bfloat16()
    exact = theirs(x.float())
    errors = [relative_error(module.bfloat16()(x), exact) for module in (ours, theirs)]
    note("bf16 ours", errors[0])
    note("bf16 theirs", errors[1])
    assert errors[0] <= 1.5 * errors[1]
