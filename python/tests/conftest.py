"""What holds for every test: it leaves no thread and no descriptor behind, and every server of its own stops."""

import asyncio
import gc
import os
import resource
import socket
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Coroutine, Iterator

import pytest
import uvloop

import hijack
from support import PATIENCE, wait_until

sys.dont_write_bytecode = True
LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))


# The first loop of uvloop opens a pipe that it keeps.
first = uvloop.new_event_loop()
first.run_until_complete(asyncio.sleep(0))
first.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    gc.collect()
    threads, open_before = set(threading.enumerate()), descriptors()
    yield
    gc.collect()
    wait_until(lambda: set(threading.enumerate()) <= threads, "threads end")
    wait_until(lambda: descriptors() <= open_before, f"no more than {open_before} descriptors are open")


@pytest.fixture
def server() -> Iterator[hijack.Server]:
    """One loop thread and a free port; not started yet."""
    with hijack.Server(threads=1) as server:
        server.listen("127.0.0.1:0")
        yield server


@pytest.fixture(scope="session")
def checkout() -> Path:
    return Path(__file__).resolve().parents[2]


def pytest_collection_finish() -> None:
    """The collections between the tests need not look at pytest and mypy each time."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: Any) -> None:
    package = Path(hijack.__file__).parent
    if not (package / "py.typed").is_file():
        pytest.exit(f"the package under test must be installed (python/tests/venv.sh); {package} is not", 2)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a coroutine to its end, in a new loop of both makes."""

    def run_to_end(main: Coroutine[Any, Any, Any]) -> Any:
        loop = asyncio.new_event_loop() if request.param == "asyncio" else uvloop.new_event_loop()
        try:
            result = loop.run_until_complete(asyncio.wait_for(main, 2 * PATIENCE))
            left = asyncio.all_tasks(loop)
            assert not left, f"tasks were left behind: {left}"
            return result
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    return run_to_end


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Where the other side of a connection that is opened here listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener
