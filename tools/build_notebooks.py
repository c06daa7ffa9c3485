"""Execute notebooks and save them with outputs, so that building twice gives the same bytes.

    python tools/build_notebooks.py                      # every notebook
    python tools/build_notebooks.py notebooks/01_attention.ipynb --refresh

What is normalised: metadata (no versions, no widget state), widget views (their still PNG stays), and the outputs of
cells tagged `nbval-ignore-output`. Those hold measured times, which differ on every run: as long as the cell's source
is unchanged, the saved output is kept. `--refresh` measures anew.
"""

import argparse
import base64
import hashlib
import os
import tempfile
import time
from pathlib import Path

import nbclient
import nbformat

ROOT = Path(__file__).resolve().parents[1]
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
VOLATILE = "nbval-ignore-output"
PICTURES = {("01_attention.ipynb", "explorer"): ROOT / "data" / "readme_explorer.png"}  # stills that the README shows


def build(path: Path, refresh: bool = False, timeout: int = 600) -> None:
    """Execute the notebook in its own folder and rewrite it in place, only if every cell ran."""
    old = nbformat.read(path, as_version=4)
    new = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    with tempfile.TemporaryDirectory() as data_home:  # so that the author's own progress doesn't show
        client = nbclient.NotebookClient(
            new, timeout=timeout, kernel_name="python3", record_timing=False, coalesce_streams=True, resources=resources
        )
        client.execute(env={**os.environ, "XDG_DATA_HOME": data_home})
    normalise(new)
    keep_volatile(old, new, refresh)
    nbformat.validate(new)
    beside = path.with_suffix(".tmp")
    nbformat.write(new, beside)
    beside.replace(path)


def normalise(notebook: nbformat.NotebookNode) -> None:
    """Drop what differs between machines or can't be shown without a kernel."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if len(data) > 1:
                data.pop(WIDGET_VIEW, None)


def keep_volatile(old: nbformat.NotebookNode, new: nbformat.NotebookNode, refresh: bool) -> None:
    """Put the saved outputs of unchanged volatile cells back, and note which source all of them were measured with.

    The note is needed: in a file that was edited but not run, a new source stands above an old output.
    """
    before = {cell.id: cell for cell in old.cells}
    for cell in new.cells:
        if VOLATILE in cell.metadata.get("tags", []):
            digest = hashlib.sha256(cell.source.encode()).hexdigest()[:16]
            saved = before[cell.id]
            if not refresh and saved.metadata.get("measured") == digest:
                cell.outputs = saved.outputs
            cell.metadata["measured"] = digest


def save_pictures(path: Path) -> None:
    """Copy the stills that the README shows out of a built notebook."""
    cells = {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}
    for (name, cell_id), picture in PICTURES.items():
        if name == path.name:
            stills = [output.data["image/png"] for output in cells[cell_id].outputs if "image/png" in output.data]
            picture.write_bytes(base64.b64decode(stills[0]))


def main() -> None:
    """Build the notebooks named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--refresh", action="store_true", help="measure times anew")
    options = parser.parse_args()
    for path in options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")):
        start = time.perf_counter()
        build(path, options.refresh)
        save_pictures(path)
        print(f"{path.name}: {time.perf_counter() - start:.0f} s, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
