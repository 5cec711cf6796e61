"""A real Airflow in a folder: scheduler, DAG processor, triggerer and API server, one process each."""

import json
import os
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes, token_urlsafe
from typing import Self

import httpx

from bursar.errors import BursarError
from demo.airflow_client import AirflowClient
from demo.processes import end_all, last_lines, private_file, start

PROJECT = Path(__file__).resolve().parents[1]
USER = "admin"
APPROVER = "approver"
"""A second user with the same password: the one who triggers a run may not approve it."""
ROLES = {USER: "admin", APPROVER: "user", "operator": "op", "viewer": "viewer"}
"""The users of the user interface, with their roles; all have the same password."""
START_TIMEOUT_SECONDS = 600  # 15 to 20 are usual; a busy machine needs minutes
TASK_TIMEOUT_SECONDS = 60
COMPONENTS = {
    "api-server": ["api-server"],
    # Logs are read from the folder. Serving them takes ports that are the same for every Airflow on a machine.
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
}


class Airflow:
    """An Airflow with the project's DAGs and plugins, running inside a `with` block.

    Args:
        folder: where its keys and logs are kept.
        database: SQLAlchemy URL of its metadata database, which must exist; it is migrated.
        connections: variables `AIRFLOW_CONN_...` for the tasks.
        port: the preferred port of its user interface; a free one is taken if it is 0 or in use.

    Attributes:
        address: of its user interface and its REST API, on this machine alone.
        env: variables that commands of an operator need, such as `airflow` and `bin/bursar`.
        user, password: the login of its administrator; the other users of ROLES have the same password.
        client: the REST API, logged in.
    """

    client: AirflowClient

    def __init__(self, folder: Path, database: str, connections: Mapping[str, str], *, port: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = _get_free_port(port)
        keys = _keys(folder)
        self.address = f"http://127.0.0.1:{port}"
        self.user = USER
        self.password = keys["password"]
        self._folder = folder
        self._components: dict[str, subprocess.Popen[bytes]] = {}
        self.env = _settings(folder, database, port, keys) | dict(connections)
        # Without SPT_NOENV, process titles overwrite the environment, which contains the mark of the folder.
        self._env = _get_environment() | self.env | {"SPT_NOENV": "1"}

    def __enter__(self) -> Self:
        """Starts it and waits until it is healthy.

        Raises:
            BursarError: it does not start; the message shows the last lines of its logs.
        """
        try:
            self._migrate()
            self._start()
            self.client = AirflowClient(self.address, self.user, self.password)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stops all of its processes."""
        self.client.close()
        self._stop()

    def check(self) -> None:
        """Raises a BursarError, with the end of the log, if one of its processes has ended."""
        for name, process in self._components.items():
            if process.poll() is not None:
                raise BursarError(f"Airflow's {name} has ended.{last_lines(self._log(name))}")

    def kill(self, component: str) -> None:
        """Kills one of its processes, such as `triggerer`, with SIGKILL."""
        process = self._components.pop(component)
        process.kill()
        process.wait()

    def start(self, component: str) -> None:
        """Restarts a killed process, without waiting until it is healthy."""
        self._components[component] = self._run(component, COMPONENTS[component])

    def command(self, *arguments: str) -> str:
        """Runs `airflow` with these arguments, as an operator would, and returns what it prints.

        Raises:
            BursarError: it failed; the message shows its output.
        """
        command = [sys.executable, "-m", "airflow", *arguments]
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise BursarError(f"airflow {' '.join(arguments)} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def _migrate(self) -> None:
        with self._run("migration", ["db", "migrate"]) as migration:
            if migration.wait():
                raise BursarError(f"Airflow can't migrate its database.{last_lines(self._log('migration'))}")

    def _start(self) -> None:
        began = datetime.now(UTC)
        for name in COMPONENTS:
            self.start(name)
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while unhealthy := self._unhealthy(began):
            self.check()
            if time.monotonic() > deadline:
                logs = "".join(last_lines(self._log(name)) for name in COMPONENTS)
                raise BursarError(
                    f"Airflow is not ready after {START_TIMEOUT_SECONDS} seconds: {', '.join(unhealthy)}.{logs}"
                )
            time.sleep(0.25)

    def _stop(self) -> None:
        end_all(self._folder)
        for process in self._components.values():
            process.wait()

    def _unhealthy(self, since: datetime) -> list[str]:
        """Returns the components that are not healthy, or have had no heartbeat since a moment."""
        try:
            health = httpx.get(f"{self.address}/api/v2/monitor/health").raise_for_status().json()
        except httpx.HTTPError:
            return ["api_server"]
        now = since.isoformat()
        return [
            name
            for name, part in health.items()
            if part["status"] != "healthy" or datetime.fromisoformat(part.get(f"latest_{name}_heartbeat", now)) < since
        ]

    def _run(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        return start([sys.executable, "-m", "airflow", *command], self._folder, self._log(name), self._env)

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"


def _get_free_port(preferred: int) -> int:
    """Returns the preferred port, or another one if it is 0 or in use."""
    for port in (preferred, 0):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)) as free:
            return int(free.getsockname()[1])
    raise BursarError("This machine has no free port.")


def _keys(folder: Path) -> dict[str, str]:
    """Returns the password and the keys, which are generated once and kept in the folder."""
    file = folder / "keys.json"
    if not file.exists():
        keys = {name: token_urlsafe(64) for name in ("jwt", "session")}
        keys["fernet"] = urlsafe_b64encode(token_bytes(32)).decode()
        keys["password"] = token_urlsafe(9)
        private_file(folder / "passwords.json", json.dumps(dict.fromkeys(ROLES, keys["password"])))
        private_file(file, json.dumps(keys))
    return dict(json.loads(file.read_text()))


def _get_environment() -> dict[str, str]:
    """Returns the environment of this process without variables of another Airflow."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHONPATH"))}


def _settings(folder: Path, database: str, port: int, keys: dict[str, str]) -> dict[str, str]:
    settings: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": PROJECT / "dags",
            "plugins_folder": PROJECT / "plugins",
            "load_examples": False,
            "executor": "LocalExecutor",
            "parallelism": 4,
            "fernet_key": keys["fernet"],
            "simple_auth_manager_users": ",".join(f"{user}:{role}" for user, role in ROLES.items()),
            "simple_auth_manager_passwords_file": folder / "passwords.json",
            "execution_api_server_url": f"http://127.0.0.1:{port}/execution/",
            "min_serialized_dag_update_interval": 5,
        },
        "database": {"sql_alchemy_conn": database},
        "logging": {"base_log_folder": folder / "logs"},
        "api": {
            "host": "127.0.0.1",
            "port": port,
            "base_url": f"http://127.0.0.1:{port}",
            "secret_key": keys["session"],
        },
        "api_auth": {"jwt_secret": keys["jwt"]},
        "dag_processor": {
            "dag_bundle_storage_path": folder / "bundles",
            "refresh_interval": 5,
            "min_file_process_interval": 15,  # every 5 seconds, it takes half a core
            "parsing_processes": 1,
            "stale_dag_threshold": 30,
        },
        # A task whose worker was killed fails after this many seconds without a heartbeat; Airflow waits 300.
        "scheduler": {"parsing_cleanup_interval": 10, "task_instance_heartbeat_timeout": TASK_TIMEOUT_SECONDS},
        # Seconds without a heartbeat after which another triggerer takes over the triggers of a killed one.
        "triggerer": {"triggerer_health_check_threshold": 15},
    }
    return {
        "AIRFLOW_HOME": str(folder),
        **{
            f"AIRFLOW__{section}__{name}".upper(): str(value)
            for section, options in settings.items()
            for name, value in options.items()
        },
    }
