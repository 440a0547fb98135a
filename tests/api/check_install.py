"""An installed copy can be used: by pkg-config, by find_package, and as a static library."""

import os
import pathlib
import subprocess
import sys
import tempfile

import project

source, build, cmake, compiler = project.arguments(4)


def run(*command, fails=False, **environment):
    """Runs a command and returns what it printed. fails: it has to fail."""
    result = subprocess.run([str(c) for c in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env={**os.environ, **environment})
    if (result.returncode != 0) != fails:
        print("did not fail:" if fails else "failed:", *command)
        print(result.stdout)
        sys.exit(1)
    return result.stdout.strip()


version = (source / "VERSION").read_text().strip()
consumer = source / "tests/api/consumer"
environment = {key: value for key, value in os.environ.items() if key not in ("DESTDIR", "CMAKE_PREFIX_PATH")}
os.environ.clear()
os.environ.update(environment)

with tempfile.TemporaryDirectory() as folder:
    prefix = pathlib.Path(folder, "prefix")
    run(cmake, "--install", build, "--prefix", prefix)
    (pc,) = prefix.glob("**/libhijack.pc")
    library = pc.parent.parent
    for name in ("include/hijack/hijack.h", "include/hijack/version.h"):
        assert (prefix / name).exists(), f"{name} was not installed"

    flags = run("pkg-config", "--cflags", "--libs", "libhijack", PKG_CONFIG_PATH=str(pc.parent)).split()
    program = pathlib.Path(folder, "program")
    run(compiler, "-o", program, consumer / "main.c", *flags)
    assert run(program, LD_LIBRARY_PATH=str(library)) == version

    def configure(components, *arguments, fails=False):
        """Configures the consumer with these components; returns its build folder and what cmake printed."""
        work = pathlib.Path(folder, components.replace(";", "-") or "none")
        return work, run(cmake, "-G", "Ninja", "-S", consumer, "-B", work, f"-DCMAKE_PREFIX_PATH={prefix}",
                         f"-DCMAKE_C_COMPILER={compiler}", f"-DWANTED={version}", f"-DCOMPONENTS={components}",
                         *arguments, fails=fails)

    # The shared library needs nothing of what it was built with.
    lacking = [f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in ("H2O", "OpenSSL", "ZLIB")]
    for components, arguments in (("", lacking), ("shared", lacking), ("static", []), ("shared;static", [])):
        work, _ = configure(components, *arguments)
        run(cmake, "--build", work)
        for name in ("shared", "static") if "static" in components else ("shared",):
            assert run(work / name) == version, name
    _, printed = configure("statik", fails=True)
    assert 'hijack has no component "statik"; expected shared or static' in " ".join(printed.split()), printed

print("used through pkg-config, find_package with each component, and as a static library")
