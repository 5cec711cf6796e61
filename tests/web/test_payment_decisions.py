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


def change(library: Library, update: str) -> None:
    with library.ledger.begin() as connection:
        connection.execute(text(f"UPDATE {update}"))


def let_days_pass(library: Library) -> None:
    """Makes the files of the ledger 60 days older."""
    change(library, "import_files SET applied_at = applied_at - interval '60 days'")
    change(library, "import_files SET rejected_at = rejected_at - interval '60 days'")
    change(library, "file_arrivals SET archived_at = archived_at - interval '60 days'")


def test_a_repeated_file_whose_application_was_interrupted_waits_until_it_is_completed(
    library: Library, login: Login
) -> None:
    arrival = add_repeated_file(library)
    change(library, "batches SET closed_at = NULL")  # payments wait until an export has closed its fines
    login("user").post(f"/repeated-files/{arrival}", data={"other_payments": "yes"})
    change(library, "batches SET closed_at = now()")
    let_days_pass(library)
    assert library.position(1)[2] == 6
    assert "Complete what was begun" in login("user").get("/waiting").text
    login("user").post(f"/repeated-files/{arrival}", data={"other_payments": "yes"})
    assert library.position(1)[2] == 2
    assert "second.xml" not in login("user").get("/waiting").text


def test_a_held_overpayment_waits_until_it_is_decided(library: Library, login: Login) -> None:
    file = hold_overpayment(library)
    let_days_pass(library)
    assert "90.00 USD" in login("op").get("/waiting").text
    login("op").post(f"/overpayments/{file}/1/reject")
    assert "90.00 USD" not in login("op").get("/waiting").text


def test_a_rejected_file_waits_until_one_of_its_name_has_been_applied(library: Library, login: Login) -> None:
    office = FakeBursar(library)
    _, transaction = office.export_fine("10.00")
    files = [office.add_file(Payment(transaction, "4.00")) for _ in range(2)]
    with library.ledger.begin() as connection:
        connection.execute(text("UPDATE import_files SET name = 'payments.xml'"))
        connection.execute(
            text("UPDATE import_files SET rejection = 'cut off', rejected_at = now() WHERE id = :id"), {"id": files[0]}
        )
    let_days_pass(library)
    assert "cut off" in login("user").get("/waiting").text
    office.apply(files[1])
    assert "Nothing waits for a person." in login("user").get("/waiting").text
