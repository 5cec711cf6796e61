"""The embedded library: it starts, requires a login, and stops without leftover processes."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from bursar.errors import BursarError
from bursar.profiles import INCLUDE, load_profiles, load_settings
from demo.airflow import COMPONENTS, Airflow
from demo.airflow_client import AirflowClient
from demo.library import Library, embedded_library
from demo.processes import find_processes

PROJECT = Path(__file__).parents[2]


def _components_have_started(state: Path) -> bool:
    return len(find_processes(state / "airflow")) >= len(COMPONENTS)


def _address_is_known(state: Path) -> bool:
    return (state / "env").exists()


@contextmanager
def _up(state: Path, is_far_enough: Callable[[Path], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """Runs the program of `make up` in a process and a folder of its own; yields once it is far enough."""
    program = "import sys, pathlib; from demo.up import main; sys.exit(main(pathlib.Path(sys.argv[1])))"
    env = os.environ | {"PYTHONPATH": str(PROJECT / "plugins")}
    command = [sys.executable, "-c", program, str(state)]
    with subprocess.Popen(command, cwd=PROJECT, env=env) as process:  # noqa: S603
        try:
            deadline = time.monotonic() + 90
            while not is_far_enough(state) and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.2)
            yield process
        finally:
            process.kill()


def test_every_part_of_airflow_is_healthy(library: Library) -> None:
    health = httpx.get(f"{library.airflow.address}/api/v2/monitor/health").json()

    assert {part: report["status"] for part, report in health.items()} == {
        "metadatabase": "healthy",
        "scheduler": "healthy",
        "triggerer": "healthy",
        "dag_processor": "healthy",
    }


def test_airflow_loads_the_dags_of_the_profiles_without_errors(library: Library) -> None:
    profiles, _ = load_profiles(INCLUDE / "profiles.examples", load_settings())
    expected = [f"bursar_export__{profile.code}" for profile in profiles if profile.export.active]
    expected += [f"bursar_import__{profile.code}" for profile in profiles if profile.import_.active]
    expected += ["bursar_monitoring", "bursar_purge_users", "bursar_waive_fines"]

    library.airflow.client.wait_for_dags(expected)

    assert [dag["dag_id"] for dag in library.airflow.client.dags()] == expected
    assert library.airflow.client.import_errors() == []


def test_airflow_requires_the_password(library: Library) -> None:
    assert httpx.get(f"{library.airflow.address}/api/v2/dags").status_code == httpx.codes.UNAUTHORIZED
    with pytest.raises(BursarError, match="401"):
        AirflowClient(library.airflow.address, library.airflow.user, "admin")


def test_only_the_owner_can_read_keys_and_passwords(library: Library) -> None:
    folder = library.state / "airflow"

    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in ("keys.json", "passwords.json")} == {0o600}


def test_a_folder_is_used_by_one_library_at_a_time(library: Library) -> None:
    with pytest.raises(BursarError, match="already running"), embedded_library(library.state, fines=1):
        pass


def test_an_airflow_that_cannot_start_shows_the_end_of_its_log(library: Library, tmp_path: Path) -> None:
    airflow = Airflow(tmp_path, library.postgres.url("nowhere", "psycopg2"), {})

    with pytest.raises(BursarError, match='migration.log:(.|\n)*database "nowhere" does not exist'), airflow:
        pass

    assert not find_processes(tmp_path)


@pytest.mark.parametrize(
    ("number", "is_far_enough", "status"),
    [
        (signal.SIGINT, _components_have_started, 0),
        (signal.SIGTERM, _address_is_known, 128 + signal.SIGTERM),
    ],
)
def test_a_signal_ends_every_process(
    number: signal.Signals, is_far_enough: Callable[[Path], bool], status: int, state: Path
) -> None:
    with _up(state, is_far_enough) as up:
        started = psutil.Process(up.pid).children(recursive=True)
        up.send_signal(number)
        assert up.wait(timeout=60) == status
        _, left = psutil.wait_procs(started, timeout=5)

    assert len(started) > len(COMPONENTS)
    assert left == []


def test_the_next_start_ends_the_processes_of_a_killed_one(state: Path) -> None:
    def interrupt(_: str) -> None:
        raise InterruptedError

    with _up(state, _components_have_started) as up:
        started = psutil.Process(up.pid).children(recursive=True)
        up.kill()
    _, skipped = psutil.wait_procs(started, timeout=1)

    with pytest.raises(InterruptedError), embedded_library(state, fines=1, say=interrupt):
        pass

    _, left = psutil.wait_procs(started, timeout=5)
    assert len(skipped) > len(COMPONENTS)
    assert left == []
