"""The anatomy figure: its numbers against the accounting, and what a page is given to show."""

import base64
import json
import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab import DeepSeekConfig
from deepseek_lab.model.accounting import activated_parameters, anatomy, cache_bytes, mtp_parameters, parameters
from deepseek_lab.viz.anatomy import (
    MEASURES,
    UNITS,
    about,
    block_rows,
    largest,
    percent,
    plot_anatomy,
    short,
    total_text,
)
from deepseek_lab.viz.anatomy_explorer import AnatomyExplorer, explore_anatomy, static_page
from deepseek_lab.viz.show import WIDGET_VIEW
from deepseek_lab.viz.theme import png

PRESETS = ("v3", "v2", "v2-lite", "lab")
PNG = b"\x89PNG"


def blocks_of(name: str, mtp: bool = True) -> list:
    return anatomy(DeepSeekConfig.preset(name), mtp)


def total(name: str, measure: str, mtp: bool = False) -> int:
    return sum(row.value for row in block_rows(blocks_of(name, mtp), measure))


@pytest.mark.parametrize("name", PRESETS)
def test_rows_sum_to_what_is_accounted(name):
    config = DeepSeekConfig.preset(name)
    assert total(name, "parameters") == parameters(config)
    assert total(name, "parameters", mtp=True) == parameters(config) + mtp_parameters(config)
    assert total(name, "activated") == activated_parameters(config)
    norms = sum(part.activated for block in blocks_of(name, False) for part in block.parts if not part.multiplies)
    embedding = config.vocab_size * config.hidden_size  # among the parts that don't multiply
    assert total(name, "flops") == 2 * (activated_parameters(config, embedding=False) - (norms - embedding))
    assert total(name, "cache") == cache_bytes(config, tokens=1)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("name", PRESETS)
def test_shares_are_shares(name, measure):
    rows = block_rows(blocks_of(name), measure)
    assert sum(row.share for row in rows) == pytest.approx(1)
    for row in rows:
        assert row.value == row.count * sum(part.value for part in row.parts)
        assert sum(part.share for part in row.parts) == pytest.approx(1 if row.value else 0)
    assert rows[largest(rows)].value == max(row.value for row in rows)


def test_alike_blocks_are_one_row():
    rows = block_rows(blocks_of("v3"), "parameters")
    assert [(row.name, row.count) for row in rows] == [
        ("embedding", 1), ("layers 0 to 2", 3), ("layers 3 to 60", 58), ("norm", 1), ("head", 1),
        ("prediction module 1", 1),
    ]  # fmt: skip
    moe = rows[2]
    assert about(moe, "parameters") == "one of layers 3 to 60: 11.5B; all 58, which are alike, come to 667.4B"
    (experts,) = [part for part in moe.parts if part.name == "mlp.experts"]
    assert experts.kind == "routed experts" and experts.value == 3 * 7168 * 2048 * 256
    assert "3 x 7,168 x 2,048 x 256 = 11,274,289,152" in experts.lines[0]
    assert about(rows[0], "parameters") == "embedding: 926.7M"


def test_lines_say_how_a_number_comes_about():
    parts = {part.name: part for part in block_rows(blocks_of("v3"), "flops")[2].parts}
    assert parts["mlp.experts"].lines[1:] == (
        "used for one token: 352,321,536, 3.1 % of them", "2 x 352,321,536 = 704,643,072 operations per token",
    )  # fmt: skip
    assert parts["4 norms"].value == 0 and "no matrix product" in parts["4 norms"].lines
    (cached,) = block_rows(blocks_of("v3"), "cache")[2].parts
    assert cached.lines == ("576 numbers x 2 bytes = 1,152 bytes per token",)


def test_a_tied_head_weighs_nothing_and_multiplies():
    config = DeepSeekConfig.preset("lab").replace(tie_word_embeddings=True)
    weights = config.vocab_size * config.hidden_size
    heads = {measure: block_rows(anatomy(config), measure)[-1].value for measure in MEASURES}
    assert heads == {"parameters": 0, "activated": 0, "flops": 2 * weights, "cache": 0}


def test_biases_are_named():
    config = DeepSeekConfig.preset("lab").replace(attention_bias=True)
    assert block_rows(anatomy(config), "parameters")[1].parts[-1].name == "7 norms and biases"


def test_the_total_in_words():
    rows = block_rows(blocks_of("v3"), "parameters")
    assert total_text("v3", rows, "parameters").startswith("v3: 682.6B parameters, 671.0B of it without the prediction")
    assert total_text("v2", block_rows(blocks_of("v2"), "cache"), "cache") == "v2: 69.1 kB of cache per token"
    flops = block_rows(blocks_of("v2-lite"), "flops")
    assert total_text("v2-lite", flops, "flops") == "v2-lite: 4.9 GFLOP per token"


@pytest.mark.parametrize(
    ("value", "measure", "text"),
    [
        (0, "parameters", "0"), (999, "parameters", "999"), (16_384, "parameters", "16.4k"),
        (999_949, "parameters", "999.9k"), (999_950, "parameters", "1.0M"), (671_026_404_352, "parameters", "671.0B"),
        (1_500_000_000_000, "activated", "1,500.0B"), (0, "flops", "0 FLOP"), (73_200_000_000, "flops", "73.2 GFLOP"),
        (128, "cache", "128 B"), (70_272, "cache", "70.3 kB"), (2_000_000_000, "cache", "2,000.0 MB"),
    ],
)  # fmt: skip
def test_numbers_as_they_are_spoken(value, measure, text):
    assert short(value, measure) == text


@given(value=st.integers(0, 10**15), measure=st.sampled_from(list(MEASURES)))
def test_spoken_numbers_are_near(value, measure):
    number, unit = re.fullmatch(r"([\d,.]+) ?(.*)", short(value, measure)).groups()
    power = UNITS.get(measure, UNITS["parameters"]).index(unit)
    assert float(number.replace(",", "")) * 1000**power == pytest.approx(value, rel=0.05, abs=0)


def test_shares_as_they_are_spoken():
    assert [percent(share) for share in (0, 1e-9, 0.00049, 0.0005, 0.978, 1)] == [
        "0.0 %", "<0.1 %", "<0.1 %", "0.1 %", "97.8 %", "100.0 %",
    ]  # fmt: skip


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("name", ["v3", "lab"])
def test_stills_can_be_drawn(name, measure):
    assert png(plot_anatomy(blocks_of(name), measure, "a title")).startswith(PNG)


def test_nonsense_is_refused(shown):
    with pytest.raises(ValueError, match=r"measure: got 'weight', but it takes one of \['parameters'"):
        block_rows(blocks_of("lab"), "weight")
    with pytest.raises(ValueError, match="blocks: got none"):
        block_rows([], "parameters")
    with pytest.raises(ValueError, match=r"name: got 'v9', but it takes one of the models: \['lab'\]"):
        explore_anatomy({"lab": blocks_of("lab")}, "v9")
    with pytest.raises(ValueError, match=r"name: got None, but it takes one of the models: \[\]"):
        explore_anatomy({})
    with pytest.raises(ValueError, match="measure: got 'weight'"):
        explore_anatomy({"lab": blocks_of("lab")}, measure="weight")
    assert not shown


def test_explorer_brings_a_still_and_a_page(shown):
    models = {"</script>": blocks_of("lab"), "v3": blocks_of("v3")}
    explore_anatomy(models)
    assert set(shown[0]) == {"text/plain", "text/html", "image/png", WIDGET_VIEW}
    page = shown[0]["text/html"]
    assert page.count("</script>") == 1, "a name must not end the script"
    assert "http" not in page, "nothing is fetched from anywhere"
    still = re.search(r'src="data:image/png;base64,([^"]+)"', page).group(1)
    assert base64.b64decode(still).startswith(PNG)
    values = json.loads(re.search(r"fixedModel\((\{.*\})\), el", page).group(1))
    assert values["name"] == "</script>" and values["measure"] == "parameters"
    rows = values["figure"]["models"]["v3"]["parameters"]["rows"]
    assert [row["name"] for row in rows] == [row.name for row in block_rows(models["v3"], "parameters")]


def test_every_number_of_the_page_is_the_accounts():
    models = {name: blocks_of(name) for name in PRESETS}
    figure = AnatomyExplorer(models, "v3", "flops").figure
    for name in PRESETS:
        for measure in MEASURES:
            drawn = figure["models"][name][measure]
            rows = block_rows(models[name], measure)
            assert drawn["total"] == total_text(name, rows, measure) and drawn["largest"] == largest(rows)
            for row, entry in zip(rows, drawn["rows"], strict=True):
                assert entry["about"] == about(row, measure) and entry["numbers"][0] == short(row.value, measure)
                for part, [label, kind, value, share, spoken, lines] in zip(row.parts, entry["parts"], strict=True):
                    assert (label, value, spoken) == (part.name, short(part.value, measure), percent(part.share))
                    assert figure["kinds"][kind][0] == part.kind and share == pytest.approx(part.share, rel=1e-4)
                    assert tuple(figure["texts"][line] for line in lines) == part.lines


def test_the_same_numbers_give_the_same_page():
    widgets = [AnatomyExplorer({"lab": blocks_of("lab")}, "lab", "cache") for _ in range(2)]
    first, second = (static_page(widget, b"still", "alt") for widget in widgets)
    assert first == second


@dataclass(frozen=True)
class Part:
    """What the figure needs of a part."""

    name: str
    parameters: int
    activated: int
    formula: str
    multiplies: bool = True


@dataclass(frozen=True)
class Block:
    """What the figure needs of a block."""

    name: str
    kind: str
    parts: tuple
    cached: int = 0

    @property
    def parameters(self) -> int:
        return sum(part.parameters for part in self.parts)


def test_rows_by_hand():
    """Neighbours that are alike are merged, the same block later on is not, nor one that caches something else."""
    attention, mlp = Part("self_attn.o_proj", 30, 30, "30"), Part("mlp.experts", 60, 6, "60")
    norm = Part("norm", 10, 10, "10", multiplies=False)
    plain, moe = (attention, norm), (attention, mlp, norm)
    layers = [Block(f"layer {i}", "x", parts, cached) for i, (parts, cached) in enumerate(
        [(plain, 2), (moe, 2), (moe, 2), (plain, 2), (plain, 3)]
    )]  # fmt: skip
    rows = {measure: block_rows(layers, measure) for measure in MEASURES}
    assert [row.name for row in rows["cache"]] == ["layer 0", "layers 1 to 2", "layer 3", "layer 4"]
    values = {measure: [row.value for row in found] for measure, found in rows.items()}
    assert values == {
        "parameters": [40, 200, 40, 40], "activated": [40, 92, 40, 40],
        "flops": [60, 144, 60, 60], "cache": [4, 8, 4, 6],
    }  # fmt: skip
    assert [row.share for row in rows["parameters"]] == [0.125, 0.625, 0.125, 0.125]
    assert [part.share for part in rows["parameters"][1].parts] == [0.3, 0.6, 0.1]
    assert largest(rows["activated"]) == 1 and largest(rows["cache"]) == 1


@pytest.mark.parametrize(
    "shape", [dict(first_k_dense_replace=4), dict(num_hidden_layers=1, first_k_dense_replace=0)], ids=["dense", "one"]
)
def test_small_and_dense_models(shape):
    config = DeepSeekConfig.preset("lab").replace(**shape)
    for measure, wanted in (("parameters", parameters(config)), ("cache", cache_bytes(config, tokens=1))):
        rows = block_rows(anatomy(config), measure)
        assert len(rows) == 4 and sum(row.value for row in rows) == wanted
        assert png(plot_anatomy(anatomy(config), measure)).startswith(PNG)


def test_where_nothing_is_cached_nothing_is_drawn():
    (row,) = block_rows(blocks_of("v3")[:1], "cache")
    assert (row.value, row.share, row.parts) == (0, 0.0, ())
    assert png(plot_anatomy(blocks_of("v3")[:1], "cache")).startswith(PNG)


def test_the_course_cell_stays_small_and_the_same(shown):
    for _ in range(2):
        explore_anatomy({name: blocks_of(name) for name in PRESETS})
    sizes = [len(shown[0][kind]) for kind in ("text/html", "image/png")]
    assert sum(sizes) < 120_000
    assert all(shown[0][kind] == shown[1][kind] for kind in ("text/plain", "text/html", "image/png"))
