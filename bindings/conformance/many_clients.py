"""500 clients at the same time on each demo, and as many as the chat takes."""

from client import Client
from connections import Connections, request_bytes
from harness import HOST, between, equal, eventually, http1, scenario
from heads import is_text
from hijack import FULL, LINES, bytes_of
from members import BAD_NAME, Member, kinds
from streaming import routes
from websocket import HANDSHAKE

CROWD = 500
SECONDS = 180  # against hanging: a machine may have other things to do
BODY = FULL[FULL.index(b"\r\n\r\n") + 4:]


def crowd(case, demo, path, wants_head=True):
    """500 connections that have asked for path; those with a head have it."""
    address = (HOST, demo.port())
    at_once = 16 if Client.wrap else 256  # each handshake waits for those before it, and has a deadline
    connections = Connections(address, request_bytes(f"{HOST}:{address[1]}", path), wants_head, at_once, Client.wrap)
    case.closing(connections.close)
    connections.start(CROWD)
    turns(connections, f"connections to {path} that are not open", connections.opening, 0)
    if wants_head:
        equal(f"the statuses of {path}", dict(connections.statuses), {200: CROWD})
    return connections


def turns(connections, what, function, expected):
    """Like eventually(), while the connections go on."""
    def turn():
        connections.turn(0.05)
        return function()
    eventually(what, turn, expected, SECONDS)


def lacking(connections, done):
    """How many of the connections have not got what done(data) looks for."""
    return CROWD - sum(done(connection.data) for connection in connections.all.values())


@scenario
def sse(case):
    """All of them get the same event."""
    connections = crowd(case, case.demo("sse"), "/sse")
    turns(connections, "clients without two events, and where they are",
          lambda: lacking(connections, lambda data: data.count(b"\n\n") > 2), 0)
    events = [set(bytes(c.data).split(b"\r\n")) for c in connections.all.values()]
    common = {each for each in set.intersection(*events) if each.startswith(b"id: ")}
    between("events that all of them have", len(common), 1, 100)


@scenario
def beep(case):
    """All of them, on both routes, are counted and get every run; and they are counted out when they go."""
    demo = case.start("beep", BEEP_INTERVAL_MS="200")
    crowds = {path: crowd(case, demo, path, wants_head=path == "/") for path in routes()}
    for path, first in (("/", b"5\r\nBEEP\n\r\n"), ("/raw", b"BEEP\n"))[:len(crowds)]:
        turns(crowds[path], f"clients of {path} without a run",
              lambda path=path, first=first: lacking(crowds[path], lambda data: data.startswith(first)), 0)
    demo.told_clients(len(crowds) * CROWD)
    crowds.pop("/").close()
    demo.told_clients(len(crowds) * CROWD)


@scenario
def over_the_soft_limit(case):
    """A demo that starts with few descriptors permitted takes as many as it may have."""
    for name, path in (("beep", "/"), ("sse", "/sse"), ("hijack", "/" if Client.http2 else "/hijack")):
        crowd(case, case.start(name, soft_limit=256), path)


@scenario
@http1
def hijack(case):
    """All of them have an echo of their own at the same time."""
    connections = crowd(case, case.demo("hijack"), "/hijack")
    sent = {}
    for number, connection in enumerate(list(connections.all.values())):
        sent[connection] = BODY + bytes_of(3000, number)
        connection.sock.send(sent[connection][len(BODY):])
    turns(connections, "clients without their echo",
          lambda: sum(connection.data != data for connection, data in sent.items()), 0)


@scenario
@http1
def partial(case):
    """All of them get ten lines and the end."""
    connections = crowd(case, case.demo("hijack"), "/partial")
    everyone = list(connections.all.values())
    turns(connections, "clients that are still open", lambda: len(connections.all), 0)
    equal("how they ended", dict(connections.gone), {"ended": CROWD})
    equal("clients without their lines", sum(connection.data != LINES for connection in everyone), 0)


@scenario
def requests(case):
    """All of them ask for the page at the same time, again and again."""
    connections = crowd(case, case.demo("sse"), "/")
    length = None
    for _ in range(3):
        turns(connections, "clients without the whole page",
              lambda: lacking(connections, lambda data: b"</html>" in data), 0)
        length = length or {len(connection.data) for connection in connections.all.values()}
        equal("different lengths of the page", len(length), 1)
        connections.forget()
        for connection in connections.all.values():
            connection.sock.send(connections.request)


@scenario
def chat(case):
    """A room of 1,000 members takes no other one; when somebody leaves, it does."""
    demo, count = case.start("chat"), 1000
    members = [Member(case, demo, f"m{number}", "events", wait=False) for number in range(count - 1)]
    for member in members:
        member.welcome()
    equal("how many are here", len(Member(case, demo, "last", kinds()[0]).names), count)
    for kind in kinds():
        headers = HANDSHAKE if kind == "chat" else []
        is_text(f"/{kind} of a full room", case.ask(demo, f"/{kind}?name=late", headers=headers).response(),
                (503, "Service Unavailable"), b"The room is full; try again later.\n")
        is_text("a bad name in a full room", case.ask(demo, f"/{kind}", headers=headers).response(),
                (400, "Bad Request"), BAD_NAME)
    members[500].client.close()
    here = set(members[0].names)
    while (message := members[0].parsed())["type"] != "left":
        here.add(message["name"])
    equal("how many have joined", len(here), count)
    equal("who has left", message["name"], "m500")
    late = Member(case, demo, "late", kinds()[0])
    equal("how many are here afterwards", len(late.names), count)
    equal("the last of them", late.name, "late")
