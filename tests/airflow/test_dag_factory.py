"""The DAGs of a folder of profiles, as Airflow loads them.

The module is long because all tests load the same folder of profiles.
"""

from pathlib import Path
from typing import Any

import pendulum
import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import RetryAction
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables import trigger
from airflow.timetables.base import TimeRestriction
from sqlalchemy import Engine, text

from bursar.airflow import dag_factory, monitoring_dag, profile_store
from bursar.airflow.inbox_sensor import InboxSensor
from bursar.errors import InputFileError, RemoteFolderError, TransientError
from bursar.layouts import read
from bursar.profiles import loading
from bursar.profiles.yaml_reader import Source, read_yaml
from bursar.reporting.task_names import describe_task
from demo.profiles import write_include
from tests.sources.conftest import GOOD_SOURCE

PROJECT = Path(__file__).parents[2]
EXAMPLES = {
    "bursar_export__CREDITS",
    "bursar_export__MEDICAL",
    "bursar_export__STAFF",
    "bursar_export__STUDENTS",
    "bursar_import__CREDITS",
    "bursar_import__MEDICAL",
    "bursar_import__STUDENTS",
    "bursar_monitoring",
}
MAINTENANCE = {"bursar_purge_users", "bursar_waive_fines"}
"""The DAGs that need no profile."""


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example profiles, which a test may change."""
    copy = write_include(tmp_path / "include")
    for module in (dag_factory, monitoring_dag, profile_store):
        monkeypatch.setattr(module, "INCLUDE", copy)
    return copy


def dag_bag() -> DagBag:
    return DagBag(PROJECT / "dags")


def test_each_active_section_has_a_dag_and_an_inactive_one_has_none(include: Path) -> None:
    bag = dag_bag()
    assert bag.import_errors == {}
    assert set(bag.dag_ids) == EXAMPLES | MAINTENANCE


def test_each_task_that_a_report_names_has_words(include: Path) -> None:
    tasks = {task for id_, dag in dag_bag().dags.items() if id_ != "bursar_monitoring" for task in dag.task_ids}
    assert "import_file.load_file" in tasks
    without = [task for task in tasks if describe_task(task) == task.rpartition(".")[2].replace("_", " ")]
    assert without == []


def test_without_alerts_there_is_no_monitoring_dag(include: Path) -> None:
    path = include / "profiles" / "students.yaml"
    path.write_text(path.read_text(encoding="utf-8").partition("alerts:")[0], encoding="utf-8")
    assert set(dag_bag().dag_ids) == (EXAMPLES | MAINTENANCE) - {"bursar_monitoring"}


def test_only_an_export_with_limits_has_a_task_that_waits_for_an_approval(include: Path) -> None:
    path = include / "profiles" / "students.yaml"
    assert _get_waiting_dags() == []
    path.write_text(
        path.read_text(encoding="utf-8").replace("    max_amount:", "    max_amount: 50000"), encoding="utf-8"
    )
    assert _get_waiting_dags() == ["bursar_export__STUDENTS"]
    assert dag_bag().dags["bursar_export__STUDENTS"].get_task("upload_file").upstream_task_ids == {
        "build_file",
        "wait_for_approval",
    }


def _get_waiting_dags() -> list[str]:
    """Returns the DAGs of profiles that have a task which waits for an approval."""
    dags = dag_bag().dags
    return [id_ for id_ in sorted(set(dags) - MAINTENANCE) if dags[id_].has_task("wait_for_approval")]


def test_a_profile_that_is_invalid_for_a_while_is_still_monitored(
    include: Path, ledger: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring_dag, "ledger_url", lambda: ledger.url.render_as_string(hide_password=False))
    path = include / "profiles" / "students.yaml"
    right = path.read_text(encoding="utf-8")
    staff = (include / "profiles" / "staff.yaml").read_text(encoding="utf-8")
    other = include / "profiles" / "other.yaml"
    alerts = "notifications:\n  failed: [a@library.example]\nalerts:\n  max_days_without_export: 9\n"
    other.write_text(staff.replace("code: STAFF", "code: OTHER") + alerts, encoding="utf-8")

    def run_task() -> set[str]:
        """Runs the task of the DAG once; returns the monitored profiles."""
        task: Any = dag_bag().dags["bursar_monitoring"].get_task("send_alerts")
        task.python_callable()
        with ledger.connect() as connection:
            return set(connection.execute(text("SELECT profile FROM monitored_jobs")).scalars())

    assert run_task() == {"STUDENTS", "OTHER"}
    path.write_text(right + "no_such_key: 1\n", encoding="utf-8")
    assert run_task() == {"STUDENTS", "OTHER"}
    path.unlink()
    assert run_task() == {"OTHER"}


def test_an_invalid_profile_affects_no_other_and_airflow_shows_its_problems(include: Path) -> None:
    path = include / "profiles" / "staff.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    wrong = next(number for number, line in enumerate(lines, start=1) if "user_identifier_type" in line)
    lines[wrong - 1] = "  user_identifier_typ: userName"
    path.write_text("\n".join(lines), encoding="utf-8")
    bag = dag_bag()
    assert set(bag.dag_ids) == (EXAMPLES | MAINTENANCE) - {"bursar_export__STAFF"}
    ((where, error),) = bag.import_errors.items()
    assert where.endswith("bursar_profile_problems.py")
    assert f"staff.yaml:{wrong}: export.user_identifier_typ" in error
    assert "user_identifier_type" in error


def test_a_source_that_may_take_payment_files_has_no_dag_and_airflow_shows_why(include: Path) -> None:
    profile = yaml.safe_load((include / "profiles" / "medical.yaml").read_text(encoding="utf-8"))
    (include / "sources").mkdir()
    for code, folder in (("LAW", "law/out"), ("KOHA", profile["import"]["input_file_path"])):
        text = GOOD_SOURCE.replace("code: LAW", f"code: {code}").replace("users*.csv", "users*")
        text = text.replace("law_system", profile["sftp_connection"]).replace("law/out", folder)
        (include / "sources" / f"{code.lower()}.yaml").write_text(text, encoding="utf-8")
    bag = dag_bag()
    assert set(bag.dag_ids) == EXAMPLES | MAINTENANCE | {"bursar_sync__LAW"}
    [error] = bag.import_errors.values()
    assert "koha.yaml:7: files.users: 'users*' and '*.xml', the payment files of the profile MEDICAL, match" in error


def test_airflow_shows_the_problems_of_the_settings(include: Path) -> None:
    (include / "bursar.yaml").write_text("institution_id: 1\n", encoding="utf-8")
    bag = dag_bag()
    assert set(bag.dag_ids) == MAINTENANCE
    assert all("bursar.yaml:1: institution_name" in error for error in bag.import_errors.values())
    assert len(bag.import_errors) == 4


def test_a_task_parses_only_its_own_dag(include: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "bursar_export__STAFF")
    assert set(dag_factory.build_dags()) == {"bursar_export__STAFF"}


def test_a_task_reads_only_the_profile_of_its_dag(include: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = (include / "profiles" / "staff.yaml").read_text(encoding="utf-8")
    for number in range(50):
        text = profile.replace("STAFF", f"P{number}").replace("output_file_path: ", f"output_file_path: p{number}/")
        (include / "profiles" / f"p{number}.yaml").write_text(text, encoding="utf-8")
    read: list[str] = []

    def reading(path: Path) -> Source:
        read.append(path.name)
        return read_yaml(path)

    monkeypatch.setattr(loading, "read_yaml", reading)
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "bursar_export__P49")
    assert set(dag_factory.build_dags()) == {"bursar_export__P49"}
    assert read == ["bursar.yaml", "p49.yaml"]


def test_the_copy_of_a_profile_changes_no_dag(include: Path) -> None:
    """Whether the copy is before or after the original in the alphabet, and has the same case or not."""
    before = {id_: DagSerialization.to_dict(dag) for id_, dag in dag_bag().dags.items()}
    profile = (include / "profiles" / "staff.yaml").read_text(encoding="utf-8").replace("staff/out", "law/out")
    for name, code in {"law": "STAFF", "zoo": "Staff", "Staff": "STAFF", "staff-2": "STAFF"}.items():
        (include / "profiles" / f"{name}.yaml").write_text(profile.replace("STAFF", code, 1), encoding="utf-8")
    bag = dag_bag()
    assert {id_: DagSerialization.to_dict(dag) for id_, dag in bag.dags.items()} == before
    (error,) = bag.import_errors.values()
    assert "law.yaml:6: code: STAFF is the code of staff.yaml, which is not affected" in error


def test_two_builds_of_a_profile_serialise_identically(include: Path) -> None:
    first, second = ({id_: DagSerialization.to_dict(dag) for id_, dag in dag_bag().dags.items()} for _ in range(2))
    assert first == second


CHAINS = {
    "bursar_export__STUDENTS": "recover_unfinished_batches select_fines build_file upload_file close_fines report_run",
    "bursar_import__STUDENTS": "wait_for_files import_file.load_file import_file.apply_payments "
    "import_file.archive_file report_run",
    "bursar_purge_users": "check_limits wait_for_approval purge_users report_run",
    "bursar_waive_fines": "check_limits wait_for_approval waive_fines report_run",
    "bursar_monitoring": "send_alerts",
}


@pytest.mark.parametrize(("dag_id", "chain"), CHAINS.items(), ids=CHAINS)
def test_the_tasks_of_a_dag_are_a_chain(include: Path, dag_id: str, chain: str) -> None:
    dag = dag_bag().dags[dag_id]
    tasks = chain.split()
    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == {
        task: set(tasks[position + 1 : position + 2]) for position, task in enumerate(tasks)
    }
    assert [task.task_id for task in dag.tasks if task.is_teardown] == [task for task in tasks if task == "report_run"]
    assert dag.max_active_runs == 1


@pytest.mark.parametrize(
    ("dag_id", "name"),
    [
        ("bursar_export__STUDENTS", "Export to Bursar Using Profile Student Accounts"),
        ("bursar_import__STUDENTS", "Import from Bursar using Profile Student Accounts Fines and Fees"),
        ("bursar_purge_users", "Purge User Records"),
        ("bursar_waive_fines", "Bulk Fine Waiving"),
        ("bursar_monitoring", "Bursar Monitoring"),
    ],
)
def test_a_dag_has_the_name_of_its_job(include: Path, dag_id: str, name: str) -> None:
    assert dag_bag().dags[dag_id].dag_display_name == name


def test_an_import_waits_without_a_worker_and_imports_each_file_on_its_own(include: Path) -> None:
    dag = dag_bag().dags["bursar_import__STUDENTS"]
    sensor = dag.get_task("wait_for_files")
    assert isinstance(sensor, InboxSensor)
    assert sensor.start_from_trigger
    assert "minutes=720" in sensor.deadline
    steps = ["import_file.load_file", "import_file.apply_payments", "import_file.archive_file"]
    assert all(dag.get_task(step).get_closest_mapped_task_group() for step in steps)


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (TransientError("the server is down"), RetryAction.RETRY),
        (RemoteFolderError("a rejected login"), RetryAction.FAIL),
        (InputFileError("a broken file"), RetryAction.FAIL),
        (ConnectionResetError(), RetryAction.DEFAULT),
    ],
)
def test_the_tasks_of_all_dags_with_reports_have_the_retry_policy(
    include: Path, error: Exception, action: RetryAction
) -> None:
    dags = dag_bag().dags
    for dag in (dags[id_] for id_ in EXAMPLES - {"bursar_monitoring"}):  # which runs again within 15 minutes
        assert dag.default_args["retries"]
        assert dag.default_args["retry_policy"].evaluate(error, 1, 5).action is action


def test_the_documentation_has_the_settings_of_the_profile(include: Path) -> None:
    documentation = dag_bag().dags["bursar_export__STUDENTS"].doc_md
    assert documentation
    for fact in ("daily at 02:00", "MAIN, LAW", "UNDERGRADUATE, GRADUATE", "`bursar_banner`", "7 days"):
        assert fact in documentation
    documentation = dag_bag().dags["bursar_import__STUDENTS"].doc_md
    assert documentation
    for fact in ("daily at 06:00", "`students/in`", "`.done`", "720 minutes", "incremental"):
        assert fact in documentation


@pytest.mark.parametrize("minutes", [0.5, 60, 22 * 60])
def test_the_first_run_of_a_new_profile_is_at_its_next_date(
    include: Path, minutes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if a date has just passed: 02:00 in New York is 07:00 UTC in winter."""
    now = pendulum.datetime(2026, 1, 15, 7, tz="UTC").add(seconds=int(minutes * 60))
    monkeypatch.setattr(trigger, "utcnow", lambda: now)
    serialized = DagSerialization.from_dict(DagSerialization.to_dict(dag_bag().dags["bursar_export__STUDENTS"]))
    assert serialized.start_date is None
    following = serialized.timetable.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(None, None, catchup=False)
    )
    assert following
    assert following.run_after == pendulum.datetime(2026, 1, 16, 7, tz="UTC")


def test_airflow_shows_a_profile_whose_layout_is_wrong(include: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "INCLUDE", include)
    (include / "layouts").mkdir(exist_ok=True)
    (include / "layouts" / "campus.yaml").write_text("kind: delimited\nrecrods: []\n", encoding="utf-8")
    path = include / "profiles" / "staff.yaml"
    text_ = path.read_text(encoding="utf-8").replace("export:\n", "export:\n  layout: campus\n")
    path.write_text(text_, encoding="utf-8")
    line = text_.splitlines().index("  layout: campus") + 1
    [error] = dag_bag().import_errors.values()
    assert f"staff.yaml:{line}: export.layout: " in error
    assert "campus.yaml:2:1: recrods: unknown key: did you mean records?" in error
