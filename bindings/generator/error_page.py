"""docs/reference/errors.md: each error code with its name in every language, what it means and what to do."""
from . import errors

# code: (what it means, what to do)
TEXTS = {
    "EINVAL": ("an argument is NULL, of a wrong length or outside of its domain",
               "correct the program: the function's comment describes the argument"),
    "EHANDLE": ("the handle is NULL, was freed, or is of another kind",
                "correct the program; in C, skip an event of a handle that you freed earlier in its batch"),
    "ECLOSED": ("the connection is closed, or you closed or finished it",
                "this is normal: release what belongs to the client"),
    "EAGAIN": ("nothing was taken, because too much data waits unsent",
               "wait until the peer has read and send again, or leave the data out; after a publish: publish less"),
    "ENOMEM": ("the process is out of memory", "do what your program does without memory"),
    "EFORK": ("the handle belongs to the parent process", "make new objects in the child"),
    "ESTATE": ("the call is not possible now: already started, answered, detached or a member; not yet started; the "
               "body of the request has not ended", "correct the order of calls"),
    "EBUSY": ("another thread polls this queue", "use one polling thread for each queue"),
    "EADDRINUSE": ("the address is in use", "stop the other program, or take another port or path"),
    "EADDR": ("the address cannot be understood", "write it in one of the forms of [server](c/server.md#addresses)"),
    "EACCES": ("the operating system does not permit the call",
               "a port below 1024, the folder of a unix path, or a key file needs more rights"),
    "EHEADER": ("a header is invalid, or is one that the library sets itself",
                "see [request](c/request.md#response-headers)"),
    "EOPTION": ("no option has this name", "[options](options.md) lists the names"),
    "ERANGE": ("a value, index or port is out of its range, or not of its type",
               "[options](options.md) lists the bounds; a port is at most 65535"),
    "ETOOBIG": ("more bytes than the limit, or than fit into the buffer; a unix path over 107 bytes",
                "use a larger buffer, or fewer bytes"),
    "EVERSION": ("the program or package does not fit the library",
                 "build the program again, or install the matching library"),
    "ELIMIT": ("the process or server has no descriptor, thread or connection left",
               "raise `ulimit -n`, or the option `max_connections`"),
    "ETIMEDOUT": ("the peer was silent for too long, or acknowledges or takes nothing",
                  "this is normal, as the reason of a closed connection"),
    "ERESET": ("the peer reset the connection", "this is normal, as the reason of a closed connection"),
    "ESLOW": ("the peer could not keep up: the policy of its broadcaster is to close, or the server is over "
              "`backlog_total_bytes`",
              "the connection was reset; see [broadcaster](c/broadcaster.md#a-member-that-cannot-keep-up) and "
              "[security](../operate/security.md#unsent-bytes-of-all-connections)"),
    "ESHUTDOWN": ("the server stops or has stopped", "end the work"),
    "EIO": ("the operating system failed in an unexpected way", "report it with what you did"),
    "EABORTED": ("the program aborted the connection", "this is the reason of a connection that you aborted"),
    "ENOTSOCK": ("the descriptor is not a socket of the needed kind",
                 "[adopting](c/adopt.md) takes a connected stream socket, `fd:3` a listening one"),
    "ENOTSUP": ("not possible with this protocol, or with this version or build of the library",
                "the function's comment describes what is served"),
    "EPROTOCOL": ("the peer broke the rules of its protocol: a body, a WebSocket's frames or its handshake",
                  "the library has answered the peer with a 4xx or a close code"),
    "ETLS": ("a certificate or key cannot be used, a listener has no certificate, or the handshake failed, with a "
             "client or as a client",
             "see [TLS](../guides/tls.md)"),
    "EREFUSED": ("the other side refused the connection",
                 "[connecting](c/socket.md#outgoing-connections) found nobody who listens there: start that program, "
                 "or correct the address"),
    "ENOENT": ("no such file or folder", "make the folder of the unix path first, or correct the path; connecting "
               "needs the socket itself"),
    "EADDRNOTAVAIL": ("no such host, or the address is not one of this machine",
                      "listen on `127.0.0.1`, on an address of this machine, or on `*`; connect to a host that "
                      "exists and can be reached"),
}

OPENING = """# Errors

A call that fails has done nothing, and the error names what was tried. In C a function returns 0 or a positive number,
or a negative code; an out-parameter stays untouched, and the library keeps no "last error".

```ruby
begin
  server.listen '127.0.0.1:80'
rescue Hijack::AccessDeniedError, Errno::EADDRINUSE => e # Hijack::Error catches all of them
  abort "cannot serve: #{e.message}"
end
```

```python
try:
    server.listen("127.0.0.1:80")
except (hijack.AccessDeniedError, hijack.AddressInUseError) as error:  # hijack.HijackError catches all of them
    sys.exit(f"cannot serve: {error}")
```

```go
_, err := server.Listen("127.0.0.1:80")
if errors.Is(err, hijack.ErrAccessDenied) || errors.Is(err, syscall.EADDRINUSE) {
	log.Fatal("cannot serve: ", err)
}
```

```c
int port = hijack_server_listen(server, HIJACK_STR("127.0.0.1:80"));
if (port < 0)
    fprintf(stderr, "cannot serve: %s (%s)\\n", hijack_strerror(port), hijack_errname(port));
```

## Two that are normal

`HIJACK_ECLOSED` (`ClosedError`, `ErrClosed`): a peer may disconnect at any moment, even between an event and your
answer to it, so every call on a connection may return it. Ignore it there. In C, free the handle when CLOSED comes.

`HIJACK_EAGAIN` (`WouldBlockError`, `ErrWouldBlock`): a peer is slower than your program. In Ruby, Python and Go a send
waits by default, and only the calls that do not wait report it. See [back-pressure](../explain/back-pressure.md).

## All of them

`bindings/generate` writes this page with the numbers of `hijack.h`. The numbers will not change; new codes get new
numbers.

| C | | Ruby and Python | Go | Meaning | What to do |
|---|---|---|---|---|---|
| `HIJACK_OK` | 0 | | | no error | |
"""

CLOSING = """
## What else they are

Each error is also one of the language's own, so that a program can handle it like every other error:

| | Ruby: a subclass of | Python: a subclass of `HijackError` and | Go: `errors.Is` finds |
|---|---|---|---|
"""

FUNCTIONS = """
## In C

- `hijack_strerror` returns a sentence for a code, for any number.
- `hijack_errname` returns its name, "HIJACK_EAGAIN".
"""


def files(header):
    named = errors.named(header)
    codes = {constant.name.removeprefix("HIJACK_"): constant.value for constant, _ in named}
    if codes.keys() != TEXTS.keys():
        raise SystemExit(f"bindings/generator/error_page.py: no text, or no code, for {codes.keys() ^ TEXTS.keys()}")
    rows = [f"| `HIJACK_{code}` | {codes[code]} | `{entry[0]}Error` | `Err{entry[0]}` | {' | '.join(TEXTS[code])} |"
            for code, entry in errors.NAMES.items()]
    others = [f"| `{name}` | `{ruby.removeprefix('::')}` | `{python}` | {f'`{go}`' if go else 'itself alone'} |"
              for name, ruby, python, go in errors.NAMES.values()]
    yield "docs/reference/errors.md", OPENING + "\n".join(rows) + "\n" + CLOSING + "\n".join(others) + "\n" + FUNCTIONS
