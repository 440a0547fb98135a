"""Cursors: what makes the URLs of waiting readers differ over time, so that a cache answers many of them at once and
none of them twice."""

import random
import re
import time
from typing import Optional

EPOCH = 1728432000  # 2024-10-09T00:00:00Z
SECONDS = 20  # of an interval
JITTER = 180  # intervals: an hour
NUMBER = re.compile(r"[0-9]{1,15}")


def parsed(text: Optional[str]) -> int:
    """The cursor of a client; -1 if it has none, or nonsense."""
    return int(text) if text is not None and NUMBER.fullmatch(text) else -1


def after(client: int) -> str:
    """The interval of now, or a later one if the client has that already."""
    interval = int(time.time() - EPOCH) // SECONDS
    return str(interval if client < interval else client + random.randint(1, JITTER))
