"""What libraries with a Koha reported, from its account lines to the bursar and back: nothing twice, nothing lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from random import Random

import pytest

from bursar.errors import BursarError
from bursar.ledger import desk
from bursar.sources.koha.system import KohaSystem
from bursar.sources.outbox import WriteCounts
from tests.support.fault_injection import KilledError, KillSwitch
from tests.support.koha_library import ADA, BEN, CYD, ITEM, open_system
from tests.support.koha_town import KohaTown
from tests.support.koha_traps import Moment

FAULTS = (Moment.BEFORE, Moment.DURING, Moment.AFTER, Moment.ERROR_BEFORE, Moment.ERROR_AFTER, Moment.BUSY)


def owed(town: KohaTown, line: int) -> Decimal:
    """Returns what a line owes in Koha."""
    return town.koha.state.outstanding(line)


def count_credits(town: KohaTown) -> dict[str, int]:
    """Returns the number of Bursar's credits by their keys."""
    rows = town.koha.state.rows("SELECT note, count(*) FROM accountlines WHERE note LIKE 'bursar:%' GROUP BY note")
    return {row[0]: row[1] for row in rows}


def test_a_fine_that_was_handed_over_is_closed_in_koha_and_nothing_else_changes(town: KohaTown) -> None:
    fine = town.koha.state.charge(ADA, "NEW_CARD", "5")
    assert town.read() == []
    assert town.export() == [("5.00", None)]
    assert town.sync() == []
    assert owed(town, fine) == 0
    assert town.position(fine) == ("0.00", "5.00", "0.00")
    town.pay_at_bursar(fine, "5.00")
    town.pass_day()
    assert town.sync() == []
    assert town.export() == []
    assert town.events() == [(str(fine), "handed_over", "done"), (str(fine), "paid_at_bursar", "done")]
    assert list(count_credits(town).values()) == [1]


def test_a_fraction_that_was_rounded_is_closed_with_the_rest(town: KohaTown) -> None:
    fine = town.koha.state.charge(ADA, "MANUAL", "3.335")
    town.read()
    assert town.export() == [("3.34", None)]
    assert town.sync() == []
    assert owed(town, fine) == 0
    assert town.position(fine) == ("0.00", "3.34", "0.00")
    town.pass_day()
    assert town.sync() == []


def test_an_item_that_is_found_before_the_export_leaves_nothing_to_export(town: KohaTown) -> None:
    lost = town.koha.state.charge(ADA, "LOST", "50", itemnumber=ITEM)
    town.read()
    town.koha.state.find_item(lost)
    assert town.sync() == []
    assert town.export() == []


def test_an_item_that_is_found_after_its_fee_was_handed_over_is_reversed_at_the_bursar(town: KohaTown) -> None:
    lost = town.koha.state.charge(ADA, "LOST", "50", itemnumber=ITEM)
    fee = town.koha.state.charge(ADA, "PROCESSING", "10", itemnumber=ITEM)
    town.read()
    town.export()
    assert town.sync() == []
    found, processed = town.koha.state.find_item(lost), town.koha.state.find_item(fee)
    assert [owed(town, found), owed(town, processed)] == [Decimal(-50), Decimal(-10)]
    assert town.sync() == []
    assert sorted(town.export()) == [("-10.00", "2"), ("-50.00", "1")]
    assert [town.position(line)[1] for line in (lost, fee, found, processed)] == ["0.00"] * 4
    town.sync()
    assert town.events()[2:] == [(str(found), "handed_over", "refused"), (str(processed), "handed_over", "refused")]
    assert town.rows("SELECT DISTINCT left(answer, 46) FROM outbox_events WHERE state = 'refused'") == [
        ("Koha has no call that closes a credit. In Koha",)
    ]


def test_an_item_that_is_found_before_koha_was_written_to_is_reversed_at_the_bursar(town: KohaTown) -> None:
    lost = town.koha.state.charge(ADA, "LOST", "50", itemnumber=ITEM)
    town.read()
    town.export()
    town.koha.state.find_item(lost)
    assert town.sync() == []
    assert town.export() == [("-50.00", "1")]
    assert town.position(lost) == ("0.00", "0.00", "0.00")
    assert count_credits(town) == {}


def test_what_was_paid_at_the_desk_before_koha_was_written_to_is_reversed_at_the_bursar(town: KohaTown) -> None:
    fine = town.koha.state.charge(ADA, "LOST", "50")
    town.read()
    town.export()
    town.koha.state.credit(ADA, "PAYMENT", "20", fine)
    assert town.sync() == []
    assert owed(town, fine) == 0
    assert town.position(fine) == ("0.00", "30.00", "20.00")
    assert town.export() == [("-20.00", "1")]


def test_a_refund_opens_a_fine_again_that_was_never_exported(town: KohaTown) -> None:
    fine = town.koha.state.charge(ADA, "NEW_CARD", "5")
    town.read()
    payment = town.koha.state.credit(ADA, "PAYMENT", "5", fine)
    assert town.sync() == []
    assert town.export() == []
    town.koha.state.void(payment)
    assert town.sync() == []
    assert town.export() == [("5.00", None)]


def test_a_refund_that_was_paid_out_bills_and_credits_nothing(town: KohaTown) -> None:
    fine = town.koha.state.charge(ADA, "NEW_CARD", "5")
    town.koha.state.credit(ADA, "PAYMENT", "5", fine)
    town.read()
    refund = town.koha.state.credit(ADA, "REFUND", "3")
    assert town.sync() == []
    assert town.position(refund)[0] == "-3.00"
    town.koha.state.pay_out(refund)
    assert town.sync() == []
    assert town.export() == []


def test_a_credit_that_a_librarian_voids_asks_a_person(town: KohaTown) -> None:
    fine = town.koha.state.charge(ADA, "NEW_CARD", "5")
    town.read()
    town.export()
    town.sync()
    town.koha.state.void(town.koha.state.one("SELECT accountlines_id FROM accountlines WHERE note LIKE 'bursar:%'"))
    assert town.sync() == ["came_back"]
    assert town.position(fine) == ("0.00", "5.00", "0.00")
    assert list(count_credits(town).values()) == [1]


def test_the_fines_of_a_merged_patron_are_written_to_the_new_one(town: KohaTown) -> None:
    fine, other = town.koha.state.charge(ADA, "NEW_CARD", "5"), town.koha.state.charge(BEN, "NEW_CARD", "6")
    town.read()
    town.export()
    town.koha.state.merge(ADA, BEN)
    town.write()
    assert town.events() == [(str(fine), "handed_over", "refused"), (str(other), "handed_over", "done")]
    assert town.read() == []
    with town.library.ledger.begin() as connection:
        connection.exec_driver_sql("UPDATE outbox_events SET state = 'pending' WHERE state = 'refused'")
    assert town.sync() == []
    assert [owed(town, fine), owed(town, other)] == [Decimal(0), Decimal(0)]
    assert {state for _, _, state in town.events()} == {"done"}
    assert town.position(fine) == ("0.00", "5.00", "0.00")


def test_a_fine_that_grows_is_not_exported_until_its_item_is_back(town: KohaTown) -> None:
    fine = town.koha.state.charge(ADA, "OVERDUE", "0.333333", status="UNRETURNED")
    assert town.read() == []
    assert town.export() == []
    town.pass_day()
    town.koha.state.grow(fine, "1")
    assert town.sync() == []
    assert town.export() == []
    town.pass_day()
    town.koha.state.grow(fine, "1.335", status="RETURNED")
    assert town.sync() == []
    assert town.export() == [("1.34", None)]
    assert town.sync() == []
    assert owed(town, fine) == 0


def test_a_branch_and_a_type_that_no_map_has_are_rejected_rows(town: KohaTown) -> None:
    fine = town.koha.state.charge(ADA, "RENT", "5", branchcode="CPL")
    town.koha.state.charge(ADA, "NEW_CARD", "5")
    town.koha.state.credit(ADA, "ONLINE", "5")
    assert town.read() == ["unmapped"] * 3, "branch and type of the fine, type of the credit"
    assert town.export() == [("5.00", None)]
    town.change(
        owners=town.source.owners | {"CPL": "MAIN"},
        fine_fee_types=town.source.fine_fee_types | {"RENT": "RENT"},
        credit_types={"ONLINE": "payment"},
    )
    assert town.sync() == []
    assert town.position(fine)[0] == "5.00"


def test_what_was_waived_in_bursar_is_not_given_back_when_the_item_is_found(town: KohaTown) -> None:
    lost = town.koha.state.charge(ADA, "LOST", "50", itemnumber=ITEM)
    town.read()
    [(fine,)] = town.rows("SELECT id FROM fines")
    with town.library.ledger.begin() as connection:
        desk.waive(connection, fine, Decimal(20), by="anna")
    assert town.sync() == []
    assert owed(town, lost) == 30
    assert town.export() == [("30.00", None)]
    assert town.sync() == []
    found = town.koha.state.find_item(lost)
    assert owed(town, found) == -30
    assert town.sync() == []
    assert town.export() == [("-30.00", "1")]
    assert (town.position(lost)[1], town.position(found)[1]) == ("0.00", "0.00")


def test_a_spill_is_for_a_person_and_is_not_taken_for_a_payment_at_the_desk(town: KohaTown) -> None:
    fine = town.koha.state.charge(ADA, "NEW_CARD", "5")
    town.read()
    town.export()
    add_credit = town.koha.state.credit

    def add_late(*arguments: object, **values: object) -> int:
        town.koha.state.credit = add_credit  # type: ignore[method-assign]
        add_credit(ADA, "PAYMENT", "2", fine)
        return add_credit(*arguments, **values)  # type: ignore[arg-type]

    town.koha.state.credit = add_late  # type: ignore[method-assign]
    assert town.write() == WriteCounts(refused=1)
    assert town.read() == []
    assert town.position(fine) == ("0.00", "3.00", "2.00"), "only the 2.00 of the desk are reversed"


def test_with_payment_as_the_end_fines_stay_open_until_the_bursar_is_paid(town: KohaTown) -> None:
    town.change(closes_fines_when="paid")
    fine = town.koha.state.charge(ADA, "LOST", "50")
    town.read()
    town.export()
    assert town.sync() == []
    assert owed(town, fine) == 50
    town.pay_at_bursar(fine, "20.00")
    assert town.sync() == []
    assert owed(town, fine) == 30
    assert town.position(fine) == ("0.00", "30.00", "0.00")
    town.pay_at_bursar(fine, "30.00")
    town.pass_day()
    assert town.sync() == []
    assert owed(town, fine) == 0
    assert town.position(fine) == ("0.00", "0.00", "0.00")
    assert town.koha.state.one("SELECT count(*) FROM accountlines WHERE credit_type_code = 'PAYMENT'") == 2


def test_a_worker_killed_at_any_request_or_commit_writes_each_event_once(town: KohaTown) -> None:
    """Kills a worker before each of its requests and commits, in turn, until it survives."""
    for kill_at in range(50):
        fine = town.koha.state.charge(ADA, "NEW_CARD", "5")
        town.read()
        town.export()
        switch = KillSwitch(kill_at)
        try:
            with switch.watch_commits(town.library.ledger), killable(town, switch) as system:
                town.write(system)
        except KilledError:
            pass
        town.sync()
        assert owed(town, fine) == 0
        assert town.position(fine) == ("0.00", "5.00", "0.00")
        if len(switch.acts) <= kill_at:
            break
    assert {"get", "post", "commit"} <= set(switch.acts)
    assert len(count_credits(town)) == kill_at + 1
    assert set(count_credits(town).values()) == {1}


@contextmanager
def killable(town: KohaTown, switch: KillSwitch) -> Iterator[KohaSystem]:
    """Opens Koha with a client each of whose requests is an act of the worker."""
    with open_system(town.koha, town.source) as system:
        http = system.client.http
        get, post = http.get, http.post
        http.get = lambda *a, **k: switch.act("get", lambda: get(*a, **k))  # type: ignore[method-assign]
        http.post = lambda *a, **k: switch.act("post", lambda: post(*a, **k))  # type: ignore[method-assign]
        yield system


@pytest.mark.parametrize("seed", range(3))
def test_under_random_faults_each_fine_is_closed_once_and_the_desk_has_the_last_word(town: KohaTown, seed: int) -> None:
    """Faults of the server at random requests, desk payments in between; then runs without faults end it all."""
    random = Random(seed)  # noqa: S311  no secret
    state, traps = town.koha.state, town.koha.traps
    fines = [state.charge(random.choice((ADA, BEN, CYD)), "NEW_CARD", f"{random.randint(1, 900)}.5") for _ in range(20)]
    amounts = {fine: owed(town, fine) for fine in fines}
    town.read()
    town.export()
    paid: dict[int, Decimal] = {}
    for _ in range(8):
        for _ in range(random.randint(1, 5)):
            method, path = random.choice((("GET", "/account"), ("POST", "credits"), ("POST", "token")))
            traps.add_fault(method, path, random.choice(FAULTS), skip=random.randint(0, 10))
        if random.random() < 0.3:
            town.koha.logins.tokens.clear()
        fine = random.choice(fines)
        if owed(town, fine) > 1:
            state.credit(state.one("SELECT borrowernumber FROM accountlines WHERE accountlines_id = ?", fine),
                         "PAYMENT", "1", fine)  # fmt: skip
            paid[fine] = paid.get(fine, Decimal(0)) + 1
        try:
            town.write()
            town.read()
        except BursarError:
            continue
    traps.faults.clear()
    town.sync()
    town.pass_day()
    town.sync()
    assert {state for _, _, state in town.events()} == {"done"}
    assert set(count_credits(town).values()) == {1}
    assert {fine: owed(town, fine) for fine in fines} == dict.fromkeys(fines, Decimal(0))
    for fine in fines:
        _, outstanding, reversal = town.position(fine)
        assert Decimal(outstanding) == amounts[fine] - paid.get(fine, Decimal(0))
        assert Decimal(reversal) == paid.get(fine, Decimal(0))
