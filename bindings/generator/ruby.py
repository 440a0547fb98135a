"""ruby/lib/hijack_ffi/generated.rb: functions for ffi, constants, event offsets, exception classes."""
import textwrap

from . import errors

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
        "# Made by bindings/generate from include/hijack/hijack.h. Do not edit.",
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
        "# Made by bindings/generate from include/hijack/hijack.h. Do not edit.",
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
    lines += [line for function in header.functions for line in attach(function)]
    lines += ["  end", ""] + exceptions(header) + ["end", ""]
    return "\n".join(lines)


def names(name, comment, constants):
    short = ", ".join(it.name.removeprefix("HIJACK_") for it in constants)
    lines = textwrap.wrap(f"    {name} = [{short}].freeze", 118, subsequent_indent=" " * 14)
    return [f"    # {comment}", *lines, ""]


def attach(function):
    name = function.name.removeprefix("hijack_")
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
    lines[-1] = lines[-1].rstrip(",")
    return lines + ["  }.freeze"]
