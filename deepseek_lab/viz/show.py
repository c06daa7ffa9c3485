"""Putting figures on the page: still ones, ones with controls, and a bar for long loops.

A live output carries the widget and a still PNG. Notebooks are saved with the PNG alone, so the page reads well on
GitHub, in print, and before anything was run.
"""

import base64
import html
import sys
from collections.abc import Callable, Iterable, Iterator, Sized

import ipywidgets as widgets
from IPython.display import display
from matplotlib.figure import Figure

from deepseek_lab.viz.theme import DPI, png

FITS = "calc(100% - 4px)"  # widgets have a margin of 2 px on each side
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def show(figure: Figure, alt: str) -> None:
    """Display a still figure. `alt` says in words what it shows."""
    display({"text/plain": f"[figure: {alt}]", "image/png": _base64(png(figure))}, raw=True)


def show_widget(widget: widgets.Widget, still: bytes, alt: str, page: str | None = None) -> None:
    """Display a widget, with the PNG `still` for readers who have no kernel, or HTML that works without one."""
    if "google.colab" in sys.modules:  # Colab finds the widget's own mime type only through its display hook
        display(widget)
        return
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    bundle = {"text/plain": f"[interactive figure: {alt}]", "image/png": _base64(still), WIDGET_VIEW: view}
    display(bundle if page is None else bundle | {"text/html": page}, raw=True)


def explore(draw: Callable[..., Figure], alt: str, **controls: widgets.ValueWidget) -> None:
    """A figure with controls: `draw(name=value, ...)` is called again whenever one of them changes.

    A `ValueError` from `draw` is shown as a sentence under the controls, and the last good picture stays.
    """
    note = widgets.HTML()
    first = draw(**{name: control.value for name, control in controls.items()})
    picture = widgets.Image(value=png(first), format="png")
    picture.layout.width, picture.layout.max_width = f"{first.get_figwidth() * DPI:.0f}px", FITS
    picture.add_class("deepseek-lab-figure")

    def redraw(_change) -> None:
        try:
            picture.value = png(draw(**{name: control.value for name, control in controls.items()}))
            note.value = ""
        except ValueError as error:
            note.value = f"<b>Not drawn:</b> {html.escape(str(error))}"

    for control in controls.values():
        control.observe(redraw, "value")
    box = widgets.VBox([*controls.values(), note, picture])
    show_widget(box, picture.value, alt)


def slider(label: str, options: list, value) -> widgets.SelectionSlider:
    """A slider over a list of (text, value) or values, that redraws when let go."""
    return widgets.SelectionSlider(options=options, value=value, description=label, continuous_update=False, **_wide())


def choice(label: str, options: list, value) -> widgets.Dropdown:
    """A drop-down list of (text, value) or values."""
    return widgets.Dropdown(options=options, value=value, description=label, **_wide())


def typed(label: str, value: str) -> widgets.Text:
    """A line to type in, that redraws on Enter or when it is left."""
    look = {"style": {"description_width": "130px"}, "layout": {"width": "640px", "max_width": FITS}}
    return widgets.Text(value=value, description=label, continuous_update=False, **look)


def progress(steps: Iterable, label: str) -> Iterator:
    """Iterate over `steps` with a bar. The saved output is one fixed line, the same for every run."""
    total = len(steps) if isinstance(steps, Sized) else 0
    bar = widgets.IntProgress(max=max(total, 1), description=label, **_wide())
    view = {"version_major": 2, "version_minor": 0, "model_id": bar.model_id}
    line = f"{label}: {total} steps"
    display(bar) if "google.colab" in sys.modules else display({"text/plain": line, WIDGET_VIEW: view}, raw=True)
    for done, step in enumerate(steps, start=1):
        yield step
        bar.value = done
    bar.bar_style = "success"


def _wide() -> dict:
    return {"style": {"description_width": "130px"}, "layout": {"width": "480px", "max_width": FITS}}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
