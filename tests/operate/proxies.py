"""What docs/operate/proxies.md promises, with a proxy of Debian in front of a program.

    proxies.py nginx|haproxy|caddy BUILD"""

import os
import pathlib
import signal
import sys

from clients import (BINARY, CLOSE, TEXT, Curl, Lines, WebSocket, ask, connect, ends_within, publish, quiet_for,
                     silent_for, stats)
from fronts import PROXIES, Backend, Front, Nginx
from harness import HOST, SOURCE, eventually, expect, free_port, program, run, same
from programs import App, command

HEARTBEAT = "heartbeat_ms=250"


def demo(place, name):
    """The port of one of C's demos."""
    line = place.start([place.build / "demos" / name, "0"]).line()
    return int(line.rstrip("/\n").rpartition(":")[2])


def one_by_one(lines, backend, start="data: ", end=""):
    """Each event comes before the next one is published."""
    for number in range(5):
        publish(backend.control, f"event {number}{end}")
        same("the event", lines.next(start).strip(), f"event {number}")


def echoes(socket):
    for kind, data in ((TEXT, "grüße".encode()), (BINARY, os.urandom(100_000)), (TEXT, b"")):
        socket.send(kind, data)
        same("the echo", socket.next(), (kind, data))
    socket.send(CLOSE, b"\x03\xe8")
    same("the answer to the close frame", socket.next(), (CLOSE, b"\x03\xe8"))


def whole(place, proxy, variant=None, kind="tcp"):
    """Events, WebSocket, HTTP/2 and the client's end, through the proxy with this way to the program."""
    backend = Backend(place, HEARTBEAT, "unix_mode=0666", kind=kind)
    front = Front(place, proxy, backend, variant)
    lines = place.keep(Lines(front.port, "/events", front.ca))
    one_by_one(lines, backend)
    multiplexed = place.keep(Curl(front.port, "/events", front.ca))
    backend.has_members(2)
    one_by_one(multiplexed, backend)
    for client in (lines, multiplexed):
        client.close()
    eventually("who is held after both have left", backend.held, 0)
    socket = place.keep(WebSocket(front.port, "/ws", front.ca))
    same("the status of /ws", socket.status, 101)
    echoes(socket)
    same("the status of a WebSocket of another origin",
         place.keep(WebSocket(front.port, "/ws", front.ca, "https://example.com")).status, 403)
    return backend, front


def clear(place, proxy):
    """HTTP to the program."""
    whole(place, proxy)


def unix(place, proxy):
    """A unix socket."""
    backend, front = whole(place, proxy, "unix", "unix")
    status, _, text = ask(front.port, "/facts", front.ca)
    expect(status == 200 and b'"peer":"unix:"' in text, f"/facts: {status} {text}")


def tls(place, proxy):
    """TLS to the program, whose certificate is verified."""
    backend, front = whole(place, proxy, "tls", "tls")
    status, _, text = ask(front.port, "/facts", front.ca)
    expect(status == 200 and b'"scheme":"https"' in text, f"/facts: {status} {text}")
    same("TLS handshakes that failed", stats(backend.control)["tls_failed"], 0)


def http2(place, proxy):
    """HTTP/2 to the program: many clients share a few connections."""
    backend = Backend(place)
    front = Front(place, proxy, backend, "http2")
    clients = [place.keep(Lines(front.port, "/events", front.ca)) for _ in range(50)]
    same("who is held", backend.held(), 50)
    publish(backend.control, "hello")
    for client in clients:
        same("the event", client.next("data: "), "hello")
    ends = established(backend.port)
    expect(1 <= ends <= 8, f"50 clients use {ends} connections to the program, expected 1 to 8")
    socket = place.keep(WebSocket(front.port, "/ws", front.ca))
    same("the status of /ws", socket.status, 101)
    echoes(socket)
    for client in clients:
        client.close()
    eventually("who is held after all have left", backend.held, 0)


def established(port):
    """Connections that the program has accepted at a port."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return sum(row[1] == f"0100007F:{port:04X}" and row[3] == "01" for row in rows)


def forwarded(place, proxy):
    """What the program learns of the client."""
    backend = Backend(place)
    front = Front(place, proxy, backend)
    status, headers, text = ask(front.port, "/facts", front.ca, headers={"X-Forwarded-For": "203.0.113.9"})
    same("the status", status, 200)
    for part in ('"x-forwarded-proto":"https"', f'"host":"localhost:{front.port}"', '"peer":"127.0.0.1:'):
        expect(part.encode() in text, f"/facts has no {part}: {text}")
    addresses = text.decode().partition('"x-forwarded-for":"')[2].partition('"')[0]
    same("X-Forwarded-For, of which nothing is the client's own", addresses, HOST)


def silence(place, proxy):
    """Heartbeats pass, and are what keeps a quiet stream open where the proxy has a time limit."""
    lively, silent = Backend(place, HEARTBEAT), Backend(place, "heartbeat_ms=0")
    fronts = [Front(place, proxy, backend, changes=proxy.timeouts) for backend in (lively, silent)]
    streams = [place.keep(Lines(front.port, "/events", front.ca)) for front in fronts]
    if proxy.timeouts:
        expect(ends_within(5, streams[1]), "a stream without heartbeats outlived the proxy's limit of 1 s")
    count = quiet_for(2.5, streams[0])
    expect(count >= 5, f"{count} heartbeats in 2.5 s, expected one in 0.25 s")


def pieces(place, proxy):
    """A body in pieces that is no text/event-stream comes as it is sent: nginx looks at X-Accel-Buffering."""
    backend = Backend(place)
    front = Front(place, proxy, backend)
    lines = place.keep(Lines(front.port, "/stream?accel", front.ca))
    backend.has_members(1)
    one_by_one(lines, backend, "", "\n")
    multiplexed = place.keep(Curl(front.port, "/stream?accel", front.ca))
    backend.has_members(2)
    for number in range(3):
        publish(backend.control, f"piece {number}\n")
        same("the piece over HTTP/2", multiplexed.next("piece ").strip(), str(number))


def wrong_host(place, proxy):
    """A proxy that sets another Host makes the library refuse every browser's WebSocket."""
    front = Front(place, proxy, Backend(place), changes={"Host $http_host": "Host $proxy_host"})
    same("the status of /ws", place.keep(WebSocket(front.port, "/ws", front.ca)).status, 403)


def puma(place, proxy):
    """Puma behind nginx: a full hijack, and a partial one, whose head has X-Accel-Buffering from the application."""
    port = free_port()
    environment = {**os.environ, "PORT": str(port), "HIJACK_LIBRARY": str(place.build / "libhijack.so")}
    files = SOURCE / "ruby/demos/puma"
    puma_itself = [program("ruby", "ruby"), f"-I{SOURCE}/ruby/lib", "-S", "puma", "-q"]
    place.start([*puma_itself, "-C", files / "puma.rb", files / "config.ru"], env=environment).wait_for_port(port)
    front = Front(place, proxy, port)
    streams = [place.keep(Lines(front.port, path, front.ca)) for path in ("/sse", "/partial")]
    for stream in streams:
        first = int(stream.next("id: "))
        same("the next id", int(stream.next("id: ")), first + 1)
    socket = place.keep(WebSocket(front.port, "/echo", front.ca))
    same("the status of /echo", socket.status, 101)
    echoes(socket)


def two_programs(place, proxy):
    """A program is replaced by another while clients connect: none gets an error, and the drain ends streams well."""
    ports = [free_port(), free_port()]
    started = command("ruby", place.build, place.folder)
    old = App(place, started, f"{HOST}:{ports[0]}").process
    old.wait_for_port(ports[0])
    front = Front(place, proxy, ports[0], "two", {"127.0.0.1:8081": f"{HOST}:{ports[1]}"})
    streams = [place.keep(Lines(front.port, "/events", front.ca)) for _ in range(4)]  # nginx finds the other one away
    for stream in streams:
        stream.next("data: ")
    App(place, started, f"{HOST}:{ports[1]}").process.wait_for_port(ports[1])
    old.process.send_signal(signal.SIGTERM)
    count = 0
    while old.process.poll() is None:
        same("the status during the change", ask(front.port, "/healthz", front.ca)[0], 200)
        count += 1
    expect(count > 0, "no request during the change")
    same("the exit code of the old program", old.wait(), 0)
    for stream in streams:
        while stream.line():
            pass
    same("the status afterwards", ask(front.port, "/healthz", front.ca)[0], 200)


def buffered(place, proxy):
    """Without this header nginx collects such a body, unless the location says otherwise."""
    backend = Backend(place)
    open_location = Front(place, proxy, backend, "stream")
    lines = place.keep(Lines(open_location.port, "/stream", open_location.ca))
    backend.has_members(1)
    one_by_one(lines, backend, "", "\n")

    front = Front(place, proxy, backend)
    connection = place.keep(connect(front.port, front.ca))
    connection.request("GET", "/stream")
    backend.has_members(2)
    publish(backend.control, "event\n")
    same("the line at the unbuffered location", lines.next(""), "event")
    expect(silent_for(0.5, connection.sock), "nginx passed on what it should collect: is the page still right?")


def first_event(place, proxy):
    """Over HTTP/2 the first event comes when it is published, also where the proxy keeps the head until then."""
    backend = Backend(place, "heartbeat_ms=0")
    front = Front(place, proxy, backend)
    client = place.keep(Curl(front.port, "/events", front.ca))
    backend.has_members(1)
    publish(backend.control, "hello")
    same("the first event", client.next("data: "), "hello")


def the_end(place, proxy):
    """The program ends: a stream has its last chunk, a WebSocket its close frame, and who comes next gets a 5xx."""
    backend = Backend(place)
    front = Front(place, proxy, backend)
    lines = place.keep(Lines(front.port, "/events", front.ca))
    socket = place.keep(WebSocket(front.port, "/ws", front.ca))
    echoes(place.keep(WebSocket(front.port, "/ws", front.ca)))
    same("the exit code of the program", backend.process.stop(), 0)
    same("what comes before the end of the stream", lines.line(), "")
    same("the last frame of the WebSocket", socket.next(), (CLOSE, b"\x03\xe9"))
    same("the status of the next request", ask(front.port, "/events", front.ca)[0], proxy.without_program)


def demos(place, proxy):
    """C's demos, with their pages."""
    front = Front(place, proxy, demo(place, "sse"))
    status, headers, page = ask(front.port, "/", front.ca)
    expect(status == 200 and b"EventSource" in page, f"the page of sse: {status}")
    lines = place.keep(Lines(front.port, "/sse", front.ca))
    lines.next("id: ")  # where a client is that has missed nothing
    first = int(lines.next("id: "))
    same("the next id", int(lines.next("id: ")), first + 1)

    front = Front(place, proxy, demo(place, "chat"))
    reader = place.keep(Lines(front.port, "/events?name=Ada", front.ca))
    same("the first event", reader.next("data: "), '{"type":"here","names":["Ada"]}')
    writer = place.keep(WebSocket(front.port, "/chat?name=Bob", front.ca))
    same("what Bob gets first", writer.next(), (TEXT, b'{"type":"here","names":["Ada","Bob"]}'))
    same("what Ada gets", reader.next("data: "), '{"type":"joined","name":"Bob"}')
    for text in ("one", "two"):
        writer.send(TEXT, text.encode())
        expect(f'"text":"{text}"' in reader.next("data: "), f"Ada did not get {text}")
        expect(f'"text":"{text}"'.encode() in writer.next()[1], f"Bob did not get {text}")
    same("the status of /say", ask(front.port, "/say?name=Ada", front.ca, "POST", "three")[0], 204)
    expect('"text":"three"' in reader.next("data: "), "Ada did not get three")
    writer.close()
    same("what Ada gets at the end", reader.next("data: "), '{"type":"left","name":"Bob"}')


def main():
    name, build = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    proxy = PROXIES[name]
    cases = [clear, unix, tls, forwarded, silence, pieces, first_event, the_end, demos]
    cases += [wrong_host, puma, two_programs, buffered] if proxy is Nginx else [http2]
    run([(case.__name__, lambda place, case=case: case(place, proxy)) for case in cases], build)


if __name__ == "__main__":
    main()
