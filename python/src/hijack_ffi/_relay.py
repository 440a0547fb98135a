"""Two sockets or WebSockets that get each other's bytes, in both faces. A face adds the waiting."""

from typing import Any, Callable, Iterator

from ._constants import ECLOSED, ESTATE, EVENT_PAUSED
from ._errors import WORDS, HijackError, InvalidError
from ._library import GONE, check, error_of, lib
from ._peer import Peer

Call = Callable[[], int]


class Relaying(Peer):
    """What sockets and WebSockets share. A binding gives credit ahead: it is taken back, and what has come by then goes
    to the other one, before the two are paired."""

    _drained: int
    _paused = False  # no credit is left, and all that came by it is there

    def _has_credit(self) -> bool:
        raise NotImplementedError

    def _forget_credit(self) -> None:
        raise NotImplementedError

    def _ahead(self, data: bytes, kind: int) -> Call:
        """Sends what the other one has read ahead."""
        raise NotImplementedError

    def _read_ahead(self, other: "Relaying") -> Iterator[Call]:
        """What other has to be sent, piece by piece; each one is forgotten when the next one is asked for."""
        raise NotImplementedError

    def _check_relay(self) -> None:
        if self._relayed:
            raise self._refused(ESTATE, "relay")

    def _reserve(self, other: Any) -> None:
        """From here on the program reads neither of the two. Both, or none."""
        self._core.check_process()
        if not isinstance(other, Relaying) or other is self or other._core is not self._core:
            raise InvalidError(f"relay: expected another socket or WebSocket of this server (got {other!r})")
        self._stop_reading()
        try:
            other._stop_reading()
        except HijackError:
            self._settle(False)
            raise

    def _stop_reading(self) -> None:
        with self._changed.lock:
            if self._ended or self._gone():
                raise self._refused(ECLOSED, "relay")
            self._check_relay()
            self._paused = not self._has_credit()
            if not self._paused:
                result = lib.hijack_socket_read(self._handle, 0)
                if result not in GONE:  # else the last event is on its way
                    check(result, "relay")
            self._relayed = True
            self._changed.notify_all()

    def _has_stopped(self) -> bool:
        return self._paused or self._gone()

    def _pair(self, other: "Relaying") -> None:
        result = lib.hijack_socket_relay(self._handle, other._handle)
        if result == ESTATE:
            raise error_of(ESTATE, "relay", WORDS["relay"])
        if result < 0:
            raise (other if other._gone() else self)._refused(result, "relay")

    def _settle(self, paired: bool) -> None:
        with self._changed.lock:
            self._relayed = paired
            self._drained += 1  # who waits to send is told
            self._changed.notify_all()

    def _on_news(self, kind: int, data: bytes, status: int) -> bool:
        if kind != EVENT_PAUSED:
            return super()._on_news(kind, data, status)
        self._paused = True
        self._forget_credit()
        return True
