"""base <- codec <- core <- loop. base knows libc only; core includes nothing of loop; only loop knows
libh2o, OpenSSL and zlib; only base/os knows what other systems than Linux do otherwise."""

import re

import project

THIRD = re.compile(r"^(h2o|h2o/.*|openssl/.*|zlib|picotls.*|wslay/.*)(\.h)?$")
LAYERS = ["base", "codec", "core", "loop"]
SYSTEM = re.compile(r"\b(accept4|epoll_\w+|eventfd\w*|setsockopt)\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def complaint(layer, name, quote):
    if layer != "loop" and THIRD.match(name):
        return "only src/loop may include it"
    part = name.split("/")[0] if "/" in name else ""
    if quote == '"' and part not in LAYERS:
        return f"write one of {LAYERS} first, relative to src"
    if part in LAYERS and LAYERS.index(part) > LAYERS.index(layer):
        return f"{layer} stands below {part}"
    if layer == "base" and part == "hijack" and name != "hijack/hijack.h":
        return "base knows no other public header than hijack/hijack.h, for the error codes"
    if name.endswith(".c"):
        return "a .c file is not for including"
    return None


(source,) = project.arguments(1)
problems = []
count = 0
for path in project.sources(source, "src"):
    layer = path.relative_to(source / "src").parts[0]
    count += 1
    if path.parent != source / "src/base/os" and path.name != "compat.h":  # it looks for libh2o's own poller
        for match in SYSTEM.finditer(project.without_comments(path.read_text())):
            problems.append(f"{path.relative_to(source)}: {match[1]} belongs into src/base/os")
    for quote, name in INCLUDE.findall(path.read_text()):
        why = complaint(layer, name, quote)
        if why:
            problems.append(f"{path.relative_to(source)}: includes {name}: {why}")
project.closing(problems, f"{count} files, each in its layer")
