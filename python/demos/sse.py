"""Server-Sent Events: a page that shows the time, pushed to everyone once a second.

    /         the page
    /sse      the events: held by a broadcaster, without a Python object per client
    /healthz  "ok"

Clients on /sse never come up here: however many there are, this program makes one call a second for them."""

import itertools
import time

import common

import hijack

page = common.PAGE.read_bytes()


def answer(request: hijack.Request) -> None:
    if request.path == "/":
        request.respond(200, page, common.HTML)
    elif request.path == "/healthz":
        request.respond(200, "ok\n", common.TEXT)
    else:
        request.respond(404, "Only /, /sse and /healthz are here.\n", common.TEXT)


def main() -> None:
    with hijack.Server() as server:
        clients = server.broadcaster()
        server.hold("/sse", clients, kind="sse")
        port = server.listen(f"127.0.0.1:{common.port()}", *common.certificate())
        server.start(answer)
        print(common.url(port), flush=True)

        start = time.monotonic()
        for count in itertools.count(1):
            time.sleep(max(0.0, start + count - time.monotonic()))
            clients.publish(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), id=str(count))


if __name__ == "__main__":
    common.run(main)
