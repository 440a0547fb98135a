"""Options: name and value, as the library's own table describes them."""

from difflib import get_close_matches
from typing import Any, Callable, Dict, Tuple, Union

from ._constants import ERANGE
from ._errors import VALUES, OptionError
from ._library import check, ffi, lib

Value = Union[int, str]


class Option:
    """One line of the library's table of options."""

    table: Dict[Tuple[str, str], "Option"] = {}  #: by scope and name

    def __init__(self, line: str) -> None:
        self.scope, self.name, self.type, self.minimum, self.maximum, self.default, self.help = line.split("\t")

    @classmethod
    def find(cls, name: str, *scopes: str, where: str = "option ") -> "Option":
        """The option of that name, which must belong to one of the scopes."""
        if not cls.table:
            lines = ffi.string(lib.hijack_options()).decode().splitlines()
            cls.table = {(option.scope, option.name): option for option in map(Option, lines)}
        for scope in scopes:
            if (scope, name) in cls.table:
                return cls.table[scope, name]
        known = sorted(it.name for it in cls.table.values() if it.scope in scopes)
        near = get_close_matches(name, known, 1)
        raise OptionError(f"{where}{name}: unknown here; " + (
            f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
        ))

    @property
    def expected(self) -> str:
        """What its values are, for errors."""
        return VALUES[self.type].format(minimum=self.minimum, maximum=self.maximum, help=self.help)

    def set(self, value: Any, call: Callable[..., int], *front: Any, where: str = "option ") -> None:
        """Gives it to the library by call(*front, name, value)."""
        if not isinstance(value, (int, str)):
            raise TypeError(f"{where}{self.name}: expected {self.expected} (got {value!r})")
        if isinstance(value, bool):
            value = ("on" if value else "off") if self.type == "choice" else int(value)
        key, raw = self.name.encode(), str(value).encode()
        words = {ERANGE: f"expected {self.expected}"}
        check(call(*front, key, len(key), raw, len(raw)), f"{where}{self.name}={value}", words)
