"""Exceptions from signal handlers, at any moment: no lock stays locked, no descriptor has two owners."""

import pytest

from support import run_clean

START = """
import random, signal, socket, sys, threading, time, warnings
import hijack

class Tick(Exception):
    pass

def tick(*_):
    global armed
    if armed:
        armed = False
        raise Tick

def soon():
    global armed
    armed = True
    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 1e-4))

server = hijack.Server(threads=1)
server.start()
signal.signal(signal.SIGALRM, tick)
end = time.monotonic() + 50
ticks = 0
"""


def test_no_lock_stays_locked() -> None:
    program = """
ours, theirs = socket.socketpair()
connection = server.adopt(ours)
while ticks < 500 and time.monotonic() < end:
    try:
        soon()
        while True:
            try:
                connection.recv(1, timeout=random.choice((0, 1e-5)))
            except (hijack.WouldBlockError, hijack.TimedOutError):
                pass
    except Tick:
        ticks += 1
    theirs.send(b"x")
    received = threading.Thread(target=connection.recv, args=(1, 10), daemon=True)
    received.start()
    received.join(10)
    assert not received.is_alive(), f"after {ticks} exceptions nothing is received any more"
theirs.close()
server.close()
assert ticks == 500, ticks
"""
    run_clean(START + program)


@pytest.mark.parametrize("call", ["server.adopt(ours)", "room.adopt(ours, 'raw')"])
def test_no_descriptor_has_two_owners(call: str) -> None:
    program = f"""
warnings.simplefilter("ignore", ResourceWarning)  # of a socket that an exception keeps from its variable
room = server.broadcaster()
while ticks < 500 and time.monotonic() < end:
    ours, theirs = socket.socketpair()
    theirs.settimeout(0.003)
    got = None
    try:
        soon()
        got = {call}
        armed = False
    except Tick:
        ticks += 1
    if got is None and ours.fileno() >= 0:
        room.publish("x")
        try:
            sys.exit(f"{{ours.fileno()}} has two owners after {{ticks}} exceptions: {{theirs.recv(1)!r}}")
        except socket.timeout:  # TimeoutError since Python 3.10
            pass
    if isinstance(got, hijack.Socket):
        got.abort()
    ours.close()
    theirs.close()
server.close()
assert ticks == 500, ticks
"""
    run_clean(START + program)
