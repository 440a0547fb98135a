"""What the server is told: certificates by name, reload, client certificates, tickets, the keylog file, errors."""

import os
import pathlib
import socket
import ssl
import subprocess
import threading
from typing import List, Optional

from harness import (DEADLINE, GET, LONG, Server, Surroundings, ask, case, expect, facts, read_until, same)

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def served(s: Surroundings, server: Server, name: Optional[str], version: ssl.TLSVersion = TLS13) -> bytes:
    """The certificate (DER) that a client with this name gets."""
    context = s.context(version)
    context.check_hostname = False
    connection = s.connect(server, context, name=name)
    try:
        return connection.getpeercert(binary_form=True)
    finally:
        connection.close()


def stored(s: Surroundings, name: str) -> bytes:
    text = pathlib.Path(s.path(name, "pem")).read_text()
    return ssl.PEM_cert_to_DER_cert(text[:text.index("-----END CERTIFICATE-----") + 26])


@case
def certificate_by_name(s: Surroundings) -> None:
    with s.server(certificates="ec other") as server:
        for version in (TLS12, TLS13):
            for name, wanted in (("localhost", "ec"), ("example.test", "ec"), ("other.test", "other"),
                                 ("OTHER.test", "other"), ("a.wild.test", "other"), ("unknown.test", "ec"),
                                 ("wild.test", "ec"), ("a.b.wild.test", "ec"), (None, "ec")):
                expect(served(s, server, name, version) == stored(s, wanted), f"{name} does not get {wanted}")
            connection = s.connect(server, s.context(version), name="other.test")
            same(facts(connection)["tls_server_name"], "other.test", "the fact")
            connection.close()


@case
def certificate_by_name_and_resumption(s: Surroundings) -> None:
    """A ticket of one name is good for that name; whatever is done with another name, the facts are right."""
    with s.server(certificates="ec other") as server:
        for version in (TLS12, TLS13):
            context = s.context(version)
            first = s.connect(server, context, name="other.test")
            ask(first)
            session = first.session
            first.close()
            second = s.connect(server, context, name="other.test", session=session)
            expect(second.session_reused, "the session is not resumed")
            same(facts(second)["tls_server_name"], "other.test", "the name of the resumed one")
            second.close()


@case
def reload(s: Surroundings) -> None:
    """New handshakes get the new certificate; a connection that is there goes on."""
    with s.server() as server:
        old = s.connect(server)
        same(ask(old), b"hello\n", "the body")
        member = s.connect(server)
        member.sendall(GET % b"/sse")
        read_until(member.recv, b"data: beep\n\n")
        same(server.command(f"certificate {s.path('renewed', 'pem')} {s.path('renewed', 'key')}"), "0", "the answer")
        for version in (TLS12, TLS13):
            expect(served(s, server, "localhost", version) == stored(s, "renewed"), "the old certificate is served")
        same(ask(old), b"hello\n", "the body on the old connection")
        read_until(member.recv, b"data: beep\n\n")
        old.close()
        member.close()


@case
def reload_adds_names(s: Surroundings) -> None:
    with s.server() as server:
        expect(served(s, server, "other.test") == stored(s, "ec"), "there is another certificate")
        same(server.command(f"certificate {s.path('other', 'pem')} {s.path('other', 'key')}"), "0", "the answer")
        expect(served(s, server, "other.test") == stored(s, "other"), "the added certificate is not served")
        expect(served(s, server, "localhost") == stored(s, "ec"), "the first certificate is not served")
        expect(served(s, server, None) == stored(s, "ec"), "the first certificate is not the one without a name")


@case
def reload_of_what_is_no_certificate(s: Surroundings) -> None:
    """It is refused, and the old one stays."""
    nothing = s.path("nothing", "txt")
    pathlib.Path(nothing).write_text("nothing of this is PEM\n")
    with s.server() as server:
        for chain, key, wanted in ((s.path("ec", "pem"), s.path("rsa", "key"), "HIJACK_ETLS"),
                                   (nothing, s.path("ec", "key"), "HIJACK_ETLS"),
                                   (s.path("ec", "pem"), nothing, "HIJACK_ETLS"),
                                   (s.path("missing", "pem"), s.path("ec", "key"), "HIJACK_ENOENT"),
                                   (s.path("ec", "pem"), s.path("missing", "key"), "HIJACK_ENOENT")):
            same(server.command(f"certificate {chain} {key}"), wanted, f"the answer to {chain} {key}")
        expect(served(s, server, "localhost") == stored(s, "ec"), "the certificate has changed")


def resident(server: Server) -> int:
    text = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])


@case
def reloads_under_load(s: Surroundings) -> None:
    """Handshake after handshake, some resumed, while certificates come and go: none fails, and memory stays."""
    rounds = 1000 if LONG else 150
    failures: List[str] = []
    done = threading.Event()
    counts = [0, 0, 0]

    def client(index: int) -> None:
        context = s.context(TLS12 if index == 0 else TLS13)
        session = None
        while not done.is_set():
            try:
                connection = s.connect(server, context, session=session)
                body = ask(connection)
                session = connection.session if counts[index] % 3 else None
                connection.close()
                counts[index] += 1
                if body != b"hello\n":
                    failures.append(f"the body is {body!r}")
            except Exception as error:  # all of them are the test's result
                failures.append(f"{type(error).__name__}: {error}")

    with s.server() as server:
        threads = [threading.Thread(target=client, args=(i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        early = 0
        for i in range(rounds):
            name = ("renewed", "ec", "rsa")[i % 3]
            same(server.command(f"certificate {s.path(name, 'pem')} {s.path(name, 'key')}"), "0", "the answer")
            target = sum(counts) + 1
            while sum(counts) < target and not failures:
                done.wait(0.001)
            if i == rounds // 3:
                early = resident(server)
        late = resident(server)
        done.set()
        for thread in threads:
            thread.join()
        same(failures[:3], [], f"what failed of {sum(counts)} handshakes")
        expect(min(counts) > 0, f"the clients have come {counts} times")
        if b"__asan" not in pathlib.Path(s.program).read_bytes():  # a sanitizer keeps what is freed for a while
            expect(late < early + 1500, f"memory grows from {early} to {late} KiB in {rounds * 2 // 3} reloads")


def subject_of(s: Surroundings, server: Server, client: Optional[str], version: ssl.TLSVersion) -> Optional[str]:
    connection = s.connect(server, s.context(version, client=client))
    try:
        found = facts(connection)
        if client is not None and "tls_subject" in found:
            same(ssl.PEM_cert_to_DER_cert(found["tls_certificate"].strip()), stored(s, client), "tls_certificate")
        return found.get("tls_subject")
    finally:
        connection.close()


def refused(s: Surroundings, server: Server, client: Optional[str], version: ssl.TLSVersion) -> bool:
    try:
        subject_of(s, server, client, version)
    except (ssl.SSLError, ConnectionResetError, BrokenPipeError):
        return True
    return False


@case
def client_certificates(s: Surroundings) -> None:
    trusted = f"tls_client_ca={s.path('authority', 'pem')}"
    with s.server(trusted, "tls_client_verify=none") as server:
        for version in (TLS12, TLS13):
            same(subject_of(s, server, None, version), None, "none: the subject of a client without certificate")
            same(subject_of(s, server, "client", version), None, "none: the subject of a client that nobody asks")
    for verify in ("request", "require"):
        with s.server(trusted, f"tls_client_verify={verify}") as server:
            for version in (TLS12, TLS13):
                subject = subject_of(s, server, "client", version)
                expect(subject is not None and "CN=alice" in subject, f"{verify}: the subject is {subject!r}")
                expect(refused(s, server, "stranger", version), f"{verify}: a stranger's certificate is accepted")
                if verify == "request":
                    same(subject_of(s, server, None, version), None, "request: the subject of a client without one")
                else:
                    expect(refused(s, server, None, version), "require: a client without a certificate is accepted")


@case
def client_certificate_and_resumption(s: Surroundings) -> None:
    """A resumed connection has the subject of the first one."""
    with s.server(f"tls_client_ca={s.path('authority', 'pem')}", "tls_client_verify=require") as server:
        for version in (TLS12, TLS13):
            context = s.context(version, client="client")
            first = s.connect(server, context)
            before = facts(first)
            session = first.session
            first.close()
            second = s.connect(server, context, session=session)
            if second.session_reused:
                same(facts(second), before, "the facts after resumption")
            else:
                same(facts(second)["tls_subject"], before["tls_subject"], "the subject")
            second.close()


@case
def tickets_of_another_process(s: Surroundings) -> None:
    """With the same secret two servers take each other's tickets; with secrets of their own they do not."""
    secret = s.path("ticket", "key")
    pathlib.Path(secret).write_bytes(os.urandom(48))
    for options, wanted in ((("tls_ticket_key=" + secret,), True), ((), False)):
        with s.server(*options) as one, s.server(*options) as two:
            for version in (TLS12, TLS13):
                context = s.context(version)
                first = s.connect(one, context)
                ask(first)
                session = first.session
                first.close()
                second = s.connect(two, context, session=session)
                same(second.session_reused, wanted, f"whether {version.name} is resumed with {options}")
                ask(second)
                second.close()


@case
def tickets_of_a_process_that_asks_for_no_certificate(s: Surroundings) -> None:
    """They share a key. What one of them has resumed, the other one must ask for a certificate all the same."""
    key = pathlib.Path(s.path("loose", "key"))
    key.write_bytes(os.urandom(48))
    required = ("tls_client_verify=require", f"tls_client_ca={s.path('authority', 'pem')}")
    with s.server(f"tls_ticket_key={key}") as loose, s.server(f"tls_ticket_key={key}", *required) as strict:
        for version in (TLS12, TLS13):
            context = s.context(version)
            first = s.connect(loose, context)
            ask(first)
            try:
                second = s.connect(strict, context, session=first.session)
                expect(not ask(second), f"{version}: a client without a certificate is served")
            except (ssl.SSLError, ConnectionError):
                pass
            first.close()


@case
def keylog(s: Surroundings) -> None:
    """The file is written with the option and only then, whatever the environment says."""
    path = pathlib.Path(s.path("keylog", "txt"))
    with s.server(f"tls_keylog_file={path}") as server:
        for version in (TLS12, TLS13):
            connection = s.connect(server, s.context(version))
            ask(connection)
            connection.close()
    text = path.read_text()
    for label in ("CLIENT_RANDOM", "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"):
        expect(label in text, f"the keylog file has no {label}")
    same(path.stat().st_mode & 0o077, 0, "what others may do with the keylog file")
    path.unlink()
    os.environ["SSLKEYLOGFILE"] = str(path)
    try:
        with s.server() as server:
            subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}"], input=b"Q\n", check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=DEADLINE)
    finally:
        del os.environ["SSLKEYLOGFILE"]
    expect(not path.exists(), "a keylog file is written without the option")


@case
def bad_options(s: Surroundings) -> None:
    """The server does not start, and says why."""
    short = s.path("short", "key")
    pathlib.Path(short).write_bytes(b"x" * 31)
    for option in ("tls_min_version=1.1", "tls_client_verify=maybe", f"tls_ticket_key={short}",
                   f"tls_ticket_key={s.path('missing', 'key')}", f"tls_client_ca={s.path('missing', 'pem')}",
                   f"tls_client_ca={short}", "tls_client_ca=", "tls_client_ca=/", "tls_ticket_key=/",
                   "tls_keylog_file=/missing/file"):
        verify = ["tls_client_verify=require"] if "client_ca" in option else []
        done = subprocess.run([s.program, f"certificate={s.path('ec', 'pem')},{s.path('ec', 'key')}", *verify, option],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              timeout=DEADLINE)
        expect(done.returncode == 1 and done.stderr, f"{option}: the server starts")
    done = subprocess.run([s.program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, timeout=DEADLINE)
    expect(done.returncode == 1 and done.stderr, "the server starts without a certificate")


@case
def wrong_certificates(s: Surroundings) -> None:
    for chain, key in (("ec", "rsa"), ("ec", "missing"), ("missing", "ec")):
        done = subprocess.run([s.program, f"certificate={s.path(chain, 'pem')},{s.path(key, 'key')}"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              timeout=DEADLINE)
        expect(done.returncode == 1 and done.stderr, f"a certificate of {chain} with the key of {key} is taken")


@case
def application_protocols(s: Surroundings) -> None:
    """h2 where it is offered and on, or http/1.1; a client that offers only others is refused, one that offers none is
    served."""
    with s.server() as server:
        context = s.context()
        context.set_alpn_protocols(["http/1.1", "h2"])
        with s.connect(server, context) as connection:
            same(connection.selected_alpn_protocol(), "h2", "the protocol of a client that offers both")
    with s.server("http2=off") as server:
        for version in (TLS12, TLS13):
            for offered, chosen in ((["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), ([], None)):
                context = s.context(version)
                context.set_alpn_protocols(offered)
                connection = s.connect(server, context)
                same(connection.selected_alpn_protocol(), chosen, f"the protocol of {offered}")
                same(ask(connection), b"hello\n", "the body")
                connection.close()
            context = s.context(version)
            context.set_alpn_protocols(["imap", "h3"])
            try:
                s.connect(server, context).close()
            except ssl.SSLError as error:
                expect("no application protocol" in str(error).lower().replace("_", " "), f"the refusal is {error}")
            else:
                expect(False, "a client that offers only imap and h3 is served")


def make_staple(s: Surroundings) -> str:
    """An OCSP response for the certificate ec; its path."""
    response = s.path("response", "der")
    index = pathlib.Path(s.path("index", "txt"))
    text = subprocess.run(["openssl", "x509", "-in", s.path("ec", "pem"), "-noout", "-serial"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    index.write_text(f"V\t301231235959Z\t\t{text.split('=')[1].strip()}\tunknown\t/CN=localhost\n")
    subprocess.run(["openssl", "ocsp", "-index", str(index), "-CA", s.path("authority", "pem"), "-rsigner",
                    s.path("authority", "pem"), "-rkey", s.path("authority", "key"), "-issuer",
                    s.path("authority", "pem"), "-cert", s.path("ec", "pem"), "-respout", response, "-ndays", "1"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return response


@case
def stapled_response(s: Surroundings) -> None:
    """An OCSP response goes to clients that ask for one."""
    staple = make_staple(s)
    with s.server(f"certificate={s.path('ec', 'pem')},{s.path('ec', 'key')},{staple}", certificates="") as server:
        for version in ("-tls1_2", "-tls1_3"):
            shown = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", version, "-status"],
                                   input=b"Q\n", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
                                   timeout=DEADLINE).stdout
            expect(b"OCSP Response Status: successful" in shown, f"{version}: no response is stapled")


@case
def reload_within_a_handshake(s: Surroundings) -> None:
    """A handshake of two hellos goes on with the certificate and the OCSP response that it has begun with, though they
    were replaced in between."""
    staple = make_staple(s)
    with s.server("threads=1", f"certificate={s.path('ec', 'pem')},{s.path('ec', 'key')},{staple}",
                  certificates="") as server, socket.create_server(("127.0.0.1", 0)) as between:
        between.settimeout(DEADLINE)
        client = subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % between.getsockname()[1],
                                   "-tls1_3", "-status", "-groups", "P-521:X25519"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with between.accept()[0] as left, server.connect() as right:
            left.settimeout(DEADLINE)
            right.sendall(left.recv(65536))
            left.sendall(right.recv(65536))  # HelloRetryRequest: the server does not speak P-521
            hello = left.recv(65536)
            same(server.command(f"certificate {s.path('ec', 'pem')} {s.path('ec', 'key')}"), "0", "the answer")
            s.connect(server).close()  # the loop takes the new certificates, and drops the old ones
            right.sendall(hello)
            answer = right.recv(65536)
            expect(answer.startswith(b"\x16"), f"the answer to the second hello is {answer[:20]!r}")
            left.sendall(answer)
            client.stdin.write(b"Q\n")
            client.stdin.close()
            expect(b"OCSP Response Status: successful" in client.stdout.read(), "no response is stapled")
            client.wait()


@case
def key_with_a_passphrase(s: Surroundings) -> None:
    locked = s.path("locked", "key")
    subprocess.run(["openssl", "pkey", "-in", s.path("ec", "key"), "-aes128", "-passout", "pass:secret", "-out",
                    locked], check=True, stderr=subprocess.DEVNULL)
    with s.server() as server:
        same(server.command(f"certificate {s.path('ec', 'pem')} {locked}"), "HIJACK_ETLS", "the answer")
