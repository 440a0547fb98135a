"""Reads include/hijack/hijack.h, which keeps to a form simple enough for a few patterns. What does not match is an
error, never left out."""
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Parameter:
    type: str  # "const char *", "hijack_queue *", "uint32_t"
    name: str


@dataclass(frozen=True)
class Function:
    result: str
    name: str  # with hijack_
    parameters: tuple


@dataclass(frozen=True)
class Constant:
    name: str  # with HIJACK_
    value: int
    comment: str  # one line: what follows it, else the first line of what stands before it; may be empty


@dataclass(frozen=True)
class Field:
    type: str
    name: str
    offset: int


@dataclass(frozen=True)
class Header:
    version: str
    version_number: int
    opaque: tuple  # names of the opaque types
    functions: tuple
    enums: tuple  # of tuples of Constant
    event: tuple  # of Field

    @property
    def event_size(self):
        last = self.event[-1]
        return last.offset + SIZES[last.type]

    def constants(self):
        return [constant for enum in self.enums for constant in enum]

    def errors(self):
        return [it for it in self.constants() if re.fullmatch(r"HIJACK_E[A-Z]+", it.name)]

    def events(self):
        """Every type that an event may have."""
        return [it for it in self.constants() if it.name.startswith("HIJACK_EVENT_") and it.value != 0]

    def last_events(self):
        """The types after which no event of the same handle follows: their comments begin with these words."""
        last = [it for it in self.events() if it.comment.startswith("The last event of ")]
        if not last:
            raise SystemExit("hijack.h: expected events whose comment begins with 'The last event of ', found none")
        return last

    def kinds(self):
        """(name, constant) of each kind of a held connection that can be had."""
        held = [it for it in self.constants() if it.name.startswith("HIJACK_HOLD_")]
        return [(it.name.removeprefix("HIJACK_HOLD_").lower(), it) for it in held if "not served yet" not in it.comment]

    def broadcaster_stats(self):
        """The names of a broadcaster's counters, in their order."""
        names = [it.name.removeprefix("HIJACK_BROADCASTER_STAT_").lower() for it in self.constants()]
        return [name for name in names if not name.startswith("hijack_") and name != "count"]


SIZES = {"uint64_t": 8, "void *": 8, "const char *": 8, "uint32_t": 4, "int32_t": 4}  # of a 64-bit machine
COMMENT = re.compile(r"/\*.*?\*/", re.S)
# A constant with the comment before it and the one that begins on its own line.
REMARK = r"/\*((?:(?!\*/).)*)\*/"
CONSTANT = re.compile(rf"(?:{REMARK}\s*)?(HIJACK_\w+) = (-?\d+)\b,?[ \t]*(?:{REMARK})?", re.S)


def read(root):
    text = (root / "include/hijack/hijack.h").read_text(encoding="utf-8")
    code = COMMENT.sub(" ", text)
    version = (root / "VERSION").read_text(encoding="ascii").split()[0]
    major, minor, patch = (int(part) for part in version.split("."))
    return Header(
        version,
        major << 16 | minor << 8 | patch,
        tuple(re.findall(r"typedef struct (hijack_\w+) \1;", code)),
        read_functions(code),
        tuple(read_enum(body) for body in re.findall(r"\benum \{(.*?)\n\};", text, re.S)),
        read_event(code),
    )


def read_functions(code):
    functions = []
    for result, name, parameters in re.findall(r"HIJACK_API\s+([^(;]*?)(hijack_\w+)\(([^)]*)\);", code):
        functions.append(Function(spaced(result), name, tuple(read_parameters(name, parameters))))
    if len(functions) != len(re.findall(r"^HIJACK_API\b", code, re.M)):
        raise SystemExit("hijack.h: a HIJACK_API line is no plain function declaration")
    return tuple(functions)


def read_parameters(function, text):
    if spaced(text) == "void":
        return
    for part in text.split(","):
        match = re.fullmatch(r"(.*?)(\w+)", spaced(part))
        if not match:
            raise SystemExit(f"hijack.h: {function}: parameter {part!r} has no name")
        yield Parameter(spaced(match[1]), match[2])


def read_enum(body):
    constants = []
    for before, name, value, after in CONSTANT.findall(body):
        constants.append(Constant(name, int(value), (after or before).split("\n")[0].strip()))
    if len(constants) != len(re.findall(r"^\s*HIJACK_\w+\b", COMMENT.sub(" ", body), re.M)):
        raise SystemExit("hijack.h: a constant of an enum is not written as NAME = number")
    return tuple(constants)


def read_event(code):
    fields, offset = [], 0
    body = re.search(r"typedef struct hijack_event \{(.*?)\} hijack_event;", code, re.S)[1]
    for type_, name in re.findall(r"([\w ]+?[ *]+)(\w+);", body):
        type_ = spaced(type_)
        offset += -offset % SIZES[type_]
        fields.append(Field(type_, name, offset))
        offset += SIZES[type_]
    return tuple(fields)


def spaced(text):
    """One form for types: single spaces, the stars together after one space."""
    text = " ".join(text.split()).replace(" *", "*")
    return re.sub(r"(\*+)", r" \1", text)


def repository():
    return Path(__file__).resolve().parents[2]
