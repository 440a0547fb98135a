"""docs/reference/options.md is what the library's own table gives."""

import subprocess
import sys

import project

source, library = project.arguments(2)
made = subprocess.run([sys.executable, str(source / "scripts/options-page"), str(library)], check=True, text=True,
                      capture_output=True).stdout
page = source / "docs/reference/options.md"
problems = []
if not page.exists() or page.read_text() != made:
    problems.append("docs/reference/options.md is not what hijack_options says; run: make docs")
project.closing(problems, f"{made.count(chr(10) + '| `')} options")
