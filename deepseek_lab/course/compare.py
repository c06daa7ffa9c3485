"""Compare an answer with the expected one and say, in a sentence, what differs first: kind, shape, values, where."""

import math

import numpy as np
import torch

TOLERANCE = 1e-5  # largest error over largest value, as everywhere in the course
ROUNDING = 1e-12  # largest error of a number that should be 0


def first_difference(answer: object, expected: object) -> str | None:
    """None when `answer` is right, else a sentence about the first thing that is not.

    Numbers count as equal whatever their type (3, 3.0, a tensor that holds 3); tensors must agree in shape, and in
    value to a relative 1e-5. The dtype is not compared, so a float64 answer is as good as a float32 one. An array of
    NumPy is as good as a tensor, and several numbers in one tensor are as good as a tuple of them.
    """
    if isinstance(answer, np.ndarray) and answer.dtype.kind in "biuf" and answer.itemsize <= 8:
        answer = torch.from_numpy(np.array(answer))  # a copy: an array that can't be written to would warn
    if isinstance(expected, tuple):
        return _tuple_difference(answer, expected)
    if isinstance(expected, torch.Tensor):
        return _tensor_difference(answer, expected)
    if isinstance(answer, torch.Tensor) and answer.numel() == 1:
        answer = answer.item()
    if isinstance(expected, (int, float)) and not isinstance(expected, bool):
        return _number_difference(answer, expected)
    if isinstance(answer, torch.Tensor):  # of several numbers: == would compare each
        return f"expected {expected!r}, but yours is a tensor of shape {tuple(answer.shape)}"
    return None if answer == expected else f"your answer is {answer!r}, expected {expected!r}"


def _tuple_difference(answer: object, expected: tuple) -> str | None:
    if isinstance(answer, torch.Tensor) and answer.dim() == 1 and all(isinstance(n, (int, float)) for n in expected):
        answer = answer.tolist()
    if not isinstance(answer, (tuple, list)):
        return f"expected {len(expected)} results, but yours is a {type(answer).__name__}"
    if len(answer) != len(expected):
        return f"expected {len(expected)} results, yours has {len(answer)}"
    for number, (mine, theirs) in enumerate(zip(answer, expected, strict=True), start=1):
        if difference := first_difference(mine, theirs):
            return f"in result {number}, {difference}"
    return None


def _number_difference(answer: object, expected: float) -> str | None:
    kind = f"expected a number, but yours is a {type(answer).__name__}"
    if isinstance(answer, (str, bytes, bytearray)):  # float("3") is 3
        return kind
    try:
        value = float(answer)
    except (TypeError, ValueError, OverflowError):
        return kind
    # False for NaN. Where 0 is expected, rounding may leave a little of a difference.
    close = math.isfinite(expected) and abs(value - expected) <= (TOLERANCE * abs(expected) or ROUNDING)
    if value == expected or close:
        return None
    ratio = f"{value / expected:.4g}" if value * expected > 0 else "1"
    ratio = f", {ratio} times as much" if ratio != "1" else ""
    return f"your number is {_readable(value)}, expected {_readable(expected)}{ratio}"


def _readable(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.6g}"


def _tensor_difference(answer: object, expected: torch.Tensor) -> str | None:
    if not isinstance(answer, torch.Tensor):
        return f"expected a tensor, but yours is a {type(answer).__name__}"
    if answer.shape != expected.shape:
        return f"the shape is {tuple(answer.shape)}, expected {tuple(expected.shape)}"
    if answer.is_complex() and not expected.is_complex():  # .double() would drop a half of each number
        return "yours are complex numbers, expected real ones"
    mine, theirs = (x.detach().cpu().double() for x in (answer, expected))  # .cpu() first: MPS has no float64
    # Infinities and NaN have no distance: they are right where both have the same one.
    same = (mine == theirs) | (mine.isnan() & theirs.isnan())
    error = (mine - theirs).abs().nan_to_num(nan=float("inf")).masked_fill(same, 0.0)
    finite = theirs[theirs.isfinite()].abs()
    wrong = error > TOLERANCE * (finite.max().item() if finite.numel() else 0.0)
    if not wrong.any():
        return None
    place = tuple(int(i) for i in torch.unravel_index(error.argmax(), error.shape))
    share = wrong.double().mean().item()
    where = f" at {list(place)}" if place else ""
    return (
        f"the shape is right, but {share:.0%} of the values differ, most{where}: "
        f"yours is {answer[place].item():.4g}, expected {expected[place].item():.4g}"
    )
