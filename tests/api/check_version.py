"""Every place that states a version agrees with the file VERSION."""

import re
import subprocess

import project

source, build, library = project.arguments(3)
version = (source / "VERSION").read_text().strip()
problems = []
if not re.fullmatch(r"\d+\.\d+\.\d+", version):
    problems.append(f"VERSION: '{version}' is not of the form 1.2.3")
    project.closing(problems, "")
major, minor, patch = map(int, version.split("."))


def expect(where, got, wanted):
    if got != wanted:
        problems.append(f"{where}: {got}, but VERSION gives {wanted}")


def first(pattern, text):
    match = re.search(pattern, text, re.M)
    return match.group(1) if match else None


expect("CHANGELOG.md, first heading", first(r"^## \[?([^\s\]]+)", (source / "CHANGELOG.md").read_text()), version)
header = (build / "include/hijack/version.h").read_text()
expect("version.h, HIJACK_VERSION", first(r'HIJACK_VERSION "(.*)"', header), version)
number = first(r"HIJACK_VERSION_NUMBER[\s\\]*\((.*)\)$", header)
expect("version.h, HIJACK_VERSION_NUMBER", number, f"({major}u << 16) | ({minor}u << 8) | {patch}u")
expect("libhijack.pc", first(r"^Version: (.*)$", (build / "libhijack.pc").read_text()), version)
config = (build / "hijack-config-version.cmake").read_text()
expect("hijack-config-version.cmake", first(r'set\(PACKAGE_VERSION "(.*)"\)', config), version)
dynamic = subprocess.run(["readelf", "-d", str(library)], check=True, text=True, capture_output=True).stdout
soname = f"libhijack.so.{major}" if major else f"libhijack.so.0.{minor}"
expect("SONAME", first(r"SONAME.*\[(.*)\]", dynamic), soname)
project.closing(problems, f"everything says {version}")
