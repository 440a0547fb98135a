"""Tries a server for WebSocket with clients of other makers, the programs in interop/.

Usage: interop.py BUILD-FOLDER [--tls] [--declines] [--name NAME] [--path PATH] [--only WORD] -- COMMAND... {port}

Each client connects, with and without compression, sends texts and bytes of many sizes, messages in fragments and
pings, compares what comes back, and closes with code 4001 and the reason "bye", which must come back. The command is
started with 0 instead of {port} and must print a line with http://127.0.0.1:PORT/, or https with --tls, where it finds
its certificate by TLS_CERT and TLS_KEY. It must agree to compress; with --declines it must not. --only runs the clients
with that word in their names.

The libraries are installed into the build folder: Python's from PyPI, Go's by the module proxy, Node's by npm. Ruby's
is the system's. A client whose tools are not there is skipped; if none is left, the exit code is 77."""

import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import Dict, Iterator, List, Tuple

from surroundings import Server, certificate, environment, made, node_script, run_client

WEBSOCKETS = "17.4" if sys.version_info >= (3, 11) else "15.0.1"
WS = "8.23.0"
SOURCES = pathlib.Path(__file__).resolve().parent / "interop"
CLIENT_SECONDS = 30  # they have a limit of 10 of their own


class Skipped(Exception):
    """Why a client cannot run here."""


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise Skipped(f"{name} is not installed")
    return path


def python_client(build: pathlib.Path) -> List[str]:
    python = environment(build / "websocket-clients-venv", [f"websockets=={WEBSOCKETS}"])
    return [str(python), "-B", str(SOURCES / "python_websockets.py")]


def go_client(build: pathlib.Path) -> List[str]:
    """Built when its source has changed."""
    go, folder, source = tool("go"), build / "websocket-goclient", SOURCES / "goclient"
    newest = max(path.stat().st_mtime for path in source.iterdir())
    with made(folder, str(newest)) as missing:
        if missing:
            subprocess.run([go, "build", "-mod=readonly", "-o", str(folder / "client"), "."], cwd=source, check=True,
                           env={**os.environ, "GOWORK": "off"})
    return [str(folder / "client")]


def node_client(build: pathlib.Path) -> List[str]:
    tool("node")
    tool("npm")
    return node_script(build / "websocket-node", f"ws@{WS}", SOURCES / "node_ws.js")


def ruby_client(build: pathlib.Path) -> List[str]:
    ruby = tool("ruby")
    if subprocess.run([ruby, "-e", "require 'websocket/driver'"], stderr=subprocess.DEVNULL).returncode:
        raise Skipped("websocket-driver for Ruby is not installed (on Debian: apt-get install ruby-websocket-driver)")
    return [ruby, str(SOURCES / "ruby_websocket_driver.rb")]


# Name, what makes its command, the words before the URL, what it can be asked for, whether it does TLS. takeover is
# compression with context takeover, which coder/websocket offers only then.
CLIENTS: List[Tuple] = [
    (f"Python websockets {WEBSOCKETS}", python_client, [], ["plain", "deflate"], True),
    ("Go coder/websocket", go_client, ["coder"], ["plain", "deflate", "takeover"], True),
    ("Go gorilla/websocket", go_client, ["gorilla"], ["plain", "deflate"], True),
    (f"npm ws {WS}", node_client, [], ["plain", "deflate"], True),
    ("Ruby websocket-driver", ruby_client, [], ["plain"], False),
]


def runs(arguments: argparse.Namespace) -> Iterator[Tuple[str, object, List[str]]]:
    """Name, what makes the command, and the words of the command around the URL."""
    for name, make, words, modes, tls in CLIENTS:
        if arguments.only.lower() in name.lower() and (tls or not arguments.tls):
            for mode in dict.fromkeys("declined" if arguments.declines and mode != "plain" else mode for mode in modes):
                yield f"{name}, {mode}", make, [*words, "{url}", mode]


def try_clients(arguments: argparse.Namespace, server: Server, certificates: str) -> Dict[str, int]:
    count = {"passed": 0, "failed": 0, "skipped": 0}
    scheme, more = ("wss", [f"{certificates}/ca.pem"]) if arguments.tls else ("ws", [])
    url = f"{scheme}://127.0.0.1:{server.wait()}{arguments.path}"
    for name, make, words in runs(arguments):
        try:
            command = [*make(arguments.build.resolve()), *words, *more]
            begin = time.monotonic()
            wrong = run_client([url if word == "{url}" else word for word in command], CLIENT_SECONDS)
            count["failed" if wrong else "passed"] += 1
            print(f"{name}: {'FAILED: ' + wrong if wrong else 'ok'} ({time.monotonic() - begin:.1f} s)", flush=True)
        except Skipped as reason:
            count["skipped"] += 1
            print(f"{name}: skipped: {reason}", flush=True)
        except (OSError, subprocess.CalledProcessError) as error:
            count["failed"] += 1
            print(f"{name}: FAILED: the client cannot be made: {error}", flush=True)
    return count


def main() -> int:
    parser = argparse.ArgumentParser(usage=__doc__.partition("Usage: ")[2], add_help=False)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--declines", action="store_true")
    parser.add_argument("--name", default="the server")
    parser.add_argument("--path", default="/echo")
    parser.add_argument("--only", default="")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is killed
    with tempfile.TemporaryDirectory() as folder:
        if arguments.tls:
            certificate(folder)
        server = None
        try:
            server = Server(arguments.command, folder if arguments.tls else None)
            count = try_clients(arguments, server, folder)
            wrong = server.stop()
        except OSError as error:
            count, wrong = {"passed": 0, "failed": 0, "skipped": 0}, str(error)
        finally:
            if server:
                server.kill()
    if wrong:
        print(f"FAILED: {wrong}")
    print(f"{arguments.name}{' over TLS' if arguments.tls else ''}: "
          f"{', '.join(f'{number} {what}' for what, number in count.items())}", flush=True)
    if wrong or count["failed"]:
        return 1
    return 0 if count["passed"] else 77


if __name__ == "__main__":
    sys.exit(main())
