"""Who is present in a room, by the events of its members."""

import struct
from typing import TYPE_CHECKING, Callable, Dict, Optional

from ._constants import ECLOSED
from ._errors import HijackError
from ._library import error_of

if TYPE_CHECKING:
    from ._core import Core

Joined = Callable[[int], object]
Left = Callable[[int, Optional[HijackError]], object]
RECORD = struct.Struct("=QiI")  #: the user; 1 if it joined, else why it left; nothing
JOINED = 1


class Presence:
    """How many connections each user has, and what the program wants to be called."""

    on_join: Optional[Joined] = None
    on_leave: Optional[Left] = None

    def __init__(self) -> None:
        self.counts: Dict[int, int] = {}

    def on_members(self, records: bytes, core: "Core", whose: object) -> None:
        """An event. The counts are right before the program is told."""
        for user, status, _ in RECORD.iter_unpack(records):
            if status == JOINED:
                self.counts[user] = self.counts.get(user, 0) + 1
                if self.on_join is not None:
                    core.tell(self.on_join, whose, "on_join", user)
            else:
                self._leave(user)
                if self.on_leave is not None:
                    reason = None if status in (0, ECLOSED) else error_of(status, f"user {user}")
                    core.tell(self.on_leave, whose, "on_leave", user, reason)

    def _leave(self, user: int) -> None:
        rest = self.counts.pop(user, 0) - 1
        if rest > 0:
            self.counts[user] = rest
