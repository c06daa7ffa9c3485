"""Writing explorer: type a prompt and watch the model write, with attention, experts and cache beside the text."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from deepseek_lab.viz.page import static_html
from deepseek_lab.viz.show import show_widget
from deepseek_lab.viz.theme import png
from deepseek_lab.viz.writing import SceneLike, StepLike, check_place, plot_writing

HERE = Path(__file__).parent
LONGEST_PROMPT = 300  # characters
MOST_TOKENS = 120

# prompt, tokens to write, temperature, seed -> what stays, and what comes. As `watch_writing` of a model.
Write = Callable[[str, int, float, int], tuple[SceneLike, Iterator[StepLike]]]


class WritingExplorer(anywidget.AnyWidget):
    """The widget. The page raises `asked` to have something written; it is there when `answered` is as high.

    While the model writes, each token travels alone, in `newest`, as soon as it is chosen. When all are written they
    are in `steps`, for a page that is opened later. A request that makes no sense is answered by a `note`, and what
    was written before stays.
    """

    _esm = HERE / "writing_explorer.js"
    _css = HERE / "writing_explorer.css"
    prompt = traitlets.Unicode().tag(sync=True)
    count = traitlets.Int(40).tag(sync=True)
    most = traitlets.Int(MOST_TOKENS).tag(sync=True)
    temperature = traitlets.Float(0.0).tag(sync=True)
    asked = traitlets.Int(0).tag(sync=True)
    answered = traitlets.Int(0).tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    scene = traitlets.Dict().tag(sync=True)
    newest = traitlets.Dict().tag(sync=True)
    steps = traitlets.List(traitlets.Dict()).tag(sync=True)
    at = traitlets.Int(0).tag(sync=True)  # the token that the page starts with
    layer = traitlets.Int(-1).tag(sync=True)  # whose attention it starts with; -1 averages over all

    def __init__(self, write: Write, prompt: str, count: int, temperature: float, layer: int | None = None):
        super().__init__(prompt=prompt, count=count, temperature=temperature, layer=-1 if layer is None else layer)
        self._write = write
        self.observe(self._answer, "asked")

    def run(self) -> tuple[SceneLike, list[StepLike]]:
        """Write now, and return what was written. Raises `ValueError` for what can't be written."""
        check_request(self.prompt, self.count)
        scene, coming = self._write(self.prompt, self.count, self.temperature, self.asked)
        self.steps = []
        self.scene = scene_data(scene) | {"run": self.asked, "count": self.count}
        kept, sent, start = [], [], time.perf_counter()
        for index, step in enumerate(coming):
            now = time.perf_counter()
            data = step_data(step) | {"run": self.asked, "index": index, "ms": round(1000 * (now - start), 1)}
            self.newest = data
            kept.append(step)
            sent.append(data)
            start = time.perf_counter()
        self.steps = sent
        return scene, kept

    def _answer(self, _change) -> None:
        try:
            self.run()
            self.note = ""
        except (ValueError, RuntimeError) as error:  # RuntimeError: memory, mostly
            self.note = f"Not written: {error}"
        finally:
            self.answered = self.asked


def explore_writing(
    write: Write, prompt: str, count: int = 40, temperature: float = 0.0, at: int = -1, layer: int | None = None
) -> None:
    """Display the explorer with `count` tokens written after `prompt`, a still picture of one of them, and a page that
    plays them without a kernel.

    `at` counts the written tokens, negative from the last; `layer`, from 0, is whose attention is shown at first. Each
    time something is written, `write` gets another seed. Raises `ValueError` for what can't be written or shown.
    """
    widget = WritingExplorer(write, prompt, count, temperature, layer)
    scene, steps = widget.run()
    widget.at = check_place(scene, steps, at, layer)
    still = png(plot_writing(scene, steps, widget.at, layer))
    alt = "a text as the model writes it: what it looks at, the likeliest next tokens, the experts, and the cache"
    show_widget(widget, still, alt, page=static_page(widget, still, alt))


def check_request(prompt: str, count: int) -> None:
    """Raises `ValueError`, in a reader's words, for what the explorer doesn't take."""
    if not prompt:
        raise ValueError("the prompt takes at least one character")
    if len(prompt) > LONGEST_PROMPT:
        raise ValueError(f"the prompt has {len(prompt)} characters; it takes at most {LONGEST_PROMPT}")
    if not 1 <= count <= MOST_TOKENS:
        raise ValueError(f"{count} tokens to write; it takes 1 to {MOST_TOKENS}")


def scene_data(scene: SceneLike) -> dict:
    """The scene as JSON has it."""
    names = ("layers", "experts", "token_bytes", "full_bytes")
    lists = {"prompt": list(scene.prompt), "expert_layers": list(scene.expert_layers)}
    return lists | {name: getattr(scene, name) for name in names}


def step_data(step: StepLike) -> dict:
    """A step as JSON has it: weights of attention in thousandths, an expert's as its share of the token's output."""
    weights = np.asarray(step.weights, dtype=float)
    shares = weights / weights.sum(axis=1, keepdims=True) if weights.size else weights
    return {
        "piece": step.piece,
        "probability": round(step.probability, 4),
        "likeliest": [[piece, round(share, 4)] for piece, share in step.likeliest],
        "attention": np.round(1000 * np.asarray(step.attention)).astype(int).tolist(),
        "chosen": np.asarray(step.chosen).tolist(),
        "shares": np.round(shares, 3).tolist(),
        "cache_bytes": list(step.cache_bytes),
    }


def static_page(widget: WritingExplorer, still: bytes, alt: str) -> str:
    """The explorer as HTML of its own, without a kernel: the picture, which its script replaces where scripts run."""
    own = [name for name in widget.traits(sync=True) if name in vars(WritingExplorer) and not name.startswith("_")]
    values = {name: getattr(widget, name) for name in own if name != "newest"}
    untimed = [{name: value for name, value in step.items() if name != "ms"} for step in widget.steps]
    values |= {"steps": untimed, "note": "This page has no kernel: what was written can be played, nothing new comes."}
    return static_html("writing", values, still, alt)
