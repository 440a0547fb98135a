"""Server-Sent Events of a Django project, here in one file: a view says who takes the connection and answers as ever,
under uvicorn and under gunicorn. A held connection keeps no worker, no thread and no task.

    uvicorn --app-dir python/demos/adopt django_app:asgi
    gunicorn --chdir python/demos/adopt django_app:wsgi
    curl -N -i http://127.0.0.1:8000/sse
"""

import threading
import time

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

import hijack
import hijack.asgi
import hijack.wsgi

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of the demo",
)
django.setup()


@hijack.local  # once in each process, when it is first used
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


def sse(request: HttpRequest) -> HttpResponse:
    if isinstance(request, ASGIRequest):
        hijack.asgi.hold(request.scope, clients(), kind="sse")
    else:
        hijack.wsgi.hold(request.environ, clients(), kind="sse")
    return HttpResponse()  # its headers go into the head, its body does not


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"ok: {len(clients())} clients at /sse\n", content_type="text/plain")


urlpatterns = [path("sse", sse), path("", home)]
asgi = hijack.asgi.Middleware(get_asgi_application())  # the outermost
wsgi = hijack.wsgi.Middleware(get_wsgi_application())
