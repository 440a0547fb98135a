"""A client by Python's websockets; see ../interop.py.
Usage: python_websockets.py URL plain|deflate|declined [ca.pem]"""

import asyncio
import ssl
import sys

from websockets.asyncio.client import connect

TEXTS = ["", "Grüße, 世界 🌍", "€" * 50000]
SIZES = [0, 1, 125, 126, 65535, 65536, 1 << 20]
SECONDS = 10


class Talk:
    """What is tried, one after the other; doing is what goes on, for the report of a failure."""

    doing = "the handshake"

    async def run(self, url: str, mode: str, context: "ssl.SSLContext | None") -> None:
        compression = None if mode == "plain" else "deflate"
        async with connect(url, compression=compression, ssl=context, max_size=None) as connection:
            agreed = connection.response.headers.get("Sec-WebSocket-Extensions") or ""
            self.same("compression is agreed", agreed.startswith("permessage-deflate"), mode == "deflate")
            for message in [*TEXTS, *(bytes(i * i % 251 for i in range(size)) for size in SIZES)]:
                self.doing = f"echo of {len(message)} of {type(message).__name__}"
                await connection.send(message)
                self.same(self.doing, await connection.recv(), message)
            self.doing = "echo of fragments"
            await connection.send(["Frag", "", "ments: ", "世界"])
            self.same("echo of a text in fragments", await connection.recv(), "Fragments: 世界")
            await connection.send([b"\0\1", b"\xff" * 70000, b""])
            self.same("echo of bytes in fragments", await connection.recv(), b"\0\1" + b"\xff" * 70000)
            for payload in (b"", b"ping", b"\x80" * 125):
                self.doing = f"pong to {len(payload)} bytes"
                await (await connection.ping(payload))
            self.doing = "closing"
            await connection.close(4001, "bye")
            closed = connection.protocol.close_rcvd
            self.same("the Close that came", closed and (closed.code, closed.reason), (4001, "bye"))

    def same(self, what: str, got: object, expected: object) -> None:
        self.doing = what
        if got != expected:
            raise ValueError(f"{got!r:.200}, expected {expected!r:.200}")


def main() -> None:
    url, mode, *authority = sys.argv[1:]
    context = ssl.create_default_context(cafile=authority[0]) if authority else None
    talk = Talk()
    try:
        asyncio.run(asyncio.wait_for(talk.run(url, mode, context), SECONDS))
    except (asyncio.TimeoutError, TimeoutError):
        sys.exit(f"{talk.doing}: not over after {SECONDS} s")
    except Exception as error:
        sys.exit(f"{talk.doing}: {error}")


main()
