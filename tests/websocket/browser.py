"""Tries the page of a demo in a real browser: a program in browser, which drives Chromium.

Usage: browser.py BUILD-FOLDER [--tls] [--name NAME] [--page chat|restart|rooms] -- COMMAND... {port}

The command is that of the demo, of which the program restart starts more; how it is started is said in interop.py.
Screenshots of the tabs are in the build folder afterwards, in websocket-browser. Without Node or Chromium the test is
skipped: the exit code is 77."""

import argparse
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from surroundings import Server, certificate, node_script, run_client

PUPPETEER = "24.35.0"
PROGRAMS = pathlib.Path(__file__).resolve().parent / "browser"
SECONDS = 120


def run(build: pathlib.Path, page: str, url: str, chromium: str, server: "list[str]") -> str:
    """What is wrong, if anything."""
    screenshots = build / "websocket-browser"
    screenshots.mkdir(exist_ok=True)
    command = node_script(build / "websocket-puppeteer", f"puppeteer-core@{PUPPETEER}", PROGRAMS / f"{page}.js")
    return run_client([*command, chromium, url, str(screenshots), *server], SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(usage=__doc__.partition("Usage: ")[2], add_help=False)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--name", default="the server")
    parser.add_argument("--page", choices=("chat", "restart", "rooms"), default="chat")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is killed
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    for tool, there in (("Chromium", chromium), ("node", shutil.which("node")), ("npm", shutil.which("npm"))):
        if not there:
            print(f"skipped: {tool} is not installed (on Debian: apt-get install chromium nodejs npm)")
            return 77
    with tempfile.TemporaryDirectory() as folder:
        if arguments.tls:
            certificate(folder)
        server = None
        try:
            server = Server(arguments.command, folder if arguments.tls else None)
            url = f"{server.scheme}://127.0.0.1:{server.wait()}/"
            build = arguments.build.resolve()
            wrong = run(build, arguments.page, url, chromium, arguments.command) or server.stop()
        except (OSError, subprocess.CalledProcessError) as error:
            wrong = str(error)
        finally:
            if server:
                server.kill()
    result = f"FAILED: {wrong}" if wrong else "ok"
    print(f"{arguments.name}{' over TLS' if arguments.tls else ''}: {result}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
