"""Services of docker-compose.yaml, each on a machine of its own: a folder, an address and processes, nothing shared.

Command and environment are those of the compose file. This module replaces Docker: it copies mounts and the files of
the image into the machine's folder, in place of /opt/airflow. Names of services become loopback addresses. Ports that
would collide on one kernel differ.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL
from typing import Any

from bursar.errors import BursarError
from demo.postgres import embedded_postgres, program_folder
from demo.processes import end_all, last_lines, start

ADDRESSES = {"postgres": "127.0.1.1", "redis": "127.0.1.2", "api-server": "127.0.1.3"}
HOME = "/opt/airflow"
IN_THE_IMAGE = re.compile(r"^COPY --chown=\S+ (\S+) /opt/airflow/\1$", re.MULTILINE)
OWN_NAME = "import os\n\n\ndef own_name():\n    return os.environ['HOSTNAME']\n"


@dataclass
class Machine:
    """One replica of a service. `number` distinguishes replicas and determines their ports."""

    service: str
    number: int
    folder: Path
    environment: Mapping[str, str]
    command: list[str]
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def name(self) -> str:
        """The name of its host."""
        return f"{self.service}-{self.number}"

    @property
    def log(self) -> Path:
        """The output of its processes."""
        return self.folder / "output.log"

    def start(self) -> None:
        """Starts the command of the service."""
        self.process = self.run(self.command)

    def run(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Starts a command on the machine, as `docker compose exec` would."""
        return start(command, self.folder, self.log, self.environment)

    def finish(self, command: list[str] | None = None) -> None:
        """Runs a command, or that of the service, and waits until it ends.

        Raises:
            BursarError: it fails; the message shows the last lines of the log.
        """
        if self.run(command or self.command).wait():
            raise BursarError(f"{self.name} failed.{last_lines(self.log, 30)}")

    def check(self) -> None:
        """Raises a BursarError, with the last lines of the log, if its command has ended."""
        if self.process and self.process.poll() is not None:
            raise BursarError(f"{self.name} has ended.{last_lines(self.log, 30)}")

    def kill(self) -> None:
        """Kills all of its processes, as a power failure would."""
        end_all(self.folder, gently=SIGKILL)
        if self.process:
            self.process.wait()


class Cluster:
    """The machines of a compose file, below a folder of the state. `project` is the source of mounts and copies."""

    def __init__(self, compose: Mapping[str, Any], state: Path, project: Path, packages: Path) -> None:
        self._services = compose["services"]
        self._state = state
        self._project = project
        self._packages = packages
        self.machines: dict[str, Machine] = {}

    def replicas(self, service: str) -> list[Machine]:
        """Returns the machines of a service, as many as in the compose file."""
        count = int(self._services[service].get("deploy", {}).get("replicas", 1))
        return [self.machine(service, number) for number in range(1, count + 1)]

    def machine(self, service: str, number: int = 1) -> Machine:
        """Returns one machine, set up on the first call."""
        name = f"{service}-{number}"
        if name not in self.machines:
            folder = self._state / name
            folder.mkdir(parents=True)
            self._copy_files(service, folder)
            self.machines[name] = Machine(
                service, number, folder, self._environment(service, folder, name), self._command(service, folder, name)
            )
        return self.machines[name]

    @contextmanager
    def postgres(self) -> Iterator[None]:
        """Runs the service `postgres` as its image does: creates the data, listens, and runs the mounted SQL."""
        folder = self._state / "postgres"
        options = [*self._services["postgres"]["command"][1:], "-c", f"listen_addresses={ADDRESSES['postgres']}"]
        with embedded_postgres(folder, options=options) as server:
            for mount in self._services["postgres"]["volumes"]:
                source, _, target = mount.partition(":")
                if target.startswith("/docker-entrypoint-initdb.d/"):
                    self._run_sql(self._project / source, server.sockets)
            yield

    def _run_sql(self, file: Path, sockets: Path) -> None:
        psql = [str(program_folder() / "psql"), "-h", str(sockets), "-U", "postgres", "-X", "-q", "-f", str(file)]
        done = subprocess.run(  # noqa: S603  a command of our own
            psql,
            env=os.environ | self._services["postgres"]["environment"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BursarError(f"{file} failed: {done.stderr}")

    def _copy_files(self, service: str, folder: Path) -> None:
        copies = IN_THE_IMAGE.findall((self._project / "Dockerfile").read_text(encoding="utf-8"))
        copies += [
            mount.split(":")[0].removeprefix("./")
            for mount in self._services[service].get("volumes", [])
            if mount.startswith("./") and mount.split(":")[1].startswith(HOME)
        ]
        for name in sorted(set(copies)):
            shutil.copytree(self._project / name, folder / name)
        (folder / "own_name.py").write_text(OWN_NAME)

    def _environment(self, service: str, folder: Path, name: str) -> dict[str, str]:
        number = len(self.machines)
        here = {
            "PATH": f"{self._packages / 'bin'}:/usr/local/bin:/usr/bin:/bin:/usr/sbin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "HOSTNAME": name,
            "PYTHONPATH": str(folder),
            # Otherwise process titles overwrite the environment, which contains the mark of the folder.
            "SPT_NOENV": "1",
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "own_name.own_name",
            "AIRFLOW__API__HOST": ADDRESSES["api-server"],
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(18100 + number),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(18200 + number),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(18300 + number),
        }
        given = self._services[service].get("environment", {})
        return {key: _here(str(value), folder) for key, value in given.items()} | here

    def _command(self, service: str, folder: Path, name: str) -> list[str]:
        command = [_here(part, folder) for part in self._services[service]["command"]]
        if service == "redis":
            # A process title would overwrite the environment, which contains the mark of the folder.
            command[-1] += f" --bind {ADDRESSES['redis']} --dir {folder} --set-proc-title no"
        elif "airflow celery worker" in command[-1]:
            command[-1] += f" --celery-hostname celery@{name}"  # in Docker, the name of the container
        return command


def _here(value: str, folder: Path) -> str:
    for service, address in ADDRESSES.items():
        value = re.sub(rf'(@|//|"host": "){service}(?=[:"])', rf"\g<1>{address}", value)
    return value.replace(HOME, str(folder))
