"""The embedded library: every part of Airflow is healthy, it loads the DAGs, and it requires a login."""

import stat
from pathlib import Path

import httpx
import pytest

from bursar.errors import BursarError
from bursar.profiles import INCLUDE, load_profiles, load_settings
from demo.airflow import Airflow
from demo.airflow_client import AirflowClient
from demo.library import Library, embedded_library
from demo.processes import find_processes


def test_every_part_of_airflow_is_healthy(library: Library) -> None:
    health = httpx.get(f"{library.airflow.address}/api/v2/monitor/health").json()

    assert {part: report["status"] for part, report in health.items()} == {
        "metadatabase": "healthy",
        "scheduler": "healthy",
        "triggerer": "healthy",
        "dag_processor": "healthy",
    }


def test_airflow_loads_the_dags_of_profiles_and_source_without_errors(library: Library) -> None:
    profiles, _ = load_profiles(INCLUDE / "profiles.examples", load_settings())
    expected = [f"bursar_export__{profile.code}" for profile in profiles if profile.export.active]
    expected += [f"bursar_import__{profile.code}" for profile in profiles if profile.import_.active]
    expected += ["bursar_monitoring", "bursar_purge_users", "bursar_sync__LIBRARY", "bursar_waive_fines"]

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
