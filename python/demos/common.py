"""What the demos share: arguments, signals, the limit of descriptors. Every call of the library is in the demos."""

import os
import re
import resource
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Callable, Optional, Tuple, Union

# "import hijack" is to find the package, not the demo of that name beside this file.
sys.path.remove(os.path.dirname(__file__))

from hijack import HijackError, Server  # noqa: E402
from hijack.aio import Server as AioServer  # noqa: E402

SIGNALS = (signal.SIGINT, signal.SIGTERM)
TEXT = {"content-type": "text/plain; charset=utf-8"}
HTML = {"content-type": "text/html; charset=utf-8"}
PAGES = Path(__file__).parents[2] / "bindings" / "pages"


def page(name: str) -> bytes:
    """A page that the demos of all languages show."""
    return (PAGES / name).read_bytes()


def whole_number(name: str, text: str, low: int, high: int) -> int:
    """The number that text is; ends the program with a sentence if it is none."""
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        sys.exit(f'{name}: "{text}" is not a whole number from {low} to {high}')
    return int(text)


def environment(name: str, default: int, low: int, high: int) -> int:
    """A whole number from the environment."""
    return whole_number(name, os.environ.get(name) or str(default), low, high)


def path(name: str) -> Optional[str]:
    """A path from the environment."""
    return os.environ.get(name) or None


def port() -> int:
    """The port to listen on: first argument, else the variable PORT, else 9292. 0 means any free one."""
    if len(sys.argv) > 1:
        return whole_number("port", sys.argv[1], 0, 65535)
    return environment("PORT", 9292, 0, 65535)


def certificate() -> Tuple[Optional[str], Optional[str]]:
    """What TLS_CERT and TLS_KEY name, the paths of a certificate and its key, for listen; two times None without."""
    paths = [(name, path(name)) for name in ("TLS_CERT", "TLS_KEY")]
    missing = [name for name, value in paths if value is None]
    if len(missing) == 1:
        sys.exit(f"{missing[0]}: not set; https needs both TLS_CERT and TLS_KEY")
    return paths[0][1], paths[1][1]


def url(port: int) -> str:
    """Where the demo is."""
    return f"{'https' if certificate()[0] else 'http'}://127.0.0.1:{port}/"


def settled(server: Union[Server, AioServer]) -> int:
    """Copies that need no more waiting for: written, dropped, or of a member that has left."""
    stats = server.stats()
    return sum(stats[it] for it in ("delivered", "dropped", "closed_peer", "closed_timeout", "closed_slow"))


def resident() -> float:
    """MiB of memory that this process has resident."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def stop() -> None:
    """Ends a program that does not say otherwise."""
    raise KeyboardInterrupt


def interrupt(number: int, frame: Optional[FrameType]) -> None:
    """Ends the program, once: a second signal must not break off its end. It stays the handler all the time, since
    Python complains of signals that come while their handler is being changed to ignore them; so they are blocked in
    this thread first, and ignored at the end of run(), since Python takes all handlers back while it ends."""
    global interrupted
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if not interrupted:
        interrupted = True
        end()


def end_with(call: Callable[[], object]) -> None:
    """From now on a signal calls this instead of raising KeyboardInterrupt."""
    global end
    end = call


interrupted = False
end: Callable[[], object] = stop


def run(main: Callable[[], object]) -> None:
    """Calls main. SIGINT and SIGTERM both end it by a KeyboardInterrupt, an error of the library with a sentence. Each
    connection is a descriptor, so take as many as allowed."""
    for number in SIGNALS:
        signal.signal(number, interrupt)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    try:
        main()
    except KeyboardInterrupt:
        pass
    except HijackError as error:
        sys.exit(str(error))
    finally:
        for number in SIGNALS:  # a thread that has been joined may still be on its way out, with signals not blocked
            signal.signal(number, signal.SIG_IGN)
