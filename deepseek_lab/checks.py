"""Checks of what a user gives, and the one form that all complaints take."""

import math


def require(condition: bool, field: str, got: object, takes: str) -> None:
    """Raise a `ValueError` that names the field, what it got and what it takes, unless `condition` holds."""
    if not condition:
        raise ValueError(f"{field}: got {got!r}, but it takes {takes}")


def is_number(value: object) -> bool:
    """Whether `value` is a finite number (True and False are not)."""
    if isinstance(value, int):
        return not isinstance(value, bool)
    return isinstance(value, float) and math.isfinite(value)


def is_whole(value: object) -> bool:
    """Whether `value` is a whole number (True and False are not)."""
    return isinstance(value, int) and not isinstance(value, bool)


def require_whole(least: int, **fields: object) -> None:
    """`require` that each field is a whole number of at least `least`. Raises `ValueError`."""
    for field, value in fields.items():
        require(is_whole(value) and value >= least, field, value, f"a whole number of at least {least}")
