"""Reads a test line into steps for the confined process and checks for this one.

The program under test could fake whatever is decided where it runs. So a line such as `assert f(1) == 2` is taken
apart: `f(1)` is evaluated there, and its value compared with 2 here. What is expected is never sent.

A line can compare in other ways, such as `assert f(1) - 2 == 0`: what is expected is then sent, and an object that
the program made decides by its own `-`. Such lines are run as they are, and marked.
"""

import ast
import builtins
import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from deepseek_lab.applications.sandbox.inside.values import encode, number, shown

NO_ANSWER = "error: what came back is no answer"
SINGLETONS = (None, True, False)
# With something of the program's in it, the program may decide what comes of it
DECIDING = (ast.Compare, ast.BoolOp, ast.BinOp, ast.AugAssign, ast.IfExp, ast.If)
CAN_FAIL = (ast.Assert, ast.Raise, ast.Try, ast.With, ast.AsyncWith)  # statements


@dataclass(frozen=True)
class Check:
    """What the answer to one step has to fulfil."""

    step: int
    text: str  # the assert, for the message
    holds: Callable[[str], bool]  # of the encoded value
    unplain: bool = False  # it also holds for a value that isn't plain, and so not equal to any that is


@dataclass(frozen=True)
class Test:
    """One test line, taken apart."""

    steps: tuple[tuple[str, str], ...]  # for the confined process
    checks: tuple[Check, ...]  # for this one
    inside: bool  # something that the verdict depends on is decided, or can be read, where the program runs


def parse(line: str) -> Test:
    """Take a test line apart. Raises `ValueError` if it isn't Python, or asserts nothing."""
    try:
        tree = ast.parse(line)
        parts = Parts(stored(tree), constant_names(tree))
        for node in tree.body:
            parts.add(node)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"tests takes lines of Python, and got {shown(line)}: {error}") from error
    if not any(can_fail(node) for node in ast.walk(tree)):
        raise ValueError(f"tests takes lines that assert something (assert f(2) == 4), and got {shown(line)}")
    return Test(tuple(parts.steps), tuple(parts.checks), parts.inside or not parts.checks)


def can_fail(node: ast.AST) -> bool:
    """Whether this asserts something, or is a call whose name says so (unittest's `assertEqual`)."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name.startswith("assert")
    return isinstance(node, CAN_FAIL)


def stored(tree: ast.AST) -> set[str]:
    """The names that something is assigned to."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def loaded(tree: ast.AST) -> set[str]:
    """The names that are read, without those of Python's own functions."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return {name for name in names if not hasattr(builtins, name)}


def constant_names(tree: ast.AST) -> set[str]:
    """Names that stand for nothing of the program's: of loops over constants, and of a lambda that it is given."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.comprehension(target=target, iter=items) | ast.For(target=target, iter=items):
                if loaded(items) <= names:
                    names |= stored(target)
            case ast.Call(func=ast.Name(id=name), args=given) if not hasattr(builtins, name):
                names |= {arg.arg for one in given if isinstance(one, ast.Lambda) for arg in one.args.args}
    return names


def judge(test: Test, told: Any) -> str:
    """A test's outcome by what was told of its steps. `told` may be anything: the program may have written it."""
    if not (isinstance(told, list) and len(told) == len(test.steps) and all(isinstance(one, dict) for one in told)):
        return NO_ANSWER
    for check in test.checks:
        answer = told[check.step]
        value, why = answer.get("value"), answer.get("why")
        if not isinstance(value, str):
            if check.unplain and isinstance(why, str):
                continue
            return f"failed: {check.text}: {one_line(why)}"
        try:
            holds = check.holds(value)
        except (ValueError, ArithmeticError, RecursionError):
            holds = False
        if not holds:
            return f"failed: AssertionError: {check.text} (got {one_line(answer.get('shown'))})"
    return "passed"


def one_line(text: Any) -> str:
    """The start of a text that the program's side wrote, as one line that a terminal takes for nothing but text.

    Empty if it isn't text.
    """
    if not isinstance(text, str):
        return ""
    return " ".join("".join(each if each.isprintable() else " " for each in text[:300]).split())


def are_same(text: str) -> bool:
    """Whether a pair of values that came back, encoded, are the same; if they couldn't be encoded, a truth value is."""
    match json.loads(text):
        case ["list", [left, right]]:
            return left == right
        case truth:
            return truth is True


class Parts:
    """The steps and checks of one line, while it is read."""

    def __init__(self, assigned: set[str], constant: set[str]):
        self.assigned = assigned  # names that the line itself gives to objects
        self.constant = constant  # names that stand for nothing of the program's
        self.steps: list[tuple[str, str]] = []
        self.checks: list[Check] = []
        self.inside = False

    def add(self, node: ast.stmt) -> None:
        """Take one statement."""
        if isinstance(node, ast.Assert):
            self.add_assert(node.test)
        else:
            self.steps.append(("do", ast.unparse(node)))
            self.inside |= self.decides(node)
            self.inside |= any(isinstance(inner, (ast.Assert, ast.Raise)) for inner in ast.walk(node))

    def ask(
        self, kind: str, node: ast.expr, holds: Callable[[str], bool], test: ast.expr, unplain: bool = False
    ) -> None:
        """Send an expression, and judge its value by `holds`."""
        text = ast.unparse(test)
        text = f"assert {text}" if len(text) <= 200 else f"assert {text[:196]} ..."
        self.checks.append(Check(len(self.steps), text, holds, unplain))
        self.steps.append((kind, ast.unparse(node)))
        self.inside |= self.decides(node)

    def decides(self, node: ast.AST) -> bool:
        """Whether something is compared or computed with what comes from the program, where the program runs."""
        operations = (inner for inner in ast.walk(node) if isinstance(inner, DECIDING))
        return any(isinstance(each, ast.AugAssign) or loaded(each) - self.constant for each in operations)

    def add_assert(self, test: ast.expr) -> None:
        """Take one condition apart, as far as a form is known for it; what is left is decided inside."""
        match test:
            case ast.BoolOp(op=ast.And(), values=values):
                for value in values:
                    self.add_assert(value)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if self.add_comparison(test, left, op, right):
                pass
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self.inside |= not self.is_own_answer(operand)
                self.ask("truth", operand, lambda got: got == encode(False), test)
            case _:
                self.inside |= not self.is_own_answer(test)
                self.ask("truth", test, lambda got: got == encode(True), test)

    def is_own_answer(self, node: ast.expr) -> bool:
        """Whether this is something of the program's, as it is (`assert is_prime(7)`), with nothing done to it here."""
        match node:
            case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)):
                return not hasattr(builtins, name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name))) if name in self.assigned:
                return True
            case ast.Call(func=ast.Attribute(value=value), args=given, keywords=named):  # math.isclose(f(1), 2) isn't
                return self.is_own_answer(value) and not any(loaded(each) for each in [*given, *named])
            case ast.Attribute(value=value) | ast.Subscript(value=value):
                return self.is_own_answer(value)
        return False

    def add_comparison(self, test: ast.expr, left: ast.expr, op: ast.cmpop, right: ast.expr) -> bool:
        """A comparison with a literal; False if this isn't one whose form is known."""
        fixed, asked = literal(right), left
        if fixed is None and isinstance(op, (ast.Eq, ast.NotEq, ast.Is, ast.IsNot)):
            fixed, asked = literal(left), right
        if fixed is None:
            if isinstance(op, (ast.Eq, ast.NotEq)):  # both sides are asked for: one of them is what is expected
                self.inside = True
                both, wanted = ast.Tuple([left, right], ast.Load()), isinstance(op, ast.Eq)
                self.ask("same", both, lambda got: are_same(got) is wanted, test)
                return True
            return False
        (expected,) = fixed
        self.inside |= isinstance(expected, bool) and not self.is_own_answer(asked)
        holds = condition(op, expected)
        near = difference(asked) if isinstance(op, (ast.Lt, ast.LtE)) else None
        if near is not None and is_real(expected):
            self.ask("value", near[0], lambda got: holds_for_number(op, abs(real(got) - near[1]), expected), test)
        elif holds is not None:
            self.ask("value", asked, holds, test, unplain=isinstance(op, (ast.NotEq, ast.NotIn, ast.IsNot)))
        return holds is not None


def literal(node: ast.expr) -> tuple[Any] | None:
    """A literal's value, in a tuple; None if it isn't a literal that can be compared."""
    try:
        value = ast.literal_eval(node)
        encode(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return (value,)


def condition(op: ast.cmpop, expected: Any) -> Callable[[str], bool] | None:
    """What an encoded value has to fulfil for `value <op> expected`; None where that isn't known here."""
    text = encode(expected)
    singleton = any(expected is one for one in SINGLETONS)
    match op:
        case ast.Eq():
            return lambda got: got == text
        case ast.NotEq():
            return lambda got: got != text
        case ast.Is() if singleton:
            return lambda got: got == text
        case ast.IsNot() if singleton:
            return lambda got: got != text
        case ast.In() | ast.NotIn() if isinstance(expected, (list, tuple, set, dict)):
            texts, wanted = [encode(item) for item in expected], isinstance(op, ast.In)
            return lambda got: (got in texts) is wanted
        case ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE() if is_real(expected):
            return lambda got: holds_for_number(op, real(got), expected)
    return None


def holds_for_number(op: ast.cmpop, value: float | Fraction, expected: float) -> bool:
    """`value <op> expected`."""
    match op:
        case ast.Lt():
            return value < expected
        case ast.LtE():
            return value <= expected
        case ast.Gt():
            return value > expected
        case _:
            return value >= expected


def difference(node: ast.expr) -> tuple[ast.expr, float] | None:
    """Of `abs(<expression> - <number>)`, or the other way round, the expression and the number."""
    match node:
        case ast.Call(func=ast.Name(id="abs"), args=[ast.BinOp(left=left, op=ast.Sub(), right=right)], keywords=[]):
            for asked, other in (left, right), (right, left):
                fixed = literal(other)
                if fixed is not None and is_real(fixed[0]):
                    return asked, fixed[0]
    return None


def is_real(value: Any) -> bool:
    """A real number, and not a truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def real(text: str) -> int | float | Fraction:
    """The number that an encoded value is. Raises `ValueError` if it is none."""
    value = number(text)
    if value is None:
        raise ValueError(f"not a number: {json.loads(text)!r:.50}")
    return value
