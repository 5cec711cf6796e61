"""The DAG that looks for what did not happen: late runs, silent bursars, batches that stay unsent."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable, task
from airflow.sdk.exceptions import AirflowFailException

from bursar.airflow.base_dag import Summary, dag_id
from bursar.airflow.connections import ledger_url
from bursar.airflow.notifier import run_url, send
from bursar.db.engine import ledger_engine
from bursar.exports.close import clear_work_dirs
from bursar.notifications.alerts import find_alerts
from bursar.notifications.messages import alert_message
from bursar.profiles import INCLUDE, Problem, Profile, load_profiles, load_settings
from bursar.profiles.monitoring import Alerts

DAG_ID = "bursar_monitoring"


def monitoring_dags() -> dict[str, DAG]:
    """The DAG `bursar_monitoring`, if any profile has something watched; none otherwise."""
    return {DAG_ID: _watch_dag()} if any(profile.alerts != Alerts() for profile in _profiles()[0]) else {}


def _profiles() -> tuple[list[Profile], list[Problem]]:
    return load_profiles(INCLUDE / "profiles", load_settings(INCLUDE / "bursar.yaml"))


def _watch_dag() -> DAG:
    with DAG(
        dag_id=DAG_ID,
        dag_display_name="Watch over Bursar's Jobs",
        doc_md=_DOCUMENTATION,
        schedule=CronTriggerTimetable("*/15 * * * *", timezone="UTC", run_immediately=timedelta(0)),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=["bursar"],
    ) as dag:

        @task
        def send_alerts() -> list[Summary]:
            """Tells each trouble once; the next run tries again what did not go."""
            engine = ledger_engine(ledger_url())
            clear_work_dirs(engine, load_settings(INCLUDE / "bursar.yaml").work_dir)
            profiles, unreadable = _profiles()
            with engine.begin() as connection:
                found = find_alerts(connection, profiles, now=datetime.now(UTC), complete=not unreadable)
            problems = []
            for alert in found:
                letter = alert_message(
                    job=alert.job,
                    profile_name=alert.profile.name,
                    summary=alert.summary,
                    advice=alert.advice,
                    link=run_url(dag_id(alert.profile, alert.job)),
                )
                problems += send(engine, letter, alert.profile.notifications.failed, what=alert.what)
            if problems:
                raise AirflowFailException("\n".join(problems))
            return [{"profile": alert.profile.code, "job": alert.job, "alert": alert.summary} for alert in found]

        send_alerts()
    return dag


_DOCUMENTATION = """### Watch over Bursar's Jobs

Looks every quarter of an hour for what no job can report, since it did not happen: a run that has not ended by its
deadline, no successful export or no file from the bursar for longer than the profile allows, a batch that stays unsent.
Those whom a profile tells about failures are told each trouble once. The task is red only if nobody could be told.
"""
