"""What kind of thing each byte of a Python text belongs to: indent, keyword, identifier, string, digit, punctuation."""

import io
import keyword
import tokenize

KINDS = ("indent", "keyword", "identifier", "string", "digit", "punctuation", "comment", "space")


def byte_kinds(source: bytes) -> list[str]:
    """One of `KINDS` for each byte. Where the text stops being Python (a file cut off), the rest counts as space."""
    text = source.decode("latin-1").replace("\r", "\n")  # one character a byte, so that columns count bytes
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    kinds = ["space"] * len(text)
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            kind = _kind(token)
            if kind:
                first, last = (starts[row - 1] + column for row, column in (token.start, token.end))
                kinds[first:last] = [kind] * (min(last, len(text)) - first)
    except (tokenize.TokenError, SyntaxError):
        pass
    for start, line in zip(starts, text.split("\n"), strict=False):
        blank = len(line) - len(line.lstrip(" \t"))
        inside_text = blank and start < len(text) and kinds[start] in ("string", "comment")
        if blank < len(line) and not inside_text:
            kinds[start : start + blank] = ["indent"] * blank
    return kinds


def _kind(token: tokenize.TokenInfo) -> str | None:
    if token.type == tokenize.NAME:
        return "keyword" if keyword.iskeyword(token.string) else "identifier"
    if tokenize.tok_name[token.type].startswith("FSTRING"):  # from Python 3.12 on, pieces of f-strings
        return "string"
    known = {
        tokenize.STRING: "string",
        tokenize.NUMBER: "digit",
        tokenize.OP: "punctuation",
        tokenize.COMMENT: "comment",
    }
    return known.get(token.type)


def byte_classes(source: bytes) -> list[str]:
    """For any text: letter, digit, space, line end or punctuation, for each byte. Bytes beyond ASCII are letters."""
    classes = []
    for byte in source:
        char = chr(byte)
        known = {" ": "space", "\t": "space", "\n": "line end", "\r": "line end"}
        other = "digit" if char in "0123456789" else "letter" if char.isalpha() or byte > 127 else "punctuation"
        classes.append(known.get(char, other))
    return classes
