"""No personal data in the XComs and logs that every user of Airflow may read."""

import re

from sqlalchemy import NullPool, create_engine, text

from bursar.db.engine import ledger_engine
from demo.library import Library

DAG = "bursar_export__MEDICAL"


def read_xcoms(library: Library) -> str:
    engine = create_engine(library.postgres.url("airflow"), poolclass=NullPool)
    with engine.connect() as connection:
        return "\n".join(connection.scalars(text("SELECT coalesce(CAST(value AS text), '') FROM xcom")))


def read_logs(library: Library) -> str:
    logs = sorted((library.state / "airflow" / "logs").rglob("*.log"))
    return "\n".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)


def test_no_name_and_no_identifier_is_in_xcoms_or_logs(library: Library) -> None:
    """Neither of this run nor of any earlier run of these tests."""
    airflow = library.airflow.client
    airflow.wait_for_dags([DAG])
    assert airflow.wait(DAG, airflow.trigger(DAG)) == "success"

    with ledger_engine(library.ledger_url).connect() as connection:
        people = connection.execute(text("SELECT DISTINCT patron_name, identifier FROM batch_lines")).all()
    assert people
    for text_ in (read_xcoms(library), read_logs(library)):
        assert "MEDICAL" in text_  # it is not empty
        words = set(re.findall(r"\w+", text_))
        assert not [person for person in people if person.patron_name in text_ or person.identifier in words]
