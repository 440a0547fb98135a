"""Spelling, by codespell: pages, the public header, and the sources. check_spelling.py CODESPELL.
What it takes for a mistake and is none stands in spelling.txt, a word a line."""

import pathlib
import subprocess
import sys

import documents

SOURCES = ("include", "src", "demos", "ruby/lib", "ruby/demos", "ruby/test", "python/src", "python/demos",
           "python/tests", "go", "bindings", "scripts", "tests/docs", "mkdocs.yml", "Makefile", "CMakeLists.txt")


def main():
    ignored = pathlib.Path(__file__).with_name("spelling.txt")
    files = [str(path) for path in documents.markdown()] + [str(documents.SOURCE / it) for it in SOURCES]
    command = [sys.argv[1], "--quiet-level=3", f"--ignore-words={ignored}", "--skip=*.pyc,__pycache__,*.so", *files]
    sys.exit(subprocess.run(command, cwd=documents.SOURCE, check=False).returncode)


if __name__ == "__main__":
    main()
