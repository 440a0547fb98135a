"""Users of members: who they are, as the numbers that the library knows them by."""

from typing import Union

from ._errors import InvalidError, OutOfRangeError
from ._library import Text, lib, octets

#: A whole number, or a text, which user_number makes one of. None, 0 and "" are nobody.
User = Union[int, str, None]
LARGEST = 2**64 - 1


def user_number(text: Text) -> int:
    """The number of the user of that name: what on_join, on_leave and members tell. A decimal number without leading
    zeros is itself, any other text the first 8 bytes of its SHA-256, and no text 0."""
    raw = octets(text, "user_number")
    number: int = lib.hijack_hash(raw, len(raw))
    return number


def number_of(user: User, what: str) -> int:
    """The number of a user, or 0 for nobody."""
    if user is None:
        return 0
    if isinstance(user, str):
        return user_number(user)
    if not isinstance(user, int) or isinstance(user, bool):
        raise TypeError(f"{what}: user: expected a whole number, a str or None (got {user!r})")
    if not 0 <= user <= LARGEST:
        raise OutOfRangeError(f"{what}: user: expected a number from 0 to 2**64 - 1 (got {user})")
    return user


def somebody(user: User, what: str) -> int:
    """The number of a user, who must not be nobody."""
    number = number_of(user, what)
    if number == 0:
        raise InvalidError(f"{what}: user: expected a number from 1 to 2**64 - 1, or a name (got {user!r})")
    return number
