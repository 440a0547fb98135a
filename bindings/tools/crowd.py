#!/usr/bin/env python3
"""A crowd of clients in one process, steered over stdin: for tests that need thousands of connections at once.

    python3 -B bindings/tools/crowd.py HOST:PORT COUNT [options]

    --path /sse            what to ask for; default /
    --method GET
    --header 'Name: value' may be given more than once
    --no-request           sends nothing: a connection is open as soon as TCP has it
    --no-head              sends the request, but expects no response head (a route that is held raw)
    --timeout 60           seconds for opening the connections
    --at-once 256          connections in the making at the same time

It opens COUNT connections and then obeys commands, one on each line of stdin. It prints exactly one JSON object on one
line of stdout for the opening and for each command. Every answer has "event" (the command's name) and "ok" (true: all
connections that were ever opened did what was asked for; false: look at the numbers). A command that makes no sense is
answered with {"event": "error", "message": ...}, and nothing else happens. The end of stdin is a "quit" after the
commands before it, so that no crowd outlives its test. The exit code is 0, or 1 where the arguments are wrong.

Words of a command are separated by spaces and can be put into quotes as in a shell; \\n and \\r mean line feed and
carriage return. What servers send is kept, without the head, until "forget". Text is looked for in the bytes as they
are on the wire, chunk lines included. Times are milliseconds, counts are connections unless said otherwise.

    (start) -> {"event": "open", "ok": true, "open": 5000, "seconds": 0.9, "statuses": {"200": 5000},
                "head_ms": {"p50":, "p99":, "max":}}   from connect to the end of the head; ok: all, with status 200
    open COUNT                         opens more; the answer is as above, "open" counts all
    wait TEXT SECONDS                  waits until each connection has got TEXT once more, behind what the last wait
                                       found or forget threw away
            -> {"event": "wait", "ok":, "got": 5000, "late": 0, "spread_ms": {"p50":, "p99":, "max":}}
               spread: behind the first connection that got it
    sequence PREFIX FIRST LAST SECONDS waits until each connection has got PREFIX<LAST>, then checks that since forget
                                       it got PREFIX<FIRST>, ... PREFIX<LAST>, each exactly once and in order. What
                                       follows a number must not be a digit.
            -> {"event": "sequence", "ok":, "exact": 5000, "short": 0, "wrong": 0, "example": "..."}
               short: a beginning of the sequence, nothing wrong. wrong: missing, doubled or disordered numbers
    count TEXT                         how often TEXT came since forget
            -> {"event": "count", "ok":, "total": 10000, "least": 2, "most": 2}   ok: equally often everywhere
    heartbeats                         SSE comments and the time between two of them, since forget
            -> {"event": "heartbeats", "ok":, "total":, "least":, "most":, "gap_ms": {"p50":, "p99":, "max":}}
               ok: each connection got at least one
    forget                             throws away what came until now -> {"event": "forget", "ok": true}
    send TEXT                          sends TEXT on every connection -> {"event": "send", "ok":, "sent": 5000}
    pause COUNT                        so many connections read no more -> {"event": "pause", "ok":, "paused":}
    resume                             all of them read again -> {"event": "resume", "ok": true}
    close COUNT                        closes so many in order (FIN) -> {"event": "close", "ok":, "closed":, "open":}
    abort COUNT                        the same with a reset (RST), answered with "abort"
    gone SECONDS                       waits until the server has ended all connections
            -> {"event": "gone", "ok":, "open": 0, "ended": 5000, "reset": 0, "closed": 0}   closed: by close or abort
    status -> {"event": "status", "ok": true, "open":, "ended":, "reset":, "closed":, "refused":, "failed":, "bytes":}
    quit   -> {"event": "quit", "ok": true}, and the process ends

Example: a test starts "crowd.py 127.0.0.1:8080 5000 --path /sse", reads one line, publishes "n1" to "n100", writes
"sequence n 1 100 10" and reads {"event": "sequence", "ok": true, "exact": 5000, ...}.
"""

import argparse
import collections
import json
import os
import re
import shlex
import sys
import time

from connections import CONNECTING, OPEN, PAUSED, Connections, request_bytes, spread


class Crowd:
    """The commands. Each method do_<name> takes the words of its command and returns the answer."""

    def __init__(self, options):
        request = b"" if options.no_request else request_bytes(options.server, options.path, options.method,
                                                               options.header)
        self.all = Connections(options.address, request, not options.no_head, options.at_once)
        self.timeout = options.timeout
        self.wanted = 0
        self.input = b""
        self.lines = collections.deque()
        try:
            self.all.watch(0, self.read_input)
        except PermissionError:  # a file, which is always readable
            while not self.lines or self.lines[-1] != b"quit":
                self.read_input()

    def read_input(self):
        got = os.read(0, 65536)
        *lines, self.input = (self.input + got).split(b"\n")
        self.lines.extend(lines)
        if not got:
            self.lines.extend([self.input] if self.input else [])
            self.lines.append(b"quit")
            if 0 in self.all.others:
                self.all.unwatch(0)

    def run(self, count):
        self.tell("open", self.do_open(str(count)))
        while True:
            while not self.lines:
                self.all.turn(3600)
            line = self.lines.popleft().decode()
            try:
                words = shlex.split(line)
                if not words:
                    continue
                name = words[0]
                method = getattr(self, "do_" + name, None)
                if method is None:
                    raise ValueError(f"there is no command {name!r}")
                takes = method.__code__.co_argcount - 1
                if len(words) - 1 != takes:
                    raise ValueError(f"{name} takes {takes} word(s), not {len(words) - 1}")
                answer = method(*(word.replace("\\n", "\n").replace("\\r", "\r") for word in words[1:]))
            except ValueError as error:
                answer, name = {"ok": False, "message": f"{line}: {error}"}, "error"
            self.tell(name, answer)
            if name == "quit":
                return

    @staticmethod
    def tell(name, answer):
        print(json.dumps({"event": name, **answer}), flush=True)

    def until(self, seconds, pending, done):
        """Takes turns until done(connection) was true for each of pending, or it ended, or time is over. Returns those
        for which it was not."""
        deadline = time.monotonic() + float(seconds)
        pending, ended = {connection for connection in pending if not done(connection)}, set()
        while pending and time.monotonic() < deadline:
            for connection in self.all.turn(min(deadline - time.monotonic(), 0.5)):
                if connection not in pending:
                    continue
                if done(connection):
                    pending.remove(connection)
                elif connection.end != "":
                    pending.remove(connection)
                    ended.add(connection)
        return pending | ended

    def some(self, count):
        return [connection for connection in self.all.open() if connection.state == OPEN][:int(count)]

    def do_open(self, count):
        self.wanted += int(count)
        self.all.start(int(count))
        start = time.monotonic()
        while self.all.opening() > 0 and time.monotonic() - start < self.timeout:
            self.all.turn(0.5)
        new, self.all.new = self.all.new, []
        late = self.all.opening()
        self.all.to_start = 0
        for connection in [c for c in self.all.all.values() if CONNECTING <= c.state < OPEN]:
            self.all.finish(connection, "failed")
        good = all(c.status in (0, 200) for c in new)
        return {"ok": len(new) == int(count) and good, "open": len(self.all.open()), "late": late,
                "seconds": round(time.monotonic() - start, 3), "statuses": dict(self.all.statuses),
                "head_ms": spread([c.head_seconds for c in new])}

    def do_wait(self, text, seconds):
        text, times = text.encode(), []

        def found(connection):
            at = connection.data.find(text, connection.at)
            if at < 0:
                return False
            connection.at = at + len(text)
            times.append(connection.time_of(at + len(text) - 1))
            return True
        late = self.until(seconds, self.all.open(), found)
        first = min(times, default=0)
        return {"ok": len(times) == self.wanted, "got": len(times), "late": len(late),
                "spread_ms": spread([moment - first for moment in times])}

    def do_sequence(self, prefix, first, last, seconds):
        expected = list(range(int(first), int(last) + 1))
        numbers = re.compile(re.escape(prefix.encode()) + rb"(\d+)(?=\D)")
        end = re.compile(re.escape(prefix.encode()) + last.encode() + rb"(?=\D)")
        members = self.all.open()
        self.until(seconds, members, lambda connection: end.search(connection.data, max(0, len(connection.data) - 65536
                                                                                        - len(prefix))) is not None)
        seen, example = collections.Counter(), ""
        for connection in members:
            got = [int(number) for number in numbers.findall(connection.data)]
            kind = "exact" if got == expected else "short" if got == expected[:len(got)] else "wrong"
            seen[kind] += 1
            if kind != "exact" and (kind == "wrong" or not example):
                example = f"{kind}: {len(got)} numbers, the last ones {got[-5:]}" + self.first_wrong(got, expected)
        return {"ok": seen["exact"] == self.wanted, "exact": seen["exact"], "short": seen["short"],
                "wrong": seen["wrong"], "example": example}

    @staticmethod
    def first_wrong(got, expected):
        for seen, right in zip(got, expected):
            if seen != right:
                return f"; {seen} where {right} was expected"
        return "; more than were expected" if len(got) > len(expected) else ""

    def do_count(self, text):
        counts = [connection.data.count(text.encode()) for connection in self.all.open()] or [0]
        return {"ok": min(counts) == max(counts), "total": sum(counts), "least": min(counts), "most": max(counts)}

    def do_heartbeats(self):
        counts, gaps = [], []
        for connection in self.all.open():
            times = [connection.time_of(found.start()) for found in re.finditer(rb"^:[^\n]*\n", connection.data, re.M)]
            counts.append(len(times))
            gaps.extend(b - a for a, b in zip(times, times[1:]))
        counts = counts or [0]
        return {"ok": min(counts) > 0, "total": sum(counts), "least": min(counts), "most": max(counts),
                "gap_ms": spread(gaps)}

    def do_forget(self):
        self.all.turn(0)
        self.all.forget()
        return {"ok": True}

    def do_send(self, text):
        sent, data = 0, text.encode()
        for connection in self.all.open():
            try:
                sent += connection.sock.send(data) == len(data)
            except OSError:  # full, or its end is about to be read
                pass
        return {"ok": sent == self.wanted, "sent": sent}

    def do_pause(self, count):
        chosen = self.some(count)
        for connection in chosen:
            self.all.pause(connection)
        return {"ok": len(chosen) == int(count), "paused": sum(c.state == PAUSED for c in self.all.open())}

    def do_resume(self):
        for connection in self.all.open():
            self.all.resume(connection)
        return {"ok": True}

    def do_close(self, count):
        return self.end(count, reset=False)

    def do_abort(self, count):
        return self.end(count, reset=True)

    def end(self, count, reset):
        chosen = self.some(count)
        for connection in chosen:
            self.all.finish(connection, "closed", reset)
        self.wanted -= len(chosen)
        return {"ok": len(chosen) == int(count), "closed": len(chosen), "open": len(self.all.open())}

    def do_gone(self, seconds):
        left = self.until(seconds, self.all.open(), lambda connection: connection.end != "")
        counts = {end: self.all.gone[end] for end in ("ended", "reset", "closed")}
        return {"ok": not left, "open": len(self.all.open()), **counts}

    def do_status(self):
        self.all.turn(0)
        counts = {end: self.all.gone[end] for end in ("ended", "reset", "closed", "refused", "failed")}
        return {"ok": True, "open": len(self.all.open()), **counts, "bytes": self.all.kept}

    def do_quit(self):
        self.all.close()
        return {"ok": True}


def main():
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("server")
    parser.add_argument("count", type=int)
    parser.add_argument("--path", default="/")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--no-request", action="store_true")
    parser.add_argument("--no-head", action="store_true")
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--at-once", type=int, default=256)
    options = parser.parse_args()
    host, _, port = options.server.rpartition(":")
    if not host or not port.isdigit():
        parser.exit(1, f"crowd: {options.server!r} is no HOST:PORT\n")
    options.address = (host, int(port))
    try:
        Crowd(options).run(options.count)
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)


if __name__ == "__main__":
    main()
