"""Does it write Python? Complete the headers of functions that the model never saw, and let Python's parser judge."""

import ast
from collections.abc import Callable, Sequence

import torch

from deepseek_lab.config import is_whole, require


def function_headers(texts: Sequence[str], count: int, seed: int = 0) -> list[str]:
    """`count` different headers, `def name(arguments):` and a line end, of functions in these texts, drawn at random.

    Headers on one line of at most 80 characters, as they stand in the text, without their indentation. Raises
    `ValueError` if there are fewer than `count`.
    """
    require(is_whole(count) and count >= 1, "count", count, "a whole number of at least 1")
    found = sorted({header for text in texts for header in _headers(text)})
    require(len(found) >= count, "texts", f"{len(found)} function headers", f"texts with at least {count}")
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(seed))[:count]
    return [found[place] for place in order.tolist()]


def _headers(text: str) -> list[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    lines = text.splitlines()
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    candidates = [lines[node.lineno - 1].strip() for node in functions if node.lineno <= len(lines)]
    return [f"{line}\n" for line in candidates if len(line) <= 80 and line.startswith("def ") and line.endswith(":")]


def function_body(header: str, completion: str, ended: bool) -> str:
    """The header with the part of a completion that belongs to the function: up to the first line without indentation.

    Where the model didn't come to that line (`ended` says whether it came to the end of its text), the last line is
    taken to be cut off, and left out.
    """
    lines, body = completion.splitlines(keepends=True), []
    for line in lines:
        if line.strip() and not line[0].isspace():
            return header + "".join(body)
        body.append(line)
    if not ended and body:
        body.pop()
    return header + "".join(body)


def parses(source: str) -> bool:
    """Whether Python's parser accepts the text. A header without a body is not accepted."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def parse_share(headers: Sequence[str], complete: Callable[[str], tuple[str, bool]]) -> tuple[float, list[str]]:
    """Which share of the headers' completions parses, and the functions. `complete(header)` -> (text, ended)."""
    functions = [function_body(header, *complete(header)) for header in headers]
    return sum(map(parses, functions)) / len(functions), functions
