"""The chat's last messages: members that return get what they have missed, also after the end of this process if the
variable CHAT_LOG names a file. The first line of the file is the history's epoch, each other line is a message. A
message is in the file before anybody gets it."""

import collections
import os
import re
import sys
from typing import BinaryIO, Deque, Optional, Union

import common

import hijack.aio

KEPT = 1000
ID = re.compile(r"[A-Za-z0-9-]{1,64}")


def is_id(text: Optional[str]) -> bool:
    """Whether a line may have it; None: it has none."""
    return text is None or ID.fullmatch(text) is not None


class ChatLog:
    def __init__(self, server: hijack.aio.Server) -> None:
        self._messages = server.broadcaster(backlog_bytes="1m", history_messages=KEPT)
        self._ids: Deque[Optional[str]] = collections.deque(maxlen=KEPT)  # of the messages that are kept
        self._file: Optional[BinaryIO] = None
        path = common.path("CHAT_LOG")
        if path:
            try:
                self._read_back(path)
            except (OSError, hijack.HijackError) as error:
                sys.exit(f"CHAT_LOG: {error}")

    @property
    def position(self) -> str:
        return self._messages.position

    def add(self, connection: Union[hijack.aio.WebSocket, hijack.aio.Stream], since: Optional[str]) -> None:
        """since: None, the position that the client gives, or "" for where the chat is now."""
        self._messages.add(connection, position=self.position if since == "" else since)

    def publish(self, text: str, id: Optional[str]) -> None:
        """Once, if it has an id: a client sends again what it does not know to have arrived."""
        if id is None or id not in self._ids:
            self._append(text)
            self._keep(text, id)

    def _read_back(self, path: str) -> None:
        self._file = open(path, "a+b")
        self._file.seek(0)
        whole, end, _ = self._file.read().rpartition(b"\n")  # of the last line a part may be there, which nobody got
        self._file.truncate(len(whole + end))
        epoch, *lines = whole.decode().split("\n")
        if not epoch:
            epoch = self.position.rpartition("-")[0]
            self._append(epoch)
        # A client's position counts the messages of the file, however many of them are kept.
        self._messages.set(history_position=f"{epoch}-{max(len(lines) - KEPT, 0)}")
        for line in lines[-KEPT:]:
            id = re.search(r',"id":"([^"]*)"}$', line)
            self._keep(line, id and id[1])

    def _keep(self, text: str, id: Optional[str]) -> None:
        self._messages.publish(text)
        self._ids.append(id)

    def _append(self, line: str) -> None:
        """A line of which a part is missing must not get another one behind it."""
        if self._file is None:
            return
        try:
            self._file.write(f"{line}\n".encode())
            self._file.flush()
        except OSError as error:
            print(f"CHAT_LOG: {error}", file=sys.stderr)
            os._exit(1)
