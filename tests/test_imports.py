"""Who knows whom in the package. Imports go downwards only, and CONTRIBUTING.md has the map of them as it is.

Read from the source, without running it: imports at the top of a file and inside functions, and names of modules in
strings, as `importlib.import_module`, `sys.modules` and `python -m` take them.
"""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "deepseek_lab"
MODULES = sorted((ROOT / PACKAGE).rglob("*.py"))
BY_NAME = {"import_module", "__import__", "run_module", "resolve_name"}  # functions that import what a string names

# From top to bottom. A part may import the parts named here, which stand below it, and itself.
MAY_IMPORT = {
    "__init__": {"applications", "inference", "training", "model", "moe", "attention", "config"},
    "exercises": {"inference", "training", "model", "moe", "attention", "config", "config_fields", "course"},
    "applications": {"inference", "training", "model", "moe", "config"},
    "inference": {"model", "moe", "attention", "config"},
    "training": {"model", "moe", "attention", "config", "linear"},
    "model": {"moe", "attention", "config", "config_fields", "linear"},
    "moe": {"config", "linear"},
    "attention": {"config", "config_fields", "linear"},
    "config": {"config_files", "config_fields", "checks"},
    "config_files": {"config_fields", "checks"},
    "config_fields": {"checks"},
    "checks": set(),
    "linear": set(),
    "viz": set(),
    "course": set(),
}
PARTS = list(MAY_IMPORT)
IN_STRINGS = re.compile(rf"{PACKAGE}\.({'|'.join(PARTS)}|)(\.[\w.]*)?")


def part_of(path: Path, package: Path) -> str:
    """The folder or file right under the package that a module belongs to."""
    return path.relative_to(package).parts[0].removesuffix(".py")


@cache
def imported(path: Path) -> set[str]:
    """The package's modules and names that a file imports, dotted, as far as they are written out.

    Fails for an import whose target can't be read off: a relative one, or one by a name that is put together.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import; write the whole name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            # `import a.b` brings the name a, and with it whatever else is in a; `import a.b as c` doesn't.
            found |= {alias.name for alias in node.names}
            found |= {alias.name.split(".")[0] for alias in node.names if not alias.asname}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {node.value} if IN_STRINGS.fullmatch(node.value) else set()
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            assert called not in BY_NAME or is_readable(node.args[0]), f"{path}:{node.lineno}: an import by what name?"
    return {name for name in found if name.split(".")[0] == PACKAGE}


def is_readable(name: ast.expr) -> bool:
    """Whether an import by name says what it imports: a whole name, or what is below a module that is at hand."""
    if isinstance(name, ast.JoinedStr):
        return bool(re.match(r"f['\"]\{(\w+\.)?__name__\}\.", ast.unparse(name)))
    return isinstance(name, ast.Constant) and not str(name.value).startswith(".")


def imported_parts(path: Path) -> set[str]:
    """The parts that a file imports. Whatever is no part comes from the package's own `__init__`."""
    heads = {name.removeprefix(PACKAGE).removeprefix(".").split(".")[0] for name in imported(path)}
    return {head if head in PARTS else "__init__" for head in heads}


def upward(path: Path, package: Path) -> set[str]:
    """What a file imports and may not."""
    part = part_of(path, package)
    return imported_parts(path) - {part} - MAY_IMPORT[part]


def draw_map() -> str:
    """The map as text: each part, and the parts that it really imports."""
    knows = {part: set() for part in PARTS}
    for path in MODULES:
        knows[part_of(path, ROOT / PACKAGE)] |= imported_parts(path)
    rows = [(part, ", ".join(sorted(knows[part] - {part}, key=PARTS.index)) or "-") for part in PARTS]
    return "\n".join(f"{part:<14} {names}" for part, names in rows)


def test_the_map_goes_downwards():
    for row, (part, below) in enumerate(MAY_IMPORT.items()):
        assert all(PARTS.index(other) > row for other in below), part


def test_imports_go_downwards():
    found = {str(path.relative_to(ROOT)): upward(path, ROOT / PACKAGE) for path in MODULES}
    assert not {path: names for path, names in found.items() if names}


def test_modules_of_one_part_form_no_circle():
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in MODULES}
    known = set(names.values())

    def module(name: str) -> str:
        return name if name in known else name.rpartition(".")[0]

    graph = {name: {module(found) for found in imported(path)} - {name, PACKAGE} for path, name in names.items()}
    list(TopologicalSorter(graph).static_order())  # a circle is an error that names it


def test_the_map_in_contributing_is_the_real_one():
    drawn = draw_map()
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"```\n{drawn}\n```" in text, f"the map has changed; CONTRIBUTING.md should hold\n{drawn}"


def upward_of(source: str, folder: Path) -> set[str]:
    """What a module of `attention` with this source imports and may not."""
    path = folder / "attention" / "latent.py"
    path.parent.mkdir()
    path.write_text(source, encoding="utf-8")
    return upward(path, folder)


@pytest.mark.parametrize(
    "source",
    [
        "from deepseek_lab.model.decoder import DeepSeekModel",
        "from deepseek_lab.model import decoder",
        "import importlib\nfrom deepseek_lab import model\nimportlib.import_module(f'{model.__name__}.{x}')",
        "from deepseek_lab import model",
        "from deepseek_lab import DeepSeekConfig",
        "from deepseek_lab import *",
        "import deepseek_lab",
        "import deepseek_lab.model",
        "import deepseek_lab.model.decoder as decoder",
        "import deepseek_lab.attention",  # with it comes the name deepseek_lab, and so all that is loaded
        "import torch, deepseek_lab.model as other",
        "def late():\n    from deepseek_lab.model import decoder",
        "class A:\n    def late(self):\n        import deepseek_lab.model as other",
        "try:\n    from deepseek_lab.model import decoder\nexcept ImportError:\n    pass",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from deepseek_lab.model import decoder",
        "import importlib\nimportlib.import_module('deepseek_lab.model')",
        "from importlib import import_module as load\nload('deepseek_lab.model.decoder')",
        "from importlib import import_module as load\nload(f'deepseek_lab.{name}')",
        "__import__('deepseek_lab.model')",
        "import sys\nsys.modules['deepseek_lab.model']",
        "command = ['python', '-m', 'deepseek_lab.model.decoder']",
    ],
)
def test_an_upward_import_is_found(source, tmp_path):
    assert upward_of(source, tmp_path) in ({"model"}, {"__init__"}, {"model", "__init__"})


@pytest.mark.parametrize(
    "source",
    [
        "from . import rope",
        "from ..model import decoder",
        "from .. import model",
        "import importlib\nimportlib.import_module('.decoder', 'deepseek_lab.model')",
        "import importlib\nimportlib.import_module(name)",
        "import importlib\nimportlib.import_module('deepseek' + '_lab.model')",
        "__import__(f'{package}.model')",
        "import pkgutil\npkgutil.resolve_name(name)",
    ],
)
def test_an_import_that_hides_its_target_is_refused(source, tmp_path):
    with pytest.raises(AssertionError, match=r"relative|by what name"):
        upward_of(source, tmp_path)


@pytest.mark.parametrize(
    "source",
    [
        "import torch\nfrom deepseek_lab.config import require",
        "from deepseek_lab.attention import rope",
        "import deepseek_lab.linear as linear",
        "'''Says that deepseek_lab.model.decoder is above.'''",
        "from importlib import import_module\nimport_module(f'{__name__}.rope')",
        "import importlib\nfrom deepseek_lab import config\nimportlib.import_module(f'{config.__name__}.{x}')",
        "SALT = 'deepseek_lab.fingerprint'",
        "import importlib\nimportlib.import_module('deepspeed')",
    ],
)
def test_what_is_below_may_be_imported(source, tmp_path):
    assert upward_of(source, tmp_path) == set()
