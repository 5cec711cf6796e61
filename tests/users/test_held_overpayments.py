"""A user whose overpayment waits for a person is kept by a purge."""

from datetime import date

from bursar.imports.overpayments import reject_overpayment
from bursar.users.maintenance_job import MaintenanceJob
from bursar.users.purging import PurgeParams, purge_users
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import NOW, make_settings


def purge(office: FakeBursar, run_id: str) -> MaintenanceJob:
    form = {"dry_run": False, "waive_threshold": 1000}
    return purge_users(office.library.ledger, PurgeParams.of_form(form), make_settings(), run_id=run_id, as_of=NOW)


def test_a_purge_keeps_a_user_until_a_person_has_decided(office: FakeBursar) -> None:
    user = office.library.user(purge=date(2026, 1, 31))
    _, transaction = office.export_fine("10.00", user=user)
    file = office.add_file(Payment(transaction, "100.00"))
    office.apply(file)
    job = purge(office, "run 1")
    assert (job.users, {reason: one.users for reason, one in job.skipped.items()}) == (0, {"overpayment_held": 1})
    reject_overpayment(office.library.ledger, file, 1, by="anna")
    assert purge(office, "run 2").users == 1
