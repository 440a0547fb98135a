"""SIGINT and SIGTERM: exit code 0 at once, silently, whatever is going on; and the port is free again."""

import os
import signal
import time

from harness import HOST, equal, free_port, http1, matches, scenario, took
from client import Client
from hijack import LINES, bytes_of, echo_client
from sse import subscribed
from streaming import listeners

NAMES = ("sse", "beep", "hijack")


def said_nothing_else(demo):
    """stdout has the URL, and beep's lines, and nothing else."""
    demo.beeps() if demo.name == "beep" else equal(f"the lines of {demo.name}", len(demo.lines), 1)


def idle(case, number):
    for demo in [case.start(name) for name in NAMES]:
        demo.port()
        demo.signal(number)
        demo.expect_end(f"after {number.name} right after its URL")
        said_nothing_else(demo)


@scenario
def sigint(case):
    """SIGINT ends a demo that has nothing to do, even at the moment it has told its URL."""
    idle(case, signal.SIGINT)


@scenario
def sigterm(case):
    """SIGTERM does the same."""
    idle(case, signal.SIGTERM)


@scenario
def ctrl_c(case):
    """Ctrl-C in a terminal, which goes to every process of the command, does the same, also when it comes twice."""
    for demo in [case.start(name) for name in NAMES]:
        case.lives(demo)
        os.killpg(demo.process.pid, signal.SIGINT)
        os.killpg(demo.process.pid, signal.SIGINT)
        demo.expect_end("after Ctrl-C twice")


@scenario
def both_signals(case):
    """A second, other signal while the demo is ending changes nothing."""
    for demo in [case.start(name) for name in NAMES]:
        case.lives(demo)
        demo.signal(signal.SIGTERM)
        demo.signal(signal.SIGINT)
        demo.expect_end("after SIGTERM and SIGINT")


def end_with_clients(demo, clients, number):
    """Sends the signal. All clients see the end, in order or by a reset, and the process ends quickly."""
    start = time.monotonic()
    demo.signal(number)
    demo.expect_end(f"after {number.name} with clients")
    took(f"seconds until {demo.name} has ended", time.monotonic() - start, 0, 10)
    said_nothing_else(demo)
    return [client.rest(f"the end of a client of {demo.name}", reset_is_fine=True) for client in clients]


@scenario
def sse_with_clients(case):
    """sse ends with subscribers, idle connections and half a request."""
    for number in (signal.SIGINT, signal.SIGTERM):
        demo = case.start("sse")
        clients = [subscribed(case, demo) for _ in range(10)] + [case.connect(demo), case.ask(demo, "/")]
        clients[-1].response()
        clients[-2].send(b"GET / HTT")
        end_with_clients(demo, clients, number)


@scenario
def beep_with_clients(case):
    """beep ends with clients on both routes, in the middle of its runs."""
    for number in (signal.SIGINT, signal.SIGTERM):
        demo = case.start("beep", BEEP_INTERVAL_MS="10")
        clients = listeners(case, demo, 20)
        demo.told_clients(20)
        for seen in end_with_clients(demo, clients, number):
            matches("the bytes of a client", seen, rb"(5\r\nBEEP\n\r\n)*(0\r\n\r\n)?|(BEEP\n)*")


@scenario
@http1
def hijack_with_clients(case):
    """hijack ends with clients that echo, that get lines, that wait, and that have not finished their request."""
    for number in (signal.SIGINT, signal.SIGTERM):
        demo = case.start("hijack")
        clients = [echo_client(case, demo), case.connect(demo), case.connect(demo)]
        clients[0].send(b"x")
        equal("the echo", clients[0].exactly(1), b"x")
        clients[2].send(clients[2].head("/hijack")[:-2])
        partial = case.ask(demo, "/partial")
        partial.response_head()
        partial.line()
        partial.line()
        *_, lines = end_with_clients(demo, [*clients, partial], number)
        equal("the lines of /partial until the end are a beginning", LINES[26:].startswith(lines), True)
        equal("the lines of /partial went on to the last one", len(lines) < len(LINES) - 26, True)


@scenario
@http1
def in_an_echo(case):
    """hijack ends while clients do not take their echo."""
    for number in (signal.SIGINT, signal.SIGTERM):
        demo = case.start("hijack")
        clients = [echo_client(case, demo, receive_buffer=4096) for _ in range(3)]
        for client in clients:
            client.send_some(bytes_of(1 << 20) * 16, 0.3)
        end_with_clients(demo, clients, number)


@scenario
def under_load(case):
    """The demos end while requests keep coming."""
    for name in NAMES:
        demo = case.start(name, BEEP_INTERVAL_MS="5")
        clients = [case.connect(demo) for _ in range(20)]
        for client in clients:
            client.send(client.head("/nowhere") * 90)  # of HTTP/2's streams a client may have 100
        for client in clients[:10]:
            client.response()
        end_with_clients(demo, clients, signal.SIGTERM)


@scenario
def start_again(case):
    """A demo can be started on the same port at once after one that had clients, which nobody closed in order."""
    for name, path in (("sse", "/sse"), ("beep", "/raw"), ("hijack", "/hijack")):
        port, kept = free_port(), []
        for _ in range(3):
            demo = case.start(name, port=port, BEEP_INTERVAL_MS="50")
            kept += [case.ask(demo, path) for _ in range(5)]
            equal("the port", str(demo.port()), port)
            case.lives(demo)
            demo.signal(signal.SIGINT)
            demo.expect_end("with clients that do not close")


@scenario
def nothing_listens_afterwards(case):
    """After the end the port is closed."""
    for demo in [case.start(name) for name in NAMES]:
        port = demo.port()
        demo.stop("at once")
        try:
            Client(HOST, port).close()
            refused = False
        except ConnectionRefusedError:
            refused = True
        equal(f"connections to the port of {demo.name} are refused", refused, True)
