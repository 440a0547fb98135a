"""Server-Sent Events under the standard library's web server, which goes on serving everything else; connections to
/sse are handed to libhijack, and need no thread from then on.

    python python/demos/adopt/http_server.py [PORT]
    curl -N http://127.0.0.1:8000/sse
"""

import contextlib
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import hijack

server = hijack.Server()  # listens nowhere: it serves what it is given
clients = server.broadcaster()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/sse":
            head = hijack.request_head(self.command, self.path, self.headers.items(), self.request_version)
            # a client may leave at any moment
            with contextlib.suppress(ConnectionError), server.adopt_request(self.connection, head) as request:
                request.hold(clients, kind="sse")
            self.close_connection = True  # for those who set protocol_version to HTTP/1.1
        else:
            body = b"ok: %d clients at /sse\n" % len(clients)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class WebServer(ThreadingHTTPServer):
    request_queue_size = 1024


def main() -> None:
    with server, WebServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8000), Handler) as web:
        server.start()
        threading.Thread(target=web.serve_forever, daemon=True).start()
        print(f"http://127.0.0.1:{web.server_port}/", flush=True)
        try:
            while True:
                clients.publish(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
                time.sleep(1)
        finally:
            web.shutdown()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
