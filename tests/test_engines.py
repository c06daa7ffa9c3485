"""The engines of PyTorch and DeepSpeed on real ranks: the results of plain AdamW, bytes, and what they refuse.

Processes are started once for PyTorch's engines and once for DeepSpeed, on 2 and on 4 ranks (`helpers.engine_jobs`).
"""

import importlib.util
import json
import subprocess
import sys
from functools import cache

import pytest
import torch
import torch.distributed as dist
from helpers import engine_jobs, zero_jobs
from helpers.ranks import run_ranks
from torch import nn

from deepseek_lab.training.engines import (
    ENGINES,
    DeepSpeedMissing,
    ddp_config,
    deepspeed_config,
    fsdp2_config,
    make_engine,
)
from deepseek_lab.training.engines.deepspeed_setup import import_deepspeed, merged
from deepseek_lab.training.engines.fsdp2 import sharded_blocks

pytestmark = pytest.mark.slow  # ranks are started

DOUBLE, SINGLE, BF16 = torch.float64, torch.float32, torch.bfloat16
STEPS, FEW = 10, 4  # all, and where only something beside the arithmetic is new
BOUND = {DOUBLE: 1e-12, SINGLE: 2e-6}
HAS_DEEPSPEED = importlib.util.find_spec("deepspeed") is not None
needs_deepspeed = pytest.mark.skipif(not HAS_DEEPSPEED, reason="deepspeed is not installed: extra [deepspeed]")
STAGES = [pytest.param(stage, marks=needs_deepspeed) for stage in (1, 2, 3)]


def stage_options(stage: int, **more) -> dict:
    return {"zero_optimization": {"stage": stage, **more}}


def steps_of(kind: str, ranks: int) -> int:
    return STEPS if kind == "odd" and ranks == 2 else FEW


def torch_jobs(ranks: int) -> dict:
    jobs = {}
    for name in ("ddp", "fsdp2"):
        kinds = [("odd", DOUBLE), ("odd", SINGLE), ("tied", DOUBLE), ("frozen", DOUBLE), ("mtp", DOUBLE)]
        for kind, dtype in kinds if ranks == 2 else kinds[:1]:
            jobs["train", name, kind, dtype] = (
                "train",
                dict(name=name, kind=kind, dtype=dtype, steps=steps_of(kind, ranks)),
            )
        if ranks == 2:
            for by in ("rank", "micro-batch", "one"):
                jobs["choose", name, by] = "choose", dict(name=name, steps=3, double=True, by=by)
            jobs["wrong", name] = "wrong_use", dict(name=name)
    for name in ("zero1", "zero2", "zero3", "ddp", "fsdp2"):
        jobs["measure", name] = "measure", dict(name=name)
    if ranks == 2:
        bf16 = dict(name="fsdp2", kind="odd", dtype=SINGLE, steps=FEW, engine_dtype=BF16)
        jobs["bf16", "fsdp2"] = "train", bf16
        jobs["offload", "fsdp2"] = "train", dict(name="fsdp2", kind="odd", dtype=DOUBLE, steps=FEW, offload=True)
        jobs["measure bf16", "fsdp2"] = "measure", dict(name="fsdp2", dtype=BF16)
        jobs["twice", "fsdp2", False] = "measure", dict(name="fsdp2", count=2)
        each = {"sync_every_micro_batch": True}
        jobs["twice", "fsdp2", True] = "measure", dict(name="fsdp2", count=2, options=each)
    return jobs


def deepspeed_jobs(ranks: int, folder: str) -> dict:
    jobs = {}
    for stage in (1, 2, 3) if ranks == 2 else (2, 3):
        options = dict(name="deepspeed", options=stage_options(stage))
        train = dict(**options, dtype=SINGLE)
        for kind in ("odd", "tied", "frozen", "mtp") if ranks == 2 else ("odd",):
            jobs["train", stage, kind] = "train", dict(**train, kind=kind, steps=steps_of(kind, ranks))
        jobs["measure", stage] = "measure", options
        if stage == 2 and ranks == 4:
            del jobs["train", 2, "odd"]
        if ranks == 2:
            jobs["offload", stage] = "train", dict(**train, kind="odd", steps=FEW, offload=True)
            jobs["bf16", stage] = "train", dict(**train, kind="odd", steps=FEW, engine_dtype=BF16)
            jobs["measure bf16", stage] = "measure", dict(**options, dtype=BF16)
            for by in ("rank", "micro-batch", "one") if stage == 1 else ("micro-batch", "one"):
                jobs["choose", stage, by] = "choose", dict(**options, steps=3, double=False, by=by)
            jobs["wrong", stage] = "wrong_use", options
    if ranks == 2:
        less = stage_options(2, use_multi_rank_bucket_allreduce=False)
        jobs["less", 2] = "measure", dict(name="deepspeed", options=less)
        jobs["no compiler"] = "no_compiler", dict(folder=folder)
        two, three = (dict(name="deepspeed", steps=1, double=False, options=stage_options(s)) for s in (2, 3))
        jobs["refused", 2] = "refused_choice", dict(**two, by="rank")
        jobs["refused", 3] = "refused_choice", dict(**three, by="micro-batch", offload=True)
    return jobs


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """results("torch" or "deepspeed", ranks)[job] is what each rank returned."""

    @cache
    def run(library: str, ranks: int) -> dict:
        empty = str(tmp_path_factory.mktemp("empty"))
        jobs = torch_jobs(ranks) if library == "torch" else deepspeed_jobs(ranks, empty)
        return dict(zip(jobs, run_ranks(ranks, "helpers.engine_jobs", list(jobs.values())), strict=True))

    return run


@cache
def plain(kind: str, dtype: torch.dtype, steps: int) -> tuple[list[float], dict]:
    return zero_jobs.plain_training(kind, dtype, steps)


def check(of_ranks: list[dict], kind: str, dtype: torch.dtype, steps: int) -> None:
    losses, weights = plain(kind, dtype, steps)
    first = of_ranks[0]
    assert all(result["losses"] == first["losses"] and result["names"] for result in of_ranks)
    assert len(first["losses"]) == first["steps"] == steps
    assert max(abs(a - b) for a, b in zip(first["losses"], losses, strict=True)) <= BOUND[dtype]
    assert furthest(first["weights"], weights) <= BOUND[dtype]
    assert min(first["norms"]) > zero_jobs.CLIP, "clipping is active"


def furthest(ours: dict, theirs: dict) -> float:
    assert list(ours) == list(theirs)
    return max((ours[name].double() - theirs[name].double()).abs().max().item() for name in theirs)


# The same result.


@pytest.mark.parametrize("name", ["ddp", "fsdp2"])
@pytest.mark.parametrize(
    "ranks, kind, dtype",
    [(4, "odd", DOUBLE), (2, "odd", DOUBLE), (2, "odd", SINGLE), *((2, k, DOUBLE) for k in ("tied", "frozen", "mtp"))],
)
def test_torchs_engines_train_like_plain_adamw(results, name, ranks, kind, dtype):
    check(results("torch", ranks)["train", name, kind, dtype], kind, dtype, steps_of(kind, ranks))


@needs_deepspeed
@pytest.mark.parametrize(
    "ranks, stage, kind",
    [(4, 3, "odd"), *((2, s, k) for s in (1, 2, 3) for k in ("odd", "tied", "frozen", "mtp"))],
)
def test_deepspeed_trains_like_plain_adamw(results, ranks, stage, kind):
    check(results("deepspeed", ranks)["train", stage, kind], kind, SINGLE, steps_of(kind, ranks))


@pytest.mark.parametrize("stage", STAGES)
def test_deepspeeds_offload_changes_nothing(results, stage):
    check(results("deepspeed", 2)["offload", stage], "odd", SINGLE, FEW)


def test_fsdp2s_offload_changes_nothing(results):
    check(results("torch", 2)["offload", "fsdp2"], "odd", DOUBLE, FEW)


def check_bf16(result: dict, weights_in: torch.dtype) -> None:
    assert result["losses"] == pytest.approx(plain("odd", SINGLE, FEW)[0], abs=0.02)
    assert result["weights"]["lm_head.weight"].dtype == weights_in
    if weights_in == SINGLE:  # masters keep what bf16 would round away
        assert not torch.equal(
            result["weights"]["lm_head.weight"].to(BF16).float(), result["weights"]["lm_head.weight"]
        )


def test_bf16_by_fsdp2(results):
    check_bf16(results("torch", 2)["bf16", "fsdp2"][0], SINGLE)


@pytest.mark.parametrize("stage", STAGES)
def test_bf16_by_deepspeed(results, stage):
    check_bf16(results("deepspeed", 2)["bf16", stage][0], BF16)


@pytest.mark.parametrize("name", ["ddp", "fsdp2"])
@pytest.mark.parametrize("by", ["rank", "micro-batch", "one"])
def test_gradients_that_only_some_have(results, name, by):
    check_choice(results("torch", 2)["choose", name, by], by, 1e-14)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("by", ["micro-batch", "one"])
def test_gradients_that_only_some_have_in_deepspeed(results, stage, by):
    check_choice(results("deepspeed", 2)["choose", stage, by], by, 5e-7)


@needs_deepspeed
def test_gradients_that_only_some_ranks_have_in_deepspeed(results):
    check_choice(results("deepspeed", 2)["choose", 1, "rank"], "rank", 5e-7)
    assert all("in stage 2 of DeepSpeed, the same parameters" in said for said in results("deepspeed", 2)["refused", 2])
    assert all("in the last micro-batch too" in said for said in results("deepspeed", 2)["refused", 3])


def check_choice(of_ranks: list[dict], by: str, bound: float) -> None:
    losses, weights = engine_jobs.plain_choose(by, 3)
    for result in of_ranks:
        assert result["losses"] == pytest.approx(losses, abs=bound)
        assert furthest(result["weights"], weights) < bound


# Bytes: (parameters, gradients, optimizer), sent. In units of 4Ψ bytes; N ranks.

HELD = {
    "ddp": lambda n: (1, 1, 2), "zero1": lambda n: (1, 1, 2 / n), "zero2": lambda n: (1, 1 / n, 2 / n),
    "zero3": lambda n: (1 / n, 1 / n, 2 / n), "fsdp2": lambda n: (1 / n, 1 / n, 2 / n),
}  # fmt: skip
SENT = {"ddp": 2, "zero1": 2, "zero2": 2, "zero3": 3, "fsdp2": 3}


def check_bytes(of_ranks: list[dict], held: tuple, sent: float, borders: bool = False) -> None:
    for result in of_ranks:
        unit, (parameters, gradients, optimizer) = 4 * result["psi"], result["bytes"].values()
        assert (parameters / unit, optimizer / unit) == pytest.approx(held[::2], rel=0.01)
        cut = 2 * result["largest"] / result["psi"] if borders else 0  # DeepSpeed keeps parameters at borders whole
        assert held[1] * 0.99 <= gradients / unit <= held[1] * 1.01 + cut
        assert result["sent"] / unit * len(of_ranks) / (len(of_ranks) - 1) == pytest.approx(sent, rel=0.01)


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("name", list(HELD))
def test_bytes(results, ranks, name):
    of_ranks = results("torch", ranks)["measure", name]
    check_bytes(of_ranks, HELD[name](ranks), SENT[name])
    if name in ("ddp", "fsdp2"):
        assert {result["before"] for result in of_ranks} == {0}, "not counted yet"


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("name", ["zero1", "zero2", "zero3"])
def test_counting_agrees_with_what_our_engines_say(results, ranks, name):
    for result in results("torch", ranks)["measure", name]:
        # Both counted the same step; collectives of a few numbers (loss, norm, checks) are in both.
        assert result["counted"] == pytest.approx(result["sent"], abs=1)


def test_bytes_of_fsdp2_in_bf16_and_with_micro_batches(results):
    held = HELD["fsdp2"](2)
    check_bytes(results("torch", 2)["measure bf16", "fsdp2"], held, 2)  # two gathers in bf16, one reduction in fp32
    check_bytes(results("torch", 2)["twice", "fsdp2", False], held, 5)
    check_bytes(results("torch", 2)["twice", "fsdp2", True], held, 6)


@needs_deepspeed
@pytest.mark.parametrize("ranks, stage", [(2, 1), (2, 2), (2, 3), (4, 2), (4, 3)])
def test_bytes_of_deepspeed(results, ranks, stage):
    whole = 1 if stage < 3 else 1 / ranks
    check_bytes(results("deepspeed", ranks)["measure", stage], (whole, 1 / ranks, 3 / ranks), 3, borders=stage < 3)
    if ranks == 2:
        mixed = (whole / 2, 1 / ranks / 2, 3 / ranks)
        check_bytes(results("deepspeed", ranks)["measure bf16", stage], mixed, 1.5, borders=stage < 3)


@needs_deepspeed
def test_deepspeed_can_send_less(results):
    check_bytes(results("deepspeed", 2)["less", 2], (1, 1 / 2, 3 / 2), 2, borders=True)


# Wrong use.


@pytest.mark.parametrize("key", [("torch", "ddp"), ("torch", "fsdp2"), *(("deepspeed", s) for s in (1, 2, 3))])
def test_wrong_use_on_ranks(results, key):
    library, which = key
    if library == "deepspeed" and not HAS_DEEPSPEED:
        pytest.skip("deepspeed is not installed: extra [deepspeed]")
    for rank, result in enumerate(results(library, 2)["wrong", which]):
        said, count = result["said"], 2 if rank == 0 else 1
        assert said["fp16"].startswith("ValueError: dtype: got torch.float16, but it takes")
        assert said["groups"].startswith("ValueError: groups: got \"none with ['model.embed_tokens.weight']\"")
        assert said["clip"] == "ValueError: clip: got -1, but it takes None or a number above 0"
        assert said["no dict"] == "ValueError: options: got 3, but it takes None or a dict"
        assert said["counts"] == (
            f"ValueError: micro_batches: got {count}, but it takes as many on every rank, but others have 1 to 2"
        )
        assert said["empty"] == "ValueError: micro_batches: got 0, but it takes a list of at least 1"
        assert "the gradient's norm is" in said["nan"] and "and the loss nan" in said["nan"]
        assert "loss_fn's result: got (2, 10, 61), but it takes a scalar" in said["no scalar"]
        assert result["kept"] and result["steps"] == 3
        assert result["losses"][0] == pytest.approx(result["losses"][2], abs=1e-6), "a learning rate of 0 was set"
        if which == "ddp":
            assert "DDP keeps no masters in fp32; 'zero1' to 'zero3', 'fsdp2'" in said["bf16"]
            assert said["offload"] == "ValueError: offload: got True, but it takes False: 'ddp' has none"
        if library == "torch":
            assert said["options"].startswith("ValueError: options: got ['speed']")
        else:
            assert said["fp64"].startswith("ValueError: dtype: got torch.float64, but it takes torch.float32 or")


@pytest.mark.parametrize(
    "changes, words",
    [
        (dict(name="zero4"), "name: got 'zero4', but it takes 'ddp' or 'zero1' or"),
        (dict(name="zero1", options={"stage": 2}), "options: got {'stage': 2}, but it takes None: 'zero1' has none"),
        (dict(name="ddp"), "process group: got None, but it takes init_process_group first: 'ddp' needs one"),
        (dict(name="fsdp2", model=3), "model: got 'int', but it takes an nn.Module"),
    ],
)
def test_wrong_settings_are_refused(changes, words):
    with pytest.raises(ValueError) as caught:
        make_engine(**dict(model=nn.Linear(2, 2), make_optimizer=zero_jobs.adamw) | changes)
    assert words in str(caught.value)


@pytest.mark.parametrize("module", ["deepspeed", "deepspeed.ops"])
def test_without_deepspeed(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DeepSpeedMissing, match=r'needs the package deepspeed: pip install "deepseek_lab\[deepspeed\]"'):
        import_deepspeed()


def test_importing_the_engines_does_not_import_deepspeed():
    code = "import sys, deepseek_lab.training.engines; print('deepspeed' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@needs_deepspeed
def test_without_a_compiler(results):
    for said in results("deepspeed", 2)["no compiler"]:
        assert said.startswith(
            "CompilerMissing: DeepSpeed compiles its own optimizer and needs a C++ compiler and ninja"
        )


# Configurations.


def test_every_name_has_an_engine():
    assert ENGINES == ("ddp", "zero1", "zero2", "zero3", "fsdp2", "deepspeed")
    engine = make_engine("zero2", nn.Linear(2, 2), zero_jobs.adamw)  # a process alone
    assert engine.stage == 2 and not dist.is_initialized()


def test_configurations():
    config = deepspeed_config(3, micro_batch_size=4, accumulate=2, clip=1.0, dtype=BF16, offload=True)
    assert json.loads(json.dumps(config)) == config
    assert config["zero_optimization"]["offload_param"] == {"device": "cpu"}
    assert "offload_param" not in deepspeed_config(2, offload=True)["zero_optimization"]
    assert merged(config, stage_options(1))["zero_optimization"] == config["zero_optimization"] | {"stage": 1}
    assert config["zero_optimization"]["stage"] == 3, "merging changes no argument"
    with pytest.raises(ValueError, match="zero_optimization"):
        merged(config, {"zero_optimization": 3})
    with pytest.raises(ValueError, match="stage: got 4"):
        deepspeed_config(4)
    assert fsdp2_config(BF16)["mp_policy"].param_dtype == BF16
    assert fsdp2_config()["mp_policy"].param_dtype is None
    assert ddp_config()["broadcast_buffers"] is False


def test_what_fsdp2_makes_units_of():
    model = zero_jobs.make_model("tied")
    assert sharded_blocks(model) == list(model.model.layers)
    shared = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)])
    shared[1].weight = shared[0].weight
    assert sharded_blocks(shared) == [shared[2]], "tied ones stay together, in the root"
