"""Runs cases of Autobahn's suite by kosoku, in its virtual environment, for autobahn.py.

Usage: drive.py list                         prints the names of all cases, one a line
       drive.py URL AT-ONCE REPORTS CASE...  prints a line of JSON for each case as soon as it is over

kosoku's own command prints nothing before the last case is over. So this calls the function behind it for each case,
with the case's name in the query of the URL. REPORTS is a folder for the reports of that command, or empty."""

import asyncio
import json
import os
import sys


def take_uncompressed() -> None:
    """The cases of 12 and 13 hash bytes. kosoku 0.1.0 gives them a str where the server has sent a message without
    compressing it, which it may (RFC 7692, section 6), and the case ends as an ERROR."""
    from kosoku.cases import CASES

    def with_bytes(on_message):
        def on_bytes(self, message, binary):
            if isinstance(message, str):
                message = message.encode("latin-1" if binary else "utf-8")
            on_message(self, message, binary)
        return on_bytes

    for name, case in CASES.items():
        if name.startswith(("12.", "13.")):
            case.onMessage = with_bytes(case.onMessage)


async def run_case(url: str, name: str) -> object:
    from kosoku import FailureError, run_fuzzingclient
    try:
        results = await run_fuzzingclient(f"{url}?case={name}", [name])
    except FailureError as failure:
        results = failure.results
    (result,) = results
    print(json.dumps({
        "case": name, "behavior": result.behavior.value, "behaviorClose": result.behavior_close.value,
        "result": result.result, "resultClose": result.result_close, "duration": result.duration,
        "remoteCloseCode": result.remote_close_code,
        "gaveUp": any(row[0] in ("KLE", "TIE") for row in result.wirelog)}), flush=True)
    return result


async def run(url: str, at_once: int, reports: str, names: "list[str]") -> None:
    turns = asyncio.Semaphore(at_once)

    async def when_free(name: str) -> object:
        async with turns:
            return await run_case(url, name)

    results = await asyncio.gather(*map(when_free, names))
    if reports:
        from kosoku._report import write_reports
        write_reports(results, reports)


def main() -> None:
    if sys.argv[1] == "list":
        from kosoku.cases import CASES
        print("\n".join(CASES))
    else:
        url, at_once, reports, *names = sys.argv[1:]
        take_uncompressed()
        asyncio.run(run(url, int(at_once), reports, names))
        sys.stdout.flush()
        os._exit(0)  # kosoku's threads may still be at work, and abort the process when Python ends under them


main()
