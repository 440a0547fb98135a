"""The tunnel demo: who may go where, the three carriers, ends and deaths that pass from one side to the other."""

import os
import socket

from client import Client, Failed, shown
from harness import HOST, equal, eventually, free_port, http1, matches, scenario
from websocket import ACCEPT, BINARY, CLOSE, HANDSHAKE, frame, next_frame

SIZE = 1 << 20
PIECE = 65536
PURR = ["Connection: Upgrade", "Upgrade: purr"]


class Accepted(Client):
    """The other end of a tunnel: a connection that a listener of ours has accepted, in clear."""

    def __init__(self, sock):
        self.sock = sock
        self.data = b""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Origin:
    """A listener that a tunnel leads to."""

    def __init__(self, case):
        self.listener = socket.create_server((HOST, 0), backlog=200)
        self.listener.settimeout(30)
        self.case = case
        self.address = f"{HOST}:{self.listener.getsockname()[1]}"
        case.closing(self.listener.close)

    def accept(self):
        far = Accepted(self.listener.accept()[0])
        self.case.closing(far.close)
        return far


class Tunnel:
    """The client's end of one, as bytes."""

    asks, status = PURR, 101

    def __init__(self, case, demo, target, headers=()):
        self.client = case.connect(demo)
        self.ask(target, [*self.asks, *headers])

    def ask(self, target, headers):
        self.client.request(f"/tunnel?target={target}", headers=headers)

    def opened(self):
        self.head = self.client.response_head()
        equal("the status", self.head.status, self.status)
        return self

    def send(self, data):
        self.client.send(data)

    def exactly(self, count):
        return self.client.exactly(count)

    def finish(self):
        self.client.finish()

    def ends(self):
        self.client.ends("after all bytes of the tunnel")

    def closes(self):
        """What is left when both directions have ended."""

    def dies(self):
        """The other side was reset."""
        broken(self.client)


class Connect(Tunnel):
    asks, status = [], 200

    def ask(self, target, headers):
        self.client.request(target, method="CONNECT", headers=headers)


class Messages(Tunnel):
    """A WebSocket with the subprotocol."""

    asks = [*HANDSHAKE, "Sec-WebSocket-Protocol: chat, purr"]
    protocol = "purr"

    def opened(self):
        super().opened()
        equal("Sec-WebSocket-Accept", self.head.get("sec-websocket-accept"), ACCEPT)
        equal("Sec-WebSocket-Protocol", self.head.get("sec-websocket-protocol"), self.protocol)
        self.data = b""
        return self

    def send(self, data):
        self.client.send(frame(BINARY, data))

    def exactly(self, count):
        while len(self.data) < count:
            opcode, data = next_frame(self.client)
            equal("a message of the tunnel: its kind, and whether it has bytes", (opcode, data != b""), (BINARY, True))
            self.data += data
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def finish(self):
        self.client.send(frame(BINARY, b""))

    def ends(self):
        equal("the end of a direction", next_frame(self.client), (BINARY, b""))

    def closes(self):
        self.closed(1000)

    def dies(self):
        self.closed(1011)

    def closed(self, code):
        opcode, data = next_frame(self.client)
        equal("the close frame", (opcode, int.from_bytes(data[:2], "big")), (CLOSE, code))
        self.client.send(frame(CLOSE, data[:2]))
        self.client.ends("after the close frame", reset_is_fine=True)


class Plain(Messages):
    """A WebSocket without it, as of websocat."""

    asks, protocol = HANDSHAKE, None


CARRIERS = (Tunnel, Connect, Messages)


def broken(client):
    """The connection is reset, and does not end in order."""
    try:
        left = client.rest()
    except Failed as failed:
        if "an orderly end" not in str(failed):
            raise
        return
    raise Failed("the end of a connection whose other side died", "a reset", f"an orderly end after {shown(left)}")


def refused(case, demo, path, headers=(), **options):
    client = case.connect(demo)
    client.request(path, headers=headers, **options)
    return client.response()


def pair(case, demo, origin, carrier, headers=()):
    near = carrier(case, demo, origin.address, headers)
    far = origin.accept()
    return near.opened(), far


@scenario
def usage(case):
    """/ is a page about the demo, which is the target that it allows by itself; other paths are 404."""
    demo = case.start("tunnel")
    page = refused(case, demo, "/")
    equal("the status of /", page.status, 200)
    equal("whether the page has its address", f"127.0.0.1:{demo.port()}/tunnel".encode() in page.body, True)
    response = refused(case, demo, "/nowhere")
    equal("the status of /nowhere", response.status, 404)
    equal("the body of /nowhere", response.body, b"Only / and /tunnel are here.\n")


@scenario
@http1
def to_itself(case):
    """Without TUNNEL_ALLOW a tunnel leads to the demo and to nothing else."""
    demo = case.start("tunnel")
    near = Tunnel(case, demo, f"127.0.0.1:{demo.port()}").opened()
    if Client.wrap is None:
        near.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        equal("the first bytes", near.exactly(15), b"HTTP/1.1 200 OK")
    equal("the status of another target", refused(case, demo, f"/tunnel?target={HOST}:1", PURR).status, 403)


@scenario
@http1
def allowed(case):
    """A target that is not in the list is refused by each carrier, however it is written; so is nonsense."""
    origin, other = Origin(case), Origin(case)
    demo = case.start("tunnel", TUNNEL_ALLOW=f" a.example:1 ,{origin.address},[::1]:9")
    port = origin.address.partition(":")[2]
    for target in (other.address, f"localhost:{port}", f"127.1:{port}", f"{origin.address}0", f"0x7f.1:{port}",
                   f"{origin.address},a.example:1", ",", "a.example", f"{origin.address}%00", f"%20{origin.address}",
                   "%zz", "%ff"):
        response = refused(case, demo, f"/tunnel?target={target}", PURR)
        matches(f"the status for {target}", str(response.status), "40[03]")
        if response.status == 403:
            equal("the reason", response.body, b"This target is not allowed.\n")
    equal("the status for CONNECT", refused(case, demo, other.address, method="CONNECT").status, 403)
    equal("the status for a WebSocket", refused(case, demo, f"/tunnel?target={other.address}", HANDSHAKE).status, 403)
    for path in ("/tunnel", "/tunnel?target=", "/tunnel?other=1"):
        equal(f"the status of {path}", refused(case, demo, path, PURR).status, 400)
    other.listener.settimeout(0)
    try:
        other.accept()
    except BlockingIOError:
        pass
    else:
        raise Failed("a target that is not allowed", "no connection", "one")
    pair(case, demo, origin, Tunnel)


@scenario
@http1
def carriers(case):
    """What asks for no upgrade is told of them, another method is 405, a wrong handshake gets its 4xx."""
    origin = Origin(case)
    demo = case.start("tunnel", TUNNEL_ALLOW=origin.address)
    path = f"/tunnel?target={origin.address}"
    for headers in ([], PURR[1:], ["Connection: Upgrade", "Upgrade: h2c"]):
        response = refused(case, demo, path, headers)
        equal(f"the status with {headers}", response.status, 426)
        equal("Upgrade", response.get("upgrade"), "purr, websocket")
        equal("Connection has upgrade", "upgrade" in (response.get("connection") or "").split(", "), True)
    response = refused(case, demo, path, PURR, method="POST")
    equal("the status of POST", (response.status, response.get("allow")), (405, "GET"))
    equal("the status of a handshake without a key", refused(case, demo, path, HANDSHAKE[:3]).status, 400)
    near, _ = pair(case, demo, origin, Tunnel)
    for name, value in (("upgrade", "purr"), ("connection", "upgrade"), ("content-length", None)):
        equal(f"the header {name}", (near.head.get(name) or "").lower() or None, value)
    near, _ = pair(case, demo, origin, Connect)
    for name in ("connection", "content-length", "transfer-encoding"):
        equal(f"the header {name} to CONNECT", near.head.get(name), None)


@scenario
@http1
def bearer(case):
    """With TUNNEL_TOKEN every tunnel needs it; without it, or with another one, nothing is said of targets."""
    origin = Origin(case)
    demo = case.start("tunnel", TUNNEL_ALLOW=origin.address, TUNNEL_TOKEN="s3cret-token")
    path = f"/tunnel?target={origin.address}"
    for value in (None, "Bearer", "Bearer ", "Bearer s3cret-toke", "Bearer s3cret-token2", "Bearer S3cret-token",
                  "Basic s3cret-token", "s3cret-token", "Bearer s3cret-tokens3cret-token"):
        given = [] if value is None else [f"Authorization: {value}"]
        for asked in (path, "/tunnel?target=elsewhere:1", "/tunnel"):
            response = refused(case, demo, asked, [*PURR, *given])
            equal(f"the status of {asked} with {given}", response.status, 401)
            equal("WWW-Authenticate", response.get("www-authenticate"), "Bearer")
        response = refused(case, demo, origin.address, [f"Proxy-{it}" for it in given], method="CONNECT")
        equal(f"the status of CONNECT with {given}", response.status, 407)
        equal("Proxy-Authenticate", response.get("proxy-authenticate"), "Bearer")
    equal("the status of the page", refused(case, demo, "/").status, 200)
    pair(case, demo, origin, Tunnel, ["Authorization: bearer s3cret-token"])
    pair(case, demo, origin, Messages, ["Authorization: Bearer s3cret-token"])
    pair(case, demo, origin, Connect, ["Proxy-Authorization: Bearer s3cret-token"])


@scenario
@http1
def unreachable(case):
    """A target that refuses, or does not exist, is 502 with its name; the client may try again."""
    dead = f"{HOST}:{free_port()}"
    demo = case.start("tunnel", TUNNEL_ALLOW=f"{dead},no-such-host.invalid:80")
    for target in (dead, "no-such-host.invalid:80"):
        client = case.connect(demo)
        for _ in range(2):
            client.request(f"/tunnel?target={target}", headers=PURR)
            response = client.response()
            equal(f"the status for {target}", response.status, 502)
            matches("the reason", response.body.decode(), rf"Cannot connect to {target}: .+\n")
    equal("the status for CONNECT", refused(case, demo, dead, method="CONNECT").status, 502)


@scenario
@http1
def unanswering(case):
    """A target that does not answer is 504 after ten seconds, and meanwhile others are served."""
    listener = socket.socket()
    case.closing(listener.close)
    listener.bind((HOST, 0))
    listener.listen(0)
    address = f"{HOST}:{listener.getsockname()[1]}"
    for _ in range(3):  # the kernel takes what the listener does not accept, up to its backlog
        filler = socket.socket()
        case.closing(filler.close)
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    origin = Origin(case)
    demo = case.start("tunnel", TUNNEL_ALLOW=f"{address},{origin.address}")
    waiting = Tunnel(case, demo, address)
    gone = Tunnel(case, demo, address)
    pair(case, demo, origin, Tunnel)
    gone.client.reset()
    response = waiting.client.response()
    equal("the status", response.status, 504)
    eventually("connections after that", demo.connections, lambda count: count <= 2)


@scenario
@http1
def both_ways(case):
    """1 MiB goes each way, byte for byte, through each carrier; what is sent right behind the request counts."""
    origin = Origin(case)
    demo = case.start("tunnel", TUNNEL_ALLOW=origin.address)
    for carrier in (*CARRIERS, Plain):
        near, far = pair(case, demo, origin, carrier)
        there, back = os.urandom(SIZE), os.urandom(SIZE)
        for at in range(0, SIZE, PIECE):
            near.send(there[at:at + PIECE])
            far.send(back[at:at + PIECE])
            equal("bytes at the target", far.exactly(PIECE), there[at:at + PIECE])
            equal("bytes at the client", near.exactly(PIECE), back[at:at + PIECE])
    client = case.connect(demo)
    client.send(client.head(f"/tunnel?target={origin.address}", headers=PURR) + b"hasty")
    equal("bytes that did not wait for the 101", origin.accept().exactly(5), b"hasty")


@scenario
@http1
def half_close(case):
    """The end of one direction passes on, and the other one goes on until it ends too, whoever begins."""
    origin = Origin(case)
    demo = case.start("tunnel", TUNNEL_ALLOW=origin.address)
    for carrier in CARRIERS:
        near, far = pair(case, demo, origin, carrier)
        near.send(b"question")
        near.finish()
        equal("all that came", far.rest(), b"question")
        far.send(b"answer" * 1000)
        equal("what comes after the end of our side", near.exactly(6000), b"answer" * 1000)
        far.finish()
        near.ends()
        near.closes()
        near, far = pair(case, demo, origin, carrier)
        far.send(b"goodbye")
        far.finish()
        equal("the target's last word", near.exactly(7), b"goodbye")
        near.ends()
        near.send(b"and you" * 1000)
        equal("what comes after its end", far.exactly(7000), b"and you" * 1000)
        near.finish()
        far.ends("after the client's end")
        near.closes()
    eventually("connections afterwards", demo.connections, 0)


@scenario
@http1
def plain_websocket_ends(case):
    """Without the subprotocol the end of the target is a close frame, and a close frame is the end for the target."""
    origin = Origin(case)
    demo = case.start("tunnel", TUNNEL_ALLOW=origin.address)
    near, far = pair(case, demo, origin, Plain)
    far.send(b"last")
    far.finish()
    equal("the last bytes", near.exactly(4), b"last")
    near.closed(1000)
    near, far = pair(case, demo, origin, Plain)
    near.send(b"last")
    near.client.send(frame(CLOSE, b"\x03\xe8"))
    equal("all that came", far.rest(), b"last")


@scenario
@http1
def deaths(case):
    """When one end is killed the other one is reset, and nothing is left behind."""
    origin = Origin(case)
    demo = case.start("tunnel", TUNNEL_ALLOW=origin.address)
    for carrier in CARRIERS:
        near, far = pair(case, demo, origin, carrier)
        near.send(b"x")
        far.exactly(1)
        far.reset()
        near.dies()
        near, far = pair(case, demo, origin, carrier)
        near.send(b"x")
        far.exactly(1)
        near.client.reset()
        broken(far)
    near, far = pair(case, demo, origin, Messages)
    near.client.finish()  # without a close frame
    broken(far)
    eventually("connections afterwards", demo.connections, 0)
    case.lives(demo)


@scenario
@http1
def pressure(case):
    """A target that does not read stops the client, and gets every byte in the end."""
    origin = Origin(case)
    demo = case.start("tunnel", TUNNEL_ALLOW=origin.address)
    near, far = pair(case, demo, origin, Tunnel)
    data = os.urandom(SIZE) * 64
    sent = near.client.send_some(data, 1)
    if sent == len(data):
        raise Failed("bytes that went to a target that reads none", "fewer than all", sent)
    got = far.exactly(sent - PIECE)
    near.send(b"end")  # also brings what a client of TLS had not sent yet
    got += far.exactly(PIECE + 3)
    equal("whether they are those that were sent", got == data[:sent] + b"end", True)


@scenario
@http1
def a_hundred(case):
    """A hundred tunnels at once have their own bytes each."""
    origin = Origin(case)
    demo = case.start("tunnel", TUNNEL_ALLOW=origin.address)
    nears = [CARRIERS[number % 3](case, demo, origin.address) for number in range(100)]
    fars = [origin.accept() for _ in nears]
    for number, near in enumerate(nears):
        near.opened().send(b"%08d" % number)
    seen = {}
    for far in fars:
        number = int(far.exactly(8))
        seen[number] = far
        far.send(b"%08d" % (number + 1))
    equal("the tunnels that have come through", sorted(seen), list(range(100)))
    for number, near in enumerate(nears):
        equal("the answer", near.exactly(8), b"%08d" % (number + 1))
    for near, far in zip(nears, seen.values()):
        near.client.close()
        far.close()
    eventually("connections afterwards", demo.connections, 0)
    demo.stop("after a hundred tunnels")


@scenario
@http1
def stopping(case):
    """A demo that ends takes its tunnels with it, also those that wait for their target."""
    origin = Origin(case)
    demo = case.start("tunnel", TUNNEL_ALLOW=origin.address)
    pairs = [pair(case, demo, origin, carrier) for carrier in CARRIERS]
    demo.stop("with open tunnels")
    for _, far in pairs:
        far.rest(reset_is_fine=True)
