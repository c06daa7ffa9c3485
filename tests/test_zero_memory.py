"""The formula for the model's state: the paper's numbers, and what must hold for any model on any number of ranks."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab.training.zero.memory import model_state_bytes

STAGES, PRECISIONS = (0, 1, 2, 3), ("mixed", "fp32")
FORMULAS = {  # bytes of Ψ parameters on N ranks: per parameter whole, and per parameter sharded
    "mixed": {0: (16, 0), 1: (4, 12), 2: (2, 14), 3: (0, 16)},
    "fp32": {0: (16, 0), 1: (8, 8), 2: (4, 12), 3: (0, 16)},
}
arguments = given(
    st.integers(1, 2 * 10**12),
    st.integers(1, 4096),
    st.sampled_from(STAGES),
    st.sampled_from(PRECISIONS),
    st.booleans(),
)


def test_the_papers_numbers():
    """Figure 1: 7.5B parameters on 64 GPUs."""
    totals = [sum(model_state_bytes(7.5e9, 64, stage).values()) / 1e9 for stage in STAGES]
    assert [round(total, 1) for total in totals] == [120.0, 31.4, 16.6, 1.9]
    assert model_state_bytes(7.5e9, 64, 1) == {"parameters": 15e9, "gradients": 15e9, "optimizer": 1.40625e9}


@arguments
def test_kinds_add_up_to_the_formula(parameters, ranks, stage, precision, offload):
    held = model_state_bytes(parameters, ranks, stage, precision)
    assert list(held) == ["parameters", "gradients", "optimizer"]
    whole, sharded = FORMULAS[precision][stage]
    exact = parameters * (whole + Fraction(sharded, ranks))
    assert sum(held.values()) == pytest.approx(float(exact), rel=1e-14)
    if parameters % ranks == 0:
        assert sum(held.values()) == exact and all(isinstance(count, int) for count in held.values())


@arguments
def test_offload_moves_bytes_to_the_host(parameters, ranks, stage, precision, offload):
    def held(where, offload):
        return model_state_bytes(parameters, ranks, stage, precision, offload, where)

    assert set(held("host", False).values()) == {0}
    device, host, before = held("device", True), held("host", True), held("device", False)
    assert device["optimizer"] == 0 and host["gradients"] == 0 and device["gradients"] == before["gradients"]
    assert (device["parameters"] == 0) == (stage == 3)
    together = {kind: device[kind] + host[kind] for kind in before}
    if precision == "fp32" and stage < 3:  # the host needs its own copy of what it updates
        together["optimizer"] -= 4 * parameters / (ranks if stage else 1)
    assert together == pytest.approx(before, rel=1e-14)


@arguments
def test_more_sharding_and_more_ranks_never_take_more(parameters, ranks, stage, precision, offload):
    def total(ranks, stage):
        return sum(model_state_bytes(parameters, ranks, stage, precision, offload).values())

    assert total(ranks + 1, stage) <= total(ranks, stage)
    if stage:
        assert total(ranks, stage) <= total(ranks, stage - 1)
        assert total(1, stage) == total(1, 0) or (offload and stage == 3)
    else:
        assert total(ranks, 0) == total(1, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(parameters=0), "parameters: got 0, but it takes a number above 0"),
        (dict(parameters="7B"), "parameters: got '7B'"),
        (dict(parameters=float("inf")), "parameters: got inf"),
        (dict(ranks=0), "ranks: got 0, but it takes a whole number of at least 1"),
        (dict(ranks=2.0), "ranks: got 2.0"),
        (dict(stage=4), "stage: got 4, but it takes 1, 2 or 3"),
        (dict(stage=True), "stage: got True"),
        (dict(precision="fp8"), "precision: got 'fp8', but it takes 'mixed' or 'fp32'"),
        (dict(offload="host"), "offload: got 'host'"),
        (dict(where="disk"), "where: got 'disk', but it takes 'device' or 'host'"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        model_state_bytes(**(dict(parameters=1000, ranks=2, stage=1) | change))
