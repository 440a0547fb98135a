"""What the shared library exports is what the header declares: no function less, no symbol more. And the API stays
small."""

import subprocess

import project

MAX_FUNCTIONS = 100

source, library = project.arguments(2)
declared = project.declared(source)
output = subprocess.run(["nm", "-D", "--defined-only", str(library)], check=True, text=True, capture_output=True).stdout
exported = {line.split()[-1] for line in output.splitlines()}

problems = [f"declared in hijack.h, not exported by the library: {name}" for name in declared if name not in exported]
problems += [f"exported by the library, not declared in hijack.h: {name}" for name in sorted(exported - set(declared))]
problems += [f"declared twice: {name}" for name in sorted({n for n in declared if declared.count(n) > 1})]
if not declared:
    problems.append("no function found in hijack.h: does it still say HIJACK_API?")
if len(declared) > MAX_FUNCTIONS:
    problems.append(f"{len(declared)} functions, at most {MAX_FUNCTIONS} are allowed: make it an option or an event")
project.closing(problems, f"{len(declared)} functions, declared and exported")
