"""The package really installs: package.py. Run with any Python 3.9 or later that has venv; it compiles, and takes a
minute. In a folder outside the checkout it

1. builds a wheel, which must hold libhijack, the extension and types, installs it into a new virtual environment, and
   runs a program of three lines;
2. does the same with "pip install <checkout>/python";
3. builds a source distribution, which must say clearly that it needs an installed libhijack, and must use one: that of
   PKG_CONFIG_PATH where this is set, else one that is built for the purpose."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Dict, List, Optional

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = CHECKOUT / "python"
INSTALLED = os.environ.get("PKG_CONFIG_PATH", "")
PROGRAM = """
import hijack
with hijack.Server(threads=1) as server:
    print(hijack.__version__, server.listen("127.0.0.1:0") > 0, server.start())
"""


class Failed(Exception):
    """What went wrong, in words."""


def run(folder: Path, *command: "str | Path", env: Optional[Dict[str, str]] = None, fails: bool = False) -> str:
    """Runs a command in folder; gives what it printed. fails: it has to fail."""
    done = subprocess.run(
        [str(it) for it in command],
        cwd=folder,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if (done.returncode != 0) != fails:
        raise Failed(f"{' '.join(map(str, command))}\n{done.stdout}\nended with exit code {done.returncode}")
    return done.stdout


def environment(folder: Path, name: str) -> Path:
    """A new virtual environment; gives its interpreter."""
    run(folder, sys.executable, "-m", "venv", name)
    return folder / name / "bin" / "python"


def check_program(folder: Path, python: Path) -> Path:
    """Runs the program; gives the folder of the installed package, which must not be the checkout's."""
    version = (CHECKOUT / "VERSION").read_text().strip()
    printed = run(folder, python, "-X", "dev", "-W", "error", "-c", PROGRAM).strip()
    if printed != f"{version} True None":
        raise Failed(f"the program of three lines printed {printed!r}")
    place = Path(run(folder, python, "-c", "import hijack; print(hijack.__file__)").strip()).parent
    if CHECKOUT in place.parents and folder not in place.parents:
        raise Failed(f"the program ran the package in {place}")
    return place


def check_wheel(folder: Path) -> None:
    python = environment(folder, "for-wheel")
    run(folder, python, "-m", "pip", "wheel", "-q", "--no-deps", "-w", "wheels", PACKAGE)
    (wheel,) = (folder / "wheels").iterdir()
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "hijack.py",
        "hijack-stubs/aio.pyi",
        "hijack_ffi/libhijack.so.",
        "hijack_ffi/_native.abi3.so",
        "hijack_ffi/py.typed",
        "hijack_ffi/aio.py",
    ):
        if not [name for name in names if name.startswith(wanted)]:
            raise Failed(f"{wheel.name} has no {wanted}, only {names}")
    spare = [name for name in names if name.endswith((".h", ".c", ".a")) or name.startswith(("include", "lib"))]
    if spare or sum("libhijack" in name for name in names) != 1:
        raise Failed(f"{wheel.name} holds what does not belong there: {spare or names}")
    run(folder, python, "-m", "pip", "install", "-q", wheel)
    place = check_program(folder, python)
    loaded = run(folder, python, "-c", "import hijack; print(open('/proc/self/maps').read())")
    if str(place / "libhijack.so.") not in loaded:
        raise Failed("the library that was loaded is not the wheel's")
    print(f"{wheel.name}: {len(names)} files, {wheel.stat().st_size // 1024} KiB, runs in a new environment")


def check_install(folder: Path) -> None:
    python = environment(folder, "for-install")
    run(folder, python, "-m", "pip", "install", "-q", PACKAGE)
    check_program(folder, python)
    print(f"pip install {PACKAGE.name}: runs in a new environment")


def check_source(folder: Path) -> None:
    """From a source distribution: with libhijack installed under a prefix of its own, and without any."""
    python = environment(folder, "for-source")
    run(folder, python, "-m", "pip", "install", "-q", "build")
    run(folder, python, "-m", "build", "-s", "-o", "sources", PACKAGE)
    (source,) = (folder / "sources").iterdir()
    nothing = {"PKG_CONFIG_LIBDIR": str(folder), "PKG_CONFIG_PATH": ""}
    said = run(folder, python, "-m", "pip", "install", source, env=nothing, fails=True)
    if "pkg-config finds no installed" not in " ".join(said.split()):
        raise Failed(f"without libhijack, the source distribution says only:\n{said}")
    installed = {"PKG_CONFIG_PATH": INSTALLED or install_library(folder)}
    run(folder, python, "-m", "pip", "install", "-q", source, env=installed)
    place = check_program(folder, python)
    if list(place.glob("libhijack*")):
        raise Failed(f"the source distribution has put a libhijack of its own into {place}")
    print(f"{source.name}: needs libhijack, says so without it, and runs with it")


def install_library(folder: Path) -> str:
    """Builds and installs libhijack into the folder; gives where its libhijack.pc is."""
    prefix = folder / "prefix"
    run(folder, "cmake", "-S", CHECKOUT, "-B", "core", "-DHIJACK_BUILD_TESTS=OFF", f"-DCMAKE_INSTALL_PREFIX={prefix}")
    run(folder, "cmake", "--build", "core")
    run(folder, "cmake", "--install", "core")
    (found,) = prefix.glob("lib*/**/libhijack.pc")
    return str(found.parent)


def main() -> None:
    # The build of another folder must neither be found nor used.
    for name in ("LD_LIBRARY_PATH", "PYTHONPATH", "PKG_CONFIG_PATH"):
        os.environ.pop(name, None)
    before = sorted(PACKAGE.rglob("*"))
    failures: List[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for check in (check_wheel, check_install, check_source):
            try:
                check(Path(folder).resolve())
            except Failed as failure:
                failures.append(str(failure))
    left = [it for it in sorted(PACKAGE.rglob("*")) if it not in before and "__pycache__" not in it.parts]
    if left:
        failures.append(f"the build has left files in the checkout: {', '.join(map(str, left))}")
    if failures:
        sys.exit("\n\n".join(failures))


if __name__ == "__main__":
    if not shutil.which("cmake"):
        sys.exit("package.py: cmake is missing (on Debian: apt-get install cmake)")
    main()
