"""The DAG that alerts people to things no run reports: late runs, missing files, batches that stay unsent."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable, task

from bursar.airflow.config import source_work_dir
from bursar.airflow.connections import ledger_url
from bursar.airflow.inbox_sensor import remove_kept_downloads
from bursar.airflow.notifier import page_url, send
from bursar.airflow.profile_store import load_all_profiles
from bursar.airflow.task_failure import log_known_errors
from bursar.airflow.task_summaries import ActiveAlert
from bursar.db.engine import ledger_engine
from bursar.errors import BursarError
from bursar.exports.recover import clear_work_dirs
from bursar.notifications.alerts import find_alerts
from bursar.notifications.messages import alert_message
from bursar.profiles import INCLUDE, Problem, Profile, load_settings
from bursar.profiles.monitoring import Alerts
from bursar.reporting.run_description import get_owner_word
from bursar.sources.loaded_files import remove_loaded_files
from bursar.sources.model import Source, SourceAlerts
from bursar.sources.read import load_sources
from bursar.sources.system_model import describe_job

DAG_ID = "bursar_monitoring"

TASK_ARGS = {"retries": 0, "execution_timeout": timedelta(minutes=10)}
"""The next run, 15 minutes later, repeats a failed task. A task that hangs must not prevent that run."""

DOCUMENTATION = """### Bursar Monitoring

Looks every 15 minutes for things that no run reports:

- a run that has not ended by its deadline;
- no successful export, or no payment file, for longer than the profile allows;
- no load from a source for longer than the source allows;
- a batch that stays unsent;
- a direct upload that a worker without its lock may have damaged.

The people whom the profile or source notifies of failures are notified of each alert once. The task fails only if a
notification was not sent; the next run sends it again.
"""


def monitoring_dags() -> dict[str, DAG]:
    """Returns the DAG `bursar_monitoring` by its id if any profile or source sets alerts, otherwise an empty dict."""
    profiles, sources, _ = _load_all()
    sets_alerts = [profile.alerts != Alerts() for profile in profiles]
    sets_alerts += [source.alerts != SourceAlerts() for source in sources]
    return {DAG_ID: monitoring_dag()} if any(sets_alerts) else {}


def monitoring_dag() -> DAG:
    """Builds the DAG, which has one task."""
    with DAG(
        dag_id=DAG_ID,
        dag_display_name="Bursar Monitoring",
        doc_md=DOCUMENTATION,
        schedule=CronTriggerTimetable("*/15 * * * *", timezone="UTC", run_immediately=timedelta(0)),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=["bursar"],
        default_args=TASK_ARGS,
    ) as dag:
        task(send_alerts)()
    return dag


@log_known_errors()
def send_alerts() -> list[ActiveAlert]:
    """Sends each new alert once, and returns all alerts that are active; the next run repeats what was not sent.

    Working folders that no task uses are removed from this machine.

    Raises:
        TaskFailure: an alert was not sent to all of its recipients.
    """
    engine, settings = ledger_engine(ledger_url()), load_settings(INCLUDE / "bursar.yaml")
    clear_work_dirs(engine, settings.work_dir)
    profiles, sources, problems = _load_all()
    for profile in profiles:
        remove_kept_downloads(engine, settings, profile)
    for source in sources:
        remove_loaded_files(engine, source.code, source_work_dir(settings, source))
    with engine.begin() as connection:
        alerts = find_alerts(connection, profiles, sources=sources, now=datetime.now(UTC), complete=not problems)
    unsent = []
    for alert in alerts:
        message = alert_message(
            job=alert.job,
            owner_name=alert.owner.name,
            about=describe_job(alert.job, alert.owner),
            summary=alert.summary,
            advice=alert.advice,
            link=page_url(f"{get_owner_word(alert.job).lower()}s/{alert.owner.code}"),
        )
        unsent += send(engine, message, alert.owner.notifications.failed, dedup_key=alert.dedup_key)
    if unsent:
        raise BursarError("\n".join(unsent))
    return [{"profile": alert.owner.code, "job": alert.job, "summary": alert.summary} for alert in alerts]


def _load_all() -> tuple[list[Profile], list[Source], list[Problem]]:
    settings = load_settings(INCLUDE / "bursar.yaml")
    profiles, problems = load_all_profiles(settings)
    sources, more = load_sources(INCLUDE / "sources", settings, list_profiles=lambda: profiles)
    return profiles, sources, [*problems, *more]
