"""`bin/bursar desk`, on a real ledger."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from demo.postgres import Postgres
from tests.support.cli import run
from tests.support.fake_bursar import FakeBursar
from tests.support.fixtures import Library


def allow_activity(include: Path) -> None:
    """Lets the desk settle what the bursar holds."""
    settings = include / "bursar.yaml"
    content = settings.read_text(encoding="utf-8")
    name = "allow_activity_on_transferred_finesfees"
    settings.write_text(content.replace(f"{name}: no", f"{name}: yes"), encoding="utf-8")


def test_the_desk_pays_waives_refunds_disputes_and_reverses(library: Library, include: Path) -> None:
    fine = str(library.fine(amount="10.00"))
    assert "ACTIVE: owed at the library 6.00 USD" in run("desk", "pay", fine, "4.00", "--comment", "cash")
    assert "ACTIVE: owed at the library 5.00 USD" in run("desk", "waive", fine, "1.00")
    assert "ACTIVE: owed at the library 5.00 USD" in run("desk", "refund", fine, "2.00")
    assert "is DISPUTED" in run("desk", "dispute", fine, "--comment", "returned in time")
    assert "is ACTIVE" in run("desk", "resolve-dispute", fine, "--comment", "seen on the shelf")
    assert "Fine 2 (CREDIT) is ACTIVE: owed at the library -3.00 USD" in run("desk", "reverse", fine, "3")
    assert "owed at the library -4.00 USD" in run("desk", "reverse", fine)
    assert "Nothing of fine 1 is left to reverse." in run("desk", "reverse", fine, exit_code=1)
    assert "is a credit itself" in run("desk", "reverse", "2", exit_code=1)
    assert "'4,50' is not an amount; write it as in 12.50" in run("desk", "pay", fine, "4,50", exit_code=2)
    assert "Only 5.00 USD of fine 1 is open; 6.00 USD is more." in run("desk", "pay", fine, "6", exit_code=1)


def test_a_credit_without_a_charge_is_given_to_a_user(library: Library, include: Path) -> None:
    user = library.user()
    primary_id = library.one("SELECT value FROM identifiers WHERE user_id = :id AND type = 'userName'", id=user)
    output = run("desk", "credit", primary_id, "5", "--owner", "LAW", "--comment", "amends")
    assert "Fine 1 (CREDIT) is ACTIVE: owed at the library -5.00 USD" in output
    assert "owed at the library -1.500 KWD" in run("desk", "credit", str(user), "1.5", "--currency", "KWD")
    rows = [
        library.one(f"SELECT user_id || ' ' || {name} FROM fines WHERE id = 1") for name in ("owner_library", "comment")
    ]
    assert rows == [f"{user} LAW", f"{user} amends"]
    assert "No user has" in run("desk", "credit", "nobody", "5", exit_code=2)
    assert library.one("SELECT count(*) FROM fines") == 2


def test_the_desk_follows_the_parameter_and_names_the_pending_reversal(library: Library, include: Path) -> None:
    fine, _ = FakeBursar(library).export_fine("10.00")
    assert "is outstanding there, and is paid there" in run("desk", "pay", str(fine), exit_code=1)
    allow_activity(include)
    output = run("desk", "pay", str(fine))
    assert "is CLOSED: owed at the library 0.00 USD, outstanding at the bursar 0.00 USD" in output
    pending = (
        "The bursar does not know yet that 10.00 USD of transaction 1 was settled at the library. "
        "The next export of STUDENTS reverses it."
    )
    assert pending in output
    assert pending in run("fines", "show", str(fine))


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("command", ["pay", "credit"])
def test_the_error_of_a_lost_connection_says_that_the_result_is_unknown(
    library: Library, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, *, command: str, committed: bool
) -> None:
    """The connection ends before or after PostgreSQL commits: the desk can't tell the two apart."""
    user = library.user()
    fine = library.fine(user)
    usual = PGDialect_psycopg.do_commit

    def commit(dialect: PGDialect_psycopg, connection: Any) -> None:
        if committed:
            usual(dialect, connection)  # type: ignore[no-untyped-call]
        with postgres.connect() as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.driver_connection.info.backend_pid])
        connection.execute("SELECT 1")

    monkeypatch.setattr(PGDialect_psycopg, "do_commit", commit)
    output = run("desk", command, str(fine if command == "pay" else user), "5", exit_code=1)
    monkeypatch.undo()
    assert "It is unknown whether this has been recorded" in output
    assert f"`bin/bursar fines show {fine if command == 'pay' else fine + 1}`" in output
    assert "owed at the library" not in output
    assert library.one("SELECT count(*) FROM journal_entries") == 1 + committed
