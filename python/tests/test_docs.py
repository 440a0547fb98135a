"""Every public thing is documented, and the programs of the guides run."""

import contextlib
import inspect
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Tuple

import pytest
import websockets.sync.client

import hijack
import hijack.aio
import hijack.asgi
import hijack.testing
import hijack.wsgi
from support import CHECKOUT, PATIENCE, in_thread, wait_until

MODULES = {
    "hijack": hijack,
    "hijack.aio": hijack.aio,
    "hijack.asgi": hijack.asgi,
    "hijack.testing": hijack.testing,
    "hijack.wsgi": hijack.wsgi,
}
GUIDES = (CHECKOUT / "docs" / "reference" / "python.md", CHECKOUT / "python" / "README.md")


def public() -> Iterator[Tuple[str, Any]]:
    for where, module in MODULES.items():
        yield where, module
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield f"{where}.{name}", thing
            if inspect.isclass(thing):
                for member, value in inspect.getmembers(thing):
                    if not member.startswith("_") and getattr(value, "__module__", "hijack").startswith("hijack"):
                        if inspect.isfunction(value) or isinstance(value, property):
                            yield f"{where}.{name}.{member}", value


def test_everything_has_a_docstring() -> None:
    texts = {name: inspect.getdoc(thing) for name, thing in public()}
    assert len(texts) > 120 and {"hijack.Server.serve", "hijack.aio.Socket.read", "hijack.asgi.adopt"} <= texts.keys()
    for name, text in texts.items():
        assert text and text[0].isupper() and len(text.split()) > 3, f"{name}: {text!r}"


def programs() -> Iterator[Any]:
    for guide in GUIDES:
        text = guide.read_text(encoding="utf-8")
        for number, code in enumerate(re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)):
            yield pytest.param(code, id=f"{guide.name}-{number}")


@pytest.mark.parametrize("code", list(programs()))
def test_the_programs_of_the_guides(code: str, tmp_path: Path) -> None:
    """A program that listens serves /sse, or sends back what comes to /ws; any other piece at least compiles."""
    compile(code, "guide", "exec", dont_inherit=True)
    if '"127.0.0.1:8080"' not in code or "import" not in code:
        return
    port_file = tmp_path / "port"
    program = tmp_path / "program.py"
    code = code.replace('"127.0.0.1:8080"', f'"unix:{port_file}"')
    if '"127.0.0.1:5514"' in code:
        with feed() as address:
            program.write_text(code.replace("127.0.0.1:5514", address))
            check(program, port_file, ask_sse)
    else:
        program.write_text(code)
        check(program, port_file, ask_websocket if '"/ws"' in code else ask_sse)


def check(program: Path, port_file: Path, ask: Callable[[str], bytes]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-B", "-X", "dev", "-W", "error", str(program)], stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: listens(str(port_file)) or process.poll() is not None)
        data = ask(str(port_file)) if process.poll() is None else b""
        process.send_signal(2)
        _, errors = process.communicate(timeout=20)
        assert re.search(rb"data: \S+\n", data), (data, errors)
        assert not errors or errors.rstrip().endswith("KeyboardInterrupt"), errors
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def feed() -> Iterator[str]:
    """The address of a program that sends lines until its reader leaves."""
    with socket.create_server(("127.0.0.1", 0)) as listener, in_thread(lambda: send_lines(listener)) as result:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    assert result == ["its reader has left"]


def send_lines(listener: socket.socket) -> str:
    listener.settimeout(PATIENCE)
    reader, _ = listener.accept()
    with reader:
        reader.settimeout(0.05)
        while True:
            try:
                reader.sendall(b"a-line\n")
                if not reader.recv(1):
                    return "its reader has left"
            except socket.timeout:
                continue
            except ConnectionError:
                return "its reader has left"


def listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0


def ask_websocket(path: str) -> bytes:
    """What comes back, in the form of an event."""
    with websockets.sync.client.unix_connect(path, "ws://localhost/ws") as client:
        client.send("hello")
        return f"data: {client.recv(20)!s}\n\n".encode()


def ask_sse(path: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(path)
        client.sendall(b"GET /sse HTTP/1.1\r\nHost: me\r\n\r\n")
        data, deadline = b"", time.monotonic() + 20
        while not re.search(rb"data: \S+\n\n", data):
            assert time.monotonic() < deadline
            data += client.recv(4096)
        return data
