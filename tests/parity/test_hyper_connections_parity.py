"""Hyper-connections against transformers' DeepseekV4HyperConnection and DeepseekV4HyperHead."""

import torch
from helpers.compare import note, relative_error
from hypothesis import given
from hypothesis import strategies as st
from transformers import DeepseekV4Config
from transformers.models.deepseek_v4 import modeling_deepseek_v4 as v4

from deepseek_lab.model.hyper_connections import HyperConnection, HyperHead, write_back


@st.composite
def configs(draw):
    return DeepseekV4Config(
        hidden_size=draw(st.integers(1, 40)),
        num_hidden_layers=1,
        hc_mult=draw(st.integers(1, 6)),
        hc_sinkhorn_iters=draw(st.integers(1, 20)),
        hc_eps=draw(st.sampled_from([1e-6, 1e-2])),
        rms_norm_eps=draw(st.sampled_from([1e-6, 1e-2])),
    )


def pair(theirs, ours, seed, device):
    """The same random weights in both; the scale and base too, which are created as ones and zeros."""
    torch.manual_seed(seed)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    ours.load_state_dict(theirs.state_dict())
    return theirs.to(device), ours.to(device)


def agree(ours, theirs, check):
    for mine, expected in zip(ours, theirs, strict=True):
        assert mine.dtype == expected.dtype
        assert note(check, relative_error(mine, expected)) <= 1e-5


@given(configs(), st.integers(1, 3), st.integers(1, 9), st.integers(0, 1000))
def test_a_connection_is_theirs_in_both_directions(device, config, batch, tokens, seed):
    n, width = config.hc_mult, config.hidden_size
    ours = HyperConnection(width, n, config.hc_sinkhorn_iters, config.hc_eps, config.rms_norm_eps)
    theirs, ours = pair(v4.DeepseekV4HyperConnection(config), ours, seed, device)
    streams, output = torch.randn(batch, tokens, n, width).to(device), torch.randn(batch, tokens, width).to(device)
    aim = torch.randn(batch, tokens, n, width).to(device)
    found = []
    for module, order in ((ours, (0, 1, 2)), (theirs, (2, 0, 1))):
        x = streams.clone().requires_grad_()
        results = module(x)
        collapsed, post, comb = (results[i] for i in order)
        if module is ours:
            after = write_back(x, output * collapsed, post, comb)
        else:  # as DeepseekV4DecoderLayer writes it
            after = post.unsqueeze(-1) * (output * collapsed).unsqueeze(-2) + torch.matmul(comb.transpose(-1, -2), x)
        gradients = torch.autograd.grad((after * aim).sum(), [x, *module.parameters()])
        found.append(((collapsed, post, comb, after), gradients))
    agree(found[0][0], found[1][0], "hyper-connection forward")
    floor = max(g.abs().max() for g in found[1][1]).double() * 1e-2  # a gradient that is 0 in theory is rounding
    for mine, expected in zip(found[0][1], found[1][1], strict=True):
        error = (mine - expected).abs().max().double() / torch.maximum(expected.abs().max().double(), floor)
        assert note("hyper-connection gradients", error.item()) <= 1e-5


@given(configs(), st.integers(1, 9), st.integers(0, 1000))
def test_the_head_is_theirs(device, config, tokens, seed):
    n, width = config.hc_mult, config.hidden_size
    ours = HyperHead(width, n, config.hc_eps, config.rms_norm_eps)
    theirs, ours = pair(v4.DeepseekV4HyperHead(config), ours, seed, device)
    streams = torch.randn(2, tokens, n, width).to(device)
    agree([ours(streams)], [theirs(streams)], "hyper-head forward")


def test_bfloat16_streams_are_as_theirs(device):
    config = DeepseekV4Config(hidden_size=32, num_hidden_layers=1)
    theirs, ours = pair(v4.DeepseekV4HyperConnection(config), HyperConnection(32), 0, device)
    streams = torch.randn(2, 5, 4, 32).bfloat16().to(device)
    post, comb, collapsed = theirs(streams)
    agree(ours(streams), (collapsed, post, comb), "hyper-connection bf16")
