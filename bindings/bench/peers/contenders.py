"""The contenders: a table of what is started, in which language it is, and what it can do.

Each serves GET /sse, or /ws as a WebSocket, and publishes to all whom it holds when it is asked: GET
/publish?n=COUNT&bytes=BYTES or, with post, POST /publish with the message as its body. A message ends with "!". The
port is given to it; TLS_CERT and TLS_KEY in its environment make it speak TLS."""

import functools
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Optional

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = (ROOT / os.environ.get("HIJACK_BUILD", "build/release")).resolve()
HERE = ROOT / "bindings/bench/peers"
NODE_MODULES = ROOT / "build/peers-npm/node_modules"
PYTHON = ROOT / "build/venv/bin/python"
PROGRAMS = BUILD / "tests/bench/peers"
NCHAN = [pathlib.Path(folder, "nginx/modules/ngx_nchan_module.so") for folder in ("/usr/lib", "/usr/lib64")]


@dataclass(frozen=True)
class Start:
    """What a command may need to know: a free port, a certificate's folder or None, a folder to write to."""

    port: int
    certificate: Optional[str]
    folder: str


@dataclass(frozen=True)
class Contender:
    name: str
    language: str
    kinds: List[str]
    command: Callable[[Start], List[str]]
    missing: Callable[[], str]  # what to install, empty if it is there
    version: Callable[[], str]
    ours: bool = False
    post: bool = False
    tls: bool = True
    environment: Dict[str, str] = field(default_factory=dict)


def output(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.strip()


def first_number(text: str) -> str:
    found = re.search(r"\d+(\.\d+)+", text)
    return found[0] if found else "unknown"


@functools.lru_cache(maxsize=None)
def has_ruby(*libraries: str) -> bool:
    if shutil.which("ruby") is None:
        return False
    return subprocess.run(["ruby", "-e", "ARGV.each { |name| require name }", *libraries], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False).returncode == 0


def needs_file(path: pathlib.Path, what: str) -> Callable[[], str]:
    return lambda: "" if path.exists() else what


def needs_ruby(library: str, what: str) -> Callable[[], str]:
    return lambda: "" if has_ruby(library) else what


def needs_python(package: str) -> Callable[[], str]:
    return lambda: "" if python_version(package) else f"build/venv with {package}: scripts/prepare python test"


def needs_iodine() -> str:
    # Debian has a program of that name which has nothing to do with it.
    return "" if has_ruby("iodine") and shutil.which("iodine") else "gem install iodine"


def needs_nchan() -> str:
    return "" if shutil.which("nginx") and any(map(pathlib.Path.exists, NCHAN)) else "nginx and libnginx-mod-nchan"


@functools.lru_cache(maxsize=None)
def python_version(package: str) -> str:
    if not PYTHON.exists():
        return ""
    code = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    done = subprocess.run([str(PYTHON), "-c", code, package], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=False)
    return done.stdout.strip()


def go_version(module: str) -> Callable[[], str]:
    lines = (ROOT / "go/bench/peers/go.mod").read_text(encoding="utf-8").splitlines()
    return lambda: next((line.split()[1].lstrip("v") for line in lines if line.split()[:1] == [module]), "unknown")


def ruby_version(code: str) -> Callable[[], str]:
    return lambda: first_number(output("ruby", "-e", code))


def ours_version() -> str:
    return (ROOT / "VERSION").read_text(encoding="utf-8").strip()


def ws_version() -> str:
    return json.loads((NODE_MODULES / "ws/package.json").read_text(encoding="utf-8"))["version"]


def puma(start: Start) -> List[str]:
    tls = start.certificate
    address = f"tcp://127.0.0.1:{start.port}" if tls is None else \
        f"ssl://127.0.0.1:{start.port}?cert={tls}/cert.pem&key={tls}/key.pem&verify_mode=none"
    return ["puma", "-q", "-e", "production", "-t", "5:5", "-b", address, str(HERE / "origin.ru")]


def iodine(start: Start) -> List[str]:
    tls = start.certificate
    more = [] if tls is None else ["-tls-cert", f"{tls}/cert.pem", "-tls-key", f"{tls}/key.pem"]
    return ["iodine", "-b", "127.0.0.1", "-p", str(start.port), "-t", "1", "-w", "1", *more, str(HERE / "iodine.ru")]


NGINX = """daemon off; pid {folder}/nginx.pid; error_log stderr crit; load_module {module}; {user}
worker_processes 1; worker_rlimit_nofile {files};
events {{ worker_connections {slots}; }}
http {{
  access_log off; keepalive_timeout 3600s; keepalive_requests 1000000; client_body_buffer_size 64k;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} {tls}
    nchan_subscriber_first_message newest; nchan_message_buffer_length 100;
    location = /sse {{ nchan_subscriber eventsource; nchan_channel_id all; }}
    location = /ws {{ nchan_subscriber websocket; nchan_channel_id all; }}
    location = /publish {{ nchan_publisher http; nchan_channel_id all; }}
  }}
}}
"""


def nginx(start: Start) -> List[str]:
    """Writes its configuration. Started by root, a worker stays root: another user may not read a private folder."""
    tls, path = start.certificate, pathlib.Path(start.folder, "nginx.conf")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    path.write_text(NGINX.format(
        folder=start.folder, module=next(it for it in NCHAN if it.exists()), port=start.port,
        files=files, slots=2 * files,  # when few are left, nginx closes connections that have not sent a request yet
        user="user root;" if os.getuid() == 0 else "",
        tls="backlog=4096;" if tls is None else
        f"ssl backlog=4096; ssl_certificate {tls}/cert.pem; ssl_certificate_key {tls}/key.pem;"), encoding="utf-8")
    return ["nginx", "-p", start.folder, "-c", str(path), "-e", "stderr"]


def node(start: Start) -> List[str]:
    return ["node", str(HERE / "node_server.js"), str(start.port)]


def in_python(script: str) -> Callable[[Start], List[str]]:
    return lambda start: [str(PYTHON), "-B", str(HERE / script), str(start.port)]


def program(path: pathlib.Path, *words: str) -> Callable[[Start], List[str]]:
    return lambda start: [str(path), *words, str(start.port)]


BOTH = ["sse", "websocket"]
LIBRARY = {"HIJACK_LIBRARY": str(BUILD / "libhijack.so"), "LD_LIBRARY_PATH": str(BUILD)}
GO_PEERS = BUILD / "go/peers-fanout"
GO_MISSING = "Go, then scripts/prepare peers"
NODE_MISSING = "nodejs and npm, then scripts/prepare peers"
PLAIN = Contender("send() loop", "C", BOTH, program(PROGRAMS / "plain"),
                  needs_file(PROGRAMS / "plain", "cmake --preset release"), lambda: "", tls=False)

CONTENDERS = [
    Contender("libhijack, C", "C", BOTH, program(PROGRAMS / "hijack"),
              needs_file(PROGRAMS / "hijack", "cmake --preset release"), ours_version, ours=True, environment=LIBRARY),
    Contender("libhijack, Ruby", "Ruby", BOTH,
              lambda start: ["ruby", f"-I{ROOT}/ruby/lib", str(HERE / "hijack_server.rb"), str(start.port)],
              needs_ruby("ffi", "ruby and ruby-ffi"), ours_version, ours=True, environment=LIBRARY),
    Contender("libhijack, Python", "Python", BOTH, in_python("hijack_server.py"), needs_python("hijack_ffi"),
              ours_version, ours=True),
    Contender("libhijack, Go", "Go", BOTH, program(BUILD / "go/fanout"), needs_file(BUILD / "go/fanout", GO_MISSING),
              ours_version, ours=True, environment=LIBRARY),
    Contender("Puma, double hijack", "Ruby", ["sse"], puma, needs_ruby("puma", "puma"),
              ruby_version("require 'puma/const'; puts Puma::Const::PUMA_VERSION")),
    Contender("iodine", "Ruby", BOTH, iodine, needs_iodine,
              ruby_version("require 'iodine/version'; puts Iodine::VERSION")),
    Contender("nginx, nchan", "C", BOTH, nginx, needs_nchan, lambda: first_number(output("nginx", "-v")), post=True),
    Contender("Go net/http", "Go", ["sse"], program(GO_PEERS, "nethttp"), needs_file(GO_PEERS, GO_MISSING),
              lambda: first_number(output("go", "version"))),
    Contender("gws", "Go", ["websocket"], program(GO_PEERS, "gws"), needs_file(GO_PEERS, GO_MISSING),
              go_version("github.com/lxzan/gws")),
    Contender("coder/websocket", "Go", ["websocket"], program(GO_PEERS, "coder"), needs_file(GO_PEERS, GO_MISSING),
              go_version("github.com/coder/websocket")),
    Contender("Node.js http", "JavaScript", ["sse"], node, needs_file(NODE_MODULES / "ws", NODE_MISSING),
              lambda: first_number(output("node", "--version")), environment={"NODE_PATH": str(NODE_MODULES)}),
    Contender("ws", "JavaScript", ["websocket"], node, needs_file(NODE_MODULES / "ws", NODE_MISSING), ws_version,
              environment={"NODE_PATH": str(NODE_MODULES)}),
    Contender("uvicorn", "Python", BOTH, in_python("uvicorn_server.py"), needs_python("uvicorn"),
              lambda: python_version("uvicorn")),
    Contender("websockets", "Python", ["websocket"], in_python("websockets_server.py"), needs_python("websockets"),
              lambda: python_version("websockets")),
]
