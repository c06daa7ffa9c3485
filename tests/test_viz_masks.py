"""Who reads what: numbers by hand, pictures of any text, and an explorer that asks for the right map."""

import numpy as np
import pytest

from deepseek_lab.viz.mask_explorer import MAX_BYTES, MAX_TOKENS, MaskExplorer, explore_masks, figure_data
from deepseek_lab.viz.masks import (
    Branch,
    ReadingMap,
    branch_colors,
    describe_reading,
    drawable,
    lay_out,
    plot_masks,
    plot_row,
)
from deepseek_lab.viz.page import shortened
from deepseek_lab.viz.show import WIDGET_VIEW
from deepseek_lab.viz.theme import GREY, ORANGE, SKY, png

PNG = b"\x89PNG"
SETTINGS = {"window": [2, 4], "compression": [2, 4], "topk": [1, 2]}
VARIANTS = ["window", "CSA"]


def window_branch(count: int, window: int) -> Branch:
    ahead = np.arange(count)[:, None] - np.arange(count)
    return Branch("window", [(i, i + 1) for i in range(count)], None, (ahead >= 0) & (ahead < window))


def compressed_branch(count: int, ratio: int, topk: int, overlap: bool = True) -> Branch:
    """Entries that overlap, scored by their number, so that the newest `topk` are chosen."""
    entries = count // ratio
    spans = [(max(0, (j - 1) * ratio) if overlap else j * ratio, (j + 1) * ratio) for j in range(entries)]
    complete = (np.arange(count)[:, None] + 1) // ratio
    seen = np.arange(entries) < complete
    scores = np.where(seen, np.arange(entries, dtype=float), -np.inf)
    return Branch("compressed", spans, scores, seen & (np.arange(entries) >= complete - topk))


def map_of(text: str, variant: str, settings: dict) -> ReadingMap:
    branches = [window_branch(len(text), settings["window"])]
    if variant == "CSA":
        branches.append(compressed_branch(len(text), settings["compression"], settings["topk"]))
    return ReadingMap(list(text), branches)


def by_hand() -> ReadingMap:
    """Six tokens, a window of 2, entries (0, 2), (0, 4), (2, 6), of which the newest is read."""
    return ReadingMap(list("abcdef"), [window_branch(6, 2), compressed_branch(6, 2, 1)])


def test_keys_and_cover_by_hand():
    reading = by_hand()
    assert reading.branches[1].spans == [(0, 2), (0, 4), (2, 6)]
    assert reading.keys_read().tolist() == [1, 3, 3, 3, 3, 3]
    assert reading.keys_in_reach().tolist() == [1, 3, 4, 6, 7, 9]
    assert reading.cover().dtype == np.int8
    assert reading.cover().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [2, 1, 1, 0, 0, 0],
        [2, 2, 1, 1, 0, 0],
        [2, 2, 2, 1, 1, 0],
        [0, 0, 2, 2, 1, 1],
    ]


def test_where_entries_are_drawn():
    near, far = by_hand().branches
    assert far.places() == [(0, 2), (2, 4), (4, 6)], "none covers another"
    assert far.lanes() == [0, 1, 0] and near.lanes() == []
    assert compressed_branch(12, 4, 1, overlap=False).lanes() == [0, 0, 0]
    assert branch_colors([near, far]) == [SKY, ORANGE]
    assert len(set(branch_colors([near] * 5))) == 5 and branch_colors([near] * 6)[-1] == GREY
    assert branch_colors([compressed_branch(3, 4, 1)]) == [ORANGE], "the same before its first entry is complete"


def test_a_row_in_words():
    words = "reads 3 of 9 entries: window 2 of 6, compressed 1 of 3. Through them it reaches 4 of 6 tokens."
    assert describe_reading(by_hand(), 5) == f"Token 5 “f” {words}"
    assert describe_reading(ReadingMap(["\n"], [window_branch(1, 1)]), 0).startswith("Token 0 “⏎” reads 1 of 1 entries")


def test_the_first_tokens_are_a_part_of_the_whole():
    whole = map_of("abcdefghij", "CSA", {"window": 3, "compression": 2, "topk": 2})
    part = whole.first(7)
    same = map_of("abcdefg", "CSA", {"window": 3, "compression": 2, "topk": 2})
    assert list(part.tokens) == list("abcdefg") and part.branches[1].spans == same.branches[1].spans
    assert (part.cover() == same.cover()).all() and (part.keys_read() == same.keys_read()).all()
    assert (part.branches[1].scores == same.branches[1].scores).all()
    assert whole.first(99).keys_read().tolist() == whole.keys_read().tolist()


def wrong_branches() -> list:
    near = window_branch(4, 2)
    future = np.ones((4, 4), dtype=bool)
    unscored = np.full((4, 4), np.nan)
    return [
        (lambda: Branch("b", near.spans[:3], None, near.kept), r"kept: got bool of shape \(4, 4\).*\(tokens, 3\)"),
        (lambda: Branch("b", near.spans, None, near.kept.astype(int)), "kept: got int64"),
        (lambda: Branch("b", near.spans, unscored[:, :3], near.kept), r"scores: got shape \(4, 3\)"),
        (lambda: Branch("b", [(0, 5)], None, near.kept[:, :1]), r"spans: got \(0, 5\)"),
        (lambda: Branch("b", [(2, 2)], None, near.kept[:, :1]), r"spans: got \(2, 2\)"),
        (lambda: Branch("b", near.spans, None, future), "kept: query 0 reads entry 1 of b"),
        (lambda: Branch("b", [(0, 2)], None, future[:, :1]), "kept: query 0 reads entry 0 of b"),
        (lambda: Branch("b", near.spans, unscored, near.kept), "kept: query 0 reads entry 0 of b"),
        (lambda: ReadingMap(list("abc"), [near]), "branches: got 4 queries of window, but it takes 3"),
        (lambda: ReadingMap([], [near]), "got 0 tokens"),
        (lambda: ReadingMap(list("abcd"), []), "0 branches"),
    ]


@pytest.mark.parametrize(("make", "message"), wrong_branches())
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("text", ["a", "two\n\nlines\n", "x" * 96, "\t😀 \\ $x_1$ é 猫"])
def test_any_text_can_be_drawn(text):
    settings = {"window": 4, "compression": 4, "topk": 2}
    maps = {variant: map_of(text, variant, settings) for variant in VARIANTS}
    assert png(plot_masks(maps, len(text) - 1)).startswith(PNG)
    for name, reading in maps.items():
        assert png(plot_row(reading, len(text) // 2, name)).startswith(PNG)


def test_titles_count_the_keys():
    text = "abcdefgh"
    maps = {variant: map_of(text, variant, {"window": 3, "compression": 2, "topk": 1}) for variant in VARIANTS}
    assert [axes.get_title(loc="left") for axes in plot_masks(maps, 7).axes] == ["window: reads 3", "CSA: reads 4"]
    with pytest.raises(ValueError, match="query: got 8"):
        plot_masks(maps, 8)
    with pytest.raises(ValueError, match=r"query: got 2 with \[3, 8\] tokens"):
        plot_masks(maps | {"short": maps["CSA"].first(3)}, 2)
    with pytest.raises(ValueError, match="query: got -1"):
        plot_row(maps["CSA"], -1)


def test_the_pictures_rows_are_the_cover():
    axes = plot_row(by_hand(), 5).axes[0]
    pixels = axes.images[0].get_array()
    read, unread, future = (pixels[row, column].tolist() for row, column in ((5, 5), (5, 0), (0, 5)))
    assert pixels[0, 0].tolist() == read != unread != future
    assert all(pixels[row, column].tolist() == future for row in range(6) for column in range(row + 1, 6))
    assert pixels[4, 0].tolist() == pixels[3, 1].tolist() not in (read, unread, future)


def test_long_lines_and_long_tokens_are_broken():
    assert lay_out(["ab", " c\n", "d"], 30) == [(0, 0, "ab"), (0, 2, "·c⏎"), (1, 0, "d")]
    assert [place[:2] for place in lay_out(["x" * 20] * 3, 30)] == [(0, 0), (1, 0), (2, 0)]
    assert lay_out(["y" * 99], 30)[0][2] == "y" * 29 + "…"
    assert lay_out([""], 30) == [(0, 0, "∅")]
    assert drawable("a😀\n b") == "a□⏎·b"


def explorer(recorded: list, text: str = "abcdefgh", query: int = 7) -> MaskExplorer:
    def ask(text, variant, settings):
        recorded.append((text, variant, settings))
        if settings["window"] < settings["compression"]:
            raise ValueError("window: got less than the chunk")
        return map_of(text, variant, settings)

    start = {"window": 4, "compression": 2, "topk": 1}
    return MaskExplorer(ask, text, VARIANTS, SETTINGS, {"window": ["window"]}, "CSA", start, query)


def test_explorer_asks_for_what_is_chosen():
    asked = []
    widget = explorer(asked)
    assert asked == [("abcdefgh", "CSA", {"window": 4, "compression": 2, "topk": 1})]
    assert widget.uses == {"window": ["window"], "CSA": ["compression", "topk", "window"]}
    assert widget.figure["sentences"][7].startswith(
        "Token 7 “h” reads 5 of 12 entries: window 4 of 8, compressed 1 of 4"
    )
    widget.settings = {"window": 2, "compression": 2, "topk": 2}
    assert asked[-1] == ("abcdefgh", "CSA", {"window": 2, "compression": 2, "topk": 2})
    assert widget.figure["sentences"][7].startswith("Token 7 “h” reads 4 of 12 entries")
    widget.variant = "window"
    assert asked[-1][1] == "window" and [b["name"] for b in widget.figure["branches"]] == ["window"]
    widget.text = "xyz"
    assert asked[-1][0] == "xyz" and widget.figure["tokens"] == list("xyz") and widget.query == 2
    assert len(asked) == 4


def test_explorer_says_what_is_wrong_and_keeps_the_picture():
    asked = []
    widget = explorer(asked, query=3)
    before = widget.figure
    widget.settings = {"window": 2, "compression": 4, "topk": 1}
    assert widget.note == "Not drawn: window: got less than the chunk" and widget.stale and widget.figure == before
    widget.settings = {"window": 4, "compression": 4, "topk": 1}
    assert widget.note == "" and not widget.stale and widget.figure != before
    widget.text = ""
    assert widget.note == "Type at least one character." and widget.figure["tokens"] == list("abcdefgh")
    widget.variant = "window"  # an empty text does not stop the rest
    assert asked[-1][:2] == ("abcdefgh", "window") and len(widget.figure["branches"]) == 1
    widget.text = "a😀b\ud800"  # half a character, as a browser may send it
    assert asked[-1][0] == "a😀b" and widget.figure["tokens"] == list("a😀b") and widget.note == ""


def test_explorer_cuts_long_texts():
    asked = []
    widget = explorer(asked)
    widget.text = "x" * 100_000
    assert len(asked[-1][0]) == MAX_BYTES and len(widget.figure["tokens"]) == MAX_TOKENS
    assert widget.note == "Only the first 96 tokens are shown."
    assert widget.query == MAX_TOKENS - 1, "who looks at the last token goes on doing so"
    widget.query = 20
    widget.text = "x" * MAX_TOKENS
    assert widget.note == "" and widget.query == 20
    assert shortened("x" * 598 + "😀", 600) == "x" * 598, "no character is cut in two"


def test_the_page_gets_the_numbers():
    figure = figure_data(by_hand())
    assert np.frombuffer(figure["cover"], dtype=np.int8).reshape(6, 6).tolist() == by_hand().cover().tolist()
    near, far = figure["branches"]
    assert near["scores"] is None and near["lanes"] == [] and far["places"] == [[0, 2], [2, 4], [4, 6]]
    assert np.frombuffer(far["state"], dtype=np.uint8).reshape(6, 3).tolist() == [
        [0, 0, 0], [2, 0, 0], [2, 0, 0], [1, 2, 0], [1, 2, 0], [1, 1, 2],
    ]  # fmt: skip
    assert np.frombuffer(far["scores"], dtype="<f4").reshape(6, 3)[5].tolist() == [0, 1, 2]


def test_explore_brings_a_still(shown):
    explore_masks(map_of, "hello world", VARIANTS, SETTINGS, {"variant": "CSA", "topk": 2})
    assert set(shown[0]) == {"text/plain", "image/png", WIDGET_VIEW}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(text=""), "text: got ''"),
        (dict(variants=[]), "variants: got none"),
        (dict(start={"variant": "MLA"}), "start: got 'MLA' for 'variant'.*window"),
        (dict(start={"window": 3}), r"start: got 3 for 'window', but it takes one of \[2, 4\]"),
        (dict(start={"heads": 3}), "start: got 'heads'"),
        (dict(start={"query": 5}), "query: got 5, but it takes 0 to 4"),
        (dict(uses={"MLA": {"window"}}), "uses: got 'MLA'"),
        (dict(uses={"CSA": {"heads"}}), "uses: got 'CSA'"),
        (dict(settings=SETTINGS | {"query": [1]}), "settings: got 'query'"),
    ],
)
def test_explore_refuses_what_is_not_there(change, message, shown):
    arguments = dict(text="hello", variants=VARIANTS, settings=SETTINGS) | change
    with pytest.raises(ValueError, match=message):
        explore_masks(map_of, **arguments)
    assert not shown
