"""make bench-peers, small: the table of contenders, the load generator and the plain loop with libhijack in C, and what
is drawn of it. check.py BUILD-FOLDER; none of the peers has to be there."""

import os
import pathlib
import resource
import sys
import tempfile
import xml.etree.ElementTree

SOURCE = pathlib.Path(__file__).resolve().parents[3]
os.environ["HIJACK_BUILD"] = sys.argv[1]
sys.path[:0] = [str(SOURCE / "bindings/bench/peers")]

import run  # noqa: E402
from contenders import CONTENDERS, HERE, PLAIN, Start  # noqa: E402
from machine import family  # noqa: E402


class Small:
    few, fanned, most = 10, 40, 60
    turns, singles, bursts, rounds, openings = 1, 1, 1, 2, 1


def check_table():
    assert len({it.name for it in CONTENDERS}) == len(CONTENDERS)
    for it in [PLAIN, *CONTENDERS]:
        assert it.kinds and set(it.kinds) <= {"sse", "websocket"}, it.name
        assert isinstance(it.missing(), str), it.name
        with tempfile.TemporaryDirectory() as folder:
            if it.missing() and "nginx" in it.name:
                continue  # its configuration names the module
            words = it.command(Start(1, None, folder))
        scripts = [word for word in words if word.startswith(str(HERE))]
        assert all(pathlib.Path(script).exists() for script in scripts), words


def check_numbers(name, result):
    for what in ("single", "burst"):
        assert result[what]["rate_ratio"]["median"] > 0 and result[what]["cpu"]["median"] >= 0, (name, result)
        assert 0 < result[what]["load"]["median"] <= 1, (name, result)
    assert result["last"]["rounds"] == Small.rounds and result["last"]["p50"] <= result["last"]["p99"], (name, result)
    assert result["accept"]["rate"]["median"] > 0, (name, result)


def check_measuring(data):
    contender = CONTENDERS[0]
    assert contender.name == "libhijack, C"
    with tempfile.TemporaryDirectory() as folder:
        run.certificate(folder)
        for key, (kind, tls) in run.GROUPS.items():
            run.attempt(data, key, contender, lambda: run.measure(contender, kind, tls, folder if tls else None, Small))
            check_numbers(key, data["results"][key][contender.name])
    run.attempt(data, "slow", contender, lambda: run.beside_slow(contender, Small))
    slow = data["results"]["slow"][contender.name]
    assert slow["stalled_after"] is None and slow["waiting"] == 0, slow


def check_report(data):
    text = run.tables(data)
    assert text.count("| libhijack, C |") == len(run.GROUPS) + 1, text
    with tempfile.TemporaryDirectory() as folder:
        run.draw(data, folder)
        pictures = sorted(pathlib.Path(folder).iterdir())
        assert len(pictures) == 6, pictures
        for picture in pictures:
            drawn = picture.read_text(encoding="utf-8")
            words = "".join(xml.etree.ElementTree.fromstring(drawn).itertext())
            assert "libhijack, C" in words and "prefers-color-scheme: dark" in words, picture
            assert drawn.count('class="ours bar"') == (2 if "accept" in picture.name else len(run.GROUPS)), picture


def main():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    data = {"results": {}, "left_out": {}, "machine": run.description(), "date": "today"}
    check_table()
    check_measuring(data)
    check_report(data)
    assert family(os.getpid()) == [os.getpid()], "a process is left behind"
    print(f"{len(CONTENDERS)} contenders, {sum(map(len, data['results'].values()))} measurements, 6 pictures")


if __name__ == "__main__":
    main()
