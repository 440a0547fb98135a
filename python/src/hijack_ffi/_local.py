"""One object for each process, for servers that fork their workers."""

import functools
import os
import threading
from typing import Callable, List, TypeVar

T = TypeVar("T")


def local(make: Callable[[], T]) -> Callable[[], T]:
    """Decorates a function without arguments: it runs once in each process, at the first call, and every call returns
    what it gave. For a server that workers of gunicorn or uvicorn share nothing of, also where the program was loaded
    before they were forked (gunicorn --preload):

    @hijack.local
    def clients() -> hijack.Broadcaster:
        server = hijack.Server()
        server.start()
        return server.broadcaster()

    clients().publish("hello")"""
    made: List[T] = []
    lock = threading.Lock()

    def forked() -> None:
        nonlocal lock
        lock = threading.Lock()
        made.clear()

    @functools.wraps(make)
    def get() -> T:
        if not made:
            with lock:
                if not made:
                    made.append(make())
        return made[0]

    os.register_at_fork(after_in_child=forked)
    return get
