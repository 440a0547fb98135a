"""ruby/lib/hijack_ffi/generated.rb: functions for ffi, constants, event offsets, sentences, names, exception
classes."""
import textwrap

from . import errors, facts, sentences
from .header import NOTE

# Handles are opaque 64-bit values: an Integer costs less than an FFI::Pointer and cannot be followed by mistake.
TYPES = {
    "int": ":int",
    "uint32_t": ":uint32",
    "uint64_t": ":uint64",
    "int64_t": ":int64",
    "size_t": ":size_t",
    "void": ":void",
    "void *": ":uint64",
    "const char *": ":buffer_in",
}
# Ruby's own methods of a module, which keep their names.
RENAMED = {"hijack_hash": "text_hash"}
BLOCKING = {"hijack_server_stop"}  # joins threads: other Ruby threads run on meanwhile


def files(header):
    yield "ruby/lib/hijack_ffi/version.rb", version(header)
    yield "ruby/lib/hijack_ffi/generated.rb", text(header)


def version(header):
    """A file of its own: the library is found by its version, before any of its functions is attached."""
    major, minor = header.version.split(".")[:2]
    lines = [
        "# frozen_string_literal: true",
        "",
        f"# {NOTE}",
        "module Hijack",
        "  # The library's version that this package was made for.",
        f"  VERSION = '{header.version}'",
        "  # The versions that it can use share this number.",
        f"  SERIES = '{f'{major}.{minor}' if major == '0' else major}'",
        "  private_constant :SERIES",
        "end",
        "",
    ]
    return "\n".join(lines)


def text(header):
    lines = [
        "# frozen_string_literal: true",
        "",
        f"# {NOTE}",
        "module Hijack",
        "  # The C functions as they are, without hijack_; handles are Integers.",
        "  module C",
        f"    VERSION_NUMBER = 0x{header.version_number:06x}",
        "",
    ]
    for enum in header.enums:
        lines += [f"    {it.name.removeprefix('HIJACK_')} = {it.value}" for it in enum] + [""]
    known = "Types of events that this package handles; other types are of a later version, and skipped."
    lines += names("KNOWN_EVENTS", known, header.events())
    lines += names("LAST_EVENTS", "Types after which no event of the same handle follows.", header.last_events())
    lines += [f"    EVENT_SIZE = {header.event_size}"]
    lines += [f"    EVENT_{field.name.upper()}_AT = {field.offset}" for field in header.event] + [""]
    lines += kinds(header) + known_names(header) + words()
    lines += [line for function in header.functions for line in attach(function)]
    lines += ["  end", ""] + request_facts() + exceptions(header) + ["end", ""]
    return "\n".join(lines)


def names(name, comment, constants):
    return listed(name, comment, "[" + ", ".join(it.name.removeprefix("HIJACK_") for it in constants) + "]")


def listed(name, comment, elements):
    return [f"    # {comment}", *wrapped(f"    {name} = {elements}.freeze", " " * 14), ""]


def kinds(header):
    pairs = ", ".join(f"{name}: {it.name.removeprefix('HIJACK_')}" for name, it in header.kinds())
    return listed("KINDS", "How a held connection starts; see docs/reference/c/broadcaster.md#kinds.", f"{{ {pairs} }}")


def known_names(header):
    not_taken = "Headers of another server's answer that are about its connection or its body."
    lines = listed("NOT_TAKEN", not_taken, f"%w[{' '.join(facts.not_taken('ruby'))}]")
    lines += listed("OF_EVENTS", "What a head of events has of its own.", f"%w[{' '.join(facts.OF_EVENTS)}]")
    lines += listed("ADDED", "Headers of which both lines are sent.", f"%w[{' '.join(facts.ADDED)}]")
    tls = " ".join(f"tls_{name}" for name, *_ in facts.TLS)
    lines += listed("TLS_FACTS", "What a request reports of TLS.", f"%w[{tls}]")
    stats = " ".join(header.broadcaster_stats())
    lines += listed("BROADCASTER_STATS", "The counters of a broadcaster, in their order.", f"%i[{stats}]")
    return lines


def request_facts():
    lines = ["  # What a {Request} reports of itself and its connection.", "  module Facts"]
    for index, (name, comment) in enumerate(facts.LINE):
        lines += getter(name, f"String] {comment}", f"line[{index}]")
    for name, _, comment, absent in facts.TLS:
        comment = f"String, nil] {comment}; nil {absent or 'without TLS'}"
        lines += getter(f"tls_{name}", comment, f"@tls && @tls[:tls_{name}]")
    return [*lines[:-1], "  end", ""]


def getter(name, returns, value):
    return [*wrapped(f"    # @return [{returns}", "    #   "), f"    def {name}", f"      {value}", "    end", ""]


def wrapped(line, indent):
    return textwrap.wrap(line, 118, subsequent_indent=indent, break_on_hyphens=False)


def words():
    lines = ["    # What an error code means after a call, of which nil is any other one.", "    SENTENCES = {"]
    for code, calls in sentences.by_code("ruby").items():
        said = [sentence(quoted(call) if call else "nil", text) for call, text in calls.items()]
        lines += [f"      {code} => {{", *without_comma(said), "      },"]
    lines = [*without_comma(lines), "    }.freeze", ""]
    lines += ["    # What the values of an option are, by its type.", "    VALUES = {"]
    values = sentences.of_language(sentences.OPTIONS, "ruby").items()
    lines += without_comma([f"      '{type_}' => {quoted(text).replace('{', '%{')}," for type_, text in values])
    return [*lines, "    }.freeze", ""]


def sentence(key, text):
    pieces = [quoted(it) for it in textwrap.wrap(text, 104 - len(key), drop_whitespace=False)]
    return f"        {key} => " + f" \\\n{' ' * (12 + len(key))}".join(pieces) + ","


def quoted(text):
    return f'"{text}"' if "'" in text else f"'{text}'"


def without_comma(lines):
    """Those of a list, whose last one has none."""
    return [*lines[:-1], lines[-1].removesuffix(",")]


def called(function):
    """How Ruby calls a function."""
    return RENAMED.get(function, function.removeprefix("hijack_"))


def attach(function):
    name = called(function.name)
    types = ", ".join(argument(parameter) for parameter in function.parameters)
    result = ":string" if function.result == "const char *" else TYPES[function.result]
    options = ", blocking: true" if function.name in BLOCKING else ""
    head = f"    attach_function :{name}, :{function.name},"
    line = f"{head} [{types}], {result}{options}"
    if len(line) <= 120:
        return [line]
    return [head, *textwrap.wrap(f"{' ' * 20}[{types}], {result}{options}", 120, subsequent_indent=" " * 20)]


def argument(parameter):
    if parameter.type in TYPES:
        return TYPES[parameter.type]
    if parameter.type.startswith("hijack_") and parameter.type.endswith(" *") and parameter.name != "out":
        return ":uint64"
    return ":pointer"


def exceptions(header):
    lines = []
    for constant, (name, parent, _, _) in errors.named(header):
        lines += [
            f"  # {constant.name}: {constant.comment}",
            f"  class {name}Error < {parent}",
            "    include Error",
            f"    CODE = {constant.value}",
            f"    NAME = '{constant.name}'",
            "  end",
            "",
        ]
    lines += ["  # The exception class of each error code.", "  ERRORS = {"]
    lines += [f"    {constant.value} => {entry[0]}Error," for constant, entry in errors.named(header)]
    return [*without_comma(lines), "  }.freeze"]
