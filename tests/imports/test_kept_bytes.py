"""The bytes of a file stay on this machine until the ledger has them, or a person has looked at them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bursar.errors import InputFileError
from bursar.imports import load
from bursar.imports.apply import apply_payments
from bursar.imports.apply_again import apply_again, list_repeated_arrivals
from bursar.ledger.import_files import FileState, ImportFile
from bursar.reporting.report_sentences import describe_repeated_file
from bursar.work_dir import sweep
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fault_injection import KilledError, KillSwitch
from tests.support.payment_inbox import PaymentInbox, xml

REGISTRATION = 3
"""The number of the act that registers a file: after a listing, the file, and a listing."""
BROKEN = xml(Payment("1", "5"))[:-20]


def load_and_kill(inbox: PaymentInbox, name: str, run_id: str = "run 1") -> None:
    """Loads a file, and is killed before the ledger has it."""
    kill_switch = KillSwitch(REGISTRATION)
    with pytest.raises(KilledError), kill_switch.watch_commits(inbox.library.ledger):
        inbox.load_file(name, run_id, kill_switch=kill_switch)
    sweep(inbox.staging, set())


def get_kept(inbox: PaymentInbox) -> list[bytes]:
    return [path.read_bytes() for path in inbox.staging.glob("*/fetched")]


def get_way_out(inbox: PaymentInbox, run_id: str) -> int:
    """Returns the number by which the only repeated arrival of a run can be applied again."""
    with inbox.library.ledger.connect() as connection:
        (arrival,) = list_repeated_arrivals(connection, "STUDENTS", run_id)
    assert f"apply-again {arrival.id}" in describe_repeated_file(arrival)
    return arrival.id


def test_a_file_that_the_mailbox_deletes_a_moment_later_is_loaded(inbox: PaymentInbox, office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    path = inbox.put("a.xml", xml(Payment(transaction, "10.00")))
    load_and_kill(inbox, "a.xml")
    path.unlink()
    assert inbox.import_file("a.xml") is None
    assert office.library.position(fine)[2] == 0
    assert get_kept(inbox) == []


def test_a_file_that_the_server_still_has_is_loaded_and_archived(inbox: PaymentInbox) -> None:
    inbox.put("a.xml", xml(Payment("1", "5")))
    load_and_kill(inbox, "a.xml")
    assert inbox.import_file("a.xml") == "processed/a.xml"
    assert get_kept(inbox) == []


def test_a_copy_of_a_file_that_another_machine_has_loaded_is_removed(inbox: PaymentInbox, tmp_path: Path) -> None:
    inbox.put("a.xml", xml(Payment("1", "5")))
    load_and_kill(inbox, "a.xml")
    here, inbox.staging = inbox.staging, tmp_path / "another machine"
    inbox.import_file("a.xml", "run 2")
    inbox.staging = here
    inbox.put("b.xml", xml(Payment("2", "5")))
    inbox.import_file("b.xml", "run 3")
    assert get_kept(inbox) == []
    assert inbox.library.one("SELECT count(*) FROM repeated_arrivals") == 0


def test_a_copy_of_a_loaded_file_is_removed_without_another_file(inbox: PaymentInbox, tmp_path: Path) -> None:
    inbox.put("a.xml", xml(Payment("1", "5")))
    load_and_kill(inbox, "a.xml")
    here, inbox.staging = inbox.staging, tmp_path / "another machine"
    load.remove_loaded_downloads(inbox.library.ledger, "STUDENTS", here)
    inbox.staging = here
    assert len(get_kept(inbox)) == 1  # the ledger does not have it yet
    inbox.staging = tmp_path / "another machine"
    inbox.import_file("a.xml", "run 2")
    inbox.staging = here
    load.remove_loaded_downloads(inbox.library.ledger, "STUDENTS", here)
    assert get_kept(inbox) == []


@pytest.fixture
def second_instalment(mailbox: PaymentInbox, office: FakeBursar) -> int:
    """A fine of 10.00 that first.xml has paid 4.00 of; second.xml with the same bytes was fetched, and not loaded."""
    fine, transaction = office.export_fine("10.00")
    content = xml(Payment(transaction, "4.00"))
    mailbox.put("first.xml", content)
    mailbox.import_file("first.xml", "run 1")
    mailbox.put("second.xml", content)
    load_and_kill(mailbox, "second.xml", "run 2")
    assert get_kept(mailbox) == [content]
    return fine


def repeat_the_task(mailbox: PaymentInbox) -> None:
    apply_payments(mailbox.library.ledger, mailbox.load_file("second.xml", "run 2").id, run_id="run 2")


def import_another_file(mailbox: PaymentInbox) -> None:
    mailbox.put("third.xml", xml(Payment("3", "1")))
    mailbox.import_file("third.xml", "run 3")
    warning = mailbox.library.one("SELECT warning FROM file_arrivals WHERE name = 'third.xml'")
    assert f"`bin/bursar imports apply-again {get_way_out(mailbox, 'run 2')}`" in warning


@pytest.mark.parametrize("follow", [repeat_the_task, import_another_file])
def test_a_second_file_of_the_same_bytes_keeps_its_way_out(
    mailbox: PaymentInbox, office: FakeBursar, second_instalment: int, follow: Callable[[PaymentInbox], None]
) -> None:
    follow(mailbox)
    assert get_kept(mailbox) == []
    arrival = get_way_out(mailbox, "run 2")
    assert apply_again(mailbox.library.ledger, arrival, mailbox.profile.import_, by="anna").state is FileState.APPLIED
    assert office.library.position(second_instalment)[2] == 2


def test_the_only_copy_of_a_rejected_file_stays(mailbox: PaymentInbox) -> None:
    mailbox.put("a.xml", BROKEN)
    with pytest.raises(InputFileError, match=r"a\.xml:3.* the only copy is .*/fetched on ") as error:
        mailbox.load_file("a.xml")
    sweep(mailbox.staging, set())
    assert get_kept(mailbox) == [BROKEN]
    assert mailbox.library.one("SELECT rejection FROM import_files") == str(error.value)
    mailbox.put("b.xml", xml(Payment("2", "5")))
    mailbox.import_file("b.xml", "run 2")
    mailbox.put("a.xml", xml(Payment("1", "5")))  # the bursar has corrected it
    mailbox.import_file("a.xml", "run 3")
    assert get_kept(mailbox) == [BROKEN]


def test_the_only_copy_of_a_rejected_file_can_be_loaded_by_a_later_version(
    mailbox: PaymentInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox.put("a.xml", xml(Payment("1", "5")))

    def refuse(*_: object) -> ImportFile:
        message = "a.xml can't be read."
        raise InputFileError(message)

    with monkeypatch.context() as patch:
        patch.setattr(load, "copy_records", refuse)
        with pytest.raises(InputFileError):
            mailbox.load_file("a.xml")
    assert mailbox.load_file("a.xml").state is FileState.READ
    assert get_kept(mailbox) == []


def test_a_rejected_file_that_the_server_has_is_not_kept(inbox: PaymentInbox) -> None:
    inbox.put("a.xml", BROKEN)
    with pytest.raises(InputFileError) as error:
        inbox.load_file("a.xml")
    assert "only copy" not in str(error.value)
    assert inbox.archive_file("a.xml") == "failed/a.xml"
    assert get_kept(inbox) == []
