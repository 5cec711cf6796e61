"""The alert about an overpayment that waits long for a person."""

from datetime import UTC, datetime, timedelta

from bursar.imports.overpayments import reject_overpayment
from bursar.notifications.alerts import find_alerts
from bursar.profiles import Profile
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import make_profile


def monitor(code: str = "STUDENTS", days: int | None = 7) -> Profile:
    profile = make_profile(code=code)
    return profile.model_copy(update={"alerts": profile.alerts.model_copy(update={"max_days_overpayment_held": days})})


def test_an_overpayment_that_waits_too_long_raises_an_alert_until_a_person_decides(office: FakeBursar) -> None:
    _, transaction = office.export_fine("10.00")
    file = office.add_file(Payment(transaction, "100.00"))
    office.apply(file)
    now = datetime.now(UTC)

    def find(days: int, *profiles: Profile) -> list[str]:
        with office.library.ledger.begin() as connection:
            alerts = find_alerts(connection, profiles, now=now + timedelta(days=days))
        return [f"{alert.dedup_key}: {alert.summary}. {alert.advice}" for alert in alerts]

    assert find(6, monitor()) == []
    assert find(30, monitor(days=None), monitor("OTHER")) == []
    (alert,) = find(8, monitor())
    assert find(9, monitor()) == [alert]
    assert alert.startswith(f"held overpayment {file} 1: an overpayment of 90.00 USD (transaction {transaction})")
    assert "for more than 7 days" in alert
    assert f"`bin/bursar overpayments release {file} 1`" in alert
    reject_overpayment(office.library.ledger, file, 1, by="anna")
    assert find(8, monitor()) == []
