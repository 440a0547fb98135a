"""The package's two names: hijack_ffi, and hijack, which another package may have instead."""

import importlib
import pickle
import pydoc
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hijack
import hijack.aio
import hijack.asgi
import hijack.testing
import hijack.wsgi
import hijack_ffi
import hijack_ffi.aio
import hijack_ffi.asgi
import hijack_ffi.testing
import hijack_ffi.wsgi
from support import run_clean

MODULES = ("", ".aio", ".asgi", ".wsgi", ".testing")


@pytest.mark.parametrize("name", MODULES)
def test_both_names_are_the_same_module(name: str) -> None:
    assert importlib.import_module(f"hijack{name}") is importlib.import_module(f"hijack_ffi{name}")


@pytest.mark.parametrize("statement", [
    "import hijack", "import hijack.aio", "from hijack import aio", "import hijack.asgi",
    "from hijack.wsgi import hold", "import hijack_ffi, hijack", "from hijack_ffi import aio; import hijack.aio",
])
def test_every_order_of_imports(statement: str) -> None:
    run_clean(f"""
import sys
{statement}
import hijack_ffi.aio
assert sys.modules["hijack"] is sys.modules["hijack_ffi"] and sys.modules["hijack.aio"] is hijack_ffi.aio
assert sys.modules["hijack"].ClosedError is hijack_ffi.ClosedError
assert sys.modules["hijack._core"] is sys.modules["hijack_ffi._core"]
""")


@pytest.mark.parametrize("name", ["hijack", "hijack_ffi"])
def test_errors_and_help_show_public_names(name: str) -> None:
    out = run_clean(f"""
import pickle
import {name} as it
import {name}.aio as aio
import {name}.asgi as asgi
for thing in (it.ClosedError, it.Server, it.Broadcaster, it.local, aio.Server, aio.Stream, asgi.Middleware):
    print(f"{{thing.__module__}}.{{thing.__name__}}", pickle.loads(pickle.dumps(thing)) is thing)
""")
    words = ("ClosedError", "Server", "Broadcaster", "local", "aio.Server", "aio.Stream", "asgi.Middleware")
    assert out.splitlines() == [f"{name}.{word} True" for word in words]


def test_help_begins_with_the_nouns() -> None:
    plain: Any = getattr(pydoc, "plaintext")
    text = pydoc.render_doc(hijack, renderer=plain)
    places = [text.index(f"    {noun} ") for noun in ("Server", "Request", "Stream", "Socket", "WebSocket")]
    assert places == sorted(places) and places[-1] < text.index("CLASSES") and " hijack.ClosedError(" in text
    assert pickle.loads(pickle.dumps(hijack.ClosedError("x"))).args == ("x",)


def test_beside_another_package_of_the_name(tmp_path: Path) -> None:
    """As django-hijack is, which is found first."""
    (tmp_path / "hijack").mkdir()
    (tmp_path / "hijack" / "__init__.py").write_text("name = 'another package'\n")
    program = (
        "import hijack, hijack_ffi.aio, hijack_ffi.asgi, hijack_ffi.wsgi\n"
        "assert hijack.name == 'another package' and not hasattr(hijack, 'Server')\n"
        "with hijack_ffi.Server(threads=1) as server: server.start()\n"
        "try: server.stats()\n"
        "except hijack_ffi.ClosedError as error: print(type(error).__module__, repr(server))\n"
    )
    done = subprocess.run([sys.executable, "-B", "-X", "dev", "-W", "error", "-c", program], cwd=tmp_path,
                          capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("hijack_ffi <hijack_ffi.Server stopped>\n", "")


def test_the_other_one_is_one_file() -> None:
    """So that two packages of the name do not write over each other's files, and this one is there again afterwards."""
    folder = Path(hijack_ffi.__file__).parent.parent
    assert (folder / "hijack.py").is_file() and not (folder / "hijack").exists()
