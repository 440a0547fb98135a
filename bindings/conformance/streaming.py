"""The held streams of the beep demo: framing of both routes, pace, and what it tells on stdout."""

import time

from client import Client
from harness import BEEP_MS, between, equal, eventually, http1, scenario, took


def routes():
    """The held ones. Over HTTP/2 there is no connection for /raw to take."""
    return ("/",) if Client.http2 else ("/", "/raw")


def listener(case, demo, path="/", **options):
    """A client that is held; for / it has read the head."""
    client = case.ask(demo, path, **options)
    if path == "/":
        client.response_head()
    return client


def listeners(case, demo, count):
    """So many, on the routes in turn."""
    return [listener(case, demo, routes()[number % len(routes())]) for number in range(count)]


@scenario
def head(case):
    """The head of / is plain text in chunks, and comes before there is anything to stream."""
    demo = case.start("beep", BEEP_INTERVAL_MS="3600000")
    client = case.ask(demo, "/")
    seen = client.response_head()
    equal("the status line", seen.first, "HTTP/1.1 200 OK")
    for name, value in (("content-type", "text/plain; charset=utf-8"), ("transfer-encoding", "chunked"),
                        ("content-length", None), ("connection", None)):
        equal(f"the header {name}", seen.get(name), value)
    client.silent(0.3)


@scenario
def chunks(case):
    """Each BEEP of / is one chunk, and nothing else is on the wire."""
    client = listener(case, case.demo("beep"))
    equal("the bytes of ten runs", client.exactly(100), b"5\r\nBEEP\n\r\n" * 10)


@scenario
@http1
def raw(case):
    """/raw writes nothing but BEEP: no head, no chunk lines."""
    client = listener(case, case.demo("beep"), "/raw")
    equal("the bytes of ten runs", client.exactly(50), b"BEEP\n" * 10)


@scenario
@http1
def raw_is_silent(case):
    """Nothing at all is written on /raw before the first run, for HTTP/1.0 neither."""
    demo = case.start("beep", BEEP_INTERVAL_MS="3600000")
    clients = [listener(case, demo, "/raw"), listener(case, demo, "/raw?x", version="1.0")]
    for client in clients:
        client.silent(0.2)


@scenario
@http1
def head_of_raw(case):
    """A HEAD on /raw has nothing to say and ends."""
    case.ask(case.demo("beep"), "/raw", method="HEAD").ends("of HEAD /raw")


@scenario
@http1
def plain_for_http_1_0(case):
    """An HTTP/1.0 client of / gets BEEP without chunk lines, and Connection: close."""
    client = case.ask(case.demo("beep"), "/", version="1.0")
    seen = client.response_head()
    equal("Transfer-Encoding", seen.get("transfer-encoding"), None)
    equal("Connection", seen.get("connection"), "close")
    equal("the bytes of three runs", client.exactly(15), b"BEEP\n" * 3)


@scenario
@http1
def close_is_said(case):
    """A client of / that asks for Connection: close is held all the same, and told that the connection will close."""
    client = case.ask(case.demo("beep"), "/", headers=["Connection: close"])
    equal("Connection", client.response_head().get("connection"), "close")
    equal("a chunk", client.chunk(), b"BEEP\n")


@scenario
def pace(case):
    """The runs follow BEEP_INTERVAL_MS and do not drift."""
    client = listener(case, case.demo("beep"))
    client.chunk()
    start = time.monotonic()
    for _ in range(20):
        client.chunk()
    seconds = 20 * int(BEEP_MS) / 1000
    took("seconds for 20 runs", time.monotonic() - start, seconds - 0.3, seconds + 0.5)


@scenario
def three_seconds(case):
    """Without BEEP_INTERVAL_MS a run comes every three seconds."""
    demo = case.start("beep")
    demo.port()
    start = time.monotonic()
    listener(case, demo).chunk()
    took("seconds until the first run", time.monotonic() - start, 2.6, 3.6)


@scenario
def told_on_stdout(case):
    """After each run a line says how many clients, how long writing took, how much memory is resident."""
    demo = case.start("beep", BEEP_INTERVAL_MS="50")
    eventually("the lines of runs", lambda: len(demo.beeps()) >= 3, True)
    equal("the clients of the first runs", [count for _, count in demo.beeps()[:3]], [0, 0, 0])
    clients = listeners(case, demo, 5)
    demo.told_clients(5)
    for client in clients:
        client.until("BEEP", lambda client=client: b"BEEP\n" in client.data)


@scenario
def every_run_for_everyone(case):
    """Between any two moments all clients of both routes get the same number of runs."""
    demo = case.start("beep", BEEP_INTERVAL_MS="50")
    clients = listeners(case, demo, 20)
    demo.told_clients(20)
    before = len(demo.beeps())
    eventually("the lines of runs", lambda: len(demo.beeps()) >= before + 10, True)
    demo.stop("with 20 clients")
    counts = [client.rest().count(b"BEEP\n") for client in clients]
    told = len(demo.beeps())
    between("the fewest runs that a client got, of those told since all were there", min(counts), told - before + 1,
            told + 1)
    between("the most runs that a client got", max(counts), min(counts), told + 1)


@scenario
def after_a_request(case):
    """A connection that was used for another request can be held, on both routes."""
    for path in routes():
        client = case.connect(case.demo("beep"))
        client.request("/nowhere")
        equal("the status of /nowhere", client.response().status, 404)
        client.request(path)
        if path == "/":
            client.response_head()
        client.until("BEEP", lambda client=client: b"BEEP\n" in client.data)
