"""mypy --strict accepts the package, the demos, the benchmarks and these tests."""

import shutil
import subprocess
import sys
from pathlib import Path

from support import CHECKOUT


def mypy(tmp_path: Path, *arguments: str, folder: Path = CHECKOUT / "python") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "cache"), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_everything_has_right_types(tmp_path: Path) -> None:
    assert mypy(tmp_path) == ""


def test_the_demo_that_has_the_name_of_the_package(tmp_path: Path) -> None:
    demos = CHECKOUT / "python" / "demos"
    shutil.copy(demos / "common.py", tmp_path)
    shutil.copy(demos / "hijack.py", tmp_path / "hijack_demo.py")
    assert mypy(tmp_path, "--strict", "hijack_demo.py", folder=tmp_path) == ""


def test_wrong_uses_are_found(tmp_path: Path) -> None:
    """The types say something: these uses of the installed package must be errors."""
    (tmp_path / "wrong.py").write_text(
        "import hijack\n"
        "server = hijack.Server(threads=[1])\n"
        "server.hold('/', server.broadcaster(), kind='web socket')\n"
        "server.accept().respond('200')\n"
        "server.accept().hijack().send('text')\n"
        "server.accept().stream().recv()\n"
        "server.accept().websocket().send(5)\n"
        "server.accept().websocket(b'chat')\n"
        "server.accept().websocket().recv().strip(b' ')\n"
        "server.accept().hold(server.broadcaster(), user=b'ann')\n"
        "server.broadcaster().on_leave(lambda user: None)\n"
        "server.connect('host', 80)[0]\n"
        "server.connect(b'host:80')\n"
    )
    report = mypy(tmp_path, "--strict", "wrong.py", folder=tmp_path)
    for line in range(2, 14):
        assert f"wrong.py:{line}: error" in report, report
