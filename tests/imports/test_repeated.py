"""An import killed at any moment and repeated, by its task or by the next run: each file has its effect once."""

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
    *("files", "read", "files"),  # the bytes are fetched
    "commit",  # the file is registered
    "commit",  # its records are there
]
ARCHIVING = [
    *("files", "create_folder", "entry"),  # the name in the other folder is free
    *("entry", "move", "entry", "commit"),  # the file is moved, and that is recorded
]
APPLYING = {
    1: ["commit"],
    2: ["commit", "commit", "commit"],  # of one partition, of the other, and of the file
}
DIES_AT = [
    *((1, act) for act in range(len(LOADING + APPLYING[1] + ARCHIVING))),
    *((2, act) for act in range(len(LOADING), len(LOADING + APPLYING[2]))),
]
"""The number of partitions, and the act; with partitions only the acts of applying, since the others are the same."""


def import_file(inbox: PaymentInbox, run: str, kill_switch: KillSwitch | None = None) -> None:
    """Runs the tasks of a file."""
    kill_switch = kill_switch or KillSwitch()
    with kill_switch.watch_commits(inbox.library.ledger):
        file = inbox.load_file("a.xml", run, kill_switch)
        apply_payments(inbox.library.ledger, file.id, run_id=run)
        inbox.archive_file("a.xml", run, kill_switch)


def paid_once(inbox: PaymentInbox, fines: list[int]) -> bool:
    """Whether 6 of 10 were paid by one entry for each fine, and the file was moved once and is the only one."""
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
    """Fines of 10.00, in both partitions, of each of which the file in the inbox pays 6.00."""
    exported = [office.export_fine("10.00") for _ in range(3)]
    inbox.put("a.xml", xml(*(Payment(transaction, "6.00") for _, transaction in exported)))
    return [fine for fine, _ in exported]


def test_the_acts_of_an_import(inbox: PaymentInbox, fines: list[int], partition_count: int) -> None:
    """The list of the acts at which the next test kills it."""
    kill_switch = KillSwitch()
    import_file(inbox, "run 1", kill_switch)
    assert kill_switch.acts == LOADING + APPLYING[partition_count] + ARCHIVING
    assert paid_once(inbox, fines)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("partition_count", "dies_at"), DIES_AT, indirect=["partition_count"])
@pytest.mark.parametrize("repeated_by", ["run 1", "run 2"])
def test_killed_anywhere_and_repeated_a_file_has_its_effect_once(
    inbox: PaymentInbox, fines: list[int], partition_count: int, dies_at: int, after: bool, repeated_by: str
) -> None:
    with pytest.raises(KilledError):
        import_file(inbox, "run 1", KillSwitch(dies_at, after))
    if repeated_by == "run 1" or "a.xml" in inbox.files():  # the next run sees the files in the folder
        import_file(inbox, repeated_by)
    assert paid_once(inbox, fines)


@pytest.mark.usefixtures("partition_count")
def test_two_imports_at_once_apply_a_file_once(inbox: PaymentInbox, fines: list[int]) -> None:
    together = Barrier(2)

    def one(run: str) -> FileState:
        together.wait()
        return apply_payments(inbox.library.ledger, inbox.load_file("a.xml", run).id, run_id=run).state

    with ThreadPoolExecutor(2) as workers:
        assert list(workers.map(one, ["run 1", "run 2"])) == [FileState.APPLIED] * 2
    for run in ("run 1", "run 2"):
        assert inbox.archive_file("a.xml", run) == "processed/a.xml"
    assert paid_once(inbox, fines)
