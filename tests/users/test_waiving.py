"""Bulk Fine Waiving, on a real ledger: which fines are given up, which stay and why."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bursar.errors import BursarError, InputFileError
from bursar.ledger import desk
from bursar.ledger.totals import CurrencyTotals, Skipped
from bursar.sources.csv.load import InvalidRowsError
from bursar.users.keep_reason import KeepReason
from bursar.users.maintenance_job import MaintenanceJob
from bursar.users.waiving import WaiveParams, waive_fines
from tests.support.fake_bursar import FakeBursar
from tests.support.fixtures import NOW, Library, make_settings

D = Decimal
WAIVED = ("CLOSED", D(0), D(0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where files of fine ids lie."""
    folder = tmp_path / "fine_ids"
    folder.mkdir()
    return folder


def waive(
    library: Library, run_id: str = "run", *, allow: bool = False, staging: Path = Path("nowhere"), **form: Any
) -> MaintenanceJob:
    return waive_fines(
        library.ledger,
        WaiveParams.of_form({"dry_run": False, "threshold": "10", "reason": "Amnesty", **form}),
        make_settings(allow_activity_on_transferred_finesfees=allow, work_dir=staging),
        run_id=run_id,
        as_of=NOW,
    )


def verdicts(library: Library, job: MaintenanceJob) -> Mapping[int, str | None]:
    with library.ledger.connect() as connection:
        rows = connection.execute(
            text("SELECT fine_id, reason FROM maintenance_job_results WHERE job_id = :job"), {"job": job.id}
        )
        return {row.fine_id: row.reason for row in rows}


def test_each_chosen_fine_is_waived_or_stays_for_one_reason(library: Library, office: FakeBursar) -> None:
    with_the_bursar = library.user()
    outstanding = library.fine(with_the_bursar, "6.00")
    office.export()
    claimed = library.fine(amount="1.00")
    office.export(close=False)
    beside_it = library.fine(with_the_bursar, "4.00")
    too_much = [library.fine(user := library.user(), "10.00"), library.fine(user, "0.01")]
    with_credit = [library.fine(user := library.user(), "3.00"), library.fine(user, "-1.00")]
    disputed = library.fine(user := library.user(), "2.00")
    with library.ledger.begin() as connection:
        desk.dispute(connection, disputed, "not mine")
    undisputed = library.fine(user, "2.00")

    job = waive(library)

    assert verdicts(library, job) == {
        outstanding: "outstanding",
        claimed: "in_unfinished_batch",
        beside_it: None,
        **dict.fromkeys(too_much, "above_threshold"),
        **dict.fromkeys(with_credit, "credit"),
        disputed: "disputed",
        undisputed: None,
    }
    assert set(job.skipped) <= set(KeepReason)
    assert (job.users, job.fines, job.totals) == (2, 2, {"USD": CurrencyTotals(Decimal("6.000"), Decimal(0))})
    assert job.skipped["above_threshold"] == Skipped(2, 1, {"USD": Decimal("10.010")})
    assert [library.position(fine) for fine in (beside_it, undisputed)] == [WAIVED] * 2
    assert library.position(outstanding) == ("CLOSED", D(0), D(6))
    assert library.position(disputed) == ("DISPUTED", D(2), D(0))


@pytest.mark.parametrize(
    "form",
    [
        {"fine_fee_types": ["LOSTITEMPROCESSFEE", "OTHER"]},
        {"user_groups": ["STAFF"]},
        {"libraries": ["LAW"]},
        {"created_from": "2026-01-10", "created_to": "2026-01-11"},
    ],
)
def test_a_fine_fits_all_that_was_chosen(library: Library, form: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"kind": "OTHER", "owner": "LAW", "created": datetime(2026, 1, 12, 4, 59, tzinfo=UTC)}
    staff = library.user(group="STAFF")
    fitting = library.fine(staff, "1.00", **asked)
    others = [
        library.fine(staff, "1.00", **asked | {"kind": "OVERDUEFINE"}),
        library.fine(library.user(), "1.00", **asked),
        library.fine(staff, "1.00", **asked | {"owner": "MAIN"}),
        library.fine(staff, "1.00", **asked | {"owner": None}),
        library.fine(staff, "1.00", **asked | {"created": datetime(2026, 1, 12, 5, 0, tzinfo=UTC)}),
        library.fine(staff, "1.00", **asked | {"created": datetime(2026, 1, 10, 4, 59, tzinfo=UTC)}),
    ]
    everything: dict[str, Any] = {
        "fine_fee_types": ["LOSTITEMPROCESSFEE", "OTHER"], "user_groups": ["STAFF"], "libraries": ["LAW"],
        "created_from": "2026-01-10", "created_to": "2026-01-11",
    }  # fmt: skip
    assert verdicts(library, waive(library, "all", dry_run=True, **everything)) == {fitting: None}
    alone = verdicts(library, waive(library, "alone", dry_run=True, **form))
    assert fitting in alone
    assert 1 < len(alone) < 1 + len(others)


def test_what_the_bursar_holds_is_waived_if_that_is_allowed(library: Library, office: FakeBursar) -> None:
    exported = library.fine(amount="6.00")
    office.export()
    assert verdicts(library, waive(library, allow=True)) == {exported: None}
    assert library.position(exported) == WAIVED
    assert library.one("SELECT pending_reversal FROM fines WHERE id = :fine", fine=exported) == D(6)


@pytest.mark.parametrize("amount", ["6.00", "2.00"])
def test_what_a_credit_has_given_back_is_not_waived_too(library: Library, office: FakeBursar, amount: str) -> None:
    charge = library.fine(amount="6.00")
    office.reverse_alone(charge, amount)
    assert verdicts(library, waive(library)) == {charge: "reversed"}
    assert library.position(charge) == ("ACTIVE", D(6), D(0))


def test_what_is_left_beside_a_credit_is_waived(library: Library, office: FakeBursar) -> None:
    charge = library.fine(amount="6.00")
    with library.ledger.begin() as connection:
        desk.pay(connection, charge, D(2))
        desk.pay(connection, desk.reverse_charge(connection, charge, D(2)))
    assert verdicts(library, waive(library)) == {charge: None}
    assert library.position(charge) == WAIVED


def test_the_journal_says_why_and_by_which_job(library: Library) -> None:
    fine = library.fine(amount="1.00")
    job = waive(library, comment="decided on 1 March")
    said = library.one("SELECT comment FROM journal_entries WHERE fine_id = :fine AND entry_type = 'WAIVED'", fine=fine)
    assert said == f"Bulk Fine Waiving {job.id}: Amnesty. decided on 1 March"


def test_a_repeated_task_finds_what_it_did(library: Library) -> None:
    library.fine(amount="1.00")
    first = waive(library)
    late = library.fine(amount="1.00")
    assert waive(library) == first
    assert library.position(late) == ("ACTIVE", D(1), D(0))


def test_a_dry_run_says_the_same_and_changes_nothing(library: Library) -> None:
    fine = library.fine(amount="1.00")
    library.fine(amount="11.00")
    dry = waive(library, "dry", dry_run=True)
    assert library.position(fine) == ("ACTIVE", D(1), D(0))
    wet = waive(library, "wet")
    assert (wet.users, wet.fines, wet.totals, wet.skipped) == (dry.users, dry.fines, dry.totals, dry.skipped)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"threshold": None}, "threshold: .*required"),
        ({"threshold": ""}, "threshold: .*required"),
        ({"reason": ""}, "reason"),
        ({"reason": " "}, "reason"),
        ({"libraries": ["LAWW"], "user_groups": ["X"]}, "does not know library LAWW, user group X"),
        ({"created_from": "yesterday"}, "created_from"),
        ({"created_from": "2026-02-02", "created_to": "2026-02-01"}, "created_to: .* before created_from"),
    ],
)
def test_a_form_that_can_not_be_meant_changes_nothing(library: Library, form: dict[str, Any], message: str) -> None:
    fine = library.fine(amount="1.00")
    with pytest.raises(BursarError, match=message):
        waive(library, **form)
    assert library.position(fine) == ("ACTIVE", D(1), D(0))


class TestAFileOfFineIds:
    """What a person, or a broken program, may hand in."""

    def test_only_its_fines_are_asked_about(self, library: Library, office: FakeBursar, folder: Path) -> None:
        exported = library.fine(amount="1.00")
        office.export(import_active=False)
        listed, other, elsewhere = (library.fine(amount="1.00", owner=owner) for owner in ("LAW", "LAW", "MAIN"))
        (folder / "amnesty.txt").write_bytes(b"\xef\xbb\xbf%d\r\n\r\n %d \n%d" % (listed, elsewhere, exported))

        job = waive(library, staging=folder.parent, fine_ids="amnesty.txt", libraries=["LAW"])

        assert verdicts(library, job) == {listed: None, elsewhere: "not_chosen", exported: "not_chosen"}
        assert library.position(other) == ("ACTIVE", D(1), D(0))

    def test_what_is_settled_is_passed_over(self, library: Library, folder: Path) -> None:
        fine = library.fine(amount="1.00")
        (folder / "ids").write_text(f"{fine}\n")
        assert verdicts(library, waive(library, "1", staging=folder.parent, fine_ids="ids")) == {fine: None}
        assert verdicts(library, waive(library, "2", staging=folder.parent, fine_ids="ids")) == {fine: "settled"}

    def test_every_wrong_line_is_named_and_nothing_is_waived(self, library: Library, folder: Path) -> None:
        fine = library.fine(amount="1.00")
        lines = [
            b"%d" % fine, b"404", b"seven", b"1; DROP TABLE fines", b"", b"\xff\xfe", b"-1", b"%d" % fine, b"1.0",
            "\u0661".encode(), b"9" * 19, b"a\0b",
        ]  # fmt: skip
        (folder / "ids.txt").write_bytes(b"\n".join(lines))
        with pytest.raises(InvalidRowsError) as wrong:
            waive(library, staging=folder.parent, fine_ids="ids.txt")
        assert [line.split(": ")[0] for line in wrong.value.lines] == [
            f"ids.txt:{number}" for number in (2, 3, 4, 6, 7, 8, 9, 10, 11, 12)
        ]
        assert wrong.value.lines[0] == "ids.txt:2: there is no fine 404"
        assert wrong.value.lines[1].startswith('ids.txt:3: "seven" is no fine id')
        assert wrong.value.lines[5] == f"ids.txt:8: fine {fine} stands on line 1 already"
        assert library.position(fine) == ("ACTIVE", D(1), D(0))

    def test_a_line_without_end_is_not_read(self, library: Library, folder: Path) -> None:
        (folder / "ids").write_bytes(b"1" * 10_000_000)
        with pytest.raises(InvalidRowsError, match="ids:1: longer than any fine id"):
            waive(library, staging=folder.parent, fine_ids="ids")

    def test_an_empty_file_waives_nothing(self, library: Library, folder: Path) -> None:
        library.fine(amount="1.00")
        (folder / "ids").touch()
        assert waive(library, staging=folder.parent, fine_ids="ids").fines == 0

    def test_a_file_that_is_far_too_large_is_refused(self, library: Library, folder: Path) -> None:
        with (folder / "ids").open("wb") as file:
            file.truncate(64 * 1024 * 1024 + 1)
        with pytest.raises(InputFileError, match="Divide the file"):
            waive(library, staging=folder.parent, fine_ids="ids")

    @pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", "a/b", "a\\b", "a\0b"])
    def test_a_name_leads_nowhere_else(self, library: Library, folder: Path, name: str) -> None:
        (folder.parent / "secret").write_text("1")
        with pytest.raises(InputFileError, match="no plain file name"):
            waive(library, staging=folder.parent, fine_ids=name)

    @pytest.mark.parametrize("name", ["missing", "link", "folder"])
    def test_only_a_file_is_read(self, library: Library, folder: Path, name: str) -> None:
        (folder / "link").symlink_to("/etc/hostname")
        (folder / "folder").mkdir()
        with pytest.raises(InputFileError, match="there is no such file"):
            waive(library, staging=folder.parent, fine_ids=name)
