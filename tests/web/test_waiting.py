"""What waits for a person, and a batch that a person releases or confirms."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import text

from bursar.exports.selection import select_fines
from bursar.layouts.layout import Layout
from bursar.ledger import approvals
from bursar.ledger.approvals import ApprovalSubject
from bursar.ledger.deliveries import DeliveryStep, advance_delivery, request_deliveries
from bursar.profiles.monitoring import Approval
from bursar.web.airflow_runs import AirflowRun
from bursar.web.pages import batch_decisions
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery
from tests.support.several_files import APART, select_apart
from tests.web.conftest import ROLES, Login
from tests.web.profiles import set_profile
from tests.web.test_actions import read_forms


@pytest.fixture(autouse=True)
def _profile(monkeypatch: pytest.MonkeyPatch) -> None:
    set_profile(monkeypatch)


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test of these pages has a server, so its connection is not found."""
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_BANNER", "sftp://nobody@127.0.0.1:1")


def add_unclear_batch(library: Library) -> int:
    library.fine(library.user(last="<b>Özdemir"))
    batch = select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW)
    record_delivery(library.ledger, batch.id, "unclear", remote_folder="sftp://b/out")
    return batch.id


def deliver_first(library: Library, batch: int, step: DeliveryStep) -> None:
    """Records a step of the delivery of the first file of a batch."""
    with library.ledger.begin() as connection:
        first = request_deliveries(connection, batch, "first", "run 1")[0]
        advance_delivery(connection, first, step, after=first.state)


def state(library: Library, batch: int) -> str:
    return str(library.one("SELECT state FROM batches_with_state WHERE id = :id", id=batch))


def test_an_empty_list_says_so(login: Login) -> None:
    for role in ROLES:
        answer = login(role).get("/waiting")
        assert answer.status_code == 200
        assert "Nothing waits for a person." in answer.text
    assert login(None).get("/waiting").status_code == 401


def test_all_that_waits_is_listed_and_the_actions_are_for_those_who_may(library: Library, login: Login) -> None:
    office = FakeBursar(library)
    _, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "100.00"))
    batch = add_unclear_batch(library)
    with library.ledger.begin() as connection:
        approvals.insert_request(
            connection, ApprovalSubject(batch_id=batch), ["<i>too many</i>"], Approval(), requested_by=None
        )
        connection.execute(
            text(
                "INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, rejection,"
                " rejected_at) VALUES ('STUDENTS', 'run', '<script>.xml', 1, now(), 'x', 'incremental', 'bad', now())"
            )
        )
    for role, acts, edits in (
        ("viewer", False, False),
        ("user", True, False),
        ("op", True, True),
        ("admin", True, True),
    ):
        page = login(role).get("/waiting").text
        for words in ("Approvals", "Unfinished exports", "Held overpayments", "Rejected files", "90.00 USD"):
            assert words in page, (role, words)
        assert "&lt;script&gt;.xml" in page
        assert "&lt;i&gt;too many" in page
        assert "<script>." not in page
        assert ("The bursar does not have it" in page) is acts
        assert ("/overpayments/1/1/release" in page) is edits
        assert ("/fines/1" in page) is acts


def test_a_batch_is_released_under_the_name_of_the_person_once(
    library: Library, login: Login, unreachable: None
) -> None:
    batch = add_unclear_batch(library)
    path = f"/batches/{batch}/release"
    form = {"state": "UNCLEAR", "confirm_not_received": "yes"}
    for role, status in ((None, 401), ("viewer", 403)):
        assert login(role).get(path).status_code == status
        assert login(role).post(path, data=form).status_code == status
    user = login("user")
    assert user.post(path, data=form, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    refused = user.post(path, data={"state": "UNCLEAR"})
    assert refused.status_code == 409
    assert "could be billed twice" in refused.text
    assert state(library, batch) == "UNCLEAR"

    page = user.get(path).text
    assert 'name="state" value="UNCLEAR"' in page
    assert "I have asked the bursar" in page
    answer = user.post(path, data=form, follow_redirects=False)
    assert answer.status_code == 303
    again = login("admin").post(path, data=form, follow_redirects=False)  # sent twice
    assert again.status_code == 303
    assert state(library, batch) == "RELEASED"
    assert "Released by</dt><dd><bdi>user_person" in user.get(answer.headers["location"].removeprefix("/bursar")).text
    assert library.position(1)[1] > 0
    assert "nothing left to release" in user.get(path).text


def test_an_unclear_file_is_uploaded_again_under_the_name_of_the_person(
    library: Library, login: Login, unreachable: None
) -> None:
    batch = add_unclear_batch(library)
    path = f"/batches/{batch}/repeat-upload"
    form = {"state": "UNCLEAR", "is_missing": "yes"}
    assert login("viewer").post(path, data=form).status_code == 403
    user = login("user")
    assert "I have asked the bursar, who has not received the file." in user.get(path).text
    refused = user.post(path, data={"state": "UNCLEAR"})
    assert (refused.status_code, state(library, batch)) == (409, "UNCLEAR")
    assert user.post(path, data=form, follow_redirects=False).status_code == 303
    assert state(library, batch) == "UPLOADING"
    assert str(library.one("SELECT repeated_by FROM deliveries")).startswith("user_person")
    assert "no unclear file to upload again" in user.get(path).text


def test_a_stale_page_changes_nothing(library: Library, login: Login, unreachable: None) -> None:
    batch = add_unclear_batch(library)
    user = login("user")
    confirmed = user.post(
        f"/batches/{batch}/confirm-delivery", data={"state": "UNCLEAR", "arrived": "yes"}, follow_redirects=False
    )
    assert confirmed.status_code == 303
    stale = login("op").post(
        f"/batches/{batch}/release", data={"state": "UNCLEAR", "confirm_not_received": "yes", "despite_file": "yes"}
    )
    assert stale.status_code == 409
    assert "it was unclear, and is delivered now" in stale.text
    assert state(library, batch) == "DELIVERED"


@pytest.mark.parametrize(("page", "tick"), [("confirm-delivery", "arrived"), ("repeat-upload", "is_missing")])
def test_an_answer_about_one_file_is_not_taken_for_the_next_one(
    library: Library, login: Login, write_layout: Callable[[str], Layout], unreachable: None, page: str, tick: str
) -> None:
    """Meanwhile the first file has been delivered, and the second one is unclear."""
    write_layout(APART)
    library.fine(amount="12.50")
    library.fine(amount="-7.25")
    batch = select_apart(library).id
    deliver_first(library, batch, "unclear")
    user, path = login("user"), f"/batches/{batch}/{page}"
    opened = re.findall('name="state" value="([^"]+)"', user.get(path).text)
    deliver_first(library, batch, "delivered")
    with library.ledger.begin() as connection:
        _, second = request_deliveries(connection, batch, "first", "run 1")
        advance_delivery(connection, second, "unclear", after=second.state, unclear_reason="GONE")

    stale = user.post(path, data={"state": opened, tick: "yes"})
    assert stale.status_code == 409
    assert "it was unclear, and is unclear after 1 delivered file now" in stale.text
    assert state(library, batch) == "UNCLEAR"

    seen = re.findall('name="state" value="([^"]+)"', user.get(path).text)
    assert user.post(path, data={"state": seen, tick: "yes"}, follow_redirects=False).status_code == 303
    assert state(library, batch) == ("DELIVERED" if tick == "arrived" else "UPLOADING")


def test_the_state_is_checked_once_more_when_nobody_can_change_it(
    library: Library, login: Login, unreachable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = add_unclear_batch(library)
    read = batch_decisions.get_actable_batch

    def read_and_confirm(*arguments: object) -> object:
        found = read(*arguments)  # type: ignore[arg-type]
        if state(library, batch) == "UNCLEAR":
            record_delivery(library.ledger, batch, "delivered", confirmed_by="anna")
        return found

    monkeypatch.setattr(batch_decisions, "get_actable_batch", read_and_confirm)
    answer = login("user").post(f"/batches/{batch}/release", data={"state": "UNCLEAR", "confirm_not_received": "yes"})
    assert answer.status_code == 409
    assert state(library, batch) == "DELIVERED"


def test_a_delivery_is_confirmed_under_the_name_of_the_person_once(library: Library, login: Login) -> None:
    batch = add_unclear_batch(library)
    path = f"/batches/{batch}/confirm-delivery"
    form = {"state": "UNCLEAR", "arrived": "yes"}
    for role, status in ((None, 401), ("viewer", 403)):
        assert login(role).get(path).status_code == status
        assert login(role).post(path, data=form).status_code == status
    user = login("user")
    assert user.get(path).status_code == 200
    assert user.post(path, data={"state": "UNCLEAR"}).status_code == 409
    for role in ("user", "op"):
        assert login(role).post(path, data=form, follow_redirects=False).status_code == 303
    assert "Confirmed by</dt><dd><bdi>user_person" in user.get(f"/batches/{batch}").text
    assert library.one("SELECT confirmed_by FROM deliveries") == "user_person"


def test_failed_steps_are_repeated_after_a_confirmation(
    library: Library, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.fine()
    batch = select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW).id
    run = AirflowRun("failed", {"build_file": "success", "upload_file": "failed"})
    monkeypatch.setattr(batch_decisions, "get_run", lambda _dag, _run_id: run)
    user, path = login("user"), f"/batches/{batch}/repeat"
    for role, status in ((None, 401), ("viewer", 403)):
        assert login(role).get(path).status_code == status
    part = user.get(f"/batches/{batch}/decisions").text
    assert f'href="/bursar{path}"' in part
    assert read_forms(part) == []
    page = user.get(path).text
    assert "repeats the steps of its run that have failed" in page
    assert "Failed steps</dt><dd><bdi>upload of the file<" in page
    [form] = read_forms(page)
    assert form["send"].endswith("/api/v2/dags/bursar_export__STUDENTS/dagRuns/run%201/clear")
    assert form["body"] == {"dry_run": False, "only_failed": True}
    record_delivery(library.ledger, batch, "unclear", remote_folder="sftp://b/out")
    page = user.get(path).text
    assert "there is no failed step to repeat" in page
    assert read_forms(page) == []


def test_names_of_a_batch_are_for_those_who_may_see_them(library: Library, login: Login) -> None:
    batch = add_unclear_batch(library)
    assert "dem" not in login("viewer").get(f"/batches/{batch}").text
    page = login("user").get(f"/batches/{batch}").text
    assert "&lt;b&gt;Özdemir" in page
    assert "<b>" not in page
    assert login("user").get("/batches/99").status_code == 404
    assert login("user").get("/batches/99999999999/release").status_code == 422
