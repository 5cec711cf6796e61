"""The checks of a campaign can fail: each finds the data that was falsified for it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import TypeAlias

import psycopg
import pytest

from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from demo.postgres import Postgres
from tests.campaign.checks import Checks
from tests.campaign.desk import GroundTruth
from tests.campaign.fake_bursar import FakeBursar, PaymentFile
from tests.campaign.servers import Server
from tests.campaign.world import APART, PACKED
from tests.support.fixtures import NOW, Library, end_sessions, make_profile, make_settings
from tests.support.layouts import make_layout_profile
from tests.support.payment_inbox import PaymentInbox
from tests.support.servers import RemoteServer

Falsification: TypeAlias = Callable[[Checks], None]


@pytest.fixture
def checks(
    library: Library, postgres: Postgres, empty_ledger: str, sftp_remote: RemoteServer, tmp_path: Path
) -> Iterator[Checks]:
    """The checks of a round without violations: fines were sent and closed, and their payments imported."""
    for amount in ("12.50", "3.00", "7.25"):
        library.fine(amount=amount)
    server = Server("sftp", tmp_path / "server", tmp_path)
    server.disk = sftp_remote.disk
    bursar = FakeBursar("STUDENTS", server, tmp_path / "archive", cumulative=False, done_file_suffix="")
    batch = select_fines(library.ledger, make_profile(), make_settings(), run_id="run", as_of=NOW)
    work_dir = tmp_path / "work"
    upload_file(library.ledger, batch.id, lambda found: sftp_remote.open(found.output_file_path), work_dir)
    close_fines(library.ledger, batch.id)
    bursar.collect_files()
    paid = bursar.pay(Random(1))
    assert paid
    PaymentInbox(library, sftp_remote, tmp_path / "incoming").import_file(paid.name)
    end_sessions(postgres, "datname = %s", empty_ledger)
    with closing(postgres.connect(empty_ledger)) as connection:
        yield Checks(connection, [bursar], GroundTruth(), [work_dir])


@pytest.fixture
def checks_of_two_files(
    library: Library,
    postgres: Postgres,
    empty_ledger: str,
    sftp_remote: RemoteServer,
    write_layout: Callable[[str], object],
    tmp_path: Path,
) -> Iterator[Checks]:
    """The checks of a round without violations, in which charges, credits and a done file were sent."""
    write_layout(APART + PACKED)
    for amount in ("12.50", "3.00", "-7.25"):
        library.fine(amount=amount)
    server = Server("sftp", tmp_path / "server", tmp_path)
    server.disk = sftp_remote.disk
    bursar = FakeBursar("STUDENTS", server, tmp_path / "archive", cumulative=False, done_file_suffix="")
    batch = select_fines(library.ledger, make_layout_profile(), make_settings(), run_id="run", as_of=NOW)
    work_dir = tmp_path / "work"
    upload_file(library.ledger, batch.id, lambda found: sftp_remote.open(found.output_file_path), work_dir)
    close_fines(library.ledger, batch.id)
    bursar.collect_files()
    end_sessions(postgres, "datname = %s", empty_ledger)
    with closing(postgres.connect(empty_ledger)) as connection:
        yield Checks(connection, [bursar], GroundTruth(), [work_dir])


def credits_are_not_received(checks: Checks) -> None:
    checks.bursars[0].receipts = [one for one in checks.bursars[0].receipts if "credits" not in one.name]


def done_file_is_not_received(checks: Checks) -> None:
    checks.bursars[0].receipts = [one for one in checks.bursars[0].receipts if one.data]


def charges_come_twice(checks: Checks) -> None:
    checks.bursars[0].receipts += [one for one in checks.bursars[0].receipts if "charges" in one.name]


def done_file_comes_twice(checks: Checks) -> None:
    checks.bursars[0].receipts += [one for one in checks.bursars[0].receipts if not one.data]


def credits_show_the_charges(checks: Checks) -> None:
    charges = next(one for one in checks.bursars[0].receipts if "charges" in one.name)
    checks.bursars[0].receipts = [
        replace(one, bills=charges.bills) if "credits" in one.name else one for one in checks.bursars[0].receipts
    ]


FALSIFIED_FILES = [
    (credits_are_not_received, "a file is lost"),
    (done_file_is_not_received, "a file is lost"),
    (charges_come_twice, "a file is sent twice"),
    (done_file_comes_twice, "a file is sent twice"),
    (credits_show_the_charges, "a file does not show the lines of its batch"),
]


def test_falsified_files_of_one_batch_are_found(checks_of_two_files: Checks) -> None:
    assert [len(one.bills or ()) for one in checks_of_two_files.bursars[0].receipts] == [2, 1, 0]
    assert find_missed(checks_of_two_files, FALSIFIED_FILES) == []


def find_missed(checks: Checks, falsifications: Sequence[tuple[Falsification, str]]) -> list[str]:
    """Returns the falsifications whose violation is not found; each is made in a copy of a round without violations."""
    missed = []
    for falsification, kind in falsifications:
        copy = Checks(checks.connection, deepcopy(checks.bursars), deepcopy(checks.truth), checks.work_dirs)
        with checks.connection.transaction(force_rollback=True):
            falsification(copy)
            if kind not in kinds(copy):
                missed.append(falsification.__name__)
    assert checks.run() == []
    return missed


def kinds(checks: Checks) -> set[str]:
    return {violation.kind for violation in checks.run()}


def falsify(checks: Checks, statement: str) -> None:
    """Changes the ledger without its triggers."""
    checks.connection.execute("SET session_replication_role = replica")
    checks.connection.execute(statement)
    checks.connection.execute("RESET session_replication_role")


def file_comes_twice(checks: Checks) -> None:
    checks.bursars[0].receipts.append(checks.bursars[0].receipts[0])


def file_is_cut_off(checks: Checks) -> None:
    bursar = checks.bursars[0]
    whole = bursar.receipts.pop().data
    path = bursar.out / "STUDENTS-1.xml"
    path.write_bytes(whole[: len(whole) // 2])
    bursar.collect_files()


def file_is_not_received(checks: Checks) -> None:
    checks.bursars[0].receipts.clear()


def file_shows_another_sum(checks: Checks) -> None:
    bursar = checks.bursars[0]
    receipt = bursar.receipts[0]
    assert receipt.bills
    bursar.receipts[0] = replace(receipt, bills=(replace(receipt.bills[0], sum=Decimal(1)), *receipt.bills[1:]))


def fine_comes_in_a_second_file(checks: Checks) -> None:
    bursar = checks.bursars[0]
    bursar.receipts.append(replace(bursar.receipts[0], data=bursar.receipts[0].data + b"\n"))


def payment_file_is_not_loaded(checks: Checks) -> None:
    checks.bursars[0].payments.append(PaymentFile("STUDENTS", "lost.xml", b"", (("1", Decimal(1)),)))


def payment_waits_in_the_folder(checks: Checks) -> None:
    (checks.bursars[0].inbox / "late.xml").touch()


def payment_counts_less(checks: Checks) -> None:
    falsify(checks, "UPDATE import_records SET applied = applied - 1 WHERE number = 1")


def payment_counts_more(checks: Checks) -> None:
    falsify(checks, "UPDATE import_records SET already_settled = 1 WHERE number = 1")


def payment_is_applied_twice(checks: Checks) -> None:
    falsify(
        checks,
        "INSERT INTO journal_entries (fine_id, entry_type, outstanding_change, import_file_id, import_record)"
        " SELECT fine_id, entry_type, outstanding_change, import_file_id, import_record FROM journal_entries"
        " WHERE entry_type = 'PAID_AT_BURSAR' LIMIT 1",
    )


def balance_is_changed(checks: Checks) -> None:
    falsify(checks, "UPDATE fines SET balance = 1 WHERE id = 1")


def fine_is_not_charged(checks: Checks) -> None:
    falsify(checks, "UPDATE journal_entries SET entry_type = 'REOPENED' WHERE fine_id = 1 AND entry_type = 'CHARGED'")


def claim_is_left(checks: Checks) -> None:
    falsify(checks, "INSERT INTO batch_claims (fine_id, batch_id) VALUES (1, 1)")


def batch_is_released(checks: Checks) -> None:
    falsify(checks, "UPDATE batches SET released_at = now()")


def batch_stays_open(checks: Checks) -> None:
    falsify(checks, "UPDATE batches SET closed_at = NULL")


def money_is_refunded_that_nobody_paid(checks: Checks) -> None:
    falsify(
        checks,
        "INSERT INTO journal_entries (fine_id, entry_type, balance_change) VALUES (1, 'REFUNDED', 100), (1, "
        "'WAIVED', -100)",
    )


def desk_operation_is_lost(checks: Checks) -> None:
    checks.truth.operations["a payment"] = ("pay", "done")


def refused_operation_has_an_effect(checks: Checks) -> None:
    checks.truth.operations["a payment"] = ("pay", "refused")
    falsify(checks, "INSERT INTO journal_entries (fine_id, entry_type, comment) VALUES (1, 'PAID', 'a payment')")


def loaded_fine_is_lost(checks: Checks) -> None:
    checks.truth.fines["F1"] = Decimal(1)
    checks.truth.loaded.add("F1")


def draft_is_left(checks: Checks) -> None:
    folder = next(iter(checks.work_dirs)) / "batch-1"
    folder.mkdir(parents=True)
    (folder / ".STUDENTS-1.xml.17.draft").touch()


FALSIFIED_DATA = [
    (file_comes_twice, "a file is sent twice"),
    (file_is_cut_off, "a file is incomplete"),
    (file_is_not_received, "a file is lost"),
    (file_shows_another_sum, "a file does not show the lines of its batch"),
    (fine_comes_in_a_second_file, "a fine is sent twice"),
    (fine_comes_in_a_second_file, "a file belongs to no batch"),
    (payment_file_is_not_loaded, "a payment file was not loaded"),
    (payment_counts_less, "a payment is lost"),
    (payment_counts_more, "a payment counts more than once"),
    (payment_is_applied_twice, "a payment is in the journal twice"),
    (balance_is_changed, "a balance is not the journal's sum"),
    (balance_is_changed, "a fine is not sent"),
    (fine_is_not_charged, "a fine is not charged once"),
    (claim_is_left, "a lock or a session is left"),
    (batch_is_released, "a released batch has reached the bursar"),
    (batch_stays_open, "a batch is unfinished"),
    (money_is_refunded_that_nobody_paid, "more is paid out than was paid in"),
    (desk_operation_is_lost, "an operation of the desk is lost"),
    (refused_operation_has_an_effect, "a refused operation of the desk has an effect"),
    (loaded_fine_is_lost, "a loaded fine is lost"),
]


def test_falsified_data_is_found(checks: Checks) -> None:
    assert find_missed(checks, FALSIFIED_DATA) == []
    assert checks.count > 20


@pytest.mark.parametrize(
    ("falsification", "kind"),
    [
        (payment_waits_in_the_folder, "a payment file was not imported"),
        (draft_is_left, "a working file is left"),
    ],
)
def test_a_file_that_is_left_is_found(checks: Checks, falsification: Falsification, kind: str) -> None:
    falsification(checks)
    assert kinds(checks) == {kind}


def test_an_open_session_is_found(checks: Checks, postgres: Postgres, empty_ledger: str) -> None:
    with closing(psycopg.connect(host=str(postgres.sockets), user="postgres", dbname=empty_ledger)) as forgotten:
        forgotten.execute("SELECT pg_advisory_lock(1)")
        found = [violation.details for violation in checks.run() if violation.kind == "a lock or a session is left"]
    assert any(details.startswith("advisory locks") for details in found)
    assert any(details.startswith("sessions") for details in found)
