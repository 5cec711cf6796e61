"""A file with known bytes changes nothing, until a person applies it: once for each arrival, on record."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest

from bursar.errors import InputFileError, TransientError
from bursar.imports.apply_again import apply_again, list_repeated_arrivals
from bursar.ledger.import_files import FileState, ImportFile
from bursar.reporting.report_sentences import describe_repeated_file
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fault_injection import KilledError, KillSwitch
from tests.support.payment_inbox import PaymentInbox, xml

D = Decimal


@pytest.fixture
def instalment(inbox: PaymentInbox, office: FakeBursar) -> int:
    """A fine of 10.00 that two files of the same bytes, in two runs, pay 4.00 of."""
    fine, transaction = office.export_fine("10.00")
    for run, name in (("run 1", "first.xml"), ("run 2", "second.xml")):
        inbox.put(name, xml(Payment(transaction, "4.00")))
        inbox.import_file(name, run)
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(6))
    return fine


def get_arrivals(inbox: PaymentInbox, run: str = "run 2") -> list[int]:
    with inbox.library.ledger.connect() as connection:
        return [arrival.id for arrival in list_repeated_arrivals(connection, "STUDENTS", run)]


def describe(inbox: PaymentInbox, run: str) -> list[str]:
    with inbox.library.ledger.connect() as connection:
        return [describe_repeated_file(one) for one in list_repeated_arrivals(connection, "STUDENTS", run)]


def again(inbox: PaymentInbox, arrival: int, *, by: str = "anna", **section: object) -> ImportFile:
    changed = inbox.profile.import_.model_copy(update=section)
    return apply_again(inbox.library.ledger, arrival, changed, by=by)


def count_payments(inbox: PaymentInbox) -> int:
    count: int = inbox.library.one("SELECT count(*) FROM journal_entries WHERE entry_type = 'PAID_AT_BURSAR'")
    return count


def test_a_repeated_file_is_applied_once_more_and_the_person_is_recorded(inbox: PaymentInbox, instalment: int) -> None:
    (arrival,) = get_arrivals(inbox)
    assert describe(inbox, "run 1") == []
    (sentence,) = describe(inbox, "run 2")
    assert "second.xml has the same content as first.xml, which was applied before; it changed nothing" in sentence
    assert f"`bin/bursar imports apply-again {arrival}`" in sentence

    file = again(inbox, arrival)

    assert (file.state, file.name, file.requested_by, file.records) == (FileState.APPLIED, "second.xml", "anna", 1)
    assert inbox.library.position(instalment) == ("TRANSFERRED", D(0), D(2))
    assert again(inbox, arrival, by="ben") == file
    assert inbox.library.position(instalment) == ("TRANSFERRED", D(0), D(2))
    (sentence,) = describe(inbox, "run 2")
    assert sentence.endswith(
        f"A person had it applied again, as file {file.id}; `bin/bursar imports list` names the person."
    )


def test_each_arrival_can_be_applied_once(inbox: PaymentInbox, instalment: int) -> None:
    inbox.put("third.xml", inbox.files()["processed/second.xml"])
    inbox.import_file("third.xml", "run 3")
    for run in ("run 2", "run 3"):
        (arrival,) = get_arrivals(inbox, run)
        again(inbox, arrival)
    assert inbox.library.position(instalment) == ("TRANSFERRED", D(0), D(0))  # 4, 4 and 2, and a credit of 2
    assert inbox.library.one("SELECT sum(amount) FROM fines WHERE amount < 0") == -2


def test_two_files_of_the_same_bytes_in_one_run(inbox: PaymentInbox, office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    for name in ("first.xml", "second.xml"):
        inbox.put(name, xml(Payment(transaction, "4.00")))
        inbox.import_file(name)
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(6))
    (arrival,) = get_arrivals(inbox, "run 1")
    again(inbox, arrival)
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(2))


@pytest.mark.usefixtures("partition_count")
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kill_at", [0, 1])
def test_killed_and_repeated_it_has_its_effect_once(
    inbox: PaymentInbox, instalment: int, kill_at: int, after: bool
) -> None:
    (arrival,) = get_arrivals(inbox)
    kill_switch = KillSwitch(kill_at, after)
    with pytest.raises(KilledError), kill_switch.watch_commits(inbox.library.ledger):
        again(inbox, arrival)
    assert again(inbox, arrival, by="ben").state is FileState.APPLIED
    assert inbox.library.position(instalment) == ("TRANSFERRED", D(0), D(2))
    assert count_payments(inbox) == 2


def test_two_people_simultaneously_apply_it_once(inbox: PaymentInbox, instalment: int) -> None:
    (arrival,) = get_arrivals(inbox)
    start = Barrier(2)

    def apply(by: str) -> int:
        start.wait()
        return again(inbox, arrival, by=by).id

    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(apply, ["anna", "ben"]))) == 1
    assert inbox.library.position(instalment) == ("TRANSFERRED", D(0), D(2))


def test_only_a_repeated_arrival_can_be_applied_again(inbox: PaymentInbox, instalment: int) -> None:
    first = inbox.library.one("SELECT id FROM file_arrivals WHERE name = 'first.xml'")
    for arrival in (first, 4711):
        with pytest.raises(InputFileError, match="There is no repeated file"):
            again(inbox, arrival)
    assert inbox.library.position(instalment) == ("TRANSFERRED", D(0), D(6))


def test_a_file_that_was_not_moved_away_is_no_second_one(inbox: PaymentInbox, office: FakeBursar) -> None:
    """A worker may be lost before it moves the file: the next run sees it again."""
    _, transaction = office.export_fine("10.00")
    inbox.put("first.xml", xml(Payment(transaction, "4.00")))
    for run in ("run 1", "run 2"):
        office.apply(inbox.load_file("first.xml", run).id)
    office._run("UPDATE import_files SET applied_by_run_id = 'run 1'")  # noqa: SLF001
    (sentence,) = describe(inbox, "run 2")
    assert sentence.endswith("and the same name, size and time: it is that file. It changed nothing.")
    assert "apply-again" not in sentence


def test_the_bytes_of_another_profile_pay_its_own_fines_only(inbox: PaymentInbox, instalment: int) -> None:
    staff = inbox.library.fine(amount="4.00")
    FakeBursar(inbox.library).export(profile="STAFF")
    inbox.profile = inbox.profile.model_copy(update={"code": "STAFF"})
    inbox.put("staff.xml", inbox.files()["processed/second.xml"])
    inbox.import_file("staff.xml", "run 1")
    with inbox.library.ledger.connect() as connection:
        (arrival,) = list_repeated_arrivals(connection, "STAFF", "run 1")
    file = again(inbox, arrival.id)
    assert {name: one.records for name, one in (file.outcomes or {}).items()} == {"UNMATCHED": 1}
    assert inbox.library.position(instalment) == ("TRANSFERRED", D(0), D(6))
    assert inbox.library.position(staff) == ("CLOSED", D(0), D(4))


def test_the_limit_for_overpayments_holds_here_too(inbox: PaymentInbox, instalment: int) -> None:
    (arrival,) = get_arrivals(inbox)
    again(inbox, arrival, max_overpayment=0)
    inbox.put("third.xml", inbox.files()["processed/second.xml"])
    inbox.import_file("third.xml", "run 3")
    (arrival,) = get_arrivals(inbox, "run 3")
    file = again(inbox, arrival, max_overpayment=0)
    assert list(file.outcomes or {}) == ["OVERPAID_HELD"]
    assert inbox.library.position(instalment) == ("TRANSFERRED", D(0), D(0))


def test_known_bytes_are_not_loaded_again_after_that(inbox: PaymentInbox, instalment: int) -> None:
    (arrival,) = get_arrivals(inbox)
    again(inbox, arrival)
    inbox.put("third.xml", inbox.files()["processed/second.xml"])
    inbox.import_file("third.xml", "run 3")
    assert inbox.library.position(instalment) == ("TRANSFERRED", D(0), D(2))
    assert len(get_arrivals(inbox, "run 3")) == 1


def test_it_waits_for_an_export_that_has_not_been_closed(inbox: PaymentInbox, office: FakeBursar) -> None:
    """As its first application did; the call is repeated after that."""
    fine = office.library.fine(amount="10.00")
    office.export()
    transaction = office.get_transaction(fine)
    for run, name in (("run 1", "first.xml"), ("run 2", "second.xml")):
        inbox.put(name, xml(Payment(transaction, "4.00")))
        inbox.import_file(name, run)
    (arrival,) = get_arrivals(inbox)
    office._run("UPDATE batches SET closed_at = NULL")  # noqa: SLF001
    with pytest.raises(TransientError):
        again(inbox, arrival)
    office._run("UPDATE batches SET closed_at = now()")  # noqa: SLF001
    assert again(inbox, arrival).state is FileState.APPLIED
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(2))
