"""Runs on a real scheduler: what they report, and how Airflow shows it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from bursar.ledger import desk
from bursar.ledger.connection import ledger_engine
from demo.library import Library

NOWHERE = """
code: NOWHERE
name: Nowhere
sftp_connection: bursar_nowhere
system: Other
export:
  active: yes
  time_before_export_days: 0
  user_identifier_type: userName
  fine_fee_types: [NOWHEREFEE]
  institutional_fine_fee: yes
  output_file_path: nowhere
  schedule: monthly on day 1 at 04:00
import:
  active: no
"""


@pytest.fixture(scope="module")
def engine(library: Library) -> Iterator[Engine]:
    """The library's ledger."""
    engine = ledger_engine(library.ledger_url)
    yield engine
    engine.dispose()


def add_profile(library: Library, code: str, yaml: str) -> str:
    """Gives the library one more profile; returns the id of its export DAG, which Airflow knows by then."""
    (library.state / "include" / "profiles" / f"{code.lower()}.yaml").write_text(yaml)
    library.airflow.client.wait_for_dags([f"bursar_export__{code}"])
    return f"bursar_export__{code}"


def add_fines(engine: Engine, kind: str, *days_old: int) -> list[int]:
    """Fines of 10.00 USD and of one type, owned by the institution, of that many days before now."""
    with engine.begin() as connection:
        user = connection.scalar(text("SELECT min(user_id) FROM identifiers WHERE type = 'userName'"))
        return [
            desk.add_fine(
                connection,
                user_id=user,
                fine_fee_type=kind,
                amount=Decimal(10),
                currency="USD",
                created_at=datetime.now(UTC) - timedelta(days=days),
            )
            for days in days_old
        ]


def report_of(engine: Engine, run: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(text("SELECT * FROM job_reports WHERE run = :run"), {"run": run}).one()


def test_a_failed_upload_is_a_failed_run_with_a_report_that_says_what_to_do(library: Library, engine: Engine) -> None:
    client = library.airflow.client
    add_fines(engine, "NOWHEREFEE", 1, 2)
    dag = add_profile(library, "NOWHERE", NOWHERE)

    run = client.trigger(dag)

    assert client.wait(dag, run) == "failed"
    assert client.task_states(dag, run) == {
        "finish_earlier_batches": "success",
        "select_fines": "success",
        "build_document": "success",
        "upload_file": "failed",
        "close_fines": "upstream_failed",
        "report_job": "failed",
    }
    report = report_of(engine, run)
    assert report.outcome == "failed"
    assert report.fines == 0
    assert list(report.stages) == ["finish_earlier_batches", "select_fines", "build_document", "upload_file"]
    failure, waiting = report.messages
    assert "upload_file failed: There is no Airflow connection bursar_nowhere." in failure
    assert "with 2 fines (20.00 USD) is DOCUMENTED; its fines wait" in waiting
