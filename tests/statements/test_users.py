"""A statement with totals of users is compared with the sums of what they owe at the bursar."""

from decimal import Decimal

from bursar.users.deletion import delete_user
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.statement_inbox import OF_USERS, Found, StatementInbox

NOTHING = Decimal(0)


def test_the_total_of_each_user_has_one_outcome(statements: StatementInbox, office: FakeBursar) -> None:
    statements.write_layout(OF_USERS)
    for identifier in ("0001", "0001", "0002", "0003"):
        user = statements.library.one(
            "SELECT min(user_id) FROM identifiers WHERE value = :value", value=identifier
        ) or statements.library.user(identifier)
        statements.library.fine(user, "10.00")
    office.export()
    statements.age()
    statement = statements.compare("0001,15.00,USD", "0001,5.00,USD", "0002,11.00,USD", "0009,1.00,USD")
    assert statements.find(statement) == [
        Found("DIFFERS", "0002", Decimal(10), Decimal(11)),
        Found("UNKNOWN_HERE", "0009", NOTHING, Decimal(1)),
        Found("PENDING", "0003", Decimal(10), NOTHING),
        Found("AGREES", "0001", Decimal(20), Decimal(20)),
    ]
    assert statement.subject == "user"


def test_any_of_the_movements_of_the_last_days_may_be_in_a_total(
    statements: StatementInbox, office: FakeBursar
) -> None:
    statements.write_layout(OF_USERS)
    user = statements.library.user("0001")
    old = statements.library.fine(user, "10.00")
    office.export()
    statements.age()
    statements.library.fine(user, "5.00")
    office.export()
    office.pay(Payment(office.get_transaction(old), "10.00"))
    # here 5.00 is outstanding; the bursar may have booked the payment and not yet the new fine, or the reverse
    for place, (total, outcome) in enumerate(
        {"5.00": "AGREES", "0.00": "PENDING", "15.00": "PENDING", "16.00": "DIFFERS", "-1.00": "DIFFERS"}.items()
    ):
        statement = statements.compare(f"0001,{total},USD", run_id=f"run {place}")
        assert [one.outcome for one in statements.find(statement)] == [outcome], total


def test_currencies_are_compared_apart(statements: StatementInbox, office: FakeBursar) -> None:
    statements.write_layout(OF_USERS)
    user = statements.library.user("0001")
    statements.library.fine(user, "10.00")
    statements.library.fine(user, "7.00", currency="EUR")
    office.export()
    statements.age()
    statement = statements.compare("0001,10.00,USD", "0001,8.00,EUR")
    assert [(one.outcome, one.ours) for one in statements.find(statement)] == [
        ("DIFFERS", Decimal(7)),
        ("AGREES", Decimal(10)),
    ]


def test_an_identifier_of_two_users_belongs_to_neither(statements: StatementInbox, office: FakeBursar) -> None:
    statements.write_layout(OF_USERS)
    for _ in range(2):
        statements.library.fine(statements.library.user("0001"), "10.00")
        office.export()
        with statements.owner.begin() as connection:
            connection.exec_driver_sql("DELETE FROM identifiers WHERE value = '0001'")
    statement = statements.compare("0001,20.00,USD")
    assert statements.find(statement)[0] == Found("UNKNOWN_HERE", "0001", NOTHING, Decimal(20))
    assert statements.list_reasons(statement)[0] == "fines of several users were exported with this identifier"


def test_the_identifier_of_a_deleted_user_is_erased(statements: StatementInbox, office: FakeBursar) -> None:
    statements.write_layout(OF_USERS)
    user = statements.library.user("0001")
    fine = statements.library.fine(user, "10.00")
    other = statements.library.user("0002")
    statement = statements.compare("0001,1.00,USD", "0002,1.00,USD")
    office.export()
    office.pay(Payment(office.get_transaction(fine), "10.00"))
    known = statements.compare("0001,0.00,USD", run_id="run 2")
    assert delete_user(statements.library.ledger, user)
    assert [one.subject for one in statements.find(statement)] == ["", "0002"]
    assert [one.subject for one in statements.find(known)] == [""]
    assert other
