"""Quantised latents: exact bytes, bounded errors, and a model that reads them."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from helpers.checkpoints import ids, model_of, tiny
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from deepseek_lab import DeepSeekConfig, generate, load_pretrained
from deepseek_lab.attention.quantised_cache import (
    QuantisedCache,
    dequantise,
    largest_level,
    pack,
    quantise,
    quantised_bytes,
    unpack,
)
from deepseek_lab.inference.quantised import mean_difference, quantised_cache, quantised_loss

LAB = Path(__file__).resolve().parents[1] / "data" / "checkpoints" / "lab"
BITS = st.sampled_from([8, 6, 4])
WIDTHS = {"c_kv": 20, "k_pe": 6}


def cache_of(dtype=torch.float32, max_length=9, quantised=None, **more) -> QuantisedCache:
    return QuantisedCache(2, max_length, WIDTHS, quantised or {"c_kv": 20}, dtype, "cpu", **more)


def tokens_of(count: int, dtype=torch.float32, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(2, count, width, generator=generator).to(dtype) for name, width in WIDTHS.items()}


# Numbers.


@given(bits=BITS, shape=st.lists(st.integers(1, 5), max_size=2), width=st.integers(1, 70), seed=st.integers(0, 99))
def test_packing_loses_nothing(bits, shape, width, seed):
    top = largest_level(bits)
    levels = torch.randint(-top, top + 1, (*shape, width), generator=torch.Generator().manual_seed(seed))
    packed = pack(levels, bits)
    assert packed.dtype == torch.uint8 and packed.shape[-1] == quantised_bytes(width, bits, width) - 4
    assert torch.equal(unpack(packed, bits, width), levels)


def test_four_numbers_are_in_three_bytes():
    assert pack(torch.tensor([-31, 31, 0, 1]), 6).tolist() == [0b10_000000, 0b1111_1111, 0b100000_01]
    assert pack(torch.tensor([-7, 7, 1]), 4).tolist() == [0b1110_0000, 0b1000]
    assert pack(torch.tensor([-127, 127]), 8).tolist() == [0, 254]


@given(
    bits=BITS,
    width=st.integers(1, 70),
    block=st.integers(1, 80),
    power=st.floats(-30, 30),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_the_error_is_at_most_half_a_step(bits, width, block, power, dtype):
    x = (torch.randn(3, width, generator=torch.Generator().manual_seed(width)) * 10**power).to(dtype)
    levels, scales = quantise(x, bits, block)
    assert levels.shape == x.shape and scales.shape == (3, -(-width // block)) and scales.dtype == torch.float32
    back = dequantise(levels, scales, block, dtype)
    assert back.dtype == dtype
    for start in range(0, width, block):
        part = slice(start, start + block)
        step = x[:, part].abs().amax(dim=-1, keepdim=True).double() / largest_level(bits)
        rounding = x[:, part].double().abs() * torch.finfo(dtype).eps  # of the result
        error = (back[:, part].double() - x[:, part].double()).abs()
        assert (error <= step / 2 * 1.00001 + rounding).all()


def test_zeros_stay_zeros_and_outliers_stay_in_their_block():
    x = torch.zeros(2, 8)
    levels, scales = quantise(x, 6, 4)
    assert not levels.any() and not scales.any()
    assert torch.equal(dequantise(unpack(pack(levels, 6), 6, 8), scales, 4, x.dtype), x)
    x[:, 1], x[:, 5] = 1e6, 1e-40  # the second is below fp32's normal numbers
    back = dequantise(*quantise(x, 6, 4), 4, x.dtype)
    assert torch.allclose(back[:, :4], x[:, :4]) and back[0, 5] == pytest.approx(1e-40, rel=0.02)


# The cache.


@given(
    bits=BITS,
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    block=st.integers(1, 30),
    pieces=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    rotated=st.sampled_from([0, 4, 6]),
)
def test_any_pieces_give_the_same_to_the_bit(bits, dtype, block, pieces, rotated):
    quantised = {"c_kv": 20} | ({"k_pe": rotated} if rotated else {})
    count, whole = sum(pieces), tokens_of(sum(pieces), dtype)
    at_once, in_pieces = (cache_of(dtype, count, quantised, bits=bits, block=block) for _ in range(2))
    expected = at_once.append(**whole)
    done = 0
    for piece in pieces:
        result = in_pieces.append(**{name: x[:, done : done + piece] for name, x in whole.items()})
        done += piece
        assert all(torch.equal(a, b[:, :done]) for a, b in zip(result, expected, strict=True))
    assert in_pieces.length == count
    assert all(torch.equal(at_once.slots[name], in_pieces.slots[name]) for name in at_once.slots)
    assert torch.equal(expected[1][..., rotated:], whole["k_pe"][..., rotated:])  # what isn't quantised is as it was
    assert [x.dtype for x in expected] == [dtype, dtype]
    first = dequantise(*quantise(whole["c_kv"], bits, block), block, dtype)
    assert torch.equal(expected[0], first)


@pytest.mark.parametrize(("bits", "count"), [(8, 512 + 32 + 128), (6, 384 + 32 + 128), (4, 256 + 32 + 128)])
def test_bytes_per_token_of_v3(bits, count):
    cache = QuantisedCache(2, 5, {"c_kv": 512, "k_pe": 64}, {"c_kv": 512}, torch.bfloat16, "meta", bits)
    assert cache.bytes_per_token == quantised_bytes(512, bits) + 128 == count
    assert cache.nbytes == 2 * 5 * count and cache.elements_per_token == 576


@given(bits=BITS, dtype=st.sampled_from([torch.float32, torch.bfloat16]), block=st.integers(1, 30))
def test_bytes_are_those_of_the_formula(bits, dtype, block):
    cache = cache_of(dtype, 7, {"c_kv": 20, "k_pe": 4}, bits=bits, block=block)
    count = quantised_bytes(20, bits, block) + quantised_bytes(4, bits, block) + 2 * dtype.itemsize
    assert cache.bytes_per_token == count and cache.nbytes == 2 * 7 * count


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: e.pop("k_pe"), "cache entries"),
        (lambda e: e.update(k_pe=e["k_pe"][0]), "k_pe.*dimensions"),
        (lambda e: e.update(k_pe=e["k_pe"][:, :1]), r"k_pe.*\(2, 2, 6\)"),
        (lambda e: e.update(c_kv=e["c_kv"][:1]), "c_kv"),
        (lambda e: e.update(c_kv=e["c_kv"][..., :19]), "c_kv"),
        (lambda e: e.update(c_kv=e["c_kv"].double()), "c_kv.*float32"),
        (lambda e: e.update(c_kv=e["c_kv"].to("meta")), "c_kv.*cpu"),
        (lambda e: e.update(tokens_of(7)), "max_length of the cache: got 9"),
        (lambda e: e["c_kv"][1, 1, 3].fill_(float("nan")), "NaN or infinity"),
        (lambda e: e["c_kv"][1, 1, 3].fill_(float("inf")), "NaN or infinity"),
    ],
)
def test_a_refused_call_leaves_the_cache_as_it_was(change, words):
    cache = cache_of()
    cache.append(**tokens_of(3))
    before, entries = {name: slot.clone() for name, slot in cache.slots.items()}, tokens_of(2, seed=1)
    change(entries)
    with pytest.raises(ValueError, match=words):
        cache.append(**entries)
    assert cache.length == 3 and all(torch.equal(slot, before[name]) for name, slot in cache.slots.items())
    cache.append(**tokens_of(6))
    assert cache.length == 9


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(bits=5), "bits: got 5"), (dict(block=0), "block: got 0"), (dict(max_length=0), "max_length: got 0"),
        (dict(quantised={"v": 3}), "quantised: got"), (dict(quantised={"c_kv": 21}), "quantised c_kv: got 21"),
        (dict(quantised={"c_kv": 0}), "quantised c_kv: got 0"),
    ],
)  # fmt: skip
def test_nonsense_makes_no_cache(changes, words):
    with pytest.raises(ValueError, match=words):
        cache_of(**changes)


def test_rewound_tokens_are_written_over():
    cache, plain = cache_of(), cache_of()
    cache.append(**tokens_of(5, seed=1))
    cache.rewind(3)
    both = {name: torch.cat([tokens_of(5, seed=1)[name][:, :2], x], dim=1) for name, x in tokens_of(4).items()}
    for result, expected in zip(cache.append(**tokens_of(4)), plain.append(**both), strict=True):
        assert torch.equal(result, expected)


# A model that reads it.


@pytest.mark.parametrize("kind", ["deepseek_v2", "deepseek_v3", "deepseek_v32"])
@pytest.mark.parametrize("rotated", [False, True])
def test_logits_come_close_with_more_bits(kind, rotated, device):
    more = dict(index_topk=4, index_n_heads=2, index_head_dim=8) if kind == "deepseek_v32" else {}
    model, tokens = model_of(tiny(model_type=kind, **more)).to(device), ids(tiny()).to(device)
    exact = model.model.layers[0].self_attn
    x = torch.randn(2, 9, 32, device=device, generator=torch.Generator(device).manual_seed(0))
    errors = []
    with torch.no_grad():
        for bits in (8, 6, 4):
            cache = quantised_cache(model, 2, 9, bits, quantise_k_pe=rotated)
            pieces = [exact(piece, cache.layers[0]) for piece in x.split([4, 1, 1, 3], dim=1)]
            expected = exact(x, exact.new_cache(2, 9))
            errors.append(((torch.cat(pieces, dim=1) - expected).norm() / expected.norm()).item())
            assert model(tokens, cache=quantised_cache(model, 2, 9, bits)).isfinite().all()
    limit = 1 if kind == "deepseek_v32" else 0.25  # V3.2's choice of tokens may tip over
    assert 0 < errors[0] < errors[1] < errors[2] < limit
    assert kind == "deepseek_v32" or errors[0] < 0.02
    named = {"deepseek_v32": {"entries": 20 if rotated else 16}}
    assert cache.layers[0].quantised == named.get(kind, {"c_kv": 16} | ({"k_pe": 4} if rotated else {}))


def test_it_decodes_and_is_smaller():
    model, tokens = model_of(tiny(), dtype=torch.bfloat16), ids(tiny())
    cache = quantised_cache(model, 2, 20, bits=6)
    assert generate(model, tokens, 8, cache=cache).shape == (2, 17) and cache.length == 16
    plain = model.new_cache(2, 20)
    assert cache.elements_per_token == plain.elements_per_token
    assert (plain.nbytes, cache.nbytes) == (3 * 40 * 40, 3 * 40 * (12 + 4 + 8))


def test_other_models_are_refused():
    with pytest.raises(ValueError, match="V4 keeps no latents"):
        quantised_cache(SimpleNamespace(config=DeepSeekConfig.preset("v4-flash")), 1, 4)


# What it does to a trained model's loss.


def test_loss_of_the_labs_model_hardly_changes():
    model = load_pretrained(LAB)
    text = (Path(__file__).parent / "helpers" / "tiny.py").read_text() * 4
    tokens = AutoTokenizer.from_pretrained(LAB)(text, return_tensors="pt").input_ids[0]
    windows = tokens[: len(tokens) // 97 * 97].view(-1, 97)[:12]
    plain = quantised_loss(model, windows, None)
    assert plain.shape == (12,)
    assert torch.allclose(plain, quantised_loss(model, windows, None, pieces=1, batch=5), atol=1e-4)
    changes = {bits: quantised_loss(model, windows, bits) - plain for bits in (8, 6, 4)}
    assert 0 < changes[8].abs().mean() < changes[6].abs().mean() < changes[4].abs().mean()
    assert abs(mean_difference(plain + changes[8], plain)[0]) < 0.01
    assert torch.equal(quantised_loss(model, windows, 6), quantised_loss(model, windows, 6, batch=12))


def test_a_mean_and_its_standard_error():
    assert mean_difference(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0])) == pytest.approx((2.0, 1.0))
    with pytest.raises(ValueError, match=r"shape \(N,\)"):
        mean_difference(torch.zeros(1), torch.zeros(1))
    with pytest.raises(ValueError, match="windows"):
        quantised_loss(None, torch.zeros(3, 1).long(), 8)
