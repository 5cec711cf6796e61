"""Purge User Records on a real ledger: which users are deleted, and which are kept for which reason.

The module is long because every keep reason, date and form of a purge has a case.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bursar.errors import BursarError
from bursar.exports.close import close_fines
from bursar.ledger import desk
from bursar.ledger.totals import CurrencyTotals, Skipped
from bursar.users.keep_reason import KeepReason
from bursar.users.maintenance_job import MaintenanceJob
from bursar.users.purging import PurgeParams, purge_users
from bursar.work_dir import batch_folder
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import NOW, Library, make_settings

D = Decimal
DUE = date(2026, 1, 31)


def purge(
    library: Library, run_id: str = "run", *, allow: bool = False, as_of: datetime = NOW, **form: Any
) -> MaintenanceJob:
    return purge_users(
        library.ledger,
        PurgeParams.of_form({"dry_run": False, **form}),
        make_settings(allow_activity_on_transferred_finesfees=allow),
        run_id=run_id,
        as_of=as_of,
    )


def get_keep_reasons(library: Library, job: MaintenanceJob) -> Mapping[int, str | None]:
    with library.ledger.connect() as connection:
        rows = connection.execute(
            text("SELECT user_id, reason FROM maintenance_job_results WHERE job_id = :job"), {"job": job.id}
        )
        return {row.user_id: row.reason for row in rows}


def is_deleted(library: Library, user: int) -> bool:
    return bool(library.one("SELECT deleted_at IS NOT NULL FROM users WHERE id = :user", user=user))


def test_each_due_user_is_deleted_or_kept_for_one_reason(library: Library, office: FakeBursar) -> None:
    users: dict[str | None, int] = {
        name: library.user(purge=DUE)
        for name in (
            None, "outstanding", "above_threshold", "credit", "disputed", "in_unfinished_batch",
            "at the threshold", "nets",
        )
    }  # fmt: skip
    users["no_date"] = library.user()
    later = library.user(purge=date(2026, 3, 3))
    library.fine(users["outstanding"], "1.00")
    office.export()
    library.fine(users["in_unfinished_batch"], "1.00")
    office.export(close=False)
    library.fine(users["above_threshold"], "10.01")
    library.fine(users["credit"], "-0.01")
    disputed = library.fine(users["disputed"], "1.00")
    with library.ledger.begin() as connection:
        desk.dispute(connection, disputed, "not mine")
    waived = [library.fine(users["at the threshold"], amount) for amount in ("7.00", "3.00")]
    waived += [library.fine(users["nets"], amount) for amount in ("30.00", "-25.00")]

    job = purge(library, waive_threshold="10")

    purged = {users[None], users["at the threshold"], users["nets"]}
    assert get_keep_reasons(library, job) == {user: None if user in purged else name for name, user in users.items()}
    assert {user for user in (*users.values(), later) if is_deleted(library, user)} == purged
    assert (job.users, job.fines, job.totals) == (3, 4, {"USD": CurrencyTotals(Decimal("40.000"), Decimal("-25.000"))})
    assert [library.position(fine) for fine in waived] == [("CLOSED", D(0), D(0))] * 4
    assert job.skipped == {
        "above_threshold": Skipped(1, 1, {"USD": Decimal("10.010")}),
        "credit": Skipped(1, 1, {"USD": Decimal("-0.010")}),
        "disputed": Skipped(1, 1, {"USD": Decimal("1.000")}),
        "in_unfinished_batch": Skipped(1, 1, {"USD": Decimal("1.000")}),
        "no_date": Skipped(0, 1),
        "outstanding": Skipped(1, 1, {"USD": Decimal("1.000")}),
    }
    assert set(job.skipped) <= set(KeepReason)


def test_a_charge_reversed_by_an_exported_credit_is_not_waived_by_a_purge(library: Library, office: FakeBursar) -> None:
    user = library.user(purge=DUE)
    charge = library.fine(user, "6.00")
    office.reverse_alone(charge)
    assert get_keep_reasons(library, purge(library, waive_threshold="10")) == {user: "reversed"}
    assert library.position(charge) == ("ACTIVE", D(6), D(0))
    with library.ledger.begin() as connection:
        desk.pay(connection, charge)
    assert get_keep_reasons(library, purge(library, "after the payment", waive_threshold="10")) == {user: None}


def test_an_open_charge_and_its_open_credit_are_both_waived(library: Library) -> None:
    user = library.user(purge=DUE)
    charge = library.fine(user, "6.00")
    with library.ledger.begin() as connection:
        credit = desk.reverse_charge(connection, charge)
    assert get_keep_reasons(library, purge(library, waive_threshold="10")) == {user: None}
    assert [library.position(fine) for fine in (charge, credit)] == [("CLOSED", D(0), D(0))] * 2


def test_a_repeated_task_returns_the_job_of_its_run(library: Library) -> None:
    library.user(purge=DUE)
    first = purge(library)
    late = library.user(purge=DUE)
    assert purge(library) == first
    assert not is_deleted(library, late)
    assert purge(library, "the next run").users == 1


def test_a_crash_before_the_end_changes_nothing(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    user = library.user(purge=DUE)
    fine = library.fine(user, "1.00")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("bursar.users.purging.record", interrupt)
        with pytest.raises(KeyboardInterrupt):
            purge(library, waive_threshold="5")
    assert library.position(fine) == ("ACTIVE", D(1), D(0))
    assert not is_deleted(library, user)

    assert purge(library, waive_threshold="5").users == 1


def test_a_dry_run_reports_the_same_and_changes_nothing(library: Library) -> None:
    user = library.user(purge=DUE)
    fine = library.fine(user, "4.00")
    library.fine(library.user(purge=DUE), "6.00")

    dry = purge(library, "dry", waive_threshold="5", dry_run=True)
    assert not is_deleted(library, user)
    assert library.position(fine) == ("ACTIVE", D(4), D(0))
    assert library.one("SELECT count(*) FROM journal_entries WHERE entry_type = 'WAIVED'") == 0

    real = purge(library, "real", waive_threshold="5")
    assert (real.users, real.fines, real.totals, real.skipped) == (dry.users, dry.fines, dry.totals, dry.skipped)


def test_a_dry_run_is_the_default() -> None:
    assert PurgeParams.of_form({}).dry_run


@pytest.mark.parametrize(
    ("as_of", "days", "is_due"),
    [
        (datetime(2026, 2, 1, 4, 59, tzinfo=UTC), 0, True),  # 31 January, 23:59 in New York
        (datetime(2026, 1, 31, 4, 59, tzinfo=UTC), 0, False),
        (datetime(2026, 2, 1, 5, 0, tzinfo=UTC), 1, True),
        (datetime(2026, 2, 1, 4, 59, tzinfo=UTC), 1, False),
    ],
)
def test_days_are_days_of_the_institution(library: Library, as_of: datetime, days: int, is_due: bool) -> None:
    user = library.user(purge=DUE)
    purge(library, as_of=as_of, days=days)
    assert is_deleted(library, user) is is_due


def test_the_expiry_date_counts_if_the_form_says_so(library: Library) -> None:
    expired, active = library.user(expiry=DUE), library.user(purge=DUE, expiry=date(2027, 1, 1))
    job = purge(library, date="expiry_date")
    assert get_keep_reasons(library, job) == {expired: None}
    assert not is_deleted(library, active)


def test_only_users_of_the_chosen_groups_are_deleted(library: Library) -> None:
    student, staff = library.user(purge=DUE), library.user(purge=DUE, group="STAFF")
    purge(library, user_groups=["STAFF"])
    assert [is_deleted(library, user) for user in (student, staff)] == [False, True]


def test_the_threshold_applies_to_each_currency(library: Library) -> None:
    debtor, mixed = library.user(purge=DUE), library.user(purge=DUE)
    for currency in ("USD", "CAD"):
        library.fine(debtor, "5.00", currency=currency)
    library.fine(mixed, "5.00")
    library.fine(mixed, "-5.00", currency="CAD")
    job = purge(library, waive_threshold="5")
    assert get_keep_reasons(library, job) == {debtor: None, mixed: "credit"}
    assert job.totals == {code: CurrencyTotals(Decimal("5.000"), Decimal(0)) for code in ("CAD", "USD")}


def test_fines_of_a_user_who_is_kept_are_not_waived(library: Library, office: FakeBursar) -> None:
    """A user with an outstanding fine is kept, so the fine at the library is not waived."""
    user = library.user(purge=DUE)
    library.fine(user, "1.00")
    office.export()
    here = library.fine(user, "1.00")
    purge(library, waive_threshold="50")
    assert library.position(here) == ("ACTIVE", D(1), D(0))


def test_a_user_is_deleted_after_paying_at_the_bursar(library: Library, office: FakeBursar) -> None:
    user = library.user(purge=DUE)
    fine = library.fine(user, "9.00")
    office.export()
    office.pay(Payment(office.get_transaction(fine), "8.00"))
    assert get_keep_reasons(library, purge(library, "first")) == {user: "outstanding"}
    office.pay(Payment(office.get_transaction(fine), "1.00"))
    assert get_keep_reasons(library, purge(library, "second")) == {user: None}


def test_fines_exported_without_import_do_not_keep_a_user(library: Library, office: FakeBursar) -> None:
    user = library.user(purge=DUE)
    library.fine(user, "9.00")
    office.export(import_active=False)
    assert get_keep_reasons(library, purge(library)) == {user: None}


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"user_groups": ["STUDENTS"]}, "The ledger does not know user group STUDENTS"),
        ({"date": "birthday"}, "date: Input should be 'purge_date' or 'expiry_date'"),
        ({"days": -1}, "days: Input should be greater than or equal to 0"),
        ({"waive_threshold": "-1"}, "waive_threshold: Input should be greater than or equal to 0"),
        ({"waive_threshold": "ten"}, "waive_threshold: Input should be a valid decimal"),
        ({"waive_threshold": "1.0001"}, "waive_threshold: .* 3 decimal places"),
        ({"waive_threshold": "NaN"}, "waive_threshold: Input should be a finite number"),
        ({"waive_threshold": 0.1}, "waive_threshold: .*write the sum in quotation marks"),
        ({"no_such": 1}, "no_such: Extra inputs are not permitted"),
    ],
)
def test_an_invalid_form_of_a_purge_changes_nothing(library: Library, form: dict[str, Any], message: str) -> None:
    user = library.user(purge=DUE)
    with pytest.raises(BursarError, match=message):
        purge(library, **form)
    assert not is_deleted(library, user)
    assert library.one("SELECT count(*) FROM maintenance_jobs") == 0


def test_working_files_of_deleted_users_are_removed(library: Library, office: FakeBursar, tmp_path: Path) -> None:
    fine = library.fine(library.user(purge=DUE))
    batch = office.export()
    office.pay(Payment(office.get_transaction(fine), "12.50"))
    file = batch_folder(tmp_path / "STUDENTS", batch) / "built.xml"
    file.parent.mkdir(parents=True)
    file.write_text("Beaver, Tim")
    settings = make_settings(work_dir=tmp_path)
    purge_users(library.ledger, PurgeParams.of_form({"dry_run": True}), settings, run_id="dry", as_of=NOW)
    assert file.exists()
    purge_users(library.ledger, PurgeParams.of_form({"dry_run": False}), settings, run_id="real", as_of=NOW)
    assert not file.exists()


def test_a_waived_outstanding_fine_is_reversed_before_its_user_is_deleted(library: Library, office: FakeBursar) -> None:
    user = library.user(purge=DUE)
    fine = library.fine(user, "9.00")
    office.export()
    form: dict[str, Any] = {"allow": True, "waive_threshold": "9"}

    assert get_keep_reasons(library, job := purge(library, "first", **form)) == {user: "outstanding_waived"}
    assert (job.users, job.fines, job.totals) == (0, 1, {"USD": CurrencyTotals(Decimal("9.000"), Decimal(0))})
    assert library.position(fine) == ("CLOSED", D(0), D(0))
    assert library.one("SELECT pending_reversal FROM fines WHERE id = :fine", fine=fine) == D(9)
    assert get_keep_reasons(library, purge(library, "second", **form)) == {user: "reversal_waits"}
    batch = office.export(close=False)
    assert get_keep_reasons(library, purge(library, "third", **form)) == {user: "in_unfinished_batch"}
    close_fines(library.ledger, batch)
    assert get_keep_reasons(library, purge(library, "fourth", **form)) == {user: None}


def test_outstanding_credits_are_not_waived(library: Library, office: FakeBursar) -> None:
    user = library.user(purge=DUE)
    library.fine(user, "9.00")
    credit = library.fine(user, "-4.00")
    office.export()
    assert get_keep_reasons(library, purge(library, allow=True, waive_threshold="9")) == {user: "outstanding"}
    assert library.position(credit) == ("CLOSED", D(0), D(-4))
