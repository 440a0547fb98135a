"""How tasks wait for what events change, in the face for asyncio."""

import asyncio
from collections import deque
from contextlib import nullcontext
from typing import TYPE_CHECKING, Callable, Deque, Optional, TypeVar

from ._channel import Channel
from ._peer import WINDOW, Input, Peer
from ._relay import Call

if TYPE_CHECKING:
    from .aio import LoopCore

ReadingT = TypeVar("ReadingT", bound="Reading")


class Notice:
    """What threading.Condition is to threads: tasks wait for it. There is nothing to lock on one thread."""

    lock = nullcontext()

    def __init__(self, core: "LoopCore") -> None:
        self._core, self._loop = core, core.loop
        self._waiting: "Deque[asyncio.Future[None]]" = deque()

    def notify_all(self) -> None:
        for future in self._waiting:
            if not future.done() and not self._loop.is_closed():
                future.set_result(None)

    async def wait_for(self, ready: Callable[[], bool]) -> None:
        while not ready():
            future = self._loop.create_future()
            self._waiting.append(future)
            self._core.kept.add(self)  # and so the task, and the object that it has
            try:
                await future
            finally:
                self._waiting.remove(future)
                if not self._waiting:
                    self._core.kept.discard(self)


class Waiting(Peer):
    """How a task waits for a request, stream, socket or WebSocket. Time limits: asyncio.wait_for, asyncio.timeout."""

    _core: "LoopCore"
    _task: "Optional[asyncio.Task[None]]" = None  # of a handler, to be cancelled when the client leaves

    async def wait_closed(self, timeout: Optional[float] = None) -> bool:
        """Waits until the client has left or the connection has ended, and returns True; False after timeout seconds.
        After close it waits until what was sent is written."""
        try:
            await asyncio.wait_for(self._changed.wait_for(self._over), timeout)
        except asyncio.TimeoutError:
            return False
        return True

    def _belong_to(self, task: "asyncio.Task[None]") -> None:
        """The task is cancelled when the client leaves, and has this object until it ends."""
        self._task = task
        task.add_done_callback(self._outlive)

    def _outlive(self, task: "asyncio.Task[None]") -> None:
        self._task = None

    def _tell(self) -> None:
        if self._task is not None and (self._status is not None or self._has_left()):
            task, self._task = self._task, None
            # Else the program has ended it, or hears of the end by reading or receiving.
            if not (self._ended or self._receiving) and (self._hung_up or self._status is not None):
                self._core.cancel(task)
        super()._tell()


class Reading(Waiting, Input):
    """What sockets and requests share."""

    async def read(self, size: int = -1) -> bytes:
        """Waits for bytes from the peer, and returns up to size of them, or all until its end if size is negative;
        b"" when no more come. It may send up to 64 KiB ahead of what is read here."""
        if size < 0:
            return await self._collect(size)
        await self._changed.wait_for(lambda: size == 0 or self._readable())
        data = self._take(size)
        self._tell()
        return data

    async def _collect(self, size: int) -> bytes:
        """So many bytes, or all if size is negative; fewer at the end. Whoever breaks it off takes nothing."""
        data = bytearray()
        try:
            while len(data) != size:
                piece = await self.read(WINDOW if size < 0 else min(WINDOW, size - len(data)))
                if not piece:
                    break
                data += piece
        except BaseException:
            self._buffer[:0] = data
            raise
        return bytes(data)

    def __aiter__(self: ReadingT) -> ReadingT:
        return self

    async def __anext__(self) -> bytes:
        data = await self.read(WINDOW)
        if not data:
            raise StopAsyncIteration
        return data


class Sending(Waiting, Channel):
    """What streams, sockets and WebSockets share."""

    async def _push(self, call: Call) -> None:
        while True:
            seen = self._drained
            if self._taken(call):
                return
            await self._changed.wait_for(lambda: self._drained != seen or self._ended or self._gone())
