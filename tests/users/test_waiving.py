"""Bulk Fine Waiving on a real ledger: which fines are waived, and which are kept for which reason.

The module is long because every keep reason and every form of a file of fine ids has a case.
"""

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
from bursar.sources.load_types import InvalidRowsError
from bursar.users.keep_reason import KeepReason
from bursar.users.maintenance_job import MaintenanceJob
from bursar.users.waiving import WaiveParams, waive_fines
from tests.support.fake_bursar import FakeBursar
from tests.support.fixtures import NOW, Library, make_settings

D = Decimal
WAIVED = ("CLOSED", D(0), D(0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Creates the folder for files of fine ids."""
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


def get_keep_reasons(library: Library, job: MaintenanceJob) -> Mapping[int, str | None]:
    with library.ledger.connect() as connection:
        rows = connection.execute(
            text("SELECT fine_id, reason FROM maintenance_job_results WHERE job_id = :job"), {"job": job.id}
        )
        return {row.fine_id: row.reason for row in rows}


def test_each_chosen_fine_is_waived_or_kept_for_one_reason(library: Library, office: FakeBursar) -> None:
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

    assert get_keep_reasons(library, job) == {
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
def test_a_waived_fine_matches_all_fields_of_the_form(library: Library, form: dict[str, Any]) -> None:
    facts: dict[str, Any] = {"kind": "OTHER", "owner": "LAW", "created": datetime(2026, 1, 12, 4, 59, tzinfo=UTC)}
    staff = library.user(group="STAFF")
    matching = library.fine(staff, "1.00", **facts)
    others = [
        library.fine(staff, "1.00", **facts | {"kind": "OVERDUEFINE"}),
        library.fine(library.user(), "1.00", **facts),
        library.fine(staff, "1.00", **facts | {"owner": "MAIN"}),
        library.fine(staff, "1.00", **facts | {"owner": None}),
        library.fine(staff, "1.00", **facts | {"created": datetime(2026, 1, 12, 5, 0, tzinfo=UTC)}),
        library.fine(staff, "1.00", **facts | {"created": datetime(2026, 1, 10, 4, 59, tzinfo=UTC)}),
    ]
    all_fields: dict[str, Any] = {
        "fine_fee_types": ["LOSTITEMPROCESSFEE", "OTHER"], "user_groups": ["STAFF"], "libraries": ["LAW"],
        "created_from": "2026-01-10", "created_to": "2026-01-11",
    }  # fmt: skip
    assert get_keep_reasons(library, waive(library, "all", dry_run=True, **all_fields)) == {matching: None}
    alone = get_keep_reasons(library, waive(library, "alone", dry_run=True, **form))
    assert matching in alone
    assert 1 < len(alone) < 1 + len(others)


def test_an_outstanding_fine_is_waived_if_the_parameter_allows_it(library: Library, office: FakeBursar) -> None:
    exported = library.fine(amount="6.00")
    office.export()
    assert get_keep_reasons(library, waive(library, allow=True)) == {exported: None}
    assert library.position(exported) == WAIVED
    assert library.one("SELECT pending_reversal FROM fines WHERE id = :fine", fine=exported) == D(6)


@pytest.mark.parametrize("amount", ["6.00", "2.00"])
def test_a_charge_reversed_by_an_exported_credit_is_not_waived(
    library: Library, office: FakeBursar, amount: str
) -> None:
    charge = library.fine(amount="6.00")
    office.reverse_alone(charge, amount)
    assert get_keep_reasons(library, waive(library)) == {charge: "reversed"}
    assert library.position(charge) == ("ACTIVE", D(6), D(0))


def test_the_unreversed_part_of_a_charge_is_waived(library: Library, office: FakeBursar) -> None:
    charge = library.fine(amount="6.00")
    with library.ledger.begin() as connection:
        desk.pay(connection, charge, D(2))
        desk.pay(connection, desk.reverse_charge(connection, charge, D(2)))
    assert get_keep_reasons(library, waive(library)) == {charge: None}
    assert library.position(charge) == WAIVED


def test_the_journal_names_the_job_and_the_reason(library: Library) -> None:
    fine = library.fine(amount="1.00")
    job = waive(library, comment="decided on 1 March")
    comment = library.one(
        "SELECT comment FROM journal_entries WHERE fine_id = :fine AND entry_type = 'WAIVED'", fine=fine
    )
    assert comment == f"Bulk Fine Waiving {job.id}: Amnesty. decided on 1 March"


def test_a_repeated_task_returns_the_waiving_job_of_its_run(library: Library) -> None:
    library.fine(amount="1.00")
    first = waive(library)
    late = library.fine(amount="1.00")
    assert waive(library) == first
    assert library.position(late) == ("ACTIVE", D(1), D(0))


def test_a_dry_run_of_waiving_reports_the_same_and_changes_nothing(library: Library) -> None:
    fine = library.fine(amount="1.00")
    library.fine(amount="11.00")
    dry = waive(library, "dry", dry_run=True)
    assert library.position(fine) == ("ACTIVE", D(1), D(0))
    real = waive(library, "real")
    assert (real.users, real.fines, real.totals, real.skipped) == (dry.users, dry.fines, dry.totals, dry.skipped)


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
def test_an_invalid_form_of_waiving_changes_nothing(library: Library, form: dict[str, Any], message: str) -> None:
    fine = library.fine(amount="1.00")
    with pytest.raises(BursarError, match=message):
        waive(library, **form)
    assert library.position(fine) == ("ACTIVE", D(1), D(0))


class TestFileOfFineIds:
    """A file of fine ids may have been written by a person or by a faulty program."""

    def test_only_the_listed_fines_are_waived(self, library: Library, office: FakeBursar, folder: Path) -> None:
        exported = library.fine(amount="1.00")
        office.export(import_active=False)
        listed, other, elsewhere = (library.fine(amount="1.00", owner=owner) for owner in ("LAW", "LAW", "MAIN"))
        (folder / "amnesty.txt").write_bytes(b"\xef\xbb\xbf%d\r\n\r\n %d \n%d" % (listed, elsewhere, exported))

        job = waive(library, staging=folder.parent, fine_ids="amnesty.txt", libraries=["LAW"])

        assert get_keep_reasons(library, job) == {listed: None, elsewhere: "not_chosen", exported: "not_chosen"}
        assert library.position(other) == ("ACTIVE", D(1), D(0))

    def test_a_settled_fine_is_kept(self, library: Library, folder: Path) -> None:
        fine = library.fine(amount="1.00")
        (folder / "ids").write_text(f"{fine}\n")
        assert get_keep_reasons(library, waive(library, "1", staging=folder.parent, fine_ids="ids")) == {fine: None}
        assert get_keep_reasons(library, waive(library, "2", staging=folder.parent, fine_ids="ids")) == {
            fine: "settled"
        }

    def test_the_error_lists_every_invalid_line_and_nothing_is_waived(self, library: Library, folder: Path) -> None:
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
        assert wrong.value.lines[5] == f"ids.txt:8: fine {fine} is on line 1 already"
        assert library.position(fine) == ("ACTIVE", D(1), D(0))

    def test_a_line_that_is_too_long_is_an_error(self, library: Library, folder: Path) -> None:
        (folder / "ids").write_bytes(b"1" * 10_000_000)
        with pytest.raises(InvalidRowsError, match="ids:1: longer than any fine id"):
            waive(library, staging=folder.parent, fine_ids="ids")

    def test_an_empty_file_waives_nothing(self, library: Library, folder: Path) -> None:
        library.fine(amount="1.00")
        (folder / "ids").touch()
        assert waive(library, staging=folder.parent, fine_ids="ids").fines == 0

    def test_a_file_that_is_too_large_is_an_error(self, library: Library, folder: Path) -> None:
        with (folder / "ids").open("wb") as file:
            file.truncate(64 * 1024 * 1024 + 1)
        with pytest.raises(InputFileError, match="Divide the file"):
            waive(library, staging=folder.parent, fine_ids="ids")

    @pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", "a/b", "a\\b", "a\0b"])
    def test_a_name_with_path_parts_is_an_error(self, library: Library, folder: Path, name: str) -> None:
        (folder.parent / "secret").write_text("1")
        with pytest.raises(InputFileError, match="no plain file name"):
            waive(library, staging=folder.parent, fine_ids=name)

    @pytest.mark.parametrize("name", ["missing", "link", "folder"])
    def test_a_link_or_a_folder_is_an_error(self, library: Library, folder: Path, name: str) -> None:
        (folder / "link").symlink_to("/etc/hostname")
        (folder / "folder").mkdir()
        with pytest.raises(InputFileError, match="there is no such file"):
            waive(library, staging=folder.parent, fine_ids=name)
