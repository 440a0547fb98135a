"""What docs/operate shows is what the tests run: a code block behind a comment that names a file is a part of this
file, and every configuration has such a comment. The metrics and options that the pages name exist."""

import re
import sys

from harness import HERE, SOURCE

PAGES = SOURCE / "docs/operate"
BLOCK = re.compile(r"^(<!-- (tests/operate/\S+) -->\n)?```(\S*)\n(.*?)^```$", re.M | re.S)
RUN = {"nginx", "haproxy", "caddy", "ini", "ruby", "python", "go"}  # languages of blocks that a test runs
STATISTIC = re.compile(r"^\| `HIJACK_STAT_\w+` \| (\w+) \|", re.M)
OPTION = re.compile(r"^\| `(\w+)` \| (?:int|size|string|choice|mode) \|", re.M)


def problems():
    shown = set()
    for page in sorted(PAGES.glob("*.md")):
        for match in BLOCK.finditer(page.read_text()):
            _, name, language, code = match.groups()
            where = f"{page.name}:{page.read_text().count(chr(10), 0, match.start()) + 1}"
            if name:
                shown.add(name)
                if not (SOURCE / name).exists():
                    yield f"{where}: there is no {name}"
                elif code not in (SOURCE / name).read_text():
                    yield f"{where}: is not a part of {name}"
            elif language in RUN:
                yield f"{where}: a block of {language} without a comment that names its file in tests/operate"
    for folder in ("nginx", "haproxy", "caddy", "systemd", "kernel", "app"):
        for file in (HERE / folder).iterdir():
            if str(file.relative_to(SOURCE)) not in shown:
                yield f"{file.relative_to(SOURCE)} is on no page"


def unknown_metrics():
    statistics = set(STATISTIC.findall((SOURCE / "docs/reference/statistics.md").read_text()))
    page = (PAGES / "monitoring.md").read_text()
    named = set(re.findall(r"\bhijack_(\w+?)(?:_total)?\b", page))
    yield from (f"monitoring.md: no such statistic: {name}" for name in sorted(named - statistics))
    yield from (f"monitoring.md: does not name hijack_{name}" for name in sorted(statistics - named))


def unknown_options():
    options = set(OPTION.findall((SOURCE / "docs/reference/options.md").read_text()))
    for page in sorted(PAGES.glob("*.md")):
        for name in re.findall(r"`(?!hijack_)(\w+_(?:ms|bytes))\b", page.read_text()):
            if name not in options and name not in ("backlog_bytes",):
                yield f"{page.name}: no such option: {name}"


if __name__ == "__main__":
    found = [*problems(), *unknown_metrics(), *unknown_options()]
    sys.exit("\n".join(found) if found else 0)
