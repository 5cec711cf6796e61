"""What Airflow shows of a job to every user of its pages, XComs and logs, names nobody."""

import re

from sqlalchemy import NullPool, create_engine, text

from bursar.db.engine import ledger_engine
from demo.library import Library

DAG = "bursar_export__MEDICAL"


def told_by_xcoms(library: Library) -> str:
    engine = create_engine(library.postgres.url("airflow"), poolclass=NullPool)
    with engine.connect() as connection:
        return "\n".join(connection.scalars(text("SELECT coalesce(CAST(value AS text), '') FROM xcom")))


def told_by_logs(library: Library) -> str:
    logs = sorted((library.state / "airflow" / "logs").rglob("*.log"))
    return "\n".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)


def test_no_name_and_no_identifier_stands_in_xcoms_and_logs(library: Library) -> None:
    """Not those of this run, nor those of any run of the tests before it."""
    airflow = library.airflow.client
    airflow.wait_for_dags([DAG])
    assert airflow.wait(DAG, airflow.trigger(DAG)) == "success"

    with ledger_engine(library.ledger_url).connect() as connection:
        people = connection.execute(text("SELECT DISTINCT patron_name, identifier FROM batch_lines")).all()
    assert people
    for told in (told_by_xcoms(library), told_by_logs(library)):
        assert "MEDICAL" in told  # there is something to look through
        words = set(re.findall(r"\w+", told))
        assert not [person for person in people if person.patron_name in told or person.identifier in words]
