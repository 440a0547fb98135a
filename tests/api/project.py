"""What the checks share: reading the header, the docs and the sources."""

import pathlib
import re
import sys

FENCE = re.compile(r"^[ \t]*```[ \t]*(\w*)[^\n]*\n(.*?)^[ \t]*```[ \t]*$", re.M | re.S)


def without_comments(code):
    """The same code with comments and string contents blanked, line numbers kept."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda m: m.group()[0] + re.sub(r"[^\n]", " ", m.group()[1:-1]) + m.group()[-1]
                       if m.group()[0] in "\"'" else re.sub(r"[^\n]", " ", m.group()), code)


def header(source):
    return (source / "include/hijack/hijack.h").read_text()


def declared(source):
    """The functions of the public header, in its order."""
    return re.findall(r"^HIJACK_API\b[^;(]*?\b(hijack_\w+)\s*\(", without_comments(header(source)), re.M)


def pages(source):
    """The documentation pages and the README."""
    return [p for p in [source / "README.md", *sorted((source / "docs").glob("**/*.md"))] if p.exists()]


def sources(source, *folders):
    found = []
    for folder in folders:
        found += sorted(p for p in (source / folder).glob("**/*.[ch]"))
    return found


def closing(problems, fine):
    """Prints the problems, or the sentence that says what is fine, and ends the program."""
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problem(s)" if problems else fine)
    sys.exit(1 if problems else 0)


def arguments(count):
    if len(sys.argv) != count + 1:
        sys.exit(f"usage: {sys.argv[0]} takes {count} argument(s), see tests/api/CMakeLists.txt")
    return [pathlib.Path(a) for a in sys.argv[1:]]
