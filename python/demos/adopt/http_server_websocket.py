"""WebSockets under the standard library's web server, which goes on serving everything else and knows nothing of them:

    /echo  answers each message, on the thread that the web server has for the connection
    /chat  each message goes to everyone; handed to libhijack, they need no thread and no Python object

    python python/demos/adopt/http_server_websocket.py [PORT]
    python -m websockets ws://127.0.0.1:8000/chat       # with the package websockets
"""

import contextlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import hijack

server = hijack.Server()  # listens nowhere: it serves what it is given
room = server.broadcaster()
room.on_message(room.publish)


def echo(request: hijack.Request) -> None:
    with request.websocket() as websocket:
        for message in websocket:
            websocket.send(message)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path in ("/echo", "/chat"):
            head = hijack.request_head(self.command, self.path, self.headers.items(), self.request_version)
            # a client may leave at any moment, and one whose handshake is wrong has its answer
            with contextlib.suppress(ConnectionError), server.adopt_request(self.connection, head) as request:
                echo(request) if self.path == "/echo" else request.hold(room, kind="websocket")
            self.close_connection = True  # for those who set protocol_version to HTTP/1.1
        else:
            body = b"ok: %d clients at /chat\n" % len(room)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    with server, ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8000), Handler) as web:
        server.start()
        threading.Thread(target=web.serve_forever, daemon=True).start()
        print(f"http://127.0.0.1:{web.server_port}/", flush=True)
        try:
            threading.Event().wait()
        finally:
            web.shutdown()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
