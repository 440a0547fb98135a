"""The reference on the site names every public class, function and method of the packages for Ruby, Python and Go.
check_reference.py SOURCE SITE PYTHON: PYTHON is an interpreter that has the package; the environment names the
library for Ruby."""

import pathlib
import re
import subprocess
import sys

SOURCE, SITE, PYTHON = map(pathlib.Path, sys.argv[1:])
sys.path.insert(0, str(SOURCE / "scripts" / "site"))

import go_reference  # noqa: E402
import ruby_reference  # noqa: E402

HERE = pathlib.Path(__file__).parent
TESTS = re.compile(r"_test\.go$")


def output(*command):
    return subprocess.run(command, cwd=SOURCE, check=True, text=True, capture_output=True).stdout.split()


def ids(pattern):
    """{page: the anchors on it} of the pages of the site."""
    return {page.name: set(re.findall(r'\bid="([^"]+)"', page.read_text())) for page in SITE.glob(pattern)}


def ruby():
    pages = ids("reference/ruby/*.html")
    book = ruby_reference.Pages(ruby_reference.parsed(SOURCE))
    for name in output("ruby", "-Iruby/lib", str(HERE / "public.rb")):
        page, _, anchor = book.places.get(name, "").partition("#")
        yield name, anchor in pages.get(page.replace(".md", ".html"), ()) or (page and not anchor)


def python():
    anchors = set().union(*ids("reference/python/*.html").values())
    for name in output(str(PYTHON), str(HERE / "public.py")):
        yield name, name in anchors


def owners(kind, embedded):
    """The exported types that have the methods of this one: itself, or those that embed it."""
    if kind[0].isupper():
        return {kind}
    return set().union(*(owners(it, embedded) for it, inside in embedded.items() if kind in inside))


def go():
    """By its sources, which gofmt has laid out."""
    anchors = set().union(*ids("reference/go/*.html").values())
    sources = [path.read_text() for path in sorted((SOURCE / "go").glob("*.go")) if not TESTS.search(path.name)]
    text = "\n".join(it for it in sources if not re.match(r"//go:build.*!linux", it))
    structs = re.findall(r"^type (\w+) struct \{\n(.*?)^\}", text, re.M | re.S)
    embedded = {name: re.findall(r"^\t\*?(\w+)$", body, re.M) for name, body in structs}
    for line in text.splitlines():
        kind, _, method = go_reference.declared(line)[1].partition(".")
        if method[:1].isupper():
            for owner in owners(kind, embedded):
                yield f"{owner}.{method}", f"{owner}.{method}" in anchors
        elif kind[:1].isupper() and not method:
            yield kind, kind in anchors


if __name__ == "__main__":
    failed = False
    for language, least in ((ruby, 100), (python, 120), (go, 140)):
        found = dict(language())
        missing = [name for name, there in found.items() if not there]
        failed = failed or bool(missing) or len(found) < least
        for name in missing:
            print(f"{language.__name__}: the reference does not have {name}")
        print(f"{language.__name__}: {len(found) - len(missing)} of {len(found)} names are in the reference")
        if len(found) < least:
            print(f"expected at least {least} names: is the check still right?")
    sys.exit(failed)
