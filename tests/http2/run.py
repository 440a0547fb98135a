"""Builds h2spec (github.com/summerwind/h2spec, the version of h2spec/go.mod, by the Go module proxy) into the build
folder, and runs it against the server of server.c. Usage: run.py path-of-server build-folder

Prints a line for each section, and the totals. In clear one case cannot be right for a listener that serves HTTP/1 as
well: bytes that are no preface are answered in HTTP/1. With HIJACK_TEST_TRANSPORT=tls in the environment it runs over
TLS, where ALPN has chosen HTTP/2, and that case must pass too."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml

TLS = os.environ.get("HIJACK_TEST_TRANSPORT") == "tls"
EXPECTED_FAILURES = set() if TLS else {("3.5. HTTP/2 Connection Preface", "Sends invalid connection preface")}
LEAST = 145 if TLS else 144
CASE_SECONDS = 2
RUN_SECONDS = 100


def build(folder: pathlib.Path) -> pathlib.Path:
    """h2spec in the folder; built once."""
    program = folder / "h2spec"
    source = pathlib.Path(__file__).parent / "h2spec"
    newest = max(path.stat().st_mtime for path in source.iterdir())
    if not program.exists() or program.stat().st_mtime < newest:
        go = shutil.which("go")
        if go is None:
            sys.exit("h2spec is built with Go, which is not here (scripts/install-deps go)")
        subprocess.run([go, "build", "-mod=readonly", "-o", str(program), "github.com/summerwind/h2spec/cmd/h2spec"],
                       cwd=source, check=True)
        program.touch()
    return program


def run(h2spec: pathlib.Path, server: str) -> xml.Element:
    """The JUnit report of a run against a server of its own."""
    process = subprocess.Popen([server], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    try:
        port = process.stdout.readline().strip()
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder, "report.xml")
            subprocess.run([str(h2spec), "generic", "http2", "hpack", "-h", "127.0.0.1", "-p", port,
                            "-o", str(CASE_SECONDS), "-j", str(report), *(["-t", "-k"] if TLS else [])],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=RUN_SECONDS)
            assert process.poll() is None, "the server has ended"
            _, printed = process.communicate(timeout=20)
            assert process.returncode == 0 and printed == "", f"the server: {process.returncode}, {printed}"
            return xml.parse(report).getroot()
    finally:
        if process.poll() is None:
            process.kill()


def main() -> int:
    h2spec = build(pathlib.Path(sys.argv[2]))
    begin = time.monotonic()
    report = run(h2spec, sys.argv[1])
    total, failures = 0, []
    for suite in report.iter("testsuite"):
        cases = suite.findall("testcase")
        bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
        total += len(cases)
        if cases:
            name = suite.get("name") or suite.get("package")
            print(f"{len(cases) - len(bad)} of {len(cases)}  {suite.get('package')}  {name}")
        for case in bad:
            failures.append((suite.get("name"), case.get("classname") or case.get("name")))
            print(f"    failed: {failures[-1][1]}")
    print(f"{total - len(failures)} of {total} cases passed in {time.monotonic() - begin:.1f} s")
    unexpected = [failure for failure in failures if failure not in EXPECTED_FAILURES]
    for suite, name in unexpected:
        print(f"not expected to fail: {suite}: {name}")
    return 0 if not unexpected and total - len(failures) >= LEAST else 1


sys.exit(main())
