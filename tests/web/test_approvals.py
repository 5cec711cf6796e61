"""The page of a request for approval: who may answer it, and what a person sees before."""

import pytest
from sqlalchemy import Engine

from bursar.exports.recover import release_batch
from bursar.exports.selection import select_fines
from bursar.ledger import approvals
from bursar.ledger.approvals import ApprovalAnswer, ApprovalSubject, Figures
from bursar.ledger.jobs import Job
from bursar.ledger.profile_revisions import pin_revision
from bursar.profiles.monitoring import Approval
from bursar.web.airflow_runs import AirflowRun
from bursar.web.pages import approvals as page
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.managed_profiles import make_fields, save_profile
from tests.web.conftest import Login
from tests.web.profiles import set_profile
from tests.web.test_actions import read_forms


@pytest.fixture(autouse=True)
def _profile(monkeypatch: pytest.MonkeyPatch) -> None:
    set_profile(monkeypatch)


@pytest.fixture
def _waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow says that the run waits for the answer."""
    run = AirflowRun("running", {"wait_for_approval": "awaiting_input"})
    monkeypatch.setattr(page, "get_run", lambda _dag, _run_id: run)


def ask(library: Library, requested_by: str | None = None) -> ApprovalSubject:
    library.fine(library.user(last="<b>Özdemir"))
    batch = select_fines(
        library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW, requested_by=requested_by
    )
    subject = ApprovalSubject(batch_id=batch.id)
    with library.ledger.begin() as connection:
        approvals.insert_request(connection, subject, ["1 fine: <i>too many."], Approval(), requested_by=requested_by)
    return subject


@pytest.mark.usefixtures("_waits")
def test_the_request_is_seen_by_all_and_answered_by_those_who_may_act(library: Library, login: Login) -> None:
    ask(library)
    assert login(None).get("/approvals/1").status_code == 401
    seen = login("viewer").get("/approvals/1")
    assert seen.status_code == 200
    assert read_forms(seen.text) == []
    assert "zdemir" not in seen.text
    for role in ("user", "op", "admin"):
        text = login(role).get("/approvals/1").text
        (form,) = read_forms(text)
        assert form["method"] == "PATCH"
        assert form["send"].endswith(
            "/api/v2/dags/bursar_export__STUDENTS/dagRuns/run%201/taskInstances/wait_for_approval/-1/hitlDetails"
        )
        assert [one["chosen_options"] for one in form["buttons"]] == [["Approve"], ["Reject"]]
        assert "&lt;b&gt;Özdemir" in text
        assert "&lt;i&gt;too many" in text
    assert login("admin").get("/approvals/9").status_code == 404


@pytest.mark.usefixtures("_waits")
def test_the_person_who_triggered_the_run_reads_the_reason_before_the_click(library: Library, login: Login) -> None:
    ask(library, requested_by="user_person")
    text = login("user").get("/approvals/1").text
    assert "may not approve it" in text
    (form,) = read_forms(text)
    assert [one["chosen_options"] for one in form["buttons"]] == [["Reject"]]
    assert len(read_forms(login("op").get("/approvals/1").text)[0]["buttons"]) == 2


@pytest.mark.usefixtures("_waits")
def test_the_approvers_are_those_of_the_revision_that_the_run_keeps(library: Library, login: Login) -> None:
    ask(library)
    export = make_fields()["export"] | {"approval": {"approvers": ["anna", "ben"]}}
    save_profile(library.ledger, "STUDENTS", export=export)
    assert "not one of the approvers" not in login("user").get("/approvals/1").text
    with library.ledger.begin() as connection:
        pin_revision(connection, Job.EXPORT, "STUDENTS", "run 1", 1)
    assert "not one of the approvers" in login("user").get("/approvals/1").text


def test_a_run_that_does_not_wait_takes_no_answer(library: Library, login: Login) -> None:
    ask(library)
    text = login("user").get("/approvals/1").text
    assert "does not wait for an answer at the moment" in text
    assert read_forms(text) == []


@pytest.mark.usefixtures("_waits")
def test_a_batch_that_was_released_takes_no_answer(library: Library, login: Login) -> None:
    subject = ask(library)
    assert subject.batch_id is not None
    release_batch(library.ledger, subject.batch_id)
    text = login("user").get("/approvals/1").text
    assert "The batch has been released" in text
    assert read_forms(text) == []


@pytest.mark.usefixtures("_waits")
def test_an_answered_request_names_the_person(library: Library, login: Login) -> None:
    subject = ask(library)
    with library.ledger.begin() as connection:
        approvals.record_answer(connection, subject, ApprovalAnswer.APPROVED, by="<u>anna")
    text = login("user").get("/approvals/1").text
    assert "approved by &lt;u&gt;anna" in text
    assert read_forms(text) == []
    assert "Nothing waits for a person." not in login("user").get("/waiting").text  # the batch is not finished yet


@pytest.mark.usefixtures("_waits")
def test_an_approval_of_a_job_over_users_is_for_those_who_may_start_it(ledger: Engine, login: Login) -> None:
    with ledger.begin() as connection:
        approvals.insert_request(
            connection,
            ApprovalSubject(job=Job.PURGE, run_id="run 1"),
            ["600 users: more than the limit of 500."],
            make_settings().approval,
            requested_by="anna",
            figures=Figures(600, 0, {}),
        )
    assert login("viewer").get("/approvals/1").status_code == 403
    assert "Purge User Records" not in login("viewer").get("/waiting").text
    assert "Purge User Records" in login("user").get("/waiting").text
    (form,) = read_forms(login("user").get("/approvals/1").text)
    assert "/dags/bursar_purge_users/dagRuns/run%201/" in form["send"]
