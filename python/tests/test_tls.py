"""Listeners that speak TLS, with certificates made here, and Python's own client."""

import contextlib
import hashlib
import http.client
import socket as sockets
import ssl
import subprocess
from pathlib import Path
from typing import Any, Iterator, Optional, Tuple

import pytest

import hijack
import hijack.aio
from support import PATIENCE, Client, Serving, in_thread, port_of, wait_until
from test_aio import Run, eventually

MEGA = 1 << 20


def issue(folder: Path, name: str, *arguments: str) -> Tuple[Path, Path]:
    """A certificate with its key, signed by the authority of the folder once there is one."""
    certfile, keyfile = folder / f"{name}.pem", folder / f"{name}.key"
    signer = ["-CA", str(folder / "ca.pem"), "-CAkey", str(folder / "ca.key")] if name != "ca" else []
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", f"/O=us/CN={name}", "-keyout", str(keyfile), "-out", str(certfile)]
    done = subprocess.run([*command, *signer, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return certfile, keyfile


def named(*names: str) -> Tuple[str, str]:
    alternatives = ",".join(["IP:127.0.0.1", *(f"DNS:{name}" for name in names)])
    return "-addext", f"subjectAltName={alternatives}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, server.pem and client.pem with their keys."""
    folder = tmp_path_factory.mktemp("certificates")
    issue(folder, "ca")
    issue(folder, "server", *named("localhost"))
    issue(folder, "client", *named("client"))
    return folder


@pytest.fixture
def server(folder: Path) -> Iterator[hijack.Server]:
    with hijack.Server(threads=1) as server:
        server.listen("127.0.0.1:0", folder / "server.pem", folder / "server.key")
        yield server


def context(folder: Path, client: Optional[str] = None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    if client:
        made.load_cert_chain(str(folder / f"{client}.pem"), str(folder / f"{client}.key"))
    return made


class TLSClient(Client):
    """A client whose calls go through ssl."""

    def __init__(self, port: int, folder: Path, name: str = "localhost", client: Optional[str] = None) -> None:
        super().__init__(port)
        try:
            self.tls = context(folder, client).wrap_socket(self.socket, server_hostname=name)
        except BaseException:
            self.socket.close()
            raise
        self.socket = self.tls


def half_closing(port: int, folder: Path, data: bytes, awaited: bytes) -> bytes:
    """Sends data, reads up to awaited, sends close_notify, and returns what comes then, up to the other one. Over
    buffers: an ssl.SSLSocket ends both directions at once."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context(folder).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with sockets.create_connection(("127.0.0.1", port), PATIENCE) as plain:

        def step(call: Any, *args: Any) -> Any:
            while True:
                try:
                    return call(*args)
                except ssl.SSLWantReadError:
                    plain.sendall(outgoing.read())
                    piece = plain.recv(65536)
                    incoming.write(piece) if piece else incoming.write_eof()
                finally:
                    plain.sendall(outgoing.read())

        step(tls.do_handshake)
        step(tls.write, data)
        got = b""
        while not got.endswith(awaited):
            got += step(tls.read, 65536)
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()
        plain.sendall(outgoing.read())
        rest = b""
        try:
            while piece := step(tls.read, 65536):
                rest += piece
        except ssl.SSLZeroReturnError:  # the other close_notify
            pass
        return rest


def ask(port: int, folder: Path, path: str = "/", body: Optional[bytes] = None, client: Optional[str] = None) -> bytes:
    """One request by the standard library's client."""
    connection = http.client.HTTPSConnection("localhost", port, timeout=PATIENCE, context=context(folder, client))
    try:
        connection.request("POST" if body else "GET", path, body)
        return connection.getresponse().read()
    finally:
        connection.close()


def serial(port: int, folder: Path, name: str = "localhost") -> int:
    client = TLSClient(port, folder, name)
    with client:
        certificate = client.tls.getpeercert()
        assert certificate
        return int(str(certificate["serialNumber"]), 16)


def test_get_and_its_facts(server: hijack.Server, folder: Path) -> None:
    seen = []

    def handler(request: hijack.Request) -> None:
        request.respond(200, "hello")
        seen.append(request)

    with Serving(server, handler) as port:
        assert ask(port, folder) == b"hello"
        wait_until(lambda: seen)
    tls = seen[0].tls
    assert seen[0].scheme == "https" and isinstance(tls, hijack.TLS)
    assert (tls.version, tls.server_name, tls.subject, tls.certificate) == ("TLSv1.3", "localhost", None, None)
    assert tls.cipher.startswith("TLS_")


def test_plain_and_tls_in_one_server(folder: Path) -> None:
    with hijack.Server(threads=1) as server:
        pem = (folder / "server.pem").read_text() + (folder / "server.key").read_text()
        server.certificate(pem)
        secure, plain = server.listen("tls:127.0.0.1:0"), server.listen("127.0.0.1:0")
        server.start(lambda request: request.respond(200, f"{request.scheme} {request.tls is not None}"))
        assert ask(secure, folder) == b"https True"
        with Client(plain) as client:
            assert client.ask().response().body == b"http False"


def test_sse_of_a_request_and_of_a_held_route(server: hijack.Server, folder: Path) -> None:
    def handler(request: hijack.Request) -> None:
        with request.sse() as stream:
            stream.send_event("one", id="7")

    clients = server.broadcaster()
    server.hold("/held", clients)
    with Serving(server, handler) as port:
        with TLSClient(port, folder) as stream, TLSClient(port, folder) as held:
            assert b"id: 7" in stream.ask("/").until(b"data: one\n\n")
            held.ask("/held").until(b"\r\n\r\n")
            wait_until(lambda: len(clients) == 1)
            clients.publish("to all")
            held.until(b"data: to all\n\n")


@pytest.mark.parametrize("option", ["whole", "pieces"])
def test_an_upload(server: hijack.Server, folder: Path, option: str) -> None:
    body = hashlib.sha256(b"seed").digest() * (3 * MEGA // 32)
    server.route_set("/", request_body=option, max_body_bytes="8m")
    with Serving(server, lambda request: request.respond(200, hashlib.sha256(request.read()).hexdigest())) as port:
        assert ask(port, folder, body=body).decode() == hashlib.sha256(body).hexdigest()


def test_an_echo_with_half_close(server: hijack.Server, folder: Path) -> None:
    def handler(request: hijack.Request) -> None:
        with request.hijack() as socket:
            for data in socket:
                socket.send(data)
            socket.send(b"the last word")

    with Serving(server, handler) as port:
        head = b"GET / HTTP/1.1\r\nHost: me\r\n\r\n"
        assert half_closing(port, folder, head + b"left over", b"left over") == b"the last word"


def test_the_servers_half_close(server: hijack.Server, folder: Path) -> None:
    heard = []

    def handler(request: hijack.Request) -> None:
        with request.hijack() as socket:
            socket.send(b"bye")
            socket.shutdown(sockets.SHUT_WR)
            heard.append(socket.recv(100))

    with Serving(server, handler) as port, TLSClient(port, folder) as client:
        assert client.ask().rest() == b"bye"
        client.socket.sendall(b"still here")
        wait_until(lambda: heard)
    assert heard == [b"still here"]


def test_a_detached_connection_is_plain(server: hijack.Server, folder: Path) -> None:
    def handler(request: hijack.Request) -> None:
        connection, _ = request.hijack().detach()
        with connection:
            connection.sendall(f"by hand, {connection.family.name}".encode())

    with Serving(server, handler) as port, TLSClient(port, folder) as client:
        assert client.ask().rest() == b"by hand, AF_UNIX"


def test_asyncio(run: Run, folder: Path) -> None:
    async def handler(request: hijack.aio.Request) -> None:
        assert request.tls is not None
        async with request.hijack() as socket:
            await socket.send(request.tls.version.encode() + await socket.readline())

    async def main() -> None:
        async with hijack.aio.Server(threads=1) as server:
            port = server.listen("127.0.0.1:0", folder / "server.pem", folder / "server.key")
            server.start(handler)

            def client() -> bytes:
                with TLSClient(port, folder) as client:
                    client.ask().socket.sendall(b" echo\n")
                    return client.rest()

            with in_thread(client) as result:
                await eventually(lambda: result)
            assert result == [b"TLSv1.3 echo\n"]

    run(main())


def test_a_reload(server: hijack.Server, folder: Path, tmp_path: Path) -> None:
    for name in ("ca.pem", "ca.key"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    certfile, keyfile = issue(tmp_path, "server", *named("localhost"), "-set_serial", "0x2a")
    with Serving(server, lambda request: request.respond(200, "same connection")) as port:
        with TLSClient(port, folder) as old:
            before = serial(port, folder)
            server.certificate(str(certfile), keyfile.read_bytes())
            assert (before != 42, serial(port, folder)) == (True, 42)
            assert old.ask().response().body == b"same connection"


def test_several_names(server: hijack.Server, folder: Path) -> None:
    first = serial_of_file(folder / "server.pem")
    server.certificate(*issue(folder, "other", *named("other.example", "*.wild.example"), "-set_serial", "9"))
    with Serving(server, lambda request: request.respond(200)) as port:
        found = [serial(port, folder, name) for name in ("localhost", "other.example", "a.wild.example", "127.0.0.1")]
        assert found == [first, 9, 9, first]


def serial_of_file(certfile: Path) -> int:
    command = ["openssl", "x509", "-noout", "-serial", "-in", str(certfile)]
    return int(subprocess.check_output(command, text=True).partition("=")[2], 16)


def test_a_client_certificate(folder: Path) -> None:
    def handler(request: hijack.Request) -> None:
        assert request.tls is not None and request.tls.certificate is not None
        der = ssl.PEM_cert_to_DER_cert(request.tls.certificate)
        request.respond(200, f"{request.tls.subject} {hashlib.sha256(der).hexdigest()}")

    with hijack.Server(threads=1, tls_client_verify="require", tls_client_ca=str(folder / "ca.pem")) as server:
        server.listen("127.0.0.1:0", folder / "server.pem", folder / "server.key")
        der = ssl.PEM_cert_to_DER_cert((folder / "client.pem").read_text())
        with Serving(server, handler) as port:
            assert ask(port, folder, client="client").decode() == f"CN=client,O=us {hashlib.sha256(der).hexdigest()}"
            with pytest.raises(OSError):  # ssl.SSLError is one
                ask(port, folder)


def test_what_cannot_be_used(folder: Path) -> None:
    with hijack.Server(threads=1) as server:
        chain, key, other = folder / "server.pem", folder / "server.key", folder / "client.key"
        with pytest.raises(hijack.TLSError, match=f"certificate {chain} with key {other}: TLS"):
            server.certificate(chain, other)
        with pytest.raises(hijack.TLSError, match="with key PEM text: ") as caught:
            server.listen("127.0.0.1:0", chain, other.read_text())
        assert "PRIVATE" not in str(caught.value)
        with pytest.raises(FileNotFoundError, match="certificate /nowhere/chain.pem with key "):
            server.certificate("/nowhere/chain.pem", key)
        with pytest.raises(hijack.TLSError, match="OCSP"):
            server.certificate(chain, key, staple=b"\x30\x82\x00")
        with pytest.raises(hijack.InvalidError, match="certfile"):
            server.listen("127.0.0.1:0", keyfile=key)
        assert server.addresses == []
        server.listen("tls:127.0.0.1:0")
        with pytest.raises(hijack.TLSError, match="start"):
            server.start()
    with pytest.raises(hijack.OutOfRangeError):
        hijack.Server(tls_min_version="1.1")


@contextlib.contextmanager
def echoing(folder: Path, version: ssl.TLSVersion, certificate: str = "server") -> Iterator[int]:
    """The port of a server by Python's ssl module, which sends back what its one client sends, until that ends."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = made.maximum_version = version
    made.load_cert_chain(str(folder / f"{certificate}.pem"), str(folder / f"{certificate}.key"))

    def serve() -> None:
        with listener.accept()[0] as plain:
            plain.settimeout(PATIENCE)
            try:
                with made.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False) as peer:
                    while data := peer.recv(65536):
                        peer.sendall(data)
            except ssl.SSLError:
                pass  # it is not trusted

    with sockets.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        with in_thread(serve) as result:
            yield listener.getsockname()[1]
        assert result == [None], result


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_connecting(folder: Path, version: ssl.TLSVersion) -> None:
    with hijack.Server(threads=1, connect_ca=str(folder / "ca.pem")) as server:
        server.start()
        for host in ("localhost", "127.0.0.1"):
            with echoing(folder, version) as port, server.connect(f"tls:{host}:{port}", PATIENCE) as made:
                made.send(b"x" * MEGA)
                got = b""
                while len(got) < MEGA:
                    got += made.recv(timeout=PATIENCE)
                assert got == b"x" * MEGA and made.getpeername() == ("127.0.0.1", port)
        wait_until(lambda: server.stats()["connections"] == 0)


def test_connecting_to_a_stranger(folder: Path, run: Run) -> None:
    issue(folder, "named", *named("other.example"))
    ca = str(folder / "ca.pem")
    with hijack.Server(threads=1, connect_ca=ca) as server:
        server.start()
        with echoing(folder, ssl.TLSVersion.TLSv1_3, "named") as port:
            with pytest.raises(hijack.TLSError) as caught:
                server.connect(f"tls:localhost:{port}", PATIENCE)
        assert isinstance(caught.value, ConnectionError)
        said = "certificate verify failed: hostname mismatch"
        assert str(caught.value) == f"connect tls:localhost:{port}: {said}"

    async def main() -> None:
        async with hijack.aio.Server(threads=1, connect_ca=ca) as server:
            server.start()
            with echoing(folder, ssl.TLSVersion.TLSv1_3, "named") as port:
                with pytest.raises(hijack.TLSError, match=said):
                    await server.connect(f"tls:localhost:{port}")

    run(main())


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_connecting_to_openssl(folder: Path, version: str) -> None:
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-rev", version]
    command += ["-cert", str(folder / "server.pem"), "-key", str(folder / "server.key")]
    with hijack.Server(threads=1, connect_ca=str(folder / "ca.pem")) as server:
        server.start()
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                line = next(line for line in process.stdout if line.startswith("ACCEPT "))
                with server.connect(f"tls:localhost:{line.strip().rpartition(':')[2]}", PATIENCE) as made:
                    made.send(b"hello\n")
                    assert made.makefile("r").readline() == "olleh\n"
            finally:
                process.kill()
