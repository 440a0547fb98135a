"""Clients that go away, in order or not: the server is not hurt, and they are gone from every count."""

import time

from client import Client
from harness import HOST, equal, eventually, http1, scenario
from hijack import FULL, LINES, bytes_of, echo_client
from streaming import listener, listeners, routes

ENDS = {"close": Client.close, "reset": Client.reset, "half-close": Client.finish}


def counted_out(case, how):
    """Twelve clients of beep, of which four, then all go away."""
    demo = case.start("beep", BEEP_INTERVAL_MS="50")
    clients = listeners(case, demo, 12)
    demo.told_clients(12)
    for client in clients[:4]:
        ENDS[how](client)
    demo.told_clients(8)
    for client in clients[4:]:
        ENDS[how](client)
    demo.told_clients(0)
    case.lives(demo)
    demo.stop(f"after clients that {how}")


@scenario
def beep_close(case):
    """Clients of beep that close are counted out."""
    counted_out(case, "close")


@scenario
def beep_reset(case):
    """Clients of beep that reset are counted out."""
    counted_out(case, "reset")


@scenario
def beep_half_close(case):
    """Clients of beep that end their sending side are counted out, and get the end."""
    counted_out(case, "half-close")


@scenario
def beep_others_go_on(case):
    """Those that stay miss nothing while others come and go."""
    demo = case.start("beep", BEEP_INTERVAL_MS="20")
    stays, begin = listener(case, demo), len(demo.beeps())
    for number in range(60):
        ENDS[list(ENDS)[number % 3]](listener(case, demo, routes()[number % len(routes())]))
    demo.told_clients(1)
    end = len(demo.beeps())
    count = max(end - begin - 1, 0)
    equal("what the one that stayed got", [stays.chunk() for _ in range(count)], [b"BEEP\n"] * count)


def come_and_go(case, demo, path):
    """Sixty clients that ask and go, most of them before they are answered."""
    for number in range(60):
        client = case.connect(demo)
        if number % 4 != 3:
            client.request(path)
        else:
            client.send(client.head(path)[:-9])
        if number % 5 == 0:
            client.more(time.monotonic() + 5) if number % 4 != 3 else None
        if number % 3 == 2:
            client.finish()
        ENDS[("close", "reset")[number % 2]](client)


def no_descriptor_left(case, name, paths):
    demo = case.start(name, BEEP_INTERVAL_MS="50")
    for path in paths:
        come_and_go(case, demo, path)
    for client in [case.connect(demo) for _ in range(3)]:  # what a language opens once is open now
        client.close()
    eventually("connections after a first crowd", demo.connections, 0)
    before = demo.descriptors()
    for path in paths * 2:
        come_and_go(case, demo, path)
    eventually("descriptors of the demo, as before", demo.descriptors, lambda count: count <= before)
    case.lives(demo)
    demo.stop("after clients that came and went")


@scenario
def no_descriptor_left_sse(case):
    """Clients of sse that go before, while or after they are answered leave no descriptor behind."""
    no_descriptor_left(case, "sse", ["/", "/sse", "/healthz"])


@scenario
def no_descriptor_left_beep(case):
    """The same for beep."""
    no_descriptor_left(case, "beep", ["/", "/raw", "/nowhere"])


@scenario
def no_descriptor_left_hijack(case):
    """The same for hijack, where most of them belong to the program."""
    no_descriptor_left(case, "hijack", ["/", "/hijack", "/partial", "/detach"])


@scenario
@http1
def reset_in_the_echo(case):
    """Clients that reset, or close, with an echo on the way hurt nobody else's echo."""
    demo = case.start("hijack")
    stays = echo_client(case, demo)
    for number in range(40):
        client = case.connect(demo)
        client.send(client.head("/hijack") + bytes_of(20000))
        client.exactly(len(FULL) + 100 * (number % 4))
        ENDS[("close", "reset")[number % 2]](client)
        if number % 10 == 0:
            stays.send(b"still here")
            equal("the echo of the one that stays", stays.exactly(10), b"still here")
    case.lives(demo)
    demo.stop("after resets in the echo")


@scenario
@http1
def gone_in_the_lines(case):
    """Clients of /partial that go between two lines hurt nobody else's lines."""
    demo = case.start("hijack")
    stays = case.ask(demo, "/partial")
    for number in range(20):
        client = case.ask(demo, "/partial")
        client.response_head()
        if number % 4 == 0:
            client.line()
        ENDS[("close", "reset")[number % 2]](client)
    stays.response_head()
    equal("the lines of the one that stayed", stays.rest(), LINES)
    case.lives(demo)
    demo.stop("after clients of /partial have gone")


@scenario
def gone_before_the_answer(case):
    """Requests whose clients are gone before the program sees them do no harm."""
    for name, paths in (("hijack", ["/", "/hijack", "/partial", "/detach", "/nowhere"]), ("sse", ["/", "/nowhere"])):
        demo = case.start(name)
        for number in range(100):
            client = Client(HOST, demo.port())
            client.send(b"".join(client.head(path) for path in paths[number % len(paths):]))
            client.reset()
        case.lives(demo)
        demo.stop("after clients that did not wait")
