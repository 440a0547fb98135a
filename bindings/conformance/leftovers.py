"""Bytes that come before their time: behind the request that hijacks, or as requests in a pipeline."""

from harness import all_read, equal, scenario
from heads import NOT_FOUND
from hijack import DETACHED, FULL, LINES, bytes_of


def comes_back(what, client, data):
    equal(f"the first bytes, {what}", client.exactly(len(FULL)), FULL)
    equal(f"the echo, {what}", client.exactly(len(data), f"the echo, {what}"), data)


@scenario
def behind_the_head(case):
    """Bytes in the same segment as the request come back first, then those that are sent later."""
    client = case.connect(case.demo("hijack"))
    client.send(client.head("/hijack") + b"left over")
    comes_back("from the request's segment", client, b"left over")
    client.send(b"and more")
    equal("the echo of what came later", client.exactly(8), b"and more")


@scenario
def of_all_sizes(case):
    """The bytes behind the request may be few or many, and come back in order."""
    for size in (1, 2, 4095, 4096, 4097, 12000, 16384, 65536, 300000):
        client, data = case.connect(case.demo("hijack")), bytes_of(size)
        client.send(client.head("/hijack") + data)
        comes_back(f"{size} bytes behind the request", client, data)
        client.close()


@scenario
def torn_anywhere(case):
    """It makes no difference where the stream of head and bytes is torn into segments."""
    for at in (-8, -6, -5, -4, -3, -2, 1):  # around the end of the head, which is 5 bytes before the end
        client = case.connect(case.demo("hijack"))
        data = client.head("/hijack") + b"bytes"
        client.send(data[:at])
        all_read(client)
        client.send(data[at:])
        comes_back(f"torn at {at}", client, b"bytes")


@scenario
def with_the_end(case):
    """A client that sends request, bytes and end at once gets all of them back, and the end."""
    for size in (0, 5, 100000):
        client, data = case.connect(case.demo("hijack")), bytes_of(size)
        client.send(client.head("/hijack") + data)
        client.finish()
        equal(f"everything, with {size} bytes", client.rest(), FULL + data)


@scenario
def behind_a_body(case):
    """The body is the request's, what follows it is the connection's."""
    client = case.connect(case.demo("hijack"))
    client.send(client.head("/hijack", "POST", headers=["Content-Length: 4"]) + b"bodyleft over")
    comes_back("behind a body", client, b"left over")
    client = case.connect(case.demo("hijack"))
    client.send(client.head("/hijack", "POST", headers=["Transfer-Encoding: chunked"]) +
                b"4\r\nbody\r\n0\r\n\r\nleft over")
    comes_back("behind a chunked body", client, b"left over")


@scenario
def like_requests(case):
    """A request behind the one that hijacks is not a request any more, but bytes."""
    client = case.connect(case.demo("hijack"))
    data = client.head("/") + client.head("/partial") + client.head("/nowhere", "POST")
    client.send(client.head("/hijack") + data)
    comes_back("of requests", client, data)
    client.silent(0.1)


@scenario
def pipeline(case):
    """Requests in one segment are answered one after the other, in order."""
    client = case.connect(case.demo("sse"))
    paths = ["/healthz", "/nowhere"] * 100
    client.send(b"".join(client.head(path) for path in paths))
    for path in paths:
        equal(f"the body of {path}", client.response().body, b"ok\n" if path == "/healthz" else NOT_FOUND["sse"])


@scenario
def pipeline_with_bodies(case):
    """Bodies in a pipeline belong to their own request."""
    client = case.connect(case.demo("sse"))
    trap = client.head("/sse")
    client.send((client.head("/healthz", "POST", headers=[f"Content-Length: {len(trap)}"]) + trap) * 20 +
                client.head("/nowhere", headers=["Connection: close"]))
    for _ in range(20):
        equal("the body of /healthz", client.response().body, b"ok\n")
    equal("the body of /nowhere", client.response().body, NOT_FOUND["sse"])
    client.ends()


@scenario
def pipeline_then_hijack(case):
    """Requests, a request that hijacks and bytes, all in one segment: all are answered, in order."""
    client = case.connect(case.demo("hijack"))
    client.send(client.head("/") + client.head("/nowhere") + client.head("/hijack") + b"left over")
    equal("the length of the page", len(client.response().body), 450)
    equal("the body of /nowhere", client.response().body, NOT_FOUND["hijack"])
    comes_back("after a pipeline", client, b"left over")


@scenario
def pipeline_then_partial(case):
    """The same with a partial hijack, which has no use for the bytes and still ends in order."""
    client = case.connect(case.demo("hijack"))
    client.send(client.head("/nowhere") + client.head("/partial") + b"left over")
    equal("the body of /nowhere", client.response().body, NOT_FOUND["hijack"])
    equal("the status of /partial", client.response_head().status, 200)
    equal("the lines", client.rest(), LINES)


@scenario
def pipeline_then_detach(case):
    """The same with a detached descriptor."""
    client = case.connect(case.demo("hijack"))
    client.send(client.head("/nowhere") + client.head("/detach") + b"left over")
    equal("the body of /nowhere", client.response().body, NOT_FOUND["hijack"])
    equal("the rest", client.rest(), DETACHED)


@scenario
def pipeline_then_stream(case):
    """A request in front of one that is held is answered first; one behind it is never answered."""
    client = case.connect(case.demo("beep"))
    client.send(client.head("/nowhere") + client.head("/raw") + client.head("/nowhere"))
    equal("the body of /nowhere", client.response().body, NOT_FOUND["beep"])
    equal("what follows", client.exactly(15), b"BEEP\n" * 3)
