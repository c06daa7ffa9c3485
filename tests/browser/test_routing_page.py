"""The routing explorer without a kernel, and its own idea of routing against the package's router."""

import json

import explorers
import lab
import numpy as np
import pytest
import torch
from routing import RoutingExplorer

from deepseek_lab.moe import TopKRouter
from deepseek_lab.viz import routing_explorer
from deepseek_lab.viz.routing import RoutingMaps


def maps_of(text: str) -> RoutingMaps:
    """Random scores and biases for every byte, routed by the package's router at each of four steps."""
    generator, count = torch.Generator().manual_seed(len(text)), len(text.encode())
    scores = torch.rand(4, 2, count, 8, generator=generator)
    biases = 0.5 * torch.randn(4, 2, 8, generator=generator)
    router = TopKRouter(1, 8, 2)
    found = []
    for own_scores, bias in zip(scores.flatten(0, 1), biases.flatten(0, 1), strict=True):
        router.e_score_correction_bias.copy_(bias)
        chosen = router.selection_scores(own_scores).topk(2).indices
        found.append((chosen, router.weigh(own_scores, chosen)))
    experts, weights = (torch.stack(part).view(4, 2, count, 2).detach().numpy() for part in zip(*found, strict=True))
    return RoutingMaps(list(text), [0, 10, 20, 30], scores.numpy(), biases.numpy(), experts, weights)


def test_a_page_without_a_kernel(page, complaints, open_html):
    """What `explore_routing` puts into exported HTML, opened from a file: everything moves but the text."""
    text = "for x in range(10): print(x * x)\n"
    widget = routing_explorer.RoutingExplorer(maps_of, text, groups=4, k=2)
    html = routing_explorer.static_page(widget, b"not a picture", "alt")
    open_html(html)
    explorer = RoutingExplorer(page.locator("body"))
    lab.until(explorer.tokens.count, lambda seen: seen == len(text), "tokens")
    explorer.try_everything(typing=False)
    for width in (1280, 500):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.locator("body").evaluate(explorers.CUT_OFF) == []
    assert complaints == []


def test_the_saved_notebook_as_html(page, tmp_path):
    """Exported with Jupyter's own exporter, without a kernel or a network, the saved explorer still moves."""
    exporter = pytest.importorskip("nbconvert").HTMLExporter()
    html, _ = exporter.from_filename(str(lab.ROOT / "notebooks" / "03_moe_routing.ipynb"))
    (tmp_path / "notebook.html").write_text(html, encoding="utf-8")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto((tmp_path / "notebook.html").as_uri(), wait_until="domcontentloaded")
    explorer = RoutingExplorer(page.locator(".jp-OutputArea-output:has(.dsr-routing)"))
    lab.until(explorer.tokens.count, lambda seen: seen > 100, "tokens of the saved text")
    explorer.try_everything(typing=False)


def test_the_page_routes_as_the_package_does(page):
    """JavaScript's `route` against `TopKRouter`, on random scores, biases, groups and K."""
    source = (routing_explorer.HERE / "routing_explorer.js").read_text(encoding="utf-8")
    generator, cases, expected = torch.Generator().manual_seed(0), [], []
    for _ in range(60):
        groups = int(torch.randint(1, 5, (), generator=generator))
        experts = groups * int(torch.randint(2, 5, (), generator=generator))
        allowed = int(torch.randint(1, groups + 1, (), generator=generator))
        k = int(torch.randint(1, allowed * experts // groups + 1, (), generator=generator))
        scores = torch.rand(experts, generator=generator)
        router = TopKRouter(1, experts, k, n_group=groups, topk_group=allowed)
        router.e_score_correction_bias.normal_(generator=generator)
        chosen = router.selection_scores(scores[None]).topk(k).indices
        weights = router.weigh(scores[None], chosen)
        expected.append(dict(zip(chosen[0].tolist(), weights[0].tolist(), strict=True)))
        cases.append([scores.tolist(), router.e_score_correction_bias.tolist(), k, groups, allowed])
    page.goto("about:blank")
    found = page.evaluate(
        """async ([source, cases]) => {
            const code = await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
            return JSON.stringify(cases.map((each) => code.route(...each)));
        }""",
        [source, cases],
    )
    for answer, wanted in zip(json.loads(found), expected, strict=True):
        assert set(answer["experts"]) == set(wanted)
        for expert, weight in zip(answer["experts"], answer["weights"], strict=True):
            assert np.isclose(weight, wanted[expert], atol=1e-6)
