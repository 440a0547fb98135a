"""Each piece of Ruby, Python and Go in a page is at least a piece of that language. (Tests of their own run the
programs of the guides; api_samples compiles those of C.)"""

import ast
import json
import re
import shutil
import subprocess
import sys

import documents

import fences

RUBY = """require 'json'
JSON.parse(STDIN.read).each do |where, code|
  RubyVM::InstructionSequence.compile(code)
rescue SyntaxError => e
  puts "#{where}: #{e.message.lines[0, 3].join}"
end"""


def pieces():
    """{language: [[page:line, code]]} of all pages."""
    found = {"ruby": [], "python": [], "go": []}
    for page in documents.markdown():
        text = page.read_text(encoding="utf-8")
        for match in fences.FENCE.finditer(text):
            language = match[3].strip().partition(" ")[0]
            if language in found:
                line = text.count("\n", 0, match.start()) + 2
                code = re.sub(rf"^{match[1]}", "", match[4], flags=re.M)
                found[language].append([f"{page.relative_to(documents.SOURCE)}:{line}", code])
    return found


def ruby(found):
    return subprocess.run(["ruby", "-e", RUBY], input=json.dumps(found), text=True, capture_output=True,
                          check=True).stdout.splitlines()


def python(found):
    for where, code in found:
        try:  # await stands for itself at the top of a piece
            compile(code, where, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except SyntaxError as error:
            yield f"{where}: line {error.lineno}: {error.msg}"


def go(found):
    """gofmt takes a file, declarations, or statements."""
    for where, code in found:
        result = subprocess.run(["gofmt", "-e"], input=code, text=True, capture_output=True, check=False)
        if result.returncode:
            yield f"{where}: {result.stderr.strip()}"


def main():
    found = pieces()
    problems = [*python(found["python"])]
    problems += ruby(found["ruby"]) if shutil.which("ruby") else []
    problems += go(found["go"]) if shutil.which("gofmt") else []
    counts = ", ".join(f"{len(codes)} of {language}" for language, codes in found.items())
    print("\n".join(problems) if problems else f"pieces of code: {counts}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
