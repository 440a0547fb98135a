"""HTTP/2 over TLS, by ALPN, and in clear with prior knowledge: curl, nghttp, h2load, Go's net/http, Python's httpx."""

import asyncio
import json
import pathlib
import shutil
import signal
import ssl
import subprocess
import time
from typing import List, Optional

from cases_clients import BEEP, BIG, UPLOAD, UPLOADED, VERSIONS, checksum
from harness import DEADLINE, GET, LONG, Server, Skipped, Surroundings, ask, case, expect, read_until, run, same

CURL = {"1.2": ["--tlsv1.2", "--tls-max", "1.2"], "1.3": ["--tlsv1.3"]}
LOAD = 2000  # requests of h2load


def needs(program: str) -> None:
    if shutil.which(program) is None:
        raise Skipped(f"{program} is not here")


def output(arguments: List[str], data: bytes = b"") -> bytes:
    done = run(arguments, data)
    same(done.returncode, 0, f"the exit code of {' '.join(arguments)} ({done.stderr.decode(errors='replace')[-300:]})")
    return done.stdout


def http2(version: Optional[ssl.TLSVersion], s: Surroundings, client: Optional[str] = None) -> ssl.SSLContext:
    context = s.context(version, client)
    context.set_alpn_protocols(["h2"])
    return context



@case
def http2_curl(s: Surroundings) -> None:
    """GETs side by side on one connection, an upload, a MiB, the facts and some events."""
    needs("curl")
    with s.server("plain=on") as server:
        plain = int(server.line("plain ")[6:])
        secure = ["--http2", "--cacert", s.path("authority", "pem"), "--resolve", f"localhost:{server.port}:127.0.0.1"]
        for title, url, options in (
                ("1.2", f"https://localhost:{server.port}/", secure + CURL["1.2"]),
                ("1.3", f"https://localhost:{server.port}/", secure + CURL["1.3"]),
                ("h2c", f"http://127.0.0.1:{plain}/", ["--http2-prior-knowledge"])):
            curl = ["curl", "-sS", "--max-time", "20", *options]
            if title == "h2c":  # curl 7.88 cannot use such a connection twice, whoever serves it
                same(output([*curl, "-w", "%{http_version}\n", url]), b"hello\n2\n", "h2c: a GET")
            else:
                shown = output([*curl, "-w", "%{http_version} %{num_connects}\n", url, url])
                same(shown, b"hello\n2 1\nhello\n2 0\n", f"{title}: two GETs")
                many = output([*curl, "--parallel", "--parallel-max", "20", *[url] * 20])
                same(many, b"hello\n" * 20, f"{title}: twenty GETs side by side")
            expect(output([*curl, url + "big"]) == BIG, f"{title}: a MiB is not what was sent")
            same(output([*curl, "--data-binary", "@-", url + "upload"], UPLOAD), UPLOADED, f"{title}: the upload")
            facts = output([*curl, url + "facts"]).decode()
            scheme = "http" if title == "h2c" else "https"
            expect(f"scheme={scheme}\n" in facts, f"{title}: the facts are {facts}")
            expect(title == "h2c" or f"tls_version=TLSv{title}" in facts, f"{title}: the facts are {facts}")
            events = subprocess.Popen([*curl, "-N", url + "sse"], stdout=subprocess.PIPE, bufsize=0)
            got = b""
            while got.count(BEEP) < 3:
                piece = events.stdout.read(4096)
                expect(piece, f"{title}: curl has ended after {got!r}")
                got += piece
            events.kill()
            events.communicate()


@case
def http2_nghttp(s: Surroundings) -> None:
    """Several streams at once, an upload and events, as nghttp shows the frames."""
    needs("nghttp")
    body = s.path("body", "bin")
    pathlib.Path(body).write_bytes(UPLOAD)
    with s.server("plain=on") as server:
        plain = int(server.line("plain ")[6:])
        for url in (f"https://127.0.0.1:{server.port}", f"http://127.0.0.1:{plain}"):
            shown = output(["nghttp", "-nvy", "-m", "30", url + "/"]).decode()
            same(shown.count("recv HEADERS frame"), 30, f"{url}: the answers to nghttp")
            expect("GOAWAY" not in shown.split("send GOAWAY")[0], f"{url}: {shown[-500:]}")
            same(output(["nghttp", "-y", "-d", body, url + "/upload"]), UPLOADED, f"{url}: the upload")
            events = subprocess.Popen(["nghttp", "-v", "-y", url + "/sse"], stdout=subprocess.PIPE, bufsize=0)
            got = b""
            while got.count(b"recv DATA frame") < 3:
                piece = events.stdout.read(4096)
                expect(piece, f"{url}: nghttp has ended after {got[-300:]!r}")
                got += piece
            events.kill()
            events.communicate()


@case
def http2_h2load(s: Surroundings) -> None:
    needs("h2load")
    with s.server("plain=on") as server:
        plain = int(server.line("plain ")[6:])
        for url in (f"https://127.0.0.1:{server.port}/", f"http://127.0.0.1:{plain}/"):
            shown = output(["h2load", "-n", str(LOAD), "-c", "20", "-m", "50", url]).decode()
            expect(f"{LOAD} succeeded, 0 failed, 0 errored, 0 timeout" in shown, f"{url}: {shown[-800:]}")
            shown = output(["h2load", "-n", "100", "-c", "10", "-m", "5", url + "big"]).decode()
            expect("100 succeeded, 0 failed" in shown, f"{url}: {shown[-800:]}")


@case
def http2_go_client(s: Surroundings) -> None:
    if s.go_client is None:
        raise Skipped("go is not here")
    body = b"0123456789" * 100000
    with s.server() as server:
        for version in VERSIONS:
            done = run([s.go_client, f"127.0.0.1:{server.port}", s.path("authority", "pem"), version, "h2"])
            same(done.returncode, 0, f"TLS {version}: Go's client ({done.stderr.decode().strip()})")
            same(json.loads(done.stdout),
                 {"get": "hello\n", "beeps": 3, "upload": f"{len(body)} {checksum(body)}\n",
                  "big": {str(len(BIG)): 20}, "more beeps": 6}, f"TLS {version}: what Go's client saw")


@case
def http2_httpx(s: Surroundings) -> None:
    """Tasks share one connection; events come meanwhile. Threads cannot: httpcore numbers a stream before it takes the
    lock for its head, so that 19 may be sent before 17, which ends the connection (RFC 9113, 5.1.1)."""
    with s.server() as server:
        for title, version in VERSIONS.items():
            asyncio.run(shared_by_tasks(title, f"https://localhost:{server.port}", http2(version, s)))


async def shared_by_tasks(title: str, url: str, verify: ssl.SSLContext) -> None:
    import httpx

    async with httpx.AsyncClient(http2=True, http1=False, verify=verify, timeout=DEADLINE, base_url=url) as client:
        answer = await client.get("/")
        same((answer.http_version, answer.content), ("HTTP/2", b"hello\n"), f"TLS {title}: the answer")
        async with client.stream("GET", "/sse") as events:
            lines = events.aiter_lines()
            beeps = 0
            while beeps < 3:
                beeps += await lines.__anext__() == "data: beep"
            bodies = await asyncio.gather(*(client.get("/big") for _ in range(8)))
            same([body.content == BIG for body in bodies], [True] * 8, f"TLS {title}: eight bodies of a MiB")
            answer = await client.post("/upload", content=UPLOAD)
            same(answer.content, UPLOADED, f"TLS {title}: the upload")
            while beeps < 6:
                beeps += await lines.__anext__() == "data: beep"


@case
def http2_client_certificates(s: Surroundings) -> None:
    import httpx

    with s.server(f"tls_client_ca={s.path('authority', 'pem')}", "tls_client_verify=require") as server:
        url = f"https://localhost:{server.port}/facts"
        for title, version in VERSIONS.items():
            with httpx.Client(http2=True, http1=False, verify=http2(version, s, "client")) as client:
                facts = client.get(url).text
                expect("tls_subject=CN=alice," in facts and "protocol=HTTP/2\n" in facts,
                       f"TLS {title}: the facts are {facts}")
                expect(f"tls_certificate={pathlib.Path(s.path('client', 'pem')).read_text()[:200]}" in facts,
                       f"TLS {title}: the certificate is not there: {facts}")
                expect(f"tls_version=TLSv{title}\n" in facts and "tls_server_name=localhost\n" in facts,
                       f"TLS {title}: the facts are {facts}")
            for other in ("stranger", None):
                try:
                    with httpx.Client(http2=True, http1=False, verify=http2(version, s, other)) as client:
                        client.get(url)
                except httpx.HTTPError:
                    continue
                expect(False, f"TLS {title}: a client with the certificate {other} is served")


@case
def http2_handshake_timeout(s: Surroundings) -> None:
    """A client that offers h2 and then is silent loses its connection; one with half a ClientHello too."""
    with s.server("tls_handshake_timeout_ms=300", "head_timeout_ms=20000") as server:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = http2(None, s).wrap_bio(incoming, outgoing, server_hostname="localhost")
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            hello = outgoing.read()
        for sent in (hello, hello[:100]):
            begin = time.monotonic()
            with server.connect() as connection:
                connection.sendall(sent)
                while connection.recv(65536):
                    pass
                seconds = time.monotonic() - begin
            expect(0.25 < seconds < 3, f"the connection of a silent client ends after {seconds:.2f} s, not 0.3")


@case
def http2_reloads_under_load(s: Surroundings) -> None:
    """Connections come and go while certificates do: no request fails."""
    needs("h2load")
    rounds = 50 if LONG else 5
    with s.server() as server:
        reloads = 0
        for _ in range(rounds):
            load = subprocess.Popen(["h2load", "-n", "600", "-c", "60", "-m", "5", f"https://127.0.0.1:{server.port}/"],
                                    stdout=subprocess.PIPE, text=True)
            while load.poll() is None:
                name = ("renewed", "ec", "rsa")[reloads % 3]
                same(server.command(f"certificate {s.path(name, 'pem')} {s.path(name, 'key')}"), "0", "the answer")
                reloads += 1
            shown = load.communicate(timeout=DEADLINE)[0]
            expect("600 succeeded, 0 failed, 0 errored, 0 timeout" in shown, f"{reloads} reloads: {shown[-800:]}")
        expect(reloads >= rounds, f"there were {reloads} reloads")


class HalfDone:
    """A handshake of which the client's last flight is kept back."""

    def __init__(self, context: ssl.SSLContext, server: Server) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.socket = server.connect()
        self._step()
        self.socket.sendall(self.outgoing.read())

    def _step(self) -> bool:
        try:
            self.tls.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False

    def receive(self) -> None:
        """The server's flight; by TLS 1.2 the client's half of it is the last one too."""
        while self.outgoing.pending == 0 and not self._step():
            if self.outgoing.pending == 0:
                piece = self.socket.recv(65536)
                expect(piece, "the connection ends in its handshake")
                self.incoming.write(piece)
        self.rest = self.outgoing.read()


@case
def http2_handshakes_at_once(s: Surroundings) -> None:
    """The last flights of a crowd come all at once. A client that is connected has its answer before all of them are
    read: a turn of the loop has only a few."""
    crowd = 300
    with s.server(f"tls_client_ca={s.path('authority', 'pem')}", "tls_client_verify=require", "threads=1",
                  "max_connections=1000") as server:
        for version in VERSIONS.values():
            context = http2(version, s, "client")
            good = s.connect(server, s.context(client="client"))
            ask(good)
            clients = [HalfDone(context, server) for _ in range(crowd)]
            for client in clients:
                client.receive()
            before = int(server.command("handshakes"))
            server.process.send_signal(signal.SIGSTOP)
            for client in clients:
                client.socket.sendall(client.rest)
            good.sendall(GET % b"/")
            server.process.send_signal(signal.SIGCONT)
            read_until(good.recv, b"hello\n")
            done = int(server.command("handshakes")) - before
            expect(done < crowd, f"{version.name}: the answer comes after all {done} handshakes")
            end = time.monotonic() + DEADLINE
            while int(server.command("handshakes")) < before + crowd:
                expect(time.monotonic() < end, f"{version.name}: not all of {crowd} handshakes come to their end")
                time.sleep(0.01)
            for client in clients:
                client.socket.close()
            good.close()
