"""Links between Markdown files, as a code host and as the site see them."""

import posixpath
import re

import fences

# [text](target "title"), ![text](target), and src, srcset and href of the HTML that README has for pictures.
INLINE = re.compile(r"(\]\(\s*<?)([^)>\s]+)(>?(?:\s+\"[^\"]*\")?\s*\))")
REFERENCE = re.compile(r"^( {0,3}\[[^\]^]+\]:\s*)(\S+)()", re.M)
ATTRIBUTE = re.compile(r"""(\b(?:src|srcset|href)=["'])([^"'\s]+)(["'])""")
KINDS = (INLINE, REFERENCE, ATTRIBUTE)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.S)


def outside(target):
    """Whether it is not a file of this repository."""
    return re.match(r"[a-z][a-z0-9+.-]*:|//", target, re.I) is not None


def targets(text):
    """(offset, target) of each link of a page."""
    prose = re.sub(CODE, lambda match: re.sub(r"[^\n]", " ", match.group()), fences.blanked(text))
    for kind in KINDS:
        for match in kind.finditer(prose):
            yield match.start(2), match.group(2)


def rewritten(text, page, repository):
    """The text with links for the site: its front page is README.md, other files than docs/ are on the code host."""

    def target(match):
        before, link, after = match.groups()
        if outside(link) or link.startswith("#"):
            return match.group()
        path, mark, anchor = link.partition("#")
        folder = "" if page == "index.md" else posixpath.dirname(f"docs/{page}")
        path = posixpath.normpath(posixpath.join(folder, path))
        if path == "README.md":
            path = "docs/index.md"
        if path.startswith("docs/"):
            base = posixpath.dirname(page) or "."
            return f"{before}{posixpath.relpath(path[len('docs/'):], base)}{mark}{anchor}{after}"
        return f"{before}{repository}/blob/main/{path}{mark}{anchor}{after}"

    def prose(piece):
        for kind in KINDS:
            piece = kind.sub(target, piece)
        return piece

    return "".join(piece if code else prose(piece) for code, piece in fences.pieces(text))
