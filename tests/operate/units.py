"""systemd-analyze finds nothing wrong with the units of docs/operate, and something with a wrong one."""

import subprocess
import sys
import tempfile

from harness import HERE, Missing, Wrong, adapted, expect, program

PROGRAM = {"ExecStart=/usr/local/bin/app": "ExecStart=/bin/true"}


def complaints(folder, *names):
    words = [program("systemd-analyze", "systemd"), "--man=no", "verify", *(f"./{name}" for name in names)]
    done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return done.stdout + (f"exit code {done.returncode}" if done.returncode else "")


def main():
    with tempfile.TemporaryDirectory() as folder:
        for unit in (HERE / "systemd").iterdir():
            changes = PROGRAM if unit.suffix == ".service" else {}
            with open(f"{folder}/{unit.name}", "w", encoding="utf-8") as file:
                file.write(adapted(f"systemd/{unit.name}", changes))
        for names in (["app.service", "app.socket"], ["app@8081.service"]):
            seen = complaints(folder, *names)
            expect(not seen, f"{', '.join(names)}: {seen}")
        with open(f"{folder}/app.service", "a", encoding="utf-8") as file:
            file.write("LimitNOFILES=1\n")
        expect("LimitNOFILES" in complaints(folder, "app.service"), "a wrong setting was not found")


if __name__ == "__main__":
    try:
        main()
    except Missing as error:
        print(f"skipped: {error}")
        sys.exit(77)
    except Wrong as error:
        sys.exit(str(error))
