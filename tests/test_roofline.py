"""Operations and bytes of a decoding step against sums made by hand, and the roofline itself."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab import DeepSeekConfig
from deepseek_lab.attention import MultiHeadLatentAttention
from deepseek_lab.attention.latent import attention_flops
from deepseek_lab.model.roofline import (
    KINDS,
    MACHINES,
    Machine,
    Work,
    attainable,
    cached_elements,
    decode_work,
    measure_machine,
    sequences_that_fit,
    tokens_that_fit,
    weight_bytes,
)

V3 = DeepSeekConfig.preset("v3")
CONTEXT = 128 * 1024


def test_intensities_at_v3s_sizes():
    intensity = {kind: decode_work(V3, kind, 10**6).intensity for kind in KINDS}
    assert intensity["MHA"] == 1 and intensity["GQA-8"] == 16 and intensity["MQA"] == 128
    assert intensity["MLA absorbed"] == 2 * 128 * (576 + 512) / (576 * 2) == pytest.approx(241.78, abs=0.01)
    # per latent: 2 * 512 * 32768 to make keys and values, 2 * 128 * (192 + 128) to use them
    expanded = (2 * 512 * 128 * 256 + 2 * 128 * 320) / (1152 + 2 * 128 * 320 * 2)
    assert intensity["MLA expanded"] == pytest.approx(expanded) == pytest.approx(203.9, abs=0.1)


def test_the_kernels_own_estimate():
    """FlashMLA: about 2 h_q s_q; from h_q s_q = 128 on a throttled H800 computes all the time."""
    assert decode_work(V3, "MLA absorbed", 5000, queries=2).intensity == pytest.approx(4 * 128, rel=0.06)
    assert MACHINES["H800 SXM, throttled"].ridge / 2 == pytest.approx(129, abs=0.2)
    assert MACHINES["H100 SXM"].ridge == pytest.approx(295, abs=1)
    ridge, intensity = MACHINES["H800 SXM, throttled"].ridge, decode_work(V3, "MLA absorbed", 5000).intensity
    assert 0.9 * ridge < intensity < ridge  # just below the ridge


def test_counts_by_hand():
    assert decode_work(V3, "MHA", 1000, 3) == Work(4 * 128 * 128 * 3000, 32768 * 2 * 3000)
    assert decode_work(V3, "GQA-8", 1000, 3, bits=8) == Work(4 * 128 * 128 * 3000, 2048 * 3000)
    absorbed = decode_work(V3, "MLA absorbed", 1000, 3, weights=True)
    up = 128 * 512 * 256
    assert absorbed == Work(3 * (2 * up + 1000 * 2 * 128 * 1088), 1152 * 3000, 0, 2 * up)
    assert absorbed.bytes == 1152 * 3000 + 2 * up
    expanded = decode_work(V3, "MLA expanded", 1000, 3, weights=True)
    assert expanded == Work(3000 * (2 * up + 2 * 128 * 320), 1152 * 3000, 2 * 3000 * 128 * 320 * 2, 2 * up)
    assert decode_work(V3, "MLA expanded", 1000, 3).flops == expanded.flops


@given(context=st.integers(1, 10**5), batch=st.integers(1, 64), queries=st.integers(1, 4))
def test_operations_are_those_of_the_module(context, batch, queries):
    for kind, absorb in (("MLA absorbed", True), ("MLA expanded", False)):
        work = decode_work(V3, kind, context, batch, queries, weights=True)
        assert work.flops == batch * attention_flops(V3, queries, context, absorb)
        assert work.weight_bytes == decode_work(V3, kind, context, 1, weights=True).weight_bytes
        assert decode_work(V3, kind, context, batch).intensity == decode_work(V3, kind, context).intensity
    made_again = decode_work(V3, "MLA expanded", context)
    assert decode_work(V3, "MLA absorbed", context).flops < made_again.flops


def test_bytes_are_those_of_the_cache():
    lab = DeepSeekConfig.preset("lab")
    with torch.device("meta"):
        attention = MultiHeadLatentAttention(lab).bfloat16()
    work = decode_work(lab, "MLA absorbed", 70, 2, weights=True)
    assert work.cache_bytes == attention.new_cache(2, 70).nbytes
    assert work.weight_bytes == attention.kv_b_proj.weight.nbytes


@given(intensity=st.floats(1e-3, 1e6), peak=st.floats(1e6, 1e15), bandwidth=st.floats(1e6, 1e13))
def test_the_roof_has_one_edge(intensity, peak, bandwidth):
    machine, reached = Machine("m", peak, bandwidth, ""), attainable(intensity, peak, bandwidth)
    assert reached == (peak if intensity * bandwidth >= peak else intensity * bandwidth)
    assert attainable(machine.ridge, peak, bandwidth) == pytest.approx(peak)
    assert attainable(2 * intensity, peak, bandwidth) >= reached


def test_time_is_the_slower_of_the_two():
    machine = Machine("m", 100.0, 10.0, "")
    assert machine.seconds(Work(1000, 20)) == 10 and machine.seconds(Work(100, 200)) == 20
    work = decode_work(V3, "MHA", 4096)
    assert machine.seconds(work) == pytest.approx(work.flops / attainable(work.intensity, 100.0, 10.0))


def test_this_machine_is_a_point():
    machine = measure_machine(seconds=0.2)
    assert 1e8 < machine.peak_flops < 1e14 and 1e8 < machine.bandwidth < 1e13
    assert machine.ridge > 0.1 and "fp32" in machine.name


def test_v3_on_a_node():
    assert weight_bytes(V3) == 671_026_404_352 and weight_bytes(V3, 4) == 335_513_202_176
    node = 8 * 80e9
    assert tokens_that_fit(node, 0, 61 * 576 * 2) == 9_107_468  # 70,272 bytes per token
    assert cached_elements(V3, "MHA from MLA") == 128 * 320

    def fit(nodes: int, **more) -> list[int]:
        return [sequences_that_fit(V3, nodes * node, CONTEXT, kind, **more) for kind in ("MLA", "MHA", "MHA from MLA")]

    assert fit(1) == [0, 0, 0]  # 671 GB of weights on 640 GB
    assert fit(1, weight_bits=0) == [69, 1, 0]  # the weights elsewhere: 9.2, 524 and 655 GB per sequence
    assert fit(2) == [66, 1, 0]
    assert fit(1, weight_bits=4) == [33, 0, 0]
    assert fit(1, weight_bits=4, bits=8) == [66, 1, 0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: decode_work(V3, "MLA", 5), "kind: got 'MLA'"),
        (lambda: decode_work(V3, "MHA", 0), "context: got 0"),
        (lambda: decode_work(V3, "MHA", 5, batch_size=1.5), "batch_size: got 1.5"),
        (lambda: attainable(0, 1, 1), "intensity: got 0"),
        (lambda: attainable(1, float("inf"), 1), "peak_flops: got inf"),
        (lambda: measure_machine(seconds=0), "seconds: got 0"),
        (lambda: cached_elements(V3, "none"), "kind: got 'none'"),
        (lambda: tokens_that_fit(-1, 0, 1), "memory_bytes: got -1"),
        (lambda: tokens_that_fit(1, 0, 0), "cache_bytes_per_token: got 0"),
        (lambda: sequences_that_fit(V3, 1, 0), "tokens: got 0"),
    ],
)
def test_nonsense_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_v4_keeps_no_latents():
    v4 = DeepSeekConfig.preset("v4-flash")
    for call in (lambda: decode_work(v4, "MHA", 9), lambda: cached_elements(v4, "MLA")):
        with pytest.raises(ValueError, match="model_type: got 'deepseek_v4'"):
            call()
