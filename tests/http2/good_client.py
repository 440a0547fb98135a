"""A client as it should be, on an HTTP/2 connection of its own: for tests and benchmarks that look at what others
notice of an attack. It runs on a thread of its own, and its caller reads what it has measured."""

import socket
import threading
import time

import attacks


class GoodClient:
    """Asks for / again and again, and measures how long each answer takes."""

    def __init__(self, port: int, pause: float):
        self.socket = attacks.secured(socket.create_connection(("127.0.0.1", port)))
        self.socket.settimeout(attacks.LIMIT_SECONDS)
        self.socket.sendall(attacks.PREFACE + attacks.frame(attacks.SETTINGS))
        self.reader = self.socket.makefile("rb")
        self.next_stream, self.pause = 1, pause
        self.seconds: list[float] = []
        self.problem = ""
        self.stopping = False
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def get(self, path: str) -> bytes:
        """The body that the server answers with."""
        with self.lock:
            stream, self.next_stream = self.next_stream, self.next_stream + 2
            self.socket.sendall(attacks.get(stream, path))
            body = b""
            while True:
                start = self.reader.read(9)
                if len(start) != 9:
                    raise OSError("the good client's connection has ended")
                payload = self.reader.read(int.from_bytes(start[:3], "big"))
                kind, flags, of = start[3], start[4], int.from_bytes(start[5:], "big")
                if kind in (attacks.GOAWAY, attacks.RST_STREAM):
                    raise OSError(f"the good client was refused: frame {kind}")
                if kind == attacks.DATA and of == stream:
                    body += payload
                if flags & attacks.END_STREAM and of == stream:
                    return body

    def _run(self):
        try:
            while not self.stopping:
                begin = time.perf_counter()
                if self.get("/") != b"hello\n":
                    raise OSError("not the answer")
                self.seconds.append(time.perf_counter() - begin)
                time.sleep(self.pause)
        except OSError as error:
            self.problem = str(error) or repr(error)

    def stop(self):
        self.stopping = True
        self.thread.join(attacks.LIMIT_SECONDS)
        self.socket.close()

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else float("inf")
