"""A computation that never gives up the interpreter's lock."""

import time

SECONDS = 3.0


def burn(size: int) -> float:
    """One power of a big integer, all of it in C with the lock held; gives the seconds it took."""
    start = time.perf_counter()
    assert 7**size
    return time.perf_counter() - start


def calibrate() -> int:
    """The exponent that takes about SECONDS: Python multiplies big integers in O(n ** 1.585)."""
    size = 50_000
    took = burn(size)
    while took < SECONDS / 15:
        size *= 2
        took = burn(size)
    return int(size * (SECONDS / took) ** (1 / 1.585))
