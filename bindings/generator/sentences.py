"""What the languages say where the library's own sentence would be one for programs in C, or would not name the call:
what an error code means, and what an option expects."""

STARTED = "the server has been started; do this before"
NOT_STARTED = "the server has not been started"
STATUS = "expected a status from 200 to 999"
ANSWER = f"{STATUS}, and no body with 204, 205 and 304"
BODY = "the body of the request has to be read to its end before"
BREAK = "event: and id: must not contain a line break, and a text must be valid UTF-8"
EVENT = "an event must not hold a line break, an id neither that nor NUL, and a text must be UTF-8"
FOREIGN = "it is of another server, or has a Content-Length"
HANDSHAKE = (
    "the client's handshake is wrong, or its page is of another origin (option websocket_origins); it was answered "
    "with 400, 403, 405 or 426"
)
TABLES = (
    "option private_fds needs Linux 5.9 or newer, and a sandbox (seccomp) that permits close_range; set it to off, or "
    "change the sandbox"
)
UNREAD = "the body has not been read to its end"


def in_all(text):
    """What all languages say alike."""
    return dict.fromkeys(("ruby", "python", "go"), text)


TO_CONNECT = in_all(
    "expected 127.0.0.1:80, [::1]:80, example.org:80 (a port from 1 to 65535), tls: before one of these, or unix:/path"
)

# {code: {call: {language: sentence}}}. The call "" is any that has no sentence of its own in that language.
ERRORS = {
    "EINVAL": {
        "": {
            "ruby": "an argument is not one of those that are allowed",
            "python": "an argument is not one of those that are allowed",
            "go": "an argument is invalid",
        },
        "listen": {"go": "the address is empty"},
        "respond": {"ruby": STATUS, "python": STATUS},
        "respond to members": {"ruby": ANSWER, "python": ANSWER},
        "stream": {"ruby": STATUS},
        "hijack_partial": {"ruby": "expected a status from 100 to 999"},
        "websocket": {
            "ruby": "the client does not offer this subprotocol",
            "go": "the client has not offered this protocol",
        },
        "send_event": {"ruby": BREAK},
        "publish": {
            "ruby": BREAK,
            "python": EVENT,
            "go": "a text must be UTF-8; use Publish for other bytes",
        },
        "write": {"go": "a text must be UTF-8; use MessageBinary for other bytes"},
        "publish_to": {"ruby": "a text must be valid UTF-8"},
        "event": {"ruby": "event: and id: must not contain a line break, and id: no NUL"},
        "join_user": {"ruby": "both broadcasters have to be of one server"},
        "ping": {"ruby": "expected at most 125 bytes"},
        "add": {"ruby": FOREIGN, "python": "it belongs to another server, or its Content-Length is known"},
        "remove": {"ruby": FOREIGN, "python": "it belongs to another server"},
        "adopt": {"ruby": "expected no headers, which as: :raw, :sse_body and :websocket_open cannot have"},
        "hold": {
            "ruby": "expected a broadcaster of this server, as: :sse, :stream, :long_poll, :raw or :websocket, and no "
            "headers for "
            ":raw, which has no head",
            "python": "kind 'raw' takes no headers; expected kind sse, stream, long_poll, websocket or raw",
        },
        "hold a route": {"python": "expected kind sse, stream, long_poll, websocket or raw (without headers)"},
    },
    "EHANDLE": {"": {"ruby": "the object has been freed", "go": "it has been freed"}},
    "ECLOSED": {"": {"go": "the connection is closed"}},
    "EAGAIN": {
        "": {
            "ruby": "too much is unsent; wait_writable waits until more can be sent",
            "python": "too much waits unsent already",
            "go": "nothing was sent, because too much data is waiting already",
        },
        "publish": {
            "ruby": "256 MiB of messages wait for the threads of the server; publish later",
            "python": "256 MiB of messages wait for the server's threads; publish less",
        },
        "publish_to": {"ruby": "256 MiB of messages wait for the threads of the server; publish later"},
    },
    "EFORK": {
        "": {
            "ruby": "the object belongs to the parent process; make a new one after the fork, or once for all "
            "processes with Hijack.local",
            "python": "it belongs to the parent process; make a new one after the fork",
            "go": "it belongs to the parent process",
        },
    },
    "ESTATE": {
        "": in_all("not possible in this state"),
        "publish": {"ruby": NOT_STARTED},
        "publish_to": {"ruby": NOT_STARTED},
        "remove_user": {"ruby": NOT_STARTED},
        "close_user": {"ruby": NOT_STARTED},
        "join_user": {"ruby": NOT_STARTED},
        "position": {"ruby": "the broadcaster keeps no history; set its option history_messages before"},
        "drain": {"ruby": NOT_STARTED},
        "adopt": {"ruby": NOT_STARTED},
        "adopt_request": {"ruby": NOT_STARTED},
        "connect": {"ruby": NOT_STARTED},
        "wait": {"ruby": NOT_STARTED},
        "listen": {"ruby": STARTED},
        "option": {"ruby": STARTED},
        "route": {"ruby": STARTED},
        "start": {"ruby": "the server has been started already"},
        "hijack": {"ruby": BODY, "go": UNREAD},
        "hijack_partial": {"ruby": BODY},
        "websocket": {"ruby": BODY, "go": UNREAD},
        "hold": {
            "ruby": f"the path is held already, or {BODY}",
            "python": "its body comes in pieces: read all of it first",
        },
        "hold a route": {"python": "this path is held already"},
        "add": {
            "ruby": "it is a member of this broadcaster already",
            "python": "it is a member already",
            "go": "it is a member already, or the message of a Writer is under way",
        },
        "remove": {
            "ruby": "it is not a member of this broadcaster",
            "python": "it is not a member",
            "go": "it is not a member",
        },
        "detach": {"ruby": "it has been detached already", "go": "it has been detached already"},
        "relay": in_all("one of the two is a broadcaster's member, or within a message that has come or gone in part"),
        "relayed": in_all("it is relayed: its bytes go to the other connection, and come from there"),
    },
    "EBUSY": {"": {"go": "another goroutine is using it"}},
    "EADDR": {
        "": {
            "python": "expected 127.0.0.1:8080, [::1]:8080, *:8080, localhost:8080, unix:/path or fd:3; names other "
            "than localhost are not resolved",
            "go": 'the address cannot be understood; write ":8080", "127.0.0.1:8080", "[::1]:8080", "localhost:8080", '
            '"unix:/path" or "fd:3" (names other than localhost are not resolved)',
        },
        "connect": TO_CONNECT,
    },
    "EACCES": {"connect": in_all("the operating system does not permit it; a unix path must be writable")},
    "EHEADER": {
        "": {
            "ruby": "a header is not valid, or is one that the library sets itself, as Content-Length",
            "python": "a name or value is not valid in a header, or the library sets this header itself",
            "go": "a value of the header is invalid, or the library sets the line itself (Content-Length, for example)",
        },
        "adopt_request": {"python": "head: expected one whole head of a request, as hijack.request_head makes it"},
    },
    "EOPTION": {
        "": {
            "ruby": "there is no such option",
            "python": "no option has this name",
            "go": "no option has this name",
        },
    },
    "ERANGE": {
        "": {
            "ruby": "the value is out of range",
            "python": "a value is out of its range",
            "go": "the value is out of range",
        },
        "listen": {
            "ruby": "a port is at most 65535",
            "python": "expected a port from 0 to 65535",
            "go": "a port is from 0 (a free one) to 65535",
        },
        "connect": in_all("expected a port from 1 to 65535"),
    },
    "ETOOBIG": {
        "": {
            "ruby": "more bytes than the limit",
            "python": "more bytes than the limit",
            "go": "longer than the limit",
        },
        "publish": {"ruby": "a message has at most 16 MiB", "python": "expected at most 16 MiB"},
        "publish_to": {"ruby": "a message has at most 16 MiB"},
        "listen": {
            "ruby": "a unix path has at most 107 bytes",
            "python": "expected at most 107 bytes as the path of a unix socket",
            "go": "the path of a unix socket has at most 107 bytes",
        },
        "connect": in_all("expected at most 107 bytes as the path of a unix socket"),
        "write": {"ruby": "more than the Content-Length of the head"},
    },
    "EVERSION": {
        "": {
            "go": "the installed library does not fit this package; install the same version of both, then go build -a",
        },
    },
    "ENOTSOCK": {
        "": {
            "ruby": "not a connected stream socket",
            "python": "expected a connected stream socket, TCP or unix",
            "go": "not a connection whose descriptor the library can take over",
        },
        "listen": {
            "ruby": "not a listening socket",
            "python": "expected a listening socket",
            "go": "the descriptor is not a listening TCP or unix socket",
        },
    },
    "ETIMEDOUT": {"connect": in_all("it was not open within the time of the option connect_timeout_ms")},
    "ENOTSUP": {
        "connect": in_all("tls: needs a library that was built with TLS"),
        "start": in_all(TABLES),
    },
    "ENOENT": {"connect": in_all("this unix path does not exist")},
    "EADDRNOTAVAIL": {"connect": in_all("the host does not exist, no route leads to it, or no local port is free")},
    "EPROTOCOL": {"websocket": {"ruby": HANDSHAKE}, "hold": {"ruby": HANDSHAKE}},
    "ETLS": {
        "start": {
            "go": "a listener for TLS needs a certificate, see LoadCertificate; or the file of an option has none",
        },
        "connect": in_all(
            "OpenSSL knows none of the ciphers in tls_ciphers; correct that option"
        ),
    },
}

# {type of an option: {language: what its values are}}, with its minimum, maximum and help in braces.
OPTIONS = {
    "int": {
        "ruby": "a whole number from {minimum} to {maximum}",
        "python": "a whole number from {minimum} to {maximum}",
    },
    "size": {
        "ruby": "bytes from {minimum} to {maximum}, as a whole number that may end in k or m",
        "python": "a number of bytes from {minimum} to {maximum}, or text such as '64k' or '1m'",
    },
    "string": {
        "ruby": "{minimum} to {maximum} bytes: {help}",
        "python": "a text of {minimum} to {maximum} bytes",
    },
    "mode": {
        "ruby": "four octal digits from {minimum} to {maximum}",
        "python": "text of four octal digits from {minimum} to {maximum}, such as '0660'",
    },
    "choice": {"ruby": "one of its words: {help}", "python": "one of its choices ({help})"},
}


def by_code(language):
    """{code: {call: sentence}} of a language."""
    found = {code: of_language(calls, language) for code, calls in ERRORS.items()}
    return {code: calls for code, calls in found.items() if calls}


def by_call(language):
    """{call: {code: sentence}} of a language."""
    found = {}
    for code, calls in by_code(language).items():
        for call, sentence in calls.items():
            found.setdefault(call, {})[code] = sentence
    return found


def of_language(table, language):
    return {key: words[language] for key, words in table.items() if language in words}
