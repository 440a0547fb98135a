"""Producers that may send an append twice, of which only the first counts.

A producer numbers its appends, from 0. An instance of it that takes over uses a greater epoch, which fences off the
others."""

import re
from typing import Dict, Mapping, NamedTuple, Optional

from refusal import Refusal

NUMBER = re.compile(r"[0-9]{1,16}")
LARGEST = 2**53 - 1
NAMES = ("Producer-Id", "Producer-Epoch", "Producer-Seq")


class Claim(NamedTuple):
    """What an append claims to be."""

    producer: str
    epoch: int
    seq: int


def claimed(headers: Mapping[str, str]) -> Optional[Claim]:
    """The claim of a request; None if it has none."""
    values = [headers.get(name) for name in NAMES]
    if values == [None, None, None]:
        return None
    producer, epoch, seq = values
    if not producer or epoch is None or seq is None:
        raise Refusal(400, f"{', '.join(NAMES)}: an append has all of them or none, and the first is not empty.")
    return Claim(producer, _number(NAMES[1], epoch), _number(NAMES[2], seq))


def _number(name: str, text: str) -> int:
    if not NUMBER.fullmatch(text) or int(text) > LARGEST:
        raise Refusal(400, f"{name}: expected a whole number from 0 to {LARGEST} (got {text!r}).")
    return int(text)


class Producers:
    """Those of one stream. A claim is judged and noted without anything in between."""

    def __init__(self) -> None:
        self._last: Dict[str, Claim] = {}

    def is_duplicate(self, claim: Claim) -> bool:
        """Whether its append has been made before."""
        last = self._last.get(claim.producer)
        return last is not None and claim.epoch == last.epoch and claim.seq <= last.seq

    def check(self, claim: Claim) -> None:
        """Refuses one that may not append now; it is not a duplicate."""
        last = self._last.get(claim.producer)
        if last is not None and claim.epoch < last.epoch:
            text = f"Producer-Epoch: {claim.epoch} is over; this producer goes on in epoch {last.epoch}."
            raise Refusal(403, text, {"Producer-Epoch": str(last.epoch)})
        if last is not None and claim.epoch > last.epoch and claim.seq:
            raise Refusal(400, f"Producer-Seq: a new epoch begins with 0 (got {claim.seq}).")
        expected = last.seq + 1 if last is not None and last.epoch == claim.epoch else 0
        if claim.seq != expected:
            numbers = {"Producer-Expected-Seq": str(expected), "Producer-Received-Seq": str(claim.seq)}
            raise Refusal(409, f"Producer-Seq: expected {expected}, an append is missing (got {claim.seq}).", numbers)

    def note(self, claim: Claim) -> None:
        """Its append has been made."""
        self._last[claim.producer] = claim

    def headers(self, claim: Claim) -> Dict[str, str]:
        """What a producer is told: its epoch, and the last number that counts."""
        last = self._last[claim.producer]
        return {"Producer-Epoch": str(last.epoch), "Producer-Seq": str(last.seq)}
