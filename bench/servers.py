"""The two servers of the bench, for product and reference: PostgreSQL and OpenSSH, on the loopback address."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from demo.postgres import Postgres, embedded_postgres
from demo.processes import start

SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "16GB", "checkpoint_timeout": "30min"}
"""Settings of a server for such loads: memory, and room for the WAL of one large transaction."""

SSHD = Path("/usr/sbin/sshd")
PROGRAMS = {"xmllint": "libxml2-utils", "sftp": "openssh-client", "ssh-keygen": "openssh-client"}
HOST = "127.0.0.1"
READY_WITHIN = 10


def list_missing_packages() -> str:
    """Returns a sentence about the packages to install first; it is empty if none is missing."""
    packages = {package for program, package in PROGRAMS.items() if not shutil.which(program)}
    packages |= set() if SSHD.exists() else {"openssh-server"}
    return (
        f"The bench needs plain tools to compare with: apt-get install {' '.join(sorted(packages))}" if packages else ""
    )


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Runs a PostgreSQL with the bench's settings, as durable as in production."""
    if not (folder / "data").exists():
        with embedded_postgres(folder) as server, server.connect() as connection:
            for name, value in SETTINGS.items():
                connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value))
    with embedded_postgres(folder) as server:
        yield server


@dataclass(frozen=True)
class Server:
    """An OpenSSH server with one account, that of the user who runs the bench, by key.

    Attributes:
        port: on the loopback address.
        state: the folder with its keys.
        disk: the folder of the server's files, with the profile's folders.
    """

    port: int
    state: Path
    disk: Path

    @property
    def connection(self) -> Mapping[str, object]:
        """Returns the Airflow connection to it."""
        host_key = " ".join((self.state / "host_key.pub").read_text().split()[:2])
        extra = {"key_file": str(self.state / "key"), "host_key": host_key, "sub_directory": str(self.disk)}
        return {"conn_type": "sftp", "host": HOST, "port": self.port, "login": getpass.getuser(), "extra": extra}

    def connections(self) -> int:
        """Returns the number of logins so far."""
        return (self.state / "sshd.log").read_text().count("Accepted publickey")

    def sftp(self, *commands: str) -> list[str]:
        """Returns the command line of OpenSSH's sftp for these commands, which it gets in a file."""
        batch = self.state / "commands"
        batch.write_text("\n".join(commands))
        known = self.state / "known_hosts"
        key, account = self.state / "key", f"{getpass.getuser()}@{HOST}"
        options = ["-o", f"UserKnownHostsFile={known}", "-o", f"IdentityFile={key}", "-o", "IdentitiesOnly=yes"]
        return ["sftp", "-q", "-F", "none", "-P", str(self.port), *options, "-b", str(batch), account]


@contextmanager
def ssh_server(folder: Path) -> Iterator[Server]:
    """Runs OpenSSH's server in a folder until the block ends."""
    state, disk = folder / "ssh", folder / "remote"
    state.mkdir(parents=True, exist_ok=True)
    disk.mkdir(exist_ok=True)
    for name in ("host_key", "key"):
        (state / name).unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", state / name], check=True)  # noqa: S603, S607
    shutil.copyfile(state / "key.pub", state / "authorized_keys")
    with socket.create_server((HOST, 0)) as free:
        port: int = free.getsockname()[1]
    settings = {
        "ListenAddress": f"{HOST}:{port}",
        "HostKey": state / "host_key",
        "AuthorizedKeysFile": state / "authorized_keys",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PermitRootLogin": "prohibit-password",
        "PasswordAuthentication": "no",
        "Subsystem": "sftp internal-sftp",
    }
    (state / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    host_key = " ".join((state / "host_key.pub").read_text().split()[:2])
    (state / "known_hosts").write_text(f"[{HOST}]:{port} {host_key}\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # Debian's sshd needs it for privilege separation
    command = [str(SSHD), "-D", "-e", "-f", str(state / "sshd_config")]
    with start(command, state, state / "sshd.log", os.environ) as sshd:
        try:
            _wait_for(port)
            yield Server(port, state, disk)
        finally:
            sshd.terminate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            with socket.create_connection((HOST, port), timeout=1):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
