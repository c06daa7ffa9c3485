"""Checkpoints of many ranks: they go on where they were, on other ranks too, and nothing halfway is taken for whole."""

import json
import multiprocessing
import shutil
import warnings
from types import SimpleNamespace

import pytest
import torch
from helpers import sharded_jobs as jobs
from helpers.checkpoints import snapshot
from helpers.ranks import run_ranks
from helpers.small_disk import small_disk

from deepseek_lab import load_pretrained
from deepseek_lab.training import sharded
from deepseek_lab.training.sharded import folder as folders
from deepseek_lab.training.sharded.notes import read_notes

pytestmark = pytest.mark.slow  # ranks are started

MODULE = "helpers.sharded_jobs"
# name: engine, model, bf16. Saved on two ranks each.
SAVED = {
    "zero1": dict(name="zero1", kind="frozen"),
    "zero2": dict(name="zero2", kind="tied"),
    "zero3": dict(name="zero3", kind="frozen"),
    "zero3 bf16": dict(name="zero3", kind="frozen", half=True),
    "scaled": dict(name="scaled"),
    "ddp": dict(name="ddp", kind="tied"),
    "fsdp2": dict(name="fsdp2", kind="tied", evaluate=True),
    "fsdp2 bf16": dict(name="fsdp2", half=True),
}
# (saved as, engine that goes on)
CROSS = [
    ("zero1", "zero3"), ("zero3", "zero2"), ("zero2", "zero1"), ("ddp", "fsdp2"), ("fsdp2", "ddp"),
]  # fmt: skip


ON_FOUR = ["zero2", "zero3", "zero3 bf16", "fsdp2"]
BACK = [("zero3", "zero3"), ("fsdp2", "fsdp2"), ("fsdp2", "ddp")]
# What is said: folder, engine.
REFUSED = {
    "shard-00002.* is damaged.*rank 1 of 2 wrote it": ("damaged", dict(name="zero3", kind="frozen")),
    "family 'by name' .* this one is of the family 'flat'": ("ddp", dict(name="zero3", kind="tied")),
    "family 'flat' .* this one is of the family 'by name'": ("zero1", dict(name="ddp", kind="frozen")),
    "another model: its config's tie_word_embeddings is False there and True": ("zero1", SAVED["zero2"]),
    "another dtype: the engine's is 'bfloat16' there and 'float32'": ("zero3 bf16", SAVED["zero3"]),
}


def which(saved: str, engine: str | None = None) -> dict:
    given = {key: value for key, value in SAVED[saved].items() if key != "evaluate"}
    return given | ({"name": engine} if engine else {})


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("sharded")


@pytest.fixture(scope="module")
def two(root):
    """On two ranks: everything saved, gone on with by the same engine and by others."""
    plan = {("save", name): ("save", dict(folder=str(root / name), **given)) for name, given in SAVED.items()}
    for name in SAVED:
        plan["resume", name] = ("resume", dict(folder=str(root / name), **which(name)))
    for name, engine in CROSS:
        plan["cross", name, engine] = ("resume", dict(folder=str(root / name), **which(name, engine)))
    plan["failures"] = ("failures", dict(folder=str(root / "failures")))
    plan["again"] = ("again", dict(folder=str(root / "again")))
    return dict(zip(plan, run_ranks(2, MODULE, list(plan.values())), strict=True))


@pytest.fixture(scope="module")
def four(root, two):
    """On four ranks: what two saved, and what they save themselves."""
    plan = {name: ("resume", dict(folder=str(root / name), **which(name))) for name in ON_FOUR}
    plan["ddp", "fsdp2"] = ("resume", dict(folder=str(root / "ddp"), **which("ddp", "fsdp2")))
    for name in ("zero3", "fsdp2"):
        plan["save", name] = ("save", dict(folder=str(root / f"{name} of 4"), **SAVED[name]))
    return dict(zip(plan, run_ranks(4, MODULE, list(plan.values())), strict=True))


@pytest.fixture(scope="module")
def later(root, four):
    """On two ranks again: what four saved, what can't be loaded, and a full disk."""
    shutil.copytree(root / "zero3", root / "damaged")
    jobs.flipped(root / "damaged" / "step-000002")
    plan = {(n, e): ("resume", dict(folder=str(root / f"{n} of 4"), **which(n, e))) for n, e in BACK}
    plan |= {w: ("refused", dict(folder=str(root / name), **engine)) for w, (name, engine) in REFUSED.items()}
    plan["full disk"] = ("full_disk", dict(folder=str(root / "disk")))
    with small_disk(root / "disk", 2) as disk:
        yield dict(zip(plan, run_ranks(2, MODULE, list(plan.values())), strict=True), disk=disk)


def furthest(a: dict, b: dict) -> float:
    assert a.keys() == b.keys()
    return max((a[name].double() - b[name].double()).abs().max().item() for name in a)


def assert_goes_on(resumed: dict, saved: dict, exactly: bool, half: bool = False) -> None:
    """What was loaded is what was saved, on any ranks; what comes after it may be rounded elsewhere."""
    assert resumed["facts"] == {"at": 2, "words": ["Ψ", 0.1]} and resumed["steps"] == 2
    assert furthest(resumed["loaded"], saved["saved"]) == 0
    assert resumed["scale"] == saved["scale"]
    far = 0 if exactly else 0.02 if half else 1e-6
    assert resumed["losses"] == pytest.approx(saved["losses"], abs=far, rel=0)
    assert furthest(resumed["weights"], saved["weights"]) <= far


@pytest.mark.parametrize("name", SAVED)
def test_the_same_ranks_repeat_every_bit(two, name):
    for resumed, saved in zip(two["resume", name], two["save", name], strict=True):
        assert_goes_on(resumed, saved, exactly=True)


@pytest.mark.parametrize("name, engine", CROSS)
def test_another_engine_of_the_family_goes_on(two, name, engine):
    assert_goes_on(two["cross", name, engine][0], two["save", name][0], exactly=False)


@pytest.mark.parametrize("name", [*ON_FOUR, ("ddp", "fsdp2")])
def test_four_ranks_go_on_from_two(two, four, name):
    saved = name[0] if isinstance(name, tuple) else name
    assert_goes_on(four[name][3], two["save", saved][0], exactly=False, half="bf16" in saved)


def test_two_ranks_and_one_go_on_from_four(root, four, later):
    for name, engine in BACK:
        assert_goes_on(later[name, engine][1], four["save", name][0], exactly=False)
    for name, engine in (("zero3", "zero2"), ("fsdp2", "zero0")):
        alone = jobs.resume(0, str(root / f"{name} of 4"), **which(name, engine))
        assert_goes_on(alone, four["save", name][0], exactly=False)


def test_one_process_alone(root, two, tmp_path):
    for name in ("zero1", "zero3"):
        alone = jobs.resume(0, str(root / name), **which(name))
        assert_goes_on(alone, two["save", name][0], exactly=False)
    for engine, other in (("zero1", "zero3"), ("zero0", "zero0")):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            saved = jobs.save(0, str(tmp_path / engine), name=engine)
            assert_goes_on(jobs.resume(0, str(tmp_path / engine), name=other), saved, exactly=True)


def test_no_pickle_in_the_folder(root, two, four):
    for step in root.glob("*/step-000002"):
        assert {path.suffix for path in step.iterdir()} == {".safetensors", ".json"}
        assert len(list(step.iterdir())) == read_notes(step)["world_size"] + 1
        assert all(path.read_bytes()[8:9] == b"{" for path in step.glob("*.safetensors"))
    assert len(list(root.glob("*/step-000002"))) > len(SAVED)


@pytest.mark.parametrize("name", ["zero2", "zero3 bf16", "fsdp2", "fsdp2 bf16"])
def test_export_is_opened_by_transformers(root, two, tmp_path, name):
    from transformers import AutoModelForCausalLM

    sharded.export(root / name, tmp_path / "model")
    weights = two["save", name][0]["saved"]
    official = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype="auto", experts_implementation="eager")
    x = torch.randint(61, (2, 7), generator=torch.Generator().manual_seed(0))
    ours = jobs.make_model(SAVED[name].get("kind", "odd"))
    for key, parameter in ours.named_parameters():
        parameter.data = weights[key].clone()
    ours.load_state_dict(weights)
    again = load_pretrained(tmp_path / "model", dtype=weights["lm_head.weight"].dtype)
    assert furthest(again.state_dict(), weights) == 0
    assert official.lm_head.weight.dtype == weights["lm_head.weight"].dtype
    with torch.no_grad():
        difference = (official.eval()(x).logits - ours.eval()(x)).abs().max()
    assert difference < (0.05 if name == "zero3 bf16" else 1e-5)


# Damage.


@pytest.fixture
def copy(root, two, tmp_path):
    """A copy of a checkpoint of two ranks, and of an older one."""
    shutil.copytree(root / "zero3", tmp_path / "copy")
    shutil.copytree(root / "zero3" / "step-000002", tmp_path / "copy" / "step-000001")
    return tmp_path / "copy" / "step-000002"


DAMAGE = {
    jobs.truncated: r"shard-00002\S* has \d+ bytes, expected \d+: rank 1 of 2 wrote it. Delete \S*step-000002 to go on",
    jobs.flipped: r"shard-00002\S* is damaged: it has blake2b \w+, expected \w+; rank 1 of 2 wrote it. Delete \S*step-",
    lambda step: jobs.shard(
        step
    ).unlink(): r"shard-00002\S* is missing: rank 1 of 2 wrote it, .*go on from step-000001",
    lambda step: (step / "training.json").unlink(): r"training.json can't be read \(No such file",
    lambda step: (step / "training.json").write_text("{"): r"training.json is damaged \(.*go on from step-000001",
    jobs.changed_notes: "its checksum is another",
    jobs.old_format: "format: got 0, but it takes 1",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told_and_nothing_is_changed(copy, tmp_path, damage):
    damage(copy)
    seen = jobs.refused(0, str(copy.parent), **which("zero3"))
    assert seen["same"] and seen["said"].startswith("CheckpointError")
    with pytest.raises(ValueError, match=DAMAGE[damage]):
        raise ValueError(seen["said"])
    with pytest.raises(OSError, match=DAMAGE[damage]):
        sharded.export(copy.parent, tmp_path / "model")
    shutil.rmtree(copy)
    assert sharded.latest(copy.parent).name == "step-000001"
    assert sharded.load(copy.parent, jobs.build("zero3", "frozen"))["at"] == 2


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_loaded_is_refused_on_all_ranks(later, words):
    first, second = later[words]
    assert first == second and first["same"]
    with pytest.raises(ValueError, match=words):
        raise ValueError(first["said"])


def test_other_engines_are_refused(root, two, tmp_path):
    def sgd(groups):
        return torch.optim.SGD(groups, lr=0.1)

    with pytest.raises(ValueError, match="another optimizer: its class is 'AdamW' there and 'SGD' here"):
        sharded.load(root / "zero1", jobs.build("zero1", "frozen", make=sgd))
    with pytest.raises(ValueError, match=r"split into units|another model"):
        sharded.load(root / "zero1", jobs.build("zero1", "odd"))
    with pytest.raises(ValueError, match=r"engine: got an optimizer of other tensors than the model's"):
        sharded.save(tmp_path, jobs.build("zero0", half=True), {})
    deepspeed = SimpleNamespace(checkpoint_refusal="DeepSpeed has its own checkpoints")
    for call in (lambda: sharded.save(tmp_path, deepspeed, {}), lambda: sharded.load(tmp_path, deepspeed)):
        with pytest.raises(ValueError, match="DeepSpeed has its own checkpoints"):
            call()
    with pytest.raises(ValueError, match=r"engine: got \"object without \['model', 'optimizer', 'steps'\]\""):
        sharded.save(tmp_path, object(), {})
    for changes, words in (
        ({"keep": 0}, "keep: got 0"),
        ({"facts": 3}, "facts: got 3"),
        ({"facts": {"x": {1}}}, "JSON"),
    ):
        with pytest.raises(ValueError, match=words):
            sharded.save(tmp_path, **{"engine": jobs.build("zero1"), "facts": {}} | changes)
    with pytest.raises(ValueError, match="there is no checkpoint"):
        sharded.export(tmp_path, tmp_path / "model")
    assert not list(tmp_path.iterdir())


# Saves that fail.


def test_an_error_of_one_rank_is_told_by_all(root, two):
    first, second = two["failures"]
    assert first == second
    words = {
        "shard": "rank 1: /.*step-000002.tmp/shard-00002-model-00001-of-00001.safetensors: No space left on device",
        "describe": "rank 1: .*No space left",
        "notes": "rank 0: .*No space left",
        "rename": "rank 0: .*No space left",
        "facts": "rank 1: facts: got .*but it takes what JSON can hold",
        "steps": r"engine.steps: got \[2, 3\], but it takes the same on every rank",
    }
    for name, said in words.items():
        with pytest.raises(ValueError, match=said):
            raise ValueError(first[name])
        if name not in ("facts", "steps"):
            assert first[name].endswith("step-000001 is whole")
        assert first[name, "left"] == ["step-000001"]
    assert first["works"] is None and first["works", "left"] == ["step-000001", "step-000002"]


def test_a_disk_that_is_really_full(later):
    first, second = later["full disk"]
    assert first == second and 1 < first["steps"] < 20
    done = first["steps"] - 1
    assert f"step-{done + 1:06d} could not be saved: rank" in first["said"]
    assert "No space left" in first["said"] and ".safetensors" in first["said"]
    assert first["said"].endswith(f"step-{done:06d} is whole")
    assert first["left"] == [f"step-{steps:06d}" for steps in range(1, done + 1)]
    engine = jobs.build("zero3")
    assert sharded.load(later["disk"], engine) == {} and engine.steps == done


def test_a_process_killed_in_the_middle_of_a_save(tmp_path):
    context = multiprocessing.get_context("spawn")
    given = (str(tmp_path / "run"), str(tmp_path / "store"))
    processes = [context.Process(target=jobs.killed, args=(r, *given, str(tmp_path / f"said-{r}"))) for r in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    try:
        assert [process.exitcode for process in processes] == [0, -9]
    finally:
        for process in processes:
            process.kill()
    assert (tmp_path / "said-0").read_text(), "the other rank hears of it, and waits for nobody"
    run = tmp_path / "run"
    assert sorted(path.name for path in run.iterdir()) == ["step-000001", "step-000002.tmp"]
    before, engine = snapshot(run / "step-000001"), jobs.build("zero2")
    assert sharded.latest(run).name == "step-000001"
    assert sharded.load(run, engine) == {"step": 0} and engine.steps == 1
    assert [path.name for path in run.iterdir()] == ["step-000001"] and snapshot(run / "step-000001") == before
    jobs.run(engine, range(1, 2))
    assert sharded.save(run, engine, {}).name == "step-000002"


def test_the_same_step_again_and_older_ones(two):
    for result in two["again"]:
        assert result["none"] == [None, None]
        names = [
            [f"step-00000{number}" for number in numbers] for numbers in ([1], [1], [1, 2], [2, 3], [2, 3], [1, 2, 3])
        ]
        assert [seen for seen, _ in result["seen"]] == names
        assert [facts["facts"] for _, facts in result["seen"]] == ["a", "b", "c", "d", "d", "d"]
        assert result["zero"] == ({}, 0, True)


@pytest.mark.parametrize("killed_after", ["the older one was moved", "the new one was named"])
def test_killed_while_the_same_step_is_replaced(tmp_path, killed_after):
    engine = jobs.build("zero1")
    step = sharded.save(tmp_path, engine, {"which": "old"})
    replaced = step.with_name(step.name + folders.REPLACED)
    if killed_after == "the older one was moved":
        step.rename(replaced)
    else:
        shutil.copytree(step, replaced)
    assert sharded.load(tmp_path, engine) == {"which": "old"}
    assert [path.name for path in tmp_path.iterdir()] == [step.name]


def test_what_stands_in_the_notes(root, two):
    notes = json.loads((root / "zero2" / "step-000002" / "training.json").read_text())
    assert notes["family"] == "flat" and notes["world_size"] == 2 and notes["steps"] == 2
    assert notes["model"] == jobs.make_model("tied").config.to_hf()
    assert [file["rank"] for file in notes["files"].values()] == [0, 1]
    assert notes["scalars"]["model.norm"] == {"step": {"value": 2.0, "dtype": "float32"}}
    assert notes["groups"][0]["betas"] == [0.9, 0.95]
