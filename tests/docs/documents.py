"""What the checks of the documentation share: which files there are, and the prose in them with its lines."""

import ast
import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "scripts" / "site"))

import fences  # noqa: E402

FOLDERS = ("docs", "ruby", "python", "go", "demos", "bindings", "tests", "scripts", "include")
PRIVATE = ("_core.py", "_peer.py", "_library.py")  # the package's own
BUILT = ("node_modules", "build", ".pytest_cache")


def markdown():
    """Every Markdown file of the repository."""
    found = list(SOURCE.glob("*.md"))
    for folder in FOLDERS:
        found += [path for path in (SOURCE / folder).glob("**/*.md") if not set(path.parts) & set(BUILT)]
    return sorted(found)


def emptied(pattern, text, flags=re.S):
    """The text with what matches made blank; lines stay."""
    return re.sub(pattern, lambda match: re.sub(r"[^\n]", " ", match.group()), text, flags=flags)


def page(text):
    """The prose of a page: no code, no addresses of links, no HTML, nothing in quotation marks."""
    text = emptied(r"<!--.*?-->", fences.blanked(text))
    text = emptied(r"(`+)(?!`).+?(?<!`)\1(?!`)", text)
    text = emptied(r"(?<=\])\([^)\n]*\)|https?://\S+|</?[a-z][^>\n]*>", text)
    return quoted(text)


def quoted(text):
    return emptied(r"\"[^\"\n]{1,200}\"|“[^”]*”", text)


def comments_of_c(text):
    """The comments of a header."""
    code = re.split(r"(/\*.*?\*/)", text, flags=re.S)
    return quoted("".join(part if index % 2 else re.sub(r"[^\n]", " ", part) for index, part in enumerate(code)))


def comments(mark, public, hidden=None):
    """Of a source, the comments above what `public` matches, except those that have the text `hidden`."""
    line = re.compile(r"^\s*" + mark + r"( |$)")

    def reader(text):
        lines = text.splitlines() + [""]
        kept, block = [""] * len(lines), []
        for number, content in enumerate(lines):
            if content.strip() == "private":
                break
            if line.match(content):
                block.append(number)
                continue
            if block and public.match(content) and not any(hidden and hidden in lines[it] for it in block):
                for it in block:
                    kept[it] = lines[it].replace(mark, " " * len(mark), 1)
            block = []
        return quoted(emptied(r"(`+)(?!`).+?(?<!`)\1(?!`)", "\n".join(kept)))
    return reader


PUBLIC_RUBY = re.compile(r"\s*(def|class|module|attr_\w+|[A-Z]\w+ =) ?")
PUBLIC_GO = re.compile(r"(func (\(\w* ?\*?[A-Z]\w*(\[\w+\])?\) )?|type |const |var |\t)[A-Z]\w*|package ")


def strings(node):
    """The docstrings in a Python module of what is public."""
    for child in node.body:
        if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and child.name[0] != "_":
            if ast.get_docstring(child):
                yield child.body[0]
            yield from strings(child) if isinstance(child, ast.ClassDef) else ()


def docstrings(text, module=True):
    """The docstrings of what is public in a Python module, and its own."""
    tree = ast.parse(text)
    lines = text.splitlines()
    kept = [""] * len(lines)
    for string in [*strings(tree), *(tree.body[:1] if module and ast.get_docstring(tree) else [])]:
        kept[string.lineno - 1:string.end_lineno] = lines[string.lineno - 1:string.end_lineno]
    return quoted(re.sub(r'"""', "   ", "\n".join(kept)))


def prose():
    """(path, its prose) of everything that people read."""
    kinds = [(markdown(), page), ([SOURCE / "include/hijack/hijack.h"], comments_of_c)]
    package = [path for path in sorted(SOURCE.glob("python/src/hijack_ffi/*.py")) if path.name not in PRIVATE]
    kinds.append(([path for path in package if path.name.startswith("__") or path.name[0] != "_"], docstrings))
    kinds.append(([path for path in package if path.name[0] == "_" and not path.name.startswith("__")],
                  lambda text: docstrings(text, module=False)))
    kinds.append((sorted(SOURCE.glob("ruby/lib/**/*.rb")), comments("#", PUBLIC_RUBY, "@api private")))
    sources = [path for path in sorted(SOURCE.glob("go/*.go")) if not path.name.endswith("_test.go")]
    kinds.append((sources, comments("//", PUBLIC_GO)))
    for paths, reader in kinds:
        for path in paths:
            yield path, reader(path.read_text(encoding="utf-8"))
