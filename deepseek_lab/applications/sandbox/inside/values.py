"""A value as text of one form only, so that two values are compared by comparing texts.

The confined program's side writes what a call returned in this form, and the trusted side what a test expects.
Nothing of what the program sends is ever evaluated.
"""

import json
import math

DEEPEST = 60  # containers within containers
MOST_ITEMS = 50_000  # of one value, all its containers together
MOST_CHARACTERS = 2**18  # of one value's text
TOO_LARGE = "too deep or too large to compare"
LONGEST = 200  # characters of a value that are shown


def encode(value) -> str:
    """The text of a plain value. Raises `ValueError` on anything that isn't one, is too deep or too large.

    Plain are None, truth values, numbers, str, bytes, and lists, tuples, sets and dicts of plain values. Values that
    Python finds equal get the same text, with one exception: True and False aren't numbers. What is derived from a
    plain type (a Counter, a namedtuple) counts as that type.
    """
    text = json.dumps(_form(value, 0, [MOST_ITEMS]))
    if len(text) > MOST_CHARACTERS:
        raise ValueError(TOO_LARGE)
    return text


def number(text: str) -> int | float | None:
    """The real number that a text of `encode` stands for; None where it stands for something else."""
    form = json.loads(text)
    if not (isinstance(form, list) and len(form) == 2 and form[0] == "number" and isinstance(form[1], str)):
        return None
    try:
        return int(form[1], 16) if form[1].lstrip("-").startswith("0x") else float(form[1])
    except ValueError:
        return None


def shown(value) -> str:
    """The start of a value's repr, on one line; its type's name if it has no repr."""
    try:
        text = repr(value)
    except BaseException:
        text = f"<{type(value).__name__}>"
    text = text.replace("\n", " ")
    return text if len(text) <= LONGEST else text[: LONGEST - 4] + " ..."


def _form(value, depth: int, left: list[int]):
    """The value as lists and strings that JSON can hold. `left` counts down the items that are still allowed."""
    left[0] -= 1
    if depth > DEEPEST or left[0] < 0:
        raise ValueError(TOO_LARGE)
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return ["text", str.__str__(value)]
    if isinstance(value, int):
        return ["number", hex(int.__index__(value))]
    if isinstance(value, float):
        whole = math.isfinite(value) and float.is_integer(value)
        return ["number", hex(int(float.__float__(value))) if whole else float.__repr__(value)]
    if isinstance(value, complex):
        parts = _form(value.real, depth + 1, left), _form(value.imag, depth + 1, left)
        return ["complex", *parts] if value.imag else parts[0]
    if isinstance(value, (bytes, bytearray)):
        return ["bytes", value.hex()]
    for kind, name in (list, "list"), (tuple, "tuple"):
        if isinstance(value, kind):
            return [name, [_form(item, depth + 1, left) for item in kind.__iter__(value)]]
    if isinstance(value, (set, frozenset)):
        kind = set if isinstance(value, set) else frozenset
        return ["set", sorted((_form(item, depth + 1, left) for item in kind.__iter__(value)), key=json.dumps)]
    if isinstance(value, dict):
        pairs = ([_form(key, depth + 1, left), _form(item, depth + 1, left)] for key, item in dict.items(value))
        return ["dict", sorted(pairs, key=json.dumps)]
    raise ValueError(f"a value of type {type(value).__name__} can't be compared")
