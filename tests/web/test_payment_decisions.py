"""Held overpayments and repeated files, about which a person decides."""

import pytest
from sqlalchemy import text

from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import Library
from tests.web.conftest import Login
from tests.web.profiles import set_profile


@pytest.fixture(autouse=True)
def _profile(monkeypatch: pytest.MonkeyPatch) -> None:
    set_profile(monkeypatch)


def hold_overpayment(library: Library) -> int:
    """Holds an overpayment of 90.00 USD; returns the number of its file."""
    office = FakeBursar(library)
    _, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "100.00"))
    return int(library.one("SELECT max(id) FROM import_files"))


def decision(library: Library) -> tuple[str | None, str | None]:
    return library.one("SELECT held_decision FROM import_records"), library.one("SELECT decided_by FROM import_records")


def test_money_is_set_off_by_those_who_may_edit(library: Library, login: Login) -> None:
    path = f"/overpayments/{hold_overpayment(library)}/1/release"
    for role, status in ((None, 401), ("viewer", 403), ("user", 403)):
        assert login(role).get(path).status_code == status
        assert login(role).post(path).status_code == status
    assert login("op").post(path, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert decision(library) == (None, None)
    assert "Release the overpayment of 90.00 USD?" in login("op").get(path).text


def test_an_overpayment_is_released_once_under_the_name_of_the_person(library: Library, login: Login) -> None:
    file = hold_overpayment(library)
    for role in ("op", "admin"):
        answer = login(role).post(f"/overpayments/{file}/1/release", follow_redirects=False)
        assert answer.status_code == 303
    assert decision(library) == ("released", "op_person")
    assert library.one("SELECT count(*) FROM fines WHERE balance = -90") == 1
    assert "released by op_person as credit 2" in login("op").get(f"/overpayments/{file}/1/release").text

    stale = login("admin").post(f"/overpayments/{file}/1/reject")
    assert stale.status_code == 409
    assert "was released by op_person" in stale.text
    assert decision(library) == ("released", "op_person")


def test_an_overpayment_is_rejected_and_unknown_ones_are_not_found(library: Library, login: Login) -> None:
    file = hold_overpayment(library)
    assert login("admin").post(f"/overpayments/{file}/1/reject", follow_redirects=False).status_code == 303
    assert decision(library) == ("rejected", "admin_person")
    assert login("admin").get("/overpayments/99/1/reject").status_code == 404
    assert login("admin").post(f"/overpayments/{file}/2/reject").status_code == 404
    assert login("admin").post(f"/overpayments/{file}/1/keep").status_code == 422


def add_repeated_file(library: Library, name: str = "<u>second.xml") -> int:
    office = FakeBursar(library)
    _, transaction = office.export_fine("10.00")
    file = office.add_file(Payment(transaction, "4.00"))
    with library.ledger.begin() as connection:
        for run, one in (("run", "first.xml"), ("later", name)):
            connection.execute(
                text(
                    "INSERT INTO file_arrivals (file_id, profile, run_id, name, size, modified, archived_at)"
                    " VALUES (:file, 'STUDENTS', :run, :name, 1, clock_timestamp(), now())"
                ),
                {"file": file, "run": run, "name": one},
            )
    office.apply(file)
    return int(library.one("SELECT max(id) FROM file_arrivals"))


def test_a_repeated_file_is_applied_again_once_under_the_name_of_the_person(library: Library, login: Login) -> None:
    arrival = add_repeated_file(library)
    path, form = f"/repeated-files/{arrival}", {"other_payments": "yes"}
    for role, status in ((None, 401), ("viewer", 403)):
        assert login(role).get(path).status_code == status
        assert login(role).post(path, data=form).status_code == status
    user = login("user")
    assert "&lt;u&gt;second.xml" in user.get("/waiting").text
    assert "Apply &lt;u&gt;second.xml again?" in user.get(path).text
    assert "say that the bursar has confirmed" in user.post(path).text
    assert library.position(1)[2] == 6
    for role in ("user", "op"):
        assert login(role).post(path, data=form, follow_redirects=False).status_code == 303
    assert library.position(1)[2] == 2
    assert (
        library.one("SELECT requested_by FROM import_files WHERE repeated_arrival_id = :id", id=arrival)
        == "user_person"
    )
    assert "user_person" in user.get(path).text
    assert "second.xml" not in user.get("/waiting").text
    assert login("user").get("/repeated-files/99").status_code == 404
    assert login("viewer").get("/repeated-files/99").status_code == 403
