"""The acts of a person are recorded with the person's name, and shown."""

import csv
import json
from getpass import getuser

import pytest
from sqlalchemy import text

from bursar.commands import context
from bursar.exports import approval
from bursar.exports.recover import record_answer
from bursar.exports.selection import select_fines
from bursar.ledger import approvals
from bursar.ledger.approvals import ApprovalAnswer, ApprovalSubject
from bursar.ledger.jobs import Job
from bursar.users.purging import PurgeParams, purge_users, record_request
from bursar.users.waiving import WaiveParams, waive_fines
from tests.support.cli import run, run_json
from tests.support.fake_bursar import FakeBursar
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery


@pytest.fixture(autouse=True)
def _no_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BURSAR_USER", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)


def posted(library: Library, fine: int = 1) -> list[tuple[str, str | None]]:
    """Returns the types of a fine's journal entries, each with the person."""
    with library.ledger.connect() as connection:
        query = text("SELECT entry_type, posted_by FROM journal_entries WHERE fine_id = :fine ORDER BY id")
        return [(row.entry_type, row.posted_by) for row in connection.execute(query, {"fine": fine})]


def test_each_act_of_the_desk_has_the_name_of_the_person(library: Library) -> None:
    library.fine(amount="20.00")
    for command in (
        ("pay", "1", "5"),
        ("waive", "1", "1"),
        ("refund", "1", "2"),
        ("dispute", "1", "--comment", "not mine"),
        ("resolve-dispute", "1", "--comment", "it was"),
        ("reverse", "1", "3"),
        ("credit", "user1", "1", "--currency", "USD"),
    ):
        run("--by", "anna", "desk", *command)

    acts = ["PAID", "WAIVED", "REFUNDED", "WAIVED", "DISPUTED", "DISPUTE_SETTLED"]
    assert posted(library) == [("CHARGED", None), *((act, "anna") for act in acts)]
    assert posted(library, 2) == posted(library, 3) == [("CHARGED", "anna")]
    output = " ".join(run("fines", "show", "1").split())
    assert "not mine, by anna" in output
    assert [entry["posted_by"] for entry in run_json("fines", "show", "1")[0]["journal"]] == [None] + ["anna"] * 6


@pytest.mark.parametrize(
    ("option", "variables", "name"),
    [
        ((), {}, getuser()),
        ((), {"SUDO_USER": "ben"}, "ben"),
        ((), {"SUDO_USER": "ben", "BURSAR_USER": "Eva Ort"}, "Eva Ort"),
        (("--by", "anna"), {"SUDO_USER": "ben", "BURSAR_USER": "Eva Ort"}, "anna"),
    ],
)
def test_the_name_is_given_or_that_of_the_login(
    library: Library, monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...], variables: dict[str, str], name: str
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    library.fine()
    run(*option, "desk", "pay", "1")
    assert posted(library)[-1] == ("PAID", name)


@pytest.mark.parametrize("name", [" ", "a\x1b[2J", "x" * 101])
def test_a_name_that_is_none_is_refused_and_nothing_is_changed(library: Library, name: str) -> None:
    library.fine()
    assert "Give yours with --by" in run("--by", name, "desk", "pay", "1", exit_code=2)
    assert posted(library) == [("CHARGED", None)]


def test_an_account_without_a_name_has_to_give_one(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_login() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setattr(context, "getuser", no_login)
    library.fine()
    assert "BURSAR_USER" in run("desk", "pay", "1", exit_code=2)


def test_a_batch_shows_who_triggered_confirmed_and_released_it(library: Library) -> None:
    library.fine()
    library.fine()
    chosen = {"as_of": NOW, "requested_by": "carl"}
    batch = select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", **chosen).id  # type: ignore[arg-type]
    record_delivery(library.ledger, batch, "unclear", remote_folder="sftp://b/out")
    run("--by", "anna", "batches", "confirm-delivered", str(batch), "--yes")
    assert "Triggered by: carl" in " ".join(run("batches", "show", str(batch)).split())
    assert "Confirmed by: anna" in " ".join(run("batches", "show", str(batch)).split())

    library.fine()
    other = select_fines(library.ledger, make_profile(), make_settings(), run_id="run 2", as_of=NOW).id
    run("--by", "ben", "batches", "release", str(other))
    assert "Released by: ben" in " ".join(run("batches", "show", str(other)).split())
    found = {one["batch"]: one for one in run_json("batches", "list", "--all")}
    assert (found[batch]["requested_by"], found[batch]["confirmed_by"], found[batch]["released_by"]) == (
        "carl",
        "anna",
        None,
    )
    assert (found[other]["requested_by"], found[other]["released_by"]) == (None, "ben")


def test_maintenance_jobs_show_who_triggered_them_and_the_journal_too(library: Library) -> None:
    fine = library.fine(amount="4.00")
    waive = WaiveParams.of_form({"threshold": "5", "reason": "Amnesty", "dry_run": False})
    waive_fines(library.ledger, waive, make_settings(), run_id="waive", as_of=NOW, requested_by="=anna")

    assert posted(library, fine)[-1] == ("WAIVED", "=anna")
    assert "=anna" in run("jobs", "list")
    assert [job["requested_by"] for job in run_json("jobs", "list")] == ["=anna"]
    (row,) = csv.DictReader(run("jobs", "results", "1", "--format", "csv").splitlines())
    assert row["requested_by"] == "'=anna"


def test_a_batch_and_a_job_show_who_approved_them_and_whose_answer_had_no_effect(library: Library) -> None:
    library.fine()
    limits = make_profile(approval={"max_fines": 0}).export.approval
    facts = {"as_of": NOW, "requested_by": "carl"}
    batch = select_fines(library.ledger, make_profile(), make_settings(), run_id="run", **facts)  # type: ignore[arg-type]
    asked = approval.request_approval(library.ledger, batch.id, limits)
    assert asked
    with library.ledger.begin() as connection:
        approvals.reject_answer(connection, asked, limits, ApprovalAnswer.APPROVED, "carl")
    record_answer(library.ledger, batch.id, ApprovalAnswer.APPROVED, by="ben")
    output = " ".join(run("batches", "show", str(batch.id)).split())
    assert "approved carl the person who triggered the run may not approve it" in output
    answers = run_json("batches", "show", str(batch.id))["answers"]
    assert [(one["answered_by"], one["rejection"]) for one in answers] == [("carl", "requester"), ("ben", None)]

    library.fine(library.user(purge=NOW.date()), "4.00")
    params, settings = (
        PurgeParams.of_form({"dry_run": False, "waive_threshold": "5"}),
        make_settings(approval={"max_fines": 0}),
    )
    record_request(library.ledger, params, settings, run_id="purge", **facts)  # type: ignore[arg-type]
    subject = ApprovalSubject(job=Job.PURGE, run_id="purge")
    with library.ledger.begin() as connection:
        approvals.record_answer(connection, subject, ApprovalAnswer.APPROVED, by="=ben")
    purge_users(library.ledger, params, settings, run_id="purge", **facts)  # type: ignore[arg-type]
    assert "approved by =ben" in " ".join(run("jobs", "list").split())
    assert run_json("jobs", "list")[0]["approved_by"] == "=ben"
    assert run("jobs", "results", "1", "--format", "csv").splitlines()[-1].endswith(",carl,'=ben")


def test_the_deletion_of_users_keeps_the_names_of_staff(library: Library) -> None:
    leaver = library.user(purge=NOW.date())
    library.fine(leaver, "4.00")
    run("--by", "anna", "desk", "waive", "1", "--comment", "of Tim Beaver")
    params = PurgeParams.of_form({"dry_run": False})
    purge_users(library.ledger, params, make_settings(), run_id="purge", as_of=NOW, requested_by="carl")
    other = library.user()
    run("--by", "ben", "users", "delete", str(other), "--yes")

    with library.ledger.connect() as connection:
        deleted = connection.execute(text("SELECT id, last_name, deleted_by FROM users ORDER BY id")).all()
    assert [tuple(row) for row in deleted] == [(leaver, "Deleted user", "carl"), (other, "Deleted user", "ben")]
    assert posted(library) == [("CHARGED", None), ("WAIVED", "anna")]


def test_an_export_has_no_person(library: Library) -> None:
    fine = library.fine()
    batch = FakeBursar(library).export()
    assert posted(library, fine) == [("CHARGED", None), ("EXPORTED", None)]
    assert json.loads(run("batches", "show", str(batch), "--format", "json"))["released_by"] is None
