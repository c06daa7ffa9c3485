"""A value as text of one form only, so that two values are compared by comparing texts.

The confined program's side writes what a call returned in this form, and the trusted side what a test expects.
Nothing of what the program sends is ever evaluated.
"""

import json
import math
import sys

DEEPEST = 60  # containers within containers
MOST_ITEMS = 50_000  # of one value, all its containers together
MOST_CHARACTERS = 2**18  # of one value's text
TOO_LARGE = "too deep or too large to compare"
LARGEST_EXPONENT = 10_000  # of a Decimal
LONGEST = 200  # characters of a value that are shown


def encode(value) -> str:
    """The text of a plain value. Raises `ValueError` on anything that isn't one, is too deep or too large.

    Plain are None, truth values, numbers (Fraction and Decimal too), str, bytes, and lists, tuples, sets and dicts of
    plain values, and the keys and items of a dict, which are sets. Values that Python finds equal get the same text,
    with one exception: True and False aren't numbers. What is derived from a plain type (a Counter, a namedtuple)
    counts as that type.
    """
    text = json.dumps(_form(value, 0, [MOST_ITEMS]))
    if len(text) > MOST_CHARACTERS:
        raise ValueError(TOO_LARGE)
    return text


def number(text: str):
    """The real number that a text of `encode` stands for (int, float, Fraction); None where it isn't one."""
    from fractions import Fraction  # only the trusted side comes here; the other is spared the time

    form = json.loads(text)
    if not (isinstance(form, list) and len(form) == 2 and form[0] == "number" and isinstance(form[1], str)):
        return None
    try:
        if not form[1].lstrip("-").startswith("0x"):
            return float(form[1])
        above, *below = (int(part, 16) for part in form[1].split("/", 1))
        return Fraction(above, *below) if below else above
    except (ValueError, ZeroDivisionError):
        return None


def name_of(kind: type) -> str:
    """A type's name, whatever its metaclass would say."""
    return type.__dict__["__name__"].__get__(kind)


def shown(value) -> str:
    """The start of a value's repr, on one line; its type's name if it has no repr."""
    try:
        text = str.__str__(repr(value))  # what a class gives may be derived from str
    except BaseException:
        text = f"<{name_of(type(value))}>"
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
    for kind in (set, frozenset, type({}.keys()), type({}.items())):
        if isinstance(value, kind):
            return ["set", sorted((_form(item, depth + 1, left) for item in kind.__iter__(value)), key=json.dumps)]
    if isinstance(value, dict):
        pairs = ([_form(key, depth + 1, left), _form(item, depth + 1, left)] for key, item in dict.items(value))
        return ["dict", sorted(pairs, key=json.dumps)]
    if is_of(value, "fractions", "Fraction"):
        return ["number", _ratio(value.numerator, value.denominator)]
    if is_of(value, "decimal", "Decimal"):
        if not value.is_finite():
            return ["number", float.__repr__(float(value))]
        if abs(value.as_tuple().exponent) > LARGEST_EXPONENT:
            raise ValueError(TOO_LARGE)
        return ["number", _ratio(*value.as_integer_ratio())]
    raise ValueError(f"a value of type {name_of(type(value))} can't be compared")


def is_of(value, module: str, name: str) -> bool:
    """Whether this is of a class of the library. If nothing has imported its module, it isn't, and it isn't loaded."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(value, kind)


def _ratio(above: int, below: int) -> str:
    """The text of a number in lowest terms: that of the int or float that it equals, if there is one."""
    if below == 1:
        return hex(above)
    try:
        near = above / below
    except OverflowError:
        near = math.inf
    if math.isfinite(near) and near.as_integer_ratio() == (above, below):
        return repr(near)
    return f"{hex(above)}/{hex(below)}"
