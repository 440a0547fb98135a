"""A real sshd with keys and a configuration of its own, as the user of this process."""

import getpass
import os
import pathlib
import subprocess

from harness import HOST, free_port, program


class Sshd:
    def __init__(self, place):
        self.folder, self.port = place.folder, free_port()
        sshd, keygen = program("sshd", "openssh-server"), program("ssh-keygen", "openssh-client")
        for key in ("host", "user"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", self.folder / key], check=True)
        (self.folder / "known").write_text(f"[{HOST}]:{self.port} {(self.folder / 'host.pub').read_text()}")
        (self.folder / "sshd_config").write_text(
            f"ListenAddress {HOST}:{self.port}\nHostKey {self.folder}/host\n"
            f"AuthorizedKeysFile {self.folder}/user.pub\n"
            "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n")
        if os.geteuid() == 0:
            pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd of root insists on it
        place.start([sshd, "-D", "-e", "-f", self.folder / "sshd_config"]).wait_for_port(self.port)

    def client(self, *options, command=()):
        """The words that run ssh with these options."""
        fixed = {"BatchMode": "yes", "UserKnownHostsFile": self.folder / "known", "StrictHostKeyChecking": "yes"}
        words = [word for name, value in fixed.items() for word in ("-o", f"{name}={value}")]
        return [program("ssh", "openssh-client"), "-F", "none", "-i", self.folder / "user", "-p", str(self.port),
                *words, *options, f"{getpass.getuser()}@{HOST}", *command]
