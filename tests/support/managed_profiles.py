"""Profiles that are managed in the pages, in the ledger of a test."""

import json
from typing import Any

from sqlalchemy import Engine

from bursar.ledger.profile_revisions import Revision, save_revision


def make_fields(code: str = "LAW", **changes: Any) -> dict[str, Any]:
    """Returns the fields of a valid profile as text; `changes` replaces top-level fields."""
    name = code.lower()
    return {
        "code": code,
        "name": f"{code.title()} Library",
        "sftp_connection": "bursar_law",
        "system": "Banner",
        "export": {
            "active": "yes",
            "time_before_export_days": "7",
            "user_identifier_type": "02",
            "institutional_fine_fee": "yes",
            "output_file_path": f"{name}/out",
            "schedule": "daily at 02:00",
        },
        "import": {"active": "yes", "input_file_path": f"{name}/in", "schedule": "daily at 06:00"},
    } | changes


def save_profile(ledger: Engine, code: str = "LAW", *, based_on: int = 0, by: str = "anna", **changes: Any) -> Revision:
    """Saves a revision of a valid profile, and commits."""
    with ledger.begin() as connection:
        return save_revision(connection, code, make_fields(code, **changes), based_on=based_on, change="changed", by=by)


def ledger_variable(ledger: Engine) -> str:
    """Returns the value of AIRFLOW_CONN_BURSAR_LEDGER for the ledger of a test."""
    url = ledger.url
    fields = {
        "conn_type": "postgres",
        "host": url.host or url.query.get("host"),
        "port": url.port,
        "login": url.username,
        "password": url.password,
        "schema": url.database,
    }
    return json.dumps(fields)
