"""One program in several languages: in the repository these are fenced pieces of code, one after the other, which
every code host shows. On the site they become tabs. Each may have its name above it, as **Ruby**; without, its
language is the name."""

import re

NAMES = {"ruby": "Ruby", "python": "Python", "go": "Go", "c": "C", "js": "JavaScript", "javascript": "JavaScript"}
ONE = re.compile(r"^(?:\*\*([^*\n]+)\*\*\n\n)?```(\w+)\n(.*?)^```\n", re.M | re.S)


def tab(match):
    name = match[1] or NAMES[match[2]]
    code = "".join(f"    {line}\n" if line else "\n" for line in f"```{match[2]}\n{match[3]}```".split("\n"))
    return f'=== "{name}"\n\n{code}'


def runs(text):
    """Lists of neighbours in different languages."""
    run = []
    for match in ONE.finditer(text):
        if match[2] not in NAMES:
            continue
        if run and (text[run[-1].end():match.start()].strip("\n") or match[2] in [it[2] for it in run]):
            yield run
            run = []
        run.append(match)
    yield run


def tabbed(text):
    out, place = [], 0
    for run in runs(text):
        if len(run) > 1:
            out += [text[place:run[0].start()], "\n".join(tab(match) for match in run)]
            place = run[-1].end()
    return "".join(out) + text[place:]
