"""Each function has its place in docs/: a heading with its name, a list item or table row that begins with it, or its
prototype in a code block. And docs and README name no function, constant or event that does not exist."""

import re

import project

(source,) = project.arguments(1)
declared = set(project.declared(source))
header = project.header(source)
types = set(re.findall(r"\btypedef struct (hijack_\w+)", header)) | {"hijack_static"}
options = re.findall(r"\bHIJACK_\w+", (source / "CMakeLists.txt").read_text())
constants = set(re.findall(r"\bHIJACK_\w+", header)) | set(options) | {"HIJACK_VERSION"}
constants |= {"HIJACK_VERSION_NUMBER"}
constants |= {"HIJACK_LIBRARY", "HIJACK_SYSTEM"}  # what the gem and the wheel can be told

PLACE = re.compile(r"^(?:#+ .*|[ \t]*(?:[-*]|\|)[ \t]*`hijack_\w+.*)$", re.M)
PROTOTYPE = re.compile(r"^(?:HIJACK_API )?(?:int|void|uint\d+_t|const char \*)[ ]*\**(hijack_\w+)\(", re.M)


def documented(text):
    names = set()
    for line in PLACE.findall(project.FENCE.sub("", text)):
        if line.startswith("#"):
            names.update(re.findall(r"\bhijack_\w+", line))
        else:
            # a row may hold several, but only its first cell counts
            first = line.strip().lstrip("|-* ").split(" | ")[0]
            names.update(re.findall(r"`(hijack_\w+)", first))
    for language, code in project.FENCE.findall(text):
        if language in ("c", ""):
            names.update(PROTOTYPE.findall(code))
    return names


problems = []
found = set()
for page in project.pages(source):
    text = page.read_text()
    where = page.relative_to(source)
    if page.name != "README.md":
        found |= documented(text)
    for name in sorted(set(re.findall(r"(?<![.\w])(hijack_\w+)(?=\()", text)) - declared):
        problems.append(f"{where}: no such function: {name}")
    for name in sorted(set(re.findall(r"\bHIJACK_[A-Z]\w*\b(?!=)", text)) - constants):  # NAME=1 is a variable
        if not (name.endswith(("_", "_E")) and any(c.startswith(name) for c in constants)):  # HIJACK_EVENT_*
            problems.append(f"{where}: no such constant: {name}")

problems += [f"not documented in docs/: {name}" for name in sorted(declared - found)]
project.closing(problems, f"{len(declared)} functions, all documented")
