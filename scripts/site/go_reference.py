"""The reference of the Go package: one page, made of what `go doc -all` prints."""

import re
import subprocess

KINDS = ("func", "type", "const", "var")
DECLARATION = re.compile(r"^(?:%s)\b" % "|".join(KINDS))
METHOD = re.compile(r"^func \(\w* ?\*?(\w+)(?:\[\w+\])?\) (\w+)")
NAME = re.compile(r"^(?:func|type) (\w+)")


def declared(line):
    """(depth of the heading, name) of a declaration; a block of constants has none."""
    method = METHOD.match(line)
    if method:
        return 4, f"{method[1]}.{method[2]}"
    name = NAME.match(line)
    return (3, name[1]) if name else (0, "")


def blocks(lines):
    """The declarations of one part: (lines of code, lines of its comment)."""
    code, comment = [], []
    for line in lines:
        if DECLARATION.match(line) and not (code and not closed(code)):
            if code:
                yield code, comment
            code, comment = [line], []
        elif code and not closed(code):
            code.append(line)
        elif code:
            comment.append(line)
    if code:
        yield code, comment


def closed(code):
    text = "\n".join(code)
    return all(text.count(left) == text.count(right) for left, right in ("()", "{}"))


def linked(text):
    """Names in brackets become links, other brackets stay what they are."""
    text = re.sub(r"\[\*?([A-Z]\w*(?:\.[A-Z]\w*)?)\]", r"[`\1`](#\1)", text.replace("<", "&lt;"))
    return re.sub(r"\[(?!`)", r"\\[", text)


def prose(lines):
    """A comment's paragraphs, with what is indented further as code. References such as [Server.Hold] become links."""
    text = "\n".join(line[4:] if line.startswith("    ") else line for line in lines).strip("\n")
    out = []
    for part in re.split(r"\n{2,}(?=\S)|\n{2,}(?=[ \t]+\S)", text):
        if re.match(r"[ \t]{2,}[^ \t-]|\t", part):
            out.append("```go\n" + re.sub(r"^(?:    |\t)", "", part, flags=re.M) + "\n```")
        elif part.startswith("# "):
            out.append("### " + part[2:])
        else:
            out.append(linked(part))
    return "\n\n".join(out)


def markdown(listing):
    parts = re.split(r"^(CONSTANTS|VARIABLES|FUNCTIONS|TYPES)\n", listing, flags=re.M)
    package, _, text = parts[0].partition("\n")
    out = ["# Go: package hijack", f"```go\n{package}\n```", prose([f"    {line}" for line in text.splitlines()])]
    for name, content in zip(parts[1::2], parts[2::2]):
        out.append(f"## {name.capitalize()}")
        for code, comment in blocks(content.splitlines()):
            depth, called = declared(code[0])
            if called:
                out.append(f"{'#' * depth} {called} {{ #{called} }}")
            out.append("```go\n" + "\n".join(code).rstrip() + "\n```")
            out.append(prose(comment))
    return "\n\n".join(part for part in out if part) + "\n"


def known(text):
    """The text with links only to what has a place on the page."""
    names = set(re.findall(r"\{ #([\w.]+) \}", text))
    return re.sub(r"\[(`[\w.]+`)\]\(#([\w.]+)\)", lambda match: match[0] if match[2] in names else match[1], text)


def pages(root):
    listing = subprocess.run(["go", "doc", "-all", "."], cwd=root / "go", check=True, text=True,
                             capture_output=True).stdout
    return {"reference/go/hijack.md": known(markdown(listing))}
