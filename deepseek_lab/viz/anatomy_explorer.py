"""Anatomy explorer: choose a model and a measure, click a block, and see its parts and how each number comes about."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import anywidget
import traitlets

from deepseek_lab.viz.anatomy import (
    CAPTIONS,
    KIND_COLORS,
    MEASURES,
    Row,
    about,
    block_rows,
    largest,
    percent,
    plot_anatomy,
    short,
    total_text,
)
from deepseek_lab.viz.page import static_html
from deepseek_lab.viz.show import show_widget
from deepseek_lab.viz.theme import png

HERE = Path(__file__).parent


class AnatomyExplorer(anywidget.AnyWidget):
    """The widget. All numbers travel once, in `figure`; which of them are shown is in the other traits."""

    _esm = HERE / "anatomy_explorer.js"
    _css = HERE / "anatomy_explorer.css"
    figure = traitlets.Dict().tag(sync=True)
    name = traitlets.Unicode().tag(sync=True)  # of the model
    measure = traitlets.Unicode("parameters").tag(sync=True)
    block = traitlets.Int(0).tag(sync=True)  # which row is open

    def __init__(self, models: Mapping[str, Sequence], name: str, measure: str):
        opened = largest(block_rows(models[name], measure))
        super().__init__(figure=figure_data(models), name=name, measure=measure, block=opened)


def explore_anatomy(models: Mapping[str, Sequence], name: str | None = None, measure: str = "parameters") -> None:
    """Display the explorer, with a still picture of the model `name`, or the first, and a page that needs no kernel.

    `models` has the blocks of each model, as `deepseek_lab.model.accounting.anatomy` returns them. Raises `ValueError`
    where there is no model, or none of that name, or no such measure.
    """
    name = next(iter(models), None) if name is None else name
    if name not in models:
        raise ValueError(f"name: got {name!r}, but it takes one of the models: {list(models)}")
    widget = AnatomyExplorer(models, name, measure)
    still = png(plot_anatomy(models[name], measure, f"{name}: {MEASURES[measure]}"))
    alt = f"the {MEASURES[measure]} of {name}, block by block, and of its largest block, part by part"
    show_widget(widget, still, alt, page=static_page(widget, still, alt))


def figure_data(models: Mapping[str, Sequence]) -> dict:
    """What the page draws, ready to be written as JSON: every number a text, with the share that its bar shows.

    Sentences, many of which come again and again, are in `texts`, and parts name their places.
    """
    texts: dict[str, int] = {}

    def part_data(row: Row, measure: str) -> list:
        lines = [texts.setdefault(line, len(texts)) for line in row.lines]
        return [row.name, list(KIND_COLORS).index(row.kind), *_numbers(row, measure), lines]

    def measured(name: str, measure: str) -> dict:
        rows = block_rows(models[name], measure)
        found = [
            {"name": row.name, "about": about(row, measure), "numbers": _numbers(row, measure)}
            | {"parts": [part_data(part, measure) for part in row.parts]}
            for row in rows
        ]
        return {"total": total_text(name, rows, measure), "largest": largest(rows), "rows": found}

    data = {name: {measure: measured(name, measure) for measure in MEASURES} for name in models}
    measures = [[key, label, CAPTIONS[key]] for key, label in MEASURES.items()]
    return {"models": data, "measures": measures, "kinds": list(KIND_COLORS.items()), "texts": list(texts)}


def static_page(widget: AnatomyExplorer, still: bytes, alt: str) -> str:
    """The explorer as HTML of its own, without a kernel: the picture, which its script replaces where scripts run."""
    values = {name: getattr(widget, name) for name in ("figure", "name", "measure", "block")}
    return static_html("anatomy", values, still, alt)


def _numbers(row: Row, measure: str) -> list:
    """The value, the share for the bar, and the share to read."""
    return [short(row.value, measure), float(f"{row.share:.5g}"), percent(row.share)]
