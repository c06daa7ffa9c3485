"""Pretraining: it learns, its recipe is what it says, and a killed run resumed equals one that was not killed."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from helpers import tiny

from deepseek_lab.moe import record_routing
from deepseek_lab.moe.balance import sequence_balance_loss
from deepseek_lab.training import resume
from deepseek_lab.training.objective import held_out_loss, pretraining_losses
from deepseek_lab.training.pretrain import History, Recipe, describe, parameter_groups, pretrain
from deepseek_lab.training.resume import FILE

HERE = Path(__file__).parent


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def without_seconds(history: History) -> dict:
    return {name: value for name, value in asdict(history).items() if name != "seconds"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Thirty steps without a break."""
    return tiny.train(tmp_path_factory.mktemp("whole"), 30)


def test_it_learns(whole):
    _, history = whole
    assert history.loss[0] == pytest.approx(5.8, abs=0.5)  # ln 300 = 5.7
    assert history.loss[-1] < 0.5 * history.loss[0] and history.mtp_loss[-1] < 0.6 * history.mtp_loss[0]
    assert list(history.validation) == [10, 20, 30]
    assert history.validation[30] < history.validation[10]
    assert len(history.max_violation) == len(history.gradient_norm) == 30 and history.seconds > 0


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_bits(whole, tmp_path):
    """Killed for real, twice, by a signal that nothing can catch."""
    command = [sys.executable, str(HERE / "helpers" / "tiny.py"), str(tmp_path), "30"]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    for last in (9, 16):  # saved at 7 and 14: two steps are lost each time
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            for line in process.stdout:
                if int(line) == last:
                    process.send_signal(signal.SIGKILL)
                    break
        assert process.wait() == -signal.SIGKILL
    steps = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()
    assert steps == [str(step) for step in range(15, 31)]
    model, history = tiny.train(tmp_path, 30)  # nothing left to do: loads the end
    assert same(model, whole[0]) and without_seconds(history) == without_seconds(whole[1])


def test_steps_may_change_before_the_decay(whole, tmp_path):
    """Before it, a step doesn't know how many there will be: a longer run goes on as if it had been meant."""

    class Stopped(Exception):
        pass

    def stop(done, history):
        if done == 14:
            raise Stopped

    with pytest.raises(Stopped):
        tiny.train(tmp_path, 20, after_step=stop)  # 20 steps decay from 16 on; 14 are saved
    model, history = tiny.train(tmp_path, 30)
    assert same(model, whole[0]) and history.loss == whole[1].loss
    with pytest.raises(ValueError, match="steps was 30 and is now 40, but after 30 steps a decay has begun"):
        tiny.train(tmp_path, 40)


def test_another_recipe_model_or_a_damaged_file_is_named_and_nothing_changes(tmp_path):
    tiny.train(tmp_path, 7)
    path = tmp_path / FILE
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"lr was 0.01 and is now 0.02. Take the old recipe, or another folder"):
        tiny.train(tmp_path, 7, lr=2e-2)
    other = tiny.model(config=tiny.TINY.replace(intermediate_size=40))
    untouched = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(ValueError, match=r"of another model: model.model.layers.0.mlp.down_proj.weight has shape"):
        resume.load_state(tmp_path, other, torch.optim.AdamW(other.parameters()), History(), lambda *_: None)
    assert all(torch.equal(untouched[name], tensor) for name, tensor in other.state_dict().items())
    path.write_bytes(before[: len(before) // 2])
    with pytest.raises(ValueError, match=r"is damaged .*: delete it to start this training anew"):
        tiny.train(tmp_path, 7)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="is damaged"):
        tiny.train(tmp_path, 7)


def test_a_failed_save_keeps_the_old_state(tmp_path, monkeypatch):
    tiny.train(tmp_path, 7)
    before = (tmp_path / FILE).read_bytes()

    def full(tensors, filename, metadata):
        Path(filename).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(resume, "save_file", full)
    model = tiny.model()
    with pytest.raises(OSError, match=r"could not be written .*No space left.*; what was saved before is still there"):
        resume.save_state(tmp_path, model, torch.optim.AdamW(model.parameters()), History(), {})
    assert (tmp_path / FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_losses_are_the_equations():
    model, windows = tiny.model(), torch.randint(300, (3, 11))
    losses = pretraining_losses(model, windows)
    hidden = model.hidden_states(windows[:, :-1])
    expected = F.cross_entropy(model.lm_head(hidden).flatten(0, 1), windows[:, 1:].flatten())
    assert losses.next_token.item() == pytest.approx(expected.item(), rel=1e-5)

    # MTP at position t: what was computed at t, the token at t + 1, and the token at t + 2 to predict.
    (module,) = model.mtp_modules
    further = module(hidden[:, :9], model.model.embed_tokens(windows[:, 1:10]))
    expected = F.cross_entropy(model.lm_head(further).flatten(0, 1), windows[:, 2:].flatten())
    assert losses.mtp[0].item() == pytest.approx(expected.item(), rel=1e-5)

    with record_routing(model) as records:
        model(windows[:, :-1])
    (_, routing), *_ = records
    first = sequence_balance_loss(routing.scores.unflatten(0, (3, 10)), routing.experts.unflatten(0, (3, 10)))
    assert len(losses.loads) == 2 and losses.balance.item() > first.item()  # the block's, and the MTP module's
    assert [int(load.sum()) for load in losses.loads.values()] == [3 * 10 * 2, 3 * 9 * 2]
    total = losses.next_token + 0.3 * losses.mtp[0] + 0.5 * losses.balance
    assert losses.total(0.3, 0.5).item() == pytest.approx(total.item())


def test_mtp_needs_two_tokens_ahead():
    model = tiny.model()
    assert pretraining_losses(model, torch.tensor([[1, 2]])).mtp == []
    assert len(pretraining_losses(model, torch.tensor([[1, 2, 3]])).mtp) == 1
    with pytest.raises(ValueError, match=r"windows: got \(1, 1\)"):
        pretraining_losses(model, torch.tensor([[1]]))


def test_two_modules_look_two_and_three_ahead():
    model, windows = tiny.model(config=tiny.TINY.replace(num_nextn_predict_layers=2)), torch.randint(300, (2, 9))
    losses = pretraining_losses(model, windows)
    hidden = model.hidden_states(windows[:, :-1])
    embed = model.model.embed_tokens
    first = model.mtp_modules[0](hidden[:, :7], embed(windows[:, 1:8]))
    second = model.mtp_modules[1](first[:, :6], embed(windows[:, 2:8]))
    expected = F.cross_entropy(model.lm_head(second).flatten(0, 1), windows[:, 3:].flatten())
    assert len(losses.mtp) == 2 and losses.mtp[1].item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("tokens", [2, 8, 9, 10, 35])
def test_held_out_loss_predicts_every_token_once(tokens):
    model, text = tiny.model(), torch.randint(300, (tokens,))
    total = 0.0
    for start in range(0, tokens - 1, 8):  # by hand: windows of 8 inputs side by side
        part = text[None, start : start + 9]
        total += F.cross_entropy(model(part[:, :-1])[0], part[0, 1:], reduction="sum").item()
    assert held_out_loss(model, text, length=8, batch=2) == pytest.approx(total / (tokens - 1), rel=1e-4)


def test_schedule_warms_up_stays_and_decays():
    recipe = Recipe(steps=100, warmup=10, decay=0.2, lr=1.0)
    rates = [recipe.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(1 / 11) and rates[9] < 1 == rates[10] == rates[79]
    assert all(a > b for a, b in pairwise(rates[79:])) and 0.05 < rates[-1] < 0.15
    assert [recipe.decays(step) for step in (79, 80)] == [False, True]
    assert Recipe(steps=1).rate(0) > 0 and Recipe(steps=3, decay=1.0, warmup=0).rate(0) > 0


def test_biases_move_by_the_rate_and_rest_in_the_decay():
    recorded = {}

    def look(done, history):
        recorded[done] = trained.model.layers[1].mlp.gate.e_score_correction_bias.clone()

    trained = tiny.model()
    recipe = Recipe(**tiny.RECIPE | {"steps": 10, "decay": 0.5})
    pretrain(trained, tiny.corpus(), recipe, after_step=look, progress=tiny.quietly)
    moved = (recorded[1] / recipe.bias_rate).round().abs()
    assert moved.max() == 1 and torch.allclose(recorded[1], recipe.bias_rate * (recorded[1] / recipe.bias_rate).round())
    assert not torch.equal(recorded[4], recorded[5]) and torch.equal(recorded[5], recorded[10])


def test_vectors_do_not_decay():
    wide, narrow = parameter_groups(tiny.model(), 0.1)
    assert wide["weight_decay"] == 0.1 and narrow["weight_decay"] == 0.0
    assert all(p.dim() >= 2 for p in wide["params"]) and all(p.dim() == 1 for p in narrow["params"])
    assert len(wide["params"]) + len(narrow["params"]) == len(list(tiny.model().parameters()))


def test_a_loss_that_is_not_a_number_stops_the_training():
    with pytest.raises(
        ValueError, match=r"step \d+: .*; if the training diverged, try a smaller learning rate than 1e"
    ):
        tiny.train(None, 30, lr=1e30)


@pytest.mark.parametrize(
    ("field", "value"),
    [("steps", 0), ("batch", 1.5), ("lr", 0), ("lr", float("nan")), ("decay", 1.1), ("mtp_weight", -1), ("warmup", -1)],
)
def test_recipes_refuse_nonsense(field, value):
    with pytest.raises(ValueError, match=f"{field}: got {value}"):
        Recipe(**{"steps": 10} | {field: value})


def test_the_bar_says_loss_and_speed():
    history = History(loss=[3.0, 2.0], seconds=2.0)
    assert describe(history, Recipe(steps=5, batch=4, length=100)) == "loss 2.50, 400 tokens/s"


def test_state_files_hold_no_pickle_and_tied_weights_once(tmp_path):
    model = tiny.model(config=tiny.TINY.replace(tie_word_embeddings=True))
    resume.save_state(tmp_path, model, torch.optim.AdamW(model.parameters()), History(loss=[1.0]), {"steps": 3})
    raw = (tmp_path / FILE).read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert "model.model.embed_tokens.weight" in header and "model.lm_head.weight" not in header
    again = tiny.model(seed=1, config=model.config)
    optimizer = torch.optim.AdamW(again.parameters())
    assert resume.load_state(tmp_path, again, optimizer, History(), lambda *_: None) == 1
    assert same(model, again) and again.lm_head.weight is again.model.embed_tokens.weight
