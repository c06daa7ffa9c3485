"""The writing explorer and the course's map: numbers by hand, pictures, requests that make no sense, and the page."""

import json
import re
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest

from deepseek_lab.inference.watching import Scene, WrittenToken
from deepseek_lab.viz.course_map import CHAPTERS, plot_course_map
from deepseek_lab.viz.show import WIDGET_VIEW
from deepseek_lab.viz.theme import png
from deepseek_lab.viz.writing import (
    cache_sentence,
    expert_shares,
    expert_use,
    looked_at,
    pass_sentence,
    plot_writing,
    to_blue,
    to_grey,
)
from deepseek_lab.viz.writing_explorer import WritingExplorer, explore_writing, static_page, step_data

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


def step(piece: str, tokens: int, chosen: list[int], probability: float = 0.5) -> WrittenToken:
    attention = np.stack([np.full(tokens, 1 / tokens), np.eye(tokens)[0]])
    likeliest = ((piece, probability), ("$x^2$", 0.1))
    return WrittenToken(
        piece, probability, likeliest, attention, np.array([chosen]), np.array([[1.0, 3.0]]), (5 * tokens, 5 * tokens)
    )


# Two layers, the second with four experts, of which two are chosen; ten bytes a token, of forty.
SCENE = Scene(("<begin>", "a b"), 2, (1,), 4, 10, 40)
STEPS = [step("\n", 2, [0, 1]), step("é", 3, [1, 3], 0.001), step("</script>", 4, [3, 2], 0.999)]
NO_EXPERTS = replace(STEPS[0], chosen=np.zeros((0, 0), int), weights=np.zeros((0, 0)))


def write(prompt: str, count: int, temperature: float, seed: int):
    if prompt == "bad":
        raise ValueError("tokens of the prompt: got 3")
    if prompt == "large":
        raise RuntimeError("out of memory")
    return SCENE, iter(STEPS[:count])


def test_numbers_by_hand():
    assert looked_at(STEPS[0]).tolist() == [0.75, 0.25]
    assert looked_at(STEPS[0], 1).tolist() == [1, 0]
    assert expert_shares(SCENE, STEPS[1]).tolist() == [[0, 0.25, 0, 0.75]]
    assert expert_use(SCENE, STEPS[:2]).tolist() == [[0.5, 1, 0, 0.5]]
    assert expert_shares(replace(SCENE, expert_layers=(), experts=0), NO_EXPERTS).shape == (0, 0)


def test_sentences_by_hand():
    assert pass_sentence(SCENE, STEPS, 0) == "Token 1: it stands at “a·b” and writes “⏎” (50 %)"
    assert pass_sentence(SCENE, STEPS, 1) == "Token 2: it stands at “⏎” and writes “é” (less than 1 %)"
    assert cache_sentence(SCENE, STEPS[2]) == (
        "Cache: 4 tokens × 10 bytes = 0.0 kB. Keys and values of every head: 4 times as much, 0.2 kB."
    )


def test_colours_tell_more_from_less():
    for shade in (to_blue, to_grey):
        light, dark = np.array(shade(0.1)), np.array(shade(0.4))
        assert np.all(light > dark)
    assert to_blue(0.5) == to_blue(0.9)


@pytest.mark.parametrize(("at", "layer"), [(0, None), (-1, 1), (1, 0)])
def test_pictures_are_drawn(at, layer):
    assert png(plot_writing(SCENE, STEPS, at, layer)).startswith(b"\x89PNG")


def test_a_picture_without_experts():
    assert png(plot_writing(replace(SCENE, expert_layers=(), experts=0), [NO_EXPERTS]))


def test_pictures_differ():
    pictures = {png(plot_writing(SCENE, STEPS, at, layer)) for at, layer in ((0, None), (1, None), (1, 1))}
    assert len(pictures) == 3


@pytest.mark.parametrize(("at", "layer", "words"), [(3, None, "at: got 3"), (-4, None, "at"), (0, 2, "layer: got 2")])
def test_places_that_are_not_there(at, layer, words):
    with pytest.raises(ValueError, match=words):
        plot_writing(SCENE, STEPS, at, layer)
    with pytest.raises(ValueError, match=words):
        explore_writing(write, "a b", 3, at=at, layer=layer)


def test_each_token_travels_as_soon_as_it_is_written():
    widget, sent = WritingExplorer(write, "a b", 3, 0.0), []
    widget.observe(lambda change: sent.append(change["new"]["index"]), "newest")
    seen = []

    def slow(*request):
        scene, steps = write(*request)
        return scene, (seen.append(list(sent)) or each for each in steps)

    widget._write = slow
    widget.asked += 1
    assert seen == [[], [0], [0, 1]] and sent == [0, 1, 2], "before each token the ones before it were sent"
    assert [each["index"] for each in widget.steps] == [0, 1, 2] and {each["run"] for each in widget.steps} == {1}
    assert widget.answered == widget.asked and widget.scene["run"] == 1 and widget.scene["count"] == 3


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"prompt": ""}, "Not written: the prompt takes at least one character"),
        ({"prompt": "x" * 301}, "Not written: the prompt has 301 characters; it takes at most 300"),
        ({"count": 0}, "Not written: 0 tokens to write; it takes 1 to 120"),
        ({"count": 121}, "Not written: 121 tokens to write"),
        ({"prompt": "bad"}, "Not written: tokens of the prompt: got 3"),
        ({"prompt": "large"}, "Not written: out of memory"),
    ],
)
def test_a_request_that_makes_no_sense_gets_a_sentence(request_, words):
    widget = WritingExplorer(write, "a b", 2, 0.0)
    widget.asked += 1
    before = widget.steps
    widget.set_trait("note", "")
    for name, value in request_.items():
        setattr(widget, name, value)
    widget.asked += 1
    assert words in widget.note and widget.answered == widget.asked == 2 and widget.steps == before
    widget.prompt, widget.count = "a b", 1
    widget.asked += 1
    assert widget.note == "" and len(widget.steps) == 1


def test_each_request_has_its_own_seed():
    seeds = []
    widget = WritingExplorer(lambda *request: seeds.append(request[3]) or write(*request), "a b", 2, 1.0)
    widget.run()
    widget.asked += 1
    widget.asked += 1
    assert seeds == [0, 1, 2]


def test_the_first_request_raises():
    with pytest.raises(ValueError, match="at least one character"):
        explore_writing(write, "")


def test_what_is_displayed(monkeypatch):
    shown = []
    monkeypatch.setattr("deepseek_lab.viz.show.display", lambda bundle, raw: shown.append(bundle))
    explore_writing(write, "a b", 3, at=1, layer=1)
    (bundle,) = shown
    assert set(bundle) == {"text/plain", "image/png", "text/html", WIDGET_VIEW}
    assert bundle["text/html"].count("</script>") == 1, "that of a token would end the page's own"


def test_the_page_holds_the_numbers_and_no_times():
    widget = WritingExplorer(write, "a b", 3, 0.0)
    widget.run()
    page = static_page(widget, b"not a picture", "alt")
    values = json.loads(re.search(r"fixedModel\((\{.*\})\), el: place", page).group(1))
    assert [each["piece"] for each in values["steps"]] == ["\n", "é", "</script>"]
    assert not any("ms" in each for each in values["steps"]), "two builds would differ"
    assert values["steps"][1]["shares"] == [[0.25, 0.75]] and values["scene"]["prompt"] == ["<begin>", "a b"]


def test_steps_can_be_sent():
    data = step_data(STEPS[2])
    assert json.loads(json.dumps(data)) == data
    assert data["attention"] == [[250, 250, 250, 250], [1000, 0, 0, 0]]
    assert step_data(NO_EXPERTS)["shares"] == []


def test_the_map_has_every_notebook():
    figure = plot_course_map()
    numbers = {int(text.get_text()) for text in figure.axes[0].texts if text.get_text().isdigit()}
    assert numbers == set(CHAPTERS) and png(figure)
    assert {int(path.name[:2]) for path in NOTEBOOKS.glob("*.ipynb")} <= numbers | {0}


def cells(name: str) -> dict[str, str]:
    return {cell.id: cell.source for cell in nbformat.read(NOTEBOOKS / name, 4).cells}


def rows_of_the_map() -> list[tuple[str, str, str, str]]:
    """(number, title, file, time) of each row."""
    return re.findall(
        r"^\| (\d) \| \[(.*?)\]\((.*?)\) \| .*? \| (.*?) \|$", cells("00_start_here.ipynb")["map-table"], re.M
    )


def test_the_map_names_notebooks_as_they_name_themselves():
    """Number, title and time, as on each notebook's first page."""
    rows = rows_of_the_map()
    assert [int(number) for number, *_ in rows] == list(CHAPTERS)
    for number, title, file, time in rows:
        if not (NOTEBOOKS / file).exists():
            continue
        first = cells(file)["title"]
        assert first.startswith(f"# {number} · {title}\n"), (file, title)
        assert f"| **Time** | {time[0].upper()}{time[1:]} of computing on two CPU cores" in first, (file, time)


def test_sections_that_are_named_exist():
    """A link whose text is a section's number, as [5.1, 5.8](05_zero_training.ipynb), leads to a notebook with it."""
    found = 0
    for source in cells("00_start_here.ipynb").values():
        for words, file in re.findall(r"\[([^\]]*)\]\((\d\d_\w+\.ipynb)\)", source):
            for section in re.findall(r"\b(\d\.\d+)\b", words):
                text = "\n".join(cells(file).values())
                assert re.search(rf"^## {re.escape(section)} ", text, re.M), (section, file)
                found += 1
    assert found >= 12
