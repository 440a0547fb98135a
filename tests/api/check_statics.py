"""No two static functions of src/ have the same name: gdb, perf and a stack trace show the name alone. An inline
function of a header is one function, however many files include it."""

import collections
import re

import project

DEFINITION = re.compile(r"^static\s+(?:[\w*]+\s+)*?\**(\w+)\([^;{}]*\)\s*\{", re.M)


# Files of which a build has one: the same names on purpose.
ALTERNATIVES = {"src/loop/http2/compat_master.h": "src/loop/http2/compat_225.h"}


def problems_of(texts):
    places = collections.defaultdict(list)
    for path, text in texts.items():
        if ALTERNATIVES.get(path) in texts:
            continue
        for name in DEFINITION.findall(project.without_comments(text)):
            places[name].append(path)
    return [f"{name} is the static function of several files, give each a name of its own: {' '.join(sorted(paths))}"
            for name, paths in sorted(places.items()) if len(paths) > 1]


def check_itself():
    """The check finds what it is for, in files made up."""
    texts = {
        "a.c": "static int find(int a)\n{\n    return a;\n}\n",
        "b.c": "/* static int find(int a)\n{ */\nstatic int search(int a)\n{\n    return find(a);\n}\n",
        "c.h": "static inline struct x *get(void)\n{\n    return 0;\n}\n",
    }
    assert problems_of(texts) == []
    texts["d.c"] = "static const struct x *find(struct x *a,\n                            int b)\n{\n    return a;\n}\n"
    (problem,) = problems_of(texts)
    assert problem.startswith("find is ") and problem.endswith(": a.c d.c"), problem


check_itself()
(source,) = project.arguments(1)
texts = {str(path.relative_to(source)): path.read_text() for path in project.sources(source, "src")}
count = sum(len(DEFINITION.findall(project.without_comments(text))) for text in texts.values())
if not count:
    project.closing(["no static function found in src/: is the check still right?"], "")
project.closing(problems_of(texts), f"{count} static functions, each with a name of its own")
