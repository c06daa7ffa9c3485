"""The small files that the course ships in `data/`: refused, with a way to get them back, where they are not whole.

A copy that broke off, a full disk or an editor damages files. Each library would say so in its own words, and none
knows where the file came from.
"""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINTS = "checkpoints"
# What each folder of a checkpoint has to hold: without tokenizer_config.json, say, another tokenizer would be made.
OF_A_CHECKPOINT = (
    *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    *("curve.json", "results.json"),
)


def whole_data_path(root: Path, name: str) -> Path:
    """The file or folder `data/name` of the course in `root`, with all that belongs to it.

    Raises `FileNotFoundError` for what is missing and `ValueError` for what is damaged. Only structure is checked:
    that JSON can be read, and that a safetensors file is as long as its header says.
    """
    path = root / "data" / name
    wanted = OF_A_CHECKPOINT if path.parent.name == CHECKPOINTS else ()
    for place in (root / "data", path, *(path / file for file in wanted)):
        if not place.exists():
            raise FileNotFoundError(f"{place} is missing: it comes with the course. {_way_back(root, place)}")
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if why := damage(file):
            raise ValueError(f"{file} is damaged or can't be read ({why}). {_way_back(root, file)}")
    return path


def damage(file: Path) -> str:
    """Why a JSON or safetensors file can't be used; "" where nothing is wrong, and for files of other kinds."""
    try:
        if file.suffix == ".json":
            json.loads(file.read_text(encoding="utf-8"))
        elif file.suffix == ".safetensors":
            with safe_open(file, "pt"):
                pass
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        kind = "JSON" if file.suffix == ".json" else "a whole safetensors file"
        found = f"{file.stat().st_size:,} bytes" if file.exists() else "a link to nothing"
        return f"expected {kind}, found {found}: {error}"
    return ""


def _way_back(root: Path, place: Path) -> str:
    name = place.relative_to(root).as_posix()
    return (
        f'Bring it back: git -C "{root}" checkout -- {name}\n'
        "Without git, download the course again and copy its folder data/ over this one."
    )
