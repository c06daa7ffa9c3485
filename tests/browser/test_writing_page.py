"""The writing explorer without a kernel, and its own sentences against the package's."""

import json

import explorers
import lab
import numpy as np
from writing import WritingExplorer

from deepseek_lab.inference.watching import Scene, WrittenToken
from deepseek_lab.viz import writing_explorer
from deepseek_lab.viz.writing import cache_sentence, looked_at, pass_sentence


def write(_prompt: str, count: int, _temperature: float, seed: int):
    """Random numbers in place of a model's."""
    draw, steps = np.random.default_rng(seed), []
    scene = Scene(("<begin>", "for", " x", " in", " y", ":\n"), 3, (1, 2), 24, 1_536, 7_000)
    for index in range(count):
        tokens = len(scene.prompt) + index
        attention = draw.dirichlet(np.ones(tokens), size=3)
        chosen = np.stack([draw.permutation(24)[:4] for _ in range(2)])
        piece = ("</script>", " é", "\n", "\t\t", "x" * 30)[index % 5]
        share = float(draw.choice([0.0004, 0.004, 0.0051, 0.31, 0.996]))
        likeliest = ((piece, share), (" other", 0.2), ("<b>bold</b>", 0.1))
        held = (tokens * 512,) * 3
        steps.append(WrittenToken(piece, share, likeliest, attention, chosen, draw.random((2, 4)) + 0.1, held))
    return scene, iter(steps)


def test_a_page_without_a_kernel(page, complaints, open_html):
    """What `explore_writing` puts into exported HTML, opened from a file: all that was written is played."""
    widget = writing_explorer.WritingExplorer(write, "for x in y:\n", 30, 0.0)
    widget.run()
    widget.at = 29
    html = writing_explorer.static_page(widget, b"not a picture", "alt")
    open_html(html)
    explorer = WritingExplorer(page.locator("body"))
    lab.until(explorer.written.count, lambda seen: seen == 30, "tokens")
    explorer.try_everything(typing=False)
    for width in (1280, 800, 500, 385):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.locator("body").evaluate(explorers.CUT_OFF) == [], width
    assert complaints == []


def test_the_page_says_what_the_package_says(page):
    """JavaScript's sentences and averages against those of `viz.writing`, which draws the stills."""
    scene, coming = write("", 12, 0.0, 3)
    steps = list(coming)
    sent = [writing_explorer.step_data(step) for step in steps]
    source = (writing_explorer.HERE / "writing_explorer.js").read_text(encoding="utf-8")
    page.goto("about:blank")
    found = page.evaluate(
        """async ([source, scene, steps]) => {
            const code = await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
            return JSON.stringify(steps.map((step, at) => [
                code.passSentence(scene, steps, at), code.cacheSentence(scene, step),
                [-1, 0, 2].map((layer) => code.lookedAt(step, layer)),
            ]));
        }""",
        [source, writing_explorer.scene_data(scene), sent],
    )
    for at, (said, cache, weights) in enumerate(json.loads(found)):
        assert said == pass_sentence(scene, steps, at) and cache == cache_sentence(scene, steps[at])
        for layer, theirs in zip((None, 0, 2), weights, strict=True):
            assert np.allclose(np.array(theirs) / 1000, looked_at(steps[at], layer), atol=6e-4)
