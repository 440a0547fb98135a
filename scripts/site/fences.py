"""Markdown in two kinds of pieces: what people read, and fenced code."""

import re

FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})([^\n]*)\n(.*?)^[ \t]*\2[ \t]*$\n?", re.M | re.S)


def pieces(text):
    """(whether it is code, the text) of each piece, in order; together they are the whole text."""
    place = 0
    for match in FENCE.finditer(text):
        if match.start() > place:
            yield False, text[place:match.start()]
        yield True, match.group()
        place = match.end()
    if place < len(text):
        yield False, text[place:]


def blanked(text):
    """The same text with the fenced code emptied; line numbers stay."""
    return "".join("\n" * piece.count("\n") if code else piece for code, piece in pieces(text))
