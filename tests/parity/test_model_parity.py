"""The whole model against transformers' DeepseekV2ForCausalLM and DeepseekV3ForCausalLM, on the same random weights.

Logits, the gradient of every parameter, padding, cached decoding, the loss, fp64, bf16 and the released widths.
"""

import math
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from helpers.compare import note, relative_error
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import DeepseekV2Config, DeepseekV3Config, DynamicCache
from transformers import logging as transformers_logging
from transformers.models.deepseek_v2 import modeling_deepseek_v2 as v2
from transformers.models.deepseek_v3 import modeling_deepseek_v3 as v3

from deepseek_lab import DeepSeekConfig, DeepSeekForCausalLM
from deepseek_lab.attention.rope import rope_frequencies
from deepseek_lab.moe.router import record_routing
from deepseek_lab.training.cross_entropy import head_cross_entropy

transformers_logging.set_verbosity_error()  # random YaRN settings make it remark on each
OFFICIAL = {
    "deepseek_v2": (DeepseekV2Config, v2, "DeepseekV2ForCausalLM"),
    "deepseek_v3": (DeepseekV3Config, v3, "DeepseekV3ForCausalLM"),
}
KINDS = sorted(OFFICIAL)
TIE = 1e-5  # a choice of experts narrower than this may turn out either way


@st.composite
def ropes(draw):
    """Plain RoPE or YaRN, with the two mscales equal, different, and one of them 0."""
    theta = {"rope_theta": draw(st.sampled_from([1e4, 500.0]))}
    if draw(st.booleans()):
        return {"rope_type": "default"} | theta
    return theta | {
        "rope_type": "yarn",
        "factor": draw(st.sampled_from([1.0, 2.0, 40.0])),
        "original_max_position_embeddings": draw(st.sampled_from([16, 64, 4096])),
        "beta_fast": draw(st.sampled_from([32, 8])),
        "beta_slow": 1,
        "mscale": draw(st.sampled_from([1.0, 0.707])),
        "mscale_all_dim": draw(st.sampled_from([1.0, 0.707, 0.0])),
    }


@st.composite
def experts(draw, kind):
    """Routed and shared experts; K is at most what the allowed groups hold."""
    groups = draw(st.sampled_from([1, 2, 4]))
    per_group = draw(st.integers(2, 5))  # theirs asks each group for its best two
    allowed = draw(st.integers(1, groups))
    fields = dict(
        moe_intermediate_size=draw(st.integers(1, 24)),
        n_routed_experts=groups * per_group,
        num_experts_per_tok=draw(st.integers(1, allowed * per_group)),
        n_shared_experts=draw(st.integers(1, 2)),
        n_group=groups,
        topk_group=allowed,
        routed_scaling_factor=draw(st.sampled_from([1.0, 2.5, 16.0])),
    )
    if kind == "deepseek_v2":
        return fields | {"topk_method": draw(st.sampled_from(["greedy", "group_limited_greedy"]))}
    return fields | {"norm_topk_prob": draw(st.booleans()), "rope_interleave": draw(st.booleans())}


@st.composite
def configs(draw, kinds=KINDS):
    """A random small configuration of either model, as the official config class."""
    kind = draw(st.sampled_from(kinds))
    heads = draw(st.integers(1, 4))
    even = 2 if kind == "deepseek_v2" else 1  # theirs views pairs as complex numbers, which must start at even places
    nope, rope = even * draw(st.integers(1, 10)), 2 * draw(st.integers(1, 6))
    config = OFFICIAL[kind][0](
        vocab_size=draw(st.integers(2, 97)),
        hidden_size=heads * draw(st.integers(8, 16)),  # V2's config takes a multiple of the heads only
        intermediate_size=draw(st.integers(1, 50)),
        num_hidden_layers=draw(st.integers(1, 3)),
        first_k_dense_replace=draw(st.integers(0, 4)),
        rms_norm_eps=draw(st.sampled_from([1e-6, 1e-3])),
        tie_word_embeddings=draw(st.booleans()),
        num_attention_heads=heads,
        num_key_value_heads=heads,
        q_lora_rank=draw(st.sampled_from([None, 4, 24])),
        kv_lora_rank=even * draw(st.integers(4, 16)),
        qk_nope_head_dim=nope,
        qk_rope_head_dim=rope,
        v_head_dim=draw(st.one_of(st.just(nope + rope), st.integers(1, 40))),
        attention_bias=draw(st.booleans()),
        max_position_embeddings=4096,
        rope_parameters=draw(ropes()),
        **draw(experts(kind)),
    )
    config._attn_implementation = draw(st.sampled_from(["eager", "sdpa"]))
    return config


def fill(model: torch.nn.Module, seed: int, size: float) -> torch.nn.Module:
    """Random weights: norms away from 1, and correction biases large enough to change many choices.

    A matrix of `size` 1 keeps the size of what goes through it. In fp32 that is too much: over three layers one
    rounding grows to 3e-5. At 0.3 the worst of 300 examples has 6e-6, and fp64 takes size 1.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        vector, table = tensor.dim() == 1, name.endswith("embed_tokens.weight")
        std = 0.3 if vector else 1.0 if table else size * tensor.shape[-1] ** -0.5
        tensor.normal_(mean=float(name.endswith("norm.weight")), std=std, generator=generator)
    return model


def pair(config, device: str, seed: int, size: float = 0.3, source: ModuleType | None = None):
    """Their model and ours with the same weights. `source`: their file, if not the installed one."""
    _, module, name = OFFICIAL[config.model_type]
    config._experts_implementation = "eager"
    # In fp32 all of it: their file in fp64 would make the routers in fp64, since transformers 5.24.
    theirs = nn.Module.float(fill(getattr(source or module, name)(config), seed, size)).eval()
    ours = DeepSeekForCausalLM(DeepSeekConfig.from_hf(config))
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs.to(device), ours.to(device)


def token_ids(config, device: str, seed: int, *shape: int) -> Tensor:
    return torch.randint(config.vocab_size, shape, generator=torch.Generator().manual_seed(seed)).to(device)


def margin(values: Tensor, taken: int) -> float:
    """How far the last one taken is above the first one that is not."""
    if taken >= values.shape[-1]:
        return math.inf
    best = values.topk(taken + 1, dim=-1).values
    return (best[:, -2] - best[:, -1]).min().item()


def narrowest_choice(model: DeepSeekForCausalLM, ids: Tensor, mask: Tensor | None = None) -> float:
    """The smallest margin of any choice, of experts or of groups, that any layer makes for any token.

    Two experts that fit a token equally well up to rounding are a coin toss: our sums and theirs, rounded in another
    order, may take one each. From there on the token is another one, and nothing can be compared. It is rare, and it
    is nobody's fault, so such examples are skipped. A difference in the rules shows in all the others.
    """
    margins = [math.inf]
    with torch.no_grad(), record_routing(model) as records:
        model(ids, attention_mask=mask)
    for router, routing in records:
        scores = routing.scores if mask is None else routing.scores[mask.flatten().bool()]
        allowed = router.selection_scores(scores) > -math.inf
        # A softmax's scores are rounded relative to their own size, a sigmoid's relative to 1.
        values = scores.log() if router.scoring_func == "softmax" else scores + router.e_score_correction_bias
        margins.append(margin(values.masked_fill(~allowed, -math.inf), router.num_experts_per_tok))
        if router.topk_method != "greedy":
            speakers = 2 if router.topk_method == "noaux_tc" else 1
            ranks = values.unflatten(-1, (router.n_group, -1)).topk(speakers, dim=-1).values.sum(dim=-1)
            margins.append(margin(ranks, router.topk_group))
    return min(margins)


def compare_gradients(check: str, ours: torch.nn.Module, theirs: torch.nn.Module, bound: float = 1e-5):
    """Every parameter's. Some are 0 in theory, and what is computed is rounding of others: see test_latent_parity."""
    our_grads, their_grads = ({n: p.grad for n, p in m.named_parameters()} for m in (ours, theirs))
    assert our_grads.keys() == their_grads.keys()
    largest = max(grad.abs().max().item() for grad in their_grads.values() if grad is not None)
    assert largest > 0
    for name, grad in their_grads.items():
        if grad is None:
            assert our_grads[name] is None or not our_grads[name].any(), name
            continue
        floor = max(grad.abs().max().item(), largest / 100)
        error = (our_grads[name] - grad).abs().max().item() / floor
        assert note(f"{check} gradients", error) < bound, f"{name}: {error}"


def compare(check: str, ours, theirs, ids: Tensor, mask: Tensor | None = None, bound: float = 1e-5):
    """Logits, and all gradients from a random direction, both where there are tokens."""
    expected = theirs(ids, attention_mask=mask, use_cache=False).logits
    output = ours(ids, attention_mask=mask)
    assert output.shape == expected.shape and output.dtype == expected.dtype
    real = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
    assert note(f"{check} logits", relative_error(output[real], expected[real])) < bound
    direction = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1), dtype=expected.dtype)
    direction = direction.to(expected.device)
    for logits in (expected, output):
        (logits * direction * real[..., None]).sum().backward()
    compare_gradients(check, ours, theirs, bound)


lengths = st.one_of(st.integers(1, 20), st.integers(64, 90))  # from 64 on, training takes another kernel
seeds = st.integers(0, 10**6)


@settings(max_examples=60)
@given(config=configs(), batch=st.integers(1, 3), tokens=lengths, seed=seeds)
def test_logits_and_gradients(device, config, batch, tokens, seed):
    theirs, ours = pair(config, device, seed)
    ids = token_ids(config, device, seed, batch, tokens)
    assume(narrowest_choice(ours, ids) > TIE)
    compare(config.model_type, ours, theirs, ids)


def in_fp64(official: ModuleType) -> ModuleType:
    """Their file once more, with fp64 where it says fp32: norms, router, softmax, and what RoPE turns.

    Without it their fp64 is fp32 in the places that matter. The angles stay fp32, as ours; V2 takes their cos and sin
    by `polar`, whose last bit differs from `cos` and `sin`.
    """
    source = Path(official.__file__).read_text(encoding="utf-8")
    source, places = re.subn(r"torch\.float32|(?<=\bx[qk])\.float\(\)", lambda m: DOUBLED[m[0]], source)
    assert places >= 4, "their file has changed: look where it says fp32 now"
    source = source.replace("torch.polar(torch.ones_like(freqs), freqs)", "torch.complex(freqs.cos(), freqs.sin())")
    module = ModuleType(f"{official.__name__}_fp64")
    module.__package__, module.__file__ = official.__package__, official.__file__
    sys.modules[module.__name__] = module  # their decorators look their own module up
    exec(compile(source, official.__file__, "exec"), vars(module))
    return module


DOUBLED = {"torch.float32": "torch.float64", ".float()": ".double()"}


IN_FP64 = {kind: in_fp64(module) for kind, (_, module, _) in OFFICIAL.items()}


@settings(max_examples=60)
@given(config=configs(), batch=st.integers(1, 3), tokens=lengths, seed=seeds)
def test_in_fp64_nothing_is_left_but_rounding(device, config, batch, tokens, seed):
    theirs, ours = pair(config, device, seed, size=1.0, source=IN_FP64[config.model_type])
    # Frequencies are fp32, and YaRN's blend is written in another order: the last bit may differ, so share them.
    own, rotary = ours.config, theirs.model.rotary_emb
    frequencies = rope_frequencies(own.qk_rope_head_dim, own.rope_theta, own.rope_scaling)
    assert relative_error(frequencies, rotary.inv_freq) < 1e-6
    rotary.inv_freq = frequencies.to(device)
    theirs, ours = nn.Module.double(theirs), ours.double()  # their own `double` keeps routers in fp32, since 5.24
    ids = token_ids(config, device, seed, batch, tokens)
    assume(narrowest_choice(ours, ids) > 1e-9)
    compare(f"fp64 {config.model_type}", ours, theirs, ids, bound=1e-10)


@st.composite
def padded_rows(draw):
    """A mask (B, T): the first row full, the others with padding at the left, at the right, both or none."""
    tokens = draw(lengths)
    mask = torch.ones(draw(st.integers(2, 4)), tokens, dtype=draw(st.sampled_from([torch.int64, torch.bool])))
    for row in mask[1:]:
        first = draw(st.integers(0, tokens - 1))
        row[:first] = 0
        row[draw(st.integers(first + 1, tokens)) :] = 0
    return mask


@settings(max_examples=40)
@given(config=configs(), mask=padded_rows(), seed=seeds)
def test_padding(device, config, mask, seed):
    theirs, ours = pair(config, device, seed)
    ids, mask = token_ids(config, device, seed, *mask.shape), mask.to(device)
    assume(narrowest_choice(ours, ids, mask) > TIE)
    compare(f"padded {config.model_type}", ours, theirs, ids, mask)


@torch.no_grad()
def compare_decoding(check: str, ours, theirs, ids: Tensor, chunks) -> None:
    """`chunks(left)` says how many of the tokens left come next."""
    full = theirs(ids, use_cache=False).logits
    assert note(f"{check} full", relative_error(ours(ids), full)) < 1e-5
    cache, their_cache, start = ours.new_cache(*ids.shape), DynamicCache(config=theirs.config), 0
    while start < ids.shape[1]:
        end = start + chunks(ids.shape[1] - start)
        expected = theirs(ids[:, start:end], past_key_values=their_cache, use_cache=True).logits
        output = ours(ids[:, start:end], cache=cache)
        for reference in (expected, full[:, start:end]):
            assert note(f"{check} cached", relative_error(output, reference)) < 1e-5
        start = end
    for layer, their_layer in zip(cache.layers, their_cache.layers, strict=True):
        assert relative_error(layer.slots["c_kv"], their_layer.keys[:, 0]) < 1e-5


@given(config=configs(), batch=st.integers(1, 2), tokens=st.integers(1, 24), seed=seeds, data=st.data())
def test_cached_decoding(device, config, batch, tokens, seed, data):
    theirs, ours = pair(config, device, seed)
    ids = token_ids(config, device, seed, batch, tokens)
    assume(narrowest_choice(ours, ids) > TIE)
    compare_decoding(config.model_type, ours, theirs, ids, lambda left: data.draw(st.integers(1, left)))


@given(config=configs(), batch=st.integers(1, 3), tokens=st.integers(2, 70), seed=seeds)
def test_loss(device, config, batch, tokens, seed):
    """Theirs takes labels and shifts them itself; ours takes the next tokens. A label of -100 doesn't count."""
    theirs, ours = pair(config, device, seed)
    ids = token_ids(config, device, seed, batch, tokens)
    assume(narrowest_choice(ours, ids) > TIE)
    ignored = torch.rand(ids.shape, generator=torch.Generator().manual_seed(seed)).to(device) < 0.4
    ignored[:, -1] = False  # a mean over nothing is NaN in theirs
    labels = ids.masked_fill(ignored, -100)
    expected = theirs(ids, labels=labels, use_cache=False).loss
    hidden = ours.hidden_states(ids)[:, :-1]
    loss = head_cross_entropy(hidden.flatten(0, 1), ours.lm_head.weight, labels[:, 1:].flatten())
    assert note(f"{config.model_type} loss", relative_error(loss, expected)) < 1e-5
    (3 * expected).backward()
    (3 * loss).backward()
    compare_gradients(f"{config.model_type} loss", ours, theirs)


NARROW = dict(num_hidden_layers=2, intermediate_size=64, moe_intermediate_size=4, vocab_size=512)
RELEASED = {
    "lab": {},  # as it is
    "v2-lite": NARROW,
    "v2": NARROW | {"num_attention_heads": 4},
    "v3": NARROW | {"num_attention_heads": 4, "first_k_dense_replace": 1},
}


@pytest.mark.parametrize("preset", RELEASED)
def test_at_released_widths(device, preset):
    """The real widths, experts and YaRN, through `to_hf`; narrow experts, few layers and heads, so that it fits."""
    own = DeepSeekConfig.preset(preset).replace(**RELEASED[preset])
    config = OFFICIAL[own.model_type][0].from_dict(own.to_hf())
    config._attn_implementation = "sdpa"
    theirs, ours = pair(config, device, seed=0, size=0.5)
    assert ours.config == own
    candidates = (token_ids(config, device, seed, 2, 20) for seed in range(20))
    ids = next(ids for ids in candidates if narrowest_choice(ours, ids) > TIE)
    chunks = iter([9, 1, 2, 1, 7])
    compare_decoding(f"released {preset}", ours, theirs, ids, lambda left: next(chunks))


@pytest.mark.parametrize("kind", KINDS)
def test_bf16_is_as_close_to_fp32_as_theirs(device, kind):
    """On average: a single token whose choice of experts flips in bf16 would decide about a maximum."""
    config = OFFICIAL[kind][0](
        vocab_size=97, hidden_size=64, intermediate_size=96, moe_intermediate_size=32, num_hidden_layers=3,
        first_k_dense_replace=1, num_attention_heads=4, num_key_value_heads=4, q_lora_rank=32, kv_lora_rank=32,
        qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=16, n_routed_experts=16, num_experts_per_tok=4,
        n_group=4, topk_group=2, n_shared_experts=1,
    )  # fmt: skip
    theirs, ours = pair(config, device, seed=0, size=0.5)
    ids = token_ids(config, device, 0, 8, 48)
    exact = theirs(ids).logits
    ours.bfloat16()
    for parameter in theirs.parameters():  # .bfloat16() would round their frequencies and correction bias as well
        parameter.data = parameter.data.bfloat16()
    errors = [(logits - exact).pow(2).mean().sqrt() / exact.std() for logits in (ours(ids), theirs(ids).logits)]
    note(f"bf16 {kind}, ours", errors[0].item())
    note(f"bf16 {kind}, theirs", errors[1].item())
    assert errors[0] <= 1.2 * errors[1]
    assert errors[1] < 0.1
