"""Server-Sent Events of the sse demo: framing, fields, pace."""

import calendar
import re
import time

from client import Client, Failed
from harness import between, equal, eventually, http1, matches, scenario, shown, took

POSITION = rb"id: \S+\n\n"
GAP = rb"event: hijack-gap\nid: (\S+-)\d+\ndata: \1\d+\n\n"
EVENT = rb"id: (\d+)\ndata: (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\n\n"


def block(client):
    """The next event, with the empty line behind it, out of the chunks; empty at their end. What was kept for a client
    may come together in one."""
    text = getattr(client, "blocks", b"")
    while b"\n\n" not in text:
        part = client.chunk()
        if part == b"":
            return part
        text += part
    first, end, client.blocks = text.partition(b"\n\n")
    return first + end


def event(client, plain=False):
    """The next event as (id, data). Comments, which are heartbeats, may come in between, and where the client is."""
    while True:
        text = client.line("an event", b"\n\n") if plain else block(client)
        if text == b"":
            raise Failed("the stream", "another event", "the last chunk")
        if not text.startswith(b":") and not re.fullmatch(POSITION, text):
            fields = matches("an event", text, EVENT)
            return int(fields.group(1)), fields.group(2).decode()


def subscribed(case, demo=None, **options):
    """A client that has read the head of /sse."""
    client = case.ask(demo or case.demo("sse"), "/sse", **options)
    client.first_head = client.response_head()
    return client


def moment(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


@scenario
def head(case):
    """The head says event stream, not to be stored or buffered, in chunks, and comes at once."""
    start = time.monotonic()
    seen = subscribed(case).first_head
    took("seconds until the head", time.monotonic() - start, 0, 0.9)
    equal("the status line", seen.first, "HTTP/1.1 200 OK")
    for name, value in (("content-type", "text/event-stream"), ("cache-control", "no-cache"),
                        ("transfer-encoding", "chunked"), ("content-length", None), ("connection", None)):
        equal(f"the header {name}", seen.get(name), value)


@scenario
def fields(case):
    """An event is a chunk with id and data: the ids count up by one, the data is the time now."""
    client = subscribed(case)
    number, text = event(client)
    for _ in range(2):
        took("the age of an event in seconds", time.time() - moment(text), -0.5, 2.5)
        following, text = event(client)
        equal("the id of the next event", following, number + 1)
        number = following


@scenario
def pace(case):
    """There is one event a second, and the clock does not drift."""
    client = subscribed(case)
    for tries in (2, 1, 0):  # on a busy machine it is this program that reads late; a demo that is late is so each time
        event(client)
        start = time.monotonic()
        try:
            for number in range(1, 5):
                event(client)
                took(f"seconds from the first event to {number} later", time.monotonic() - start, number - 0.3,
                     number + 0.4)
            return
        except Failed:
            if tries == 0:
                raise


@scenario
def first_event(case):
    """Events are counted from the start of the demo, the first one a second after it."""
    demo = case.start("sse")
    demo.port()
    start = time.monotonic()
    equal("the first id", event(subscribed(case, demo))[0], 1)
    took("seconds from the URL to the first event", time.monotonic() - start, 0.7, 1.6)


@scenario
def same_for_all(case):
    """All clients get the same events, whenever they came and however they asked."""
    clients = [subscribed(case), subscribed(case, headers=["Accept: text/event-stream"]),
               subscribed(case, headers=["Last-Event-ID: "])]
    plain = [] if Client.http2 else [subscribed(case, version="1.0")]
    events = [[event(client, client in plain) for _ in range(3)] for client in clients + plain]
    newest = max(seen[0][0] for seen in events)
    later = [dict(each for each in seen if each[0] >= newest) for seen in events]
    for each in later:
        common = {number: text for number, text in later[0].items() if number in each}
        equal("the events of another client", {number: each[number] for number in common}, common)
        if not common:
            raise Failed("events that two clients have in common", "one or more", shown(events))


@scenario
def stats(case):
    """/stats counts the clients of /sse, and tells the time of the last run and the memory, as JSON."""
    demo = case.start("sse")
    clients = [subscribed(case, demo) for _ in range(3)]
    event(clients[0])

    def answered():
        response = case.ask(demo, "/stats").response()
        equal("the content type", response.get("content-type"), "application/json")
        found = matches("the body of /stats", response.body,
                        rb'\{"clients":(\d+),"run_ms":(\d+\.\d),"resident_mib":(\d+\.\d)\}\n')
        between("the time of a run in ms", float(found[2]), 0, 600)
        between("the resident memory in MiB", float(found[3]), 1, 500)
        return int(found[1])
    eventually("the clients in /stats", answered, 3)
    for client in clients[1:]:
        client.close()
    eventually("the clients in /stats after two have left", answered, 1)


@scenario
def last_event_id(case):
    """A client that comes back with an id that means nothing is told so, and gets what is kept and the events from now
    on."""
    demo = case.start("sse")
    newest, _ = event(subscribed(case, demo))
    clients = [subscribed(case, demo, headers=["Last-Event-ID: " + value])
               for value in ("0", "-1", "999999999999999999999", "\xff\xfe", "a b", "x-1", "x" * 5000)]
    for client in clients:
        matches("what it is told first", block(client), GAP)
        equal("the first event", event(client)[0], 1)
    between("an empty one", event(subscribed(case, demo, headers=["Last-Event-ID: "]))[0], newest, newest + 10)


@scenario
def missed(case):
    """A client that comes back gets what it has missed, each event once, and goes on with the others."""
    stays, leaves = subscribed(case), subscribed(case)
    last, _ = event(leaves)
    leaves.close()
    while event(stays)[0] < last + 2:
        pass
    start = time.monotonic()
    back = subscribed(case, headers=[f"Last-Event-ID: {last}"])
    equal("what it has missed", [event(back)[0] for _ in range(2)], [last + 1, last + 2])
    took("seconds until it has that", time.monotonic() - start, 0, 0.9)
    newest = last + 2
    for _ in range(2):
        newest += 1
        equal("the next event", event(back)[0], newest)
        equal("the next event of the one that stayed", event(stays)[0], newest)


@scenario
@http1
def plain_for_http_1_0(case):
    """An HTTP/1.0 client gets the events without chunks, and Connection: close."""
    client = subscribed(case, version="1.0")
    equal("Transfer-Encoding", client.first_head.get("transfer-encoding"), None)
    equal("Connection", client.first_head.get("connection"), "close")
    first, _ = event(client, plain=True)
    equal("the next id", event(client, plain=True)[0], first + 1)


@scenario
def after_a_request(case):
    """A connection that was used for other requests can become a stream."""
    client = case.connect(case.demo("sse"))
    for path in ("/", "/healthz", "/nowhere"):
        client.request(path)
        client.response()
    client.request("/sse")
    equal("the status of /sse", client.response_head().status, 200)
    event(client)


@scenario
@http1
def client_that_talks(case):
    """What a client of /sse sends after its request is neither answered nor does it end the stream."""
    client = subscribed(case)
    client.send(client.head("/healthz") + b"\x00garbage\r\n\r\n" * 100)
    first, _ = event(client)
    equal("the next id", event(client)[0], first + 1)
