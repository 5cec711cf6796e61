"""`bin/bursar jobs`, on a real ledger."""

from datetime import date

from bursar.users.purging import PurgeParams, purge_users
from tests.support.cli import run, run_json
from tests.support.fixtures import NOW, Library, make_settings


def test_jobs_and_their_results_list_the_kept_users_and_reasons(library: Library) -> None:
    rich, poor = (library.user(purge=date(2020, 1, 1)) for _ in range(2))
    library.fine(rich, "20.00")
    library.fine(poor, "2.00")
    params = PurgeParams.of_form({"waive_threshold": "5", "dry_run": True})
    job = purge_users(library.ledger, params, make_settings(), run_id="manual", as_of=NOW)
    printed = run("jobs", "list")
    assert "purge (dry run)" in printed
    assert "1 user: the user owes more than the threshold" in printed
    assert "2.00 USD" in printed
    (found,) = run_json("jobs", "list")
    assert (found["kind"], found["dry_run"], found["users"], found["fines_waived"]) == ("purge", True, 1, 1)
    assert found["totals"]["USD"]["net"] == "2.00"
    assert found["skipped"]["above_threshold"]["net"] == {"USD": "20.00"}
    assert run("jobs", "results", str(job.id), "--format", "csv").splitlines() == [
        "user_id,fine_id,outcome,reason,requested_by,approved_by",
        f"{rich},,kept,the user owes more than the threshold,,",
        f"{poor},,would be purged,,,",
    ]
