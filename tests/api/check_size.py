"""Files of at most 600 lines, lines of at most 120 characters, in every language; C functions of at most 60 lines.
Relies on the project's brace style: a C function's braces stand alone in the first column."""

import itertools

import project

MAX_FILE = 600
MAX_FUNCTION = 60
MAX_LINE = 120

(source,) = project.arguments(1)
problems = []
lengths = []
others = itertools.chain(*((source / folder).rglob(pattern) for folder, pattern in
                           [("bindings", "*.py"), ("go", "*.go"), ("python", "*.py"), ("ruby", "*.rb"),
                            ("scripts", "*.py"), ("tests", "*.py")]))
for path in sorted(others):
    name = path.relative_to(source)
    raw = path.read_text().splitlines()
    if len(raw) > MAX_FILE and "generated" not in path.name:
        problems.append(f"{name}: {len(raw)} lines, at most {MAX_FILE}: it holds more than one concept")
    if "generated" in path.name:
        continue
    problems += [f"{name}:{i}: {len(line.expandtabs(4))} characters, at most {MAX_LINE}"
                 for i, line in enumerate(raw, 1) if len(line.expandtabs(4)) > MAX_LINE]
for path in project.sources(source, "include", "src", "tests", "demos"):
    name = path.relative_to(source)
    raw = path.read_text().splitlines()
    if name.parts[0] != "include":
        lengths.append(len(raw))
        if len(raw) > MAX_FILE:
            problems.append(f"{name}: {len(raw)} lines, at most {MAX_FILE}: it holds more than one concept")
    if "generated" in path.name:
        continue
    problems += [f"{name}:{i}: {len(line)} characters, at most {MAX_LINE}"
                 for i, line in enumerate(raw, 1) if len(line) > MAX_LINE]
    start = None
    for i, line in enumerate(project.without_comments("\n".join(raw)).splitlines(), 1):
        if line.startswith("{"):
            start = i
        elif line.startswith("}") and start is not None:
            if i - start - 1 > MAX_FUNCTION and line.rstrip() == "}":
                problems.append(f"{name}:{start - 1}: a function of {i - start - 1} lines, at most {MAX_FUNCTION}")
            start = None
lengths.sort()
project.closing(problems, f"{len(lengths)} C files, median {lengths[len(lengths) // 2] if lengths else 0} lines")
