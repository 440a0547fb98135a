"""What the Python package takes from the header: the declarations for cffi and for type checkers, constants, exception
classes."""
import keyword
import struct
import textwrap

from . import errors, facts, sentences
from .header import NOTE

# What "except OSError as error" finds in error.errno.
ERRNO = {
    "EAGAIN": "EAGAIN",
    "ECLOSED": "EPIPE",
    "EADDRINUSE": "EADDRINUSE",
    "EADDR": "EINVAL",
    "EACCES": "EACCES",
    "ELIMIT": "EMFILE",
    "ETIMEDOUT": "ETIMEDOUT",
    "ERESET": "ECONNRESET",
    "ESHUTDOWN": "ESHUTDOWN",
    "EIO": "EIO",
    "EABORTED": "ECONNABORTED",
    "ENOTSOCK": "ENOTSOCK",
    "ENOTSUP": "EOPNOTSUPP",
    "EPROTOCOL": "EPROTO",
    "EREFUSED": "ECONNREFUSED",
    "ENOENT": "ENOENT",
    "EADDRNOTAVAIL": "EADDRNOTAVAIL",
}


def files(header):
    yield "python/src/hijack_ffi/_cdef.h", cdef(header)
    yield "python/src/hijack_ffi/_native.pyi", stub(header)
    yield "python/src/hijack_ffi/_constants.py", constants(header)
    yield "python/src/hijack_ffi/_errors.py", exceptions(header)
    yield "python/src/hijack_ffi/_facts.py", known_names(header)


def cdef(header):
    """cffi compares all of it with the real header when the extension is compiled."""
    lines = [f"/* {NOTE} */"]
    lines += [f"typedef struct {name} {name};" for name in header.opaque]
    lines += ["typedef struct hijack_event {"]
    lines += [f"    {joined(field.type, field.name)};" for field in header.event]
    lines += ["} hijack_event;", "#define HIJACK_VERSION_NUMBER ..."]
    for enum in header.enums:
        lines += ["enum {"] + [f"    {it.name} = {it.value}," for it in enum] + ["};"]
    for function in header.functions:
        parameters = ", ".join(joined(it.type, it.name) for it in function.parameters) or "void"
        lines.append(f"{joined(function.result, function.name)}({parameters});")
    return "\n".join(lines) + "\n"


def joined(type_, name):
    return type_ + name if type_.endswith("*") else f"{type_} {name}"


def stub(header):
    """Pointers stay Any: what matters to a type checker is which functions there are, and what they give."""
    lines = [
        f'"""{NOTE}"""',
        "from typing import Any",
        "",
        "ffi: Any",
        "",
        "class _Lib:",
        "    HIJACK_VERSION_NUMBER: int",
    ]
    for function in header.functions:
        types = [(word(it.name), "int" if is_number(it.type) else "Any") for it in function.parameters]
        parameters = "".join(f", {name}: {type_}" for name, type_ in types)
        result = "int" if is_number(function.result) else "None" if function.result == "void" else "Any"
        lines.append(f"    def {function.name}(self{parameters}) -> {result}: ...")
    return "\n".join(lines + ["", "lib: _Lib"]) + "\n"


def word(name):
    """A name of C that Python does not have for itself."""
    return f"{name}_" if keyword.iskeyword(name) else name


def is_number(type_):
    return type_ in ("int", "size_t", "uint32_t", "int64_t", "uint64_t")


def constants(header):
    lines = [
        f'"""{NOTE}"""',
        "from typing import Final, Literal, Mapping",
        "",
        f'VERSION: Final = "{header.version}"',
        f"VERSION_NUMBER: Final = 0x{header.version_number:06x}",
        "",
        "#: hijack_event as the module struct reads it",
        f'EVENT_FORMAT: Final = "{event_format(header)}"',
    ]
    for enum in header.enums:
        lines += [""] + [f"{it.name.removeprefix('HIJACK_')}: Final = {it.value}" for it in enum]
    lines += ["", "#: types of events that this package knows; other types are of a later version, and skipped"]
    lines += [names("KNOWN_EVENTS", header.events()), "#: types after which no event of the same handle follows"]
    lines += [names("LAST_EVENTS", header.last_events())]
    kinds = [name for name, _ in header.kinds()]
    lines += ["", f"Kind = Literal[{', '.join(map(quoted, kinds))}]", "KINDS: Final[Mapping[str, int]] = {"]
    lines += [f"    {quoted(name)}: {it.name.removeprefix('HIJACK_')}," for name, it in header.kinds()] + ["}"]
    return "\n".join(lines) + "\n"


def names(name, constants):
    short = [it.name.removeprefix("HIJACK_") for it in constants]
    return "\n".join([f"{name}: Final = frozenset(", "    {", *(f"        {it}," for it in short), "    }", ")"])


def event_format(header):
    """Without padding: header.py has checked nothing of it, so a gap is an error here."""
    codes = {"uint64_t": "Q", "void *": "Q", "const char *": "Q", "uint32_t": "I", "int32_t": "i"}
    text = "=" + "".join(codes[field.type] for field in header.event)
    if struct.calcsize(text) != header.event_size:
        raise SystemExit("hijack.h: hijack_event has padding, bindings/generator/python.py must write it")
    return text


def known_names(header):
    lines = [f'"""{NOTE}"""', "from dataclasses import dataclass", "from typing import Final, Optional", ""]
    lines += ["#: headers of another server's answer that are about its connection or its body"]
    lines += ["NOT_TAKEN: Final = frozenset(", "    {"]
    lines += [*(f"        {quoted(name)}," for name in facts.not_taken("python")), "    }", ")"]
    lines += ["#: what a head of events has of its own", f"OF_EVENTS: Final = {tuple_of(facts.OF_EVENTS)}"]
    lines += ["#: headers of which both lines are sent", f"ADDED: Final = frozenset({tuple_of(facts.ADDED)})"]
    lines += ["#: the counters of a broadcaster, in their order"]
    lines += [f"BROADCASTER_STATS: Final = {tuple_of(header.broadcaster_stats())}"]
    lines += ["", "", "@dataclass(frozen=True)", "class TLS:"]
    lines += ['    """What the TLS handshake of a request\'s connection has settled."""', ""]
    for name, _, comment, absent in facts.TLS:
        type_, more = ("Optional[str]", f"; None {absent}") if absent else ("str", "")
        lines += [f"    #: {comment}{more}", f"    {name}: {type_}"]
    return "\n".join(lines) + "\n"


def tuple_of(names):
    return f"({', '.join(map(quoted, names))})"


def exceptions(header):
    lines = [
        f'"""{NOTE}',
        "",
        "One exception class for each error code; each is a HijackError and, where Python has an exception of that",
        'meaning, that one too."""',
        "import errno as numbers",
        "from typing import ClassVar, Dict, Type",
        "",
        "__all__ = [",
        '    "HijackError",',
        *(f'    "{entry[0]}Error",' for _, entry in errors.named(header)),
        "]",
        "",
        "",
        "class HijackError(Exception):",
        '    """What every error of this package is."""',
        "",
        "    code: ClassVar[int] = 0  #: the HIJACK_E* number",
        '    symbol: ClassVar[str] = ""  #: its name in C, "HIJACK_ECLOSED"',
        "    _about = 0  # the number of the request, stream, socket or WebSocket whose end it reports",
        "",
        "    def __str__(self) -> str:",
        "        return str(self.args[0]) if self.args else self.symbol",
    ]
    for constant, (name, _, base, _) in errors.named(header):
        lines += [
            "",
            "",
            f"class {name}Error(HijackError, {base}):",
            f'    """{constant.name}: {constant.comment}"""',
            "",
            f"    code = {constant.value}",
            f'    symbol = "{constant.name}"',
        ]
        number = ERRNO.get(constant.name.removeprefix("HIJACK_"))
        lines += [f"    errno = numbers.{number}"] if number else []
    lines += ["", "", "ERRORS: Dict[int, Type[HijackError]] = {"]
    lines += [f"    {constant.value}: {entry[0]}Error," for constant, entry in errors.named(header)]
    return "\n".join([*lines, "}", *words(errors.named(header))]) + "\n"


def words(named):
    """What the package says of a code and of an option."""
    values = {constant.name.removeprefix("HIJACK_"): constant.value for constant, _ in named}
    said = sentences.by_call("python")
    lines = ["", "#: instead of the library's own sentences, where those are for programs in C"]
    lines += ["SENTENCES: Dict[int, str] = {", *entries(values, said.pop("")), "}"]
    lines += ["", "#: what a code means after one call", "WORDS: Dict[str, Dict[int, str]] = {"]
    for call, codes in said.items():
        lines += [f"    {quoted(call)}: {{", *entries(values, codes, " " * 8), "    },"]
    lines += ["}", "", "#: what the values of an option are, by its type", "VALUES: Dict[str, str] = {"]
    options = sentences.of_language(sentences.OPTIONS, "python").items()
    return [*lines, *(f"    {quoted(type_)}: {quoted(text)}," for type_, text in options), "}"]


def entries(values, codes, indent=" " * 4):
    for code, text in codes.items():
        pieces = [quoted(it) for it in textwrap.wrap(text, 100, drop_whitespace=False)]
        yield f"{indent}{values[code]}: " + f"\n{indent}".join(pieces) + ","


def quoted(text):
    return '"' + text.replace('"', '\\"') + '"'
