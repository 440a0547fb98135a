"""Built without HTTP/2 and TLS (HIJACK_HTTP2=OFF, HIJACK_TLS=OFF), nothing of libh2o and OpenSSL has to be there: not
for the shared library, not for the static one, and not for who uses an installed copy."""

import re
import subprocess

import project


def printed(*command):
    return subprocess.run([str(it) for it in command], check=True, text=True, capture_output=True).stdout


build, shared, static = project.arguments(3)
needed = re.findall(r"NEEDED.*\[(.*)\]", printed("readelf", "-d", shared))
undefined = set(re.findall(r"^ +U (\w+)$", printed("nm", "-u", static), re.M))
problems = [f"{shared.name} needs {name}" for name in needed if re.search("h2o|ssl|crypto", name)]
problems += [f"{static.name} uses {name}" for name in sorted(undefined) if re.match("h2o_|SSL_|EVP_", name)]
problems += [f"{name} links libh2o or OpenSSL" for name in ("libhijack.pc", "libhijack-static.pc")
             if re.search("h2o|ssl", (build / name).read_text())]
config = re.sub(r"if\(OFF\).*?endif\(\)", "", (build / "hijack-config.cmake").read_text(), flags=re.S)
if "H2O" in config or "OpenSSL" in config:
    problems.append("hijack-config.cmake looks for libh2o or OpenSSL")
if not any(name.startswith("libc.so") for name in needed) or "malloc" not in undefined:
    problems.append("neither libc.so nor malloc is needed: is the check still right?")
project.closing(problems, f"needs {' '.join(needed)}")
