"""V4's attention: what is run equals what is read, nothing is seen too early, and what doesn't fit is refused."""

import pytest
import torch
from helpers.compare import relative_error
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab import DeepSeekConfig
from deepseek_lab.attention import AttentionCache
from deepseek_lab.attention import window as w
from deepseek_lab.attention.cache import Slot
from deepseek_lab.attention.compressed import CompressedAttention
from deepseek_lab.attention.sparse import select
from deepseek_lab.config_fields import HEAVY, LAYER_TYPES, SLIDING, SPARSE

SMALL = dict(
    hidden_size=24, num_hidden_layers=3, num_attention_heads=4, head_dim=12, qk_rope_head_dim=4, q_lora_rank=10,
    o_groups=2, o_lora_rank=6, index_topk=3, index_n_heads=16, index_head_dim=8, sliding_window=6,
    compress_rate_csa=4, compress_rate_hca=10, layer_types=LAYER_TYPES, mlp_layer_types=("moe",) * 3,
)  # fmt: skip
CONFIG = DeepSeekConfig.preset("v4-flash").replace(**SMALL)
kinds = pytest.mark.parametrize("kind", LAYER_TYPES)


def layer(kind: str, seed: int = 0) -> CompressedAttention:
    torch.manual_seed(seed)
    module = CompressedAttention(CONFIG, LAYER_TYPES.index(kind))
    for name, parameter in module.named_parameters():
        torch.nn.init.normal_(parameter, mean=float(name.endswith("norm.weight")), std=0.3)
    return module


@given(
    batch=st.integers(1, 2), heads=st.integers(1, 3), queries=st.integers(1, 300), before=st.integers(0, 20),
    window=st.integers(1, 9), ratio=st.integers(1, 6), topk=st.one_of(st.none(), st.integers(1, 5)),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_near_and_far_equals_masked(batch, heads, queries, before, window, ratio, topk, seed):
    """Gradients too. `before` tokens are cached; of them the window keeps the newest."""
    torch.manual_seed(seed)
    tokens, kept = before + queries, min(before, window - 1) + queries
    entries = tokens // ratio
    options = dict(dtype=torch.float64, requires_grad=True)
    q, near = torch.randn(batch, heads, queries, 6, **options), torch.randn(batch, kept, 6, **options)
    far, sinks = torch.randn(batch, entries, 6, **options), torch.randn(heads, **options)
    seen = w.sees_entries(before, queries, entries, ratio).expand(batch, -1, -1)
    chosen = None
    if topk:
        chosen = select(torch.randn(batch, queries, entries), topk, seen)
        seen = w.mask_of(chosen, entries)
    mask = torch.cat([w.sees_near(queries, kept, window).expand(batch, -1, -1), seen], dim=-1)[:, None]
    expected = w.attend_masked(q, torch.cat([near, far], dim=1), mask, sinks, 0.4)
    output = w.attend_near_and_far(q, near, far, chosen, sinks, 0.4, window, ratio, before)
    assert relative_error(output, expected) < 1e-12
    direction, inputs = torch.randn_like(expected), (q, near, far, sinks)
    wanted = torch.autograd.grad((expected * direction).sum(), inputs)
    found = torch.autograd.grad((output * direction).sum(), inputs, allow_unused=True)
    for one, other in zip(found, wanted, strict=True):
        assert one is not None or other.abs().max() == 0 if other.numel() else True
        if one is not None and one.numel():
            assert (one - other).abs().max() < 1e-10


@kinds
def test_nothing_comes_from_later_tokens(kind):
    module, x = layer(kind), torch.randn(1, 50, 24)
    whole = module(x)
    for token in (0, 3, 4, 9, 10, 30, 48):
        changed = x.clone()
        changed[:, token + 1 :] += 1
        torch.testing.assert_close(module(changed)[:, : token + 1], whole[:, : token + 1], rtol=0, atol=1e-6)


def test_how_far_each_kind_reaches():
    """Change the first token: who notices? The window alone forgets it; entries carry it on."""
    x = torch.randn(1, 50, 24)
    for kind in LAYER_TYPES:
        module, changed = layer(kind), x.clone()
        changed[:, 0] += 5
        noticed = (module(changed) - module(x)).abs().amax(dim=-1)[0] > 1e-6
        if kind == SLIDING:
            assert noticed[:6].all() and not noticed[6:].any()
        if kind == HEAVY:  # a window shorter than the ratio leaves a gap: out of the window, and not yet an entry
            assert noticed.tolist() == [token < 6 or token >= 9 for token in range(50)]


def test_an_output_depends_on_distances_alone():
    """The inverse rotation at work: the same tokens 40 places later give the same output. Not so without it."""
    module = layer(SLIDING)
    x = torch.randn(1, 5, 24)
    late = module.rotary(40, 5, x.device)
    torch.testing.assert_close(module(x, rotary=late), module(x), rtol=1e-4, atol=1e-5)
    _, q, keys = module._project(x, late)
    _, q_early, keys_early = module._project(x, module.rotary(0, 5, x.device))
    mask = w.sees_near(5, 5, 6)
    turned = w.attend_masked(q, keys, mask, module.attn_sink, module.scale)
    plain = w.attend_masked(q_early, keys_early, mask, module.attn_sink, module.scale)
    assert relative_error(turned, plain) > 0.1


@kinds
def test_a_refused_call_leaves_the_cache_as_it_was(kind):
    module, x = layer(kind), torch.randn(2, 12, 24)
    with torch.no_grad():
        expected = module(x)
        cache = module.new_cache(2, 12)
        module(x[:, :7], cache)
        for bad in (x[:1, 7:], x[:, 7:, :20], torch.randn(2, 6, 24)):
            with pytest.raises(ValueError):
                module(bad, cache)
        torch.testing.assert_close(module(x[:, 7:], cache), expected[:, 7:], rtol=1e-5, atol=1e-6)
    with pytest.raises(NotImplementedError, match="CompressedAttention"):
        cache.append(window=x)


@kinds
def test_an_interrupted_call_can_be_repeated(kind, monkeypatch):
    module, x = layer(kind), torch.randn(1, 23, 24)
    with torch.no_grad():
        expected, cache = module(x), module.new_cache(1, 23)
        module(x[:, :9], cache)
        monkeypatch.setattr("deepseek_lab.attention.compressed.attend_near_and_far", None)
        with pytest.raises(TypeError):
            module(x[:, 9:], cache)
        monkeypatch.undo()
        assert cache.length == 9
        torch.testing.assert_close(module(x[:, 9:], cache), expected[:, 9:], rtol=1e-5, atol=1e-6)


def test_the_indexer_learns():
    """From KL against the layer's own attention to entries, over all of them and over the chosen ones."""
    module, x = layer(SPARSE), torch.randn(2, 80, 24)
    for sparse in (False, True):
        optimizer = torch.optim.Adam(module.indexer.parameters(), 0.01)
        before = module.index_loss(x, sparse).item()
        for _ in range(30):
            optimizer.zero_grad()
            module.index_loss(x, sparse).backward()
            assert all(p.grad is None for n, p in module.named_parameters() if not n.startswith("indexer"))
            optimizer.step()
        assert module.index_loss(x, sparse).item() < 0.95 * before
    assert module.index_loss(x[:, :3]).item() == 0  # nothing to choose from yet
    with pytest.raises(ValueError, match="layer type"):
        layer(HEAVY).index_loss(x)


@pytest.mark.parametrize("wrong", [
    dict(layer_types=("sliding_attention",)), dict(layer_types=("full",) * 3), dict(o_groups=5), dict(head_dim=None),
    dict(sliding_window=0), dict(qk_rope_head_dim=14), dict(index_head_dim=2), dict(compress_rate_csa=0),
    dict(q_lora_rank=None), dict(swiglu_limit=0.0), dict(mlp_layer_types=("dense",) * 3), dict(hc_mult=2.5),
])  # fmt: skip
def test_configs_that_describe_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CONFIG.replace(**wrong)


def test_only_for_v4():
    with pytest.raises(ValueError, match="model_type"):
        CompressedAttention(DeepSeekConfig(), 0)


def test_caches_of_other_layers_are_refused():
    """They would be read with another meaning."""
    x, others = torch.randn(1, 7, 24), {kind: layer(kind) for kind in LAYER_TYPES}
    narrow = CompressedAttention(CONFIG.replace(sliding_window=5), 0)
    for kind, module in others.items():
        wrong = [other.new_cache(1, 9) for name, other in others.items() if name != kind] + [narrow.new_cache(1, 9)]
        wrong += [
            AttentionCache(1, 9, {"window": Slot((5, 12))}, torch.float32, "cpu"),
            layer(kind).bfloat16().new_cache(1, 9),
        ]
        for cache in wrong:
            with pytest.raises(ValueError, match=r"^cache"):
                module(x, cache)
            assert cache.length == 0
        with torch.no_grad():
            module(x, layer(kind, seed=1).new_cache(1, 9))  # another layer of the same kind
