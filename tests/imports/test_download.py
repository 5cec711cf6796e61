"""A file that the server gives only once is not lost, whenever a worker is killed."""

from pathlib import Path

import pytest

from bursar.errors import TransientError
from bursar.ledger.import_files import FileState
from bursar.work_dir import sweep
from tests.support.fake_bursar import Payment
from tests.support.fault_injection import KilledError, KillSwitch
from tests.support.payment_inbox import PaymentInbox, xml
from tests.support.read_once import Hook

FIRST, SECOND = xml(Payment("1", "5")), xml(Payment("2", "7.00"))
ACTS = 5
"""The calls and commits of a loading: the listing, the file, the listing, the registration, the records."""


def is_sftp(mailbox: PaymentInbox) -> bool:
    return bool(mailbox.remote.connection["conn_type"] == "sftp")


@pytest.mark.parametrize(("kill_at", "after"), [*((act, False) for act in range(ACTS)), (ACTS - 1, True)])
def test_a_repeated_task_loads_the_file_whenever_the_first_was_killed(
    mailbox: PaymentInbox, kill_at: int, *, after: bool
) -> None:
    mailbox.put("a.xml", FIRST)
    kill_switch = KillSwitch(kill_at, after)
    with pytest.raises(KilledError), kill_switch.watch_commits(mailbox.library.ledger):
        mailbox.load_file("a.xml", kill_switch=kill_switch)
    sweep(mailbox.staging, set())
    file = mailbox.load_file("a.xml")
    assert (file.state, file.records, file.size) == (FileState.READ, 1, len(FIRST))
    assert mailbox.import_file("a.xml") is None
    mailbox.put("b.xml", SECOND)
    mailbox.load_file("b.xml")
    assert list(mailbox.staging.iterdir()) == []


@pytest.mark.parametrize("mailbox", ["sftp"], indirect=True)  # an FTP server does not learn when the last byte arrives
def test_all_bytes_are_on_the_disk_before_the_server_removes_the_file(
    mailbox: PaymentInbox, on_removal: list[Hook]
) -> None:
    sizes: list[int] = []
    on_removal.append(lambda _: sizes.extend(file.stat().st_size for file in mailbox.staging.glob("*/fetched")))
    mailbox.put("a.xml", FIRST)
    mailbox.load_file("a.xml")
    assert sizes == [len(FIRST)]


def test_the_next_file_of_the_same_name_does_not_cost_the_first(
    mailbox: PaymentInbox, on_removal: list[Hook], caplog: pytest.LogCaptureFixture
) -> None:
    """It arrives as soon as the first one has been read."""

    def send_next(path: Path) -> None:
        on_removal.clear()
        path.write_bytes(SECOND)

    on_removal.append(send_next)
    mailbox.put("a.xml", FIRST)
    if is_sftp(mailbox):  # the open file is known to be the listed one
        assert mailbox.load_file("a.xml").size == len(FIRST)
        assert mailbox.import_file("a.xml") is None
        assert mailbox.load_file("a.xml", "run 2").size == len(SECOND)
        assert list(mailbox.staging.iterdir()) == []
        return
    with pytest.raises(TransientError, match="changed while it was fetched"):
        mailbox.load_file("a.xml")
    assert mailbox.load_file("a.xml").size == len(SECOND)
    assert "put it into the bursar's folder under another name" in caplog.text
    assert "fetched" in (mailbox.library.one("SELECT warning FROM file_arrivals") or "")
    assert [file.read_bytes() for file in mailbox.staging.glob("*/fetched")] == [FIRST]


def test_the_next_file_of_the_same_name_does_not_cost_the_first_after_a_kill(mailbox: PaymentInbox) -> None:
    mailbox.put("a.xml", FIRST)
    kill_switch = KillSwitch(3)
    with pytest.raises(KilledError), kill_switch.watch_commits(mailbox.library.ledger):
        mailbox.load_file("a.xml", kill_switch=kill_switch)
    mailbox.put("a.xml", SECOND)
    assert mailbox.load_file("a.xml", "run 2").size == len(FIRST)
    assert mailbox.import_file("a.xml", "run 2") is None
    assert mailbox.load_file("a.xml", "run 3").size == len(SECOND)


def test_kept_bytes_of_another_file_are_named(mailbox: PaymentInbox, caplog: pytest.LogCaptureFixture) -> None:
    mailbox.put("a.xml", FIRST)
    kill_switch = KillSwitch(3)
    with pytest.raises(KilledError), kill_switch.watch_commits(mailbox.library.ledger):
        mailbox.load_file("a.xml", kill_switch=kill_switch)
    mailbox.put("b.xml", SECOND)
    mailbox.load_file("b.xml")
    assert "has the bytes of a.xml" in caplog.text
    mailbox.put("c.xml", FIRST)  # the bursar has sent it again
    mailbox.load_file("c.xml")
    assert "Nothing is loaded twice" not in caplog.text
    mailbox.put("d.xml", xml(Payment("3", "1")))
    mailbox.load_file("d.xml")
    assert list(mailbox.staging.iterdir()) == []
