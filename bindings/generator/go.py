"""What the Go package takes from the header: constants, errors and names, and C functions that take handles as numbers,
since Go must never hold a value that is no pointer in a pointer's type."""
import re
import textwrap

from . import errors, facts, sentences
from .header import NOTE

ACRONYMS = {"Sse": "SSE", "Http": "HTTP", "Ok": "OK", "Eof": "EOF", "Websocket": "WebSocket", "Tls": "TLS"}

# What a kind of held connection is to a program in Go.
KINDS = {
    "raw": "nothing is written first; messages as they are",
    "stream": "a 200 head; messages as pieces of the body",
    "sse": "a 200 text/event-stream head; each message as one event",
    "sse_body": "for Adopt: the other server has written the head; each message as one event",
    "websocket": "the answer to a handshake; each message as one message. Pings and closing are answered",
    "long_poll": "waits for one response: the first message, or what Broadcaster.Respond gives",
    "websocket_open": "for Adopt: HoldWebSocket where the other server has answered, without an extension",
}


def files(header):
    yield "go/generated.go", code(header)
    yield "go/generated.h", shims(header)


def camel(name):
    words = [word.capitalize() for word in name.lower().split("_")]
    return "".join(ACRONYMS.get(word, word) for word in words)


def lower(name):
    return name[0].lower() + name[1:]


def code(header):
    lines = [
        f"// {NOTE}",
        "",
        "//go:build cgo",
        "",
        "package hijack",
        "",
        "import (",
        '\t"fmt"',
        '\t"io/fs"',
        '\t"net"',
        '\t"syscall"',
        ")",
        "",
        "// Version is the library's version that this package was made for.",
        f'const Version = "{header.version}"',
        "",
        f"const versionNumber = 0x{header.version_number:06x}",
        "",
        f"const eventSize = {header.event_size}",
    ]
    for enum in header.enums:
        if enum[0].name == "HIJACK_OK":
            lines += error_constants(header)
        elif enum[0].name.startswith("HIJACK_HOLD_"):
            lines += kind_constants(header)
        else:
            names = [lower(camel(it.name.removeprefix("HIJACK_"))) for it in enum]
            width = max(map(len, names))
            lines += ["", "const ("]
            lines += [f"\t{name.ljust(width)} = {it.value}" for name, it in zip(names, enum)] + [")"]
    lines += kind_names(header)
    known = "is whether this package knows the type; other types are of a later version, and skipped"
    lines += predicate("isKnownEvent", known, header.events())
    last = "is whether no event of its handle follows one of this type"
    lines += predicate("isLastEvent", last, header.last_events())
    return "\n".join(lines + equivalents(header) + texts(header) + known_names(header)) + "\n"


def kind_constants(header):
    width = max(len(camel(f"HOLD_{name}")) for name, _ in header.kinds())
    lines = ["", "// Kind is how a held connection starts, and how messages are written to it.", "type Kind uint32"]
    lines += ["", "// The kinds of held connections.", "const ("]
    for name, constant in header.kinds():
        lines.append(f"\t{camel(f'HOLD_{name}').ljust(width)} Kind = {constant.value} // {KINDS[name]}")
    return lines + [")"]


def kind_names(header):
    lines = ["", '// String is the constant\'s name, "HoldSSE".', "func (k Kind) String() string {", "\tswitch k {"]
    for kind in (camel(f"HOLD_{name}") for name, _ in header.kinds()):
        lines += [f"\tcase {kind}:", f'\t\treturn "{kind}"']
    return lines + ["\t}", '\treturn fmt.Sprintf("Kind(%d)", uint32(k))', "}"]


def predicate(name, comment, constants):
    cases = ", ".join(lower(camel(it.name.removeprefix("HIJACK_"))) for it in constants)
    lines = textwrap.wrap(f"case {cases}:", 110, subsequent_indent="\t")
    return ["", f"// {name} {comment}.", f"func {name}(kind uint32) bool {{", "\tswitch kind {",
            *(f"\t{line}" for line in lines), "\t\treturn true", "\t}", "\treturn false", "}"]


def error_constants(header):
    lines = ["", "// One Error for each code of the library. Compare with errors.Is.", "const ("]
    named = errors.named(header)
    width = max(len(entry[0]) for _, entry in named) + 3
    for constant, entry in named:
        lines.append(f"\t// {constant.name}: {constant.comment}")
        lines.append(f"\t{('Err' + entry[0]).ljust(width)} Error = {constant.value}")
    return gofmt_blocks(lines) + [")"]


def gofmt_blocks(lines):
    """gofmt aligns only neighbouring lines; with a comment line between, each stands for itself."""
    return [re.sub(r"^(\tErr\w+) +Error", r"\1 Error", line) for line in lines]


def equivalents(header):
    pairs = [(f"Err{entry[0]}:", entry[3]) for _, entry in errors.named(header) if entry[3]]
    width = max(len(name) for name, _ in pairs)
    lines = ["", "// What errors.Is also takes each of them for.", "var equivalents = map[Error]error{"]
    return lines + [f"\t{name.ljust(width)} {other}," for name, other in pairs] + ["}"]


def texts(header):
    names = {it.name.removeprefix("HIJACK_"): f"Err{entry[0]}" for it, entry in errors.named(header)}
    said = sentences.by_call("go")
    lines = ["", "// texts replace what the library's own texts say about C.", "var texts = map[Error]string{"]
    lines += [*entries(names, said.pop(""), "\t"), "}"]
    lines += ["", "// meanings are what a code means after one operation."]
    lines += ["var meanings = map[string]map[Error]string{"]
    for call, codes in said.items():
        lines += [f'\t"{call}": {{', *entries(names, codes, "\t\t"), "\t},"]
    return [*lines, "}"]


def known_names(header):
    lines = ["", "// StatusCode is why a WebSocket was closed (RFC 6455 section 7.4).", "type StatusCode int", ""]
    lines += ["// The codes that RFC 6455 and its registry name; 3000 to 4999 are for programs.", "const ("]
    width = max(len(camel(name)) for _, name, _ in facts.CLOSE_CODES)
    for code, name, comment in facts.CLOSE_CODES:
        lines.append(f"\tStatus{camel(name).ljust(width)} StatusCode = {code} // {comment}")
    lines += [")", "", "// TLS is what the handshake of a request's connection has settled.", "type TLS struct {"]
    width = max(len(name) for _, name, *_ in facts.TLS)
    for _, name, comment, absent in facts.TLS:
        lines.append(f"\t{name.ljust(width)} string // {comment}" + (f'; "" {absent}' if absent else ""))
    tls = ", ".join(f'"tls_{name}"' for name, *_ in facts.TLS)
    fields = ", ".join(f"&t.{name}" for _, name, *_ in facts.TLS)
    lines += ["}", "", "// fields are those of TLS, as tlsFacts names them for the library."]
    lines += ["func (t *TLS) fields() []*string {", f"\treturn []*string{{{fields}}}", "}"]
    lines += ["", f"var tlsFacts = []string{{{tls}}}"]
    stats = ", ".join(f'"{name}"' for name in header.broadcaster_stats())
    lines += ["", "// broadcasterStats are the counters of a broadcaster, in their order."]
    lines += [f"var broadcasterStats = [...]string{{{stats}}}"]
    not_taken = "are lines of another server's response that are about its connection or its body"
    lines += header_set("notTaken", not_taken, facts.not_taken("go"))
    of_events = "are lines that a head of Server-Sent Events has of its own"
    return lines + header_set("ofEvents", of_events, facts.OF_EVENTS)


def header_set(name, comment, headers):
    names = [f'"{header.title()}":' for header in headers]
    width = max(map(len, names))
    lines = [f"\t{name.ljust(width)} true," for name in names]
    return ["", f"// {name} {comment}.", f"var {name} = map[string]bool{{", *lines, "}"]


def entries(names, codes, indent):
    width = max(len(names[code]) for code in codes) + 1
    return [f"{indent}{(names[code] + ':').ljust(width)} `{text}`," for code, text in codes.items()]


def shims(header):
    lines = [
        "/* SPDX-License-Identifier: MIT",
        f" * {NOTE}",
        " * The library's functions with handles as uint64_t, and strings of Go as texts. */",
        "#ifndef HJ_GO_GENERATED_H",
        "#define HJ_GO_GENERATED_H",
        "",
        "#include <hijack/hijack.h>",
        "",
        "#define HJ_GO static inline __attribute__((unused))",
        "",
        "/* hijack_event, with the handle as a number. */",
        "typedef struct hj_go_event {",
    ]
    for field in header.event:
        type_ = "uint64_t" if field.type == "void *" else field.type
        lines.append(f"    {type_}{'' if type_.endswith('*') else ' '}{field.name};")
    lines += ["} hj_go_event;", ""]
    lines += [line for function in header.functions for line in shim(function)]
    return "\n".join(lines + ["#endif"]) + "\n"


def shim(function):
    parameters, arguments, before, after = [], [], [], []
    for it, following in zip(function.parameters, [*function.parameters[1:], None]):
        made = re.fullmatch(r"(hijack_\w+) \*\*", it.type)
        if it.type == "hijack_event *":
            parameters.append(f"hj_go_event *{it.name}")
            arguments.append(f"(hijack_event *){it.name}")
        elif made:
            parameters.append(f"uint64_t *{it.name}")
            before.append(f"    {made[1]} *made = NULL;")
            arguments.append("&made")
            after.append(f"    if (result >= 0)\n        *{it.name} = (uint64_t)(uintptr_t)made;")
        elif it.type == "const char *" and following is not None and following.type == "size_t":
            parameters.append(f"_GoString_ {it.name}")
            arguments.append(f"_GoStringPtr({it.name}), _GoStringLen({it.name})")
        elif arguments and arguments[-1].startswith("_GoStringPtr(") and it.type == "size_t":
            pass  # the length of the text before it
        elif it.type == "void *" or re.fullmatch(r"hijack_\w+ \*", it.type):
            parameters.append(f"uint64_t {it.name}")
            arguments.append(f"({it.type})(uintptr_t){it.name}")
        else:
            parameters.append(it.type + ("" if it.type.endswith("*") else " ") + it.name)
            arguments.append(it.name)
    call = f"{function.name}({', '.join(arguments)})"
    result = function.result + ("" if function.result.endswith("*") else " ")
    name = function.name.replace("hijack_", "hj_go_", 1)
    head = wrap(f"HJ_GO {result}{name}({', '.join(parameters) or 'void'})")
    if function.result == "void":
        body = wrap(f"    {call};")
    elif after:
        body = before + wrap(f"    int result = {call};") + after + ["    return result;"]
    else:
        body = wrap(f"    return {call};")
    return head + ["{"] + body + ["}", ""]


def wrap(line):
    if len(line) <= 120:
        return [line]
    cut = line.rindex(", ", 0, 118)
    return [line[: cut + 1]] + wrap("        " + line[cut + 2 :])
