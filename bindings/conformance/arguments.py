"""How a demo is started: the port, the variables, and what it says when they are wrong."""

import re
import signal
import socket

from harness import HOST, START_SECONDS, Demo, equal, free_port, matches, scenario

NAMES = ("sse", "beep", "hijack")


def one_sentence(demo, what, names):
    """The demo ends with exit code 1, nothing on stdout, and one line on stderr that has all these texts in it."""
    equal(f"the exit code of {demo.name} with {what}", demo.wait(START_SECONDS), 1)
    matches(f"stderr of {demo.name} with {what}", demo.stderr(), r"[^\n]+\n")
    for name in names:
        equal(f"stderr of {demo.name} with {what} names {name!r}: {demo.stderr()!r}", name in demo.stderr(), True)
    demo.line(0, 1)
    equal(f"stdout of {demo.name} with {what}", demo.lines, [])


@scenario
def bad_port(case):
    """A port that is no whole number from 0 to 65535 is refused in one sentence that says so."""
    ports = ["abc", "-1", "65536", "80x", "8.5", "0x50", "99999999999999999999"]
    demos = [(port, case.start(NAMES[at % 3], port=port)) for at, port in enumerate(ports)]
    for port, demo in demos:
        one_sentence(demo, f"the port {port}", [port, "65535"])


@scenario
def bad_port_of_the_environment(case):
    """The same goes for PORT."""
    for demo in [case.start(name, port=None, PORT="http") for name in NAMES]:
        one_sentence(demo, "PORT=http", ["PORT", "http", "65535"])


@scenario
def bad_interval(case):
    """BEEP_INTERVAL_MS must be a whole number from 1 to 3600000."""
    demos = [(text, case.start("beep", BEEP_INTERVAL_MS=text)) for text in ("0", "-5", "3600001", "1.5", "soon")]
    for text, demo in demos:
        one_sentence(demo, f"BEEP_INTERVAL_MS={text}", ["BEEP_INTERVAL_MS", text, "3600000"])


@scenario
def port_in_use(case):
    """A port on which somebody listens already is refused in one sentence that names it."""
    with socket.create_server((HOST, 0)) as server:
        port = str(server.getsockname()[1])
        for demo in [case.start(name, port=port) for name in NAMES]:
            one_sentence(demo, "a port in use", [port])


@scenario
def port_of_another_demo(case):
    """Two demos do not share a port: the second is refused and the first goes on."""
    first = case.start("sse")
    port = str(first.port())
    one_sentence(case.start("hijack", port=port), "the port of another demo", [port])
    case.lives(first)


@scenario
def port_argument(case):
    """The port is the one of the argument, whatever PORT says."""
    for name in NAMES:
        port = free_port()
        demo = case.start(name, port=port, PORT="nonsense")
        equal(f"the port of {name}", str(demo.port()), port)
        case.lives(demo)


@scenario
def port_of_the_environment(case):
    """Without an argument PORT is the port; 0 is any free one."""
    for name in NAMES:
        port = free_port()
        equal(f"the port of {name}", str(case.start(name, port=None, PORT=port).port()), port)
    case.lives(case.start("sse", port=None, PORT="0"))


@scenario
def default_port(case):
    """Without argument and PORT, or with an empty one, the port is 9292."""
    for variables in ({}, {"PORT": ""}):
        demo = case.start("sse", port=None, **variables)
        line = demo.line(0, START_SECONDS)
        if line is None:  # somebody else has that port; then the sentence must say so
            one_sentence(demo, "no port", ["9292"])
            continue
        equal("the URL", line, f"{Demo.scheme}://127.0.0.1:9292/\n")
        demo.stop("on its own port")


@scenario
def certificate_without_key(case):
    """TLS_CERT and TLS_KEY belong together; one alone, or with an empty one, is refused."""
    demos = [(set_, case.start(name, **{"TLS_CERT": "", "TLS_KEY": "", set_: __file__}))
             for set_, name in zip(("TLS_CERT", "TLS_KEY", "TLS_CERT"), NAMES)]
    for set_, demo in demos:
        one_sentence(demo, f"{set_} alone", ["TLS_CERT", "TLS_KEY"])


@scenario
def unusable_certificate(case):
    """A certificate that is none, or that is not there, is refused in one sentence that names it."""
    for path in (__file__, "/nowhere/chain.pem"):
        for demo in [case.start(name, TLS_CERT=path, TLS_KEY=path) for name in NAMES]:
            one_sentence(demo, f"the certificate {path}", [path])


@scenario
def empty_interval(case):
    """An empty BEEP_INTERVAL_MS means the three seconds."""
    demo = case.start("beep", BEEP_INTERVAL_MS="")
    demo.port()
    demo.signal(signal.SIGTERM)
    demo.expect_end("with an empty BEEP_INTERVAL_MS")


@scenario
def only_loopback(case):
    """The demos listen on 127.0.0.1 alone."""
    demo = case.start("sse")
    port = demo.port()
    with open("/proc/net/tcp", encoding="ascii") as file:
        listening = re.findall(r"\n *\d+: ([0-9A-F]+):%04X \S+ 0A " % port, file.read())
    equal("the addresses that the demo listens on", set(listening), {"0100007F"})
