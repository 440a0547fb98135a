"""Clients that do not read what the server sends, while something is asked of it."""

import socket

from harness import GET, Surroundings, case, expect, same
from records import DATA, Records

BIG = 1 << 20


def take(client: Records, length: int) -> None:
    """That many bytes of data, and the KeyUpdates between them."""
    while length > 0:
        record = client.next()
        expect(record is not None, f"the connection ends {length} bytes too early")
        if record.type == DATA:
            length -= len(record.data)
        else:
            client._handshake(record.data)


@case
def key_update_requested_behind_a_record_in_parts(s: Surroundings) -> None:
    """The kernel has taken a part of a record when the request comes: the answer comes before the data after it."""
    answered = 0
    for room in (20000, 65536):
        with s.server(f"send_buffer_bytes={room}") as server:
            client = Records(server)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.send(GET % b"/big")
            client.until(b"\r\n\r\n")
            client.update_keys(requested=True)
            take(client, BIG - len(client.text))
            client.text = b""
            answered += len(client.updates)
            client.send(GET % b"/")
            client.until(b"hello\n")
            same(client.updates, [0], f"the server's KeyUpdates with a send buffer of {room} bytes")
    expect(answered != 0, "no KeyUpdate came before the end of the data")
