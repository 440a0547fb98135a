"""Lets each client of attacks.py at a server of its own, while another client goes on asking. Usage: run_attacks.py
path-of-server [--sanitized] [name ...]

Each must be told to stop with the right code, or be closed; the server's memory and processor time stay bounded, and
every request of the other client is answered. Under a sanitizer only that: it has other costs."""

import json
import subprocess
import sys
import time

import attacks
import good_client
from server_process import Server

CALM, PROTOCOL, NONE, ANY = 11, 1, 0, object()  # ANY: it may not get to read it
PEAK_KB = 32 << 10
CPU_SECONDS = 1.0
SLOWEST_MS = 2000
SECONDS = 30
OPTIONS = ["head_timeout_ms", "1000", "request_timeout_ms", "2000", "stall_timeout_ms", "1500"]

EXPECTED = {
    "hpack_bomb": CALM, "hpack_bombs": CALM, "hpack_bombs_bad_field": CALM, "hpack_large_fields": NONE,
    "rapid_reset": CALM, "rapid_reset_unread": ANY,
    "made_you_reset_by_window": CALM, "made_you_reset_by_overflow": CALM, "made_you_reset_by_data": CALM,
    "malformed": CALM, "bad_field": CALM, "streams": CALM,
    "continuations": CALM, "empty_continuations": CALM, "other_continuation": PROTOCOL,
    "settings": CALM, "settings_windows": CALM, "pings": CALM, "pings_unread": ANY, "priorities": CALM,
    "unknown_frames": CALM, "empty_data": CALM, "padded_data": CALM,
    "window_updates": CALM, "window_updates_of_stream": CALM, "window_of_done_stream": ANY,
    "shut_window": ANY, "reader_that_stops": ANY, "pour_after_error": ANY,
    "half_head": CALM, "half_preface": ANY, "no_request": NONE,
    "random_frames": ANY,
}
MORE_OPTIONS = {"window_of_done_stream": ["send_buffer_bytes", "4096"]}


def wait_until_alone(client: good_client.GoodClient) -> bool:
    """Whether the attacker's connection ends in time, as the server sees it."""
    end = time.monotonic() + attacks.LIMIT_SECONDS
    while client.get("/connections") != b"1":
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def run(program: str, name: str, sanitized: bool) -> list[str]:
    """What is wrong."""
    server = Server(program, OPTIONS + MORE_OPTIONS.get(name, []))
    problems, attacker = [], None
    try:
        client = good_client.GoodClient(server.port, 0.002)
        cpu = server.cpu_seconds()
        attacker = subprocess.Popen([sys.executable, "-B", attacks.__file__, name, str(server.port)],
                                    stdout=subprocess.PIPE, text=True)
        if name == "reader_that_stops":
            time.sleep(1)  # for it to be seen; it would otherwise be waited for below before it came
            if not wait_until_alone(client):
                problems.append("its connection does not end")
            attacker.kill()
        output, _ = attacker.communicate(timeout=SECONDS)
        seen = json.loads(output) if output else {"goaway": None, "ended": "killed"}
        if not wait_until_alone(client):
            problems.append("its connection does not end")
        cpu, peak = server.cpu_seconds() - cpu, server.peak_kb()
        client.stop()
        if EXPECTED[name] is not ANY and seen["goaway"] != EXPECTED[name]:
            problems.append(f"expected GOAWAY {EXPECTED[name]}, got {seen['goaway']}")
        if seen["ended"] is None:
            problems.append("the attacker was not disconnected")
        if client.problem or not client.seconds:
            problems.append(client.problem or "the good client was not served")
        if not sanitized and (peak > PEAK_KB or cpu > CPU_SECONDS or client.percentile(1) > SLOWEST_MS):
            problems.append(f"too much: {peak} KB, {cpu:.2f} s, slowest answer {client.percentile(1):.0f} ms")
        print(f"{name:28} GOAWAY {seen['goaway']}, {seen['ended']}; peak {peak >> 10} MB, {cpu:.2f} s; good client: "
              f"{len(client.seconds)} answers, p99 {client.percentile(.99):.1f} ms, slowest {client.percentile(1):.1f}",
              flush=True)
    except OSError as error:
        problems.append(str(error))
    finally:
        if attacker is not None and attacker.poll() is None:
            attacker.kill()
            attacker.wait()
        problems.append(server.stop())
    return [problem for problem in problems if problem]


def main() -> int:
    names = [name for name in sys.argv[2:] if name != "--sanitized"] or list(EXPECTED)
    failed = 0
    for name in names:
        problems = run(sys.argv[1], name, "--sanitized" in sys.argv)
        failed += bool(problems)
        for problem in problems:
            print(f"    {name} failed: {problem}", flush=True)
    print(f"{len(names) - failed} of {len(names)} attacks fail, as they should")
    return 1 if failed else 0


sys.exit(main())
