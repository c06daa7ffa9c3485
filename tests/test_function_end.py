"""Where a function ends, judged by Python's own parser and by any way of cutting the text into pieces."""

import ast
import itertools
import random
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab.applications.code.function_end import FunctionText, as_prompt, lines_of
from deepseek_lab.applications.programs import draw

LIBRARY = Path(sysconfig.get_path("stdlib"))
MODULES = ("textwrap", "heapq", "shlex", "fractions", "calendar", "statistics")
PROGRAMS = draw(0, 120, "train")
BEHIND = (
    "",
    "\n\ndef other():\n    pass\n",
    "\n# what follows\nx = 1\n",
    "assert True\n",
    "\n\n\nclass A:\n    x = 1\n",
)


def of_function(prompt: str, text: str, cuts: list[int] = ()) -> str:
    """What belongs to the function, with the text cut at these places."""
    function = FunctionText(prompt)
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    pieces = [text[start:end] for start, end in itertools.pairwise(places)]
    return "".join(map(function.feed, pieces)) + function.finish()


def outermost_functions(node: ast.AST) -> list[ast.FunctionDef]:
    """Functions and methods, but none that stands in another function: the outermost one is what is completed."""
    found = []
    for child in ast.iter_child_nodes(node):
        found += [child] if isinstance(child, ast.FunctionDef) else outermost_functions(child)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_functions_of_the_standard_library_end_where_the_parser_says(module):
    text = (LIBRARY / f"{module}.py").read_text(encoding="utf-8")
    lines = lines_of(text)
    functions = [node for node in outermost_functions(ast.parse(text)) if node.body[0].lineno > node.lineno]
    assert len(functions) >= 3
    for node in functions[:40]:
        head = node.body[0].lineno - 1
        while not (line := lines[head - 1].strip()) or line[0] in "#@":
            head -= 1  # comments and decorators before the body's first statement are the body's
        found = of_function("".join(lines[:head]), "".join(lines[head : node.end_lineno + 20]))
        body = "".join(lines[head : node.end_lineno])
        assert found.startswith(body), node.name
        comments = found[len(body) :].splitlines()
        assert all(not line.strip() or line.strip().startswith("#") for line in comments), node.name


@given(st.sampled_from(PROGRAMS), st.sampled_from(BEHIND), st.lists(st.integers(0, 10_000), max_size=30))
def test_programs_end_with_their_bodies_however_the_text_is_cut(program, behind, cuts):
    assert of_function(program.prompt, program.body + behind, cuts) == program.body


FUNCTIONS = [program for program in PROGRAMS if program.topic != "classes"]  # in a class, the method would end first


@given(st.sampled_from(FUNCTIONS), st.integers(0, 10_000), st.lists(st.integers(0, 10_000), max_size=10))
def test_a_prompt_may_stop_anywhere_in_the_body(program, place, cuts):
    place %= len(program.body)
    start, rest = program.body[:place], program.body[place:]
    assert of_function(program.prompt + start, rest + "\n\nx = 1\n", cuts) == rest


@given(st.text(alphabet="ab \n\t:#'\"\\()[]{}=,é🙂\x0c", max_size=80), st.lists(st.integers(0, 100), max_size=8))
def test_any_text_is_cut_at_one_place_and_pieces_dont_matter(text, cuts):
    whole = of_function("def f(x):\n", text)
    assert of_function("def f(x):\n", text, cuts) == whole
    assert text.startswith(whole) or text.rstrip().startswith(whole.rstrip())


HEAD = "def f(x):\n"
CASES = {
    "a line of a string at the margin": (HEAD, '    """\nAt the margin.\n"""\n    return x\n', "y\n"),
    "a bracket closed at the margin": (HEAD, "    return [\n1,\n]\n", "y\n"),
    "a backslash": (HEAD, "    return x + \\\n1\n", "y\n"),
    "a sign in a string": (HEAD, "    return '([{'\n", "y = 1\n"),
    "a quote in a comment": (HEAD, '    return x  # it\'s """ so\n', "y = 1\n"),
    "a method": ("class A:\n    def f(self):\n", "        return 1\n", "\n    def g(self):\n        return 2\n"),
    "a class": (
        "class A:\n",
        "    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n",
        "\nx = A()\n",
    ),
    "a function in a function": ("def f(x):\n    def g(y):\n", "        return y\n    return g(x)\n", "\nf(1)\n"),
    "a function before": ("def g(x):\n    return x\n\n\ndef f(x):\n", "    return g(x)\n", "\ndef h():\n    pass\n"),
    "a head over several lines": ("def f(\n    x,\n    y,\n):\n", "    return x\n", "z = 1\n"),
    "half a head": ("def f", "(x):\n    return x\n", "z = 1\n"),
    "no head yet": ("# Return x.\n", "def f(x):\n    return x\n", "f(2)\n"),
    "a comment at the margin": (HEAD, "    return x\n", "# done\nx = 1\n"),
    "a bracket that nobody closes": (HEAD, "    return (x\n", "def g(x):\n    return x\n"),
    "an async function": ("async def f(x):\n", "    return x\n", "async def g(): pass\n"),
    "tabs": (HEAD, "\treturn x\n", "y = 1\n"),
    "no body": (HEAD, "", "return x\n"),
    "a comment behind a function": (HEAD + "    return x\n\n\n# Double.\n", "def g(x):\n    return 2 * x\n", "g(1)\n"),
    "two blank lines behind a function": (HEAD + "    return x\n\n\n", "def g(x):\n    return 2 * x\n", "g(1)\n"),
    "two blank lines behind a head": (HEAD + "\n\n", "    return x\n", "g(1)\n"),
    "a comment in a body": (HEAD + "    # Double.\n", "    return 2 * x\n", "g(1)\n"),
    "a comment behind a method": (
        "class A:\n    def f(self):\n        return 1\n\n    # adds\n",
        "    def g(self):\n        return 2\n",
        "\nA()\n",
    ),
    "a string of one line that goes on": (HEAD, "    s = 'abc\\\ndef'\n    return s\n", "y = 1\n"),
    "a string that nobody closes": (HEAD, "    s = 'abc\n    return s\n", "y = 1\n"),
    "two blank lines in a string": (HEAD, "    s = '''a\n\n\nb'''\n    return s\n", "y = 1\n"),
    "an import before": ("# find words\n", "import re\n\n\ndef f(x):\n    return re.findall(x)\n", "f(1)\n"),
}


@pytest.mark.parametrize("name", CASES)
def test_where_it_ends(name):
    prompt, body, behind = CASES[name]
    for seed in range(20):
        rng = random.Random(seed)
        cuts = [rng.randrange(200) for _ in range(seed)]
        assert of_function(prompt, body + behind, cuts) == body
    function = FunctionText(prompt)
    function.feed(body + behind)
    assert function.ended
    assert function.feed("more") == ""


def test_text_comes_as_soon_as_it_is_certain():
    function = FunctionText(HEAD)
    assert function.feed("    ret") == "    ret"
    assert function.feed("urn x") == "urn x"
    assert function.feed("\n\n") == ""  # perhaps the end
    assert function.feed("    ") == ""
    assert function.feed("y") == "\n\n    y"
    assert function.feed("\n\n\nz") == "" and function.ended
    assert function.finish() == "\n"


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("def f(x):", "def f(x):\n"),
        ("def f(x):\n", "def f(x):\n"),
        ("def f(x):\r\n", "def f(x):\n"),
        ("def f(x):\n    ", "def f(x):\n"),
        ("def f(x):   ", "def f(x):\n"),
        ("class A:", "class A:\n"),
        ('def f(x):\n    """Double."""', 'def f(x):\n    """Double."""\n'),
        ('def f(x):\n    """Double', 'def f(x):\n    """Double'),
        ("# Double it", "# Double it\n"),
        ("def f(", "def f("),
        ("def f(x):\n    return", "def f(x):\n    return"),
        ("x = {1:", "x = {1:"),
        ("def f(x):\n    for y in x:", "def f(x):\n    for y in x:\n"),
        ("def f(x):  # note", "def f(x):  # note\n"),
        ("def f(x):\n    return 'a:", "def f(x):\n    return 'a:"),
        ("def f(x):\n    return 'a: ", "def f(x):\n    return 'a: "),
        ("def f(x):\n    return ", "def f(x):\n    return"),
        ("def f(x):\n    x = 1  # one", "def f(x):\n    x = 1  # one"),
        ("def f(x):\n    # one", "def f(x):\n    # one\n"),
    ],
)
def test_prompts_end_with_their_line(given_text, expected):
    assert as_prompt(given_text) == expected
    assert as_prompt(expected) == expected
