"""What a good HTTP/2 client notices of hostile ones. Usage: attacks.py path-of-server [SECONDS] [NAME ...]

For each attack of tests/http2/attacks.py the server (tests/http2/server.c, one loop) is alone with the good client for
SECONDS, then the attacker comes, and comes back whenever it is sent away, for as long. The good client asks for / every
2 ms on a connection of its own. All share the machine's cores, so that an attacker that only burns its own processor
time is seen as well."""

import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "http2"))
import attacks  # noqa: E402
import good_client  # noqa: E402
from server_process import Server  # noqa: E402

NAMES = ["hpack_bomb", "hpack_bombs", "hpack_bombs_bad_field", "hpack_large_fields", "rapid_reset",
         "rapid_reset_unread", "made_you_reset_by_window", "made_you_reset_by_overflow", "made_you_reset_by_data",
         "malformed", "bad_field", "streams", "continuations", "empty_continuations", "settings", "settings_windows",
         "pings", "pings_unread", "priorities", "unknown_frames", "empty_data", "padded_data", "window_updates",
         "window_updates_of_stream", "shut_window", "reader_that_stops", "pour_after_error"]
PAUSE = 0.002


def measure(server: Server, seconds: float, name: str) -> tuple[float, float, int]:
    """p99 in milliseconds, the server's processor time in seconds, requests that were answered."""
    client = good_client.GoodClient(server.port, PAUSE)
    cpu = server.cpu_seconds()
    attacker = None
    if name:
        attacker = subprocess.Popen([sys.executable, "-B", attacks.__file__, name, str(server.port), str(seconds)],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    result = client.percentile(0.99), server.cpu_seconds() - cpu, len(client.seconds)
    if attacker is not None:
        attacker.kill()
        attacker.wait()
    client.stop()
    if client.problem:
        sys.exit(f"{name}: {client.problem}")
    return result


def main():
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 2
    print(f"each for {seconds:g} s\n")
    print("| attack | p99 alone, ms | p99 with it, ms | answers alone, with it | server's CPU | peak |")
    print("|---|---|---|---|---|---|")
    for name in sys.argv[3:] or NAMES:
        server = Server(sys.argv[1], ["head_timeout_ms", "1000", "request_timeout_ms", "2000",
                                      "stall_timeout_ms", "1500"])
        alone, _, answers_alone = measure(server, seconds, "")
        attacked, cpu, answers = measure(server, seconds, name)
        print(f"| {name} | {alone:.2f} | {attacked:.2f} | {answers_alone}, {answers} | {cpu:.2f} s | "
              f"{server.peak_kb() / 1024:.0f} MB |", flush=True)
        problem = server.stop()
        if problem:
            sys.exit(f"{name}: {problem}")


main()
