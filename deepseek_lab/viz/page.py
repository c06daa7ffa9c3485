"""What the explorers with a page of their own share: the page without a kernel, and texts that fit it."""

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent


def static_html(kind: str, values: Mapping[str, object], still: bytes, alt: str) -> str:
    """An explorer as HTML of its own, without a kernel: the picture, which its script replaces where scripts run.

    `kind` is the first part of its files' names, as in `routing_explorer.js`, which exports `render` and `fixedModel`;
    `values` are what the latter takes, and `still` is a PNG.
    """
    data = json.dumps(values, separators=(",", ":")).replace("<", "\\u003c")  # a text may hold </script>
    identity = f"deepseek-lab-{kind}-{hashlib.sha256(data.encode()).hexdigest()[:12]}"
    style, script = ((HERE / f"{kind}_explorer.{ending}").read_text(encoding="utf-8") for ending in ("css", "js"))
    return (
        f'<div class="{identity}"><img alt="{html.escape(alt)}" src="data:image/png;base64,'
        f'{base64.b64encode(still).decode()}"></div>\n'
        f"<style>{style}</style>\n"
        f'<script type="module">\n{script}\n'
        f'const place = document.querySelector(".{identity}:not([data-drawn])");\n'  # the same cell may have run twice
        f'place.dataset.drawn = "";\nplace.replaceChildren();\n'
        f"render({{ model: fixedModel({data}), el: place }});\n</script>"
    )


def shortened(text: str, most: int) -> str:
    """As much of the text as `most` bytes hold, without cutting a character in two, or half characters."""
    return text.encode("utf-8", "ignore")[:most].decode("utf-8", "ignore")
