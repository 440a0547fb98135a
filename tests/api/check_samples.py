"""Each C sample with a main in README.md and docs/ compiles as strict C11 without a warning, and links."""

import os
import pathlib
import subprocess
import tempfile

import project

source, build, compiler = project.arguments(3)
problems = []
count = 0
with tempfile.TemporaryDirectory() as folder:
    for page in project.pages(source):
        text = page.read_text()
        for match in project.FENCE.finditer(text):
            language, code = match.groups()
            if language != "c" or "int main" not in code:
                continue
            line = text.count("\n", 0, match.start()) + 2
            count += 1
            # Named after the page and padded, so that the compiler's messages point into it.
            sample = pathlib.Path(folder, f"{count}.c")
            sample.write_text(f'#line {line} "{page.relative_to(source)}"\n{code}')
            command = [str(compiler), "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                       f"-I{source}/include", f"-I{build}/include", "-o", os.path.join(folder, "sample"), str(sample),
                       f"-L{build}", "-lhijack", "-pthread"]
            result = subprocess.run(command, text=True, capture_output=True)
            if result.returncode:
                problems.append(f"{page.relative_to(source)}:{line}: does not compile\n{result.stderr}")
if not (source / "README.md").exists():
    problems.append("README.md: missing")
elif not count:
    problems.append("no C sample with an int main found in README.md and docs/: is the check still right?")
project.closing(problems, f"{count} samples compiled and linked")
