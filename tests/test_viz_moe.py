"""Figures about experts: numbers by hand, pictures that can be drawn, and an explorer that needs no kernel."""

import base64
import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab.model.small_moe import small_moe
from deepseek_lab.training.corpus import encode, token_labels
from deepseek_lab.training.kinds import KINDS, byte_classes, byte_kinds
from deepseek_lab.training.snapshots import Snapshots, routing_history
from deepseek_lab.viz.experts import (
    expert_lift,
    plot_balance,
    plot_cost,
    plot_losses,
    plot_losses_without,
    plot_shares,
    plot_violations,
    share_told,
    summarise,
)
from deepseek_lab.viz.routing import RoutingMaps, plot_routing, rows_per_expert, top_expert
from deepseek_lab.viz.routing_explorer import MAX_TOKENS, RoutingExplorer, explore_routing
from deepseek_lab.viz.show import WIDGET_VIEW
from deepseek_lab.viz.theme import png

PNG = b"\x89PNG"


def maps_of(text: str, steps: int = 3, layers: int = 2, experts: int = 8, k: int = 2) -> RoutingMaps:
    """Random scores, chosen as a router without bias would."""
    count = len(text.encode())
    scores = np.random.default_rng(0).random((steps, layers, count, experts))
    chosen = np.argsort(-scores, axis=-1)[..., :k]
    weights = np.take_along_axis(scores, chosen, axis=-1)
    weights /= weights.sum(axis=-1, keepdims=True)
    return RoutingMaps(token_labels(text), range(steps), scores, np.zeros((steps, layers, experts)), chosen, weights)


def test_rows_and_top_experts_by_hand():
    experts = np.array([[[[2, 0], [1, 2], [2, 3]]]])
    weights = np.array([[[[0.4, 0.6], [0.9, 0.1], [0.5, 0.5]]]])
    maps = RoutingMaps("abc", [7], np.zeros((1, 1, 3, 4)), np.zeros((1, 1, 4)), experts, weights)
    assert rows_per_expert(maps, 0, 0).tolist() == [1, 1, 3, 1]
    assert top_expert(maps, 0, 0).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="weights: got shape"):
        RoutingMaps("abc", [7], maps.scores, maps.biases, experts, weights[..., :1])
    with pytest.raises(ValueError, match="labels, steps: got 2 labels"):
        RoutingMaps("ab", [7], maps.scores, maps.biases, experts, weights)
    for bad in (1.5, float("nan")):
        with pytest.raises(ValueError, match="scores: got numbers"):
            RoutingMaps("abc", [7], maps.scores + bad, maps.biases, experts, weights)


@pytest.mark.parametrize("text", ["a", "two\nlines\n\n", "x" * 150, "\t😀 \\ $x_1$ </script>"])
def test_any_text_can_be_drawn(text):
    assert png(plot_routing(maps_of(text), 2, 1)).startswith(PNG)


def test_lift_is_against_chance():
    experts = np.array([[0], [0], [1], [1]])
    assert expert_lift(experts, ["a", "a", "b", "b"], ["a", "b", "c"], 3).tolist() == [
        [2.0, 0.0, 1.0], [0.0, 2.0, 1.0], [1.0, 1.0, 1.0],
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"kinds: got \['z'\]"):
        expert_lift(experts, list("aabz"), ["a", "b"], 2)
    assert (expert_lift(experts, ["a", "b", "a", "b"], ["a", "b"], 2) == 1).all()


def test_what_experts_tell_by_hand():
    labels = ["a", "a", "b", "b"]
    assert share_told(np.array([[0], [0], [1], [1]]), labels, 4) == pytest.approx(1.0)
    assert share_told(np.array([[0], [1], [0], [1]]), labels, 4) == pytest.approx(0.0)
    assert share_told(np.array([[0, 2], [0, 3], [1, 2], [1, 3]]), labels, 4) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="labels: got only"):
        share_told(np.array([[0], [1]]), ["a", "a"], 2)


RUNS = [
    dict(shape="s", method=method, strength=strength, seed=seed, max_vio_global=vio + seed / 50, validation_loss=1.5)
    for method, strength, vio in (("none", 0.0, 3.0), ("aux", 0.01, 0.3), ("bias", 0.01, 0.2))
    for seed in range(3)
]


def test_summaries_and_figures_can_be_drawn():
    mean, least, most = summarise(RUNS, "max_vio_global")["s", "none", 0.0]
    assert (mean, least, most) == pytest.approx((3.02, 3.0, 3.04))
    for figure in (
        plot_balance(RUNS, RUNS[-1]),
        plot_cost([4, 8], {"one": [1, 2], "two": [1, 1]}, "MFLOP"),
        plot_violations({"none": [[3, 4], [3, 3]], "bias": [[2, 1]]}, every=20),
        plot_shares(["a", "b"], np.array([[0.0, 8.0], [1.0, 12.0]]), "title"),
        plot_losses({"a": [1.5, 1.6], "b": [1.4]}),
        plot_losses_without(["one", "two"], [1.6, 2.0], 1.5),
    ):
        assert png(figure).startswith(PNG)


def test_kinds_of_bytes_by_hand():
    source = b'def f(x1):  # why\n    return "a b" + 12 if x1 else None\n'
    kinds = byte_kinds(source)
    assert len(kinds) == len(source) and set(kinds) <= set(KINDS)

    def kind_at(piece: bytes) -> set[str]:
        start = source.index(piece)
        return set(kinds[start : start + len(piece)])

    for piece, kind in (
        (b"def", "keyword"), (b"x1", "identifier"), (b"# why", "comment"), (b"    ", "indent"), (b'"a b"', "string"),
        (b"12", "digit"), (b"):", "punctuation"), (b"None", "keyword"), (b"\n", "space"), (b"if", "keyword"),
    ):  # fmt: skip
        assert kind_at(piece) == {kind}, piece


@given(st.binary(max_size=80))
def test_every_byte_has_a_kind(source):
    assert len(byte_kinds(source)) == len(source)


def test_classes_of_bytes():
    assert byte_classes(b"a1 \n;") == ["letter", "digit", "space", "line end", "punctuation"]
    assert byte_classes("é".encode()) == ["letter", "letter"]


def test_a_file_cut_off_keeps_the_kinds_before():
    kinds = byte_kinds(b'x = 1\ny = """never closed\nz')
    assert kinds[0] == "identifier" and kinds[4] == "digit"


def test_indents_inside_strings_are_strings():
    source = b'x = """a\n    b"""\n    \n'
    assert byte_kinds(source)[9:13] == ["string"] * 4


@pytest.fixture(scope="module")
def trained() -> Snapshots:
    torch.manual_seed(0)
    model = small_moe(8, 2, 16)
    snapshots = Snapshots(model, [0, 2])
    for _ in range(2):
        with torch.no_grad():
            for tensor in model.state_dict().values():
                tensor += 0.01 * torch.randn_like(tensor)
        snapshots.after_step()
    return snapshots


def test_history_is_what_the_model_did(trained):
    ids = encode("def f(x):")
    history = routing_history(trained, ids)
    assert history.steps == [0, 2] and history.scores.shape == (2, 2, 9, 8)
    for place, step in enumerate(history.steps):
        model = small_moe(8, 2, 16)
        model.load_state_dict(trained.states[step])
        assert torch.allclose(trained.at(step)(ids), model(ids), atol=1e-5)
        bias = model.layers[1].mlp.gate.e_score_correction_bias
        assert torch.equal(history.biases[place, 1], bias)
        chosen = (history.scores[place, 1] + bias).topk(2).indices.sort().values
        assert torch.equal(chosen, history.experts[place, 1].sort().values)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: Snapshots(s.model, [3, 1]), r"steps: got \[3, 1\]"),
        (lambda s: Snapshots(s.model, []), r"steps: got \[\]"),
        (lambda s: s.at(1), r"step: got 1.*\[0, 2\]"),
        (lambda s: routing_history(s, torch.zeros(2, 3, dtype=torch.long)), r"input_ids: got \(2, 3\)"),
    ],
)
def test_bad_snapshots_are_named(trained, call, message):
    with pytest.raises(ValueError, match=message):
        call(trained)


def test_explorer_follows_the_text():
    widget = RoutingExplorer(maps_of, "hello", groups=4, k=2, step=2, token=4)
    assert widget.labels == list("hello") and widget.shape == [3, 2, 5, 8]
    sent = np.frombuffer(widget.scores, dtype="<u2").reshape(widget.shape) / 65535
    assert np.abs(sent - maps_of("hello").scores).max() < 1e-5
    widget.text = "ab"
    assert widget.labels == ["a", "b"] and widget.token == 1 and not widget.note
    widget.text = ""
    assert widget.note == "Type at least one character." and widget.labels == ["a", "b"]
    widget.text = "x" * (MAX_TOKENS + 50)
    assert len(widget.labels) == MAX_TOKENS and str(MAX_TOKENS) in widget.note
    widget.text = "x" * (MAX_TOKENS - 2) + "😀"
    assert len(widget.labels) == MAX_TOKENS - 2  # no character is cut in two


def test_explorer_brings_a_still_and_a_page(shown):
    explore_routing(maps_of, "a </script> b", groups=2, step=-1, layer=1, token=3)
    assert set(shown[0]) == {"text/plain", "text/html", "image/png", WIDGET_VIEW}
    page = shown[0]["text/html"]
    assert page.count("</script>") == 1, "the text must not end the script"
    still = re.search(r'src="data:image/png;base64,([^"]+)"', page).group(1)
    assert base64.b64decode(still).startswith(PNG)
    values = json.loads(re.search(r"fixedModel\((\{.*\})\), el", page).group(1))
    assert values["labels"] == list("a </script> b") and values["step"] == 2 and values["k"] == 2
    assert len(base64.b64decode(values["scores"])) == 2 * np.prod(values["shape"])
    assert "http" not in page, "nothing is fetched from anywhere"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (dict(step=3), "step: got 3"),
        (dict(step=-4), "step: got -4.*-3 to 2"),
        (dict(layer=2), "layer: got 2"),
        (dict(token=5), "token: got 5"),
        (dict(groups=3), "groups: got 3"),
    ],
)
def test_explorer_refuses_what_is_not_there(place, words, shown):
    with pytest.raises(ValueError, match=words):
        explore_routing(maps_of, "hello", **place)
