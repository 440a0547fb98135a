import os
import signal
import threading
import time

import hijack

# What is so now, and may become less; everything else counts up.
GAUGES = {"connections", "reading", "http", "streams", "sockets", "held", "memberships", "events_queued",
          "backlog_bytes", "relayed"}


def metrics(server: hijack.Server) -> str:
    lines = []
    for name, value in server.stats().items():
        kind, suffix = ("gauge", "") if name in GAUGES else ("counter", "_total")
        lines += [f"# TYPE hijack_{name}{suffix} {kind}\n", f"hijack_{name}{suffix} {value}\n"]
    return "".join(lines)


stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())

server = hijack.Server()
clients = server.broadcaster()
server.hold("/events", clients, kind="sse")
server.listen(os.environ.get("LISTEN", "127.0.0.1:8080"))


def handler(request: hijack.Request) -> None:
    if request.path == "/healthz":
        request.respond(200, "ok\n")
    elif request.path == "/metrics":
        request.respond(200, metrics(server), {"content-type": "text/plain; version=0.0.4"})
    else:
        request.respond(404)


server.start(handler)
while not stop.wait(1):
    clients.publish(str(int(time.time())))
server.drain(float(os.environ.get("DRAIN_SECONDS", "20")))  # returns when it has ended
