"""How plain threads wait for what events change, in the face for threads."""

import threading
import time
from typing import Callable, List, Optional, TypeVar

from ._channel import Channel
from ._constants import EAGAIN
from ._errors import TimedOutError
from ._library import error_of
from ._peer import Input, Peer
from ._relay import Call

LONGEST = threading.TIMEOUT_MAX
T = TypeVar("T")


class Notice:
    """What a Condition is for, but an exception from a signal handler may break in anywhere: the lock is only ever
    taken by "with", which is one step in C, and nobody sleeps inside of it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._sleepers: List[threading.Lock] = []  # one for each thread that waits, which is let through by a release

    def wait_for(self, ready: Callable[[], Optional[T]], timeout: Optional[float] = None) -> Optional[T]:
        """Calls ready, with the lock held, until it gives something, and returns that; None after timeout seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            sleeper = threading.Lock()
            sleeper.acquire()
            with self.lock:
                result = ready()
                rest = LONGEST if deadline is None else min(LONGEST, deadline - time.monotonic())
                if result is not None or rest <= 0:
                    return result
                self._sleepers.append(sleeper)
            try:
                sleeper.acquire(timeout=rest)
            finally:
                with self.lock:
                    if sleeper in self._sleepers:
                        self._sleepers.remove(sleeper)

    def notify_all(self) -> None:
        """With the lock held."""
        for sleeper in self._sleepers:
            if sleeper.locked():  # it is not, if an exception broke in here before
                sleeper.release()
        self._sleepers.clear()


class Waiting(Peer):
    """How a thread waits for a request, stream, socket or WebSocket. timeout is in seconds; 0 raises WouldBlockError
    instead of waiting."""

    _timeout: Optional[float] = None

    def wait_closed(self, timeout: Optional[float] = None) -> bool:
        """Waits until the client has left or the connection has ended, and returns True; False after timeout seconds.
        After close it waits until what was sent is written."""
        self._core.check_process()
        return self._changed.wait_for(lambda: self._over() or None, timeout) is True

    def _wait(self, ready: Callable[[], Optional[T]], timeout: Optional[float], what: str, since: float = 0.0) -> T:
        """Waits until ready() gives something, and returns that; raises when timeout is over."""
        rest = max(0.0, since + timeout - time.monotonic()) if timeout and since else timeout
        result: Optional[T] = self._changed.wait_for(ready, rest)
        if result is not None:
            return result
        if timeout == 0:
            raise error_of(EAGAIN, what)
        raise TimedOutError(f"{what}: not possible within {timeout:g} s")


class Reading(Waiting, Input):
    """What sockets and requests share."""

    def _receive(self, size: int, timeout: Optional[float], what: str) -> bytes:
        self._core.check_process()
        if size == 0:
            return b""
        data = self._wait(lambda: self._take(size) if self._readable() else None, timeout, what)
        self._tell()
        return data


class Sending(Waiting, Channel):
    """What streams, sockets and WebSockets share."""

    def _push(self, call: Call, timeout: Optional[float]) -> None:
        timeout = self._timeout if timeout is None else timeout
        since = time.monotonic()
        while True:
            seen = self._drained
            if self._taken(call):
                return
            self._wait(lambda: self._drained != seen or self._ended or self._gone() or None, timeout, "send", since)
