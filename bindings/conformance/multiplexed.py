"""An HTTP/2 connection with the calls of a socket, so that the suite's clients need not know which version they speak.

As a proxy would, it makes a stream of each HTTP/1.1 request that is sent, and HTTP/1.1 of the responses, in the order
of the requests; a response without Content-Length becomes chunks, one for each frame. What only HTTP/1 has (its syntax,
a connection that is taken from the server) does not get through. One thread. The frames are the package h2's (PyPI),
which also refuses what a server may not send.
"""

import collections
import errno
import http
import os
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

WINDOW = 1 << 20  # bytes that the demo may send ahead, of each stream and of all
OF_THE_CONNECTION = ("host", "connection", "keep-alive", "upgrade")  # headers that HTTP/2 has not


class Stream:
    """A request and what came of its response, as HTTP/1.1."""

    def __init__(self, number, method):
        self.number = number
        self.method = method
        self.text = bytearray()  # received and not yet taken
        self.chunked = False
        self.ended = False
        self.reset = None  # the error code, where it was
        self.paused = False  # what comes is not acknowledged, so that its window shuts

    def head(self, fields):
        status = int(fields[0][1])
        names = [name for name, _ in fields]
        if status >= 200:
            self.chunked = b"content-length" not in names and self.method != "HEAD" and status not in (204, 304)
        lines = [b"HTTP/1.1 %d %s" % (status, http.HTTPStatus(status).phrase.encode())]
        lines += [b"%s: %s" % field for field in fields[1:]] + [b"transfer-encoding: chunked"] * self.chunked
        self.text += b"\r\n".join(lines) + b"\r\n\r\n"

    def data(self, data):
        self.text += b"%x\r\n%s\r\n" % (len(data), data) if self.chunked and data else data

    def end(self):
        self.text += b"0\r\n\r\n" * self.chunked
        self.ended = True


class Multiplexed:
    """A connected socket's, or that of a TLS connection which has negotiated h2."""

    def __init__(self, sock, scheme):
        self.sock = sock
        self.scheme = scheme
        self.unread = bytearray()  # sent by the client, and not yet a whole head
        self.uploading = None  # the stream that the following bytes belong to, and
        self.missing = 0  # how many
        self.streams = collections.deque()  # whose responses are not taken, in order
        self.goaway = None  # the error code with which the server has said that no further request is served
        self.ended = False  # the server has ended the connection
        self.frames = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self.frames.local_settings = h2.settings.Settings(initial_values={  # what is set later is not sent at first
            h2.settings.SettingCodes.ENABLE_PUSH: 0, h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW})
        self.frames.initiate_connection()
        self.frames.increment_flow_control_window(WINDOW)
        self._push()

    def fileno(self):
        return self.sock.fileno()

    def getsockname(self):
        return self.sock.getsockname()

    def setsockopt(self, level, option, value):
        self.sock.setsockopt(level, option, value)

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def shutdown(self, how):
        self.sock.shutdown(how)

    def close(self):
        self.sock.close()

    def sendall(self, data):
        self.unread += data
        while self.unread and (self._upload() if self.missing else self._request()):
            pass
        self._push()

    def send(self, data):
        self.sendall(data)
        return len(data)

    def recv(self, _):
        """What has come, in the order of the requests; b"" after the end of the connection."""
        while not self.ended:
            while self.streams and not self.streams[0].text:
                if self.streams[0].reset is not None:
                    raise ConnectionResetError(errno.ECONNRESET, f"stream reset with {self.streams[0].reset!r}")
                if not self.streams[0].ended:
                    break
                self.streams.popleft()
            if self.streams and self.streams[0].text:
                break
            self._pull()
        taken = b""
        if self.streams:
            taken, self.streams[0].text = bytes(self.streams[0].text), bytearray()
        return taken

    def until(self, done, seconds):
        """Reads until done(). For those who look at the streams themselves."""
        deadline = time.monotonic() + seconds
        while not done():
            self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
            self._pull()
            if self.ended and not done():
                raise ConnectionResetError(errno.ECONNRESET, "the connection has ended")

    def shrink(self, window):
        """The streams that come have no more than this window, in bytes."""
        self.frames.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self._push()

    def cancel(self, stream):
        """Says that nobody wants the rest of a response."""
        self.frames.reset_stream(stream.number, h2.errors.ErrorCodes.CANCEL)
        self.streams.remove(stream)
        self._push()

    def resume(self, stream):
        """Acknowledges what a paused stream was sent."""
        stream.paused = False
        self.frames.acknowledge_received_data(len(stream.text), stream.number)
        self._push()

    def _request(self):
        """Sends the head of the next request. False: it is not whole."""
        head, end, _ = bytes(self.unread).partition(b"\r\n\r\n")
        if not end:
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        fields = [(":method", method), (":scheme", self.scheme), (":path", path), (":authority", dict(headers)["host"])]
        fields += [(name, value.encode("latin-1")) for name, value in headers if name not in OF_THE_CONNECTION]
        del self.unread[:len(head) + 4]
        self.missing = int(dict(headers).get("content-length", 0))
        self.uploading = Stream(self.frames.get_next_available_stream_id(), method)
        self.frames.send_headers(self.uploading.number, fields, end_stream=self.missing == 0)
        self.streams.append(self.uploading)
        return True

    def _upload(self):
        """Sends what the stream's window permits of its body."""
        part = min(self.missing, len(self.unread), self.frames.max_outbound_frame_size,
                   self.frames.local_flow_control_window(self.uploading.number))
        if part == 0:
            self._push()
            self._pull()
            return not self.ended
        self.missing -= part
        self.frames.send_data(self.uploading.number, bytes(self.unread[:part]), end_stream=self.missing == 0)
        del self.unread[:part]
        return True

    def _push(self):
        self.sock.sendall(self.frames.data_to_send())

    def _pull(self):
        """Waits for frames, and sorts them into the streams."""
        data = self.sock.recv(65536)
        self.ended = not data
        try:
            events = self.frames.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            raise OSError(errno.EPROTO, f"{os.strerror(errno.EPROTO)}: {error}") from None
        of = {stream.number: stream for stream in self.streams}
        for event in events:
            if isinstance(event, (h2.events.ResponseReceived, h2.events.InformationalResponseReceived)):
                of[event.stream_id].head(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                of[event.stream_id].data(event.data)
                if not of[event.stream_id].paused:
                    self.frames.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                of[event.stream_id].end()
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.goaway = event.error_code
            elif isinstance(event, h2.events.StreamReset):
                of[event.stream_id].reset = event.error_code
        try:
            self._push()
        except (BrokenPipeError, ConnectionResetError):  # what came is read first; then reading will tell
            pass
