"""Tries clients of other makers, and records that no client would write, on the server of server.c.
Usage: run.py path-of-server path-of-certificates build-folder [name of a case...]

A case is a function with @case in cases_*.py; its name says what it tries. HIJACK_LONG=1 makes some cases longer.
tlslite-ng and httpx come from PyPI into a virtual environment of the build folder, the client in Go is built there."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

NEEDS = ["tlslite-ng==0.8.2", "httpx[http2]==0.28.1"]


def environment(folder: pathlib.Path) -> pathlib.Path:
    """The Python of a virtual environment that has NEEDS; made once."""
    python = folder / "tls-venv" / "bin" / "python"
    stamp = folder / "tls-venv" / "needs"
    if not stamp.exists() or stamp.read_text() != str(NEEDS + [sys.version]):
        shutil.rmtree(folder / "tls-venv", ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder / "tls-venv")], check=True)
        subprocess.run([str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q", *NEEDS], check=True)
        stamp.write_text(str(NEEDS + [sys.version]))
    return python


def go_client(folder: pathlib.Path) -> "str | None":
    """The program of goclient, or None without Go; built when its source has changed."""
    program = folder / "tls-goclient"
    source = pathlib.Path(__file__).parent / "goclient"
    go = shutil.which("go")
    if go is None:
        return None
    newest = max(path.stat().st_mtime for path in source.iterdir())
    if not program.exists() or program.stat().st_mtime < newest:
        subprocess.run([go, "build", "-o", str(program), "."], cwd=source, check=True,
                       env={**os.environ, "GOFLAGS": "-mod=mod", "GOWORK": "off"})
        program.touch()
    return str(program)


def run_cases(server: str, certificates: str, build: pathlib.Path, names: list) -> int:
    import cases_clients  # noqa: F401 (each adds its cases)
    import cases_ends  # noqa: F401
    import cases_handshake  # noqa: F401
    import cases_pressure  # noqa: F401
    import cases_http2  # noqa: F401
    import cases_records  # noqa: F401
    import cases_server  # noqa: F401
    from harness import Skipped, Surroundings, Wrong, cases

    failed = skipped = 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([certificates, folder], check=True)
        surroundings = Surroundings(server, pathlib.Path(folder), go_client(build))
        for name in names or cases:
            begin = time.monotonic()
            try:
                cases[name](surroundings)
                verdict = "ok"
            except Skipped as reason:
                skipped += 1
                verdict = f"skipped: {reason}"
            except Wrong as wrong:
                failed += 1
                verdict = f"FAILED: {wrong}"
            except Exception as error:  # what a client raises is a result as well
                failed += 1
                verdict = f"FAILED: {type(error).__name__}: {error} ({where(error)})"
            print(f"{name} {verdict} ({time.monotonic() - begin:.2f} s)", flush=True)
    count = len(names or cases)
    print(f"{count} cases, {failed} failed, {skipped} skipped")
    return 1 if failed or count == 0 else 0


def where(error: BaseException) -> str:
    """The line of a case that an exception came through."""
    found, trace = "", error.__traceback__
    while trace is not None:
        path = pathlib.Path(trace.tb_frame.f_code.co_filename)
        if path.parent == pathlib.Path(__file__).parent and path.name != "run.py":
            found = f"{path.name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def main() -> int:
    server, certificates, folder, *names = sys.argv[1:]
    build = pathlib.Path(folder).resolve()
    python = environment(build)
    if pathlib.Path(sys.prefix) != (build / "tls-venv"):
        os.execv(python, [str(python), "-B", __file__, *sys.argv[1:]])
    return run_cases(server, certificates, build, names)


if __name__ == "__main__":
    sys.exit(main())
