"""base <- codec <- core <- loop: a file includes its own layer and those below it.

base    libc only. base/os alone holds what belongs to the operating system: epoll, eventfd, accept4,
        FIONREAD, setsockopt.
codec   pure: of libc what computes, of others zlib and OpenSSL's EVP. No descriptor, no lock, no clock.
core    any thread, nothing of a loop, no third party; core/tls has OpenSSL.
loop    OpenSSL and zlib where it needs them; libh2o in one header of loop/http2, which hides its version."""

import re

import project

LAYERS = ["base", "codec", "core", "loop"]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
H2O = re.compile(r"(h2o|picotls|quicly)[./]|h2o$")
THIRD = re.compile(r"((h2o|picotls|quicly|wslay)[./]|openssl/|zlib)")
CODEC_THIRD = {"zlib.h", "openssl/evp.h", "openssl/params.h"}
CODEC_LIBC = {"assert.h", "errno.h", "inttypes.h", "limits.h", "stdalign.h", "stdbool.h", "stddef.h", "stdint.h",
              "stdio.h", "stdlib.h", "string.h", "strings.h", "time.h"}  # time.h for its types
CODEC_NEVER = re.compile(r"base/(os/.*|clock\.h|handle\.h|object\.h)$")  # descriptors, time, locks and counts
CODEC_CALLS = re.compile(r"\b(f?printf|puts|fopen|getenv|time|clock_gettime|rand|abort|exit)\s*\(")
SYSTEM = re.compile(r"\b(epoll_(?:create1?|ctl|p?wait2?|event)|EPOLL\w+|eventfd(?:_\w+)?|EFD_\w+|accept4|FIONREAD|"
                    r"setsockopt)\b")
SYSTEM_HEADERS = {"sys/epoll.h", "sys/eventfd.h"}

# Names of the operating system that stand outside of base/os still. This list may only shrink.
STILL = {}


def include_complaint(path, layer, quote, name):
    part = name.split("/")[0] if "/" in name else ""
    if name.endswith(".c"):
        return "a .c file is not for including"
    if quote == '"' and part not in LAYERS:
        return f'write {", ".join(each + "/..." for each in LAYERS)}, relative to src'
    if part in LAYERS and LAYERS.index(part) > LAYERS.index(layer):
        return f"{part} stands above {layer}"
    if part == "hijack" and layer in ("base", "codec") and name != "hijack/hijack.h":
        return f"{layer} uses no other public header than hijack/hijack.h, for the error codes"
    if H2O.match(name) and not (path.startswith("src/loop/http2/") and path.endswith(".h")):
        return "libh2o belongs in one header of src/loop/http2"
    if layer == "codec":
        return codec_complaint(part, name)
    if path.startswith("src/core/tls/") and name.startswith("openssl/"):
        return None
    if layer in ("base", "core") and THIRD.match(name):
        return f"{layer} uses no third party; src/codec may use zlib and openssl/evp.h"
    return None


def codec_complaint(part, name):
    if CODEC_NEVER.match(name):
        return "codec is pure: no descriptor, no lock, no clock"
    if part in LAYERS + ["hijack"] or name in CODEC_THIRD | CODEC_LIBC:
        return None
    return f"codec is pure: it may include {', '.join(sorted(CODEC_THIRD))} and of libc {' '.join(sorted(CODEC_LIBC))}"


def system_names(path, text, code, compat):
    """What a file uses of the operating system that only base/os may. The header for libh2o has to touch what libh2o
    made."""
    if path.startswith("src/base/os/") or path in compat:
        return set()
    headers = {name for _, name in INCLUDE.findall(text)} & SYSTEM_HEADERS
    return set(SYSTEM.findall(code)) | headers


def problems_of(texts, still):
    problems, seen = [], {}
    compat = sorted(path for path, text in texts.items() if any(H2O.match(name) for _, name in INCLUDE.findall(text)))
    if len(compat) > 1:
        problems.append(f"libh2o belongs in one header of src/loop/http2, but these include it: {' '.join(compat)}")
    for path, text in texts.items():
        layer = path.split("/")[1]
        if layer not in LAYERS:
            problems.append(f"{path}: src/ has the layers {' <- '.join(LAYERS)}, and no files beside them")
            continue
        for quote, name in INCLUDE.findall(text):
            why = include_complaint(path, layer, quote, name)
            if why:
                problems.append(f"{path}: includes {name}: {why}")
        code = project.without_comments(text)
        if layer == "codec":
            problems += [f"{path}: calls {name}: codec is pure" for name in sorted(set(CODEC_CALLS.findall(code)))]
        seen[path] = system_names(path, text, code, compat)
        problems += [f"{path}: uses {name}: only src/base/os may"
                     for name in sorted(seen[path] - still.get(path, set()))]
    problems += [f"{path} uses {name} no more: take it out of STILL in tests/api/check_layers.py"
                 for path, names in still.items() for name in sorted(names - seen.get(path, set()))]
    return problems


def check_itself():
    """Each rule is broken once, in files made up."""
    def one(path, text, still={}):
        found = problems_of({path: text}, still)
        assert len(found) < 2, found
        return found[0] if found else ""

    for path, text, expected in [
        ("src/base/a.c", '#include "core/b.h"', "core stands above base"),
        ("src/codec/a.c", '#include "core/b.h"', "core stands above codec"),
        ("src/core/a.c", '#include "loop/b.h"', "loop stands above core"),
        ("src/core/a.c", '#include "b.h"', "relative to src"),
        ("src/core/a.c", '#include "core/b.c"', "not for including"),
        ("src/core/a.c", "#include <zlib.h>", "no third party"),
        ("src/base/a.c", "#include <openssl/evp.h>", "no third party"),
        ("src/core/tls/a.c", "#include <zlib.h>", "no third party"),
        ("src/core/tls/a.c", "#include <openssl/ssl.h>", ""),
        ("src/codec/a.c", "#include <openssl/ssl.h>", "codec is pure"),
        ("src/codec/a.c", "#include <pthread.h>", "codec is pure"),
        ("src/codec/a.c", '#include "base/clock.h"', "codec is pure"),
        ("src/codec/a.c", "x = time(NULL);", "calls time"),
        ("src/loop/a.c", "#include <h2o.h>", "one header of src/loop/http2"),
        ("src/loop/http2/a.c", "#include <h2o/http2.h>", "one header of src/loop/http2"),
        ("src/loop/io/a.c", "fd = accept4(1, 0, 0, 0);", "uses accept4"),
        ("src/base/a.c", "#include <sys/epoll.h>", "uses sys/epoll.h"),
        ("src/other/a.c", "", "no files beside"),
        ("src/loop/a.c", "", ""),
        ("src/loop/http2/a.h", "#include <h2o.h>\n#include <sys/epoll.h>", ""),
        ("src/codec/a.c", '#include <zlib.h>\n#include <openssl/evp.h>\n#include "base/buf.h"', ""),
        ("src/base/os/a.c", "#include <sys/epoll.h>\nepoll_wait();", ""),
    ]:
        found = one(path, text)
        assert expected in found and bool(expected) == bool(found), (path, text, found)
    assert one("src/loop/a.c", "accept4();", {"src/loop/a.c": {"accept4"}}) == ""
    assert "no more" in one("src/loop/a.c", "", {"src/loop/a.c": {"accept4"}})


check_itself()
(source,) = project.arguments(1)
texts = {str(path.relative_to(source)): path.read_text() for path in project.sources(source, "src")}
project.closing(problems_of(texts, STILL), f"{len(texts)} files, each in its layer")
