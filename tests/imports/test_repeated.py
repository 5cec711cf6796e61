"""Imports that are killed at any call and repeated, by their task or by the next run: each file is applied once."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest

from bursar.imports.apply import apply_payments
from bursar.ledger.import_files import FileState
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fault_injection import KilledError, KillSwitch
from tests.support.payment_inbox import PaymentInbox, xml

LOADING = [
    *("files", "read", "files"),  # downloads the file
    "commit",  # registers the file
    "commit",  # stores its records
]
ARCHIVING = [
    *("files", "create_folder", "entry"),  # finds a free name in the other folder
    *("entry", "move", "entry", "commit"),  # moves the file, and records that
]
APPLYING = {
    1: ["commit"],
    2: ["commit", "commit", "commit"],  # one partition, the other one, and the file
}
LAST = len(LOADING + APPLYING[1] + ARCHIVING) - 1
KILLS = [
    *((1, act, False) for act in range(LAST + 1)),
    (1, LAST, True),
    *((2, act, False) for act in range(len(LOADING), len(LOADING + APPLYING[2]))),
]
"""The number of partitions, the act, and whether after it. With partitions only the acts of applying differ."""


def run_import(inbox: PaymentInbox, run: str, kill_switch: KillSwitch | None = None) -> None:
    """Runs the tasks of an import for one file."""
    kill_switch = kill_switch or KillSwitch()
    with kill_switch.watch_commits(inbox.library.ledger):
        file = inbox.load_file("a.xml", run, kill_switch)
        apply_payments(inbox.library.ledger, file.id, run_id=run)
        inbox.archive_file("a.xml", run, kill_switch)


def is_paid_once(inbox: PaymentInbox, fines: list[int]) -> bool:
    """Returns whether each fine has one payment of 6.00, and the file was archived once."""
    entries = inbox.library.one("SELECT count(*) FROM journal_entries WHERE entry_type = 'PAID_AT_BURSAR'")
    applied = inbox.library.one("SELECT count(*) FROM import_files WHERE state = 'APPLIED'")
    return (list(map(inbox.library.position, fines)), entries, applied, list(inbox.files())) == (
        [("TRANSFERRED", Decimal(0), Decimal(4))] * 3,
        3,
        1,
        ["processed/a.xml"],
    )


@pytest.fixture
def fines(inbox: PaymentInbox, office: FakeBursar) -> list[int]:
    """Exports fines of 10.00 in both partitions; the file in the inbox pays 6.00 of each. Returns the fines."""
    exported = [office.library.fine(amount="10.00") for _ in range(3)]
    office.export()
    inbox.put("a.xml", xml(*(Payment(office.get_transaction(fine), "6.00") for fine in exported)))
    return exported


def test_an_import_makes_these_calls(inbox: PaymentInbox, fines: list[int], partition_count: int) -> None:
    """The next test kills the worker at each of these calls."""
    kill_switch = KillSwitch()
    run_import(inbox, "run 1", kill_switch)
    assert kill_switch.acts == LOADING + APPLYING[partition_count] + ARCHIVING
    assert is_paid_once(inbox, fines)


@pytest.mark.parametrize(("partition_count", "kill_at", "after"), KILLS, indirect=["partition_count"])
@pytest.mark.parametrize("repeated_by", ["run 1", "run 2"])
def test_an_import_that_is_killed_and_repeated_applies_a_file_once(
    inbox: PaymentInbox, fines: list[int], partition_count: int, kill_at: int, after: bool, repeated_by: str
) -> None:
    with pytest.raises(KilledError):
        run_import(inbox, "run 1", KillSwitch(kill_at, after))
    if repeated_by == "run 1" or "a.xml" in inbox.files():  # the next run sees the files in the folder
        run_import(inbox, repeated_by)
    assert is_paid_once(inbox, fines)


@pytest.mark.usefixtures("partition_count")
def test_simultaneous_imports_apply_a_file_once(inbox: PaymentInbox, fines: list[int]) -> None:
    start = Barrier(2)

    def import_once(run: str) -> FileState:
        start.wait()
        return apply_payments(inbox.library.ledger, inbox.load_file("a.xml", run).id, run_id=run).state

    with ThreadPoolExecutor(2) as workers:
        assert list(workers.map(import_once, ["run 1", "run 2"])) == [FileState.APPLIED] * 2
    for run in ("run 1", "run 2"):
        assert inbox.archive_file("a.xml", run) == "processed/a.xml"
    assert is_paid_once(inbox, fines)
