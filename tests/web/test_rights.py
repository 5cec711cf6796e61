"""The rights on every route: which role of Airflow may use it. A new route has to be in the table."""

import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from bursar.exports.build import build_file
from bursar.exports.selection import select_fines
from bursar.ledger.jobs import Job
from bursar.ledger.profile_revisions import save_revision
from bursar.profiles import INCLUDE
from bursar.reporting.run_report import record_report
from bursar.web import rights
from bursar.web.app import create_app
from bursar.web.views import FOLDER
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.memory_system import MemorySystem, make_system_source
from tests.support.reports import make_report
from tests.web.conftest import ROLES, Login
from tests.web.fab import RUNS, FabManager, dag_permissions

STATIC_SUFFIXES = {".css", ".js", ".svg", ".txt", ".md", ".json", ""}
DATA = """
INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, records, totals, read_at,
                          applied_at, applied_by_run_id, outcomes)
VALUES ('STUDENTS', 'run', 'paid.xml', 1, now(), 'x', 'incremental', 1, '{}', now(), now(), 'run', '{}');
INSERT INTO file_arrivals (file_id, profile, run_id, name, size, modified)
VALUES (1, 'STUDENTS', 'run', 'paid.xml', 1, now()), (1, 'STUDENTS', 'run', 'again.xml', 1, now());
INSERT INTO import_records (file_id, number, line, transaction_id, sum, currency, outcome, fine_id, matched_id, amount,
                            applied, held_amount)
VALUES (1, 1, 1, '1', '9', 'USD', 'OVERPAID_HELD', 1, '1', 9, 0, 9);
INSERT INTO approvals (batch_id, reasons) VALUES (1, '{large}');
INSERT INTO maintenance_jobs (job, run_id, params, dry_run, as_of, users, fines, totals, skipped, started_at, ended_at)
VALUES ('waive', 'run', '{}', true, now(), 0, 0, '{}', '{}', now(), now());
INSERT INTO loads (source, started_at, is_complete, is_refused, files, counts, rejected, entries)
VALUES ('LAW', now(), true, true, '[]', '{"rejected": 1}', '{}', '{}'),
       ('', now(), true, true, '[]', '{"rejected": 1}', '{}', '{}');
INSERT INTO load_messages (load_id, number, kind, code, file, reason, remedy)
VALUES (1, 1, 'rejected', 'x', 'x', 'x', 'x');
INSERT INTO statements (profile, run_id, name, size, modified, sha256, layout, lists, of_users, stated_at, lines,
                        outcomes, compared_at)
VALUES ('STUDENTS', 'run', 'open.csv', 1, now(), 'x', 'open', 'open', false, now(), 0, '{}', now());
INSERT INTO system_sources (source, collected_to, seen_to) VALUES ('LAW', 0, 0);
INSERT INTO outbox_events (source, entry_id, fine_id, kind, amount, state)
SELECT 'LAW', min(id), min(fine_id), 'handed_over', 1, 'refused' FROM journal_entries
"""


@dataclass(frozen=True)
class Access:
    """The least role that may use a route, the values in its address, and the form of a change.

    `of_profile`: the route is about one profile, so that the right for another profile does not help.
    """

    role: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Any] | None = None
    of_profile: bool = True


PROFILE, MANAGED = {"code": "STUDENTS"}, {"code": "MANAGED"}
BATCH = {"batch": 1}
EXPORT_DAG, RUN = {"dag_id": "bursar_export__STUDENTS"}, {"run_id": "run"}
LAYOUT = {"layout": "banner"}
SOURCE_DAG = {"dag_id": "bursar_sync__LAW"}
REASON = {"reason": "too_young"}
DECISION = {"file": 1, "record": 1, "decision": "reject"}

TABLE = {
    # Profiles, runs and sums: to read the DAG.
    "show_profiles": Access("viewer", of_profile=False),
    "show_profile": Access("viewer", PROFILE),
    "show_dag": Access("viewer", EXPORT_DAG),
    "show_history": Access("viewer", of_profile=False),
    "download_history": Access("viewer", of_profile=False),
    "show_run": Access("viewer", {"run": 1}),
    "show_dag_run": Access("viewer", EXPORT_DAG | RUN),
    "show_progress": Access("viewer", EXPORT_DAG | RUN),
    "show_batch": Access("viewer", BATCH),
    "show_decisions": Access("viewer", BATCH),
    "show_answers": Access("viewer", BATCH),
    "show_payment_file": Access("viewer", {"file": 1}),
    "show_approval": Access("viewer", {"approval": 1}),
    "show_waiting": Access("viewer", of_profile=False),
    "show_overview": Access("viewer", of_profile=False),
    "show_actions": Access("viewer", PROFILE),
    "show_preview": Access("viewer", PROFILE),
    "show_preview_result": Access("viewer", PROFILE),
    "show_revisions": Access("viewer", MANAGED),
    "download_yaml": Access("viewer", MANAGED),
    # Sources and the counts of their loads: to read their DAGs.
    "show_sources": Access("viewer", of_profile=False),
    "show_source": Access("viewer", {"code": "LAW"}),
    "show_loads": Access("viewer", of_profile=False),
    "show_load": Access("viewer", {"load": 1}),
    "show_outbox": Access("viewer", {"code": "LAW"}),
    "show_event": Access("viewer", {"event": 1}),
    "check_source": Access("user", {"code": "LAW"}),
    "retry_event": Access("user", {"event": 1}),
    "mark_event_done": Access("user", {"event": 1}),
    # Layouts, with invented fines: to read a DAG of any profile.
    "show_layouts": Access("viewer", of_profile=False),
    "show_layout": Access("viewer", LAYOUT),
    "read_layout_sample": Access("viewer", {"layout": "semicolons"}, {"sample": "x"}),
    # Statements and their sums: to read a DAG of the profile.
    "show_statements": Access("viewer", of_profile=False),
    "show_statement": Access("viewer", {"statement": 1}),
    # Names and fines: to trigger the DAG of the profile, or every DAG.
    "download_file": Access("user", BATCH),
    "show_skipped": Access("user", BATCH | REASON),
    "download_skipped": Access("user", BATCH | REASON),
    "download_rejects": Access("user", {"file": 1}),
    "download_results": Access("user", {"statement": 1}),
    "download_preview": Access("user", PROFILE),
    "show_results": Access("user", {"run": 2}),
    "try_layout": Access("user", LAYOUT, {"profile": "STUDENTS"}),
    "download_rows": Access("user", {"load": 1}),
    "mark_load_seen": Access("user", {"load": 1}),
    "show_contested": Access("user"),
    "search": Access("user"),
    "find": Access("user", form={"wanted": "x"}),
    "show_user": Access("user", {"user": 1}),
    "show_fine": Access("user", {"fine": 1}),
    # Acts on a job: to trigger its DAG.
    "show_folder": Access("user", PROFILE),
    "confirm_release": Access("user", BATCH),
    "confirm_repeat": Access("user", BATCH),
    "release_batch": Access("user", BATCH, {"state": "DELIVERED"}),
    "look_at_server": Access("user", BATCH),
    "confirm_delivery": Access("user", BATCH),
    "confirm_delivered": Access("user", BATCH, {"state": "DELIVERED"}),
    "confirm_repeat_upload": Access("user", BATCH),
    "repeat_upload": Access("user", BATCH, {"state": "DELIVERED"}),
    "confirm_apply_again": Access("user", {"arrival": 2}),
    "apply_file_again": Access("user", {"arrival": 2}),
    "show_users_jobs": Access("user"),
    "show_job_form": Access("user", {"job": "waive"}),
    "upload_fine_list": Access("user", files={"file": ("list.csv", b"1\n")}),
    "show_job_result": Access("user", {"job": "waive"} | RUN),
    # Profiles are edited, and money is set off by hand: to edit connections.
    "add_profile": Access("op"),
    "edit_profile": Access("op", MANAGED),
    "post_new_profile": Access("op", form={"step": "next"}),
    "post_profile": Access("op", MANAGED, {"step": "next", "based_on": "2"}),
    "show_saved": Access("op", MANAGED),
    "confirm_restore": Access("op", MANAGED | {"revision": 1}),
    "restore_revision": Access("op", MANAGED | {"revision": 1}, {"based_on": "1"}),
    "confirm_deactivation": Access("op", MANAGED),
    "deactivate_profile": Access("op", MANAGED, {"based_on": "1"}),
    "confirm_overpayment": Access("op", DECISION),
    "decide_overpayment": Access("op", DECISION),
}
ROUTES = {route.name: route for route in create_app().routes if isinstance(route, APIRoute)}
CHANGES = sorted(name for name, route in ROUTES.items() if route.methods != {"GET"})


@pytest.fixture
def filled(library: Library, owned_ledger: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """Returns a ledger in which each address of the table has something to show."""
    profile = make_profile()
    for module in ("profiles", "reports", "payment_decisions", "approvals"):
        monkeypatch.setattr(f"bursar.web.pages.{module}.load_all_profiles", lambda *_, **__: ([profile], []))
    for module in ("batches", "actions"):
        monkeypatch.setattr(f"bursar.web.pages.{module}.settings", lambda: make_settings(work_dir=tmp_path))
    (tmp_path / "layouts").mkdir()
    for example in ("banner", "payments/semicolons"):
        shutil.copy(INCLUDE / "layouts.examples" / f"{example}.yaml", tmp_path / "layouts")
    monkeypatch.setattr("bursar.web.layouts.INCLUDE", tmp_path)
    monkeypatch.setattr("bursar.web.pages.sources.find_source", lambda code: make_system_source(code=code))
    monkeypatch.setattr("bursar.web.pages.sources.open_library_system", lambda _: nullcontext(MemorySystem()))
    library.fine()
    batch = select_fines(library.ledger, profile, make_settings(), run_id="run", as_of=NOW)
    build_file(library.ledger, batch.id, tmp_path)
    with owned_ledger.begin() as connection:
        for statement in DATA.split(";\n"):
            connection.exec_driver_sql(statement)
    with library.ledger.begin() as connection:
        for based_on in (0, 1):
            save_revision(connection, "MANAGED", {"code": "MANAGED"}, based_on=based_on, change="x", by="x")
    record_report(library.ledger, make_report(run_id="run"))
    record_report(library.ledger, make_report(job=Job.WAIVE, profile=None, run_id="run"))
    return library


DRAFTS = {"post_new_profile", "post_profile"}
"""The routes that show an incomplete draft again, with its problems."""


def call(client: TestClient, name: str, **options: Any) -> Any:
    """Calls a route by its name, with the values of the table."""
    access, route = TABLE[name], ROUTES[name]
    address = route.url_path_for(name, **{key: str(value) for key, value in access.parameters.items()})
    if route.methods == {"GET"}:
        return client.get(str(address), follow_redirects=False, **options)
    form, files = dict(access.form), access.files
    return client.post(str(address), follow_redirects=False, data=form, files=files, **options)


def test_every_route_is_in_the_table_and_takes_get_or_post() -> None:
    assert set(ROUTES) == set(TABLE)
    assert {method for route in ROUTES.values() for method in route.methods} == {"GET", "POST"}


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("role", [None, *ROLES])
def test_a_role_may_do_exactly_what_the_table_says(login: Login, role: str | None) -> None:
    client = login(role)
    wrong = {}
    for name, access in TABLE.items():
        answer = call(client, name)
        allowed = role is not None and ROLES.index(role) >= ROLES.index(access.role)
        expected = answer.status_code not in (401, 403, 404, 500) if allowed else answer.status_code == 403
        if answer.status_code == 422:
            expected = name in DRAFTS
        if role is None:
            expected = answer.status_code == 401
        if not expected:
            wrong[name] = answer.status_code
    assert wrong == {}


@pytest.mark.usefixtures("filled")
def test_the_right_for_all_dags_of_fab_shows_every_user(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    client = login("user")
    permissions = {RUNS, ("GET", "DAGs"), *dag_permissions("STUDENTS")}
    monkeypatch.setattr(rights, "get_auth_manager", lambda: FabManager(permissions))
    assert call(client, "search").status_code == 403
    permissions.add(("PUT", "DAGs"))
    assert call(client, "search").status_code == 200


@pytest.mark.usefixtures("filled")
def test_the_right_for_another_profile_does_not_help(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAB, with the rights that a role needs to read and trigger the DAGs of STAFF only."""
    client = login("user")
    monkeypatch.setattr(rights, "get_auth_manager", lambda: FabManager(dag_permissions("STAFF")))
    answers = {name: call(client, name) for name in TABLE}
    assert {name for name, answer in answers.items() if answer.status_code != 403} == {
        name for name, access in TABLE.items() if not access.of_profile
    }
    for name, access in TABLE.items():
        if not access.of_profile:
            assert "STUDENTS" not in answers[name].text, name


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site", "origin": "http://testserver"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {},
    ],
)
def test_a_change_that_another_site_sends_is_refused(login: Login, headers: dict[str, str]) -> None:
    client = login("admin")
    del client.headers["sec-fetch-site"]
    for name in CHANGES:
        answer = call(client, name, headers=headers)
        assert answer.status_code == 403, name
        assert "was not sent by a page of Bursar" in answer.text, name


def test_static_files_are_for_everybody_and_have_no_data(login: Login) -> None:
    """Anonymous callers may read them, so they are files of the package and nothing else."""
    answer = login(None).get("/static/bursar.css")
    assert answer.status_code == 200
    assert "max-age" in answer.headers["cache-control"]
    files = [path for path in (FOLDER / "static").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= STATIC_SUFFIXES
    assert not [path for path in files if "{{" in path.read_text(encoding="utf-8") and "vendor" not in path.parts]
    for address in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2f..%2f..%2fbursar/web/app.py"):
        assert login(None).get(address).status_code in (401, 404)


def test_every_page_forbids_scripts_and_frames_of_others_and_is_not_kept(login: Login) -> None:
    for client, address in ((login("viewer"), "/"), (login(None), "/"), (login("viewer"), "/batches/1")):
        headers = client.get(address).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


def test_accesses_to_names_can_not_be_changed_by_the_role_of_the_pages(library: Library) -> None:
    with pytest.raises(Exception, match="permission denied"), library.ledger.begin() as connection:
        connection.execute(text("DELETE FROM user_accesses"))
