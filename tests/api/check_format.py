"""clang-format would change nothing. Skipped (77) without clang-format 14, since each version formats a little
differently."""

import re
import shutil
import subprocess
import sys

import project

VERSION = "14"

(source,) = project.arguments(1)
tool = shutil.which(f"clang-format-{VERSION}") or shutil.which("clang-format")
text = subprocess.run([tool, "--version"], text=True, capture_output=True).stdout if tool else ""
if not re.search(rf"version {VERSION}\.", text):
    print(f"skipped: clang-format {VERSION} is not installed (found: {text.strip() or 'none'})")
    sys.exit(77)
files = [str(p) for p in project.sources(source, "include", "src", "tests", "demos")]
result = subprocess.run([tool, "--dry-run", "--Werror", *files], text=True, capture_output=True, cwd=source)
names = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", result.stderr, re.M)))
problems = [f"{name}: not formatted; run: make format" for name in names]
if result.returncode and not problems:
    problems = [result.stderr]
project.closing(problems, f"{len(files)} files")
