"""No files of src/ call each other in a circle. A file here is a noun: foo.c with foo.h. A file that uses a function of
another file stands above it; where that leads back to itself, none of the files can be read, tested or replaced alone.
Taking a function's address is a use: it is how a call is made later."""

import re

import project

ALLOWED = []

DEFINITION = re.compile(r"^(?:[A-Za-z_][\w \t*]*?[\s*])?((?:hj|hijack)_\w+)\([^;{}]*\)\s*\{", re.M)
NAME = re.compile(r"\b(?:hj|hijack)_\w+\b")


def noun_of(path):
    return path.rsplit(".", 1)[0]


def defined(files):
    """{function: noun} of what the files define, inline functions of headers included."""
    return {name: noun_of(path) for path, code in files.items() for name in DEFINITION.findall(code)}


def bodies(code):
    """A header's code with all but the bodies of its inline functions blanked: a prototype uses nothing."""
    kept, at = "", 0
    for match in DEFINITION.finditer(code):
        end = re.compile(r"^\}", re.M).search(code, match.end())
        kept += re.sub(r"[^\n]", "", code[at:match.end()])
        at = end.start() if end else len(code)
        kept += code[match.end():at]
    return kept + re.sub(r"[^\n]", "", code[at:])


def uses_of(files):
    """{noun: {noun it uses: {function: "file:line" of its first use}}}"""
    owners = defined(files)
    uses = {noun_of(path): {} for path in files}
    for path, code in files.items():
        for number, line in enumerate((bodies(code) if path.endswith(".h") else code).splitlines(), 1):
            for name in NAME.findall(line):
                owner = owners.get(name)
                if owner and owner != noun_of(path):
                    uses[noun_of(path)].setdefault(owner, {}).setdefault(name, f"{path}:{number}")
    return uses


def reachable(uses, start):
    seen, todo = set(), [start]
    while todo:
        for other in uses[todo.pop()]:
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen


def circles(uses):
    """The strongly connected components of more than one noun, each sorted."""
    reach = {noun: reachable(uses, noun) for noun in uses}
    found = {tuple(sorted(other for other in reach[noun] if noun in reach[other]))
             for noun in uses if noun in reach[noun]}
    return sorted(found)


def told(uses, circle):
    """The calls that make a circle, a line for each pair of nouns."""
    for noun in circle:
        for other, names in sorted(uses[noun].items()):
            if other in circle:
                calls = ", ".join(f"{name} ({place})" for name, place in sorted(names.items()))
                yield f"    {noun} uses {other}: {calls}"


def problems_of(files, allowed):
    uses = uses_of(files)
    problems = []
    found = circles(uses)
    for circle in found:
        if not any(set(circle) <= set(each) for each in allowed):
            problems.append("\n".join([f"circle of {len(circle)} files: {' '.join(circle)}", *told(uses, circle)]))
    for noun in sorted({noun for each in allowed for noun in each} - {noun for circle in found for noun in circle}):
        problems.append(f"{noun} is in no circle any more: take it out of ALLOWED in tests/api/check_circles.py")
    return problems


def check_itself():
    """The check finds what it is for, in files made up."""
    files = {
        "a.c": "int hj_a(void)\n{\n    return hj_b();\n}\n",
        "a.h": "int hj_a(void);\n",
        "b.h": "static inline int hj_b(void)\n{\n    return hj_c != NULL;\n}\nint hj_a(void);\n",
        "c.c": "/* nobody */\nint hj_c(void)\n{\n    return 0;\n}\n",
    }
    assert problems_of(files, []) == [], "a header's prototype is no use"
    files["c.c"] = "int hj_c(void)\n{\n    return hj_a();\n}\n"
    (problem,) = problems_of(files, [])
    assert problem.startswith("circle of 3 files: a b c\n    a uses b: hj_b (a.c:3)\n"), problem
    assert problems_of(files, [["a", "b", "c", "d"]]) == [
        "d is in no circle any more: take it out of ALLOWED in tests/api/check_circles.py"]
    assert len(problems_of(files, [["a", "b"], ["c"]])) == 1, "an allowed circle may not grow"


check_itself()
(source,) = project.arguments(1)
files = {str(path.relative_to(source / "src")): project.without_comments(path.read_text())
         for path in project.sources(source, "src")}
if not defined(files):
    project.closing(["no function found in src/: is the check still right?"], "")
project.closing(problems_of(files, ALLOWED), f"{len(defined(files))} functions in {len(files)} files, no new circle")
