"""make install, in a copy of the checkout: it builds the library and nothing else, and what it installs works."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import project

(source,) = project.arguments(1)
# make's own variables and those of other builds stay outside.
environment = {key: value for key, value in os.environ.items()
               if key not in ("DESTDIR", "PREFIX", "MAKEFLAGS", "MAKELEVEL", "PKG_CONFIG_PATH", "LD_LIBRARY_PATH")}

with tempfile.TemporaryDirectory() as folder:
    copy, prefix = pathlib.Path(folder, "copy"), pathlib.Path(folder, "prefix")
    shutil.copytree(source, copy, symlinks=True, ignore=lambda at, names: {"build", ".git"} & set(names))
    result = subprocess.run(["make", "-C", copy, "install", f"PREFIX={prefix}"], text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, env=environment)
    if result.returncode:
        print(result.stdout)
        sys.exit(f"make install ended with exit code {result.returncode}")
    problems = []
    objects = [str(path.relative_to(copy / "build/release")) for path in copy.glob("build/release/**/*.o")]
    problems += [f"make install compiled {name}" for name in objects if "/src/" not in name]
    if not objects:
        problems.append("no object files found in build/release: is the check still right?")
    (pc,) = prefix.glob("**/libhijack.pc")
    (link,) = prefix.glob("**/libhijack.so")
    version = (source / "VERSION").read_text().strip()
    printed = subprocess.run([sys.executable, "-c", "import ctypes, sys; library = ctypes.CDLL(sys.argv[1]); "
                              "library.hijack_version_string.restype = ctypes.c_char_p; "
                              "print(library.hijack_version_string().decode())", link],
                             text=True, capture_output=True, env=environment).stdout.strip()
    if printed != version:
        problems.append(f"the installed library is of version {printed or 'none'}, expected {version}")
project.closing(problems, f"make install compiles {len(objects)} files, the library's own")
