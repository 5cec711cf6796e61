"""What a bursar says was billed is compared with what was exported, line by line."""

from decimal import Decimal

import pytest

from bursar.errors import BursarError
from bursar.ledger import desk
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.statement_inbox import BILLED, Found, StatementInbox

TEN = Decimal(10)
NOTHING = Decimal(0)


def test_a_billed_fine_agrees_also_when_it_has_been_paid(statements: StatementInbox, office: FakeBursar) -> None:
    statements.write_layout(BILLED)
    _, paid = office.export_fine("10.00")
    _, wrong = office.export_fine("10.00")
    _, missing = office.export_fine("10.00")
    office.pay(Payment(paid, "10.00"))
    statements.age()
    statement = statements.compare(f"{paid},10.00,USD", f"{wrong},1.00,USD")
    assert statements.find(statement) == [
        Found("DIFFERS", wrong, TEN, Decimal(1)),
        Found("UNKNOWN_THERE", missing, TEN, NOTHING),
        Found("AGREES", paid, TEN, TEN),
    ]
    assert statements.list_reasons(statement) == [None, "not billed there", None]


def test_a_reversal_is_a_line_of_its_own(statements: StatementInbox, office: FakeBursar) -> None:
    statements.write_layout(BILLED)
    fine, charge = office.export_fine("10.00")
    with statements.library.ledger.begin() as connection:
        desk.waive(connection, fine, TEN, allow_activity_on_transferred_finesfees=True)
    office.export()
    reversal = office.get_transaction(fine)
    statements.age()
    statement = statements.compare(f"{charge},10.00,USD")
    assert statements.find(statement) == [
        Found("UNKNOWN_THERE", reversal, -TEN, NOTHING),
        Found("AGREES", charge, TEN, TEN),
    ]


def test_what_was_exported_lately_or_is_on_its_way_is_pending(statements: StatementInbox, office: FakeBursar) -> None:
    statements.write_layout(BILLED)
    _, lately = office.export_fine("10.00")
    fine = statements.library.fine(amount="10.00")
    office.export(close=False)
    on_its_way = office.get_transaction(fine)
    statement = statements.compare(f"{on_its_way},10.00,USD")
    assert statements.find(statement) == [
        Found("PENDING", lately, TEN, NOTHING),
        Found("PENDING", on_its_way, NOTHING, TEN),
    ]
    statement = statements.compare(run_id="run 2")
    assert statements.find(statement) == [Found("PENDING", lately, TEN, NOTHING)]


def test_only_fines_of_the_last_days_are_missed_and_older_ones_are_compared_if_they_are_listed(
    statements: StatementInbox, office: FakeBursar
) -> None:
    statements.write_layout(f"{BILLED}billed_days: 31\n")
    _, old = office.export_fine("10.00")
    _, listed = office.export_fine("10.00")
    statements.age(40)
    _, new = office.export_fine("10.00")
    statements.age(20)
    statement = statements.compare(f"{listed},9.00,USD")
    assert (
        statements.find(statement)
        == [
            Found("UNKNOWN_THERE", new, TEN, NOTHING),
            Found("DIFFERS", listed, TEN, Decimal(9)),
        ][::-1]
    )
    assert old not in {one.subject for one in statements.find(statement)}


def test_a_profile_without_an_import_can_compare_what_was_billed(
    statements: StatementInbox, office: FakeBursar
) -> None:
    statements.write_layout(BILLED)
    fine = statements.library.fine(amount="10.00")
    office.export(import_active=False)
    id_ = office.get_transaction(fine)
    inactive = statements.profile.import_.model_copy(update={"active": False})
    statements.profile = statements.profile.model_copy(update={"import_": inactive})
    assert statements.find(statements.compare(f"{id_},10.00,USD")) == [Found("AGREES", id_, TEN, TEN)]


def test_a_list_in_several_files_misses_a_fine_that_none_of_them_has(
    statements: StatementInbox, office: FakeBursar
) -> None:
    statements.write_layout(f"{BILLED}partial: yes\n")
    (_, one), (_, two), (_, missing) = (office.export_fine("10.00") for _ in range(3))
    statements.age()
    for run, outcome in ((1, "PENDING"), (2, "UNKNOWN_THERE")):
        for name, own, other in (("a.csv", one, two), ("b.csv", two, one)):
            days_ago = 15 - 7 * run + (0.01 if own == one else 0)
            found = statements.compare(f"{own},10.00,USD", name=name, run_id=f"run {run}", days_ago=days_ago)
            outcomes = {row.subject: row.outcome for row in statements.find(found)}
            assert outcomes == {own: "AGREES", other: "PENDING", missing: outcome}
    reasons = statements.list_reasons(found)
    assert reasons == ["in none of the files of the last days", "not in this file, which has a part of the list", None]
    for keys, least in (("partial: yes\nbilled_days: 14", 15), ("billed_days: 7", 8)):
        statements.write_layout(f"{BILLED}{keys}\n")
        with pytest.raises(BursarError, match=rf"might never be missed. Write billed_days: {least} or more"):
            statements.compare(f"{one},10.00,USD", name="a.csv", run_id="run 3")
    statements.write_layout(f"{BILLED}partial: yes\n")
    statements.change(pending_days=0)
    with pytest.raises(BursarError, match="pending_days: 1 or more"):
        statements.compare(f"{one},10.00,USD", name="a.csv", run_id="run 3")
