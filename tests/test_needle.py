"""The needle task: texts are as documented, answers stand where they should, scores count whole values; training."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from deepseek_lab.attention.compressed import CompressedAttention
from deepseek_lab.attention.sparse_latent import SparseLatentAttention
from deepseek_lab.model import needle_models as models
from deepseek_lab.training import needle
from deepseek_lab.training.indexers import (
    get_index_topk,
    index_losses,
    indexed_layers,
    indexer_parameters,
    record_inputs,
    set_index_topk,
)
from deepseek_lab.training.needle import NeedleTask, curriculum, distance_range, needle_batch, score_needle
from deepseek_lab.viz.needle import by_distance, plot_copying, plot_needle, reported_runs, spread
from deepseek_lab.viz.theme import png

TASK = NeedleTask()
SMALL = NeedleTask(pairs=3, filler=5, gap=32, questions=2)
RESULTS = Path(__file__).resolve().parents[1] / "data" / "needle.json"
TASKS = [TASK, SMALL, NeedleTask(pairs=5, filler=1, gap=0, questions=5, value_length=3), replace(TASK, value_length=1)]


def batch_of(task: NeedleTask, texts: int = 40, seed: int = 0) -> needle.NeedleBatch:
    return needle_batch(task, texts, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_every_answer_stands_once_in_the_text_before_the_gap(task):
    batch, width = batch_of(task), 1 + task.value_length
    assert batch.tokens.shape == (40, task.length) and batch.tokens.max() < task.vocab_size
    low, high = distance_range(task)
    assert low <= batch.distance.min() and batch.distance.max() <= high
    for text, answers, distances in zip(batch.tokens.tolist(), batch.answers.tolist(), batch.distance, strict=True):
        keys = [token for token in text[: task.body] if token < task.keys]
        assert len(keys) == len(set(keys)) == task.pairs
        asked = []
        for places, distance in zip(answers, distances.tolist(), strict=True):
            question = places[0] - 1
            found = text.index(text[question])  # the first time the key is seen
            assert found == question - distance and found + width <= task.body
            assert text[found : found + width] == text[question : question + width]
            assert all(task.keys <= token < task.keys + task.values for token in text[found + 1 : found + width])
            asked.append(text[question])
        assert len(set(asked)) == task.questions and set(asked) <= set(keys)
        filler = [token for token in text[: task.body + task.gap] if token >= task.keys + task.values]
        assert len(filler) == task.filler + task.gap
        assert text[-2] == task.gist and 0 <= text[-1] - task.gist - 1 < needle.TOPICS


def test_needles_lie_beyond_what_windows_pass_on_and_behind_complete_entries():
    reach = models.LAYERS * (models.WINDOW - 1)
    assert distance_range(TASK)[0] > 4 * reach
    assert TASK.gap >= models.HCA_RATE - 1  # the entry that holds the text's last token is complete by then


def test_needles_fall_anywhere_and_the_gist_is_most_of_the_filler():
    batch = batch_of(TASK, 400)
    starts = batch.answers[..., 0] - 1 - batch.distance
    for rate in (models.CSA_RATE, models.HCA_RATE):
        counts = torch.bincount((starts % rate).flatten(), minlength=rate)
        assert counts.min() > 0.25 * counts.float().mean()
    words = batch.tokens[:, : TASK.body] - TASK.keys - TASK.values
    counts = torch.stack([(words.div(needle.WORDS, rounding_mode="floor") == t).sum(dim=1) for t in range(4)], dim=1)
    most = counts.argmax(dim=1) == batch.tokens[:, -1] - TASK.gist - 1
    assert most.float().mean() > 0.97
    near = batch.tokens[:, TASK.body : TASK.body + TASK.gap] - TASK.keys - TASK.values
    shares = torch.bincount(near.flatten(), minlength=16) / near.numel()
    assert (shares - 1 / 16).abs().max() < 0.01  # what a window can see of the filler says nothing


def test_the_same_seed_means_the_same_texts():
    one, same, other = batch_of(TASK), batch_of(TASK), batch_of(TASK, seed=1)
    assert torch.equal(one.tokens, same.tokens) and torch.equal(one.distance, same.distance)
    assert not torch.equal(one.tokens, other.tokens)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pairs": 0}, "pairs: got 0"),
        ({"gap": -1}, "gap: got -1"),
        ({"keys": 11}, "keys: got 11"),
        ({"questions": 13}, "questions: got 13"),
    ],
)
def test_a_task_refuses_what_cannot_be(fields, message):
    with pytest.raises(ValueError, match=message):
        NeedleTask(**fields)


class Scribe(nn.Module):
    """Answers by heart: what comes next in the texts it was shown, but wrong at the places it is told."""

    def __init__(self, task: NeedleTask, texts: int, wrong: int):
        super().__init__()
        self.task, self.unused = task, nn.Parameter(torch.zeros(1))
        self.batch = needle_batch(task, texts, torch.Generator().manual_seed(1234))
        self.targets = self.batch.tokens.clone()
        for text in range(wrong):  # the last token of the value in the first question of some texts
            self.targets[text, self.batch.answers[text, 0, -1]] = task.gist

    def forward(self, tokens):
        assert torch.equal(tokens, self.batch.tokens[:, :-1])
        return nn.functional.one_hot(self.targets[:, 1:], self.task.vocab_size).float()


def test_a_score_counts_whole_values():
    score = score_needle(Scribe(SMALL, 20, wrong=5), SMALL, texts=20, bins=3)
    assert score.gist == 1
    assert score.exact == pytest.approx(1 - 5 / 40) and score.token == pytest.approx(1 - 5 / 80)
    assert sum(part["questions"] for part in score.by_distance) == 40
    right = sum(part["questions"] * part["exact"] for part in score.by_distance if part["questions"])
    assert right == pytest.approx(35, abs=0.01)
    assert score.by_distance[0]["from"] == 35 and score.by_distance[-1]["to"] == distance_range(SMALL)[1] + 1
    none_right = score_needle(Scribe(SMALL, 20, wrong=20), SMALL, texts=20)
    assert none_right.exact == 0.5 and none_right.token == 0.75


def test_kinds_have_equally_many_parameters_and_read_what_they_say():
    made = {kind: models.needle_model(kind, TASK.vocab_size) for kind in models.NEEDLE_KINDS}
    for kind, model in made.items():
        count = sum(p.numel() for p in model.parameters())
        assert abs(count - models.PARAMETERS) <= 0.005 * models.PARAMETERS, kind
        assert model(batch_of(SMALL, 2).tokens).shape == (2, SMALL.length, SMALL.vocab_size)
    assert {kind: get_index_topk(model) for kind, model in made.items()} == {
        "window": None, "HCA": None, "CSA": models.CSA_TOPK, "DSA": models.DSA_TOPK, "dense": None,
    }  # fmt: skip
    with pytest.raises(ValueError, match="kind: got 'MHA'"):
        models.needle_attention("MHA")


@torch.no_grad()
def test_a_window_cannot_see_the_needle_and_the_others_can():
    batch = batch_of(TASK, 1)
    first = batch.answers[0, 0, 0].item() - 1
    changed = batch.tokens.clone()
    changed[0, first - batch.distance[0, 0] + 1] = TASK.keys + TASK.values - 1 - changed[0, first + 1] % 2
    for kind in models.NEEDLE_KINDS:
        torch.manual_seed(0)
        model = models.needle_model(kind, TASK.vocab_size)
        set_index_topk(model, TASK.length)
        same = torch.equal(model(batch.tokens)[0, first], model(changed)[0, first])
        assert same == (kind == "window"), kind


@pytest.mark.parametrize("kind", ["CSA", "DSA"])
def test_index_losses_reach_the_indexers_alone(kind):
    torch.manual_seed(0)
    model, batch = models.needle_model(kind, TASK.vocab_size), batch_of(TASK, 2)
    with record_inputs(model) as inputs:
        needle.needle_loss(model, batch)[0].backward()
    assert all(p.grad is None for p in indexer_parameters(model))
    assert list(inputs) == indexed_layers(model) and len(inputs) == (2 if kind == "CSA" else 1)
    model.zero_grad()
    index_losses(inputs).backward()
    own = {id(p) for p in indexer_parameters(model)}
    assert all((p.grad is not None) == (id(p) in own) for p in model.parameters())
    model(batch.tokens)  # hooks are gone
    assert all(type(layer) in (CompressedAttention, SparseLatentAttention) for layer in inputs)
    assert not any(layer._forward_pre_hooks for layer in inputs)


def test_without_indexers_there_is_nothing_to_teach():
    model = models.needle_model("HCA", TASK.vocab_size)
    with record_inputs(model) as inputs:
        model(batch_of(SMALL, 1).tokens)
    assert inputs == {} and get_index_topk(model) is None and indexer_parameters(model) == []
    with pytest.raises(ValueError, match="inputs: got 'no layer'"):
        index_losses(inputs)


def test_the_curriculum_ends_with_the_task_itself():
    stages = curriculum(TASK, 100)
    assert sum(stage.steps for stage in stages) == 100 and stages[-1].task == TASK
    assert [stage.task.pairs for stage in stages] == [4, 8, 12] and [s.task.gap for s in stages] == [4, 8, 32]
    assert [stage.task.gap for stage in curriculum(TASK, 100, (32, 40))] == [32, 32, 32]
    assert {stage.task.vocab_size for stage in stages} == {TASK.vocab_size}
    assert [stage.task.pairs for stage in curriculum(replace(TASK, pairs=1, questions=1), 10)] == [1, 1, 1]


@pytest.mark.parametrize("kind", models.NEEDLE_KINDS)
def test_training_goes_through_all_stages(kind):
    def train():
        torch.manual_seed(0)
        model = models.needle_model(kind, SMALL.vocab_size)
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        copied = needle.train_needle(model, SMALL, 5, warmup=1, gaps=(32, 32), progress=lambda loop, label: loop)
        return model, before, copied

    (model, before, copied), (same, _, _) = train(), train()
    assert len(copied) == 5 and not model.training
    assert get_index_topk(model) == get_index_topk(models.needle_model(kind, SMALL.vocab_size))
    for (name, after), again in zip(model.named_parameters(), same.parameters(), strict=True):
        assert torch.equal(after, again), name
        assert not torch.equal(after, before[name]), name


def test_an_interrupted_training_leaves_the_choice_of_the_indexers_as_it_was():
    def interrupted(loop, label):
        yield from list(loop)[:2]
        raise KeyboardInterrupt

    model = models.needle_model("DSA", SMALL.vocab_size)
    before = get_index_topk(model)
    with pytest.raises(KeyboardInterrupt):
        needle.train_needle(model, SMALL, 5, warmup=1, gaps=(32, 32), progress=interrupted)
    assert get_index_topk(model) == before < SMALL.length and not model.training


def made_up_results() -> dict:
    shares = {"window": 0.02, "HCA": 0.03, "CSA": 0.97, "DSA": 0.99, "dense": 1.0}
    bins = [{"from": a, "to": a + 20, "questions": 9, "exact": None} for a in (35, 55, 75)]
    runs = [
        {"kind": kind, "seed": seed, "lr": lr, "exact": share, "gist": 0.25 if kind == "window" else 0.9,
         "by_distance": [part | {"exact": share - 0.01 * seed} for part in bins]}
        for kind, share in shares.items() for seed, lr in ((0, 0.1), (1, 0.1), (2, 0.1), (100, 0.1), (0, 0.2))
    ]  # fmt: skip
    about = {"tuning_seed": 100, "learning_rates": dict.fromkeys(shares, 0.1)}
    return {"about": about | {"chance": {"exact": 0.016, "token": 0.125, "gist": 0.25}}, "runs": runs}


def test_labels_are_spread_and_distances_averaged():
    assert spread([0.5, 0.0, 0.01, 1.0], 0.1) == [0.5, 0.0, 0.1, 1.0]
    runs = reported_runs(made_up_results())
    assert list(runs) == list(models.NEEDLE_KINDS) and all(len(rows) == 3 for rows in runs.values())
    middles, shares = by_distance(runs["dense"])
    assert middles.tolist() == [44.5, 64.5, 84.5] and shares == pytest.approx([0.99] * 3)


def test_the_figure_shows_every_seed_and_every_distance():
    figure = plot_needle(made_up_results())
    copies, gists, far = figure.axes
    for panel in (copies, gists):
        assert [line.get_xdata().size for line in panel.lines[1:]] == [3] * 5
    assert [text.get_text() for text in copies.texts] == ["chance", "2%", "3%", "97%", "99%", "100%"]
    assert [line.get_ydata()[0] for line in far.lines] == pytest.approx([0.99, 0.98, 0.96, 0.02, 0.01])
    assert [text.get_text().strip() for text in far.texts] == list(models.NEEDLE_KINDS)
    assert png(figure).startswith(b"\x89PNG")


def test_what_was_measured_is_complete_and_of_this_code():
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    about, runs = results["about"], reported_runs(results)
    assert about["task"]["tokens"] == TASK.length and about["task"]["distance"] == list(distance_range(TASK))
    for kind in models.NEEDLE_KINDS:
        assert [row["seed"] for row in runs[kind]] == [0, 1, 2]
        count = sum(p.numel() for p in models.needle_model(kind, TASK.vocab_size).parameters())
        assert {row["parameters"] for row in runs[kind]} == {count}


def test_plot_copying():
    figure = plot_copying({"window": [0.0] * 40, "DSA": [0.5] * 20 + [1.0] * 20}, sparse_from=30)
    lines = figure.axes[0].lines
    assert lines[1].get_ydata()[[0, -1]].tolist() == pytest.approx([0.5, 1.0])
    assert {"window", "DSA"} <= {text.get_text() for text in figure.axes[0].texts}
