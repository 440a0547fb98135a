"""Stands between kosoku, which speaks neither TLS nor looks at all that a server sends, and the server under test: one
connection of the server for each of kosoku's. Bytes pass on as they come; what is wrong in those of the server is kept
under the name of the case, which kosoku sends in the query (/echo?case=7.1.5)."""

import asyncio
import re
import socket
import ssl
import threading
from typing import Dict, List, Optional

from frames import Frames, Wrong, check_answer, fields_of, is_close, request

CLOSE_SECONDS = 5  # for the server to end a connection that is closed
PIECE = 1 << 18


class Plain:
    """A connection; read() returns nothing at its end and raises ConnectionResetError if that is not an orderly one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def read(self) -> bytes:
        return await self.reader.read(PIECE)

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def finish(self) -> None:
        """Nothing more will be written."""
        self.writer.write_eof()

    def close(self) -> None:
        self.writer.transport.abort()


class Encrypted(Plain):
    """The same by TLS, where an end without close_notify is not orderly. asyncio's own TLS does not report that."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
        super().__init__(reader, writer)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1")

    async def flush(self) -> None:
        await super().write(self.outgoing.read())

    async def more(self) -> None:
        data = await super().read()
        if not data:
            raise ConnectionResetError("without close_notify")
        self.incoming.write(data)

    async def handshake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
                return await self.flush()
            except ssl.SSLWantReadError:
                await self.flush()
                await self.more()

    async def read(self) -> bytes:
        while True:
            try:
                data = self.tls.read(PIECE)
                if self.outgoing.pending:
                    await self.flush()
                return data
            except ssl.SSLWantReadError:
                await self.more()
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError as error:
                raise ConnectionResetError(str(error)) from None

    async def write(self, data: bytes) -> None:
        if data:
            self.tls.write(data)
            await self.flush()

    async def finish(self) -> None:
        try:
            self.tls.unwrap()
        except ssl.SSLError:  # the server's close_notify is still to come
            pass
        await self.flush()
        await super().finish()


async def read_head(end: Plain) -> "tuple[bytes, bytes]":
    """The head of a request or an answer, and what follows it."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = await end.read()
        if not piece or len(data) > 1 << 16:
            raise Wrong(f"the connection ends in the middle of the handshake, after {data[:200]!r}")
        data += piece
    head, mark, rest = data.partition(b"\r\n\r\n")
    return head + mark, rest


class Connection:
    """kosoku's connection and the server's."""

    def __init__(self, relay: "Relay", client: Plain) -> None:
        self.relay, self.client = relay, client
        self.case = "?"
        self.tail = b""  # of what the client has sent
        self.left = False  # whether the client has
        self.frames: Optional[Frames] = None

    def wrong(self, what: str) -> None:
        self.relay.wrong.setdefault(self.case, []).append(what)

    async def run(self) -> None:
        server = None
        try:
            head, rest = await read_head(self.client)
            found = re.match(rb"GET [^ ?]*(\?case=([\d.]+)) ", head)
            if found:
                self.case = found[2].decode()
                head = head.replace(found[1], b"", 1)
            server = await self.relay.connect()
            await asyncio.wait_for(self.talk(server, head, rest), self.relay.case_seconds)
        except Wrong as wrong:
            self.wrong(str(wrong))
        except asyncio.TimeoutError:
            self.wrong(f"the case is not over after {self.relay.case_seconds} s")
        except OSError as error:
            self.wrong(f"connection of the server: {error}")
        finally:
            self.client.close()
            if server:
                server.close()

    async def talk(self, server: Plain, head: bytes, rest: bytes) -> None:
        head, accept = request(head, self.relay.port)
        await server.write(head + rest)
        answer, rest = await read_head(server)
        offers = ", ".join(fields_of(head).get("sec-websocket-extensions", []))
        try:
            self.frames = Frames(check_answer(answer, accept, offers))
        except Wrong as wrong:
            self.wrong(str(wrong))
        up = asyncio.ensure_future(self.pass_up(server))
        try:
            await self.pass_on(answer)
            await self.pass_down(server, rest)
        finally:
            up.cancel()
            await asyncio.wait([up])

    async def pass_on(self, data: bytes) -> None:
        """To the client, unless it has left."""
        try:
            if not self.left:
                await self.client.write(data)
        except OSError:
            self.left = True

    async def pass_up(self, server: Plain) -> None:
        """What the client sends, and its end. After its Close frame, the server is the first to end the connection."""
        try:
            while True:
                data = await self.read_client()
                if not data:
                    break
                self.tail = (self.tail + data)[-131:] if len(data) < 131 else data[-131:]
                await server.write(data)
            self.left = True
            if not is_close(self.tail):
                await server.finish()
        except OSError:  # what becomes of the server's end shows in pass_down
            return
        await asyncio.sleep(CLOSE_SECONDS)
        self.wrong(f"the server does not end the connection within {CLOSE_SECONDS} s after the client's "
                   f"{'Close frame' if is_close(self.tail) else 'end'}")
        server.close()

    async def read_client(self) -> bytes:
        try:
            return await self.client.read()
        except OSError:
            return b""

    async def pass_down(self, server: Plain, data: bytes) -> None:
        """What the server sends, and its end."""
        reset = ""
        while True:
            if data:
                self.look_at(data)
                await self.pass_on(data)
            try:
                data = await server.read()
            except OSError as error:
                reset = str(error)
                break
            if not data:
                break
        if reset and is_close(self.tail):  # nothing came that the server could not read
            self.wrong(f"the server breaks the connection off after the Close frames: {reset}")
        elif reset:
            self.relay.notes["a reset"] += 1
        if self.frames and not self.frames.closed and not self.frames.broken:
            self.relay.notes["no Close frame"] += 1

    def look_at(self, data: bytes) -> None:
        if self.frames and not self.frames.broken:
            try:
                self.frames.feed(data)
            except Wrong as wrong:
                self.frames.broken = True
                self.wrong(str(wrong))


class Relay:
    """On a thread of its own, between start() and stop()."""

    def __init__(self, port: int, context: Optional[ssl.SSLContext], case_seconds: float) -> None:
        self.port, self.context, self.case_seconds = port, context, case_seconds
        self.wrong: Dict[str, List[str]] = {}
        self.notes = {"a reset": 0, "no Close frame": 0}  # how many connections ended so; both are allowed
        self.tasks: "set[asyncio.Task]" = set()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)

    async def connect(self) -> Plain:
        streams = await asyncio.open_connection("127.0.0.1", self.port, limit=PIECE)
        if self.context is None:
            return Plain(*streams)
        end = Encrypted(*streams, self.context)
        try:
            await end.handshake()
            return end
        except BaseException:
            end.close()
            raise

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self.tasks.add(task)
        try:
            await Connection(self, Plain(reader, writer)).run()
        finally:
            self.tasks.discard(task)

    async def _listen(self) -> int:
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0, limit=PIECE)
        return self.server.sockets[0].getsockname()[1]

    async def _end(self, seconds: float) -> None:
        self.server.close()
        if self.tasks:
            _, late = await asyncio.wait(self.tasks, timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def start(self) -> int:
        """The port for kosoku."""
        self.thread.start()
        return asyncio.run_coroutine_threadsafe(self._listen(), self.loop).result()

    def stop(self) -> None:
        """Connections that are closing have the time for it, then none is left."""
        asyncio.run_coroutine_threadsafe(self._end(2 * CLOSE_SECONDS), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
