"""Proxies with the configurations of docs/operate, and the program behind them.

A proxy is started with the text that the page shows. Only addresses, names, paths of files and limits differ, and each
part that is replaced must be in the text."""

import os
import pathlib

from clients import stats
from harness import HOST, SOURCE, Wrong, adapted, certificate, eventually, free_port, program

TRIES = 5  # ports that somebody else may take first
APP = "127.0.0.1:8080"  # where the pages have the program
AUTHORITY = "/etc/ssl/app/ca.pem"


class Backend:
    """server.rb at an address, with a second, plain one for the test itself."""

    def __init__(self, place, *options, kind="tcp"):
        self.path = place.folder / "app.sock"
        address = f"unix:{self.path}" if kind == "unix" else f"{HOST}:0"
        environment = {**os.environ, "HIJACK_LIBRARY": str(place.build / "libhijack.so")}
        if kind == "tls":
            certificate(place.folder)
            environment.update(TLS_CERT=str(place.folder / "cert.pem"), TLS_KEY=str(place.folder / "key.pem"))
        ruby = [program("ruby", "ruby"), "-w", f"-I{SOURCE}/ruby/lib", SOURCE / "tests/operate/server.rb"]
        self.process = place.start([*ruby, address, *options], env=environment)
        self.port, self.control = map(int, self.process.line().split())

    def held(self):
        return stats(self.control)["held"]

    def has_members(self, count):
        """Waits until so many clients will get what is published."""
        eventually("memberships", lambda: stats(self.control)["memberships"], count)


class Nginx:
    """variants: a part of the text, the file that takes its place, and the address in it that the test replaces."""

    program = "nginx"
    text = "nginx/nginx.conf"
    without_program = 502
    timeouts = {"proxy_read_timeout 60s": "proxy_read_timeout 1s"}
    variants = {
        "unix": (f"        server {APP};\n", "nginx/unix.conf", "/run/app/app.sock"),
        "tls": ("            proxy_pass http://app;\n", "nginx/tls.conf", APP),
        "stream": ("        location / {\n", "nginx/stream.conf", APP),
        "two": (f"        server {APP};\n", "nginx/two.conf", APP),
    }

    @staticmethod
    def changes(folder, port):
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        folders = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
        return {
            "worker_processes auto": "worker_processes 2",
            "worker_rlimit_nofile 200000;": "",
            "worker_connections 100000": "worker_connections 400",
            "http {\n": f"http {{\naccess_log off;\n{folders}",
            "listen 443": f"listen {HOST}:{port}",
            "example.org": "localhost",
            "/etc/ssl/app/chain.pem": f"{folder}/cert.pem",
            "/etc/ssl/app/key.pem": f"{folder}/key.pem",
        }

    @staticmethod
    def command(folder, file):
        return ["-p", folder, "-e", "stderr", "-c", file, "-g", f"daemon off; pid {folder}/nginx.pid;"]


class HAProxy:
    program = "haproxy"
    text = "haproxy/haproxy.cfg"
    without_program = 503
    timeouts = {"timeout client 60s": "timeout client 1s", "timeout server 60s": "timeout server 1s"}
    variants = {
        "unix": (f"    server app1 {APP}\n", "haproxy/unix.cfg", "/run/app/app.sock"),
        "tls": (f"    server app1 {APP}\n", "haproxy/tls.cfg", "127.0.0.1:8443"),
        "http2": (f"    server app1 {APP}\n", "haproxy/http2.cfg", APP),
    }

    @staticmethod
    def changes(folder, port):
        return {
            "maxconn 100000": "maxconn 400",
            "bind :443": f"bind {HOST}:{port}",
            "/etc/haproxy/app.pem": f"{folder}/both.pem",
        }

    @staticmethod
    def command(_, file):
        return ["-db", "-q", "-f", file]


class Caddy:
    program = "caddy"
    text = "caddy/Caddyfile"
    without_program = 502
    timeouts = {}  # it has none
    start = f"\treverse_proxy {APP} {{\n"
    transport = "\t\ttransport http {\n"
    variants = {
        "unix": (start, "caddy/unix.Caddyfile", "/run/app/app.sock"),
        "tls": (start + transport, "caddy/tls.Caddyfile", "127.0.0.1:8443"),
        "http2": (start + transport + "\t\t\tkeepalive 20s\n\t\t}\n\t}\n", "caddy/http2.Caddyfile", APP),
    }

    @staticmethod
    def changes(folder, port):
        options = ("admin off", "auto_https disable_redirects", "skip_install_trust",
                   f"storage file_system {folder}/caddy", "log {\n\t\tlevel ERROR\n\t}")
        site = (f"https://localhost:{port} {{", f"\tbind {HOST}", f"\ttls {folder}/cert.pem {folder}/key.pem")
        return {"example.org {\n": "{\n\t" + "\n\t".join(options) + "\n}\n" + "\n".join(site) + "\n"}

    @staticmethod
    def command(_, file):
        return ["run", "--config", file, "--adapter", "caddyfile"]


PROXIES = {"nginx": Nginx, "haproxy": HAProxy, "caddy": Caddy}


class Front:
    """A running proxy: its port, and the authority of its certificate."""

    def __init__(self, place, proxy, backend, variant=None, changes=None):
        """backend: a Backend, or a port. changes: further parts of the text to be replaced."""
        certificate(place.folder)
        self.ca = str(place.folder / "ca.pem")
        executable = program(proxy.program, proxy.program)
        environment = {**os.environ, "HOME": str(place.folder), "XDG_DATA_HOME": str(place.folder)}
        for left in reversed(range(TRIES)):
            self.port = free_port()
            file = place.folder / pathlib.Path(proxy.text).name
            file.write_text(self.configuration(place.folder, proxy, backend, variant, changes or {}))
            self.process = place.start([executable, *proxy.command(place.folder, file)], env=environment)
            try:
                self.process.wait_for_port(self.port)
                return
            except Wrong:
                if left == 0 or "in use" not in self.process.printed():
                    raise

    def configuration(self, folder, proxy, backend, variant, changes):
        parts, address = {}, APP
        if variant:
            old, name, address = proxy.variants[variant]
            parts[old] = adapted(name, {})
            if AUTHORITY in parts[old]:
                parts[AUTHORITY] = self.ca
        port = backend if isinstance(backend, int) else backend.port
        parts[address] = f"{HOST}:{port}" if ":" in address else str(backend.path)
        return adapted(proxy.text, {**parts, **changes, **proxy.changes(folder, self.port)})
