"""base <- core <- loop. base knows libc only; core does no I/O and reaches loop through one header; only loop knows
libh2o, OpenSSL and zlib."""

import re

import project

THIRD = re.compile(r"^(h2o|h2o/.*|openssl/.*|zlib|picotls.*|wslay/.*)(\.h)?$")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def complaint(layer, name, quote):
    if layer != "loop" and THIRD.match(name):
        return "only src/loop may include it"
    part = name.split("/")[0] if "/" in name else ""
    if quote == '"' and part not in ("base", "core", "loop"):
        return 'write "base/...", "core/..." or "loop/...", relative to src'
    if layer == "base" and part in ("core", "loop"):
        return "base stands below core and loop"
    if layer == "base" and part == "hijack" and name != "hijack/hijack.h":
        return "base knows no other public header than hijack/hijack.h, for the error codes"
    if layer == "core" and part == "loop" and name != "loop/loop.h":
        return 'core reaches loop through "loop/loop.h" only'
    if name.endswith(".c"):
        return "a .c file is not for including"
    return None


(source,) = project.arguments(1)
problems = []
count = 0
for path in project.sources(source, "src"):
    layer = path.relative_to(source / "src").parts[0]
    count += 1
    for quote, name in INCLUDE.findall(path.read_text()):
        why = complaint(layer, name, quote)
        if why:
            problems.append(f"{path.relative_to(source)}: includes {name}: {why}")
if (source / "src/loop/loop.h").exists() and THIRD.pattern:
    for quote, name in INCLUDE.findall((source / "src/loop/loop.h").read_text()):
        if THIRD.match(name):
            problems.append(f"src/loop/loop.h: includes {name}: core includes this file, so it may not")
project.closing(problems, f"{count} files, each in its layer")
