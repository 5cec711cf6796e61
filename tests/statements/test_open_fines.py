"""What a bursar says is open is compared with what is outstanding, fine by fine."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest
from sqlalchemy import text

from bursar.errors import BursarError, InputFileError
from bursar.exports.close import close_fines
from bursar.ledger import desk
from bursar.reporting.run_report import RunOutcome
from bursar.reporting.statement_report import build_statement_report, describe_sums
from bursar.statements.records import Statement
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.statement_inbox import OF_USERS, OPEN, Found, StatementInbox

TEN = Decimal(10)
NOTHING = Decimal(0)


def test_each_fine_has_one_outcome_and_differences_come_first(statements: StatementInbox, office: FakeBursar) -> None:
    ids = [office.export_fine("10.00")[1] for _ in range(3)]
    statements.age()
    statement = statements.compare(f"{ids[0]},10.00,USD", f"{ids[1]},12.00,USD", "X99,4.00,USD", f"{ids[0]}x,?,USD")
    # the second is there with more, the third is missing for the first time: a payment may be on its way
    assert statements.find(statement) == [
        Found("DIFFERS", ids[1], TEN, Decimal(12)),
        Found("UNKNOWN_HERE", "X99", NOTHING, Decimal(4)),
        Found("INVALID", f"{ids[0]}x", NOTHING, NOTHING),
        Found("PENDING", ids[2], TEN, NOTHING),
        Found("AGREES", ids[0], TEN, TEN),
    ]
    assert (statement.results, statement.differences, statement.lines, statement.users) == (5, 3, 4, 3)
    assert statement.outcomes
    assert statement.outcomes["DIFFERS"].theirs == {"USD": Decimal(12)}


def test_a_comparison_changes_nothing_but_its_report(statements: StatementInbox, office: FakeBursar) -> None:
    fine, id_ = office.export_fine("10.00")
    with statements.library.ledger.connect() as connection:
        before = connection.execute(text("SELECT * FROM journal_entries ORDER BY id")).all()
    statements.compare(f"{id_},99.00,USD")
    with statements.library.ledger.connect() as connection:
        assert connection.execute(text("SELECT * FROM journal_entries ORDER BY id")).all() == before
    assert statements.library.position(fine) == ("CLOSED", NOTHING, TEN)


def test_lines_of_one_fine_are_added_up_so_that_a_fine_billed_twice_differs(
    statements: StatementInbox, office: FakeBursar
) -> None:
    _, twice = office.export_fine("10.00")
    _, parts = office.export_fine("10.00")
    statements.age()
    rows = [f"{twice},10.00,USD", f"{parts},4.00,USD", f"{twice},10.00,USD", f"{parts},6.00,USD"]
    statement = statements.compare(*rows)
    assert statements.find(statement) == [
        Found("DIFFERS", twice, TEN, Decimal(20)),
        Found("AGREES", parts, TEN, TEN),
    ]
    assert statements.list_reasons(statement) == ["the statement has 2 lines of it", None]


def test_a_fine_that_was_exported_lately_is_pending_and_later_missing(
    statements: StatementInbox, office: FakeBursar
) -> None:
    _, id_ = office.export_fine("10.00")
    find = [Found("PENDING", id_, TEN, NOTHING)]
    assert statements.find(statements.compare(run_id="run 1")) == find
    statements.age(8)
    with statements.owner.begin() as connection:
        connection.execute(text("UPDATE statement_results SET lower_since = lower_since - interval '8 days'"))
    assert statements.find(statements.compare(run_id="run 2")) == [Found("UNKNOWN_THERE", id_, TEN, NOTHING)]


def test_a_lower_sum_is_pending_until_it_has_lasted_for_the_days_of_the_profile(
    statements: StatementInbox, office: FakeBursar
) -> None:
    _, id_ = office.export_fine("10.00")
    statements.age(60)
    for days_ago, outcome in ((20, "PENDING"), (15, "PENDING"), (12, "DIFFERS"), (0, "DIFFERS")):
        statement = statements.compare(f"{id_},4.00,USD", run_id=f"run {days_ago}", days_ago=days_ago + 1)
        assert [one.outcome for one in statements.find(statement)] == [outcome]


def test_a_payment_that_arrives_begins_a_new_wait(statements: StatementInbox, office: FakeBursar) -> None:
    _, id_ = office.export_fine("10.00")
    statements.age(60)
    statements.compare(f"{id_},4.00,USD", days_ago=20)
    office.pay(Payment(id_, "2.00"))
    statements.age(5)
    statement = statements.compare(f"{id_},4.00,USD", run_id="run 2", days_ago=1)
    assert statements.find(statement) == [Found("PENDING", id_, Decimal(8), Decimal(4))]


def test_what_the_ledger_had_in_the_last_days_is_pending(statements: StatementInbox, office: FakeBursar) -> None:
    _, paid = office.export_fine("10.00")
    _, partly = office.export_fine("10.00")
    statements.age()
    office.pay(Payment(paid, "10.00"), Payment(partly, "3.00"))
    office.pay(Payment(partly, "2.00"))
    compare = partial(statements.compare, f"{paid},10.00,USD")
    statement = compare(f"{partly},7.00,USD")
    assert statements.find(statement) == [
        Found("PENDING", paid, NOTHING, TEN),
        Found("PENDING", partly, Decimal(5), Decimal(7)),
    ]
    statements.age(8)
    statement = compare(f"{partly},7.00,USD", run_id="run 2")
    assert [one.outcome for one in statements.find(statement)] == ["DIFFERS", "DIFFERS"]
    assert statements.list_reasons(statement)[0] == "nothing is outstanding here"


def test_a_batch_on_its_way_is_pending_however_old_it_is(statements: StatementInbox, office: FakeBursar) -> None:
    fine = statements.library.fine(amount="10.00")
    batch = office.export(close=False)
    statements.age()
    id_ = office.get_transaction(fine)
    statements.change(pending_days=0)
    statement = statements.compare(f"{id_},10.00,USD")
    assert statements.find(statement) == [Found("PENDING", id_, NOTHING, TEN)]
    close_fines(statements.library.ledger, batch)
    assert statements.find(statements.compare(f"{id_},10.00,USD", run_id="run 2")) == [Found("AGREES", id_, TEN, TEN)]


def test_a_fine_settled_at_the_library_is_pending_until_its_reversal_has_been_exported(
    statements: StatementInbox, office: FakeBursar
) -> None:
    fine, id_ = office.export_fine("10.00")
    statements.age()
    with statements.library.ledger.begin() as connection:
        desk.waive(connection, fine, TEN, allow_activity_on_transferred_finesfees=True)
    statements.age()
    find = [Found("PENDING", id_, NOTHING, TEN)]
    assert statements.find(statements.compare(f"{id_},10.00,USD")) == find
    office.export()
    reversal = office.get_transaction(fine)
    both = statements.compare(f"{id_},10.00,USD", f"{reversal},-10.00,USD", run_id="run 2")
    assert statements.find(both) == [Found("AGREES", id_, NOTHING, NOTHING)]
    assert statements.find(statements.compare(f"{id_},10.00,USD", run_id="run 3")) == find
    statements.age(8)
    statement = statements.compare(f"{id_},10.00,USD", run_id="run 4")
    assert statements.find(statement) == [Found("DIFFERS", id_, NOTHING, TEN)]


def test_a_fine_in_another_currency_differs_in_both(statements: StatementInbox, office: FakeBursar) -> None:
    _, id_ = office.export_fine("10.00", currency="EUR")
    statements.age()
    statement = statements.compare(f"{id_},10.00,USD")
    assert statements.find(statement) == [
        Found("DIFFERS", id_, NOTHING, TEN),
        Found("PENDING", id_, TEN, NOTHING),
    ]
    assert statements.list_reasons(statement)[0] == "the fine was exported in another currency"
    assert statement.outcomes
    assert statement.outcomes["PENDING"].ours == {"EUR": TEN}


def test_a_credit_is_compared_with_its_sign(statements: StatementInbox, office: FakeBursar) -> None:
    _, agrees = office.export_fine("-4.00")
    _, differs = office.export_fine("-4.00")
    statements.age()
    statement = statements.compare(f"{agrees},-4.00,USD", f"{differs},4.00,USD")
    assert [(one.outcome, one.subject) for one in statements.find(statement)] == [
        ("DIFFERS", differs),
        ("AGREES", agrees),
    ]


@pytest.mark.parametrize(
    ("charge", "credit", "outcome"),
    [("10.00", "-4.00", "AGREES"), ("9.00", "-4.00", "PENDING"), ("11.00", "-4.00", "DIFFERS")],
)
def test_a_charge_and_its_credit_that_the_bursar_shows_apart_are_one(
    statements: StatementInbox, office: FakeBursar, charge: str, credit: str, outcome: str
) -> None:
    fine, id_ = office.export_fine("10.00")
    user = statements.library.one("SELECT user_id FROM fines")
    _, credit_id = office.export_fine("-4.00", user=user, owner=None, reverses=fine)
    statements.age()
    statement = statements.compare(f"{credit_id},{credit},USD", f"{id_},{charge},USD")
    theirs = Decimal(charge) + Decimal(credit)
    assert statements.find(statement) == [Found(outcome, id_, Decimal(6), theirs)]
    alone = statements.compare(f"{id_},10.00,USD", run_id="run 2")  # the bursar has not taken the credit
    assert statements.find(alone) == [Found("DIFFERS", id_, Decimal(6), TEN)]


def test_a_fine_of_another_profile_is_unknown_here(statements: StatementInbox, office: FakeBursar) -> None:
    fine = statements.library.fine(amount="10.00")
    office.export(profile="STAFF")
    id_ = office.get_transaction(fine)
    statement = statements.compare(f"{id_},10.00,USD")
    assert statements.find(statement) == [Found("UNKNOWN_HERE", id_, NOTHING, TEN)]
    assert statements.list_reasons(statement) == ["the profile STAFF exported this fine"]


def test_an_internal_id_finds_a_fine_too(statements: StatementInbox, office: FakeBursar) -> None:
    statements.write_layout(OPEN.replace("transaction_id", "internal_id"))
    fine, id_ = office.export_fine("10.00")
    assert statements.find(statements.compare(f"{fine},10.00,USD")) == [Found("AGREES", id_, TEN, TEN)]


ITEMS = OPEN.replace("  transaction_id: {column: Id}", "  identifier: {column: Id}\n  reference: {column: Currency}")
ITEMS = ITEMS.replace("currency: {column: Currency}", "currency: {is: USD}")


def test_user_and_item_find_the_fine_with_the_same_sum(statements: StatementInbox, office: FakeBursar) -> None:
    statements.write_layout(ITEMS)
    user, item = statements.library.user("00777"), statements.library.item()
    barcode = statements.library.one("SELECT barcode FROM items")
    amounts = ("10.00", "95.00", "10.00")
    fines = [statements.library.fine(user, amount, item=item) for amount in amounts]
    office.export()
    statements.age()
    ids = [office.get_transaction(fine) for fine in fines]
    rows = [f"00777,{amount},{barcode}" for amount in ("10.00", "10.00", "90.00")]
    statement = statements.compare(*rows)
    assert statements.find(statement) == [
        Found("PENDING", ids[1], Decimal(95), Decimal(90)),
        Found("AGREES", ids[0], TEN, TEN),
        Found("AGREES", ids[2], TEN, TEN),
    ]
    statement = statements.compare(*(f"00777,1.00,{barcode}" for _ in range(2)), "1,2.00,3", run_id="run 2")
    assert {one.outcome for one in statements.find(statement)} == {"UNKNOWN_HERE", "PENDING"}
    assert "several fines of this user and this item could be meant" in statements.list_reasons(statement)
    assert "there is no id, and no fine of this user and this item" in statements.list_reasons(statement)


def test_a_list_of_what_is_open_needs_an_active_import(statements: StatementInbox) -> None:
    inactive = statements.profile.import_.model_copy(update={"active": False})
    statements.profile = statements.profile.model_copy(update={"import_": inactive})
    statements.put()
    with statements.run() as run, pytest.raises(BursarError, match="import of STUDENTS is not active"):
        run.compare_file("open.csv")


IN_LINES = OPEN.replace("{column: Currency}", "{is: USD}\n  stated_on: {column: Currency, as: '%d.%m.%Y'}")
IN_A_HEADER = """\
for: statement
lists: open
kind: delimited
encoding: utf-8
delimiter: ","
heading: no
skip_lines: 1
records:
  - {each: file, starts: OF, stated_on: {column: 2, as: "%d.%m.%Y"}}
  - {each: line}
fields:
  transaction_id: {column: 1}
  sum: {column: 2, as: "0.00"}
  currency: {is: USD}
"""


@pytest.mark.parametrize(
    ("layout", "rows"), [(IN_LINES, ("{id},10.00,{day}",)), (IN_A_HEADER, ("OF,{day}", "{id},10.00,x"))]
)
def test_a_statement_counts_for_the_day_that_it_names(
    statements: StatementInbox, office: FakeBursar, layout: str, rows: tuple[str, ...]
) -> None:
    statements.write_layout(layout)
    _, paid = office.export_fine("10.00")
    statements.age()
    office.pay(Payment(paid, "10.00"))
    statements.age(20)

    def compare(day: datetime, run_id: str) -> Statement:
        return statements.compare(*(row.format(id=paid, day=f"{day:%d.%m.%Y}") for row in rows), run_id=run_id)

    now = datetime.now(UTC)
    statement = compare(now - timedelta(days=25), "run 1")
    assert statements.find(statement) == [Found("PENDING", paid, NOTHING, TEN)]
    assert f"open.csv counts for {now - timedelta(days=25):%Y-%m-%d} 0" in describe_sums(statement)
    assert statements.find(compare(now, "run 2")) == [Found("DIFFERS", paid, NOTHING, TEN)]
    assert statements.find(compare(now - timedelta(days=35), "run 3")) == [Found("PENDING", paid, NOTHING, TEN)]
    for run_id, is_warned in (("run 1", False), ("run 3", True)):  # else a day that is never changed hides differences
        report = build_statement_report(statements.library.ledger, "STUDENTS", run_id=run_id, started_at=now, failed=())
        is_old = any("counts for a moment 35 days before it was compared" in message for message in report.messages)
        assert (is_old, report.outcome is RunOutcome.WITH_WARNINGS) == (is_warned, is_warned)
    with pytest.raises(InputFileError, match=rf"open.csv:2: the statement counts for {now.year + 1}-.* in the future"):
        compare(now + timedelta(days=366), "run 4")


def test_a_statement_of_two_days_is_refused(statements: StatementInbox) -> None:
    statements.write_layout(IN_LINES)
    with pytest.raises(InputFileError, match=r"open.csv:3: .* 2026-03-02 here, and for 2026-03-01 in line 2"):
        statements.compare("1,10.00,01.03.2026", "2,10.00,02.03.2026")


@pytest.mark.parametrize("layout", [OPEN, OF_USERS])
def test_lines_that_add_up_to_more_than_an_amount_can_be_are_refused_with_file_and_line(
    statements: StatementInbox, office: FakeBursar, layout: str
) -> None:
    statements.write_layout(layout)
    _, id_ = office.export_fine("10.00")
    name = id_ if layout is OPEN else statements.library.one("SELECT identifier FROM batch_lines LIMIT 1")
    subject = id_ if layout is OPEN else "a user"  # the message gets into logs, which name nobody
    with pytest.raises(InputFileError, match=rf"open.csv:3: the 2 lines of {subject} add up to 199,999,999,998.000"):
        statements.compare("X,1.00,USD", f"{name},99999999999.00,USD", f"{name},99999999999.00,USD")
    statement = statements.compare(f"{name},100000000000.00,USD", f"{name},1.00,USD", run_id="run 2")
    assert "the sum is too large: amounts have at most 11 digits before the point" in statements.list_reasons(statement)
