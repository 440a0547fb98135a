"""When a stream ends by itself: some seconds after it was last used (Stream-TTL), or at a time (Stream-Expires-At)."""

import re
import time
from datetime import datetime
from typing import Dict, Optional

from refusal import Refusal

TTL = re.compile(r"0|[1-9][0-9]{0,11}")
TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


class Expiry:
    """Neither of the two: never."""

    def __init__(self, ttl: Optional[str] = None, at: Optional[str] = None) -> None:
        if ttl is not None and at is not None:
            raise Refusal(400, "Stream-TTL and Stream-Expires-At exclude each other; send one of them.")
        if ttl is not None and not TTL.fullmatch(ttl):
            raise Refusal(400, f"Stream-TTL: expected a number of seconds in decimal digits (got {ttl!r}).")
        self._ttl = None if ttl is None else int(ttl)
        self._at_text, self._at = at, None if at is None else seconds(at)
        self.renew()

    def renew(self) -> None:
        """The stream is used: its time to live begins anew."""
        self._used = time.monotonic()

    def again(self) -> "Expiry":
        """The same for another stream."""
        return Expiry(None if self._ttl is None else str(self._ttl), self._at_text)

    @property
    def over(self) -> bool:
        if self._ttl is not None:
            return time.monotonic() >= self._used + self._ttl
        return self._at is not None and time.time() >= self._at

    @property
    def headers(self) -> Dict[str, str]:
        if self._ttl is not None:
            return {"Stream-TTL": str(self._ttl)}
        return {} if self._at_text is None else {"Stream-Expires-At": self._at_text}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expiry) and (self._ttl, self._at) == (other._ttl, other._at)


def seconds(text: str) -> float:
    """A time of RFC 3339 as seconds since 1970."""
    found = TIME.fullmatch(text)
    try:
        if not found:
            raise ValueError("not of that form")
        day, clock, fraction, zone = found.groups()
        moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    except ValueError:
        raise Refusal(
            400, f"Stream-Expires-At: expected a time as 2030-01-31T12:00:00Z (got {text!r})."
        ) from None
    return moment.timestamp() + float(fraction or 0)
