"""Ordinary requests: status lines, headers, HEAD, connections that stay, HTTP/1.0."""

import email.utils
import pathlib
import time

from harness import equal, http1, matches, scenario, took

PAGE = pathlib.Path(__file__).resolve().parent.parent / "pages" / "sse.html"
TEXT, HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"
NOT_FOUND = {"sse": b"Only /, /sse, /room, /chat, /events, /say, /stats and /healthz are here.\n",
             "hijack": b"Only /, /hijack, /partial and /detach are here.\n",
             "beep": b"404 Not Found: nothing is served here\n"}


def is_text(what, response, status, body):
    equal(f"the status of {what}", (response.status, response.reason), status)
    equal(f"the content type of {what}", response.get("content-type"), TEXT)
    equal(f"the content length of {what}", response.get("content-length"), str(len(body)))
    equal(f"the body of {what}", response.body, body)


def undated(head):
    """The headers but Date, since a second may begin at any time."""
    return sorted(header for header in head.headers if header[0] != "date")


@scenario
def page(case):
    """The page of sse is the file in bindings/pages, byte for byte, as HTML."""
    response = case.ask(case.demo("sse"), "/").response()
    equal("the status line", response.first, "HTTP/1.1 200 OK")
    equal("the content type", response.get("content-type"), HTML)
    equal("the content length", response.get("content-length"), str(PAGE.stat().st_size))
    equal("the page", response.body, PAGE.read_bytes())


@scenario
def healthz(case):
    """/healthz of sse answers "ok"."""
    is_text("/healthz", case.ask(case.demo("sse"), "/healthz").response(), (200, "OK"), b"ok\n")


@scenario
def instructions(case):
    """The page of hijack says in plain text what to try."""
    response = case.ask(case.demo("hijack"), "/").response()
    equal("the status line", response.first, "HTTP/1.1 200 OK")
    equal("the content type", response.get("content-type"), TEXT)
    matches("the text", response.body, rb"Raw hijack with libhijack\..*\n\nFull: .*/hijack .*\n\n"
            rb"Partial: .*/partial\n\nDetached: .*/detach\n")
    equal("the length of the text", len(response.body), 450)


@scenario
def date(case):
    """Every response says when it was made, in the form of HTTP, and by what."""
    for name, path in (("sse", "/"), ("sse", "/sse"), ("beep", "/"), ("hijack", "/"), ("hijack", "/partial")):
        head = case.ask(case.demo(name), path).response_head()
        matches(f"the Date of {path}", head.get("date") or "", r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")
        took(f"the age of {path} in seconds",
             time.time() - email.utils.parsedate_to_datetime(head.get("date")).timestamp(), -1.5, 2.5)
        equal(f"the Server of {path}", head.get("server"), "libhijack")


@scenario
def not_found(case):
    """Other paths are 404 with a text, and the connection stays."""
    for name, body in NOT_FOUND.items():
        client = case.connect(case.demo(name))
        for path in ("/nowhere", "/healthz/x", "/hijack/", "/SSE", "//", "/%00", "/%2e%2e/x", "/nowhere?" + "q" * 2000):
            client.request(path)
            is_text(f"{path} on {name}", client.response(), (404, "Not Found"), body)


@scenario
def query(case):
    """What follows a question mark does not change the path."""
    client = case.connect(case.demo("sse"))
    for path in ("/healthz?", "/healthz?x=1&y", "/healthz?/sse"):
        client.request(path)
        is_text(path, client.response(), (200, "OK"), b"ok\n")


@scenario
@http1
def absolute_form(case):
    """A target as a proxy gets it, "http://host/path", means the path."""
    client = case.connect(case.demo("sse"))
    for target in ("http://localhost/healthz", "HTTP://localhost:80/healthz?x=/", "https://localhost/healthz"):
        client.request(target)
        is_text(target, client.response(), (200, "OK"), b"ok\n")
    for target in ("http://localhost", "http://localhost/", "http://localhost?/healthz", "HTTPS://localhost"):
        client.request(target)
        equal(f"the body of {target}", client.response().body, PAGE.read_bytes())


@scenario
def head_requests(case):
    """HEAD gets the head of a GET and no body, and the connection goes on."""
    for name, path in (("sse", "/"), ("sse", "/healthz"), ("sse", "/nowhere"), ("hijack", "/"), ("hijack", "/nowhere"),
                       ("beep", "/nowhere")):
        client = case.connect(case.demo(name))
        client.request(path, method="HEAD")
        short = client.response("HEAD")
        client.request(path)
        full = client.response()
        equal(f"the status line of HEAD {path} on {name}", short.first, full.first)
        equal(f"the headers of HEAD {path} on {name}", undated(short), undated(full))


@scenario
def head_of_held_routes(case):
    """HEAD on a held route gets the head alone, is not held, and the connection goes on."""
    for name, path in (("sse", "/sse"), ("beep", "/")):
        client = case.connect(case.demo(name))
        for _ in range(2):
            client.request(path, method="HEAD")
            equal(f"the status of HEAD {path} on {name}", client.response("HEAD").status, 200)
        client.silent(0.3, f"bytes after HEAD {path} on {name}")


@scenario
def keep_alive(case):
    """One connection serves many requests, one after the other."""
    for name, path in (("sse", "/healthz"), ("sse", "/"), ("hijack", "/"), ("beep", "/nowhere")):
        client = case.connect(case.demo(name))
        bodies = set()
        for _ in range(50):
            client.request(path)
            head = client.response()
            equal(f"the Connection header of {path} on {name}", head.get("connection"), None)
            bodies.add(head.body)
        equal(f"different bodies of {path} on {name}", len(bodies), 1)


@scenario
@http1
def connection_close(case):
    """A client that asks for it gets its connection closed after the response."""
    for name, path in (("sse", "/"), ("hijack", "/"), ("beep", "/nowhere")):
        client = case.ask(case.demo(name), path, headers=["connection: CLOSE"])
        equal(f"the Connection header of {path} on {name}", client.response().get("connection"), "close")
        client.ends()


@scenario
@http1
def http_1_0(case):
    """HTTP/1.0 needs no Host, and is closed after the response unless it asks to stay."""
    for name, path in (("sse", "/healthz"), ("hijack", "/"), ("beep", "/nowhere")):
        client = case.connect(case.demo(name))
        for _ in range(3):
            client.send(f"GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode())
            equal(f"Connection for a 1.0 client that stays on {name}", client.response().get("connection"),
                  "keep-alive")
        client.send(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        equal(f"Connection for a 1.0 client that goes on {name}", client.response().get("connection"), "close")
        client.ends()


@scenario
def other_methods(case):
    """The demos answer every method on their paths, and read the body that came with it."""
    client = case.connect(case.demo("sse"))
    for method in ("POST", "PUT", "DELETE", "PATCH", "BREW"):
        client.request("/healthz", method=method, body=b"x" * 20000)
        is_text(f"{method} /healthz", client.response(), (200, "OK"), b"ok\n")


@scenario
@http1
def chunked_body(case):
    """A body in chunks is read, with what belongs to the chunks and with its trailers."""
    client = case.connect(case.demo("sse"))
    client.send(client.head("/healthz", "POST", headers=["Transfer-Encoding: chunked"]) +
                b"5;name=value\r\nhello\r\n400\r\n" + b"y" * 1024 + b"\r\n0\r\nTrailer: here\r\n\r\n")
    is_text("a chunked POST", client.response(), (200, "OK"), b"ok\n")


@scenario
def held_routes_are_for_get(case):
    """Only a GET without a body is held; other requests on that path are answered like any unknown path."""
    client = case.connect(case.demo("sse"))
    for method, body in (("POST", b""), ("PUT", b"abc"), ("GET", b"abc")):
        client.request("/sse", method=method, body=body)
        is_text(f"{method} /sse", client.response(), (404, "Not Found"), NOT_FOUND["sse"])
    client = case.connect(case.demo("beep"))
    for path in ("/", "/raw"):
        client.request(path, method="POST", body=b"abc")
        is_text(f"POST {path} on beep", client.response(), (404, "Not Found"), NOT_FOUND["beep"])


@scenario
def continue_100(case):
    """A client that waits for "100 Continue" gets it, sends its body and is answered."""
    client = case.connect(case.demo("sse"))
    client.send(client.head("/healthz", "POST", headers=["Expect: 100-continue", "Content-Length: 3"]))
    equal("what comes before the body", client.response().first, "HTTP/1.1 100 Continue")
    client.send(b"abc")
    is_text("the response", client.response(), (200, "OK"), b"ok\n")


@scenario
def unusual_heads(case):
    """Heads that are strange, but valid, reach the demo and do it no harm: high bytes, empty and doubled headers,
    many of them, and long ones."""
    headers = [["x-high: \xff\xfe\xe4\x80"], ["x-empty:"], ["x-tab:\t a \t"], ["cookie: a", "cookie: b", "Cookie: c"],
               [f"x-{i}: {i}" for i in range(90)], ["x-long: " + "y" * 11000], ["accept-encoding: gzip, br"],
               ["range: bytes=0-0"], ["if-none-match: *"], ["upgrade: h2c", "connection: upgrade"]]
    for name, path, status in (("sse", "/healthz", 200), ("hijack", "/", 200), ("beep", "/nowhere", 404)):
        client = case.connect(case.demo(name))
        for lines in headers:
            client.request(path, headers=lines)
            equal(f"the status of {path} on {name} with {lines[0][:20]!r}", client.response().status, status)


@scenario
@http1
def slow_heads(case):
    """A head that comes byte by byte is a head."""
    client = case.connect(case.demo("hijack"))
    for byte in client.head("/nowhere"):
        client.send(bytes([byte]))
    is_text("/nowhere", client.response(), (404, "Not Found"), NOT_FOUND["hijack"])
