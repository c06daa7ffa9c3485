"""Where a function ends: Python text read line by line while a model writes it.

A function ends before the first line that stands no deeper than its head. Lines within brackets or within a string of
several lines don't count, whatever their indentation.
"""

import re
from dataclasses import dataclass

HEAD = re.compile(r"(async\s+def|def|class)\b")
DEFINITION = re.compile(r"(async\s+def|def|class)\s+\w+\s*[(:]|@\w")  # stands in no bracket: something wasn't closed
STRING_OR_SIGN = re.compile(r"'''|\"\"\"|['\"#\\()\[\]{}]")


@dataclass
class Lexer:
    """What is open at the end of the lines read so far: a string, brackets, a line to be continued."""

    quote: str | None = None  # what closes the open string; one sign only if its line ended with a backslash
    depth: int = 0  # open brackets
    continued: bool = False  # the last line ended with a backslash
    unclosed: bool = False  # the last line ended within a string of one line
    code: str = ""  # the last line without its comment

    @property
    def between_lines(self) -> bool:
        """Whether the next line begins a statement (or a comment, or is blank)."""
        return self.quote is None and self.depth == 0 and not self.continued

    def read(self, line: str) -> None:
        """One whole line, with or without its end."""
        self.continued = self.unclosed = False
        self.code, place = line, 0
        while place < len(line):
            place = self._behind(line, place, self.quote) if self.quote else self._in_code(line, place)

    def _behind(self, line: str, place: int, quote: str) -> int:
        """The place behind the open string, or the end of the line."""
        self.quote = quote if len(quote) == 3 else None
        while place < len(line):
            if line.startswith(quote, place):
                self.quote = None
                return place + len(quote)
            if line[place] == "\\" and not line[place + 1 :].strip():
                self.quote = quote
            place += 2 if line[place] == "\\" else 1
        self.unclosed = self.quote is None
        return place

    def _in_code(self, line: str, place: int) -> int:
        """Go on behind the next sign that matters."""
        found = STRING_OR_SIGN.search(line, place)
        if found is None:
            return len(line)
        sign = found[0]
        if sign == "#":
            self.code = line[: found.start()]
            return len(line)
        if sign in ("'", '"', "'''", '"""'):
            return self._behind(line, found.end(), sign)
        if sign == "\\":
            self.continued = not line[found.end() :].strip()
        else:
            self.depth = max(0, self.depth + (1 if sign in "([{" else -1))
        return found.end()


def lines_of(text: str) -> list[str]:
    """Lines with their ends. Only a newline ends one: `str.splitlines` also cuts at form feeds within strings."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def indentation(line: str) -> int:
    """Columns before the first sign; a tab goes to the next multiple of eight, as for Python."""
    expanded = line.expandtabs(8)
    return len(expanded) - len(expanded.lstrip())


class FunctionText:
    """What of a model's text belongs to the function that a prompt begins; the text comes piece by piece.

    `feed` gives what is certain to belong to it, `finish` the rest. `ended` tells that a line came which doesn't.
    The function is the one that is open at the end of the prompt: of functions in functions the outermost, of a method
    and its class the method. Where none is open, it is the first that the text begins.

    Blank lines behind the function are left out; its last line keeps its end.
    """

    def __init__(self, prompt: str):
        self.ended = False
        self._lexer, self._heads = Lexer(), []  # open heads: (indentation, whether it is a class)
        self._target: int | None = None  # indentation of the function's head
        self._line = self._held = ""  # of the line that isn't whole yet: all of it; what isn't given yet
        for line in lines_of(prompt):
            if line.endswith("\n"):
                self._read_prompt_line(line)
            else:
                self._line = line
        self._leave_behind_what_is_done(prompt)
        functions = [indent for indent, is_class in self._heads if not is_class]
        if self._heads:
            self._target = functions[0] if functions else self._heads[-1][0]

    def _read_prompt_line(self, line: str) -> None:
        if self._lexer.between_lines and line.strip() and not line.lstrip().startswith("#"):
            indent, head = indentation(line), HEAD.match(line.lstrip())
            self._heads = [each for each in self._heads if each[0] < indent]
            if head:
                self._heads.append((indent, head[1] == "class"))
        self._lexer.read(line)

    def _leave_behind_what_is_done(self, prompt: str) -> None:
        """A prompt may end behind a function: with a comment no deeper than its head, or with two blank lines."""
        last = (prompt.rstrip() or " ").rpartition("\n")[2]
        if self._line.strip() or not self._lexer.between_lines or HEAD.match(last.lstrip()):
            return
        if last.lstrip().startswith("#"):
            self._heads = [each for each in self._heads if each[0] < indentation(last)]
        elif prompt[len(prompt.rstrip()) :].count("\n") > 2:
            self._heads = []

    def feed(self, piece: str) -> str:
        """The text that is certain to belong to the function with this piece; "" once it has ended."""
        given = []
        for part in lines_of(piece):
            if not self.ended:
                given.append(self._feed_part(part))
        return "".join(given)

    def _feed_part(self, part: str) -> str:
        """A part of one line, perhaps with its end."""
        fresh = not self._line.strip()  # nothing but blanks so far
        self._line += part
        self._held += part
        whole = part.endswith("\n")
        if self._line.strip() and self._ends_function(fresh, whole):
            self.ended, self._held = True, self._held[: len(self._held) - len(self._line)]
            return ""
        certain = self._certain(whole)
        if whole:
            self._read_line(self._line)
            self._line = ""
        return certain

    def _ends_function(self, fresh: bool, whole: bool) -> bool:
        if self._target is None or indentation(self._line) > self._target or self._lexer.quote:
            return False
        if self._lexer.between_lines:
            return fresh  # else the line was the prompt's own, or has been judged
        return whole and bool(DEFINITION.match(self._line.strip()))

    def _certain(self, whole: bool) -> str:
        """All that is held but the blanks at its end; nothing of a shallow line in brackets, that may be a new head."""
        within = not self._lexer.between_lines and self._lexer.quote is None
        shallow = self._target is not None and indentation(self._line) <= self._target
        if within and shallow and not whole:
            return ""
        kept = len(self._held.rstrip())
        certain, self._held = self._held[:kept], self._held[kept:]
        return certain

    def _read_line(self, line: str) -> None:
        if self._target is None and self._lexer.between_lines and HEAD.match(line.lstrip()):
            self._target = indentation(line)
        self._lexer.read(line)

    def finish(self) -> str:
        """The end of the last line, if the function has one."""
        rest = self._held
        self._held = ""
        if rest.strip():  # a line in brackets that was waited for
            return rest.rstrip() + "\n" * rest.endswith("\n")
        return "\n" if "\n" in rest else ""


def as_prompt(text: str) -> str:
    """A prompt as the model knows prompts: a head, a docstring or a comment ends with its line.

    Blanks that a cursor stands behind on the last line are left out: the model writes indentation itself, and its
    tokens join blanks with what follows.
    """
    text = text.replace("\r\n", "\n")
    before, newline, last = text.rpartition("\n")
    if not last.strip():
        return before + newline
    lexer = Lexer()
    for line in lines_of(text):
        lexer.read(line)
    if lexer.unclosed or lexer.quote:
        return text
    text, code = text.rstrip(" \t"), lexer.code.strip()
    head = code.endswith(":") and lexer.between_lines
    closed = code.endswith(('"""', "'''")) and lexer.between_lines
    return text + "\n" if head or closed or not code else text
