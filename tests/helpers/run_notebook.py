"""Run a notebook as it stands, on another device or in bf16, and tell which of its claims held.

Before its first cell the kernel gets one more (`PRELUDE`), in memory: it chooses the device, turns autocast on, and
lets an `assert` that doesn't hold be noted and passed over, so that the cells behind it run. Outputs are not compared.
"""

import ast
import json
import os
from dataclasses import dataclass
from pathlib import Path

import nbclient
import nbformat

TESTS = Path(__file__).parents[1]
MARK = "CLAIMS:"
SAME = {"equal", "isclose", "allclose"}  # functions that say whether two ways compute the same,
BOOLEANS = {"same", "close", "equal", "same_text", "same_attention"}  # names that notebooks give to what these said,
SMALL = 1e-4  # and bounds that only such errors stay below;
OTHERWISE = {  # what says so in no such way
    "max(same_distance) - min(same_distance) < 0.001", "errors[64] == 0 and errors[8] > 0.01",
}  # fmt: skip
PRELUDE = f'''
import ast, sys, torch
sys.path.insert(0, {str(TESTS)!r})

class _Noted(ast.NodeTransformer):
    """`assert claim` -> note it, and go on."""
    def visit_Assert(self, node):
        noted = ast.parse("_note(None, None)").body[0]
        claim = ast.parse("lambda: None").body[0].value
        claim.body = node.test
        noted.value.args = [claim, ast.Constant(ast.unparse(node.test))]
        return ast.copy_location(noted, node)

_claims = dict(held=0, fell=[])
def _note(claim, words):
    if claim():
        _claims["held"] += 1
    else:
        _claims["fell"].append(words)

def _start(device, bf16):
    if device == "pretend":
        from helpers import pretend
        pretend.start()
        from deepseek_lab.course import setup
        setup.choose_device = lambda: torch.device(device)
    if bf16:
        torch.set_autocast_cache_enabled(False)  # kept copies of weights would miss what an optimizer writes
        torch.autocast(device, torch.bfloat16).__enter__()  # for the kernel's life
    get_ipython().ast_transformers.append(_Noted())

'''
REPORT = f"import json; print({MARK!r} + json.dumps(_claims))"


@dataclass(frozen=True)
class Run:
    """What came of a run: claims that held, those that did not, in the notebook's words, and cells that raised."""

    held: int
    fell: list[str]
    raised: dict[str, str]  # a cell's id, and its error

    @property
    def fell_for_more_than_digits(self) -> list[str]:
        """Claims that did not hold, but for those that two ways of computing are equal to more digits than bf16 has."""
        return [claim for claim in self.fell if not is_about_digits(claim)]


def is_about_digits(claim: str) -> bool:
    """Whether a claim, or one that it is made of, says that two ways compute the same. That they differ is none."""
    return claim in OTHERWISE or _about_digits(ast.parse(claim, mode="eval").body)


def _about_digits(claim: ast.expr) -> bool:
    match claim:
        case ast.BoolOp(values=parts):
            return any(map(_about_digits, parts))
        case ast.Compare(left=left, ops=ops, comparators=bounds):
            equal = isinstance(ops[0], ast.Eq) and _about_digits(left)
            return equal or any(map(_is_small, ops, bounds))
        case ast.Call(func=ast.Name(id="all"), args=[ast.GeneratorExp(elt=inner) | inner]):
            return _about_digits(inner)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in SAME
        case ast.Name(id=name):
            return name in BOOLEANS
    return False


def _is_small(op: ast.cmpop, bound: ast.expr) -> bool:
    number = isinstance(bound, ast.Constant) and isinstance(bound.value, (int, float))
    return number and isinstance(op, ast.Lt) and bound.value <= SMALL


def run_notebook(path: Path, device: str, bf16: bool = False, timeout: int = 900, env: dict | None = None) -> Run:
    """Run every cell in order, those behind an error as well. `device`: "cuda", "cpu" or "pretend"."""
    notebook = nbformat.read(path, as_version=4)
    first = nbformat.v4.new_code_cell(f"{PRELUDE}_start({device!r}, {bf16})")
    last = nbformat.v4.new_code_cell(REPORT)
    own = list(notebook.cells)
    notebook.cells = [first, *own, last]
    client = nbclient.NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", allow_errors=True, coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )  # fmt: skip
    client.execute(env={**os.environ, **(env or {})})
    raised = {cell.id: error for cell in notebook.cells if (error := _error(cell))}
    printed = "".join(output.get("text", "") for output in last.get("outputs", []))
    if MARK not in printed:
        raise RuntimeError(f"{path.name}: the run did not come to its end: {raised}")
    claims = json.loads(printed.split(MARK)[1])
    expected = {cell.id for cell in own if "raises-exception" in cell.metadata.get("tags", [])}
    return Run(claims["held"], claims["fell"], {cell: words for cell, words in raised.items() if cell not in expected})


def _error(cell) -> str:
    """What a cell raised; "" for the others."""
    errors = [output for output in cell.get("outputs", []) if output.output_type == "error"]
    return "".join(f"{error.ename}: {error.evalue[:300]}" for error in errors)
