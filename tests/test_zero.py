"""ZeRO on real ranks: the results of plain AdamW, the bytes of the formulas, and what happens when things go wrong.

Processes are started once for 2 and once for 4 ranks and do all jobs (`helpers.zero_jobs`); one rank runs in here.
"""

import math
import textwrap
from functools import cache

import pytest
import torch
from helpers import zero_jobs
from helpers.ranks import run_ranks
from torch import nn

from deepseek_lab import DeepSeekConfig, DeepSeekForCausalLM
from deepseek_lab.training import zero as zero_package
from deepseek_lab.training.loop import next_token_loss
from deepseek_lab.training.pretrain import parameter_groups
from deepseek_lab.training.zero import LossScaler, default_units, zero
from deepseek_lab.training.zero.flat import Flat, make_units

pytestmark = pytest.mark.slow  # ranks are started

DOUBLE, SINGLE, BF16 = torch.float64, torch.float32, torch.bfloat16
STEPS, BOUND = {DOUBLE: 20, SINGLE: 10}, {DOUBLE: 1e-12, SINGLE: 1e-6}
KINDS = ("tied", "frozen", "idle", "mtp")
SHARDED = [("odd", stage, dtype) for stage in (1, 2, 3) for dtype in STEPS]
TRAININGS = {
    1: [("odd", 0, DOUBLE), *SHARDED, *((kind, 3, DOUBLE) for kind in KINDS)],
    2: [("odd", 0, DOUBLE), *SHARDED, *((kind, 3, DOUBLE) for kind in KINDS), ("tied", 1, DOUBLE)],
    4: SHARDED,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    """Where ranks put their checkpoints."""
    return str(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="module")
def results(folder):
    """results(ranks)[job] is what each rank returned."""

    def jobs(ranks: int) -> dict:
        named = {
            ("train", *case): ("train", dict(zip(("kind", "stage", "dtype"), case, strict=True), steps=STEPS[case[2]]))
            for case in TRAININGS[ranks]
        }
        for stage in (0, 1, 2, 3):
            for dtype in (None, BF16):
                named["measure", stage, dtype] = "measure", dict(kind="wide", stage=stage, dtype=dtype, look=ranks == 2)
        if ranks == 1:
            return named
        for stage in (1, 2, 3):
            named["choose", stage] = "choose", dict(stage=stage, steps=3)
        if ranks == 2:
            for stage in (0, 1, 2, 3):
                named["overflow", stage] = "overflow", dict(stage=stage)
                named["twice", stage] = "measure", dict(kind="wide", stage=stage, dtype=None, count=2)
            named["offload", None] = "train", dict(kind="odd", stage=3, dtype=DOUBLE, steps=3, offload=True)
            for offload in (False, True):
                options = dict(kind="odd", stage=3, dtype=SINGLE, steps=5, offload=offload)
                named["bf16", offload] = "train_half", options
            named["wrong use"] = "wrong_use", {}
            for stage in (1, 3):
                named["evaluate", stage] = "evaluate", dict(stage=stage)
        for stage, dtype in ((1, None), (3, None), (3, BF16)) if ranks == 2 else ((2, None),):
            named["save", stage, dtype] = "save", dict(stage=stage, dtype=dtype, folder=folder)
            path = f"{folder}/{stage}-{dtype}"
            named["resume", stage, dtype] = "resume", dict(stage=stage, dtype=dtype, path=path, from_ranks=ranks)
        return named

    @cache
    def run(ranks: int) -> dict:
        named = jobs(ranks)
        if ranks == 1:
            return {key: [getattr(zero_jobs, name)(0, **given)] for key, (name, given) in named.items()}
        if ranks == 4:  # what 2 ranks stored, in another stage
            run(2)
            path = f"{folder}/3-None"
            named["cross", 3, 1] = "resume", dict(stage=1, dtype=None, path=path, from_ranks=2)
        return dict(zip(named, run_ranks(ranks, "helpers.zero_jobs", list(named.values())), strict=True))

    return run


@cache
def plain(kind: str, dtype: torch.dtype) -> tuple[list[float], dict]:
    """The reference, once for all."""
    return zero_jobs.plain_training(kind, dtype, STEPS[dtype])


def furthest(ours: dict, theirs: dict) -> float:
    """The largest difference of two state dicts."""
    assert list(ours) == list(theirs)
    return max((ours[name].double() - theirs[name].double()).abs().max().item() for name in theirs)


# The same result.


@pytest.mark.parametrize(
    "ranks, kind, stage, dtype", [(ranks, *case) for ranks, cases in TRAININGS.items() for case in cases]
)
def test_losses_and_weights_are_those_of_plain_adamw(results, ranks, kind, stage, dtype):
    of_ranks = results(ranks)["train", kind, stage, dtype]
    losses, weights = plain(kind, dtype)
    assert all(result["losses"] == of_ranks[0]["losses"] for result in of_ranks)
    assert len(losses) == STEPS[dtype]
    assert max(abs(a - b) for a, b in zip(of_ranks[0]["losses"], losses, strict=True)) <= BOUND[dtype]
    assert furthest(of_ranks[0]["weights"], weights) <= BOUND[dtype]
    assert min(of_ranks[0]["norms"]) > zero_jobs.CLIP, "clipping is active"


def test_frozen_and_idle_parameters(results):
    """The reference above moves what is trained, and only that."""
    start = zero_jobs.make_model("frozen", DOUBLE).state_dict()
    end = results(2)["train", "frozen", 3, DOUBLE][0]["weights"]
    name = "model.layers.1.self_attn.o_proj.weight"
    assert torch.equal(end[name], start[name])
    assert not torch.equal(end["lm_head.weight"], start["lm_head.weight"])
    idle, begin = results(2)["train", "idle", 3, DOUBLE][0]["weights"], zero_jobs.make_model("idle", DOUBLE)
    before = begin.state_dict()["model.layers.1.mlp.experts.down_proj"]
    decayed = before[0] * (1 - 1e-3 * 0.1) ** 20
    assert torch.allclose(idle["model.layers.1.mlp.experts.down_proj"][0], decayed, rtol=0, atol=1e-15)


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_gradients_that_only_some_ranks_have(results, ranks, stage):
    reference = zero_jobs.choose(0, 0, 3)
    for result in results(ranks)["choose", stage]:
        assert result["losses"] == pytest.approx(reference["losses"], abs=1e-14)
        assert furthest(result["weights"], reference["weights"]) < 1e-14


def test_offload_changes_nothing_on_a_cpu(results):
    losses, _ = plain("odd", DOUBLE)
    assert results(2)["offload", None][0]["losses"] == pytest.approx(losses[:3], abs=1e-12)
    with_offload, without = (results(2)["bf16", offload][0] for offload in (True, False))
    assert with_offload["losses"] == without["losses"]
    assert without["losses"] == pytest.approx(plain("odd", SINGLE)[0][:5], abs=0.02)
    assert without["weights"]["lm_head.weight"].dtype == BF16


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_masters_are_what_was_given_and_the_model_is_rounded(stage):
    given = zero_jobs.make_model("odd").state_dict()["lm_head.weight"]
    engine = zero(zero_jobs.make_model("odd"), stage, zero_jobs.adamw, dtype=BF16)
    if stage:
        flat = next(flat for flat in engine.trained if "lm_head.weight" in flat.names)
        master = flat.view(engine.masters[flat], flat.names.index("lm_head.weight"))
    else:
        master = engine.master_of[engine.model.lm_head.weight]
    assert torch.equal(master, given)
    assert torch.equal(engine.full_state_dict()["lm_head.weight"], given.to(BF16))


@pytest.mark.parametrize("stage", [1, 3])
def test_evaluation_between_steps(results, stage):
    losses = results(2)["evaluate", stage]
    reference = results(2)["evaluate", 4 - stage]
    assert losses[0] == losses[1]
    assert losses[0] == pytest.approx(reference[0], abs=1e-5)


def test_the_example_runs(capsys):
    example = textwrap.dedent("    " + zero_package.__doc__.partition("\n\n    ")[2])
    names = dict(torch=torch, zero=zero, next_token_loss=next_token_loss)
    exec(example, names | dict(DeepSeekForCausalLM=DeepSeekForCausalLM, DeepSeekConfig=DeepSeekConfig))
    assert len(capsys.readouterr().out.splitlines()) == 4


# Bytes. Psi parameters, N ranks.

MIXED = {0: (2, 2, 12), 1: (2, 2, "12/N"), 2: (2, "2/N", "12/N"), 3: ("2/N", "2/N", "12/N")}
WHOLE = {0: (4, 4, 8), 1: (4, 4, "8/N"), 2: (4, "4/N", "8/N"), 3: ("4/N", "4/N", "8/N")}


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
@pytest.mark.parametrize("dtype, formula", [(BF16, MIXED), (None, WHOLE)])
def test_persistent_bytes_are_those_of_the_formula(results, ranks, stage, dtype, formula):
    for result in results(ranks)["measure", stage, dtype]:
        psi = result["psi"]
        terms = [str(term).partition("/N") for term in formula[stage]]
        expected = [int(factor) * psi / (ranks if sharded else 1) for factor, sharded, _ in terms]
        measured = list(result["bytes"].values())
        assert measured == pytest.approx(expected, rel=0.01)
        assert sum(measured) == pytest.approx(sum(expected), rel=0.01)
        if ranks == 2:  # looked once: going through the heap takes a second
            alive = measured[0] + measured[2]  # gradients are gone after the step
            assert result["found"] == pytest.approx(alive, rel=0.01), "bytes that the engine doesn't report"


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
@pytest.mark.parametrize("dtype", [BF16, None])
def test_bytes_sent(results, ranks, stage, dtype):
    for result in results(ranks)["measure", stage, dtype]:
        one = result["psi"] * (dtype or SINGLE).itemsize * (ranks - 1) / ranks
        assert result["sent"] == pytest.approx((3 if stage == 3 else 2) * one, rel=0.01, abs=0)


@pytest.mark.parametrize("stage, numbers", [(0, 2), (1, 2), (2, 3), (3, 6)])
def test_bytes_sent_with_two_micro_batches(results, stage, numbers):
    result = results(2)["twice", stage][0]
    assert result["sent"] == pytest.approx(numbers * result["psi"] * 4 / 2, rel=0.01)


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("dtype", [BF16, None])
def test_what_is_whole_for_a_moment_is_two_units_at_most(results, ranks, dtype):
    size = (dtype or SINGLE).itemsize
    for stage in (1, 2, 3):
        for result in results(ranks)["measure", stage, dtype]:
            two_units = sum(sorted(result["units"])[-2:]) * size
            assert result["peak"]["parameters"] <= (two_units if stage == 3 else 0)
            assert result["peak"]["gradients"] <= two_units + result["largest"] * size
    assert results(ranks)["measure", 3, dtype][0]["peak"]["parameters"] > max(result["units"]) * size, "prefetching"


# Loss scaling.


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_an_overflow_on_one_rank_is_skipped_on_all(results, stage):
    for result in results(2)["overflow", stage]:
        assert result["skipped"] == 1
        assert result["scales"] == [1024, 512, 512, 1024]
        assert result["changed"] == [False, True, True]
        assert torch.equal(result["last"], results(2)["overflow", stage][0]["last"])


def test_scaler():
    scaler = LossScaler(scale=2.0, grow_every=2)
    seen = []
    for overflow in (True, True, False, False, False, True, False, False):
        scaler.update(overflow)
        seen.append(scaler.scale)
    assert seen == [1, 1, 1, 2, 2, 1, 1, 2]


# Shards for a checkpoint.


@pytest.mark.parametrize("ranks, stage, dtype", [(2, 1, None), (2, 3, None), (2, 3, BF16), (4, 2, None)])
def test_resuming_repeats_every_bit(results, ranks, stage, dtype):
    went_on, resumed = (results(ranks)[verb, stage, dtype][0] for verb in ("save", "resume"))
    assert resumed["steps"] == 4
    assert resumed["losses"] == went_on["losses"]
    assert furthest(resumed["weights"], went_on["weights"]) == 0


def test_resuming_on_other_ranks_and_in_another_stage(results, folder):
    went_on = results(2)["save", 3, None][0]
    fewer = zero_jobs.resume(0, 2, None, f"{folder}/3-None", 2)
    for resumed in (results(4)["cross", 3, 1][0], fewer):
        assert resumed["losses"] == pytest.approx(went_on["losses"], abs=1e-6)
        assert furthest(resumed["weights"], went_on["weights"]) < 1e-6


def test_another_models_shards_are_refused():
    engine = zero(zero_jobs.make_model("odd"), 1, zero_jobs.adamw)
    state = engine.shard_state()
    other = zero(zero_jobs.make_model("tied"), 3, zero_jobs.adamw)
    with pytest.raises(ValueError, match="state: got \"another layout of 'model"):
        other.load_shard_state(state)
    state["flats"]["model.norm"]["weights"] = state["flats"]["model.norm"]["weights"][:-1]
    with pytest.raises(ValueError, match="resplit"):
        engine.load_shard_state(state)


# Units and flat buffers.


def test_default_units():
    model = zero_jobs.make_model("odd")
    inner = model.model
    assert default_units(model) == [
        [inner.embed_tokens],
        *([block] for block in inner.layers),
        [inner.norm, model.lm_head],
    ]
    alone = nn.Linear(2, 2)
    assert default_units(alone) == [[alone]]


def test_a_flat_buffer_holds_every_parameter_once():
    model = zero_jobs.make_model("tied")
    groups = parameter_groups(model, 0.1)
    group_of = {p: i for i, group in enumerate(groups) for p in group["params"]}
    units = make_units(model, None, 4, 3, group_of)
    names = [name for unit in units for flat in unit.flats for name in flat.names]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    assert [need.name for need in units[-1].needs] == ["model.norm", "model.embed_tokens"]
    for flat in (flat for unit in units for flat in unit.flats):
        assert flat.padded % 4 == 0 and 0 <= flat.padded - flat.numel < 4
        assert sum(n for _, n in flat.runs(group_of.get)) == flat.shard_numel
        buffer = flat.pack(DOUBLE)
        assert not buffer[flat.numel :].any()
        for parameter, view in zip(flat.parameters, flat.views(buffer), strict=True):
            assert torch.equal(view, parameter.double())


def test_more_ranks_than_numbers():
    """Some shards are nothing but padding."""
    parameter = nn.Parameter(torch.arange(3.0))
    for rank in range(5):
        flat = Flat("small", {"p": parameter}, 5, rank)
        assert flat.runs({parameter: 0}.get) == [(0, 1)]


# Wrong use.


def test_what_only_ranks_can_do_wrong(results):
    for rank, result in enumerate(results(2)["wrong use"]):
        said = result["said"]
        count = 2 if rank == 0 else 1
        assert said["counts"] == (
            f"ValueError: micro_batches: got {count}, but it takes as many on every rank, but others have 1 to 2"
        )
        assert said["no scalar"].startswith("ValueError: loss_fn's result: got (2, 10, 61), but it takes a scalar")
        assert "the gradient's norm is nan and the loss nan" in said["nan"]
        assert said["ranks"] == "ValueError: ranks: got 7, but it takes 2, as in the process group"
        assert math.isfinite(result["loss"]), "the engine works after all of them"


@pytest.mark.parametrize(
    "changes, words",
    [
        (dict(stage=4), "stage: got 4, but it takes 1, 2 or 3, or 0"),
        (dict(stage="3"), "stage: got '3'"),
        (dict(ranks=2), "ranks: got 2, but it takes 1 before init_process_group was called"),
        (dict(clip=0), "clip: got 0, but it takes None or a number above 0"),
        (dict(dtype=torch.int8), "dtype: got torch.int8"),
        (dict(dtype=torch.float16), "fp16 with loss scaling needs a CUDA GPU"),
        (dict(groups=[]), "groups: got \"none with \\['model.embed_tokens.weight'\\]\""),
        (dict(units=[]), "units: got \"none with \\['model.embed_tokens.weight'\\]\""),
        (dict(model="model"), "model: got 'str', but it takes an nn.Module"),
        (dict(model=nn.Identity()), "no parameter that requires a gradient"),
    ],
)
def test_wrong_settings_are_refused(changes, words):
    given = dict(model=zero_jobs.make_model("odd"), stage=3, make_optimizer=zero_jobs.adamw)
    with pytest.raises(ValueError, match=words):
        zero(**given | changes)


@pytest.mark.parametrize("micro_batches", [[], None, 3])
def test_no_micro_batches(micro_batches):
    engine = zero(zero_jobs.make_model("odd"), 2, zero_jobs.adamw)
    with pytest.raises(ValueError, match=r"micro_batches: got .*, but it takes a list of at least 1"):
        engine.step(micro_batches, zero_jobs.loss_of)


def test_a_parameter_read_behind_its_modules_back_is_an_error():
    """In stage 3 it is empty then: no number of another unit's buffer, and no crash."""
    engine = zero(zero_jobs.make_model("odd"), 3, zero_jobs.adamw)
    weight = engine.model.model.layers[1].self_attn.o_proj.weight
    assert weight.numel() == 0
    with pytest.raises(RuntimeError):
        engine.step(zero_jobs.micro_batches(0, 0, 1), lambda model, batch: (weight @ torch.ones(15)).sum())
    assert math.isfinite(engine.step(zero_jobs.micro_batches(0, 0, 1), zero_jobs.loss_of))
