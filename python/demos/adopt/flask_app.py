"""Server-Sent Events of a Flask application under gunicorn, with any of its workers, or under Flask's own development
server: the view says who takes the connection and answers as ever. A held connection keeps no worker and no thread.

    gunicorn --chdir python/demos/adopt --workers 2 flask_app:app       (also with -k gthread, -k gevent or --preload)
    flask --app python/demos/adopt/flask_app.py run
    curl -N -i http://127.0.0.1:8000/sse
"""

import os
import threading
import time

from flask import Flask, Response, request

import hijack
import hijack.wsgi

web = Flask(__name__)


@hijack.local  # once in each worker, when it is first used
def clients() -> hijack.Broadcaster:
    server = hijack.Server()  # listens nowhere: it serves what it is given
    server.start()
    made = server.broadcaster()

    def publish_time() -> None:
        while True:
            made.publish(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
            time.sleep(1)

    threading.Thread(target=publish_time, daemon=True).start()
    return made


@web.get("/sse")
def sse() -> str:
    hijack.wsgi.hold(request.environ, clients(), kind="sse")
    return ""  # its headers go into the head, its body does not


@web.get("/")
def home() -> str:
    return f"ok: {len(clients())} clients at /sse in process {os.getpid()}\n"


@web.after_request
def allow_other_origins(response: Response) -> Response:
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


web.wsgi_app = hijack.wsgi.Middleware(web.wsgi_app)  # type: ignore[method-assign]  # the outermost
app = web
