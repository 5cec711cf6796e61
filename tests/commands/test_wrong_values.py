"""A wrong value in a call, as of an unknown library or no moment, is refused with the exit status 2."""

import json

import pytest
from sqlalchemy import text

from demo.postgres import LEDGER_OWNER, Postgres
from tests.support.cli import run
from tests.support.fixtures import Library


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("desk", "credit", "USER", "5", "--owner", "NOPE"), "there is no library NOPE"),
        (("desk", "credit", "USER", "5", "--currency", "XXQ"), "XXQ is no currency"),
        (("desk", "credit", "USER", "0.001"), "0.001 is not a sum of money in USD, which has 2 decimals"),
        (("desk", "credit", "USER", "1e11"), "is not a sum of money of at most 99,999,999,999.999"),
        (("desk", "credit", "USER", "1e-400"), "is not a sum of money"),
        (("desk", "pay", "FINE", "0.001"), "0.001 is not a sum of money in USD"),
        (("desk", "waive", "FINE", "1e400"), "is not a sum of money"),
        (("--by", " ", "desk", "pay", "FINE"), "is no name of 1 to 100 printable characters"),
        (("--by", "x" * 101, "desk", "pay", "FINE"), "is no name of 1 to 100 printable characters"),
        (("profiles", "preview", "STUDENTS", "--as-of", "soon"), "'soon' is not a moment"),
        (("profiles", "preview", "STUDENTS", "--as-of", "2026-13-45"), "is not a moment"),
        (("profiles", "preview", "STUDENTS", "--as-of", "P1D"), "is not a moment"),
        (("profiles", "preview", "STUDENTS", "--as-of", ""), "is not a moment"),
        (("profiles", "preview", "STUDENTS", "--as-of", "99999-01-01"), "is not a moment"),
        (("fines", "show", "\udcff"), "is not text in UTF-8"),
        (("users", "delete", "\udcff", "--yes"), "is not text in UTF-8"),
        (("desk", "pay", "FINE", "--comment", "\udcff"), "is not text in UTF-8"),
        (("imports", "list", "--profile", "\udcff"), "is not text in UTF-8"),
    ],
)
def test_a_wrong_value_is_refused(library: Library, arguments: tuple[str, ...], message: str) -> None:
    user = library.user()
    values = {"USER": str(user), "FINE": str(library.fine(user))}
    output = run(*(values.get(argument, argument) for argument in arguments), exit_code=2)
    assert message in output.replace("\n", " ")
    with library.ledger.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM journal_entries")).scalar_one() == 1


def test_rights_for_an_unknown_role_are_refused(
    library: Library, postgres: Postgres, empty_ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"conn_type": "postgres", "host": str(postgres.sockets), "login": LEDGER_OWNER, "schema": empty_ledger}
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LEDGER", json.dumps(values))
    output = run("ledger", "migrate", "--grant-to", "nobody_here", exit_code=2)
    assert "PostgreSQL has no role nobody_here" in output
