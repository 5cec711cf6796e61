"""`bin/bursar profiles check` compares profiles with the ledger and with Airflow."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bursar.__main__ import bursar
from tests.support.fixtures import Library

PROFILE = """\
code: LAW
name: Law Library
sftp_connection: bursar_law
system: Banner
export:
  active: yes
  time_before_export_days: 0
  user_identifier_type: "02"
  user_groups: [STAFF, STAF]
  fine_fee_types: [OVERDUEFINE, OVERDUE]
  institutional_fine_fee: yes
  libraries: [MAIN, MIAN]
  output_file_path: law/out
  schedule: daily at 02:00
import:
  active: no
notifications:
  failed: [a@library.example, "chat:library_chat"]
"""


@pytest.fixture
def profile(include: Path) -> Path:
    """The only profile."""
    for path in (include / "profiles").glob("*.yaml"):
        path.unlink()
    path = include / "profiles" / "law.yaml"
    path.write_text(PROFILE, encoding="utf-8")
    return path


def check(*options: str) -> Result:
    result = CliRunner().invoke(bursar, ["profiles", "check", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def test_names_that_nobody_knows_are_warnings(profile: Path, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    library.fine(library.user("00000001"), kind="OVERDUEFINE")
    result = check()
    assert result.stdout.splitlines() == [
        f"{profile}:3: warning: sftp_connection: Airflow has no connection bursar_law",
        f"{profile}:9: warning: export.user_groups: the ledger has no user group STAF",
        f"{profile}:10: warning: export.fine_fee_types: the ledger has no fine of the type OVERDUE",
        f"{profile}:12: warning: export.libraries: the ledger has no library MIAN",
        f"{profile}:18: warning: notifications.failed: Airflow has no connection library_chat",
    ]
    assert result.stderr == f"1 good profile in {profile.parent}: LAW\n"
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LAW", "{")
    assert ":3: warning: sftp_connection: The variable AIRFLOW_CONN_BURSAR_LAW is malformed." in check().stdout
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LAW", "sftp://law@bursar.example")
    monkeypatch.setenv("AIRFLOW_CONN_LIBRARY_CHAT", "apprise://")
    assert "Airflow has no" not in check().stdout


def test_an_unknown_type_of_identifiers_is_a_warning(profile: Path, library: Library) -> None:
    assert ":8: warning: export.user_identifier_type: the ledger has no identifier of the type 02" in check().stdout


def test_a_section_that_is_not_active_is_not_compared(profile: Path, library: Library) -> None:
    profile.write_text(PROFILE.replace("active: yes", "active: no"), encoding="utf-8")
    assert check().stdout == ""


def test_places_that_are_not_reached_are_named(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LEDGER", "postgres://bursar@127.0.0.1:1/ledger")
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # as in bin/bursar; Airflow's database has no tables
    # Another test may have left the channel of a task.
    monkeypatch.delattr("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", raising=False)
    result = check()
    assert result.stdout == ""
    _, ledger, airflow = result.stderr.splitlines()
    assert ledger.startswith("The ledger was not reached, so patterns, libraries, groups and types were not checked. ")
    assert "127.0.0.1:1 can't be reached" in ledger
    assert airflow.startswith("Airflow was not reached, so connections were not checked. ")
    assert "Airflow's database can't be read (no such table: connection)" in airflow


def test_warnings_are_data_too(profile: Path, library: Library) -> None:
    found = json.loads(check("--format", "json").stdout)
    assert found[0] == {
        "kind": "warning",
        "file": str(profile),
        "line": 3,
        "field": "sftp_connection",
        "message": "Airflow has no connection bursar_law",
        "column": None,
    }
    rows = list(csv.DictReader(io.StringIO(check("--format", "csv").stdout)))
    assert [row["field"] for row in rows] == [one["field"] for one in found]
