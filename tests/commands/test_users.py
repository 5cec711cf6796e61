"""`bin/bursar users`, on a real ledger."""

from tests.support.cli import run
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import Library


def test_a_user_with_an_active_fine_is_not_deleted_and_one_without_is(library: Library) -> None:
    office = FakeBursar(library)
    fine, transaction = office.export_fine("10.00")
    user = library.one("SELECT user_id FROM fines WHERE id = :id", id=fine)
    primary_id = library.one("SELECT value FROM identifiers WHERE user_id = :id AND type = 'userName'", id=user)
    refused = run("users", "delete", primary_id, "--yes", exit_code=1)
    assert f"fine {fine}: 10.00 USD outstanding at the bursar STUDENTS, transaction {transaction}" in refused
    office.pay(Payment(transaction, "10.00"))
    assert "Aborted" in run("users", "delete", primary_id, exit_code=1), "nobody deletes without confirming"
    assert f"User {user} has been deleted" in run("users", "delete", primary_id, "--yes")
    assert "Deleted user (no primary id)" in run("fines", "show", str(fine))
