"""Another libh2o than the one that HTTP/2 is written against is refused while the build is configured. The message has
both versions and what to do; AUTO builds without HTTP/2. A header with the version is enough: nothing of it is
compiled."""

import pathlib
import subprocess
import tempfile

import project

MASTER = """#define H2O_VERSION_BASE "2.3.0-DEV"
#define H2O_VERSION_MAJOR 2
#define H2O_VERSION_MINOR 3
#define H2O_VERSION_PATCH 0
#define H2O_VERSION H2O_VERSION_BASE "@" H2O_TO_STR(H2O_GITREV)
"""

source, cmake, generator = project.arguments(3)


def configure(folder, http2):
    """The result, and all that was printed on one line."""
    command = [cmake, "-S", source, "-B", folder / http2, "-G", generator, f"-DHIJACK_HTTP2={http2}",
               "-DHIJACK_TLS=OFF", "-DHIJACK_BUILD_TESTS=OFF", f"-DH2O_INCLUDE_DIR={folder}",
               f"-DH2O_LIBRARY={folder / 'libh2o-evloop.a'}"]
    result = subprocess.run([str(it) for it in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return result.returncode, " ".join(result.stdout.split())


problems = []
with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    (folder / "h2o").mkdir()
    (folder / "h2o/version.h").write_text(MASTER)
    (folder / "h2o.h").write_text("")
    (folder / "libh2o-evloop.a").write_text("")
    code, printed = configure(folder, "ON")
    if code == 0:
        problems.append("ON: libh2o 2.3.0 was accepted")
    problems += [f"ON: {part!r} is missing in: {printed[-600:]}" for part in
                 ("expected libh2o 2.2.5, got 2.3.0", "-DHIJACK_HTTP2=OFF") if part not in printed]
    code, printed = configure(folder, "AUTO")
    if code != 0 or "Without HTTP/2" not in printed:
        problems.append(f"AUTO: expected a build without HTTP/2, got {code}: {printed[-600:]}")
project.closing(problems, "libh2o 2.3.0 is refused")
