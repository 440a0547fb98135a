"""One program in several languages: in the repository these are fenced pieces of code, one after the other, which
every code host shows. On the site they become tabs. Each may have its name above it, as **Ruby** or **Ruby**, `a.rb`:;
without, its language is the name. A comment for the tests may stand before each."""

import re

NAMES = {"ruby": "Ruby", "python": "Python", "go": "Go", "c": "C", "js": "JavaScript", "javascript": "JavaScript"}
ONE = re.compile(r"^(?:\*\*(?P<name>[^*\n]+)\*\*(?:, `(?P<file>[^`\n]+)`)?:?\n\n)?"
                 r"(?:<!--[^\n]*-->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```\n", re.M | re.S)


def tab(match):
    name = match["name"] or NAMES[match["language"]]
    title = f' title="{match["file"]}"' if match["file"] else ""
    fence = f"```{match['language']}{title}\n{match['code']}```"
    code = "".join(f"    {line}\n" if line else "\n" for line in fence.split("\n"))
    return f'=== "{name}"\n\n{code}'


def runs(text):
    """Lists of neighbours in different languages."""
    run = []
    for match in ONE.finditer(text):
        language = match["language"]
        if language not in NAMES:
            continue
        apart = run and text[run[-1].end():match.start()].strip("\n")
        if apart or language in [it["language"] for it in run]:
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
