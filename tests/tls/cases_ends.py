"""Ends that come while nobody reads: what the program is told of them, and that the server waits without work."""

import os
import signal
import socket
import time

from harness import GET, Server, Surroundings, case, expect, same
from records import ALERT, CLOSE_NOTIFY, Records

GOODBYE = bytes([1, CLOSE_NOTIFY])


def hijacked(server: Server, path: bytes) -> Records:
    """A connection that has become a socket, which has sent its path's name."""
    client = Records(server)
    client.send(GET % path)
    client.until(path[1:])
    return client


def processor_seconds(server: Server) -> float:
    with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as file:
        times = file.read().rsplit(") ", 1)[1].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


@case
def unread_bytes_before_the_end(s: Surroundings) -> None:
    """A socket without credit has bytes to read, and both sides have ended: the loop waits for credit, and sleeps."""
    with s.server() as server:
        client = hijacked(server, b"/mute")
        client.socket.sendall(client.record(b"unread") + client.record(GOODBYE, ALERT))
        client.socket.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
        before = processor_seconds(server)
        time.sleep(1)
        used = processor_seconds(server) - before
        expect(used < 0.1, f"the server uses {used} s of its processor within a second")
        client.socket.close()


@case
def cut_off_while_there_is_no_credit(s: Surroundings) -> None:
    """The last credit is used up when a FIN without close_notify comes: no clean end. The server is stopped meanwhile,
    so that it finds the bytes and the FIN together."""
    with s.server() as server:
        client = hijacked(server, b"/sip")
        os.kill(server.process.pid, signal.SIGSTOP)
        client.send(b"four")
        client.socket.shutdown(socket.SHUT_WR)
        os.kill(server.process.pid, signal.SIGCONT)
        same(server.line("/sip"), "/sip closed HIJACK_ERESET", "what the program is told")
        client = hijacked(server, b"/sip")
        client.socket.sendall(client.record(b"four") + client.record(GOODBYE, ALERT))
        client.socket.shutdown(socket.SHUT_WR)
        same(server.line("/sip"), "/sip eof", "what the program is told after close_notify")


@case
def cut_off_after_the_servers_end(s: Surroundings) -> None:
    """The server has ended its half when a FIN without close_notify comes, alone or behind bytes."""
    with s.server() as server:
        for together in (False, True):
            client = hijacked(server, b"/half")
            if together:
                os.kill(server.process.pid, signal.SIGSTOP)
            client.send(b"part")
            client.socket.shutdown(socket.SHUT_WR)
            os.kill(server.process.pid, signal.SIGCONT)
            same(server.line("/half"), "/half closed HIJACK_ERESET", "what the program is told")
        client = hijacked(server, b"/half")
        client.socket.sendall(client.record(b"all") + client.record(GOODBYE, ALERT))
        client.socket.shutdown(socket.SHUT_WR)
        same(server.line("/half"), "/half eof", "what the program is told after close_notify")
        same(server.line("/half"), "/half closed 0", "what the program is told after close_notify")
