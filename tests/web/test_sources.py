"""The list of sources, one source with the forms that load it, the tab of its DAG, and the rights to its runs."""

import shutil
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine

from bursar.ledger.jobs import Job
from bursar.profiles import INCLUDE
from bursar.reporting.run_report import record_report
from bursar.sources.csv.faults import HeadingError
from bursar.web import rights
from tests.sources.conftest import GOOD_SOURCE
from tests.support.library_system import LibrarySystem
from tests.support.reports import make_report
from tests.web.conftest import ROLES, Login
from tests.web.fab import FabManager, dag_permissions
from tests.web.test_actions import read_forms
from tests.web.test_fines import words

GROUPS = [{"code": "UG", "name": "Undergraduates"}]


@pytest.fixture
def folder(profiles_folder: Path) -> Path:
    """Returns the folder of sources that the pages read, with the source LAW."""
    made = profiles_folder.parent / "sources"
    made.mkdir()
    (made / "law.yaml").write_text(GOOD_SOURCE)
    return made


def load(ledger: Engine, tmp_path: Path, code: str = "LAW") -> None:
    LibrarySystem(ledger, tmp_path).load(groups=GROUPS, users=[{}], fines=[{}], rules={"code": code})


def test_a_source_is_listed_with_its_schedule_and_its_last_load(
    login: Login, folder: Path, ledger: Engine, tmp_path: Path
) -> None:
    client = login("viewer")
    page = client.get("/sources").text
    assert "Law Library LAW law_system law/out daily at 02:00 nothing has been loaded yet has not run yet" in words(
        page
    )
    load(ledger, tmp_path)
    record_report(ledger, make_report(job=Job.SYNC, profile="LAW", run_id="run"))
    page = client.get("/sources").text
    assert "1 fine added, 0 changed, 0 unchanged" in words(page)
    assert 'href="/bursar/loads/1"' in page
    assert 'href="/bursar/runs/1"' in page


def test_a_load_that_was_refused_for_another_reason_than_rows_says_so(
    login: Login, folder: Path, ledger: Engine, tmp_path: Path
) -> None:
    system = LibrarySystem(ledger, tmp_path)
    path = tmp_path / "wrong.csv"
    path.write_text("no heading\n")
    with pytest.raises(HeadingError):
        system.load(fines=path, rules={"code": "LAW"})
    client = login("viewer")
    assert "Nothing was loaded: the heading of a file is wrong" in words(client.get("/sources").text)
    assert "It is most likely the wrong file." in words(client.get("/loads/1").text)
    with ledger.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO loads (source, started_at, is_complete, is_refused, files, counts, rejected, entries)"
            " VALUES ('LAW', now(), false, true, '[]', '{\"rejected\": 1}', '{\"older_file\": 1}', '[]')"
        )
    assert "Nothing was loaded: a file is older than one that was loaded before" in words(client.get("/sources").text)
    shown = words(client.get("/loads/2").text)
    assert "a file is older than one that was loaded before. Leave it out; if its rows are right after all" in shown
    assert "most likely the wrong file" not in shown


def test_a_source_whose_load_was_refused_says_that_nothing_was_loaded(
    login: Login, folder: Path, ledger: Engine, tmp_path: Path
) -> None:
    (folder / "law.yaml").write_text(GOOD_SOURCE.replace("Law Library", "<b>Law"))
    with pytest.raises(Exception, match="amount"):
        LibrarySystem(ledger, tmp_path).load(strict=True, fines=[{"amount": "x"}], rules={"code": "LAW"})
    page = login("viewer").get("/sources").text
    assert "Nothing was loaded: 1 of 1 rows were rejected (1 malformed" in words(page)
    assert "&lt;b&gt;Law" in page
    assert "<b>Law" not in page


def test_without_sources_the_pages_say_so(login: Login, profiles_folder: Path) -> None:
    client = login("admin")
    assert "There is no source that you may see." in client.get("/sources").text
    assert "Nothing has been loaded yet." in client.get("/loads").text
    assert client.get("/sources/LAW").status_code == 404
    assert client.get("/sources/%3Cb%3E").status_code == 422


def test_a_wrong_source_is_listed_with_its_messages_and_stops_no_other(login: Login, folder: Path) -> None:
    (folder / "arts.yaml").write_text(GOOD_SOURCE.replace("LAW", "ARTS").replace("complete: yes", "gone: <script>x"))
    page = login("viewer").get("/sources").text
    assert 'role="alert"' in page
    assert "arts.yaml:" in page
    assert "gone: " in page
    assert "Law Library" in page
    assert "<script>x" not in page
    page = login("admin").get("/sources/ARTS").text
    assert "ARTS is not valid" in page
    assert "Nothing is loaded before the source is corrected." in page
    assert read_forms(page) == []


def test_a_source_that_may_take_payment_files_is_wrong(login: Login, folder: Path, profiles_folder: Path) -> None:
    shutil.copy(INCLUDE / "profiles.examples" / "students.yaml", profiles_folder)
    profile = yaml.safe_load((profiles_folder / "students.yaml").read_text(encoding="utf-8"))
    text = GOOD_SOURCE.replace("users*.csv", "users*").replace("law_system", profile["sftp_connection"])
    (folder / "law.yaml").write_text(text.replace("law/out", profile["import"]["input_file_path"]))
    assert "the payment files of the profile STUDENTS, match the same names" in words(
        login("viewer").get("/sources").text
    )


def test_problems_of_no_known_source_are_for_those_who_may_edit(login: Login, folder: Path) -> None:
    (folder / "law.yaml").unlink()
    folder.rmdir()
    folder.write_text("no folder")
    for role in ROLES:
        shown = "the folder of sources can&#39;t be read" in login(role).get("/sources").text
        assert shown == (role in {"op", "admin"}), role


def test_a_load_and_a_dry_run_are_started_by_airflows_own_api(login: Login, folder: Path) -> None:
    for role in ROLES:
        page = login(role).get("/sources/LAW").text
        assert len(read_forms(page)) == (0 if role == "viewer" else 1), role
        assert ("you need the right to trigger the DAG bursar_sync__LAW" in page) == (role == "viewer")
    [form] = read_forms(page)
    assert form["send"] == "/bursar/../api/v2/dags/bursar_sync__LAW/dagRuns"
    assert form["body"] == {"logical_date": None, "conf": {}}
    assert form["buttons"] == [{"logical_date": None, "conf": {"dry_run": True}}]
    assert form["then"] == f"/bursar/dags/bursar_sync__LAW/runs/{form['run-id']}/progress"
    assert "Airflow has no DAG for this job" in page
    progress = login("viewer").get("/dags/bursar_sync__LAW/runs/run/progress")
    assert "Load Fines from Law Library" in progress.text


def test_a_source_that_is_not_active_can_not_be_started(login: Login, folder: Path) -> None:
    (folder / "law.yaml").write_text(GOOD_SOURCE + "active: no\n")
    assert "not active" in login("viewer").get("/sources").text
    page = login("admin").get("/sources/LAW").text
    assert "The source is not active" in page
    assert read_forms(page) == []


def test_the_loads_of_a_removed_source_are_kept(login: Login, folder: Path, ledger: Engine, tmp_path: Path) -> None:
    load(ledger, tmp_path, "OLD")
    client = login("viewer")
    page = client.get("/sources/OLD").text
    assert "OLD has been removed" in page
    assert 'href="/bursar/loads/1"' in page
    assert 'href="/bursar/loads/1"' in client.get("/loads?source=OLD").text
    assert 'href="/bursar/loads/1"' not in client.get("/loads?source=LAW").text


def test_the_tab_of_its_dag_shows_the_source_and_that_of_a_run_its_loads(
    login: Login, folder: Path, ledger: Engine, tmp_path: Path
) -> None:
    load(ledger, tmp_path)
    with ledger.begin() as connection:
        facts = "'LAW', 'run', now(), false, false, '[]', '{}', '{}', '[]'"
        connection.exec_driver_sql(
            "INSERT INTO loads (source, run_id, started_at, is_complete, is_refused, files, counts, rejected, entries)"
            f" VALUES ({facts})"
        )
    record_report(ledger, make_report(job=Job.SYNC, profile="LAW", run_id="run"))
    client = login("viewer")
    assert "law/out" in client.get("/dags/bursar_sync__LAW").text
    page = client.get("/dags/bursar_sync__LAW/runs/run").text
    assert "Load Fines from Law Library" in page
    assert 'href="/bursar/loads/2"' in page
    assert 'href="/bursar/loads/1"' not in page


def test_the_history_has_runs_of_sources(login: Login, folder: Path, ledger: Engine) -> None:
    record_report(ledger, make_report(job=Job.SYNC, profile="LAW", run_id="run"))
    client = login("viewer")
    for address in ("/history", "/history?source=LAW", "/history?job=sync"):
        page = client.get(address).text
        assert 'href="/bursar/runs/1"' in page, address
        assert "Law Library" in page
    for address in ("/history?source=OTHER", "/history?profile=LAW", "/history?job=export"):
        assert 'href="/bursar/runs/1"' not in client.get(address).text, address
    assert "sync,LAW" in client.get("/history.csv").text


def test_the_right_for_a_profile_is_none_for_a_source_of_the_same_code(
    login: Login, folder: Path, ledger: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(ledger, tmp_path)
    record_report(ledger, make_report(job=Job.SYNC, profile="LAW", run_id="run"))
    client = login("user")
    monkeypatch.setattr(rights, "get_auth_manager", lambda: FabManager(dag_permissions("LAW")))
    for address in (
        "/runs/1",
        "/loads/1",
        "/loads/1/rows.csv",
        "/sources/LAW",
        "/dags/bursar_sync__LAW",
        "/dags/bursar_sync__LAW/runs/run",
        "/dags/bursar_sync__LAW/runs/run/progress",
    ):
        assert client.get(address).status_code == 403, address
    for address in ("/sources", "/loads", "/history", "/history.csv", "/waiting"):
        answer = client.get(address)
        assert answer.status_code == 200
        for hidden in ("Law Library", "/loads/1", "/runs/1", "sync,"):
            assert hidden not in answer.text, (address, hidden)
